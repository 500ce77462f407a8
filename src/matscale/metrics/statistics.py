"""Weighted statistics and bootstrap intervals over samples.

Every metric of matscale is a function of per-sample arrays and of ``weights``: how often each
sample counts. Weights of one give the metric itself; a bootstrap resample is nothing but other
weights, so the same function gives the value, its 95 % interval and paired comparisons.
A sample on which a metric is not defined (such as the rms of a pair that does not match) is NaN
and has no part in it; failures of a predictor are scored by the rates, never left out of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
from scipy.special import betaincinv

RESAMPLES = 1000
CONFIDENCE = 0.95
_BLOCK = 4_000_000  # weights held in memory at a time

WeightedMetric = Callable[[np.ndarray], np.ndarray]
"""Maps weights (..., n) to values (...,)."""


def mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted mean of the defined values.

    Args:
        values: (n,), NaN where undefined.
        weights: (..., n).

    Returns:
        (...,), NaN where no defined value has weight.
    """
    defined = np.isfinite(values)
    total = weights @ np.where(defined, values, 0.0)
    count = weights @ defined.astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0, total / count, np.nan)


def means(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """:func:`mean` of many quantities at once: values (n, k), weights (b, n), to (b, k)."""
    defined = np.isfinite(values)
    sides = np.concatenate([np.where(defined, values, 0.0), defined], axis=1)
    total, count = np.split(weights @ sides, 2, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0, total / count, np.nan)


def root_mean_square(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Square root of the weighted mean of squares; shapes as in :func:`mean`."""
    return np.sqrt(mean(np.square(values), weights))


def resampling_weights(n: int, *, seed: int, resamples: int = RESAMPLES) -> Iterator[np.ndarray]:
    """Bootstrap weights over n samples, in blocks (b, n) that add up to ``resamples`` rows.

    Each row holds how often each sample was drawn in n draws with replacement (Efron 1979).
    Equal n and seed give equal weights, which is what pairs two predictors on the same ids.
    """
    if resamples * n <= _BLOCK and n < 1 << 16:
        yield _known_weights(n, seed, resamples).astype(float)
    else:
        yield from _drawn_weights(n, seed, resamples)


@lru_cache(maxsize=64)
def _known_weights(n: int, seed: int, resamples: int) -> np.ndarray:
    """Weights that fit one block: the metrics and groups of all predictors ask for the same."""
    (weights,) = _drawn_weights(n, seed, resamples)
    return weights.astype(np.uint16)


def _drawn_weights(n: int, seed: int, resamples: int) -> Iterator[np.ndarray]:
    generator = np.random.default_rng(seed)
    rows = max(1, _BLOCK // max(n, 1))
    for start in range(0, resamples, rows):
        block = min(rows, resamples - start)
        draws = generator.integers(0, n, (block, n)) + n * np.arange(block)[:, None]
        yield np.bincount(draws.ravel(), minlength=block * n).reshape(block, n).astype(float)


def bootstrap(metric: WeightedMetric, n: int, *, seed: int) -> np.ndarray:
    """Values of a metric over the bootstrap resamples, (resamples,)."""
    return np.concatenate([metric(weights) for weights in resampling_weights(n, seed=seed)])


def percentile_interval(values: np.ndarray) -> tuple[float | None, float | None]:
    """The central 95 % of the defined bootstrap values, or (None, None) if there are none."""
    defined = values[np.isfinite(values)]
    if not len(defined):
        return None, None
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(defined, [tail, 100 - tail])
    return float(low), float(high)


def centred(draws: np.ndarray, value: float) -> np.ndarray:
    """Bootstrap values of a distance (>= 0), moved so that their mean is the distance itself.

    Resampling adds noise to both sides and so raises a distance of distributions; the bias that
    the bootstrap shows, mean(draws) - value, is subtracted (Efron and Tibshirani 1993, chapter
    10). No draw goes below zero.
    """
    return np.maximum(draws - (np.nanmean(draws) - value), 0.0)


def unanimous_interval(successes: int, n: int) -> tuple[float, float]:
    """Exact interval of a rate whose samples all agree, where a bootstrap has no spread.

    Clopper and Pearson (1934), one-sided at 95 %: 0 of 105 gives (0, 0.028).

    Args:
        successes: 0 or n.
        n: Number of samples.
    """
    if successes not in (0, n):
        raise ValueError("samples disagree: use the bootstrap")
    if successes == 0:
        return 0.0, float(betaincinv(1, n, CONFIDENCE))
    return float(betaincinv(n, 1, 1 - CONFIDENCE)), 1.0


def lowest_rate(successes: int, n: int, confidence: float = 0.999) -> float:
    """Lower end of a rate's exact one-sided interval (Clopper and Pearson 1934); 0 for none of n.

    Args:
        successes: Of the n samples.
        n: Number of samples.
        confidence: Of the one-sided interval.
    """
    return float(betaincinv(successes, n - successes + 1, 1 - confidence)) if successes else 0.0
