"""Who answers: the ceiling, floors, and submissions in files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matscale.predictors.predictor import ANSWER_FIELDS
from matscale.predictors.submissions.crystals import PublishedRows, Submission
from matscale.results import result as schema
from matscale.results.result import PredictorKind, Protocol
from matscale.structures.reading import Reading
from matscale.tasks.asking import baselines, own_crystal, reading_of
from matscale.tasks.entrant import Entrant
from matscale.tasks.reconstruction.question import ReconstructionQuestion


@dataclass(frozen=True)
class CrystalAnswers:
    """All answers of a predictor.

    Attributes:
        predictions: The crystals, in any order, under the ids of the targets.
        published: For a file that carries targets, its rows as AtomBench reads them.
        cuts: Numbers of candidates above one at which it is scored.
    """

    predictions: Reading
    published: PublishedRows | None = None
    cuts: tuple[int, ...] = ()


def submitted(
    submission: Submission,
    told: tuple[str, ...] | None,
    protocols: Sequence[Protocol],
    cuts: tuple[int, ...],
) -> Entrant[CrystalAnswers]:
    """A submission as an entrant."""
    predictor = schema.Predictor(
        name=submission.name,
        kind="model",
        told=told,
        told_the_answer=bool(ANSWER_FIELDS & set(told or ())),
        source=submission.source or None,
    )
    answers = CrystalAnswers(submission.predictions, submission.published, cuts)
    kinds: dict[Protocol, PredictorKind] = dict.fromkeys(protocols, "model")
    return Entrant(predictor, answers, kinds, seconds=submission.seconds)


def lines(
    question: ReconstructionQuestion,
    protocols: Sequence[Protocol],
    seed: int,
    cuts: tuple[int, ...],
) -> list[Entrant[CrystalAnswers]]:
    """The ceiling and, where there is a training set, the floors, which have answered."""
    ids = question.targets.ids.tolist()
    entrants = baselines(
        "reconstruction",
        question.telling(),
        question.training(),
        check=own_crystal,
        protocols=protocols,
        seed=seed,
        candidates=max(cuts, default=1),
    )
    for entrant in entrants:
        entrant.answer = CrystalAnswers(reading_of(entrant, ids, len(ids)), cuts=cuts)
    return entrants
