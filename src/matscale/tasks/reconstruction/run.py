"""One scoring run: all predictors on one question, under each protocol."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from matscale.matching.described import crystal_systems, describe
from matscale.matching.kernels.workspace import MAX_POINTS
from matscale.metrics import sites
from matscale.predictors.ceilings import Target
from matscale.predictors.floors import CRYSTAL_FLOORS, RandomTraining
from matscale.predictors.from_file import PublishedRows, Submission
from matscale.predictors.predictor import ANSWER_FIELDS, Predictor
from matscale.report.scorecard import Scorecard
from matscale.results import result as schema
from matscale.results.measure import between_floor_and_ceiling
from matscale.results.provenance import provenance
from matscale.results.store import save, save_tables
from matscale.runtime.memory import Memory
from matscale.structures import symmetry
from matscale.structures.reading import Reading
from matscale.tasks.reconstruction.declared import commonest_share, refutation
from matscale.tasks.reconstruction.pairs import TOLERANCES, PairScores, match_described, score_pairs
from matscale.tasks.reconstruction.published import (
    defects,
    published_groups,
    published_metrics,
)
from matscale.tasks.reconstruction.question import Question
from matscale.tasks.reconstruction.samples import (
    MISSING,
    SCORED,
    Samples,
    TargetFacts,
    samples_table,
    score_samples,
    usable_predictions,
)
from matscale.tasks.reconstruction.sound import sound_groups, sound_metrics


@dataclass(frozen=True)
class Answers:
    """One predictor's answers, before they are scored."""

    predictor: schema.Predictor
    predictions: Reading
    published: PublishedRows | None
    made_in_seconds: float


@dataclass(frozen=True)
class Scored:
    """One predictor's answers with their scores, and its results without floors and ceiling."""

    answers: Answers
    samples: Samples
    results: Mapping[schema.Protocol, schema.Result]


def submitted(submission: Submission, told: tuple[str, ...] | None) -> Answers:
    """A submission as answers."""
    predictor = schema.Predictor(
        name=submission.name,
        kind="model",
        told=told,
        told_the_answer=bool(ANSWER_FIELDS & set(told or ())),
        source=submission.source,
    )
    return Answers(predictor, submission.predictions, submission.published, 0.0)


