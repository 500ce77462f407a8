"""How far apart two crystals are by their sites' neighbour distances, whatever the cell.

Average minimum distances (AMD) and pointwise distance distributions (PDD) are invariants of a
periodic set of points that change continuously with it (Widdowson and Kurlin, MATCH 87, 529,
2022; NeurIPS 2022). Species play no part. Computed with the authors' package,
``average-minimum-distance``.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import njit
from scipy.spatial import KDTree

NEIGHBOURS = 100
"""Number of neighbours k; AtomBench's choice."""

LARGE = 256
"""Sites from which neighbours are found in a tree: the package's memory grows with their square,
0.6 GB at 1,000 and 15 GB at 8,000."""

SKEWED = 2.0
"""Product of a cell's edges over its volume from which the package may miss neighbours (amd 1.5
does, at about the 92nd, in a cell of 6.2); reduced cells are never beyond it."""

EQUAL_A = 1e-4
"""Chebyshev distance in Å up to which sites count as equal: ``collapse_tol`` of ``amd.PDD``."""


@cache
def _package() -> Any:
    """The package, with one of its functions not compiled.

    That one lays out integer lattices, a few times per process, and takes five seconds to compile.
    """
    import amd
    from amd import _nearest_neighbors

    reflect = _nearest_neighbors._reflect_positive_integer_lattice
    _nearest_neighbors._reflect_positive_integer_lattice = reflect.py_func
    return amd


def average_minimum_distances(positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """AMD of a crystal: distance to the j-th neighbour averaged over sites, (k,) in Å."""
    rows = _site_distances(positions, cell)
    return np.asarray(rows[:, 0] @ rows[:, 1:])


def invariants(positions: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AMD and PDD of a crystal, for half the price of one after the other.

    Args:
        positions: Cartesian (n, 3) in Å.
        cell: Lattice vectors as rows (3, 3) in Å.

    Returns:
        AMD as :func:`average_minimum_distances`; PDD (m, 1 + k): a weight, then the distances to
        the k nearest neighbours in Å, one row per site, equal sites joined.
    """
    rows = _site_distances(positions, cell)
    return rows[:, 0] @ rows[:, 1:], _joined(rows, EQUAL_A)


def _site_distances(positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """A row (weight, distances to the k nearest neighbours in Å) of each site, (n, 1 + k)."""
    skew = np.linalg.norm(cell, axis=1).prod() / abs(np.linalg.det(cell))
    if len(positions) > LARGE or skew > SKEWED * (1 + 1e-6):
        distances = neighbour_distances(positions, cell, NEIGHBOURS)
        return np.column_stack([np.full(len(positions), 1 / len(positions)), distances])
    amd = _package()
    crystal = amd.PeriodicSet(positions, cell)
    return np.asarray(amd.PDD(crystal, NEIGHBOURS, lexsort=False, collapse=False))


def neighbour_distances(positions: np.ndarray, cell: np.ndarray, k: int) -> np.ndarray:
    """Distances to the k nearest neighbours of each site, (n, k) in Å; memory linear in n.

    Args:
        positions: Cartesian (n, 3) in Å.
        cell: Lattice vectors as rows (3, 3) in Å.
        k: How many.
    """
    inverse = np.linalg.inv(cell)
    fractions = positions @ inverse
    fractions -= np.floor(fractions)
    volume = abs(np.linalg.det(cell))
    reach = (3 * (k + 1) * volume / (4 * np.pi * len(positions))) ** (1 / 3)
    while True:
        # All points within reach of the cell; planes of the lattice lie 1 / |column| apart.
        around = _padded(fractions, reach * np.linalg.norm(inverse, axis=0))
        if len(around) > k:
            distances, _ = KDTree(around @ cell).query(fractions @ cell, k + 1)
            farthest = float(distances.max())
            if farthest <= reach:
                return np.asarray(distances[:, 1:])
            # No k-th neighbour is farther than the k-th of those found; the slack is for rounding.
            reach = farthest * (1 + 1e-9)
        else:
            reach *= 2


def _padded(fractions: np.ndarray, margins: np.ndarray) -> np.ndarray:
    """Sites and their images up to margins (3,) outside of the cell, all in fractions, (m, 3)."""
    for axis, margin in enumerate(margins):
        steps = np.zeros((2 * int(np.ceil(margin)) + 1, 1, 3))
        steps[:, 0, axis] = np.arange(len(steps)) - len(steps) // 2
        fractions = (fractions + steps).reshape(-1, 3)
        inside = (fractions[:, axis] >= -margin) & (fractions[:, axis] <= 1 + margin)
        fractions = fractions[inside]
    return fractions


@njit(cache=True, nogil=True)
def _joined(rows, tolerance):
    """PDD from a row (weight, distances) of each site, (n, 1 + k), as ``amd.PDD`` collapses it.

    Each row that is left takes with it all later ones within the tolerance of it; their mean
    stands for them. Rows are then sorted by their distances.
    """
    n, columns = rows.shape
    joined = np.zeros((n, columns))
    left = np.ones(n, np.bool_)
    groups = 0
    for i in range(n):
        if not left[i]:
            continue
        members = 0
        for j in range(i, n):
            if not left[j]:
                continue
            same = True
            for k in range(1, columns):
                if abs(rows[i, k] - rows[j, k]) > tolerance:
                    same = False
                    break
            if same:
                left[j] = False
                members += 1
                for k in range(columns):
                    joined[groups, k] += rows[j, k]
        for k in range(1, columns):
            joined[groups, k] /= members
        groups += 1
    return _sorted(joined[:groups])


@njit(cache=True, nogil=True)
def _sorted(rows):
    """Rows in lexicographic order of what follows their first column; (m, 1 + k)."""
    order = np.arange(len(rows))
    for i in range(1, len(rows)):
        row, j = order[i], i
        while j > 0 and _before(rows[row], rows[order[j - 1]]):
            order[j] = order[j - 1]
            j -= 1
        order[j] = row
    return rows[order]


@njit(cache=True, nogil=True)
def _before(first, second):
    for k in range(1, len(first)):
        if first[k] != second[k]:
            return first[k] < second[k]
    return False


def chebyshev(target: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Largest difference of two AMD vectors of each pair in Å; (n, k) twice to (n,)."""
    return np.abs(target - predicted).max(axis=1)
