"""How a figure looks: size, font, contrast and noise, drawn by seed and difficulty."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np

Difficulty = Literal["easy", "medium", "hard"]
DIFFICULTIES: tuple[Difficulty, ...] = get_args(Difficulty)

FONTS = {
    "DejaVu Sans": "DejaVuSans.ttf",
    "DejaVu Sans Mono": "DejaVuSansMono.ttf",
    "DejaVu Serif": "DejaVuSerif.ttf",
    "STIXGeneral": "STIXGeneral.ttf",
}
"""Fonts that matplotlib ships, by the name that it knows and by file: the same on every machine."""

NOISE = {"easy": (0.01, 0.03), "medium": (0.04, 0.08), "hard": (0.09, 0.14)}
CONTRAST = {"easy": (0.85, 1.0), "medium": (0.65, 0.9), "hard": (0.45, 0.7)}
SHADING = {"easy": (0.0, 0.03), "medium": (0.03, 0.12), "hard": (0.10, 0.22)}
BLUR = {"easy": (0.4, 0.7), "medium": (0.6, 1.0), "hard": (0.8, 1.3)}


@dataclass(frozen=True)
class Style:
    """Everything about a figure's looks that is not its content.

    Attributes:
        difficulty: Which ranges the rest was drawn from.
        width: Of the picture's field in pixels.
        height: Likewise.
        font: A key of :data:`FONTS`.
        font_size: In pixels for micrographs; plots take about two thirds of it in points.
        noise: Standard deviation of the noise, as a share of the full range of grey.
        contrast: Share of the full range that the picture uses.
        shading: Change of brightness across the field, as a share of the full range.
        blur: Standard deviation of the blur in pixels.
        inverted: Whether bright and dark are exchanged.
        bar_in_strip: Whether the scale bar has a strip of its own below the picture.
        bar_on_left: On which side the bar is.
    """

    difficulty: Difficulty
    width: int
    height: int
    font: str
    font_size: int
    noise: float
    contrast: float
    shading: float
    blur: float
    inverted: bool
    bar_in_strip: bool
    bar_on_left: bool


def draw_style(difficulty: Difficulty, rng: np.random.Generator) -> Style:
    """The looks of one figure; the crop is a frame of random size and shape."""

    def within(ranges: dict[str, tuple[float, float]]) -> float:
        return float(rng.uniform(*ranges[difficulty]))

    return Style(
        difficulty=difficulty,
        width=int(rng.integers(440, 600)),
        height=int(rng.integers(340, 460)),
        font=str(rng.choice(sorted(FONTS))),
        font_size=int(rng.integers(17, 24)),
        noise=within(NOISE),
        contrast=within(CONTRAST),
        shading=within(SHADING),
        blur=within(BLUR),
        inverted=bool(rng.integers(2)),
        bar_in_strip=bool(rng.integers(2)),
        bar_on_left=bool(rng.integers(2)),
    )


@cache
def font_file(name: str) -> Path:
    """Where matplotlib keeps a font of :data:`FONTS`."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / FONTS[name]
