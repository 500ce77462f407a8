"""One set of particles under two splits: what is remembered, what is understood."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matscale.report.particle_profiles import metric_of
from matscale.report.particle_tables import Grid, Value
from matscale.report.published_particles import BACK, FORWARD
from matscale.results.result import Result


def memory(own: Sequence[Result], every: Sequence[Result]) -> Grid | None:
    """The headline under each split of one set of particles, or None where there is one split.

    Tests apart by radius only are of materials that training has at other radii, so that a rule
    that looks the material up answers them; tests of materials that are not in training tell
    memory from understanding.

    Args:
        own: Results of a section.
        every: Results of all sections.
    """
    first = own[0]
    same = [
        one
        for one in every
        if (one.task, one.dataset.name, one.protocol) == (first.task, first.dataset.name, "sound")
    ]
    splits = list(dict.fromkeys(one.dataset.split or "" for one in same))
    if first.task not in (FORWARD, BACK) or len(splits) < 2:
        return None
    splits.sort(key=lambda split: split != "radius")
    told = metric_of(same[0].headline, same[0].metrics.get(same[0].headline))
    values: dict[tuple[str, str], dict[str, float]] = {}
    for one in same:
        metric = one.metrics.get(told.name)
        if metric is not None and metric.value is not None:
            row = values.setdefault((one.predictor.name, one.predictor.kind), {})
            row[one.dataset.split or ""] = told.factor * metric.value
    kinds = ("model", "floor", "ceiling")
    rows: tuple[tuple[Value, ...], ...] = tuple(
        (name, kind, *(row.get(split, math.nan) for split in splits))
        for (name, kind), row in sorted(values.items(), key=lambda one: kinds.index(one[0][1]))
    )
    columns = ("predictor", "kind", *(f"{told.heading}, split by {split}" for split in splits))
    return Grid(f"{told.heading} under each split of {first.dataset.name}", columns, rows, lead=2)
