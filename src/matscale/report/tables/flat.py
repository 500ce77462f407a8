"""Results as one flat dict of numbers, as loggers of trainings take them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from matscale.results.result import Metric, PredictorKind, Protocol, Result
from matscale.runtime.errors import UserError

FIELDS = ("low", "high", "floor", "ceiling", "skill")
"""What stands beside the value of a metric, each under the metric's key and its own name."""


def flat(
    results: Sequence[Result],
    *,
    protocol: Protocol = "sound",
    kinds: Sequence[PredictorKind] = ("model",),
) -> dict[str, float]:
    """Metrics and counts of results by key; see :meth:`matscale.Scorecard.flat`.

    Raises:
        UserError: If there is no result of that protocol and kinds.
    """
    chosen = [one for one in results if one.protocol == protocol and one.predictor.kind in kinds]
    if not chosen:
        known = {one.protocol for one in results if one.predictor.kind in kinds}
        there = (
            f"there are {', '.join(sorted(known))}" if known else "there is none of any protocol"
        )
        raise UserError(
            f"there is no {' or '.join(kinds)} under the {protocol!r} protocol; {there}"
        )
    several = len({one.predictor.name for one in chosen}) > 1
    datasets = len({one.dataset.sha256 for one in chosen}) > 1
    found: dict[str, float] = {}
    for one in chosen:
        key = "/".join([one.task, *[one.dataset.name] * datasets, *[one.predictor.name] * several])
        found |= dict(_numbers(one, key))
    return found


def _numbers(result: Result, key: str) -> Iterator[tuple[str, float]]:
    for name, metric in result.metrics.items():
        yield from _metric(f"{key}/{name}", metric)
    counts = result.counts
    yield f"{key}/counts/submitted", float(counts.submitted)
    yield f"{key}/counts/read", float(counts.read)
    yield f"{key}/counts/refused", float(sum(counts.refused.values()))
    yield f"{key}/counts/missing", float(counts.missing)


def _metric(key: str, metric: Metric) -> Iterator[tuple[str, float]]:
    """Only what there is: loggers take no None, and a NaN spoils their charts."""
    for name, value in (("", metric.value), *((one, getattr(metric, one)) for one in FIELDS)):
        if value is not None and math.isfinite(value):
            yield f"{key}/{name}".rstrip("/"), float(value)
