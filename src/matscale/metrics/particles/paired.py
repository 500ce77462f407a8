"""RADII's metrics of particles whose atoms are paired in order (arXiv 2602.09309).

RADII's own code applies the inverse of the rotation that aligns; a rigidly rotated perfect copy
scores 7 to 8 Å there and 0 here.
"""

from __future__ import annotations

import math

import numpy as np

from matscale.metrics.particles.neighbourhoods import (
    QUARTERS,
    coordination_numbers,
    outer_and_inner,
)
from matscale.metrics.particles.scores import PAIRED, Scores, check_truth, unusable
from matscale.metrics.particles.superposition import kabsch

COORDINATION_CUTOFF_A = 3.0
_NOTHING_A = 1e-9  # a mean distance below this is rounding


def paired(prediction: np.ndarray, truth: np.ndarray) -> Scores:
    """The metrics in ``PAIRED`` of one particle.

    Args:
        prediction: Positions (n, 3) in Å, possibly not finite.
        truth: Positions (m, 3) in Å; all metrics fail where m is not n.

    Raises:
        ValueError: The truth is empty or not finite.
    """
    prediction = np.asarray(prediction, np.float64).reshape(-1, 3)
    truth = np.asarray(truth, np.float64)
    check_truth(np.zeros(len(truth)), truth)
    reason = unusable(prediction) or ("atom_count" if len(prediction) != len(truth) else "")
    if reason:
        return Scores(dict.fromkeys(PAIRED, math.nan), dict.fromkeys(PAIRED, reason))
    distances = aligned_distances(prediction, truth)
    values = {
        "aligned_rmsd": float(np.sqrt((distances**2).mean())),
        "surface_interior_ratio": surface_interior_ratio(distances, truth),
        "coordination_correlation": coordination_correlation(prediction, truth),
    }
    why = {"surface_interior_ratio": "no_error", "coordination_correlation": "no_spread"}
    return Scores(values, {name: why[name] for name in why if math.isnan(values[name])})


def aligned_distances(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Distances of paired atoms in Å, (n,), after the best proper rotation and translation."""
    return np.linalg.norm(kabsch(prediction, truth).moved(prediction) - truth, axis=1)


def surface_interior_ratio(distances: np.ndarray, truth: np.ndarray) -> float:
    """Mean error of the truth's outer quarter over that of its inner quarter.

    Args:
        distances: Errors of the atoms, (n,).
        truth: Their true positions, (n, 3) in Å.

    Returns:
        NaN where the inner quarter has no error, as in a perfect copy.
    """
    parts = outer_and_inner(truth, QUARTERS)
    inner = distances[parts["_interior"]].mean()
    return float(distances[parts["_surface"]].mean() / inner) if inner > _NOTHING_A else math.nan


def coordination_correlation(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Pearson correlation of paired atoms' numbers of neighbours within 3 Å.

    NaN where all atoms of either particle have the same number.
    """
    ours, theirs = (
        coordination_numbers(each, COORDINATION_CUTOFF_A) for each in (prediction, truth)
    )
    if np.ptp(ours) == 0 or np.ptp(theirs) == 0:
        return math.nan
    return float(np.corrcoef(ours, theirs)[0, 1])
