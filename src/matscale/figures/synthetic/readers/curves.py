"""Measuring curves on axes: one function a question, from pixels (H, W, 3)."""

from __future__ import annotations

import numpy as np

from matscale.figures.synthetic.readers.axes import find_plot, read_scale

ELASTIC = (0.08, 0.45)
"""Share of the largest stress within which the curve counts as straight."""
OFFSET_PERCENT = 0.2
PEAK_WIDTH = 0.4


def points(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The curve (n,), (n,) in the units of its axes."""
    plot = find_plot(pixels)
    x, y = read_scale(pixels, plot, "x"), read_scale(pixels, plot, "y")
    return x.at(plot.columns), y.at(plot.middles)


def elastic_slope(strain: np.ndarray, stress: np.ndarray) -> float:
    """Slope of the straight beginning, through the origin, in MPa a percent."""
    top = stress.max()
    straight = (stress > ELASTIC[0] * top) & (stress < ELASTIC[1] * top)
    return float((strain[straight] @ stress[straight]) / (strain[straight] @ strain[straight]))


def modulus(pixels: np.ndarray) -> float:
    """Young's modulus in GPa."""
    return elastic_slope(*points(pixels)) * 100 / 1000


def yield_strength(pixels: np.ndarray) -> float:
    """Stress in MPa where the curve meets the line of 0.2 % offset.

    Raises:
        ValueError: If it does not.
    """
    strain, stress = points(pixels)
    above = stress - elastic_slope(strain, stress) * (strain - OFFSET_PERCENT)
    beyond = np.flatnonzero((above <= 0) & (strain > OFFSET_PERCENT))
    if not len(beyond):
        raise ValueError("the curve ends before the offset line")
    return float(stress[beyond[0]])


def intensities(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A diffraction pattern: 2θ (n,) and height (n,) over the ground, the strongest 1."""
    plot = find_plot(pixels)
    heights = plot.bottom - plot.tops.astype(float)
    heights -= np.median(heights)
    return read_scale(pixels, plot, "x").at(plot.columns), heights / heights.max()


def peak_position(pixels: np.ndarray) -> float:
    """2θ in degrees of the highest point."""
    angles, heights = intensities(pixels)
    return float(angles[heights > 0.9].mean())


def phase_scores(pixels: np.ndarray) -> dict[str, float]:
    """Correlation of a pattern with that of each phase."""
    from matscale.figures.synthetic.xrd import PHASES, peaks_of

    angles, heights = intensities(pixels)
    scores = {}
    for name, parts in PHASES.items():
        positions, strengths = peaks_of(*parts)
        away = (angles[:, None] - positions) / PEAK_WIDTH
        expected = np.exp(-(away**2)) @ strengths
        scores[name] = float(np.corrcoef(heights, expected)[0, 1])
    return scores


def mass_loss(pixels: np.ndarray) -> float:
    """Percentage of mass lost between the beginning and the end of a curve."""
    _, mass = points(pixels)
    return float(np.median(mass[:10]) - np.median(mass[-10:]))


def midpoint(pixels: np.ndarray) -> float:
    """Temperature in °C at which half of the loss is reached."""
    temperature, mass = points(pixels)
    half = (np.median(mass[:10]) + np.median(mass[-10:])) / 2
    return float(temperature[np.argmax(mass < half)])
