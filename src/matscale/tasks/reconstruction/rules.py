"""What is the reconstruction task's own: how answers are scored, measured and spoken of."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from matscale.matching.kernels.workspace import MAX_POINTS
from matscale.metrics import sites
from matscale.results import result as schema
from matscale.results.metric import Definitions
from matscale.results.result import Protocol
from matscale.runtime.memory import Memory
from matscale.structures import symmetry
from matscale.tasks.entrant import Entrant
from matscale.tasks.harness import Outcome, Rules, Scored, Table
from matscale.tasks.reconstruction.declared import refutation
from matscale.tasks.reconstruction.entrants import CrystalAnswers
from matscale.tasks.reconstruction.pairs import TOLERANCES
from matscale.tasks.reconstruction.published import defects, published_groups, published_metrics
from matscale.tasks.reconstruction.published_rows import (
    ScoredRows,
    altered_targets,
    row_statuses,
    scored_rows,
)
from matscale.tasks.reconstruction.question import ReconstructionQuestion
from matscale.tasks.reconstruction.samples import (
    TargetFacts,
    TargetScores,
    samples_table,
    score_samples,
    usable_predictions,
)
from matscale.tasks.reconstruction.sound import sound_groups, sound_metrics
from matscale.tasks.reconstruction.specs import SPECS, specs_at


@dataclass(frozen=True)
class CrystalScores:
    """Scores of all answers of a predictor.

    Attributes:
        by_target: Of each target that was asked for: the sound protocol's.
        rows: Of the rows that AtomBench keeps: the published protocol's.
        notes: On the targets that a file carries.
    """

    by_target: TargetScores
    rows: ScoredRows
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Reconstruction(Rules[CrystalScores]):
    """What is the task's own.

    Attributes:
        question: What was asked.
        facts: What is known of its targets.
        memory: Where known answers are found.
        commonest: Share of the commonest composition among the targets.
        by_chance: Share of compositions that random training crystals have right, if known.
        cuts: Numbers of candidates above one at which some predictor is scored.
        cautions: What random placement says of the rates, in sentences.
    """

    question: ReconstructionQuestion
    facts: TargetFacts
    memory: Memory
    commonest: float
    by_chance: float | None = None
    cuts: tuple[int, ...] = ()
    cautions: tuple[str, ...] = ()

    task = "reconstruction"
    specs = SPECS

    def score(self, entrant: Entrant[CrystalAnswers]) -> Scored[CrystalScores]:
        """All answers, for both protocols."""
        start = time.perf_counter()
        name, answers = entrant.predictor.name, entrant.answer
        question, facts, memory = self.question, self.facts, self.memory
        by_target = score_samples(
            question, facts, answers.predictions, memory, name=name, cuts=answers.cuts
        )
        notes: tuple[str, ...] = ()
        if answers.published is None:
            systems = facts.crystal_system[by_target.scored].tolist()
            rows = ScoredRows(by_target.scores[by_target.scored], systems)
        else:
            rows = scored_rows(answers.published, question, memory, name=name)
            if not question.own_targets:
                carried = answers.published.targets
                notes = altered_targets(name, carried, question, facts, memory)
        entrant.seconds += time.perf_counter() - start
        return Scored(entrant, CrystalScores(by_target, rows, notes))

    def headline(self, protocol: Protocol) -> str:
        """The share of targets that are matched."""
        return "match_rate"

    def metrics(
        self, scored: Scored[CrystalScores], protocol: Protocol, seed: int
    ) -> dict[str, schema.Metric]:
        """Over ids or, as published, rows."""
        if protocol == "sound":
            return sound_metrics(scored.samples.by_target, seed=seed)
        return published_metrics(scored.samples.rows.scores, seed=seed)

    def groups(
        self, scored: Scored[CrystalScores], protocol: Protocol, seed: int
    ) -> tuple[schema.Group, ...]:
        """By facts of the targets."""
        if protocol == "sound":
            return sound_groups(scored.samples.by_target, self.facts, seed=seed)
        rows = scored.samples.rows
        return published_groups(rows.scores, rows.systems, seed=seed)

    def outcome(self, scored: Scored[CrystalScores], protocol: Protocol) -> Outcome:
        """Of each id or, of a file that carries targets and as published, of each row."""
        answers, samples = scored.entrant.answer, scored.samples.by_target
        refused = answers.predictions.refusals
        if protocol == "published" and answers.published is not None:
            kept = len(scored.samples.rows.systems)
            return Outcome(row_statuses(answers.published, kept), refused, asked=False)
        warnings = {
            "with an id that came before": samples.duplicates,
            "with an id that was not asked for": samples.not_asked,
            "unreadable and without an id that was asked for": samples.nameless,
            "unreadable beside other candidates for the same target": samples.unreadable,
        }
        return Outcome(samples.status.tolist(), refused, warnings)

    def notes(
        self,
        scored: Scored[CrystalScores],
        protocol: Protocol,
        metrics: Mapping[str, schema.Metric],
    ) -> tuple[str, ...]:
        """On the question, the file, and pairs that the matcher gave up."""
        name, samples = scored.name, scored.samples
        read = scored.entrant.answer.predictions.notes(name)
        if protocol == "sound":
            scores = samples.by_target
            undecided = int(scores.scores.undecided.sum())
            undecided += scores.candidates.undecided if scores.candidates else 0
            given_up = undecided_notes(name, undecided, scores.recall_undecided) + self.cautions
        else:
            given_up = undecided_notes(name, int(samples.rows.scores.undecided.sum()), 0)
        return (*self.question.notes, *read, *samples.notes, *given_up)

    def definitions(self, protocol: Protocol) -> Definitions:
        """Those of the best of any number of candidates among them."""
        more = self.cuts if protocol == "sound" else ()
        return {**SPECS[protocol], **{k: v for cut in more for k, v in specs_at(cut).items()}}

    def settings(self, protocol: Protocol) -> dict[str, float | int | str | bool]:
        """Tolerances of the matcher, and of symmetry."""
        return {
            "ltol": TOLERANCES.length,
            "stol": TOLERANCES.site,
            "angle_tol": TOLERANCES.angle,
            "amd_k": sites.NEIGHBOURS,
            "symprec": symmetry.SYMMETRY_PRECISION,
        }

    def defects(self) -> tuple[str, ...]:
        """Those of the table by crystal system among them."""
        return defects(self.facts.crystal_system.tolist())

    def refuted(self, scored: Scored[CrystalScores]) -> str | None:
        """Compositions that are right in more than can be guessed."""
        right = scored.samples.by_target.scores.composition_right
        return refutation(scored.entrant.predictor, right, self.commonest, self.by_chance)

    def tables(self, scored: Scored[CrystalScores]) -> dict[str, tuple[str, Table]]:
        """Per-sample scores, usable predictions, and the targets, which all results share."""
        targets, name = self.question.targets, scored.name
        predictions = usable_predictions(self.question, scored.entrant.answer.predictions)
        return {
            "samples": (
                f"{name}.samples.parquet",
                samples_table(scored.samples.by_target, self.facts),
            ),
            "predictions": (f"{name}.predictions.parquet", predictions),
            "targets": (f"targets.{targets.sha256()[:12]}.parquet", targets),
        }


def undecided_notes(name: str, pairs: int, recall: int) -> tuple[str, ...]:
    """A note if the matcher gave up on some pairs: they count as not matched."""
    notes = []
    if pairs:
        notes.append(
            f"{pairs} predictions of {name} could not be matched with their targets, because one "
            "of the two cells is so flat or so large that the search for mappings has more than "
            f"{MAX_POINTS} lattice points; they count as no match."
        )
    if recall:
        notes.append(
            f"METRe of {name} counts {recall} targets as not found for which such a pair was "
            "left undecided."
        )
    return tuple(notes)
