"""Reading a scale bar: the distance between two crosses on a micrograph (three scales)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from matscale.figures.synthetic.appearance import Style
from matscale.figures.synthetic.fringes import VIEWS, projected_potential
from matscale.figures.synthetic.grain_size import etched
from matscale.figures.synthetic.micrograph import choose_bar, expose, with_bar
from matscale.figures.synthetic.precipitates import coverage, draw_field
from matscale.figures.synthetic.question import Drawing, Numbers, Question, Value

ARM = 9
CROSS = (255, 40, 40)
EDGE = 16
"""Least distance of a cross from the frame in pixels."""


def lattice(style: Style, rng: np.random.Generator) -> np.ndarray:
    """A lattice image, (height, width)."""
    prototype, axis = VIEWS[rng.integers(len(VIEWS))]
    shape = (style.height, style.width)
    return projected_potential(prototype, axis, rng.uniform(13, 24), shape, rng)


def particles(style: Style, rng: np.random.Generator) -> np.ndarray:
    """A field of particles, (height, width)."""
    centres, shapes = draw_field(rng.uniform(0.06, 0.2), rng.uniform(9, 20), style, rng)
    return 0.25 + 0.5 * coverage(centres, shapes, style.width, style.height)


def section(style: Style, rng: np.random.Generator) -> np.ndarray:
    """An etched section, (height, width)."""
    return etched(style, rng)[0]


def draw_distance(
    background: Callable[[Style, np.random.Generator], np.ndarray],
    unit: str,
    value: Value,
    style: Style,
    rng: np.random.Generator,
) -> Drawing:
    """A micrograph on which two crosses are this far apart.

    Args:
        background: Draws what the crosses lie on.
        unit: Of the distance and of the bar.
        value: The distance.
        style: The looks.
        rng: Where the crosses are.
    """
    # The lower part may be under the bar.
    room = np.array([style.width - 2 * EDGE, 0.74 * style.height - EDGE])
    pixels = rng.uniform(0.35, 0.95) * room.min()
    angle = rng.uniform(0, np.pi)
    reach = np.abs([np.cos(angle), np.sin(angle)]) * pixels
    first = EDGE + rng.uniform(0, 1, 2) * (room - reach)
    start = np.where([np.cos(angle) < 0, False], first + reach * [1, 0], first)
    end = start + pixels * np.array([np.cos(angle), np.sin(angle)])
    ends = np.rint([start, end]).astype(int)
    exact = float(np.hypot(*(ends[1] - ends[0])))
    bar = choose_bar(float(value) / exact, unit, style.width, rng)
    image = with_bar(expose(background(style, rng), style, rng), bar, style).copy()
    for x, y in ends:
        image[y - ARM : y + ARM + 1, x - 1 : x + 2] = CROSS
        image[y - 1 : y + 2, x - ARM : x + ARM + 1] = CROSS
    return Drawing(image, exact * bar.per_pixel, bar.details)


def ask(
    scale: str, background: Callable, unit: str, low: float, high: float, what: str
) -> Question:
    """The question on one kind of background."""
    return Question(
        "marked_distance", f"distance_{scale.lower()}", scale, Numbers(low, high, unit),
        (f"{what} with two red crosses", f"{what} on which two red crosses are marked"),
        "distance between the crosses {}",
        "How far apart are the centres of the two red crosses?",
        partial(draw_distance, background, unit), "scale bar",
    )  # fmt: skip


QUESTIONS = (
    ask("AtomScale", lattice, "nm", 0.8, 12, "Lattice image of a crystal"),
    ask("Microscale", particles, "nm", 40, 4000, "Field of particles in an alloy"),
    ask("Mesoscale", section, "µm", 8, 900, "Etched section of a polycrystal"),
)
