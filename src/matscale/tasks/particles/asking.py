"""What is told of particles: copies of what the task tells, and nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from matscale.datasets.particles.hard import sample_seed
from matscale.predictors.predictor import PARTICLE_FIELDS
from matscale.predictors.training import telling_nothing, unit_cell
from matscale.runtime.errors import Refused
from matscale.tasks.asking import Telling
from matscale.tasks.particles.question import ParticleQuestion


def telling(question: ParticleQuestion, tells: tuple[str, ...], cell: bool) -> Telling:
    """What a task tells of the samples of a question.

    Args:
        question: The question.
        tells: Fields that the task tells by default; any other is part of the answer.
        cell: As in :func:`tell`.
    """
    return Telling(
        count=len(question),
        known=PARTICLE_FIELDS,
        usual=tells,
        answer=frozenset(PARTICLE_FIELDS) - frozenset(tells),
        tell=lambda row, fields: tell(question, row, fields, cell),
        by_batches=True,
    )


def tell(question: ParticleQuestion, row: int, fields: Sequence[str], cell: bool) -> dict[str, Any]:
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


def plain(values: Any) -> np.ndarray:
    """What a model returned as an array of floats; a tensor is taken off its graph and device.

    Raises:
        Refused: If it is not numbers.
    """
    try:
        for release in ("detach", "cpu"):
            if callable(getattr(values, release, None)):
                values = getattr(values, release)()
        return np.asarray(values, np.float64)
    except Exception as error:  # whatever a model's own class raises is a failed answer
        raise Refused("unreadable", f"not numbers: {error}"[:200]) from error


def asking_order(question: ParticleQuestion) -> np.ndarray:
    """The order in which samples are asked, which says nothing about them; (n,)."""
    return np.random.default_rng([question.seed, 1]).permutation(len(question))
