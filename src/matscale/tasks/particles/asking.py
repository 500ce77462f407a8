"""Asking predictors: they are told copies of what the task tells, and nothing more."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from matscale.datasets.particles.hard import sample_seed
from matscale.predictors.particles import PARTICLE_FIELDS, Told, Training
from matscale.predictors.particles.protocol import telling_nothing, unit_cell
from matscale.results import result as schema
from matscale.results.result import PredictorKind, Protocol
from matscale.runtime.errors import Refused, UserError
from matscale.tasks.entrant import Answer, Entrant
from matscale.tasks.particles.question import Question

BATCH = 64
"""Samples that a predictor is asked at a time."""

RAISED = "predictor raised an error"
NO_ANSWER = "missing"

_UNSAFE = re.compile(r"[^\w.+-]+")


Check = Callable[[Any], Any]
"""Turns what a predictor returned into what the scorer takes.

Raises:
    Refused: If it cannot be scored.
"""


def tell(question: Question, row: int, fields: Sequence[str], cell: bool) -> dict[str, Any]:
    """What is told of a sample: numbers and arrays that are the predictor's own.

    A particle whose cell is asked for is told as it is on the hard track, if the question is on
    one, and its atoms in an order that does not tell the cell.

    Args:
        question: The question.
        row: Of the sample.
        fields: Keys of :data:`PARTICLE_FIELDS`.
        cell: Whether ``numbers`` are those of the unit cell, not of the particle; where they are
            not, the cell is asked for.

    Raises:
        Refused: If the hard track leaves nothing of the particle.
    """
    material, radius, _ = question.key(row)
    numbers, positions = question.particle(row) if cell else question.disturbed(row)
    if not cell:
        seed = sample_seed(question.seed, str(question.ids[row]))
        order = telling_nothing(len(numbers), seed)
        numbers, positions = numbers[order], positions[order]
    cell_numbers, fractional, lattice = unit_cell(question.particles.materials, material)
    known = {
        "numbers": cell_numbers if cell else numbers,
        "fractional": fractional,
        "lattice": lattice,
        "radius": radius,
        "positions": positions,
        "particle_numbers": numbers,
        "rotation": question.rotation(row).copy() if "rotation" in fields else None,
    }
    return {name: known[name] for name in fields}


def entrant(
    predictor: Any,
    question: Question,
    training: Training,
    *,
    tells: tuple[str, ...],
    cell: bool,
    check: Check,
    kinds: Mapping[Protocol, PredictorKind],
) -> Entrant:
    """A Python predictor, fitted and ready to be asked.

    Args:
        predictor: With ``predict``, and ``fit`` if it learns.
        question: What will be asked.
        training: What it learns from.
        tells: Fields that the task tells by default.
        cell: As in :func:`tell`.
        check: Of its answers.
        kinds: What it is under each protocol.

    Raises:
        UserError: If it is no predictor or asks to be told what there is not.
    """
    name = _UNSAFE.sub("_", str(getattr(predictor, "name", type(predictor).__name__)))
    if isinstance(predictor, type):
        given = predictor.__name__
        raise UserError(f"{given} is a class, and a predictor is asked for: give {given}()")
    if not callable(getattr(predictor, "predict", None)):
        raise UserError(f"the predictor {name!r} has no method predict(told); give it one")
    told = getattr(predictor, "told", tells)
    fields = (told,) if isinstance(told, str) else tuple(told)
    unknown = [one for one in fields if one not in PARTICLE_FIELDS]
    if unknown:
        raise UserError(
            f"the predictor {name!r} asks to be told {unknown[0]!r}; what can be told is "
            f"{', '.join(PARTICLE_FIELDS)}"
        )
    if hasattr(predictor, "fit"):
        predictor.fit(training)
    described = schema.Predictor(
        name=name,
        kind="model",
        told=fields,
        told_the_answer=bool(set(fields) - set(tells)),
        source=None,
    )

    def answer(rows: Sequence[int]) -> list[Answer]:
        told = [_told(question, row, fields, cell) for row in rows]
        found = iter(_predicted(predictor, [one for one in told if not isinstance(one, Refused)]))
        return [_checked(one if isinstance(one, Refused) else next(found), check) for one in told]

    return Entrant(described, answer, kinds)


def _told(question: Question, row: int, fields: Sequence[str], cell: bool) -> Any:
    try:
        return tell(question, row, fields, cell)
    except Refused as refusal:
        return refusal


def _predicted(predictor: Any, told: list[dict[str, Any]]) -> list[Any]:
    """Answers of a batch; where one raises, each sample is asked alone."""
    if not told:
        return []
    try:
        found = list(predictor.predict(told))
    except Exception:  # noqa: BLE001 - whatever a user's model raises is a failed answer
        return [_alone(predictor, one) for one in told]
    if len(found) != len(told):
        raise UserError(
            f"the predictor returned {len(found)} answers to {len(told)} samples; return one "
            "each, None where there is none"
        )
    return found


def _alone(predictor: Any, told: Told) -> Any:
    try:
        (found,) = predictor.predict([told])
    except Exception as error:  # noqa: BLE001 - see above
        return Refused(RAISED, f"{type(error).__name__}: {error}"[:200])
    return found


def _checked(found: Any, check: Check) -> Answer:
    if found is None:
        return Answer(None, NO_ANSWER)
    if isinstance(found, Refused):
        return Answer(None, found.reason, found.detail)
    try:
        return Answer(check(found))
    except Refused as refusal:
        return Answer(None, refusal.reason, refusal.detail)


def plain(values: Any) -> np.ndarray:
    """What a model returned as an array of floats; a tensor is taken off its graph and device.

    Raises:
        Refused: If it is no numbers.
    """
    try:
        for release in ("detach", "cpu"):
            if callable(getattr(values, release, None)):
                values = getattr(values, release)()
        return np.asarray(values, np.float64)
    except Exception as error:  # whatever a model's own class raises is a failed answer
        raise Refused("unreadable", f"not numbers: {error}"[:200]) from error


def asking_order(question: Question) -> np.ndarray:
    """The order in which samples are asked, which says nothing about them; (n,)."""
    return np.random.default_rng([question.seed, 1]).permutation(len(question))
