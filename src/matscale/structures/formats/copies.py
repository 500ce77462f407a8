"""Folders that hold the same crystals more than once: each is to count once.

MatterGen writes its crystals as extended XYZ, as CIF files in a zip, and the trajectories that
led to them; other programs leave ``x.cif`` beside ``x.vasp``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import gcd

import numpy as np

from matscale.runtime.errors import Refused
from matscale.structures.formats.files import Place
from matscale.structures.formats.vocabulary import Block, Entry, File, Remark, stem_of

CRYSTALS = "generated_crystals.extxyz"
CIFS = "generated_crystals_cif"
TRAJECTORIES = "generated_trajectories"
_AGAIN = {CIFS: "the crystals of {} again", TRAJECTORIES: "how the crystals of {} came about"}


def without_mattergens(
    files: Iterable[File], ignored: list[tuple[str, str]], shown: str
) -> Iterator[File]:
    """The files of a source, of MatterGen's copies of the same crystals the first of three.

    Args:
        files: All files.
        ignored: Takes the copies that are left out, one entry an archive, and why.
        shown: Path of the source, which names in ``ignored`` go without.
    """
    read: set[str] = set()
    copies: dict[str, dict[str, list[File]]] = {}
    for file in files:
        folder, kind, _ = _of_mattergen(file.source)
        if kind in _AGAIN:
            copies.setdefault(folder, {}).setdefault(kind, []).append(file)
            continue
        if kind == CRYSTALS:
            read.add(folder)
        yield file
    for folder, kinds in copies.items():
        order = [CRYSTALS] * (folder in read) + [kind for kind in _AGAIN if kind in kinds]
        for kind in order[1:]:
            archive = _of_mattergen(kinds[kind][0].source)[2]
            name = archive.removeprefix(shown).lstrip("/") or archive
            ignored.append((name, _AGAIN[kind].format(order[0])))
        if order[0] != CRYSTALS:
            yield from kinds[order[0]]


def _of_mattergen(source: str) -> tuple[str, str, str]:
    """The folder of MatterGen's that a file is in, which copy it is or "", and that copy's path."""
    parts = source.split("/")
    for depth, part in enumerate(parts):
        kind = part if part == CRYSTALS else part.removesuffix(".zip")
        if kind in (CRYSTALS, *_AGAIN):
            return "/".join(parts[:depth]), kind, "/".join(parts[: depth + 1])
    return "", "", ""


class Twins:
    """Files of one folder and name in several formats: which of them repeat another's crystals."""

    def __init__(self, places: Sequence[Place]) -> None:
        counts = Counter(_key(place.path) for place in places if not place.chosen)
        self._shared = {key for key, count in counts.items() if count > 1}
        self._seen: dict[str, list[tuple[str, list[tuple[int, ...]]]]] = {}

    def concern(self, file: File) -> bool:
        """Whether another file of the source has its name in another format."""
        return file.source == file.origin and _key(file.source) in self._shared

    def first(self, file: File, items: Sequence[Entry | Block | Remark]) -> str:
        """The earlier file whose crystals these are by number and composition; "" without one."""
        formulas = sorted(_formulas(items))
        seen = self._seen.setdefault(_key(file.source), [])
        for name, theirs in seen:
            if theirs == formulas:
                return name
        if formulas:
            seen.append((file.name, formulas))
        return ""


def _key(path: str) -> str:
    return path[: len(path) - len(path.rpartition("/")[2])] + stem_of(path)


def _formulas(items: Sequence[Entry | Block | Remark]) -> Iterator[tuple[int, ...]]:
    """Reduced composition of each item: atomic numbers and counts by turns; () if unreadable."""
    for item in items:
        if isinstance(item, Block):
            yield from (_formula(item.table.row_numbers(row)) for row in range(len(item.table)))
        elif isinstance(item, Entry):
            try:
                with np.errstate(all="ignore"):
                    yield _formula(item.parsed().numbers)
            except Refused:
                yield ()


def _formula(numbers: np.ndarray) -> tuple[int, ...]:
    kinds, counts = np.unique(numbers, return_counts=True)
    shared = gcd(*counts.tolist())
    return tuple(np.column_stack([kinds, counts // max(shared, 1)]).ravel().tolist())
