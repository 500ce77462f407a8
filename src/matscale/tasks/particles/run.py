"""From scored answers to results: one predictor at a time, under each protocol."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from matscale.metrics.statistics import lowest_rate
from matscale.report.scorecard import Scorecard
from matscale.results import result as schema
from matscale.results.measure import (
    Measure,
    all_measured,
    between_floor_and_ceiling,
    without_reversed_skill,
)
from matscale.results.metric import Definitions
from matscale.results.provenance import provenance
from matscale.results.result import Protocol
from matscale.results.store import save, stored_columns
from matscale.runtime.errors import UserError
from matscale.runtime.files import replaced
from matscale.structures.formats import write_parquet
from matscale.structures.table import StructureTable
from matscale.tasks.entrant import Entrant
from matscale.tasks.particles.asking import NO_ANSWER
from matscale.tasks.particles.question import Question

SCORED = "scored"
MISSING = "missing"
FAILED = "failed"

MOST_GUESSED = 0.5
"""Share of right answers that nobody reaches without being told anything."""

PROTOCOLS: Mapping[str, tuple[Protocol, ...]] = {
    "both": ("sound", "published"),
    "sound": ("sound",),
    "published": ("published",),
}


def protocols_of(name: str) -> tuple[Protocol, ...]:
    """The protocols of a choice.

    Raises:
        UserError: If there is no such choice.
    """
    if name not in PROTOCOLS:
        raise UserError(f"protocol {name!r} is not one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


@dataclass(frozen=True)
class Scored:
    """An entrant's scores; arrays are in the order of the question, (n,).

    Attributes:
        entrant: Who answered.
        status: ``scored``, ``missing`` or ``failed``, of object.
        reason: Why a sample failed, or what of it could not be measured; "" otherwise, of object.
        detail: Of samples that failed, of object.
        values: Metrics by name, NaN where there is none.
        columns: Further columns of the samples' table.
        problems: How often each metric could not be measured, by protocol, metric and reason.
        cases: Ids, predictions and targets to look at, as two tables under the samples' names.
        read_as_published: Which samples have an answer that the published protocol takes, (n,),
            where these are more than those with a score.
    """

    entrant: Entrant
    status: np.ndarray
    reason: np.ndarray
    detail: np.ndarray
    values: Mapping[str, np.ndarray]
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    problems: Mapping[tuple[Protocol, str, str], int] = field(default_factory=dict)
    cases: tuple[StructureTable, StructureTable] | None = None
    read_as_published: np.ndarray | None = None

    def read(self, protocol: Protocol) -> np.ndarray:
        """Which samples have an answer that the protocol can score, (n,) bool."""
        if protocol == "published" and self.read_as_published is not None:
            return self.read_as_published
        return np.asarray(self.status == SCORED)


@dataclass(frozen=True)
class Rules:
    """What differs between the two tasks.

    Attributes:
        task: Name.
        headline: Metric that a protocol's page leads with.
        measures: The metrics of a protocol over the samples chosen by a mask (n,).
        settings: Thresholds and tolerances.
        specs: What the metrics of each protocol are.
        defects: Of the published protocol on what is asked.
    """

    task: str
    headline: Mapping[Protocol, str]
    measures: Callable[[Protocol, Scored, np.ndarray], dict[str, Measure]]
    settings: Mapping[str, float | int | str | bool]
    specs: Mapping[Protocol, Definitions] = field(default_factory=dict)
    defects: tuple[str, ...] = ()


def scorecard(
    rules: Rules,
    question: Question,
    scored: Sequence[Scored],
    protocols: Sequence[Protocol],
    *,
    notes: Mapping[Protocol, tuple[str, ...]],
    folder: Path | None,
    seed: int,
    command: str,
) -> Scorecard:
    """Results with their intervals, groups, floors and ceiling; written if there is a folder.

    Args:
        rules: Of the task.
        question: What was asked.
        scored: All entrants' scores, in the order of the tables.
        protocols: To give results under.
        notes: What the run found, by protocol.
        folder: Where to write, or None.
        seed: Of the bootstrap.
        command: For the provenance.
    """
    files = [_save_tables(one, question, folder) if folder else {} for one in scored]
    results: list[schema.Result] = []
    refuted = _refuted(rules, scored)
    for protocol in protocols:
        pairs = [
            (_result(rules, question, one, protocol, notes, refuted, seed, command), names)
            for one, names in zip(scored, files, strict=True)
            if protocol in one.entrant.kinds
        ]
        floors = [one for one, _ in pairs if one.predictor.kind == "floor"]
        ceiling = next((one for one, _ in pairs if one.predictor.kind == "ceiling"), None)
        for one, names in pairs:
            lined = between_floor_and_ceiling(one, floors, ceiling)
            results.append(without_reversed_skill(lined).model_copy(update=names))
    if folder:
        for result in results:
            save(result, folder)
    return Scorecard(results, folder)


def _result(
    rules: Rules,
    question: Question,
    scored: Scored,
    protocol: Protocol,
    notes: Mapping[Protocol, tuple[str, ...]],
    refuted: Mapping[str, str],
    seed: int,
    command: str,
) -> schema.Result:
    start = time.perf_counter()
    everything = np.ones(len(question), np.bool_)
    metrics = all_measured(rules.measures(protocol, scored, everything), seed=seed)
    groups = tuple(
        schema.Group(
            by=by,
            group=name,
            n=int(rows.sum()),
            metrics=all_measured(rules.measures(protocol, scored, rows), seed=seed),
        )
        for by, name, rows in _parts(question)
    )
    seconds = scored.entrant.seconds + time.perf_counter() - start
    predictor = scored.entrant.named(protocol)
    said = refuted.get(predictor.name)
    return schema.Result(
        task=rules.task,
        protocol=protocol,
        predictor=predictor.model_copy(update={"refuted": said}),
        dataset=question.dataset,
        headline=rules.headline[protocol],
        metrics=metrics,
        groups=groups,
        counts=_counts(scored, protocol),
        refused=_refused(scored, question, protocol),
        defects=rules.defects if protocol == "published" else (),
        notes=(*question.notes(), *notes.get(protocol, ()), *scored.entrant.notes),
        settings=dict(rules.settings),
        definitions=schema.definitions_of(rules.specs.get(protocol, {}), metrics, groups),
        provenance=provenance(command, seed, seconds),
    )


def _refuted(rules: Rules, scored: Sequence[Scored]) -> dict[str, str]:
    """What answers in files say against the declaration that a model was told nothing, by name.

    Without being told anything of a sample one can only guess: right in more than half of the
    samples, and in more than the floors that are told nothing, was told.
    """
    name = rules.headline["sound"]
    rates = {
        one.entrant.predictor.name: float(np.nanmean(one.values[name]))
        for one in scored
        if set(one.entrant.kinds.values()) == {"floor"} and one.entrant.predictor.told == ()
    }
    best = max(rates, key=lambda floor: rates[floor], default=None)
    found = {}
    for one in scored:
        predictor = one.entrant.predictor
        if predictor.source is None or predictor.told != ():
            continue
        right = one.values[name] == 1
        if lowest_rate(int(right.sum()), len(right)) > max([MOST_GUESSED, *rates.values()]):
            beside = f", where {best} gets {100 * rates[best]:.0f} %" if best else ""
            found[predictor.name] = (
                f"Declared to be told nothing, yet {100 * right.mean():.0f} % of its answers are "
                f"right{beside}: it was told more, or the samples' names give it away."
            )
    return found


def _parts(question: Question) -> list[tuple[str, str, np.ndarray]]:
    """By what, the group's name, and its samples (n,): radii, then splits."""
    radius = question.samples.radius
    parts = [("radius", f"{one:g}", radius == one) for one in np.unique(radius).tolist()]
    splits = [("split", str(one), question.split == one) for one in dict.fromkeys(question.split)]
    return parts + splits


