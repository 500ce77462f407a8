"""Differences of two predictors on one metric, with their bootstrap intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from matscale.metrics import clusters, statistics
from matscale.results.metric import STATISTICS, MetricSpec
from matscale.results.result import Metric

Interval = tuple[float | None, float | None]


@dataclass(frozen=True)
class Difference:
    """A difference of two values, before it is said.

    Attributes:
        values: Of the first and of the second, NaN without samples.
        interval: The 95 % interval of the first less the second; None where there is none.
        sizes: Samples that count, of the first and of the second.
        same: Whether both have the same value on every sample.
        clusters: Number of clusters that samples come in; 0 where each stands for itself.
    """

    values: tuple[float, float]
    interval: Interval
    sizes: tuple[int, int]
    same: bool = False
    clusters: int = 0


def paired(
    spec: MetricSpec, one: pa.Table, other: pa.Table, clustered: str, seed: int
) -> Difference | None:
    """The difference over the samples on which both have a value; None without the columns."""
    values = values_of(spec, one), values_of(spec, other)
    if values[0] is None or values[1] is None:
        return None
    both = np.isfinite(values[0]) & np.isfinite(values[1])
    a, b = values[0][both], values[1][both]
    n = len(a)
    if not n:
        return Difference((math.nan, math.nan), (None, None), (0, 0))
    statistic = STATISTICS[spec.statistic]
    found = tuple(float(statistic(side, np.ones(n))) for side in (a, b))
    if clustered and clustered in one.column_names:
        drawn = clusters.numbered(np.array(one[clustered].to_pylist())[both].tolist())
    else:
        drawn = np.arange(n)
    units = int(drawn.max()) + 1

    def difference(weights: np.ndarray) -> np.ndarray:
        own = weights[..., drawn]
        return statistic(a, own) - statistic(b, own)

    return Difference(
        (found[0], found[1]),
        _paired_interval(spec, a - b, difference, units, seed),
        (n, n),
        bool((a == b).all()),
        units if units < n else 0,
    )


def _paired_interval(
    spec: MetricSpec,
    differences: np.ndarray,
    difference: statistics.WeightedMetric,
    units: int,
    seed: int,
) -> Interval:
    """By a bootstrap over samples or clusters; a difference that all share has no spread there."""
    if spec.share and units == len(differences) and (np.abs(differences) == 1).all():
        sign = differences[0]
        if (differences == sign).all():
            low, high = statistics.unanimous_interval(units, units)
            return (low, high) if sign > 0 else (-high, -low)
    if units < 2:
        return None, None
    draws = statistics.bootstrap(difference, units, seed=seed)
    return statistics.percentile_interval(draws)


def values_of(spec: MetricSpec, table: pa.Table | None) -> np.ndarray | None:
    """One number per sample, (n,), NaN where undefined; None if the table has none of the metric.

    Truth values are 0 and 1.
    """
    if not spec.column or table is None:
        return None
    try:
        values = _column(table, spec.column)
        if spec.minus:
            values = np.abs(values - _column(table, spec.minus))
        if spec.only_scored:
            values = np.where(pc.equal(table["status"], "scored").to_numpy(), values, np.nan)
    except (KeyError, pa.ArrowException):
        return None
    return values


def _column(table: pa.Table, name: str) -> np.ndarray:
    return np.asarray(table[name].cast(pa.float64()).to_numpy())


def unpaired(
    spec: MetricSpec,
    known: tuple[Metric, Metric],
    tables: tuple[pa.Table | None, pa.Table | None],
    seed: int,
) -> Difference | None:
    """The difference of two independent sets of samples; None where a side has no value."""
    sides = []
    for place, (own, table) in enumerate(zip(known, tables, strict=True)):
        # Two streams: the same resample for both sides would pair what is not paired.
        stream = np.random.SeedSequence(seed).spawn(2)[place]
        side = _share(own, stream) if spec.share else _mean(spec, values_of(spec, table), stream)
        if side is None:
            return None
        sides.append(side)
    (one, draws_1, interval_1, n_1), (other, draws_2, interval_2, n_2) = sides
    if draws_1 is not None and draws_2 is not None:
        interval = statistics.percentile_interval(draws_1 - draws_2)
    else:
        interval = _from_both(one, interval_1, other, interval_2)
    return Difference((one, other), interval, (n_1, n_2))


_Side = tuple[float, np.ndarray | None, Interval, int]
"""Value, bootstrap draws (None where a resample shows no spread), interval, samples."""


def _share(own: Metric, stream: np.random.SeedSequence) -> _Side | None:
    """A share of n samples: n draws from them hold a binomial number of those that have it."""
    if own.value is None or own.n < 1:
        return None
    count = round(own.value * own.n)
    if abs(count - own.value * own.n) > 1e-6 * own.n:
        return None
    if count in (0, own.n):
        return own.value, None, statistics.unanimous_interval(count, own.n), own.n
    generator = np.random.default_rng(stream)
    draws = generator.binomial(own.n, own.value, statistics.RESAMPLES) / own.n
    return own.value, draws, statistics.percentile_interval(draws), own.n


def _mean(
    spec: MetricSpec,
    values: np.ndarray | None,
    stream: np.random.SeedSequence,
) -> _Side | None:
    if values is None or not np.isfinite(values).any():
        return None
    values = values[np.isfinite(values)]
    n = len(values)
    statistic = STATISTICS[spec.statistic]
    value = float(statistic(values, np.ones(n)))
    if n < 2:
        return value, None, (None, None), n
    seed = int(stream.generate_state(1)[0])
    draws = statistics.bootstrap(lambda weights: statistic(values, weights), n, seed=seed)
    return value, draws, statistics.percentile_interval(draws), n


def _from_both(one: float, first: Interval, other: float, second: Interval) -> Interval:
    """Interval of a difference from those of both sides, where one has no bootstrap spread.

    Zou and Donner, Stat. Med. 27, 1693 (2008): distances to the limits add up in squares.
    """
    ends = (*first, *second)
    if any(end is None for end in ends):
        return None, None
    low_1, high_1, low_2, high_2 = (float(end) for end in ends if end is not None)
    return (
        one - other - math.hypot(one - low_1, high_2 - other),
        one - other + math.hypot(high_1 - one, other - low_2),
    )
