"""From answers to results, for every task: ask, score, measure, draw floors and ceiling, save.

A task says what is its own in a subclass of :class:`Rules`. Everything else stands here once: the
protocols, who is asked first, where unfinished work is kept, what counts as read, refused and
missing, between which floor and ceiling a metric stands, and what is written.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Generic, TypeAlias, TypeVar

import pyarrow as pa

from matscale.predictors.submissions.given import check_names
from matscale.report.scorecard import Scorecard
from matscale.results import result as schema
from matscale.results.measure import between_floor_and_ceiling, without_reversed_skill
from matscale.results.metric import Definitions
from matscale.results.provenance import provenance
from matscale.results.result import Protocol
from matscale.results.samples import MISSING, SCORED
from matscale.results.store import check_same_question, save, save_table
from matscale.runtime.errors import UserError
from matscale.runtime.memory import PARTIAL, Memory, content_key
from matscale.runtime.version import __version__
from matscale.structures.reading import Refusal
from matscale.structures.table import StructureTable
from matscale.tasks.entrant import Entrant

Own = TypeVar("Own")
"""What a task makes of an entrant's answers: its scores per sample."""

Table: TypeAlias = "pa.Table | StructureTable"

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


# --- a run -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """What all entrants of a scoring run share.

    Attributes:
        dataset: What is asked, as results describe it.
        protocols: To give results under.
        folder: Where results go; None writes nothing.
        memory: Keeps finished work, on disk where there is a folder.
        seed: Of the bootstrap.
        command: For the provenance.
    """

    dataset: schema.Dataset
    protocols: Sequence[Protocol]
    folder: Path | None
    memory: Memory
    seed: int
    command: str


def start_run(
    dataset: schema.Dataset,
    protocols: Sequence[Protocol],
    *,
    out: str | Path | None,
    memory: Memory | None = None,
    workers: int | None = None,
    seed: int,
    command: str,
) -> Run:
    """A run whose results can go where they are to go.

    Raises:
        UserError: If the folder holds results on another question, or nothing can be written there.
    """
    folder = Path(out) if out is not None else None
    if folder:
        check_same_question(folder, dataset)
    memory = memory or unfinished_work(folder, workers)
    return Run(dataset, protocols, folder, memory, seed, command)


def unfinished_work(out: str | Path | None, workers: int | None) -> Memory:
    """Where a run keeps finished pieces of its work, until :func:`scorecard` removes them.

    They lie in ``.partial`` inside the results folder, each under the hash of what it answers and
    of the version of the code: an interrupted run goes on from them, one that asks another question
    finds none of its own, and a run without a folder keeps them in memory.
    """
    from matscale.matching.engine import code_version

    folder = Path(out) / PARTIAL if out is not None else None
    return Memory(folder, content_key(__version__, code_version()), workers)


# --- what a task says --------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Scored(Generic[Own]):
    """An entrant with its scores per sample, as the task has them."""

    entrant: Entrant
    samples: Own

    @property
    def name(self) -> str:
        """The predictor's name."""
        return self.entrant.predictor.name


@dataclass(frozen=True)
class Outcome:
    """What became of the submitted items under a protocol.

    Attributes:
        statuses: ``scored``, ``missing`` or the reason of its refusal, for each item.
        refused: The refused items that are listed one by one.
        warnings: Counts of things that exclude nothing.
        asked: Whether ids were asked for; where none were, none is missing, and an item of that
            status is an empty one, which is refused.
    """

    statuses: Iterable[str]
    refused: Sequence[Refusal] = ()
    warnings: Mapping[str, int] = field(default_factory=dict)
    asked: bool = True


