"""Thermogravimetry: mass loss and temperature of a step (Macroscale)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matscale.figures.synthetic.appearance import Style
from matscale.figures.synthetic.plots import CURVES, plot
from matscale.figures.synthetic.question import Drawing, Numbers, Question, Value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROUGHNESS = {"easy": 0.0, "medium": 0.08, "hard": 0.2}
"""Standard deviation of the mass in percent of the first mass."""
START = 30.0


def draw_step(
    loss: float, midpoint: float, style: Style, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """A curve with one step, logistic in temperature.

    Args:
        loss: Mass lost in the step, in percent of the first mass.
        midpoint: Temperature in °C at which half of it is lost.
        style: The looks.
        rng: Width of the step, range of temperatures, noise.

    Returns:
        Pixels, and the width of the step in °C.
    """
    width = rng.uniform(0.03, 0.05) * midpoint
    last = midpoint * rng.uniform(1.45, 1.9)
    temperatures = np.linspace(START, last, 1200)
    mass = 100 - loss / (1 + np.exp(-(temperatures - midpoint) / width))
    mass = mass + rng.normal(0, ROUGHNESS[style.difficulty] * loss / 30, len(mass))
    colour = str(rng.choice(CURVES))

    def draw(axes: Axes) -> None:
        axes.plot(temperatures, mass, color=colour, linewidth=rng.uniform(1.4, 2.2))
        axes.set_xlim(START - 10, last)
        room = loss * rng.uniform(0.15, 0.5)
        axes.set_ylim(max(0, 100 - loss - room), 100 + 0.08 * (loss + room))

    return plot(draw, ("Temperature (°C)", "Mass (%)"), style, rng), float(width)


def draw_loss(value: Value, style: Style, rng: np.random.Generator) -> Drawing:
    """A curve that loses this percentage."""
    midpoint = float(rng.uniform(250, 700))
    image, width = draw_step(float(value), midpoint, style, rng)
    return Drawing(image, float(value), {"midpoint_C": midpoint, "width_C": width})


def draw_midpoint(value: Value, style: Style, rng: np.random.Generator) -> Drawing:
    """A curve whose step has its middle at this temperature in °C."""
    loss = float(rng.uniform(8, 70))
    image, width = draw_step(loss, float(value), style, rng)
    return Drawing(image, float(value), {"loss_percent": loss, "width_C": width})


CAPTIONS = (
    "Thermogravimetric curve of a hydrate heated in nitrogen",
    "Thermogravimetric analysis (TGA) of a precursor, heated at 10 °C/min",
)

QUESTIONS = (
    Question(
        "tga", "mass_loss", "Macroscale", Numbers(5, 85, "%"), CAPTIONS, "total mass loss {}",
        "Which percentage of its mass does the sample lose?", draw_loss, "curve",
    ),
    Question(
        "tga", "midpoint", "Macroscale",
        Numbers(160, 900, "°C", {"easy": 1.4, "medium": 1.2, "hard": 1.1}), CAPTIONS,
        "half of the mass loss is reached at {}",
        "At which temperature has the sample lost half of the mass that it loses in total?",
        draw_midpoint, "curve",
    ),
)  # fmt: skip
