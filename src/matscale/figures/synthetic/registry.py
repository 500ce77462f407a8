"""All questions that synthetic figures ask; a new kind of figure is one module and one line."""

from __future__ import annotations

from matscale.figures.synthetic import (
    boundaries,
    crystal_view,
    diffraction,
    fringes,
    grain_size,
    marked_distance,
    nanoparticle,
    precipitates,
    stress_strain,
    texture,
    tga,
    xrd,
)
from matscale.figures.synthetic.question import Question

QUESTIONS: tuple[Question, ...] = tuple(
    question
    for kind in (
        fringes, diffraction, nanoparticle, crystal_view, precipitates, grain_size, boundaries,
        texture, stress_strain, xrd, tga, marked_distance,
    )
    for question in kind.QUESTIONS
)  # fmt: skip


def questions_of(scale: str) -> tuple[Question, ...]:
    """The questions of one scale."""
    return tuple(question for question in QUESTIONS if question.scale == scale)
