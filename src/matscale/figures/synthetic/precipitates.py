"""Particle fields: mean size, number density, area fraction (Microscale)."""

from __future__ import annotations

import numpy as np

from matscale.figures.synthetic.appearance import Style
from matscale.figures.synthetic.micrograph import Bar, bar_corner, choose_bar, expose, with_bar
from matscale.figures.synthetic.question import Drawing, Numbers, Question, Value

GAP = 4.0
"""Least distance between the outlines of two particles, in pixels: each can be told apart."""
SPREAD = {"easy": 0.10, "medium": 0.20, "hard": 0.30}
"""Standard deviation of the logarithm of the diameters."""
ELONGATION = {"easy": 1.0, "medium": 1.15, "hard": 1.35}
TRIES = 4000


def draw_field(
    share: float, radius: float, style: Style, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Particles that do not touch, none of them cut by the frame.

    Args:
        share: Area fraction at which no more particles are added, at most about 0.4.
        radius: Median radius in pixels.
        style: The frame, and the corner that is kept free for a scale bar.
        rng: Places and sizes: random sequential addition.

    Returns:
        Centres (n, 2) as x, y and semi-axes with the angle (n, 3), in pixels and radians; the
        equivalent radius is the root of the semi-axes' product.
    """
    centres, shapes = np.empty((0, 2)), np.empty((0, 3))
    left, top, right, _ = bar_corner(style)
    wanted, covered = share * style.width * style.height, 0.0
    for _ in range(TRIES):
        size = radius * np.exp(rng.normal(0, SPREAD[style.difficulty]))
        stretch = np.sqrt(rng.uniform(1, ELONGATION[style.difficulty]))
        shape = np.array([size * stretch, size / stretch, rng.uniform(0, np.pi)])
        reach = shape[0] + GAP
        low, high = np.array([reach, reach]), np.array([style.width, style.height]) - reach
        centre = rng.uniform(low, high)
        on_bar = (
            not style.bar_in_strip
            and left - reach < centre[0] < right + reach
            and centre[1] > top - reach
        )
        apart = np.hypot(*(centres - centre).T) > shapes[:, 0] + reach
        if on_bar or not apart.all():
            continue
        centres, shapes = np.vstack([centres, centre]), np.vstack([shapes, shape])
        covered += np.pi * size**2
        if covered >= wanted:
            break
    return centres, shapes


def coverage(centres: np.ndarray, shapes: np.ndarray, width: int, height: int) -> np.ndarray:
    """How much of each pixel is particle (height, width), 0 to 1, smooth over one pixel."""
    field = np.zeros((height, width))
    for (x, y), (long, short, angle) in zip(centres, shapes, strict=True):
        reach = int(np.ceil(long)) + 2
        rows = slice(max(0, int(y) - reach), min(height, int(y) + reach + 1))
        columns = slice(max(0, int(x) - reach), min(width, int(x) + reach + 1))
        dy, dx = np.mgrid[rows, columns]
        # Pixel (i, j) covers the square from (i, j) to (i + 1, j + 1); its centre is what counts.
        dy, dx = dy + 0.5 - y, dx + 0.5 - x
        along = (dx * np.cos(angle) + dy * np.sin(angle)) / long
        across = (-dx * np.sin(angle) + dy * np.cos(angle)) / short
        inside = np.clip((1 - np.hypot(along, across)) * np.sqrt(long * short) + 0.5, 0, 1)
        field[rows, columns] = np.maximum(field[rows, columns], inside)
    return field


def equivalent_diameters(shapes: np.ndarray) -> np.ndarray:
    """Diameters of circles of equal area, (n,) in pixels."""
    return 2 * np.sqrt(shapes[:, 0] * shapes[:, 1])


def render(
    field: np.ndarray, per_pixel: float, style: Style, rng: np.random.Generator
) -> tuple[np.ndarray, Bar]:
    """The micrograph and its scale bar; pixels should be ``per_pixel`` nm large."""
    from scipy.ndimage import gaussian_filter

    bar = choose_bar(per_pixel, "nm", style.width, rng)
    matrix = gaussian_filter(rng.normal(size=field.shape), 6)
    matrix = 0.06 * matrix / matrix.std() if style.difficulty != "easy" else 0.0 * matrix
    signal = 0.25 + matrix * (1 - field) + 0.5 * field
    return with_bar(expose(signal, style, rng), bar, style), bar


def draw_mean_diameter(value: Value, style: Style, rng: np.random.Generator) -> Drawing:
    """A field whose particles have this mean equivalent diameter in nm."""
    centres, shapes = draw_field(rng.uniform(0.08, 0.22), rng.uniform(11, 20), style, rng)
    mean = float(equivalent_diameters(shapes).mean())
    field = coverage(centres, shapes, style.width, style.height)
    image, bar = render(field, float(value) / mean, style, rng)
    return Drawing(image, mean * bar.per_pixel, bar.details | {"particles": len(centres)})


def draw_number_density(value: Value, style: Style, rng: np.random.Generator) -> Drawing:
    """A field with this number of particles a square micrometre."""
    centres, shapes = draw_field(rng.uniform(0.07, 0.2), rng.uniform(11, 20), style, rng)
    pixels = style.width * style.height
    per_pixel = 1000 * np.sqrt(len(centres) / (float(value) * pixels))
    field = coverage(centres, shapes, style.width, style.height)
    image, bar = render(field, per_pixel, style, rng)
    density = len(centres) / (pixels * (bar.per_pixel / 1000) ** 2)
    return Drawing(image, density, bar.details | {"particles": len(centres)})


def draw_area_fraction(value: Value, style: Style, rng: np.random.Generator) -> Drawing:
    """A field of which particles cover this percentage."""
    wanted = float(value) / 100
    centres, shapes = draw_field(wanted, rng.uniform(9, 16), style, rng)
    field = coverage(centres, shapes, style.width, style.height)
    for _ in range(3):  # the last particle went too far; shrinking all of them keeps them apart
        shapes[:, :2] *= np.sqrt(wanted / field.mean())
        field = coverage(centres, shapes, style.width, style.height)
    image, bar = render(field, rng.uniform(0.5, 5.0), style, rng)
    details = bar.details | {"particles": len(centres)}
    return Drawing(image, 100 * float(field.mean()), details)


CAPTIONS = (
    "Transmission electron micrograph of precipitates in a metallic matrix",
    "Scanning electron micrograph of second-phase particles in an alloy",
    "Electron micrograph of an aged alloy with particles of one phase",
)

QUESTIONS = (
    Question(
        "precipitates", "mean_diameter", "Microscale", Numbers(8, 600, "nm"), CAPTIONS,
        "mean equivalent particle diameter {}",
        "What is the mean diameter of the particles (circle of equal area, number average)?",
        draw_mean_diameter,
    ),
    Question(
        "precipitates", "number_density", "Microscale", Numbers(2, 2000, "µm⁻²"), CAPTIONS,
        "number density of particles {}",
        "How many particles are there on a unit of area of the micrograph?",
        draw_number_density,
    ),
    Question(
        "precipitates", "area_fraction", "Microscale",
        Numbers(4, 34, "%", {"easy": 1.6, "medium": 1.4, "hard": 1.25}), CAPTIONS,
        "area fraction of particles {}",
        "Which percentage of the micrograph's area do the particles cover?",
        draw_area_fraction, "fraction",
    ),
)  # fmt: skip
