"""Curves on axes, by matplotlib's own objects: no pyplot, no state, nothing left open."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from matscale.figures.synthetic.appearance import Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOTS_PER_INCH = 100
POINTS_PER_PIXEL = 0.6
"""Of :attr:`Style.font_size`: axis labels are smaller than a micrograph's."""
SCAN_NOISE = {"easy": 0.0, "medium": 0.015, "hard": 0.03}
"""Noise of a scanned page, as a share of the full range."""
CURVES = ("#c62828", "#1565c0", "#2e7d32", "#6a1b9a", "#d84315")
"""Colours of curves: all saturated, so that they stand out from axes and grid."""


def plot(
    draw: Callable[[Axes], None],
    labels: tuple[str, str],
    style: Style,
    rng: np.random.Generator,
) -> np.ndarray:
    """A figure with one pair of axes as pixels (height, width, 3), uint8.

    Args:
        draw: Puts the curves in and sets the limits.
        labels: What the axes show, with units.
        style: Size and font; ticks, grid and proportions are drawn by ``rng``.
        rng: The rest of the looks.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = style.font_size * POINTS_PER_PIXEL
    # A context of matplotlib's own defaults: what a user has in matplotlibrc changes nothing.
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({
            "font.family": style.font, "font.size": size, "axes.unicode_minus": False,
            "axes.formatter.useoffset": False, "axes.linewidth": 1.0,
        })  # fmt: skip
        figure = Figure(
            figsize=(style.width / DOTS_PER_INCH, style.height / DOTS_PER_INCH), dpi=DOTS_PER_INCH
        )
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_axes((0.2, 0.2, rng.uniform(0.69, 0.75), rng.uniform(0.67, 0.75)))
        draw(axes)
        axes.set_xlabel(labels[0])
        axes.set_ylabel(labels[1], labelpad=6.0)
        # Labels keep the same distance from the axis, so that those at the origin do not touch.
        direction, pad = (("in", 7.0), ("out", 4.0))[rng.integers(2)]
        axes.tick_params(direction=direction, pad=pad)
        if rng.integers(2):
            axes.grid(color="0.85", linewidth=0.7)
            axes.set_axisbelow(True)
        if rng.integers(2):
            axes.spines[["top", "right"]].set_visible(False)
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[..., :3].copy()
        figure.clear()
    return scanned(pixels, style, rng)


def scanned(pixels: np.ndarray, style: Style, rng: np.random.Generator) -> np.ndarray:
    """The page with a scanner's noise, in steps of eight levels so that it compresses."""
    level = SCAN_NOISE[style.difficulty]
    if level == 0:
        return pixels
    noisy = pixels + 255 * rng.normal(0, level, pixels.shape[:2])[..., None]
    return (8 * np.clip(np.rint(noisy / 8), 0, 31) + 7).astype(np.uint8)
