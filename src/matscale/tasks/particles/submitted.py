"""A file of answers as an entrant."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from matscale.predictors.submissions.particles import Key, Rows
from matscale.results import result as schema
from matscale.results.result import Protocol
from matscale.results.samples import MISSING
from matscale.runtime.errors import Refused, UserError
from matscale.tasks.asking import Check
from matscale.tasks.entrant import Answer, Entrant
from matscale.tasks.particles.question import ParticleQuestion

UnitSlip = Callable[[object, int], str]
"""The unit that an answer to a sample seems to be in, such as ``"nm"``, or "" for the right one."""

MOSTLY = 0.5
"""Share of the answers in another unit from which it is the file that is wrong."""


def submitted(
    rows: Rows,
    question: ParticleQuestion,
    *,
    told: tuple[str, ...] | None,
    tells: tuple[str, ...],
    check: Check,
    unit: UnitSlip,
    protocols: Sequence[Protocol],
) -> Entrant:
    """The answers of a file.

    Args:
        rows: As read.
        question: What is asked.
        told: What the model was told, or None where nothing was declared.
        tells: What the task tells.
        check: Of the answers.
        unit: Finds answers in another unit.
        protocols: To score under.

    Raises:
        UserError: If no row answers what is asked, or most are in another unit.
    """
    keys = [(str(name), *question.key(row)[1:]) for row, name in enumerate(question.names.tolist())]
    _check_some(rows, keys, question)
    slips = {
        key: slip
        for row, key in enumerate(keys)
        if _is_value(rows.answers.get(key)) and (slip := unit(rows.answers[key], row))
    }
    answered = sum(_is_value(rows.answers.get(key)) for key in keys)
    if slips and len(slips) >= MOSTLY * answered:
        key, slip = next(iter(slips.items()))
        raise UserError(
            f"{rows.source}: {len(slips)} of {answered} answers look as if they were in {slip} "
            f"(such as that to {key[0]} at {key[1]:g} Å); give lengths in Å and angles in degrees"
        )

    def answer(wanted: Sequence[int]) -> list[Answer]:
        return [_answer(rows, keys[row], slips, check) for row in wanted]

    predictor = schema.Predictor(
        name=rows.name,
        kind="model",
        told=told,
        told_the_answer=bool(set(told or ()) - set(tells)),
        source=rows.source,
    )
    return Entrant(
        predictor, answer, dict.fromkeys(protocols, "model"), _warnings(rows, keys, question)
    )


def _is_value(answer: object) -> bool:
    return answer is not None and not isinstance(answer, Refused)


def _answer(rows: Rows, key: Key, slips: dict[Key, str], check: Check) -> Answer:
    answer = rows.answers.get(key)
    if answer is None:
        return Answer(None, MISSING)
    if isinstance(answer, Refused):
        return Answer(None, answer.reason, answer.detail)
    if key in slips:
        return Answer(None, "other unit", f"looks as if it were in {slips[key]}")
    try:
        return Answer(check(answer))
    except Refused as refusal:
        return Answer(None, refusal.reason, refusal.detail)


def _check_some(rows: Rows, keys: list[Key], question: ParticleQuestion) -> None:
    if any(key in rows.answers for key in keys):
        return
    theirs, ours = next(iter(rows.answers)), keys[0]
    raise UserError(
        f"{rows.source}: none of its {len(rows.answers)} answers is to a sample that is asked for; "
        f"its first is to material {theirs[0]!r}, radius {theirs[1]:.15g}, rotation {theirs[2]}, "
        f"and {question.particles.name} asks for such as {ours[0]!r}, {ours[1]:g}, {ours[2]}"
    )


def _warnings(rows: Rows, keys: list[Key], question: ParticleQuestion) -> dict[str, int]:
    asked = set(keys)
    others = [key for key in rows.answers if key not in asked]
    materials = set(question.particles.materials.ids.tolist())
    outside = sum(key[0] in materials and _is_test(key, question) for key in others)
    counts = {
        "to a sample that was answered before": rows.duplicates,
        "that do not say which sample they answer": rows.nameless,
        "to test particles outside of the drawn sample": outside,
        "to samples that there are not": len(others) - outside,
    }
    return {name: count for name, count in counts.items() if count}


def _is_test(key: Key, question: ParticleQuestion) -> bool:
    """Whether there is a test particle of that radius and rotation, asked for or not."""
    _, radius, rotation = key
    particles = question.particles
    for split, radii in particles.radii.items():
        if split != "train" and radius in radii:
            return 1 <= rotation <= len(particles.rotations(split, radius))
    return False


def median_radius(positions: np.ndarray) -> float:
    """Median distance from the centroid in Å of positions (n, 3)."""
    return float(np.median(np.linalg.norm(positions - positions.mean(axis=0), axis=1)))
