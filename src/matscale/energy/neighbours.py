"""Bonds and angles of many crystals at once, as graph potentials see them.

The kernels are compiled by numba at the first call and kept on disk. Rebuilding the list takes
far less time than one evaluation of a graph network, so it is built anew at every step.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from matscale.structures.checks import reciprocal_and_heights
from matscale.structures.table import StructureTable

MIN_VOLUME_PER_ATOM = 1.0
"""Å^3; the densest known solids have 5 (diamond 5.7, high-pressure hydrogen 2)."""

MIN_THICKNESS = 0.5
"""Å between opposite faces of a cell."""

MAX_PAIRS_TESTED = 50_000_000
"""Pairs of atoms and images tested in one cell, a second's work."""


class Bonds(NamedTuple):
    """Pairs of atoms nearer than a cut-off, each pair once; U bonds, the short ones first.

    Attributes:
        first: Atom of the table at one end, (U,).
        second: Atom at the other end, of which an image may be meant, (U,).
        vectors: Position of the first minus that of the second's image, in Å, (U, 3).
        n_short: How many of the bonds, from the first on, are shorter than the short cut-off.
        refused: Row of the table -> why its bonds are not here.
    """

    first: np.ndarray
    second: np.ndarray
    vectors: np.ndarray
    n_short: int
    refused: dict[int, str]


class Angles(NamedTuple):
    """Pairs of short bonds that meet at an atom, each pair once; A angles.

    A directed bond d < S starts at the first atom of bond d; d >= S is bond d - S from its
    second atom on, where S is the number of short bonds.

    Attributes:
        centre: Atom at which the bonds meet, (A,).
        left: Directed bond from there, (A,).
        right: Another directed bond from there, (A,).
    """

    centre: np.ndarray
    left: np.ndarray
    right: np.ndarray


def find_bonds(table: StructureTable, cutoff: float, short_cutoff: float) -> Bonds:
    """All bonds of all crystals of a table.

    Args:
        table: Crystals; positions may lie outside their cells.
        cutoff: Longest bond in Å.
        short_cutoff: Bonds below it, in Å, come first.
    """
    reciprocal, heights = reciprocal_and_heights(table.lattices)
    refused = _unfit(table, heights, cutoff)
    usable = np.ones(len(table), np.bool_)
    usable[list(refused)] = False
    crystals = (table.offsets, table.positions, table.lattices, reciprocal, heights, usable)
    nowhere = np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 3))
    count = _all_bonds(*crystals, cutoff, *nowhere)
    first, second = np.empty((2, count), np.int64)
    vectors = np.empty((count, 3))
    _all_bonds(*crystals, cutoff, first, second, vectors)
    short = np.einsum("ui,ui->u", vectors, vectors) < short_cutoff**2
    order = np.argsort(~short, kind="stable")
    bonds = Bonds(first[order], second[order], vectors[order], int(short.sum()), refused)
    _refuse_lonely(table, bonds, cutoff)
    return bonds


