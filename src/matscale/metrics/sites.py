"""How far apart two crystals are by their sites' neighbour distances, whatever the cell.

Average minimum distances (AMD) and pointwise distance distributions (PDD) are invariants of a
periodic set of points that change continuously with it (Widdowson and Kurlin, MATCH 87, 529,
2022; NeurIPS 2022). Species play no part. Computed with the authors' package,
``average-minimum-distance``.
"""

from __future__ import annotations

import numpy as np
from numba import njit

NEIGHBOURS = 100
"""Number of neighbours k; AtomBench's choice."""

EQUAL_A = 1e-4
"""Chebyshev distance in Å up to which sites count as equal: ``collapse_tol`` of ``amd.PDD``."""

EQUAL_A = 1e-4
"""Chebyshev distance in Å up to which sites count as equal: ``collapse_tol`` of ``amd.PDD``."""


def pointwise_distances(positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """PDD of a crystal.

    Args:
        positions: Cartesian (n, 3) in Å.
        cell: Lattice vectors as rows (3, 3) in Å.

    Returns:
        (m, 1 + k): a weight, then the distances to the k nearest neighbours in Å, one row a
        site, equal sites joined.
    """
    import amd

    return np.asarray(amd.PDD(amd.PeriodicSet(positions, cell), NEIGHBOURS))


def average_minimum_distances(positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """AMD of a crystal: distance to the j-th neighbour averaged over sites, (k,) in Å."""
    import amd

    return np.asarray(amd.AMD(amd.PeriodicSet(positions, cell), NEIGHBOURS))


def invariants(positions: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AMD and PDD of a crystal, for half the price of one after the other.

    Args:
        positions: Cartesian (n, 3) in Å.
        cell: Lattice vectors as rows (3, 3) in Å.

    Returns:
        As :func:`average_minimum_distances` and as :func:`pointwise_distances`.
    """
    import amd

    crystal = amd.PeriodicSet(positions, cell)
    rows = np.asarray(amd.PDD(crystal, NEIGHBOURS, lexsort=False, collapse=False))
    return rows[:, 0] @ rows[:, 1:], _joined(rows, EQUAL_A)


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


def earth_movers_distance(target: np.ndarray, predicted: np.ndarray) -> float:
    """Earth mover's distance between two PDDs in Å, Chebyshev between rows."""
    import amd

    return float(amd.EMD(target, predicted))
