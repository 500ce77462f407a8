"""Paths as results show them: never absolute, for results are published."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

_PACKED = re.compile(r"\.(zip|tar|tgz|gz|bz2|xz)$", re.IGNORECASE)
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_IN_TEXT = re.compile(
    # Not inside a word, an address or a fraction; two parts at least, for "/Å" is a unit.
    r"""(?<![\w/.$])(?:~[\w-]*/|/|(?:\.\./)+)[^\s/'"`;,()<>]+(?:/[^\s/'"`;,()<>]+)+/?"""
    r"""|(?<!\w)[A-Za-z]:\\[^\s'"`;,()<>]+"""
)
_IN_HOME_OR_ABOVE = ("/", "~", "..")


def shown_path(path: str | os.PathLike[str]) -> str:
    """A path without what it says of the machine.

    What lies below the present folder is given from there; of any other absolute path, and of one
    that leads out of the present folder, the name is kept, with the archive that holds it.
    A path that is relative stays as it is.
    """
    text = os.fspath(path)
    if not (text.startswith(_IN_HOME_OR_ABOVE) or _WINDOWS.match(text)):
        return text
    whole: PurePath = PureWindowsPath(text) if _WINDOWS.match(text) else PurePosixPath(text)
    here = _present_folder()
    if here is not None and whole.is_relative_to(here) and whole != here:
        return str(whole.relative_to(here))
    parts = [part for part in whole.parts if part not in (whole.anchor, "..", "~")]
    archive = next((k for k, part in enumerate(parts) if _PACKED.search(part)), len(parts) - 1)
    return "/".join(parts[archive:]) or "."


def without_paths(text: str) -> str:
    """A text in which every absolute path is as :func:`shown_path` gives it."""
    return _IN_TEXT.sub(lambda found: shown_path(found[0]), text)


def shown_argument(word: str) -> str:
    """A word of a command line, alone or as ``--option=path``, as :func:`shown_path` gives it."""
    name, equals, value = word.partition("=")
    return f"{name}={shown_path(value)}" if equals else shown_path(word)


def _present_folder() -> PurePath | None:
    """The present folder; None where it is gone, or is the root, below which everything lies."""
    try:
        here = Path.cwd()
    except OSError:
        return None
    return None if here == Path(here.anchor) else here
