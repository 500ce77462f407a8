"""Which values of a table may be called best, and which floor is the strongest.

Values are compared only where they are taken over the same samples: an rms over three matches is
no better than one over sixty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matscale.results.measure import same
from matscale.results.metric import MetricSpec
from matscale.results.result import Metric, Predictor

Entry = tuple[Predictor, str, int | None, dict[str, Metric]]
"""Predictor, group, number of samples that were asked for (None where not known), metrics."""


def best_places(spec: MetricSpec, entries: Sequence[Entry]) -> frozenset[int]:
    """Places of the entries whose value is the best of the models'; none where that means nothing.

    Compared are those over the most samples, of which there must be two at least; who was told the
    answer is not. Where the samples are fewer than were asked for, each model may have left out
    others, unless the ceiling is over as many: then it is the samples that leave them out. No floor
    may be better, over however many.

    Args:
        spec: The metric.
        entries: Of one group.
    """
    name = spec.name
    values = _values(name, entries, "model")
    most = max((one.n for one in values.values()), default=0)
    models = {place: one for place, one in values.items() if one.n == most}
    if not spec.ranked or len(models) < 2:
        return frozenset()
    whole = all(entries[place][2] in (None, most) for place in models)
    ceilings = [
        metrics[name].n
        for predictor, _, _, metrics in entries
        if predictor.kind == "ceiling" and name in metrics
    ]
    if not whole and most not in ceilings:
        return frozenset()
    best = _best(models)
    floors = _values(name, entries, "floor")
    if floors and _is_better(floors[_best_place(floors)], best):
        return frozenset()
    return frozenset(place for place, one in models.items() if one.value == best.value)


def strongest_place(spec: MetricSpec, entries: Sequence[Entry]) -> int | None:
    """Place of the floor that is best on a metric, whatever it was told but the answer.

    None where there is none, or where the metric says how a run went and has no lines. Of floors
    that are level, the one that a model is held against, else the first.

    Args:
        spec: The metric.
        entries: Of one group.
    """
    name = spec.name
    floors = _values(name, entries, "floor")
    models = [
        metrics[name]
        for predictor, _, _, metrics in entries
        if predictor.kind == "model" and name in metrics
    ]
    lined = any(one.floor is not None or one.ceiling is not None for one in models)
    if not spec.ranked or not floors or (models and not lined):
        return None
    best = _best(floors)
    level = [place for place, one in floors.items() if same(_number(one), _number(best))]
    held_against = {one.floor_name for one in models}
    return next((place for place in level if entries[place][0].name in held_against), level[0])


def _values(name: str, entries: Sequence[Entry], kind: str) -> dict[int, Metric]:
    """Metrics with a value of predictors of a kind that were not told the answer, by place."""
    return {
        place: metrics[name]
        for place, (predictor, _, _, metrics) in enumerate(entries)
        if predictor.kind == kind
        and not predictor.told_the_answer
        and name in metrics
        and metrics[name].value is not None
    }


def _number(metric: Metric) -> float:
    assert metric.value is not None
    return metric.value


def _best_place(metrics: Mapping[int, Metric]) -> int:
    sign = 1 if next(iter(metrics.values())).better == "higher" else -1
    return max(metrics, key=lambda place: sign * _number(metrics[place]))


def _best(metrics: Mapping[int, Metric]) -> Metric:
    return metrics[_best_place(metrics)]


def _is_better(one: Metric, other: Metric) -> bool:
    if same(_number(one), _number(other)):
        return False
    return (_number(one) > _number(other)) == (one.better == "higher")