class Rules(Generic[Own]):
    """What is a task's own; a subclass overrides what it needs.

    Attributes:
        task: Name of the task.
        specs: Descriptions of its metrics, by protocol and name.
        diagnostics: Metrics that say how a run went: they stand between no floor and ceiling.
        packages: Installed packages whose versions its results name, beside those of all tasks.
    """

    task: ClassVar[str]
    specs: ClassVar[Mapping[Protocol, Definitions]] = {}
    diagnostics: ClassVar[frozenset[str]] = frozenset()
    packages: ClassVar[tuple[str, ...]] = ()

    def headline(self, protocol: Protocol) -> str:
        """Name of the metric that a protocol's page leads with."""
        raise NotImplementedError

    def metrics(
        self, scored: Scored[Own], protocol: Protocol, seed: int
    ) -> dict[str, schema.Metric]:
        """All metrics, with intervals, over the samples that the protocol looks at."""
        raise NotImplementedError

    def outcome(self, scored: Scored[Own], protocol: Protocol) -> Outcome:
        """What became of the submitted items."""
        raise NotImplementedError

    def groups(
        self, scored: Scored[Own], protocol: Protocol, seed: int
    ) -> tuple[schema.Group, ...]:
        """Metrics over parts of the samples."""
        return ()

    def tables(self, scored: Scored[Own]) -> Mapping[str, tuple[str, Table]]:
        """Files beside the results: the field of a result that names each, its name, its content.

        The field is ``samples``, ``predictions`` or ``targets``.
        """
        return {}

    def export(self, scored: Scored[Own], folder: Path) -> None:
        """Write further files for people, which no result names."""

    def notes(
        self, scored: Scored[Own], protocol: Protocol, metrics: Mapping[str, schema.Metric]
    ) -> tuple[str, ...]:
        """What a reader must know, of the question, the entrant and its metrics; in sentences."""
        return ()

    def definitions(self, protocol: Protocol) -> Definitions:
        """Descriptions of the metrics that its results may have."""
        return self.specs.get(protocol, {})

    def settings(self, protocol: Protocol) -> dict[str, float | int | str | bool]:
        """Thresholds and tolerances of the scoring."""
        return {}

    def defects(self) -> tuple[str, ...]:
        """Those of the published protocol on what is asked, one sentence each."""
        return ()

    def ceiling(
        self, result: schema.Result, ceilings: Sequence[schema.Result]
    ) -> schema.Result | None:
        """What a result of a protocol is held against: each metric of the first that has it."""
        return _joined(ceilings)

    def refuted(self, scored: Scored[Own]) -> str | None:
        """What answers made elsewhere say against the declaration of what was told, if anything."""
        return None


# --- ask and score -----------------------------------------------------------------------


def scored_by(
    score: Callable[[Entrant], Scored[Own]],
    baselines: Sequence[Entrant],
    models: Sequence[Entrant],
) -> list[Scored[Own]]:
    """All entrants' scores: ceilings and floors first, as tables show them.

    Models are asked first: what is wrong with them shows before minutes of floors and ceiling.

    Raises:
        UserError: If two have one name, so that one's results would replace the other's.
    """
    check_names(
        [entrant.predictor.name for entrant in models],
        [entrant.predictor.name for entrant in baselines],
    )
    own = [score(entrant) for entrant in models]
    return [*(score(entrant) for entrant in baselines), *own]


# --- results -----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Measured(Generic[Own]):
    """An entrant's results under each protocol that it takes part in, not between lines yet."""

    scored: Scored[Own]
    results: Mapping[Protocol, schema.Result]


def measured(rules: Rules[Own], run: Run, scored: Scored[Own]) -> Measured[Own]:
    """The results of an entrant by itself: metrics, groups, counts, notes, provenance."""
    taken = [protocol for protocol in run.protocols if protocol in scored.entrant.kinds]
    # Who answered here was told what the harness told it: that needs no belief.
    made_elsewhere = scored.entrant.predictor.source is not None
    refuted = rules.refuted(scored) if made_elsewhere else None
    return Measured(scored, {of: _result(rules, run, scored, of, refuted) for of in taken})


def _result(
    rules: Rules[Own], run: Run, scored: Scored[Own], protocol: Protocol, refuted: str | None
) -> schema.Result:
    start = time.perf_counter()
    entrant = scored.entrant
    metrics = rules.metrics(scored, protocol, run.seed)
    groups = rules.groups(scored, protocol, run.seed)
    outcome = rules.outcome(scored, protocol)
    notes = (*rules.notes(scored, protocol, metrics), *entrant.notes)
    seconds = entrant.seconds + time.perf_counter() - start
    predictor = entrant.named(protocol).model_copy(update={"refuted": refuted})
    return schema.Result(
        task=rules.task,
        protocol=protocol,
        predictor=predictor,
        dataset=run.dataset,
        headline=rules.headline(protocol),
        metrics=metrics,
        groups=groups,
        counts=counted(outcome),
        refused=tuple(
            schema.RefusedItem(
                id=item.id, source=item.source, reason=item.reason, detail=item.detail
            )
            for item in outcome.refused
        ),
        defects=rules.defects() if protocol == "published" else (),
        notes=notes,
        settings=rules.settings(protocol),
        definitions=schema.definitions_of(rules.definitions(protocol), metrics, groups),
        provenance=provenance(run.command, run.seed, seconds, rules.packages),
    )


