"""From per-sample values to a metric with its interval, and to the lines it stands between."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from matscale.metrics import statistics
from matscale.metrics.statistics import WeightedMetric
from matscale.results.metric import STATISTICS, MetricSpec
from matscale.results.result import Group, Metric, Predictor, Result
from matscale.runtime.exact import settled

ROUNDING = 1e-6
"""Difference of two values, over the larger of them or over 1, whichever is greater, below which
they are the same. Exact predictors have errors of 1e-15 Å and 1e-8 Å^3; nobody looks at a metric
to a millionth of its unit, and unequal shares differ by one over the number of samples at least."""


@dataclass(frozen=True)
class Measure:
    """A metric over samples, before it is computed.

    Attributes:
        spec: What it is.
        metric: Value for given weights of the samples.
        defined: On which samples it is defined, (n,) bool; they are its ``n``.
        distance: Whether it is a distance of distributions, which resampling raises: two noisy
            samples of one distribution lie apart. The bootstrap's bias is then taken off its draws.
        values: What the metric is the weighted mean of, (n,), if it is one: means are drawn
            together.
    """

    spec: MetricSpec
    metric: WeightedMetric
    defined: np.ndarray
    distance: bool = False
    values: np.ndarray | None = None


def measure_of(spec: MetricSpec, values: np.ndarray) -> Measure:
    """A metric over the samples on which their values (n,) are defined (not NaN)."""
    statistic = STATISTICS[spec.statistic]
    return Measure(
        spec,
        lambda weights: statistic(values, weights),
        np.isfinite(values),
        values=values if spec.statistic == "mean" else None,
    )


def measures_of(
    specs: Mapping[str, MetricSpec], values: Mapping[str, np.ndarray]
) -> dict[str, Measure]:
    """Metrics by name from their samples' values, (n,) each, in the order of the values."""
    return {name: measure_of(specs[name], own) for name, own in values.items()}


def measured(measure: Measure, *, seed: int) -> Metric:
    """The metric's value, and its 95 % bootstrap interval over samples."""
    return all_measured({"": measure}, seed=seed)[""]


def all_measured(measures: Mapping[str, Measure], *, seed: int) -> dict[str, Metric]:
    """Metrics over the same samples, all on the same resamples, which are drawn once."""
    counts = {name: int(measure.defined.sum()) for name, measure in measures.items()}
    values = {
        name: float(measure.metric(np.ones(len(measure.defined)))) if counts[name] else math.nan
        for name, measure in measures.items()
    }
    spread = {
        name: measure
        for name, measure in measures.items()
        if np.isfinite(values[name]) and not _unanimous(measure, values[name])
    }
    draws = _draws(spread, seed)
    return {
        name: Metric(
            value=values[name] if np.isfinite(values[name]) else None,
            low=low,
            high=high,
            unit=measure.spec.unit,
            better=measure.spec.better,
            n=counts[name],
        )
        for name, measure in measures.items()
        for low, high in [_interval(measure, values[name], counts[name], draws.get(name))]
    }


def _unanimous(measure: Measure, value: float) -> bool:
    """Whether all samples agree on a property, so that resampling them shows no spread."""
    return measure.spec.share and value in (0.0, 1.0)


def _interval(
    measure: Measure, value: float, count: int, draws: np.ndarray | None
) -> tuple[float | None, float | None]:
    if draws is not None:
        return statistics.percentile_interval(
            statistics.centred(draws, value) if measure.distance else draws
        )
    if np.isfinite(value):
        return statistics.unanimous_interval(round(value * count), count)
    return None, None


def _draws(measures: Mapping[str, Measure], seed: int) -> dict[str, np.ndarray]:
    """Each metric's values over the bootstrap resamples, (resamples,)."""
    if not measures:
        return {}
    values = {
        name: measure.values for name, measure in measures.items() if measure.values is not None
    }
    others = {name: measure for name, measure in measures.items() if measure.values is None}
    table = np.stack(list(values.values()), axis=1) if values else None
    (n,) = {len(measure.defined) for measure in measures.values()}
    blocks: list[dict[str, np.ndarray]] = []
    for weights in statistics.resampling_weights(n, seed=seed):
        block = {name: measure.metric(weights) for name, measure in others.items()}
        if table is not None:
            block |= dict(zip(values, statistics.means(table, weights).T, strict=True))
        blocks.append(block)
    return {name: np.concatenate([block[name] for block in blocks]) for name in measures}


