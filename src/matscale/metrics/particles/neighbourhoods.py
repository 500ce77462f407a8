"""How alike the neighbourhoods of two particles' atoms are, whatever the pose and order."""

from __future__ import annotations

import numpy as np
from numba import njit

PDD_NEIGHBOURS = 100
"""Neighbours k of a pointwise distance distribution; half as many as atoms where that is less,
so that a particle is not judged by distances across the whole of it."""

BONDS = 6
"""Nearest neighbours that count as bonds."""

BOND_STRETCH = 1.25
"""A neighbour is closer than this many median nearest distances of the true particle.

Between the first and the second shell of the simple, face-centred and diamond lattices and of
perovskites; the body-centred lattice has both its near shells, 14 neighbours, within it.
"""

QUARTERS = (0.25, 0.25)
"""Shares of the atoms that are surface and interior."""

TIE_A = 1e-6
"""Distances that differ by less count as equal, so that rounding decides nothing."""


def neighbours_of(atoms: int) -> int:
    """Neighbours that are compared of a true particle of so many atoms: 100 from 200 atoms on."""
    return min(PDD_NEIGHBOURS, max(atoms // 2, min(BONDS, atoms - 1)))


def padded(distances: np.ndarray, missing: float) -> np.ndarray:
    """Neighbour distances (n, k), infinite where there is no such neighbour, put at ``missing``."""
    return np.where(np.isfinite(distances), distances, missing)


def columnwise_wasserstein(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Wasserstein-1 distance between the same columns of two tables; (n, k), (m, k) to (k,).

    The area between two cumulative distributions (Vallender 1974), for n and m samples of equal
    weight each.
    """
    return _areas(np.sort(first.T, axis=1), np.sort(second.T, axis=1))


@njit(cache=True, nogil=True)
def _areas(first, second):
    """Areas between quantile functions of sorted rows; (k, n), (k, m) to (k,)."""
    n, m = first.shape[1], second.shape[1]
    areas = np.zeros(len(first))
    for row in range(len(first)):
        i, j, done = 0, 0, 0
        # Mass is counted in 1 / (n m), in which both sides' samples are whole numbers.
        while i < n and j < m:
            step = min((i + 1) * m, (j + 1) * n)
            areas[row] += (step - done) * abs(first[row, i] - second[row, j])
            done = step
            if step == (i + 1) * m:
                i += 1
            if step == (j + 1) * n:
                j += 1
        areas[row] /= n * m
    return areas


def bond_length_error(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Mean over the first six columns of neighbour distances of their Wasserstein distance in Å.

    Args:
        prediction: Neighbour distances (n, k), rising, all finite.
        truth: Likewise (m, k).
    """
    return float(columnwise_wasserstein(prediction[:, :BONDS], truth[:, :BONDS]).mean())


def pdd_lower_bound(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Lower bound of the earth mover's distance between two PDDs in Å, Chebyshev between rows.

    Whatever mass is moved where, the Chebyshev distance of two rows is at least their difference
    in any column j, and moving column j alone costs at least its Wasserstein distance. The
    largest over j is itself at least the Chebyshev distance of the average minimum distances
    (Widdowson and Kurlin, NeurIPS 2022), costs n k log n, and depends continuously on the atoms.
    Arguments as for :func:`bond_length_error`.
    """
    return float(columnwise_wasserstein(prediction, truth).max())


def coordination_numbers(positions: np.ndarray, cutoff: float) -> np.ndarray:
    """Number of other atoms within the cutoff of each, (n,); positions (n, 3) in Å."""
    from scipy.spatial import cKDTree

    tree = cKDTree(positions)
    return np.asarray(tree.query_ball_point(positions, cutoff + TIE_A, return_length=True)) - 1


def coordination_error(
    numbers: np.ndarray,
    coordination: np.ndarray,
    true_numbers: np.ndarray,
    true_coordination: np.ndarray,
) -> float:
    """Wasserstein distance of coordination numbers, mean over the true atoms' species.

    A species that the prediction lacks counts as having no neighbours.

    Args:
        numbers: Atomic numbers of the prediction, (n,).
        coordination: Its coordination numbers, (n,).
        true_numbers: (m,).
        true_coordination: (m,).
    """
    total = 0.0
    for species, count in zip(*np.unique(true_numbers, return_counts=True), strict=True):
        found = coordination[numbers == species].astype(float)
        wanted = true_coordination[true_numbers == species].astype(float)
        found = found if len(found) else np.zeros(1)
        total += count * float(columnwise_wasserstein(found[:, None], wanted[:, None])[0])
    return total / len(true_numbers)


def outer_and_inner(positions: np.ndarray, shares: tuple[float, float]) -> dict[str, np.ndarray]:
    """Which atoms are furthest from the centroid and which nearest to it.

    Atoms at the same distance are in or out together, so that a share may be exceeded.

    Args:
        positions: (n, 3) in Å, n >= 1.
        shares: Of the atoms, outer and inner.

    Returns:
        ``_surface`` and ``_interior``, each (n,) bool and never empty.
    """
    distances = np.linalg.norm(positions - positions.mean(axis=0), axis=1)
    rising = np.sort(distances)
    outer, inner = (max(1, round(share * len(positions))) for share in shares)
    return {
        "_surface": distances >= rising[-outer] - TIE_A,
        "_interior": distances <= rising[inner - 1] + TIE_A,
    }
