"""Finding a scale bar, measuring it, and reading what it stands for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matscale.figures.synthetic.micrograph import ROUND_STEPS, bar_text
from matscale.figures.synthetic.readers.text import crop, read_label

LEAST_LENGTH = 40
LEAST_HEIGHT, MOST_HEIGHT = 5, 12
LABELS = {
    bar_text(step * 10.0**power, unit): (step * 10.0**power, unit)
    for unit, powers in (("nm", range(-1, 3)), ("µm", range(0, 4)), ("1/nm", range(-1, 2)))
    for step in ROUND_STEPS
    for power in powers
}
"""What a bar may stand for, by label."""


@dataclass(frozen=True)
class ReadBar:
    """A scale bar as found in a picture.

    Attributes:
        pixels: Its length.
        length: What it stands for, in ``unit``.
        unit: ``"nm"``, ``"µm"`` or ``"1/nm"``.
        box: Left, top, right, bottom of the ground that it lies on.
    """

    pixels: int
    length: float
    unit: str
    box: tuple[int, int, int, int]

    def per_pixel(self, unit: str) -> float:
        """Size of a pixel in ``unit``.

        Raises:
            ValueError: If lengths in nm cannot be given in it.
        """
        factors = {("nm", "µm"): 1e-3, ("µm", "nm"): 1e3}
        if unit != self.unit and (self.unit, unit) not in factors:
            raise ValueError(f"a bar in {self.unit} gives no {unit}")
        return self.length / self.pixels * factors.get((self.unit, unit), 1.0)


def find_bar(pixels: np.ndarray) -> ReadBar:
    """The scale bar of a picture (H, W, 3).

    Raises:
        ValueError: If there is none.
    """
    for ink in (0, 255):
        is_ink = (pixels == ink).all(axis=2)
        is_ground = (pixels == 255 - ink).all(axis=2)
        found = _longest_bar(is_ink, is_ground)
        if found:
            return _with_label(pixels, is_ground, ink, *found)
    raise ValueError("there is no scale bar")


def _longest_bar(is_ink: np.ndarray, is_ground: np.ndarray) -> tuple[int, int, int] | None:
    """Left, right (exclusive) and top of the longest run that repeats over several rows."""
    rows: dict[tuple[int, int], list[int]] = {}
    for y in np.flatnonzero(is_ink.sum(axis=1) >= LEAST_LENGTH):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], is_ink[y], [0]])))
        for left, right in edges.reshape(-1, 2):
            inside = left > 0 and right < is_ink.shape[1]
            flanked = inside and is_ground[y, left - 1] and is_ground[y, right]
            if right - left >= LEAST_LENGTH and flanked:
                rows.setdefault((int(left), int(right)), []).append(int(y))
    bars = [
        (run, at)
        for run, at in rows.items()
        if LEAST_HEIGHT <= len(at) <= MOST_HEIGHT
        and is_ground[at[0] - 1, slice(*run)].all()
        and is_ground[min(at[-1] + 1, len(is_ground) - 1), slice(*run)].all()
    ]
    if not bars:
        return None
    (left, right), at = max(bars, key=lambda bar: bar[0][1] - bar[0][0])
    return left, right, at[0]


def _with_label(
    pixels: np.ndarray, is_ground: np.ndarray, ink: int, left: int, right: int, top: int
) -> ReadBar:
    """The bar with the text above it."""
    start, end = left - 1, right
    while start > 0 and is_ground[top, start - 1]:
        start -= 1
    while end < is_ground.shape[1] - 1 and is_ground[top, end + 1]:
        end += 1
    margin, upper = start + 2, top
    while upper > 0 and is_ground[upper - 1, margin]:
        upper -= 1
    lower = top
    while lower < len(is_ground) - 1 and is_ground[lower + 1, margin]:
        lower += 1
    field = pixels[upper : top - 1, start : end + 1].astype(float).mean(axis=2)
    coverage = field / 255 if ink == 255 else 1 - field / 255
    label = read_label(crop(coverage), tuple(LABELS))
    length, unit = LABELS[label]
    return ReadBar(right - left, length, unit, (start, upper, end + 1, lower + 1))


def without_bar(pixels: np.ndarray, bar: ReadBar) -> np.ndarray:
    """The picture as grey (h, w), without the strip; a box inside is filled with the median."""
    left, top, right, _ = bar.box
    grey = pixels.astype(float).mean(axis=2)
    if left == 0 and right >= grey.shape[1] - 1:
        return grey[:top]
    grey[top : bar.box[3], left:right] = np.median(grey)
    return grey