def skill(value: float, floor: float, ceiling: float) -> float | None:
    """(value - floor) / (ceiling - floor): 0 is trivial, 1 is attained; None if both lines meet.

    Values that differ from a line by rounding are on it.
    """
    if same(floor, ceiling):
        return None
    if same(value, floor):
        return 0.0
    return 1.0 if same(value, ceiling) else (value - floor) / (ceiling - floor)


def same(one: float, other: float) -> bool:
    """Whether two values of a metric differ by no more than :data:`ROUNDING`."""
    return abs(one - other) <= ROUNDING * max(abs(one), abs(other), 1.0)


def between_floor_and_ceiling(
    result: Result, floors: Sequence[Result], ceiling: Result | None
) -> Result:
    """The result with each metric's best floor, ceiling and skill filled in.

    A floor counts if it was told nothing that the predictor was not told; where a predictor has
    not declared what it was told, or its answers refute the declaration, all floors count but those
    that were told the answer. A floor stands beside the others, not itself.
    """
    told = None if result.predictor.refuted else result.predictor.told
    fair = [
        floor
        for floor in floors
        if floor.predictor.name != result.predictor.name and _is_fair(floor.predictor, told)
    ]
    groups = tuple(
        group.model_copy(
            update={
                "metrics": _lined(
                    group.metrics,
                    {floor.predictor.name: _group_metrics(floor, group) for floor in fair},
                    _group_metrics(ceiling, group) if ceiling else {},
                )
            }
        )
        for group in result.groups
    )
    metrics = _lined(
        result.metrics,
        {floor.predictor.name: floor.metrics for floor in fair},
        ceiling.metrics if ceiling else {},
    )
    return result.model_copy(update={"metrics": metrics, "groups": groups})


def _is_fair(floor: Predictor, told: Sequence[str] | None) -> bool:
    if told is None:
        return not floor.told_the_answer
    return set(floor.told or ()) <= set(told) | _implied(told)


def without_reversed_skill(result: Result) -> Result:
    """The result without skills between a floor and a ceiling that is below it.

    Looking a crystal up beats finding it where a particle is too small to tell; random atoms are
    newer than real crystals. The skill would be the greater, the worse the predictor.
    """

    def kept(metrics: Mapping[str, Metric]) -> dict[str, Metric]:
        return {
            name: metric.model_copy(update={"skill": None}) if _reversed(metric) else metric
            for name, metric in metrics.items()
        }

    groups = tuple(
        group.model_copy(update={"metrics": kept(group.metrics)}) for group in result.groups
    )
    return result.model_copy(update={"metrics": kept(result.metrics), "groups": groups})


def _reversed(metric: Metric) -> bool:
    if metric.floor is None or metric.ceiling is None:
        return False
    gap = metric.ceiling - metric.floor
    return gap < 0 if metric.better == "higher" else gap > 0


def _implied(told: Sequence[str]) -> set[str]:
    """What comes with the declared fields: positions of atoms come with their elements."""
    return {"composition", "particle_numbers"} if "positions" in told else set()


def _group_metrics(result: Result, group: Group) -> Mapping[str, Metric]:
    for other in result.groups:
        if (other.by, other.group) == (group.by, group.group):
            return other.metrics
    return {}


def _lined(
    metrics: Mapping[str, Metric],
    floors: Mapping[str, Mapping[str, Metric]],
    ceiling: Mapping[str, Metric],
) -> dict[str, Metric]:
    return {
        name: _with_lines(
            metric,
            {
                floor: found[name].value
                for floor, found in floors.items()
                if name in found and found[name].value is not None
            },
            ceiling[name].value if name in ceiling else None,
        )
        for name, metric in metrics.items()
    }


def _with_lines(
    metric: Metric, floors: Mapping[str, float | None], ceiling: float | None
) -> Metric:
    values = {name: value for name, value in floors.items() if value is not None}
    if not values:
        none = dict.fromkeys(("floor", "floor_name", "skill"))
        return metric.model_copy(update={**none, "ceiling": ceiling})
    # Of floors that are equal to rounding the first.
    choose = max if metric.better == "higher" else min
    best = choose(values, key=lambda name: float(settled(values[name])))
    update: dict[str, object] = {
        "floor": values[best],
        "floor_name": best,
        "ceiling": ceiling,
    }
    if metric.value is not None and ceiling is not None:
        update["skill"] = skill(metric.value, values[best], ceiling)
    return metric.model_copy(update=update)
