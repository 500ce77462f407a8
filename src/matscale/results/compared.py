"""How the metrics of a task are compared: declared beside its measures, read by ``compare``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from matscale.metrics import statistics
from matscale.results.result import Protocol

Values = Callable[[pa.Table], np.ndarray]
"""From the per-sample table of a result to one number a sample, (n,), NaN where undefined."""

Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From values (n,) and weights (..., n) to the metric, (...,)."""


@dataclass(frozen=True)
class ComparedMetric:
    """One metric as ``compare`` takes it, and how a difference of it is said.

    The sentence is "FIRST verb SIZE unit more|less than SECOND where".

    Attributes:
        values: Per-sample values; None for a share that is known from its value and ``n``.
        verb: What the first predictor does.
        where: Words after the second predictor's name.
        unit: Unit of the said number, with the space before it.
        factor: Said number over stored number.
        more: Words for a positive difference.
        less: Words for a negative one.
        same: Words for none, on every sample.
        statistic: What of the values the metric is.
        share: Whether it is the share of samples with some property.
    """

    values: Values | None
    verb: str
    where: str = ""
    unit: str = " points"
    factor: float = 100.0
    more: str = "more often"
    less: str = "less often"
    same: str = "as often as"
    statistic: Statistic = statistics.mean
    share: bool = True


@dataclass(frozen=True)
class ComparedTask:
    """How two results of a task are compared.

    Attributes:
        metrics: The main metrics of each protocol by name, in the order in which they are said.
        paired: Whether both answer the same ids, so that differences are taken id by id. Else the
            samples of each are its own, such as generated crystals.
        clusters: Column whose values samples share that are not independent, "" for none: a
            resample draws these, as the intervals of the metrics do.
        samples: What the samples are called.
        own_settings: Settings that belong to one predictor and may differ.
        sizes_matter: What two sets of unequal size do to the comparison, in a sentence, or "".
    """

    metrics: Mapping[Protocol, Mapping[str, ComparedMetric]]
    paired: bool = True
    clusters: str = ""
    samples: str = "samples"
    own_settings: frozenset[str] = field(default_factory=frozenset)
    sizes_matter: str = ""


def column(name: str) -> Values:
    """The values of a column: numbers, or truth values as 0 and 1."""
    return lambda table: table[name].cast(pa.float64()).to_numpy()


def scored(name: str) -> Values:
    """The values of a column where a sample has a score; a protocol leaves out the others."""

    def values(table: pa.Table) -> np.ndarray:
        known = pc.equal(table["status"], "scored").to_numpy()
        return np.where(known, column(name)(table), np.nan)

    return values


def share(verb: str, values: Values | None = None) -> ComparedMetric:
    """A share of samples with some property: the difference is said in points of a per cent."""
    return ComparedMetric(values, verb)


def error(where: str, unit: str, values: Values) -> ComparedMetric:
    """A mean error: by how much more or less the first is off."""
    return ComparedMetric(
        values,
        "is off by",
        f" {where}",
        unit,
        1.0,
        "more",
        "less",
        "as much as",
        share=False,
    )
