"""Targets, training set and floors prepared once, and any number of submissions scored on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from matscale import datasets
from matscale.predictors.floors.crystals import MeanCell, RandomTraining
from matscale.predictors.predictor import declared
from matscale.predictors.submissions.crystals import Submission
from matscale.predictors.submissions.given import check_names, submissions_of
from matscale.report.scorecard import Scorecard
from matscale.runtime.errors import UserError
from matscale.runtime.memory import Memory
from matscale.tasks.asking import answered
from matscale.tasks.harness import (
    Measured,
    Run,
    measured,
    protocols_of,
    scorecard,
    start_run,
    unfinished_work,
)
from matscale.tasks.reconstruction.by_chance import cautions, rates_of
from matscale.tasks.reconstruction.by_order import aligned, most_candidates
from matscale.tasks.reconstruction.candidates import cuts_of
from matscale.tasks.reconstruction.declared import commonest_share
from matscale.tasks.reconstruction.entrants import lines, submitted
from matscale.tasks.reconstruction.question import (
    SUBMITTED,
    ReconstructionQuestion,
    ask,
    asked_dataset,
    question_of,
)
from matscale.tasks.reconstruction.rules import CrystalScores, Reconstruction
from matscale.tasks.reconstruction.samples import TargetFacts, target_facts


@dataclass(frozen=True)
class _Prepared:
    """A question, what is known of its targets, and how ceiling and floors answer it.

    The cuts are the numbers of candidates above one at which ceiling and floors are scored.
    """

    question: ReconstructionQuestion
    facts: TargetFacts
    commonest: float
    cuts: tuple[int, ...]
    cautions: tuple[str, ...]
    baselines: list[Measured[CrystalScores]]

    def rules(self, memory: Memory) -> Reconstruction:
        """For the models."""
        rates = {
            line.scored.name: line.scored.samples.by_target.scores.composition_right
            for line in self.baselines
        }
        chance = rates.get(RandomTraining.name)
        by_chance = None if chance is None else float(chance.mean())
        return Reconstruction(
            self.question,
            self.facts,
            memory,
            self.commonest,
            by_chance,
            self.cuts,
            self.cautions,
        )


class ReconstructionScorer:
    """Scores submissions of crystals against the same held-out ones.

    The arguments are those of
    :func:`matscale.tasks.reconstruction.score.score_reconstruction`.

    Raises:
        UserError: If a file is missing, or an option is not one of its choices.
    """

    def __init__(
        self,
        *,
        train: Any = None,
        targets: Any = None,
        protocol: str = "both",
        hygiene: str | None = None,
        column: str = "",
        by_order: bool = False,
        candidates: int | None = None,
        seed: int = 0,
        workers: int | None = None,
        command: str = "matscale.score",
        notes: Sequence[str] = (),
    ) -> None:
        if candidates is not None and candidates < 1:
            raise UserError(f"candidates is {candidates}; give a number from 1 on")
        self._protocols = protocols_of(protocol)
        self._candidates = candidates
        self._seed, self._workers, self._command = seed, workers, command
        self._notes, self._column, self._by_order = tuple(notes), column, by_order
        self._training = (
            None
            if train is None
            else datasets.given(train, "training set", hygiene=hygiene, column=column)
        )
        submitted_ones = isinstance(targets, str) and targets == SUBMITTED
        self._targets = (
            targets
            if targets is None or submitted_ones
            else datasets.given(targets, "targets", hygiene=hygiene, column=column)
        )
        self._asked: ReconstructionQuestion | None = None
        self._prepared: dict[tuple[int, ...], _Prepared] = {}

    def prepare(self) -> None:
        """Describe targets and training set, and score floors and ceiling, before anything else.

        Raises:
            UserError: If the targets are not known before there are predictions.
        """
        asked, _ = asked_dataset([], self._training, self._targets)
        if asked is None:
            raise UserError(
                "nothing says what the targets are before there are predictions: give train= a "
                "dataset that has a test split, or give targets="
            )
        cuts = cuts_of(self._candidates or 1)
        self._known(self._question(asked), unfinished_work(None, self._workers), cuts)

    def score(
        self,
        predictions: Any,
        *,
        name: str | None = None,
        told: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None = None,
        out: str | Path | None = None,
    ) -> Scorecard:
        """Score predictions; the arguments are those of ``score_reconstruction``."""
        submissions = submissions_of(
            predictions, name=name, workers=self._workers, column=self._column
        )
        telling = declared(told, [submission.name for submission in submissions])
        asked, _ = asked_dataset(submissions, self._training, self._targets)
        if asked is None:
            question = self._noted(ask(submissions, training=self._training, targets=self._targets))
        else:
            question = self._question(asked)
        # One memory a call: that of a training loop would fill with answers that never come again.
        memory = unfinished_work(out, self._workers)
        run = self._run(question, memory, out)
        submissions = aligned(
            submissions, question.ids, by_order=self._by_order, candidates=self._candidates
        )
        cuts = {one.name: self._cuts(one, question) for one in submissions}
        every = sorted({*cuts_of(self._candidates or 1), *chain.from_iterable(cuts.values())})
        submissions = answered(
            submissions,
            question.telling(),
            question.training(),
            ids=question.targets.ids.tolist(),
            seed=self._seed,
            candidates=self._candidates or 1,
        )
        telling |= {own.name: own.told for own in submissions if own.predictor is not None}
        prepare = self._prepare if asked is None else self._known
        prepared = prepare(question, memory, tuple(every))
        own = [line.scored.name for line in prepared.baselines]
        check_names([submission.name for submission in submissions], own)
        rules = prepared.rules(memory)
        entrants = [
            submitted(one, telling[one.name], self._protocols, cuts[one.name])
            for one in submissions
        ]
        models = [measured(rules, run, rules.score(entrant)) for entrant in entrants]
        return scorecard(rules, run, [*prepared.baselines, *models])

    def _run(self, question: ReconstructionQuestion, memory: Memory, out: str | Path | None) -> Run:
        return start_run(
            question.dataset,
            self._protocols,
            out=out,
            memory=memory,
            seed=self._seed,
            command=self._command,
        )

    def _noted(self, question: ReconstructionQuestion) -> ReconstructionQuestion:
        return replace(question, notes=(*self._notes, *question.notes))

    def _cuts(self, submission: Submission, question: ReconstructionQuestion) -> tuple[int, ...]:
        """Numbers of candidates above one at which a submission is scored."""
        if submission.predictor is not None:
            return cuts_of(self._candidates or 1)
        most = most_candidates(submission.predictions, question.ids)
        return cuts_of(most if self._candidates is None else min(most, self._candidates))

    def _question(self, asked: datasets.Dataset) -> ReconstructionQuestion:
        """The dataset's question, made at the first call."""
        if self._asked is None:
            self._asked = self._noted(question_of(asked, self._training))
        return self._asked

    def _known(
        self, question: ReconstructionQuestion, memory: Memory, cuts: tuple[int, ...]
    ) -> _Prepared:
        """What is prepared of the dataset's question, at the first call with so many candidates."""
        if cuts not in self._prepared:
            self._prepared[cuts] = self._prepare(question, memory, cuts)
        return self._prepared[cuts]

    def _prepare(
        self, question: ReconstructionQuestion, memory: Memory, cuts: tuple[int, ...]
    ) -> _Prepared:
        known = next((one for one in self._prepared.values() if one.question is question), None)
        facts = known.facts if known else target_facts(question, memory)
        commonest = commonest_share(question.targets, len(question.ids))
        rules = Reconstruction(question, facts, memory, commonest, cuts=cuts)
        run = self._run(question, memory, None)
        scored = [
            rules.score(entrant) for entrant in lines(question, self._protocols, self._seed, cuts)
        ]
        by_chance = [one.samples.by_target for one in scored if one.name == MeanCell.name]
        said = tuple(text for one in by_chance for text in cautions(rates_of(one)))
        rules = replace(rules, cautions=said)
        baselines = [measured(rules, run, one) for one in scored]
        return _Prepared(question, facts, commonest, cuts, said, baselines)