@dataclass(frozen=True)
class Run:
    """What all predictors of one scoring run share."""

    question: Question
    facts: TargetFacts
    memory: Memory
    seed: int
    command: str

    def baselines(self) -> list[Answers]:
        """The answers of the ceiling and, where there is a training set, of the floors."""
        predictors: list[Predictor] = [Target(self.question.targets)]
        if self.question.train is not None:
            predictors += [floor(self.question.train, self.seed) for floor in CRYSTAL_FLOORS]
        told = self.question.told()
        answers = []
        for predictor in predictors:
            start = time.perf_counter()
            fields = [name for name in predictor.told if name in told.fields]
            reading = predictor.predict(told.only(fields))
            described = schema.Predictor(
                name=predictor.name,
                kind=predictor.kind,
                told=predictor.told,
                told_the_answer=bool(ANSWER_FIELDS & set(predictor.told)),
            )
            seconds = time.perf_counter() - start
            answers.append(Answers(described, reading, None, seconds))
        return answers

    def score(
        self,
        answers: Sequence[Answers],
        protocols: Sequence[schema.Protocol],
        baselines: Sequence[Scored] = (),
    ) -> list[Scored]:
        """The samples of all answers, and their results without floors and ceiling.

        Args:
            answers: Of any predictors.
            protocols: To give results under.
            baselines: Floors and ceiling, where the answers are models'.
        """
        return [self._scored(item, protocols, baselines) for item in answers]

    def _scored(
        self, item: Answers, protocols: Sequence[schema.Protocol], baselines: Sequence[Scored]
    ) -> Scored:
        samples = score_samples(
            self.question,
            self.facts,
            item.predictions,
            self.memory,
            name=item.predictor.name,
        )
        if item.predictor.kind == "model":
            item = self._judged(item, samples, baselines)
        results = {one: self._result(item, samples, self.facts, one) for one in protocols}
        return Scored(item, samples, results)

    def _judged(self, item: Answers, samples: Samples, baselines: Sequence[Scored]) -> Answers:
        """The same, with what the answers say against the model's declaration."""
        commonest = commonest_share(self.question.targets, len(self.question.ids))
        chance = next(
            (
                float(one.samples.scores.composition_right.mean())
                for one in baselines
                if one.answers.predictor.name == RandomTraining.name
            ),
            None,
        )
        right = samples.scores.composition_right
        said = refutation(item.predictor, right, commonest, chance)
        return replace(item, predictor=item.predictor.model_copy(update={"refuted": said}))

    def scorecard(
        self,
        baselines: Sequence[Scored],
        models: Sequence[Scored],
        protocols: Sequence[schema.Protocol],
        folder: Path | None,
    ) -> Scorecard:
        """Results between the lines of floors and ceiling, written if there is a folder."""
        scored = [*baselines, *models]
        files = [self._save_tables(one, folder) if folder else {} for one in scored]
        results: list[schema.Result] = []
        for protocol in protocols:
            plain = [one.results[protocol] for one in scored]
            floors = [one for one in plain if one.predictor.kind == "floor"]
            ceiling = next((one for one in plain if one.predictor.kind == "ceiling"), None)
            for one, names in zip(plain, files, strict=True):
                lined = between_floor_and_ceiling(one, floors, ceiling)
                results.append(lined.model_copy(update=names))
        if folder:
            for one in results:
                save(one, folder)
        return Scorecard(results, folder)

    def _save_tables(self, one: Scored, folder: Path) -> dict[str, str]:
        return save_tables(
            one.answers.predictor.name,
            folder,
            samples=samples_table(one.samples, self.facts),
            predictions=usable_predictions(self.question, one.answers.predictions),
            targets=self.question.targets,
        )

    def _result(
        self,
        item: Answers,
        samples: Samples,
        facts: TargetFacts,
        protocol: schema.Protocol,
    ) -> schema.Result:
        start = time.perf_counter()
        counts = _counts(samples)
        notes = (*self.question.notes, *item.predictions.notes(item.predictor.name))
        if item.published and not self.question.own_targets:
            notes += self._altered_targets(item.predictor.name, item.published.targets, facts)
        if protocol == "sound":
            undecided = int(samples.scores.undecided.sum())
            notes += _undecided(item.predictor.name, undecided, samples.recall_undecided)
            metrics = sound_metrics(samples, seed=self.seed)
            groups = sound_groups(samples, facts, seed=self.seed)
        else:
            scores, systems = self._published_rows(item, samples, facts)
            metrics = published_metrics(scores, seed=self.seed)
            groups = published_groups(scores, systems, seed=self.seed)
            if item.published:
                counts = _row_counts(item.published, len(systems))
            notes += _undecided(item.predictor.name, int(scores.undecided.sum()), 0)
        seconds = item.made_in_seconds + time.perf_counter() - start
        return schema.Result(
            task="reconstruction",
            protocol=protocol,
            predictor=item.predictor,
            dataset=self.question.dataset,
            headline="match_rate",
            metrics=metrics,
            groups=groups,
            counts=counts,
            refused=_refused(item.predictions),
            defects=defects(facts.crystal_system.tolist()) if protocol == "published" else (),
            notes=notes,
            settings={
                "ltol": TOLERANCES.length,
                "stol": TOLERANCES.site,
                "angle_tol": TOLERANCES.angle,
                "amd_k": sites.NEIGHBOURS,
                "symprec": symmetry.SYMMETRY_PRECISION,
            },
            provenance=provenance(self.command, self.seed, seconds),
        )

    def _altered_targets(self, name: str, carried: Reading, facts: TargetFacts) -> tuple[str, ...]:
        """A note if targets that a file carries are not the dataset's crystals of the same ids."""
        label = f"targets of {name}"
        described = describe(carried.table, self.memory, label=label)
        place = {identifier: row for row, identifier in enumerate(self.question.targets.ids)}
        rows = [
            (facts.description.rows[place[identifier]], own)
            for identifier, own in zip(carried.table.ids, described.rows, strict=True)
            if identifier in place and own >= 0
        ]
        pairs = np.array([pair for pair in rows if pair[0] >= 0], dtype=np.int64).reshape(-1, 2)
        altered = pairs[~match_described(facts.description, described, pairs).matched]
        if not len(altered):
            return ()
        example = described.table.ids[altered[0, 1]]
        theirs = self.question.targets.n_atoms[place[example]]
        own = carried.table.n_atoms[list(carried.table.ids).index(example)]
        return (
            f"{len(altered)} of {len(pairs)} targets that {name} carries do not match the "
            f"dataset's crystals of the same ids (such as {example}: {own} atoms in the file, "
            f"{theirs} in the dataset); the sound protocol scores against the dataset's, the "
            "published one against the file's.",
        )

    def _published_rows(
        self, item: Answers, samples: Samples, facts: TargetFacts
    ) -> tuple[PairScores, Sequence[str]]:
        """Scores of the rows that AtomBench keeps, against the targets that the file carries."""
        if item.published is None:
            return samples.scores[samples.scored], facts.crystal_system[samples.scored].tolist()
        own_targets, own_predictions = item.published.targets, item.published.predictions
        label = f"published rows of {item.predictor.name}"
        targets = describe(own_targets.table, self.memory, label=label)
        predictions = describe(own_predictions.table, self.memory, label=label)
        answered = dict(zip(own_predictions.items.tolist(), predictions.rows, strict=True))
        rows = [
            (place, target, answered[row])
            for place, (row, target) in enumerate(
                zip(own_targets.items.tolist(), targets.rows, strict=True)
            )
            if target >= 0 and answered.get(row, -1) >= 0
        ]
        # In the question's order, so that both protocols draw the same resamples.
        order = {identifier: place for place, identifier in enumerate(self.question.ids)}
        rows.sort(key=lambda row: order.get(own_targets.table.ids[row[0]], len(order)))
        table = np.array(rows, dtype=np.int64).reshape(-1, 3)
        places, pairs = table[:, 0], table[:, 1:]
        scores = score_pairs(targets, predictions, pairs, self.memory, label=label)
        kept = own_targets.table[places]
        return scores, crystal_systems(kept, self.memory)


