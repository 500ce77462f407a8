"""What the two particle tasks have in common, as the harness takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from matscale.results import result as schema
from matscale.results.measure import Measure, all_measured
from matscale.results.result import Protocol
from matscale.results.samples import FAILED, MISSING, SCORED
from matscale.structures.reading import Refusal
from matscale.structures.table import StructureTable
from matscale.tasks.harness import Outcome, Rules, Scored, Table
from matscale.tasks.particles.question import ParticleQuestion
from matscale.tasks.refuted import MOST_GUESSED, refutation


@dataclass(frozen=True)
class ParticleScores:
    """An entrant's scores; arrays are in the order of the question, (n,).

    Attributes:
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
class ParticleRules(Rules[ParticleScores]):
    """Of a particle task.

    Attributes:
        question: What was asked.
        found: What the run found, one sentence each, by protocol.
        guessed: Share of right answers, by name, of each floor that is told nothing.
    """

    question: ParticleQuestion
    found: Mapping[Protocol, tuple[str, ...]]
    guessed: Mapping[str, float]

    @staticmethod
    def measures(
        protocol: Protocol, scored: ParticleScores, rows: np.ndarray
    ) -> dict[str, Measure]:
        """The metrics of a protocol over the samples chosen by a mask (n,)."""
        raise NotImplementedError

    def metrics(
        self, scored: Scored[ParticleScores], protocol: Protocol, seed: int
    ) -> dict[str, schema.Metric]:
        """Over all samples."""
        everything = np.ones(len(self.question), np.bool_)
        return all_measured(self.measures(protocol, scored.samples, everything), seed=seed)

    def groups(
        self, scored: Scored[ParticleScores], protocol: Protocol, seed: int
    ) -> tuple[schema.Group, ...]:
        """By radius, then by split."""
        return tuple(
            schema.Group(
                by=by,
                group=name,
                n=int(rows.sum()),
                metrics=all_measured(self.measures(protocol, scored.samples, rows), seed=seed),
            )
            for by, name, rows in _parts(self.question)
        )

    def outcome(self, scored: Scored[ParticleScores], protocol: Protocol) -> Outcome:
        """An answer that a protocol cannot score is refused."""
        scores = scored.samples
        read = scores.read(protocol)
        refused = (scores.status == FAILED) & ~read
        unmeasured = {
            f"{metric}: {reason}": count
            for (where, metric, reason), count in sorted(scores.problems.items())
            if where == protocol
        }
        source = scored.entrant.predictor.source or scored.name
        return Outcome(
            np.where(refused, scores.reason, np.where(read, SCORED, scores.status)).tolist(),
            [
                Refusal(
                    row,
                    str(self.question.ids[row]),
                    source,
                    str(scores.reason[row]),
                    str(scores.detail[row]),
                )
                for row in np.flatnonzero(refused).tolist()
            ],
            {**scored.entrant.warnings, **unmeasured},
        )

    def notes(
        self,
        scored: Scored[ParticleScores],
        protocol: Protocol,
        metrics: Mapping[str, schema.Metric],
    ) -> tuple[str, ...]:
        """On the question, and on what the run found."""
        return (*self.question.notes(), *self.found.get(protocol, ()))

    def refuted(self, scored: Scored[ParticleScores]) -> str | None:
        """Right in more than can be guessed, and than floors that are told nothing either."""
        predictor = scored.entrant.predictor
        if predictor.told != ():
            return None
        best = max(self.guessed, key=lambda floor: self.guessed[floor], default=None)
        return refutation(
            predictor.told,
            scored.samples.values[self.headline("sound")] == 1,
            max([MOST_GUESSED, *self.guessed.values()]),
            answers="answers",
            beside=f", where {best} gets {100 * self.guessed[best]:.0f} %" if best else "",
            leak="the samples' names give it away",
        )

    def tables(self, scored: Scored[ParticleScores]) -> dict[str, tuple[str, Table]]:
        """Per-sample scores, and the cases to look at."""
        name, scores = scored.name, scored.samples
        tables: dict[str, tuple[str, Table]] = {
            "samples": (f"{name}.samples.parquet", samples_table(scores, self.question))
        }
        if scores.cases is not None:
            for which, table in zip(("predictions", "targets"), scores.cases, strict=True):
                tables[which] = (f"{name}.{which}.parquet", table)
        return tables


def guessed_by(floors: Sequence[Scored[ParticleScores]], metric: str) -> dict[str, float]:
    """Share of right answers, by name, of the floors among some entrants that are told nothing."""
    return {
        floor.name: float(np.nanmean(floor.samples.values[metric]))
        for floor in floors
        if set(floor.entrant.kinds.values()) == {"floor"} and floor.entrant.predictor.told == ()
    }


def _parts(question: ParticleQuestion) -> list[tuple[str, str, np.ndarray]]:
    """By what, the group's name, and its samples (n,): radii, then splits."""
    radii = question.samples.radius
    by_radius = [("radius", f"{size:g}", radii == size) for size in np.unique(radii).tolist()]
    splits = [("split", str(own), question.split == own) for own in dict.fromkeys(question.split)]
    return by_radius + splits


def samples_table(scores: ParticleScores, question: ParticleQuestion) -> pa.Table:
    """Per-sample scores as they are written beside the result."""
    columns: dict[str, object] = {
        "id": question.ids.tolist(),
        "status": scores.status.tolist(),
        "reason": scores.reason.tolist(),
        "material": question.names.tolist(),
        "radius": question.samples.radius,
        "rotation": question.samples.rotation,
        "split": question.split.tolist(),
        **scores.values,
        **scores.columns,
    }
    return pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})


def blank(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Status, reason and detail of n samples without answers."""
    status = np.full(n, MISSING, dtype=object)
    return status, np.full(n, "", dtype=object), np.full(n, "", dtype=object)


def note_failure(
    row: int, reason: str, detail: str, status: np.ndarray, why: np.ndarray, what: np.ndarray
) -> None:
    """Write down, in the arrays of :func:`blank`, why a sample has no score."""
    if reason == MISSING:
        return
    status[row], why[row], what[row] = FAILED, reason, detail