def counted(outcome: Outcome) -> schema.Counts:
    """How many items were read, missing and refused, and of which reason."""
    statuses = Counter(outcome.statuses)
    submitted = statuses.total()
    return schema.Counts(
        submitted=submitted,
        read=statuses.pop(SCORED, 0),
        missing=statuses.pop(MISSING, 0) if outcome.asked else 0,
        refused=dict(statuses.most_common()),
        warnings={what: count for what, count in outcome.warnings.items() if count},
    )


# --- floors and ceiling, files -----------------------------------------------------------


def scorecard(rules: Rules[Own], run: Run, entrants: Sequence[Measured[Own]]) -> Scorecard:
    """Results between floors and ceiling; written if the run has a folder, which ends it.

    Args:
        rules: Of the task.
        run: Whose results they are.
        entrants: In the order of the tables.
    """
    files = _save_tables(rules, run.folder, [entrant.scored for entrant in entrants])
    results: list[schema.Result] = []
    for protocol in run.protocols:
        pairs = [
            (entrant.results[protocol], names)
            for entrant, names in zip(entrants, files, strict=True)
            if protocol in entrant.results
        ]
        floors = [result for result, _ in pairs if result.predictor.kind == "floor"]
        ceilings = [result for result, _ in pairs if result.predictor.kind == "ceiling"]
        for result, names in pairs:
            lined = between_floor_and_ceiling(result, floors, rules.ceiling(result, ceilings))
            lined = without_reversed_skill(_without_lines(lined, rules.diagnostics))
            results.append(lined.model_copy(update=names))
    if run.folder:
        for result in results:
            save(result, run.folder)
    run.memory.forget()
    return Scorecard(results, run.folder)


def _joined(ceilings: Sequence[schema.Result]) -> schema.Result | None:
    """One ceiling of several: each metric as the first of them that has it."""
    if not ceilings:
        return None
    metrics: dict[str, schema.Metric] = {}
    groups: dict[tuple[str, str], schema.Group] = {}
    for ceiling in ceilings:
        metrics = ceiling.metrics | metrics
        for group in ceiling.groups:
            known = groups.get((group.by, group.group), group)
            both = group.metrics | known.metrics
            groups[group.by, group.group] = known.model_copy(update={"metrics": both})
    return ceilings[0].model_copy(update={"metrics": metrics, "groups": tuple(groups.values())})


def _without_lines(result: schema.Result, names: frozenset[str]) -> schema.Result:
    """The result, whose metrics of these names stand between no floor and ceiling."""
    bare = {"floor": None, "floor_name": None, "ceiling": None, "skill": None}

    def cleared(metrics: Mapping[str, schema.Metric]) -> dict[str, schema.Metric]:
        return {
            name: metric.model_copy(update=bare) if name in names else metric
            for name, metric in metrics.items()
        }

    groups = tuple(
        group.model_copy(update={"metrics": cleared(group.metrics)}) for group in result.groups
    )
    return result.model_copy(update={"metrics": cleared(result.metrics), "groups": groups})


def _save_tables(
    rules: Rules[Own], folder: Path | None, entrants: Sequence[Scored[Own]]
) -> list[dict[str, str]]:
    """Write what stands beside the results; the fields of each entrant's results that name it.

    A file that several entrants name, such as that of the targets, is written once.
    """
    if folder is None:
        return [{} for _ in entrants]
    folder.mkdir(parents=True, exist_ok=True)
    written: set[str] = set()
    files = []
    for scored in entrants:
        tables = rules.tables(scored)
        for name, table in tables.values():
            if name not in written:
                save_table(table, folder / name)
                written.add(name)
        rules.export(scored, folder)
        files.append({which: name for which, (name, _) in tables.items()})
    return files
