"""Distances between the distribution of the targets' values and that of the predictions'."""

from __future__ import annotations

import numpy as np


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
    order = np.argsort(values)  # NaN last
    order = order[: np.isfinite(values).sum()]
    if not len(order):
        return np.full(weights.shape[:-1], np.nan)
    gaps = np.diff(values[order])
    cumulative = []
    for side, samples in enumerate((target, predicted)):
        mass = weights * np.isfinite(samples)
        with np.errstate(invalid="ignore", divide="ignore"):
            mass = mass / mass.sum(axis=-1, keepdims=True)
        blank = np.zeros_like(mass)
        joined = np.concatenate([mass, blank] if side == 0 else [blank, mass], axis=-1)
        cumulative.append(np.cumsum(joined[..., order], axis=-1)[..., :-1])
    return np.abs(cumulative[0] - cumulative[1]) @ gaps


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
    edges = freedman_diaconis_edges(target)
    bins = len(edges) + 1
    shares = []
    for samples in (target, predicted):
        finite = np.isfinite(samples)
        membership = np.zeros((len(samples), bins))
        position = np.searchsorted(edges, samples[finite], side="right")
        membership[np.flatnonzero(finite), position] = 1.0
        counts = weights @ membership + 1.0
        shares.append(counts / counts.sum(axis=-1, keepdims=True))
    p, q = shares
    return (p * np.log(p / q)).sum(axis=-1)
