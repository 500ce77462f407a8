"""Powder diffraction: position of the strongest peak, phase that is present (Macroscale).

Peak positions and intensities are pymatgen's; widths and background are drawn.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from matscale.figures.synthetic.appearance import Style
from matscale.figures.synthetic.crystals import cubic_crystal
from matscale.figures.synthetic.plots import CURVES, plot
from matscale.figures.synthetic.question import Drawing, Names, Numbers, Question, Value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CU_K_ALPHA = 1.54184
"""Mean wavelength of Cu Kα in Å, as pymatgen's ``XRDCalculator`` has it."""
RANGE = (15.0, 95.0)
ZERO = [[0.0, 0.0, 0.0]]
HALF = [[0.5, 0.5, 0.5]]
QUARTER = [[0.25, 0.25, 0.25]]

PHASES: dict[str, tuple[str, float, dict[str, list[list[float]]]]] = {
    "Al": ("Fm-3m", 4.050, {"Al": ZERO}),
    "Cu": ("Fm-3m", 3.615, {"Cu": ZERO}),
    "Ni": ("Fm-3m", 3.524, {"Ni": ZERO}),
    "Fe": ("Im-3m", 2.866, {"Fe": ZERO}),
    "W": ("Im-3m", 3.165, {"W": ZERO}),
    "Si": ("Fd-3m", 5.431, {"Si": ZERO}),
    "NaCl": ("Fm-3m", 5.640, {"Na": ZERO, "Cl": HALF}),
    "MgO": ("Fm-3m", 4.212, {"Mg": ZERO, "O": HALF}),
    "LiF": ("Fm-3m", 4.027, {"Li": ZERO, "F": HALF}),
    "CaF2": ("Fm-3m", 5.463, {"Ca": ZERO, "F": QUARTER}),
    "CeO2": ("Fm-3m", 5.411, {"Ce": ZERO, "O": QUARTER}),
    "SrTiO3": ("Pm-3m", 3.905, {"Sr": ZERO, "Ti": HALF, "O": [[0.5, 0.5, 0.0]]}),
}
"""Space group, edge of the cubic cell in Å at room temperature, sites (textbook values)."""

TEMPLATE = ("Fm-3m", 4.050, {"Al": ZERO})
"""A crystal whose strongest peak, 111, is moved by stretching its cell."""
NOISE = {"easy": 0.005, "medium": 0.012, "hard": 0.025}


@cache
def peaks(
    group: str, edge: float, sites: tuple[tuple[str, tuple[tuple[float, ...], ...]], ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Positions (n,) in degrees of 2θ and intensities (n,), the strongest 1, with Cu Kα."""
    from pymatgen.analysis.diffraction.xrd import XRDCalculator

    crystal = cubic_crystal(group, edge, {name: [list(p) for p in ps] for name, ps in sites})
    pattern = XRDCalculator(wavelength=CU_K_ALPHA).get_pattern(crystal, two_theta_range=(5, 110))
    return np.asarray(pattern.x), np.asarray(pattern.y) / np.max(pattern.y)


def peaks_of(
    group: str, edge: float, sites: dict[str, list[list[float]]]
) -> tuple[np.ndarray, np.ndarray]:
    """:func:`peaks` of a crystal as :data:`PHASES` describes it."""
    hashable = tuple((name, tuple(tuple(p) for p in places)) for name, places in sites.items())
    return peaks(group, edge, hashable)


def draw_pattern(
    positions: np.ndarray, heights: np.ndarray, style: Style, rng: np.random.Generator
) -> np.ndarray:
    """A measured pattern on axes, as pixels.

    Args:
        positions: Of the peaks in degrees of 2θ, (n,).
        heights: The strongest 1, (n,).
        style: The looks.
        rng: Widths, background, noise, limits.
    """
    low, high = RANGE[0] + rng.uniform(-4, 2), RANGE[1] + rng.uniform(-6, 4)
    angles = np.linspace(low, high, 2400)
    width = rng.uniform(0.18, 0.4)
    mixing = rng.uniform(0.3, 0.7)
    away = (angles[:, None] - positions) / width
    shapes = mixing / (1 + away**2) + (1 - mixing) * np.exp(-np.log(2) * away**2)
    background = 0.05 + rng.uniform(0.02, 0.08) * np.exp(-(angles - low) / 25)
    counts = np.einsum("ap,p->a", shapes, heights) + background
    counts = counts + rng.normal(0, NOISE[style.difficulty], len(angles)) * np.sqrt(0.2 + counts)
    scale = 10 ** rng.uniform(2.5, 4)
    colour = str(rng.choice(CURVES))

    def draw(axes: Axes) -> None:
        axes.plot(angles, scale * np.maximum(counts, 0), color=colour, linewidth=1.0)
        axes.set_xlim(low, high)
        axes.set_ylim(0, 1.12 * scale * counts.max())
        axes.set_yticks([])

    return plot(draw, ("2θ (°), Cu Kα", "Intensity (a.u.)"), style, rng)


def draw_position(value: Value, style: Style, rng: np.random.Generator) -> Drawing:
    """A pattern whose strongest peak is at this 2θ in degrees."""
    edge = np.sqrt(3) * CU_K_ALPHA / (2 * np.sin(np.radians(float(value)) / 2))
    group, _, sites = TEMPLATE
    positions, heights = peaks_of(group, float(edge), sites)
    image = draw_pattern(positions, heights, style, rng)
    return Drawing(image, float(positions[np.argmax(heights)]), {"cell_edge_nm": float(edge) / 10})


def draw_phase(value: Value, style: Style, rng: np.random.Generator) -> Drawing:
    """The pattern of this phase."""
    positions, heights = peaks_of(*PHASES[str(value)])
    return Drawing(draw_pattern(positions, heights, style, rng), value)


QUESTIONS = (
    Question(
        "xrd", "peak_position", "Macroscale",
        Numbers(24, 58, "°", {"easy": 1.22, "medium": 1.14, "hard": 1.07}),
        (
            "X-ray powder diffraction pattern of a single-phase alloy, Cu Kα radiation",
            "Powder diffractogram (Cu Kα) of a face-centred cubic phase",
        ),
        "strongest peak at 2θ = {}",
        "At which 2θ is the strongest peak?",
        draw_position, "curve",
    ),
    Question(
        "xrd", "phase", "Macroscale", Names(tuple(PHASES)),
        (
            "X-ray powder diffraction pattern of a single phase, Cu Kα radiation",
            "Powder diffractogram (Cu Kα) of a pure sample",
        ),
        "phase present: {}",
        "Which phase is present in the sample?",
        draw_phase, "recognition",
    ),
)  # fmt: skip