def find_angles(bonds: Bonds, n_atoms: int) -> Angles:
    """All angles between short bonds; the table that the bonds are of has ``n_atoms`` atoms."""
    short = bonds.n_short
    centres = np.concatenate([bonds.first[:short], bonds.second[:short]])
    by_centre = np.argsort(centres, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(centres, minlength=n_atoms))])
    degrees = np.diff(starts)
    total = int((degrees * (degrees - 1) // 2).sum())
    angles = Angles(np.empty(total, np.int64), np.empty(total, np.int64), np.empty(total, np.int64))
    _all_angles(starts, by_centre, *angles)
    return angles


def _unfit(table: StructureTable, heights: np.ndarray, cutoff: float) -> dict[int, str]:
    """Crystals of whose bonds there would be absurdly many, or none that mean anything."""
    n = table.n_atoms
    finite = np.isfinite(table.lattices).all(axis=(1, 2))
    atoms_finite = np.isfinite(table.positions).all(axis=1)
    np.logical_and.at(finite, np.repeat(np.arange(len(table)), n), atoms_finite)
    with np.errstate(all="ignore"):
        per_atom = table.volumes / np.maximum(n, 1)
        images = np.prod(2 * np.floor(cutoff / heights) + 3, axis=1)
        tested = n * (n + 1) / 2 * images
    refused = {}
    for row in np.flatnonzero(~finite):
        refused[int(row)] = "positions or cell are not finite"
    for row in np.flatnonzero(finite & (n == 0)):
        refused[int(row)] = "no atoms"
    usable = finite & (n > 0)
    for row in np.flatnonzero(usable & ~(per_atom >= MIN_VOLUME_PER_ATOM)):
        refused[int(row)] = f"the cell has collapsed to {per_atom[row]:.3g} Å^3 an atom"
    thinnest = heights.min(axis=1, initial=np.inf)
    thin = ~(thinnest >= MIN_THICKNESS) | ~(tested < MAX_PAIRS_TESTED)
    for row in np.flatnonzero(usable & thin):
        refused.setdefault(
            int(row), f"the cell has collapsed to a thickness of {thinnest[row]:.3g} Å"
        )
    return refused


def _refuse_lonely(table: StructureTable, bonds: Bonds, cutoff: float) -> None:
    """Refuse crystals with an atom that has no neighbour: a graph potential knows nothing of it."""
    bonded = np.zeros(len(table.numbers), np.bool_)
    bonded[bonds.first] = True
    bonded[bonds.second] = True
    rows = np.repeat(np.arange(len(table)), table.n_atoms)
    for row in np.unique(rows[~bonded]):
        bonds.refused.setdefault(int(row), f"an atom has no neighbour within {cutoff:g} Å")


@njit(cache=True)
def _all_bonds(
    offsets, positions, cells, reciprocal, heights, usable, cutoff, first, second, vectors
):  # pragma: no cover - compiled
    """Count the bonds; also write them if the arrays have room for any."""
    count = 0
    for row in range(len(cells)):
        if usable[row]:
            count = _bonds_of(
                offsets[row], offsets[row + 1], positions, cells[row], reciprocal[row],
                heights[row], cutoff, count, first, second, vectors,
            )  # fmt: skip
    return count


@njit(cache=True)
def _bonds_of(
    start, stop, positions, cell, reciprocal, heights, cutoff, count, first, second, vectors
):  # pragma: no cover - compiled
    """Bonds of one crystal; of a pair (i, j) and (j, i) with opposite images one is kept."""
    limit = cutoff * cutoff
    for i in range(start, stop):
        for j in range(i, stop):
            difference = positions[i] - positions[j]
            # Fractional difference brought into [-1/2, 1/2] by whole cells.
            low = np.empty(3, np.int64)
            high = np.empty(3, np.int64)
            for axis in range(3):
                fraction = np.dot(reciprocal[axis], difference)
                reach = cutoff / heights[axis]
                low[axis] = int(np.ceil(fraction - reach))
                high[axis] = int(np.floor(fraction + reach))
            for a in range(low[0], high[0] + 1):
                for b in range(low[1], high[1] + 1):
                    for c in range(low[2], high[2] + 1):
                        if i == j and not (a > 0 or (a == 0 and (b > 0 or (b == 0 and c > 0)))):
                            continue
                        x = difference[0] - a * cell[0, 0] - b * cell[1, 0] - c * cell[2, 0]
                        y = difference[1] - a * cell[0, 1] - b * cell[1, 1] - c * cell[2, 1]
                        z = difference[2] - a * cell[0, 2] - b * cell[1, 2] - c * cell[2, 2]
                        square = x * x + y * y + z * z
                        if square > limit or square == 0.0:
                            continue
                        if count < len(first):
                            first[count] = i
                            second[count] = j
                            vectors[count, 0] = x
                            vectors[count, 1] = y
                            vectors[count, 2] = z
                        count += 1
    return count


@njit(cache=True)
def _all_angles(starts, by_centre, centre, left, right):  # pragma: no cover - compiled
    """Write every pair of directed bonds of each atom."""
    angle = 0
    for atom in range(len(starts) - 1):
        for a in range(starts[atom], starts[atom + 1]):
            for b in range(a + 1, starts[atom + 1]):
                centre[angle] = atom
                left[angle] = by_centre[a]
                right[angle] = by_centre[b]
                angle += 1
