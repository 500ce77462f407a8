"""Frames of extended XYZ, one by one, so that one damaged frame does not cost its neighbours.

A frame goes on until the next count: no line of an atom is a whole number alone. A count that is
wrong is then found in its own frame, whichever way it lies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import dropwhile, pairwise
from pathlib import Path
from typing import Any

from matscale.runtime.errors import Refused, UserError
from matscale.structures.formats.extxyz import comment, parse_atoms


@dataclass
class _Frame:
    """A frame as it stands in the file: ``line`` is that of its count, from one."""

    number: int
    line: int
    count: str
    remark: str | None = None
    atoms: list[str] = field(default_factory=list)


def read_frames(path: Path) -> Iterator[tuple[dict[str, str], Any]]:
    """Values of each frame's comment, and its atomic numbers (n,) and positions (n, 3) in Å.

    Instead of the atoms stands the :class:`Refused` of a frame that cannot be read.

    Raises:
        UserError: Where a frame begins without a count, or the file cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as stream:
            frames = _frames(path, stream)
            frame = next(frames, None)
            while frame is not None:
                following = next(frames, None)
                values = comment(frame.remark or "")
                yield values, _parsed(path, frame, is_last=following is None)
                frame = following
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def _frames(path: Path, stream: Iterable[str]) -> Iterator[_Frame]:
    frame: _Frame | None = None
    lines = dropwhile(lambda numbered: not numbered[1].strip(), enumerate(stream, 1))
    for at, line in lines:
        if frame is not None and frame.remark is None:
            frame.remark = line
        elif line.strip().isdecimal():
            if frame is not None:
                yield frame
            frame = _Frame(frame.number + 1 if frame else 1, at, line.strip())
        elif frame is None:
            raise _no_count(path, "frame 1", at, line)
        else:
            frame.atoms.append(line)
    if frame is not None:
        yield frame


def _no_count(path: Path, frame: str, line: int, text: str) -> UserError:
    return UserError(
        f"{path}, line {line}: {text.strip()[:40]!r} stands where the number of atoms of {frame} "
        "is expected"
    )


def _parsed(path: Path, frame: _Frame, is_last: bool) -> Any:
    """The atoms of a frame, or why there are none.

    Raises:
        UserError: If another frame hides in it, whose count is none.
    """
    while frame.atoms and not frame.atoms[-1].strip():
        frame.atoms.pop()
    says, has = int(frame.count[:18]), len(frame.atoms)
    where = f"frame {frame.number}, line {frame.line}"
    if says > has and is_last:
        return Refused("truncated", f"{where}: says {says} atoms, has {has} where the file ends")
    if says != has:
        _check_alone(path, frame, frame.atoms[says:])
        return Refused("unreadable", f"{where}: says {says} atoms, has {has}")
    try:
        return parse_atoms(f"{frame.count}\n{frame.remark}{''.join(frame.atoms)}")[:2]
    except Refused as refusal:
        return Refused(refusal.reason, f"{where}: {refusal.detail}")


def _check_alone(path: Path, frame: _Frame, surplus: list[str]) -> None:
    """Raise if there is a frame's comment among the lines that are too many in the one before."""
    for row, (line, following) in enumerate(pairwise(surplus)):
        if "=" in following:
            at = frame.line + 2 + int(frame.count[:18]) + row
            raise _no_count(path, f"frame {frame.number + 1}", at, line)
