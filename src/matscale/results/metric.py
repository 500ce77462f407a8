"""What a metric is: declared once beside its measure, written into each result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from matscale.metrics import clusters, statistics

Better = Literal["higher", "lower"]
Statistic = Literal["mean", "median", "root mean square"]

STATISTICS: Mapping[Statistic, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "mean": statistics.mean,
    "median": clusters.median,
    "root mean square": statistics.root_mean_square,
}
"""From values (n,) and weights (..., n) to the metric, (...,)."""

MISSING = "not defined for these samples"
"""Why a value is missing, where a metric does not say it."""

MAIN = "main metrics"
"""Group of the metrics that say most."""


class _Declared(BaseModel):
    """Frozen; what is as by default is not written, so that a result stays short."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_serializer(mode="wrap")
    def _without_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        defaults = {
            name: None if field.is_required() else field.get_default(call_default_factory=True)
            for name, field in type(self).model_fields.items()
        }
        return {
            name: value
            for name, value in handler(self).items()
            if getattr(self, name) != defaults[name]
        }


class Family(_Declared):
    """Metrics that are one quantity of several things, such as of a, b, c, α, β, γ.

    They have a table of their own, in which each is called by its thing.

    Attributes:
        name: How the names of its members begin.
        label: Title of its table.
        definition: One sentence for all members.
    """

    name: str
    label: str
    definition: str = ""


class ComparedWords(_Declared):
    """How a difference of two predictors is said.

    The sentence is "FIRST verb SIZE unit more|less than SECOND where".

    Attributes:
        verb: What the first predictor does.
        where: Words after the second predictor's name.
        unit: Unit of the said number, with the space before it.
        factor: Said number over stored number.
        more: Words for a positive difference.
        less: Words for a negative one.
        same: Words for none, on every sample.
    """

    verb: str
    where: str = ""
    unit: str = " points"
    factor: float = 100.0
    more: str = "more often"
    less: str = "less often"
    same: str = "as often as"


class MetricSpec(_Declared):
    """A metric, described so that a table, a page or a comparison needs to know nothing else.

    Attributes:
        name: Key in a result's metrics.
        label: What tables call it.
        unit: Of the stored value; "" for a share or a dimensionless number.
        shown_unit: What tables write where the stored unit is "", such as "nats".
        better: Which direction is better.
        percent: Whether the stored value is a fraction that is shown in per cent.
        range: Least and largest value that there can be; None where there is no bound.
        definition: One sentence, with thresholds formatted in from the constants.
        missing: Why a value may be missing.
        statistic: What of the samples' values the metric is.
        share: Whether it is the share of samples with some property, so that its interval can be
            given exactly where all samples agree.
        column: Column of the per-sample scores that holds the samples' values; "" for none.
        minus: A second column where a sample's value is the absolute difference of the two.
        only_scored: Whether the protocol leaves out samples without a score.
        compared: Words of a comparison; None where the metric is not compared.
        family: The family that it belongs to.
        group: Which columns it stands with, such as "lattice".
        place: Place among the metrics that say most, from 1; None for the others.
        ranked: Whether one value is better than another; else the truth has some value, and more
            is too much.
        paper: Key of the paper to cite for it.
        headline: What a headline says before and after the value, with {n} for the samples.
        caution: What a headline's value does not say, in a sentence.
        of_one: Name of the same metric of one answer to each sample, where this one is of the best
            of several.
        candidates: Of how many answers to each sample the best counts.
        division: Where it is one of several classes: all of them with their words, what could not
            be judged last. They are said together, and none is held to a floor.
    """

    name: str
    label: str
    unit: str = ""
    shown_unit: str = ""
    better: Better
    percent: bool = False
    range: tuple[float | None, float | None] = (None, None)
    definition: str = ""
    missing: str = MISSING
    statistic: Statistic = "mean"
    share: bool = False
    column: str = ""
    minus: str = ""
    only_scored: bool = False
    compared: ComparedWords | None = None
    family: Family | None = None
    group: str = ""
    place: int | None = None
    ranked: bool = True
    paper: str = ""
    headline: tuple[str, str] | None = None
    caution: str = ""
    of_one: str = ""
    candidates: int = 1
    division: dict[str, str] = Field(default_factory=dict)

    @property
    def long_label(self) -> str:
        """Label that stands alone, outside the table of its family."""
        return f"{self.family.label} of {self.label}" if self.family else self.label

    @property
    def column_group(self) -> str:
        """Title of the columns that it stands among."""
        return MAIN if self.place is not None else self.group


Definitions = Mapping[str, MetricSpec]
"""Metrics by name."""


def share(name: str, label: str, definition: str, *, verb: str = "", **more: Any) -> MetricSpec:
    """The share of samples with a property; a difference is said in points of a per cent.

    Args:
        name: Key in a result's metrics.
        label: What tables call it.
        definition: One sentence.
        verb: What a predictor does that has the property more often; "" if it is not compared.
        more: Further fields of :class:`MetricSpec`.
    """
    words = ComparedWords(verb=verb) if verb else None
    own: dict[str, Any] = {
        "better": "higher",
        "percent": True,
        "range": (0, 1),
        "share": True,
        "compared": words,
    }
    return MetricSpec(name=name, label=label, definition=definition, **(own | more))


def error(
    name: str, label: str, unit: str, definition: str, *, where: str = "", **more: Any
) -> MetricSpec:
    """A mean error, 0 for the truth; a difference says by how much more or less one is off.

    Args:
        name: Key in a result's metrics.
        label: What tables call it.
        unit: Of the stored value.
        definition: One sentence.
        where: In what the predictors are off; "" if the metric is not compared.
        more: Further fields of :class:`MetricSpec`.
    """
    words = off_by(where, f" {unit}" if unit not in ("", "°") else unit) if where else None
    own: dict[str, Any] = {"better": "lower", "range": (0, None), "compared": words}
    return MetricSpec(name=name, label=label, unit=unit, definition=definition, **(own | more))


def off_by(where: str, unit: str) -> ComparedWords:
    """Words of an error: by how much more or less the first is off."""
    return ComparedWords(
        verb="is off by", where=f" {where}", unit=unit, factor=1, more="more", less="less",
        same="as much as",
    )  # fmt: skip


def by_name(specs: Iterable[MetricSpec], leading: Iterable[str] = ()) -> dict[str, MetricSpec]:
    """Metrics by name; those that say most know their place.

    Args:
        specs: In the order in which comparisons say them.
        leading: Names of those that say most, in the order in which tables begin with them.
    """
    places = {name: place for place, name in enumerate(leading, start=1)}
    return {spec.name: spec.model_copy(update={"place": places.get(spec.name)}) for spec in specs}


def unknown(name: str, unit: str = "", better: Better = "higher") -> MetricSpec:
    """What is known of a metric that no definition came with: it is called by its name."""
    return MetricSpec(name=name, label=name.replace("_", " "), unit=unit, better=better)
