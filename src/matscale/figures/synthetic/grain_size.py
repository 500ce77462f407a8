"""Etched sections: mean grain size by intercept (Mesoscale)."""

from __future__ import annotations

import numpy as np

from matscale.figures.synthetic.appearance import Style
from matscale.figures.synthetic.grains import draw_boundaries, draw_grains, mean_intercept
from matscale.figures.synthetic.micrograph import choose_bar, expose, with_bar
from matscale.figures.synthetic.question import Drawing, Numbers, Question, Value

SHADES = {"easy": 0.10, "medium": 0.18, "hard": 0.24}
"""How much the grey of grains differs."""
WIDTHS = {"easy": 2.6, "medium": 2.2, "hard": 2.0}
"""Width of etched boundaries in pixels."""


def etched(style: Style, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """An etched section (height, width) between 0 and 1, and the grain of each pixel."""
    grains = draw_grains(int(rng.integers(35, 110)), style.width, style.height, rng)
    shade = SHADES[style.difficulty]
    field = (0.72 + rng.uniform(-shade, shade, grains.count))[grains.labels]
    draw_boundaries(field, grains.segments, WIDTHS[style.difficulty], 0.08)
    return field, grains.labels


def draw_intercept(value: Value, style: Style, rng: np.random.Generator) -> Drawing:
    """A section with this mean linear intercept in µm."""
    field, labels = etched(style, rng)
    intercept = mean_intercept(labels)
    bar = choose_bar(float(value) / intercept, "µm", style.width, rng)
    image = with_bar(expose(field, style, rng), bar, style)
    return Drawing(image, intercept * bar.per_pixel, bar.details)


QUESTIONS = (
    Question(
        "grain_size", "mean_intercept", "Mesoscale", Numbers(1.5, 250, "µm"),
        (
            "Optical micrograph of an etched polycrystal",
            "Etched section of a recrystallised metal in the light microscope",
        ),
        "mean grain size by linear intercept {}",
        "What is the mean grain size by linear intercept (length of test lines divided by the "
        "number of grain boundaries that they cross)?",
        draw_intercept,
    ),
)  # fmt: skip
