"""Reduced cells as a table: primitive, then Niggli, as pymatgen's matcher takes them."""

from __future__ import annotations

import numpy as np

from matscale.matching.prepare import prepare
from matscale.structures.table import StructureTable


def reduced_table(table: StructureTable) -> tuple[StructureTable, np.ndarray]:
    """Primitive, Niggli-reduced cells of crystals.

    Reduces as pymatgen's ``StructureMatcher`` does before it compares: to the Niggli cell, then to
    the primitive one of that.

    Args:
        table: Crystals.

    Returns:
        The reduced crystals with their ids and columns, and which rows of the table they are,
        (n,); rows whose cell cannot be reduced are not among them.
    """
    cells = prepare(table, reduce=True, to_primitive=True, ltol=0.0, atol=0.0)
    rows = np.flatnonzero(cells.sizes)
    sites = [np.arange(cells.offsets[row], cells.offsets[row] + cells.sizes[row]) for row in rows]
    reduced = StructureTable.from_parts(
        ids=list(table.ids[rows]),
        numbers=[cells.codes[part].astype(np.uint8) for part in sites],
        positions=[
            cells.frac[part] @ cells.cells[row] for part, row in zip(sites, rows, strict=True)
        ],
        cells=cells.cells[rows],
        columns={name: values[rows] for name, values in table.columns.items()},
    )
    return reduced, rows
