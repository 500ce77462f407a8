"""Means over samples that come in clusters, for a bootstrap that draws clusters.

Figures of one paper are not independent samples: an interval from resampling figures is too narrow.
Here a resample draws papers, and a figure counts as often as its paper was drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def numbered(names: Sequence[str]) -> np.ndarray:
    """Names of clusters as numbers from 0, (n,), in the order in which they first appear."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], int)


def totals(values: np.ndarray, clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum and number of the defined values in each cluster.

    Args:
        values: (n,), NaN where undefined.
        clusters: (n,) numbers of clusters from 0 on.

    Returns:
        Sums (k,) and counts (k,).
    """
    defined = np.isfinite(values)
    size = int(clusters.max(initial=-1)) + 1
    sums = np.bincount(clusters, np.where(defined, values, 0.0), size)
    return sums, np.bincount(clusters, defined.astype(float), size)


def mean(sums: np.ndarray, counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean over samples for given weights of their clusters.

    Args:
        sums: (k,) of :func:`totals`.
        counts: (k,) likewise.
        weights: (..., k), how often each cluster counts.

    Returns:
        (...,), NaN where no defined value has weight.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weights @ counts > 0, (weights @ sums) / (weights @ counts), np.nan)


def median(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted median of the defined values: the smallest that half of the weight reaches.

    For an odd number of samples of weight one it is the ordinary median; for an even one the
    lower of the two in the middle.

    Args:
        values: (n,), NaN where undefined.
        weights: (..., n).

    Returns:
        (...,), NaN where no defined value has weight.
    """
    order = np.argsort(values, kind="stable")[: np.isfinite(values).sum()]
    reached = np.cumsum(weights[..., order], axis=-1)
    if not len(order):
        return np.full(weights.shape[:-1], np.nan)
    half = reached[..., -1:] / 2
    middle = np.argmax(reached >= half, axis=-1)
    return np.where(half[..., 0] > 0, values[order][middle], np.nan)
