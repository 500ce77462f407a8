"""Who answers: the ceiling, floors, and submissions in files."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from matscale.predictors.ceilings import Target
from matscale.predictors.floors import CRYSTAL_FLOORS
from matscale.predictors.from_file import PublishedRows, Submission
from matscale.predictors.predictor import ANSWER_FIELDS, Predictor
from matscale.results import result as schema
from matscale.results.result import Protocol
from matscale.structures.reading import Reading
from matscale.tasks.entrant import Entrant
from matscale.tasks.reconstruction.question import Question


@dataclass(frozen=True)
class CrystalAnswers:
    """All answers of a predictor.

    Attributes:
        predictions: The crystals, in any order, under the ids of the targets.
        published: For a file that carries targets, its rows as AtomBench reads them.
    """

    predictions: Reading
    published: PublishedRows | None = None


def submitted(
    submission: Submission, told: tuple[str, ...] | None, protocols: Sequence[Protocol]
) -> Entrant[CrystalAnswers]:
    """A submission as an entrant."""
    predictor = schema.Predictor(
        name=submission.name,
        kind="model",
        told=told,
        told_the_answer=bool(ANSWER_FIELDS & set(told or ())),
        source=submission.source,
    )
    answers = CrystalAnswers(submission.predictions, submission.published)
    return Entrant(predictor, answers, dict.fromkeys(protocols, "model"))


def baselines(
    question: Question, protocols: Sequence[Protocol], seed: int
) -> list[Entrant[CrystalAnswers]]:
    """The ceiling and, where there is a training set, the floors, which have answered."""
    predictors: list[Predictor] = [Target(question.targets)]
    if question.train is not None:
        predictors += [floor(question.train, seed) for floor in CRYSTAL_FLOORS]
    told = question.told()
    entrants = []
    for predictor in predictors:
        start = time.perf_counter()
        fields = [name for name in predictor.told if name in told.fields]
        answers = CrystalAnswers(predictor.predict(told.only(fields)))
        described = schema.Predictor(
            name=predictor.name,
            kind=predictor.kind,
            told=predictor.told,
            told_the_answer=bool(ANSWER_FIELDS & set(predictor.told)),
        )
        seconds = time.perf_counter() - start
        kinds = dict.fromkeys(protocols, predictor.kind)
        entrants.append(Entrant(described, answers, kinds, seconds=seconds))
    return entrants