def _counts(samples: Samples) -> schema.Counts:
    reasons = Counter(samples.status.tolist())
    warnings = {
        "with an id that came before": samples.duplicates,
        "with an id that was not asked for": samples.not_asked,
        "unreadable and without an id that was asked for": samples.nameless,
    }
    return schema.Counts(
        submitted=len(samples.ids),
        read=reasons.pop(SCORED, 0),
        missing=reasons.pop(MISSING, 0),
        refused=dict(reasons.most_common()),
        warnings={name: count for name, count in warnings.items() if count},
    )


def _row_counts(rows: PublishedRows, kept: int) -> schema.Counts:
    """What AtomBench keeps of a file's rows; one that fails on both sides counts for the target."""
    reasons = {refusal.item: refusal.reason for refusal in rows.predictions.refusals}
    reasons |= {refusal.item: f"target: {refusal.reason}" for refusal in rows.targets.refusals}
    counted = Counter(reasons.values())
    submitted = rows.predictions.submitted
    if submitted - len(reasons) > kept:
        counted["no reduced cell"] = submitted - len(reasons) - kept
    return schema.Counts(submitted=submitted, read=kept, refused=dict(counted.most_common()))


def _refused(predictions: Reading) -> tuple[schema.RefusedItem, ...]:
    return tuple(
        schema.RefusedItem(id=one.id, source=one.source, reason=one.reason, detail=one.detail)
        for one in predictions.refusals
    )


def _undecided(name: str, pairs: int, recall: int) -> tuple[str, ...]:
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
