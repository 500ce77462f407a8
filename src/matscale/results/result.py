"""The result: one predictor on one task under one protocol. The unit of every table and page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from matscale.results.metric import Definitions, MetricSpec, unknown
from matscale.results.paths import shown_path, without_paths

Source = Annotated[str, AfterValidator(shown_path)]
"""A path, which is never absolute: results are published."""

Words = Annotated[str, AfterValidator(without_paths)]
"""A text in which no path is absolute."""

Protocol = Literal["published", "sound"]
PredictorKind = Literal["floor", "ceiling", "model"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Metric(_Strict):
    """One number of a result, with its interval and the lines it stands between.

    Attributes:
        value: The score over all samples; None where it is undefined, never a stand-in number.
        low: Lower end of the 95 % bootstrap interval.
        high: Upper end of it.
        unit: ``""`` for a dimensionless number or a share, else such as ``"Å"``.
        better: Which direction is better.
        n: Number of samples that the value is taken over.
        floor: Value of the best floor on this metric.
        floor_name: Which floor that is.
        ceiling: Attainable value, where it is known.
        skill: (value - floor) / (ceiling - floor).
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    better: Literal["higher", "lower"]
    n: int
    floor: float | None = None
    floor_name: str | None = None
    ceiling: float | None = None
    skill: float | None = None


class Group(_Strict):
    """Metrics over part of the samples, such as the cubic ones.

    Attributes:
        by: What the samples are grouped by, such as ``"crystal system"``.
        group: The group's name, such as ``"cubic"``.
        n: Number of submitted samples in the group.
        metrics: The group's metrics, by name.
    """

    by: str
    group: str
    n: int
    metrics: dict[str, Metric]


class Predictor(_Strict):
    """Who answered.

    Attributes:
        name: Such as ``"atomgpt"`` or ``"substitution"``.
        kind: Floor, ceiling or model.
        told: The fields of a sample that it saw, as declared; None where nothing was declared.
        told_the_answer: Whether those include positions or cell of the target.
        source: The file that was scored, where there is one; its answers were made elsewhere, so
            that ``told`` is what somebody declared.
        refuted: Why the answers cannot be those of a predictor that was told no more than
            ``told``, one sentence; None where nothing says so.
    """

    name: str
    kind: PredictorKind
    told: tuple[str, ...] | None = None
    told_the_answer: bool = False
    source: Source | None = None
    refuted: str | None = None


class Dataset(_Strict):
    """What was asked: the targets, and the training set that floors may use.

    Attributes:
        name: Registered name or file name of the targets.
        split: Such as ``"test"``.
        sha256: Content hash of the targets.
        size: Number of targets: the denominator of every rate.
        train_name: Registered name or file name of the training set.
        train_sha256: Content hash of the training set.
        train_size: Number of training structures.
        hygiene: Named cleaning step that was applied, if any.
    """

    name: str
    split: str | None = None
    sha256: str
    size: int
    train_name: str | None = None
    train_sha256: str | None = None
    train_size: int | None = None
    hygiene: str | None = None


class Counts(_Strict):
    """What became of the submitted items; read + sum(refused) + missing = submitted.

    Attributes:
        submitted: Denominator: every id that was asked for or submitted.
        read: Items with a usable structure.
        refused: Items refused, by reason.
        missing: Ids that were asked for and have no prediction.
        warnings: Counts of things that are worth knowing but exclude nothing, by their name.
    """

    submitted: int
    read: int
    refused: dict[str, int] = Field(default_factory=dict)
    missing: int = 0
    warnings: dict[str, int] = Field(default_factory=dict)


class RefusedItem(_Strict):
    """A refused item, for the list on the page."""

    id: str
    source: Source
    reason: str
    detail: Words = ""


class Provenance(_Strict):
    """How the result was made. ``created``, ``seconds`` and ``machine`` vary between runs."""

    matscale: str
    command: Words
    seed: int
    created: str
    seconds: float
    machine: str
    packages: dict[str, str] = Field(default_factory=dict)


class Result(_Strict):
    """One predictor on one task under one protocol.

    Attributes:
        task: Such as ``"reconstruction"``.
        protocol: ``"published"`` or ``"sound"``.
        headline: Name of the metric that the page leads with.
        metrics: By name, in the order in which tables show them.
        groups: Breakdowns.
        counts: Submitted, read, refused.
        refused: The refused items one by one.
        defects: Known defects of the protocol, one sentence each.
        notes: What a reader must know of this run, one sentence each.
        settings: Tolerances and other settings of the scoring.
        samples: File beside the JSON with one row per sample, or None.
        predictions: Parquet ``StructureTable`` beside the JSON with the usable predictions.
        targets: Parquet ``StructureTable`` beside the JSON with the targets.
        definitions: What the metrics and those of the groups are; empty in files of matscale 0.1.
    """

    schema_version: Literal[1] = 1
    task: str
    protocol: Protocol
    predictor: Predictor
    dataset: Dataset
    headline: str
    metrics: dict[str, Metric]
    groups: tuple[Group, ...] = ()
    counts: Counts
    refused: tuple[RefusedItem, ...] = ()
    defects: tuple[str, ...] = ()
    notes: tuple[Words, ...] = ()
    settings: dict[str, float | int | str | bool] = Field(default_factory=dict)
    samples: str | None = None
    predictions: str | None = None
    targets: str | None = None
    definitions: dict[str, MetricSpec] = Field(default_factory=dict)
    provenance: Provenance

    @property
    def name(self) -> str:
        """Unique among the results of one dataset: predictor and protocol."""
        return f"{self.predictor.name}.{self.protocol}"

    def spec(self, name: str) -> MetricSpec:
        """What a metric is: its definition, or the little that its value says."""
        if name in self.definitions:
            return self.definitions[name]
        metric = self.metrics.get(name)
        return unknown(name, metric.unit, metric.better) if metric else unknown(name)


def definitions_of(
    specs: Definitions, metrics: Mapping[str, Metric], groups: Iterable[Group] = ()
) -> dict[str, MetricSpec]:
    """Those of a task's metrics that a result has, over all samples or in a group."""
    names = {*metrics, *(name for group in groups for name in group.metrics)}
    return {name: spec for name, spec in specs.items() if name in names}
