"""Asking predictors, whatever the task: they are told what they declare, and nothing more."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from matscale.predictors.calling import fields_of, fit, listed, name_of, needs_training, predicted
from matscale.predictors.predictor import Seed, Told
from matscale.predictors.registry import CEILINGS, FLOORS
from matscale.predictors.submissions.crystals import Submission
from matscale.predictors.training import Training
from matscale.results import result as schema
from matscale.results.result import PredictorKind, Protocol
from matscale.results.samples import MISSING
from matscale.runtime.errors import Refused, UserError
from matscale.runtime.memory import Memory
from matscale.structures.formats.objects import checked, read_objects
from matscale.structures.reading import Reading, Refusal
from matscale.structures.table import StructureTable
from matscale.tasks.entrant import Answer, Entrant

BATCH = 64
"""Samples that a predictor is asked at a time."""

RAISED = "predictor raised an error"

Check = Callable[[Any], Any]
"""Turns what a predictor returned into what the scorer takes.

Raises:
    Refused: If it cannot be scored.
"""


@dataclass(frozen=True)
class Telling:
    """What a task tells of its n samples.

    Attributes:
        count: How many samples there are.
        known: What can be told: field to what it is.
        usual: Fields that are told to a predictor that declares none.
        answer: Fields that are part of the answer.
        tell: The values of fields of a sample, by its row; raises :class:`Refused` for a sample
            that cannot be asked, and :class:`UserError` for a field that no sample has.
        by_batches: Whether what is told, or answered, of all samples is too large to be held.
    """

    count: int
    known: Mapping[str, str]
    usual: tuple[str, ...]
    answer: frozenset[str]
    tell: Callable[[int, Sequence[str]], Mapping[str, Any]]
    by_batches: bool = False


def entrant(
    predictor: Any,
    telling: Telling,
    training: Training | None,
    *,
    check: Check,
    kinds: Mapping[Protocol, PredictorKind],
    seed: Seed = 0,
    at_once: bool = False,
    candidates: int = 1,
) -> Entrant:
    """A predictor, fitted and ready to be asked.

    Args:
        predictor: With ``predict``, and ``fit`` if it learns.
        telling: What the task tells.
        training: What it learns from; None where there is no training set.
        check: Of its answers.
        kinds: What it is under each protocol.
        seed: Of its draws. Each batch has its own, made of this one and the batch's first row; a
            generator goes on from batch to batch.
        at_once: Whether all samples are asked together, by this seed, when the first answer is
            wanted.
        candidates: Wanted for each sample.

    Raises:
        UserError: If it is no predictor, asks to be told what there is not, or cannot learn.
    """
    fields = fields_of(predictor, telling.known, telling.usual)
    fit(predictor, training, fields)
    described = schema.Predictor(
        name=name_of(predictor),
        kind="model",
        told=fields,
        told_the_answer=bool(telling.answer & set(fields)),
        source=None,
    )
    asking = _Asking(predictor, telling, fields, check, seed, candidates)
    answer = asking.together if at_once else asking.batch
    return Entrant(described, answer, kinds, asked=predictor)


def baselines(
    task: str,
    telling: Telling,
    training: Training | None,
    *,
    check: Check,
    protocols: Sequence[Protocol],
    seed: int,
    memory: Memory | None = None,
    candidates: int = 1,
) -> list[Entrant]:
    """The listed ceilings and floors of a task, in the order of its tables.

    Those that learn are left out where there is no training set, and each takes part in the
    protocols that it names, by default in all.

    Args:
        task: Whose they are.
        telling: What it tells.
        training: What they learn from.
        check: Of their answers.
        protocols: Of the run.
        seed: Of their draws.
        memory: Keeps what is long to find between interrupted runs.
        candidates: Wanted for each sample.
    """
    entrants = []
    for factory in (*CEILINGS[task], *FLOORS[task]):
        predictor: Any = factory()
        own = getattr(predictor, "protocols", protocols)
        kinds = {protocol: predictor.kind for protocol in protocols if protocol in own}
        if not kinds or (needs_training(predictor) and training is None):
            continue
        if memory is not None and hasattr(predictor, "remember_in"):
            predictor.remember_in(memory)
        draws: Seed = np.random.default_rng(seed) if telling.by_batches else seed
        entrants.append(
            entrant(
                predictor,
                telling,
                training,
                check=check,
                kinds=kinds,
                seed=draws,
                at_once=not telling.by_batches,
                candidates=candidates,
            )
        )
    return entrants


class _Asking:
    """Asks one predictor and checks its answers."""

    def __init__(
        self,
        predictor: Any,
        telling: Telling,
        fields: Sequence[str],
        check: Check,
        seed: Seed,
        candidates: int,
    ) -> None:
        self._predictor, self._telling, self._fields = predictor, telling, fields
        self._check, self._seed, self._candidates = check, seed, candidates
        self._answers: list[Answer] | None = None

    def together(self, rows: Sequence[int]) -> list[Answer]:
        """Answers to some samples, after all have been asked."""
        if self._answers is None:
            self._answers = self._asked(range(self._telling.count), self._seed)
        return [self._answers[row] for row in rows]

    def batch(self, rows: Sequence[int]) -> list[Answer]:
        """Answers to some samples."""
        return self._asked(rows, self._of_row(rows[0])) if len(rows) else []

    def _of_row(self, row: int) -> Seed:
        if isinstance(self._seed, np.random.Generator):
            return self._seed
        return int(np.random.SeedSequence([self._seed, row]).generate_state(1)[0])

    def _asked(self, rows: Sequence[int], seed: Seed) -> list[Answer]:
        told = [self._told(row) for row in rows]
        asked = {row: values for row, values in zip(rows, told, strict=True) if _is_told(values)}
        answers = dict(zip(asked, self._predicted(asked, seed), strict=True))
        return [
            self._of_sample(answers.get(row, [refusal]))
            for row, refusal in zip(rows, told, strict=True)
        ]

    def _told(self, row: int) -> Mapping[str, Any] | Refused:
        try:
            return self._telling.tell(row, self._fields)
        except Refused as refusal:
            return refusal

    def _predicted(self, asked: Mapping[int, Any], seed: Seed) -> list[Sequence[Any]]:
        """Candidates for each of a batch; where that raises, each sample is asked alone."""
        if not asked:
            return []
        told = Told.of(list(asked.values()), self._fields)
        try:
            return self._lists(told, seed)
        except UserError:
            raise
        except Exception:  # noqa: BLE001 - whatever a user's model raises is a failed answer
            return [self._alone(told[k : k + 1], row) for k, row in enumerate(asked)]

    def _alone(self, told: Told, row: int) -> Sequence[Any]:
        try:
            return self._lists(told, self._of_row(row))[0]
        except Exception as error:  # noqa: BLE001 - see above
            return [Refused(RAISED, f"{type(error).__name__}: {error}"[:200])]

    def _lists(self, told: Told, seed: Seed) -> list[Sequence[Any]]:
        answers = predicted(self._predictor, told, self._candidates, seed)
        if self._candidates == 1:
            return [[answer] for answer in answers]
        return listed(self._predictor, answers, self._candidates)

    def _of_sample(self, candidates: Sequence[Any]) -> Answer:
        first, *others = [self._checked(one) for one in candidates] or [self._checked(None)]
        return replace(first, others=tuple(others)) if others else first

    def _checked(self, answer: Any) -> Answer:
        if answer is None:
            return Answer(None, MISSING)
        if isinstance(answer, Refused):
            return Answer(None, answer.reason, answer.detail)
        try:
            return Answer(self._check(answer))
        except Refused as refusal:
            return Answer(None, refusal.reason, refusal.detail)


def _is_told(values: Mapping[str, Any] | Refused) -> bool:
    return not isinstance(values, Refused)


# --- crystals ----------------------------------------------------------------------------


def crystal(answer: Any) -> StructureTable:
    """The crystal of an answer, a table of one row, checked as those of files are.

    Args:
        answer: A pymatgen ``Structure`` or its dict, ASE ``Atoms``, or a table of one row.

    Raises:
        Refused: If it is none, or not a sound one.
    """
    if isinstance(answer, StructureTable):
        reading = _reading_of_table(answer)
    else:
        value = _of_dict(answer) if isinstance(answer, Mapping) else answer
        reading = checked([("answer", value)])
    for refusal in reading.refusals:
        raise Refused(refusal.reason, refusal.detail)
    return reading.table


def own_crystal(answer: StructureTable) -> StructureTable:
    """The answer of a floor or ceiling, which is taken as it is."""
    return answer


def _reading_of_table(table: StructureTable) -> Reading:
    if len(table) != 1 or table.cells is None:
        what = "particles" if table.cells is None else "crystals"
        raise Refused("unreadable", f"a table of {len(table)} {what}; give one crystal")
    return read_objects(table, "answers")


def _of_dict(values: Mapping[str, Any]) -> Any:
    from pymatgen.core import Structure

    try:
        return Structure.from_dict(dict(values))
    except Exception as error:
        raise Refused("unreadable", f"a dict that pymatgen does not read: {error}"[:200]) from error


def reading_of(asked: Entrant, ids: Sequence[str] | None, count: int) -> Reading:
    """All crystals of an entrant as a reading of the candidates for each sample, in order.

    Args:
        asked: Whose answers are tables of one row; the time it takes is added to its seconds.
        ids: Of the samples; None where answers keep their own.
        count: How many samples there are.
    """
    start = time.perf_counter()
    firsts = [
        answer
        for first in range(0, count, BATCH)
        for answer in asked.answer(range(first, min(first + BATCH, count)))
    ]
    asked.seconds += time.perf_counter() - start
    answers = [one for answer in firsts for one in (answer, *answer.others)]
    samples = np.repeat(np.arange(count), [1 + len(answer.others) for answer in firsts]).tolist()
    names = [str(row) if ids is None else ids[row] for row in samples]
    refusals = [
        Refusal(item, names[item], asked.predictor.name, answer.reason, answer.detail)
        for item, answer in enumerate(answers)
        if answer.reason
    ]
    items = [item for item, answer in enumerate(answers) if not answer.reason]
    table = StructureTable.concatenate([answers[item].value for item in items])
    if ids is not None:
        table = table.with_ids([names[item] for item in items])
    return Reading(table, np.array(items, dtype=np.int64), tuple(refusals))


def answered(
    submissions: Sequence[Submission],
    telling: Telling,
    training: Training | None,
    *,
    ids: Sequence[str],
    seed: int,
    candidates: int = 1,
) -> list[Submission]:
    """The submissions, predictors among them with their answers.

    Args:
        submissions: Of crystals.
        telling: What the task tells.
        training: What predictors learn from.
        ids: Of the samples.
        seed: Of predictors' draws.
        candidates: Wanted of predictors for each sample.

    Raises:
        UserError: If a predictor cannot be asked.
    """
    return [
        submission
        if submission.predictor is None
        else _answered(submission, telling, training, ids, seed, candidates)
        for submission in submissions
    ]


def _answered(
    submission: Submission,
    telling: Telling,
    training: Training | None,
    ids: Sequence[str],
    seed: int,
    candidates: int,
) -> Submission:
    asked = entrant(
        submission.predictor,
        telling,
        training,
        check=crystal,
        kinds={},
        seed=seed,
        candidates=candidates,
    )
    reading = reading_of(asked, ids, telling.count)
    return replace(
        submission, predictions=reading, told=asked.predictor.told, seconds=asked.seconds
    )
