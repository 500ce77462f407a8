"""Distances between the distribution of the targets' values and that of the predictions'."""

from __future__ import annotations

import numpy as np
from numba import njit

from matscale.runtime.exact import settled


def wasserstein(target: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Wasserstein-1 distance between two samples of a quantity, in the quantity's unit.

    The area between the two cumulative distributions (Vallender 1974), as
    ``scipy.stats.wasserstein_distance``, for many weightings at once. Pairing plays no part
    but that a sample brings its target and its prediction into a resample together.

    Args:
        target: (n,), NaN where the sample is left out.
        predicted: (n,), likewise.
        weights: (..., n).

    Returns:
        (...,); NaN where either side has no weight.
    """
    values = np.concatenate([target, predicted])
    order = np.argsort(values, kind="stable")  # NaN last
    order = order[: np.isfinite(values).sum()]
    rows = np.ascontiguousarray(np.atleast_2d(weights), dtype=float)
    areas = _areas(values, order, len(target), rows)
    return areas.reshape(weights.shape[:-1])


@njit(cache=True, nogil=True)
def _areas(values, order, n, weights):
    """Areas between the cumulative distributions of two sides, (b,); weights are (b, n).

    Args:
        values: The first side's values, then the second side's, (2 n,).
        order: Places of the finite ones, by rising value, (m,).
        n: Samples.
        weights: How often each sample counts.
    """
    areas = np.empty(len(weights))
    for row in range(len(weights)):
        mass = weights[row]
        totals = np.zeros(2)
        for value_row in order:
            totals[value_row // n] += mass[value_row % n]
        if totals[0] == 0 or totals[1] == 0:
            areas[row] = np.nan
            continue
        first, second, area = 0.0, 0.0, 0.0
        for step in range(len(order) - 1):
            value_row = order[step]
            if value_row < n:
                first += mass[value_row]
            else:
                second += mass[value_row - n]
            gap = values[order[step + 1]] - values[value_row]
            area += abs(first / totals[0] - second / totals[1]) * gap
        areas[row] = area
    return areas


def freedman_diaconis_edges(values: np.ndarray) -> np.ndarray:
    """Inner bin edges after Freedman and Diaconis (1981), with open bins at both ends.

    Bin width 2 IQR / n^(1/3) between the smallest and the largest value. Where the
    interquartile range vanishes (most cells of a set are cubic, say) Sturges' number of bins
    is used, and where all values agree there is one inner bin, 1e-6 wide on either side.

    Args:
        values: (n,), at least one finite.

    Returns:
        Edges (k,), rising. Bins are (-inf, e_0), [e_0, e_1), ..., [e_k-1, inf).
    """
    values = values[np.isfinite(values)]
    low, high = values.min(), values.max()
    if high - low < 1e-9 * max(1.0, abs(high)):
        return np.array([low - 1e-6, high + 1e-6])
    quartiles = np.percentile(values, [25, 75])
    width = 2 * (quartiles[1] - quartiles[0]) / len(values) ** (1 / 3)
    if width > (high - low) * 1e-3:
        count = int(np.ceil((high - low) / width))
    else:
        count = int(np.ceil(np.log2(len(values)) + 1))
    edges = np.linspace(low, high, count + 1)
    edges[-1] = np.nextafter(high, np.inf)  # the largest value belongs to the last inner bin
    return edges


def histogram_divergence(
    target: np.ndarray, predicted: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Kullback-Leibler divergence of the predictions' histogram from the targets', in nats.

    Bins are :func:`freedman_diaconis_edges` of the targets plus an open bin at either end, so
    that no prediction falls outside; one is added to every bin's count (Laplace).

    Args:
        target: (n,), NaN where the sample is left out.
        predicted: (n,), likewise.
        weights: (..., n).

    Returns:
        (...,): sum_k p_k log(p_k / q_k), p of the targets, q of the predictions; NaN where one
        side has no sample.
    """
    if not (np.isfinite(target).any() and np.isfinite(predicted).any()):
        return np.full(weights.shape[:-1], np.nan)
    # A prediction that equals an edge stays on its side of it, whatever its last digits.
    target, predicted = settled(target), settled(predicted)
    edges = freedman_diaconis_edges(target)
    bins = len(edges) + 1
    shares = []
    rows = np.ascontiguousarray(np.atleast_2d(weights), dtype=float)
    for samples in (target, predicted):
        # Samples that are left out go to a bin behind the last, which is cut off.
        position = np.where(
            np.isfinite(samples), np.searchsorted(edges, samples, side="right"), bins
        )
        counts = _counts(position, bins + 1, rows)[:, :bins] + 1.0
        shares.append(counts / counts.sum(axis=-1, keepdims=True))
    p, q = shares
    return (p * np.log(p / q)).sum(axis=-1).reshape(weights.shape[:-1])


@njit(cache=True, nogil=True)
def _counts(position, bins, weights):
    """Weight in each bin, (b, bins), from each sample's bin, (n,), and weights (b, n)."""
    counts = np.zeros((len(weights), bins))
    for row in range(len(weights)):
        for sample in range(len(position)):
            counts[row, position[sample]] += weights[row, sample]
    return counts
