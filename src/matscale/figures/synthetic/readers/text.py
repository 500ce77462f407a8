"""Reading printed labels by comparison with the fonts that figures are set in."""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from matscale.figures.synthetic.appearance import FONTS, font_file

TEMPLATE_SIZE = 40
GLYPH_SHAPE = (20, 14)
LABEL_SHAPE = (24, 110)
UNIT_SHAPE = (20, 48)
ASPECT_WEIGHT = 0.35
INK = 0.22
"""Share of full ink from which a pixel belongs to a glyph."""
DIGITS = "0123456789"


def print_text(text: str, font: str, size: int) -> np.ndarray:
    """A text's ink, 0 to 1, cropped to where there is some."""
    face = ImageFont.truetype(str(font_file(font)), size, layout_engine=ImageFont.Layout.BASIC)
    left, top, right, bottom = (int(edge) for edge in face.getbbox(text))
    page = Image.new("L", (right - left + 8, bottom - top + 8), 0)
    ImageDraw.Draw(page).text((4 - left, 4 - top), text, font=face, fill=255)
    return crop(np.asarray(page) / 255.0)


def crop(ink: np.ndarray, level: float = INK) -> np.ndarray:
    """The part of an array that holds ink; itself where there is none."""
    rows, columns = np.nonzero(ink > level)
    if not len(rows):
        return ink
    return ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def resized(ink: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Ink at another size (height, width)."""
    image = Image.fromarray(np.rint(255 * np.clip(ink, 0, 1)).astype(np.uint8))
    return np.asarray(image.resize(shape[::-1], Image.Resampling.BILINEAR)) / 255.0


@cache
def _templates(texts: tuple[str, ...], shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Ink (texts, fonts, height, width) of each text in each font, and width over height."""
    printed = [[print_text(text, font, TEMPLATE_SIZE) for font in FONTS] for text in texts]
    ink = np.array([[resized(one, shape) for one in row] for row in printed])
    aspects = np.array([[one.shape[1] / one.shape[0] for one in row] for row in printed])
    return ink, aspects


def best_match(ink: np.ndarray, texts: tuple[str, ...], shape: tuple[int, int]) -> str:
    """Which of some texts the ink looks most like, in any of the fonts.

    Args:
        ink: Cropped ink, 0 to 1.
        texts: What it may say.
        shape: Size (height, width) at which it is compared.
    """
    templates, aspects = _templates(texts, shape)
    gaps = ((templates - resized(ink, shape)) ** 2).mean(axis=(2, 3))
    ratio = np.log(aspects / (ink.shape[1] / ink.shape[0]))
    costs = (gaps + ASPECT_WEIGHT * ratio**2).min(axis=1)
    return texts[int(np.argmin(costs))]


def read_label(ink: np.ndarray, labels: tuple[str, ...]) -> str:
    """A number and its unit, as one of some labels such as ``"20 nm"``.

    Args:
        ink: Cropped ink of the label, 0 to 1.
        labels: What it may say.
    """
    gaps = _runs(np.all(ink <= INK, axis=0))
    if gaps:
        # The space is the widest gap; a narrow 1 may have a wide one, too.
        start, stop = max(gaps, key=lambda gap: gap[1] - gap[0])
        units = tuple(dict.fromkeys(label.partition(" ")[2] for label in labels))
        glyphs = [ink[:, left:right] for left, right in _runs(np.any(ink[:, :start] > INK, axis=0))]
        number = read_number(glyphs)
        unit = best_match(crop(ink[:, stop:]), units, UNIT_SHAPE)
        label = f"{number or 0:.6g} {unit}"
        if label in labels:
            return label
    return best_match(ink, labels, LABEL_SHAPE)


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """Starts and ends (exclusive) of the runs of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def read_number(glyphs: list[np.ndarray]) -> float | None:
    """A number from the ink of its glyphs, in order; None where they make none.

    Args:
        glyphs: Uncropped in height, so that a point is told by its size.
    """
    cropped = [crop(glyph) for glyph in glyphs]
    tall = max((len(glyph) for glyph in cropped), default=0)
    if tall < 5:
        return None
    characters = [
        "." if len(glyph) < 0.4 * tall else best_match(glyph, tuple(DIGITS), GLYPH_SHAPE)
        for glyph in cropped
    ]
    try:
        return float("".join(characters))
    except ValueError:
        return None
