"""Particles from files: XYZ without a cell, one or many a file, and Parquet."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

from matscale.runtime.errors import Refused, UserError
from matscale.structures.formats import archives, extxyz, files, parquet
from matscale.structures.formats.vocabulary import Block, File, Limits
from matscale.structures.reading import Reading, Refusal
from matscale.structures.table import StructureTable

CRYSTAL = "a crystal"
"""Reason of an item that has a cell."""

Found = tuple[str, str, tuple[np.ndarray, np.ndarray] | Refused]
"""Name, place, and atomic numbers (n,) with positions (n, 3) in Å, or why there are none."""


def read_particles(source: str | os.PathLike[str], *, limits: Limits | None = None) -> Reading:
    """All particles of a file, folder, glob or archive of ``.xyz``, ``.extxyz`` and ``.parquet``.

    Items with a cell are refused as crystals, broken ones with their reason; each is counted.

    Args:
        source: Where to read.
        limits: How much archives may unpack to.

    Raises:
        UserError: If there is nothing to read.
    """
    limits = limits or Limits()
    parts: list[tuple[str, np.ndarray, np.ndarray]] = []
    items: list[int] = []
    refusals: list[Refusal] = []
    count = 0
    for name, source_of_item, content in _found(source, limits):
        if isinstance(content, Refused):
            refusals.append(Refusal(count, name, source_of_item, content.reason, content.detail))
        else:
            parts.append((name, *content))
            items.append(count)
        count += 1
    if not count:
        raise UserError(
            f"{os.fspath(source)!r} holds no particles; give XYZ without a cell (.xyz, .extxyz), "
            "Parquet as matscale writes it, or a folder or archive of them"
        )
    table = StructureTable.from_parts(
        ids=[name for name, _, _ in parts],
        numbers=[numbers for _, numbers, _ in parts],
        positions=[positions for _, _, positions in parts],
        cells=None,
    )
    return Reading(table, np.array(items, dtype=np.int64), tuple(refusals))


def _found(source: str | os.PathLike[str], limits: Limits) -> Iterator[Found]:
    """Each item of the source."""
    budget = files.Budget(limits)
    for place in files.places(source):
        if place.chosen:
            files.refuse_pickle(place.path)
        for file in archives.unpacked(files.read_place(place, limits), budget, limits.depth):
            if files.is_hidden(file.name):
                continue
            lower = file.name.lower()
            if isinstance(file.data, Refused):
                yield file.stem, file.source, file.data
            elif lower.endswith(".parquet"):
                yield from _of_parquet(file)
            elif lower.endswith((".xyz", ".extxyz")):
                yield from _of_xyz(file)


def _of_xyz(file: File) -> Iterator[Found]:
    for entry in extxyz.entries(file):
        if isinstance(entry.content, Refused):
            yield entry.id, entry.source, entry.content
            continue
        try:
            yield entry.id, entry.source, parse_frame(entry.content)
        except Refused as refusal:
            yield entry.id, entry.source, refusal


def parse_frame(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Atomic numbers (n,) and positions (n, 3) in Å of one XYZ frame without a cell.

    Raises:
        Refused: If it is broken, or a crystal.
    """
    numbers, positions, cell = extxyz.parse_atoms(text)
    if cell is not None:
        raise Refused(CRYSTAL, "it has a cell already")
    return numbers, positions


def _of_parquet(file: File) -> Iterator[Found]:
    try:
        (block,) = parquet.entries(file)
    except Refused as refusal:
        yield file.stem, file.source, refusal
        return
    assert isinstance(block, Block)
    table = block.table
    for row in range(len(table)):
        name, source = str(table.ids[row]), f"{file.source}#{row}"
        if table.cells is not None and np.isfinite(table.cells[row]).all():
            yield name, source, Refused(CRYSTAL, "it has a cell already")
        else:
            yield name, source, (table.row_numbers(row), table.row_positions(row))
