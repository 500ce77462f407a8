"""Canonical cells of whole tables: ``cells.canonical_cell`` with the matching kernels."""

from __future__ import annotations

import numpy as np

from matscale.matching.kernels.preparation import canonical_rows
from matscale.matching.kernels.workspace import MAX_SITES, workspace
from matscale.matching.prepare import POINTS, RANKS
from matscale.runtime.errors import Refused
from matscale.structures import cells
from matscale.structures.table import StructureTable

TOLERANCE_A = 0.25
"""Distance within which ``get_primitive_structure`` takes sites for copies, by default."""
FLATTEST, SHORTEST_A = 1e-6, 1e-3
"""Volume over the product of the edges, and edge in Å, below which pymatgen is asked instead."""
TOO_MANY = "too many sites to compare"
"""Why a crystal of more sites than are ever matched has no canonical cell."""


def canonical_cells(table: StructureTable) -> tuple[StructureTable, np.ndarray]:
    """The primitive, Niggli-reduced cells of crystals, as :func:`cells.canonical_cell`.

    Crystals of more sites than are ever matched have none.

    Args:
        table: Crystals.

    Returns:
        The cells of the crystals that have one, with their ids; why there is none, (N,) of str,
        "" where there is one.
    """
    offsets, lattices = table.offsets, table.lattices.copy()
    positions, numbers = table.positions.copy(), table.numbers.copy()
    small = table.n_atoms <= MAX_SITES
    sizes = _reduce(offsets, lattices, positions, numbers, small)
    slow = np.flatnonzero(sizes == 0)
    kept = np.arange(len(numbers)) - np.repeat(offsets[:-1], table.n_atoms) < np.repeat(
        sizes, table.n_atoms
    )
    reducible = sizes > 0
    quick = StructureTable(
        ids=table.ids[reducible],
        offsets=np.concatenate([[0], np.cumsum(sizes[reducible])]),
        numbers=numbers[kept],
        positions=positions[kept],
        cells=lattices[reducible],
    )
    return _with_slow(table, quick, np.flatnonzero(reducible), slow)


def _reduce(
    offsets: np.ndarray,
    lattices: np.ndarray,
    positions: np.ndarray,
    numbers: np.ndarray,
    wanted: np.ndarray,
) -> np.ndarray:
    """Put the wanted crystals into their canonical cells, in place; numbers of sites, else 0."""
    lengths = np.diff(offsets)
    space = workspace(max(3, int(lengths[wanted].max(initial=0))), POINTS)
    codes, sizes = numbers.astype(np.int64), np.zeros(len(lengths), np.int64)
    sound = wanted & _sound(lattices)
    canonical_rows(offsets, lattices, positions, codes, sound, RANKS, TOLERANCE_A, space, sizes)
    numbers[:] = codes
    return sizes


def _sound(lattices: np.ndarray) -> np.ndarray:
    """Whether a cell has a volume to speak of, (N,) bool: a flat one divides by zero."""
    edges = np.linalg.norm(lattices, axis=2)
    with np.errstate(all="ignore"):
        share = np.abs(np.linalg.det(lattices)) / edges.prod(axis=1)
    return np.isfinite(share) & (share > FLATTEST) & (edges > SHORTEST_A).all(axis=1)


def _with_slow(
    table: StructureTable, quick: StructureTable, done: np.ndarray, slow: np.ndarray
) -> tuple[StructureTable, np.ndarray]:
    """Add the crystals on which the kernel gives up: pymatgen finds a cell or says why not."""
    reasons = np.full(len(table), "", dtype=object)
    if not len(slow):
        return quick, reasons
    parts, rows = [quick], [*done.tolist()]
    for row in slow.tolist():
        if table.n_atoms[row] > MAX_SITES:
            reasons[row] = TOO_MANY
            continue
        try:
            cell = cells.canonical_cell(table.to_pymatgen(row))
        except Refused as refused:
            reasons[row] = refused.reason
            continue
        parts.append(StructureTable.from_pymatgen([cell], [table.ids[row]]))
        rows.append(row)
    return StructureTable.concatenate(parts)[np.argsort(rows, kind="stable")], reasons
