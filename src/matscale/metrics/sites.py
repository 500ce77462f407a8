"""How far apart two crystals are by their sites' neighbour distances, whatever the cell.

Average minimum distances (AMD) and pointwise distance distributions (PDD) are invariants of a
periodic set of points that change continuously with it (Widdowson and Kurlin, MATCH 87, 529,
2022; NeurIPS 2022). Species play no part. Computed with the authors' package,
``average-minimum-distance``.
"""

from __future__ import annotations

import numpy as np

NEIGHBOURS = 100
"""Number of neighbours k; AtomBench's choice."""


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


def chebyshev(target: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Largest difference of two AMD vectors of each pair in Å; (n, k) twice to (n,)."""
    return np.abs(target - predicted).max(axis=1)


def earth_movers_distance(target: np.ndarray, predicted: np.ndarray) -> float:
    """Earth mover's distance between two PDDs in Å, Chebyshev between rows."""
    import amd

    return float(amd.EMD(target, predicted))
