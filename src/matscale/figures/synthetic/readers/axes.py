"""Reading a curve off its axes: spines, ticks, tick labels, points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matscale.figures.synthetic.readers.text import INK, crop, read_number

DARK = 110
SATURATED = 55
TICK = 4
LABEL_REACH = 30
WIDE, DIGIT_WIDTH = 1.0, 0.78
"""Width over height from which ink is more than one digit, and that of one with its space."""


@dataclass(frozen=True)
class Scale:
    """A linear axis: ``value = slope * pixel + intercept``."""

    slope: float
    intercept: float

    def at(self, pixel: np.ndarray | float) -> np.ndarray:
        """Values at pixels."""
        return self.slope * np.asarray(pixel, float) + self.intercept


@dataclass(frozen=True)
class Plot:
    """A plot's spines and curve, in pixels.

    Attributes:
        left: Column of the left spine.
        bottom: Row of the bottom spine.
        columns: Columns (n,) in which there is something of the curve.
        middles: Mean row of the curve there.
        tops: Topmost row there.
    """

    left: int
    bottom: int
    columns: np.ndarray
    middles: np.ndarray
    tops: np.ndarray


def find_plot(pixels: np.ndarray) -> Plot:
    """Spines and curve of a plot (H, W, 3).

    Raises:
        ValueError: If there is no curve.
    """
    dark = pixels.max(axis=2) < DARK
    height, width = dark.shape
    left = int(np.argmax(dark[:, : width // 2].sum(axis=0)))
    bottom = height // 2 + int(np.argmax(dark[height // 2 :].sum(axis=1)))
    wide = pixels.astype(int)
    coloured = wide.max(axis=2) - wide.min(axis=2) > SATURATED
    coloured[bottom + 1 :] = False
    coloured[:, : left + 1] = False
    columns = np.flatnonzero(coloured.any(axis=0))
    if not len(columns):
        raise ValueError("there is no curve")
    rows = np.arange(height)
    counts = coloured[:, columns].sum(axis=0)
    middles = (coloured[:, columns] * rows[:, None]).sum(axis=0) / counts
    return Plot(left, bottom, columns, middles, np.argmax(coloured[:, columns], axis=0))


def read_scale(pixels: np.ndarray, plot: Plot, axis: str) -> Scale:
    """The scale of an axis, ``"x"`` or ``"y"``, from its labelled ticks.

    Raises:
        ValueError: If fewer than two labels can be read.
    """
    if axis == "x":
        spine, field = plot.bottom, pixels
    else:
        # Turned so that the y axis lies below: rows of the turned picture are columns from right.
        field = np.swapaxes(pixels, 0, 1)[::-1]
        spine = len(field) - 1 - plot.left
    ticks = _ticks(field, spine)
    read = [(tick, _label(pixels, plot, axis, tick)) for tick in ticks]
    points = np.array([(tick, value) for tick, value in read if value is not None])
    if len(points) < 2:
        raise ValueError(f"the labels of the {axis} axis cannot be read")
    return _consensus(points)


def _ticks(field: np.ndarray, spine: int) -> np.ndarray:
    """Columns in which a mark leaves the spine, to either side."""
    wide = field.astype(int)
    dark = (wide.max(axis=2) < DARK + 40) & (np.ptp(wide, axis=2) < SATURATED)
    below = dark[spine + 2 : spine + 2 + TICK - 1].all(axis=0)
    above = dark[spine - TICK : spine - 1].all(axis=0)
    marked = np.flatnonzero(below if below.sum() >= above.sum() else above)
    groups = np.split(marked, np.flatnonzero(np.diff(marked) > 1) + 1)
    return np.array([group.mean() for group in groups if 0 < len(group) <= 3])


def _label(pixels: np.ndarray, plot: Plot, axis: str, tick: float) -> float | None:
    """The number beside a tick."""
    ink = np.clip(1 - pixels.astype(float).mean(axis=2) / 255, 0, 1)
    ink[ink < 0.12] = 0
    if axis == "x":
        low, high = max(0, round(tick) - LABEL_REACH), round(tick) + LABEL_REACH
        strip = ink[plot.bottom + TICK + 3 : plot.bottom + 34, low:high]
        strip = _first_band(strip)
        glyphs = _glyphs(strip, max_gap=8, around=tick - low)
    else:
        low = max(0, round(tick) - 8)
        strip = ink[low : round(tick) + 9, max(0, plot.left - 60) : plot.left - TICK - 1]
        glyphs = _glyphs(strip, max_gap=8, around=None)
    return read_number(glyphs)


def _first_band(strip: np.ndarray) -> np.ndarray:
    """The first rows that hold ink, down to the next row without."""
    filled = np.any(strip > INK, axis=1)
    if not filled.any():
        return strip
    start = int(np.argmax(filled))
    rest = ~filled[start:]
    end = start + int(np.argmax(rest)) if rest.any() else len(strip)
    return strip[start:end]


def _glyphs(strip: np.ndarray, max_gap: int, around: float | None) -> list[np.ndarray]:
    """Pieces of ink side by side that belong to one label.

    Args:
        strip: Ink (h, w).
        max_gap: Columns without ink that end a label.
        around: Column that the label is centred on; None for the label at the right end.
    """
    from scipy.ndimage import find_objects, label

    marks, _ = label(strip > INK, structure=np.ones((3, 3)))
    boxes: list[tuple[int, int, int]] = []
    for start, stop, n in sorted(
        (box[1].start, box[1].stop, n) for n, box in enumerate(find_objects(marks), 1)
    ):
        if boxes and stop <= boxes[-1][1]:  # the dot within a zero
            marks[marks == n] = boxes[-1][2]
        else:
            boxes.append((start, stop, n))
    labels: list[list[tuple[int, int, int]]] = []
    for box in boxes:
        if labels and box[0] - labels[-1][-1][1] <= max_gap:
            labels[-1].append(box)
        else:
            labels.append([box])
    if not labels:
        return []

    def off_centre(boxes: list[tuple[int, int, int]]) -> float:
        return abs((boxes[0][0] + boxes[-1][1]) / 2 - (around or 0))

    chosen = labels[-1] if around is None else min(labels, key=off_centre)
    if around is not None and off_centre(chosen) > 5:
        return []
    glyphs = [np.where(marks == n, strip, 0)[:, start:stop] for start, stop, n in chosen]
    return [part for glyph in glyphs for part in _apart(glyph)]


def _apart(glyph: np.ndarray) -> list[np.ndarray]:
    """Digits that touch, cut into pieces of equal width; a single one as it is."""
    height, width = crop(glyph, INK).shape
    if height < 5 or width < WIDE * height:
        return [glyph]
    return np.array_split(glyph, max(2, round(width / height / DIGIT_WIDTH)), axis=1)


def _consensus(points: np.ndarray) -> Scale:
    """The line on which most points (n, 2) lie: one misread label does not bend it."""
    best: tuple[int, float, float] = (0, 1.0, 0.0)
    for first in range(len(points)):
        for second in range(first):
            (x1, y1), (x2, y2) = points[first], points[second]
            if x1 == x2 or y1 == y2:
                continue
            slope = (y1 - y2) / (x1 - x2)
            gaps = np.abs(points[:, 1] - y1 - slope * (points[:, 0] - x1))
            count = int((gaps < 2.5 * abs(slope)).sum())
            if count > best[0]:
                best = (count, slope, y1 - slope * x1)
    count, slope, intercept = best
    if count < 2:
        raise ValueError("the labels do not make a scale")
    near = np.abs(points[:, 1] - slope * points[:, 0] - intercept) < 2.5 * abs(slope)
    slope, intercept = np.polyfit(points[near, 0], points[near, 1], 1)
    return Scale(float(slope), float(intercept))
