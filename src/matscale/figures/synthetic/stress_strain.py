"""Stress-strain curves: modulus and yield strength (Macroscale).

The curve is Ramberg and Osgood's (NACA TN 902, 1943), strain = s / E + 0.002 (s / Y)^n, whose
yield strength at 0.2 % offset is Y exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matscale.figures.synthetic.appearance import Style
from matscale.figures.synthetic.plots import CURVES, plot
from matscale.figures.synthetic.question import Drawing, Numbers, Question, Value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ELASTIC_STRAIN = (0.0025, 0.006)
"""Yield strength over modulus; both the elastic part and the offset can then be read."""
OFFSET = 0.002
ROUGHNESS = {"easy": 0.0, "medium": 0.003, "hard": 0.006}
"""Standard deviation of the measured stress as a share of the yield strength."""


def strain_at(stress: np.ndarray, modulus: float, strength: float, exponent: float) -> np.ndarray:
    """Strain (no unit) under a stress; stress, modulus and strength in one unit."""
    return stress / modulus + OFFSET * (stress / strength) ** exponent


def draw_curve(
    modulus: float, strength: float, style: Style, rng: np.random.Generator
) -> np.ndarray:
    """A curve on axes, as pixels.

    Args:
        modulus: In MPa.
        strength: At 0.2 % offset, in MPa.
        style: The looks.
        rng: Hardening, end of the test, and noise.
    """
    exponent = rng.uniform(7, 18)
    last = strength * rng.uniform(1.08, 1.18)
    stress = np.linspace(0, last, 900)
    strain = 100 * strain_at(stress, modulus, strength, exponent)
    end = rng.uniform(0.9, 1.5)
    kept = strain <= end
    measured = stress[kept] + rng.normal(0, ROUGHNESS[style.difficulty] * strength, kept.sum())
    colour = str(rng.choice(CURVES))

    def draw(axes: Axes) -> None:
        axes.plot(strain[kept], measured, color=colour, linewidth=rng.uniform(1.4, 2.2))
        axes.set_xlim(0, end * rng.uniform(1.02, 1.1))
        axes.set_ylim(0, measured.max() * rng.uniform(1.06, 1.2))

    return plot(draw, ("Strain (%)", "Stress (MPa)"), style, rng)


def draw_modulus(value: Value, style: Style, rng: np.random.Generator) -> Drawing:
    """A curve with this Young's modulus in GPa."""
    modulus = 1000 * float(value)
    strength = modulus * rng.uniform(*ELASTIC_STRAIN)
    image = draw_curve(modulus, strength, style, rng)
    return Drawing(image, float(value), {"yield_strength_MPa": strength})


def draw_strength(value: Value, style: Style, rng: np.random.Generator) -> Drawing:
    """A curve with this yield strength at 0.2 % offset in MPa."""
    modulus = float(value) / rng.uniform(*ELASTIC_STRAIN)
    image = draw_curve(modulus, float(value), style, rng)
    return Drawing(image, float(value), {"modulus_GPa": modulus / 1000})


CAPTIONS = (
    "Engineering stress-strain curve of a metallic alloy in tension",
    "Tensile test of an alloy at room temperature, beginning of the curve",
)

QUESTIONS = (
    Question(
        "stress_strain", "modulus", "Macroscale", Numbers(12, 400, "GPa"), CAPTIONS,
        "Young's modulus {}",
        "What is Young's modulus of the alloy?", draw_modulus, "curve",
    ),
    Question(
        "stress_strain", "yield_strength", "Macroscale",
        Numbers(60, 1400, "MPa", {"easy": 1.5, "medium": 1.25, "hard": 1.13}), CAPTIONS,
        "yield strength at 0.2 % offset {}",
        "What is the yield strength of the alloy at 0.2 % offset?", draw_strength, "curve",
    ),
)  # fmt: skip