def _counts(scored: Scored, protocol: Protocol) -> schema.Counts:
    read = scored.read(protocol)
    reasons = Counter(scored.reason[(scored.status == FAILED) & ~read].tolist())
    unmeasured = {
        f"{metric}: {reason}": count
        for (where, metric, reason), count in sorted(scored.problems.items())
        if where == protocol
    }
    return schema.Counts(
        submitted=len(scored.status),
        read=int(read.sum()),
        missing=int((scored.status == MISSING).sum()),
        refused=dict(reasons.most_common()),
        warnings={**scored.entrant.warnings, **unmeasured},
    )


def _refused(
    scored: Scored, question: Question, protocol: Protocol
) -> tuple[schema.RefusedItem, ...]:
    source = scored.entrant.predictor.source or scored.entrant.predictor.name
    return tuple(
        schema.RefusedItem(
            id=str(question.ids[row]),
            source=source,
            reason=str(scored.reason[row]),
            detail=str(scored.detail[row]),
        )
        for row in np.flatnonzero((scored.status == FAILED) & ~scored.read(protocol)).tolist()
    )


def _save_tables(scored: Scored, question: Question, folder: Path) -> dict[str, str]:
    """Write the tables beside the results; the fields of a result that name them."""
    folder.mkdir(parents=True, exist_ok=True)
    name = scored.entrant.predictor.name
    files = {"samples": f"{name}.samples.parquet"}
    samples = stored_columns(samples_table(scored, question))
    with replaced(folder / files["samples"]) as temporary:
        pq.write_table(samples, temporary, compression="zstd")
    if scored.cases is not None:
        for kind, table in zip(("predictions", "targets"), scored.cases, strict=True):
            files[kind] = f"{name}.{kind}.parquet"
            write_parquet(table, folder / files[kind])
    return files


def samples_table(scored: Scored, question: Question) -> pa.Table:
    """Per-sample scores as they are written beside the result."""
    columns: dict[str, object] = {
        "id": question.ids.tolist(),
        "status": scored.status.tolist(),
        "reason": scored.reason.tolist(),
        "material": question.names.tolist(),
        "radius": question.samples.radius,
        "rotation": question.samples.rotation,
        "split": question.split.tolist(),
        **scored.values,
        **scored.columns,
    }
    return pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})


def blank(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Status, reason and detail of n samples without answers."""
    status = np.full(n, MISSING, dtype=object)
    return status, np.full(n, "", dtype=object), np.full(n, "", dtype=object)


def note_failure(
    place: int, reason: str, detail: str, status: np.ndarray, why: np.ndarray, what: np.ndarray
) -> None:
    """Write down, in the arrays of :func:`blank`, why a sample has no score."""
    if reason == NO_ANSWER:
        return
    status[place], why[place], what[place] = FAILED, reason, detail
