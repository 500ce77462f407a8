"""From a signal to a micrograph: exposure, scale bar, labels.

The picture keeps to the greys between :data:`DARKEST` and :data:`BRIGHTEST`; pure black and white
belong to what is burnt in afterwards, the scale bar and its label, which carry no noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from matscale.figures.synthetic.appearance import Style, font_file

DARKEST, BRIGHTEST = 14, 241
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
BAR_SHARE = (0.16, 0.40)
"""Length of a scale bar as a share of the field's width."""
MARGIN = 12
BAR_HEIGHT = 6
ROUND_STEPS = (1.0, 2.0, 5.0)
GREY_STEP = 4
"""Of eight bits, noise fills the last two; pictures without them compress twice as well."""


@dataclass(frozen=True)
class Bar:
    """A scale bar of a whole number of pixels, hence exact.

    Attributes:
        length: What it stands for, in ``unit``.
        pixels: How long it is.
        unit: ``"nm"``, ``"µm"`` or ``"1/nm"``.
        text: Its label.
    """

    length: float
    pixels: int
    unit: str
    text: str

    @property
    def per_pixel(self) -> float:
        """Size of a pixel in ``unit``."""
        return self.length / self.pixels

    @property
    def details(self) -> dict[str, float | str]:
        """For :attr:`~.question.Drawing.details`."""
        return {"scale_bar": self.text, "scale_bar_pixels": self.pixels}


def choose_bar(per_pixel: float, unit: str, width: int, rng: np.random.Generator) -> Bar:
    """A bar of round length for a picture whose pixels should be ``per_pixel`` large.

    Args:
        per_pixel: Size of a pixel in ``unit``; the bar's own differs by half a pixel's rounding.
        unit: Of ``per_pixel``.
        width: Of the field in pixels.
        rng: Chooses among the round lengths that fit.
    """
    low, high = (share * width * per_pixel for share in BAR_SHARE)
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    fitting = [
        step * 10.0**power for power in powers for step in ROUND_STEPS
        if low <= step * 10.0**power <= high
    ]  # fmt: skip
    length = float(rng.choice(fitting))
    return Bar(length, round(length / per_pixel), unit, bar_text(length, unit))


def bar_text(length: float, unit: str) -> str:
    """The label as microscopes write it: nm up to 999, µm from there on."""
    if unit == "nm" and length >= 1000:
        length, unit = length / 1000, "µm"
    elif unit == "µm" and length < 1:
        length, unit = length * 1000, "nm"
    return f"{length:.6g} {unit}"


def bar_corner(style: Style) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the corner that a bar inside of the picture may cover."""
    wide = math.ceil(BAR_SHARE[1] * style.width) + 2 * MARGIN
    tall = style.font_size + BAR_HEIGHT + 3 * MARGIN
    left = 0 if style.bar_on_left else style.width - wide
    return left, style.height - tall, left + wide, style.height


def expose(signal: np.ndarray, style: Style, rng: np.random.Generator) -> np.ndarray:
    """A noisy grey picture (H, W, 3), uint8, of a signal (H, W) between 0 and 1."""
    from scipy.ndimage import gaussian_filter

    height, width = signal.shape
    blurred = gaussian_filter(signal, style.blur)
    if style.inverted:
        blurred = 1.0 - blurred
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[-0.5 : 0.5 : height * 1j, -0.5 : 0.5 : width * 1j]
    slope = style.shading * (np.cos(angle) * columns + np.sin(angle) * rows)
    noise = rng.normal(0.0, style.noise, signal.shape)
    shown = to_greys(0.5 + style.contrast * (blurred - 0.5) + slope + noise)
    return np.repeat(shown[..., None], 3, axis=2)


def expose_map(colours: np.ndarray, style: Style, rng: np.random.Generator) -> np.ndarray:
    """An orientation map (H, W, 3), uint8, of colours (H, W, 3) between 0 and 1.

    Its noise is that of orientation maps: points that could not be indexed, which are dark, and
    points that were indexed wrongly, which have any colour.
    """
    shape = colours.shape[:2]
    contrast = 0.5 + 0.5 * style.contrast
    shown = to_greys(0.5 + contrast * (colours - 0.5))
    failed = rng.uniform(size=shape) < style.noise
    other = rng.integers(DARKEST, BRIGHTEST, (int(failed.sum()), 3))
    other[rng.uniform(size=len(other)) < 0.5] = DARKEST
    shown[failed] = other
    return shown


def to_greys(shown: np.ndarray) -> np.ndarray:
    """Values between 0 and 1 as bytes that leave pure black and white free."""
    steps = np.rint(np.clip(shown, 0.0, 1.0) * ((BRIGHTEST - DARKEST) // GREY_STEP))
    return (DARKEST + GREY_STEP * steps).astype(np.uint8)


def with_bar(picture: np.ndarray, bar: Bar, style: Style) -> np.ndarray:
    """The picture (H, W, 3) with its scale bar, in a strip below or in a box in a corner."""
    height, width = picture.shape[:2]
    font = load_font(style)
    left, top, right, bottom = font.getbbox(bar.text)
    text_width, text_height = math.ceil(right - left), math.ceil(bottom - top)
    wide = max(bar.pixels, text_width) + 2 * MARGIN
    tall = BAR_HEIGHT + text_height + math.ceil(2.2 * MARGIN)
    ground, ink = (WHITE, BLACK) if style.inverted else (BLACK, WHITE)
    extra = tall if style.bar_in_strip else 0
    canvas = Image.new("RGB", (width, height + extra), ground)
    canvas.paste(Image.fromarray(picture), (0, 0))
    draw = ImageDraw.Draw(canvas)
    x = 0 if style.bar_on_left else width - wide
    y = height + extra - tall
    if not style.bar_in_strip:
        x += MARGIN if style.bar_on_left else -MARGIN
        y -= MARGIN
        draw.rectangle((x, y, x + wide - 1, y + tall - 1), fill=ground)
    bar_x = x + (wide - bar.pixels) // 2
    bar_y = y + tall - MARGIN // 2 - BAR_HEIGHT - 2
    draw.rectangle((bar_x, bar_y, bar_x + bar.pixels - 1, bar_y + BAR_HEIGHT - 1), fill=ink)
    text_x = x + (wide - text_width) // 2 - left
    draw.text((text_x, y + MARGIN // 2 - top + 1), bar.text, font=font, fill=ink)
    return np.asarray(canvas)


def load_font(style: Style) -> ImageFont.FreeTypeFont:
    """The style's font; laid out by Pillow itself, which is the same on every machine."""
    return ImageFont.truetype(
        str(font_file(style.font)), style.font_size, layout_engine=ImageFont.Layout.BASIC
    )
