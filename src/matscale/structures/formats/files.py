"""From a path, folder, glob or archive to the files in it, within limits."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matscale.runtime.errors import Refused, UserError
from matscale.structures.formats.vocabulary import File, Limits

PICKLES = (".pkl", ".pickle", ".pckl", ".p", ".joblib")


@dataclass
class Budget:
    """Bytes that may still be unpacked in this reading."""

    limits: Limits
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.limits.total_bytes

    def spend(self, count: int, member: str) -> None:
        """Count unpacked bytes.

        Raises:
            Refused: If the total is over the limit.
        """
        self.left -= count
        if self.left < 0:
            raise Refused(
                "too large", f"{member}: unpacks to over {self.limits.total_bytes} bytes in all"
            )


@dataclass(frozen=True)
class Place:
    """A file on disk and what it is called inside the folder that was asked for.

    Attributes:
        path: Where it is.
        name: Its path inside the folder, or its file name.
        chosen: Whether the caller named it, as against its lying in a folder that was named.
    """

    path: str
    name: str
    chosen: bool


def places(source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Place]:
    """The files that a source stands for: a path, folder, glob or list of them.

    Raises:
        UserError: If there is nothing there.
    """
    if isinstance(source, str | os.PathLike):
        return _places_of(source)
    found = [place for part in source for place in _places_of(part)]
    if not found:
        raise UserError("no files were given to read; name a file, folder, glob or archive")
    return found


def _places_of(source: str | os.PathLike[str]) -> list[Place]:
    path = Path(source)
    try:
        if path.is_dir():
            return _folder(path)
        if path.exists():
            return [Place(str(path), path.name, chosen=True)]
        # Path.glob takes no absolute pattern.
        matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {str(path)!r}: {error}; check the path") from error
    if not matches:
        what = "no file matches" if glob.has_magic(str(path)) else "there is no file or folder"
        raise UserError(f"{what} {str(path)!r}; check the path")
    return [
        place
        for match in matches
        for place in (
            _folder(Path(match))
            if Path(match).is_dir()
            else [Place(match, Path(match).name, chosen=False)]
        )
    ]


def _folder(folder: Path) -> list[Place]:
    entries = []
    start = len(os.path.join(folder, ""))  # noqa: PTH118 - thousands of files; Path is slow
    for root, _, names in os.walk(folder, onerror=_stop):
        for name in names:
            path = f"{root}{os.sep}{name}"
            entries.append(Place(path, path[start:].replace(os.sep, "/"), chosen=False))
    if not entries:
        raise UserError(f"the folder {str(folder)!r} holds no files")
    return sorted(entries, key=lambda place: place.name)


def _stop(error: OSError) -> None:
    raise UserError(f"cannot read the folder {error.filename!r}: {error.strerror}") from error


def read_place(place: Place, limits: Limits) -> File:
    """A file of the disk in memory; one that cannot be read holds the refusal.

    Raises:
        UserError: If the caller named this file and it cannot be read.
    """
    data: bytes | Refused
    try:
        status = os.stat(place.path)  # noqa: PTH116
        if not stat.S_ISREG(status.st_mode):
            data = Refused("unreadable", "not a regular file")
        elif status.st_size > limits.file_bytes:
            data = Refused("too large", f"{status.st_size} bytes")
        else:
            with open(place.path, "rb") as stream:  # noqa: PTH123
                data = stream.read()
    except OSError as error:
        if place.chosen:
            raise UserError(
                f"cannot read {place.path!r}: {error.strerror}; check its permissions"
            ) from error
        data = Refused("unreadable", str(error.strerror))
    return File(place.name, place.path, data, place.path)


def refuse_pickle(name: str) -> None:
    """Stop at a pickle.

    Raises:
        UserError: If the name is that of a pickle.
    """
    if name.lower().endswith(PICKLES):
        raise UserError(
            f"{name!r} is a pickle, and nothing is ever unpickled here because a pickle can run "
            "any code; convert it to CIF, extended XYZ, pymatgen JSON or Parquet"
        )


def is_hidden(name: str) -> bool:
    """Whether a file is what an operating system leaves behind, such as ``.DS_Store``."""
    parts = name.split("/")
    return any(part.startswith(".") and part not in (".", "..") for part in parts) or bool(
        {"__MACOSX", "Thumbs.db", "desktop.ini"} & set(parts)
    )
