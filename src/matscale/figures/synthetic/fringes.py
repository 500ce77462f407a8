"""Pictures like high-resolution micrographs of a crystal along a zone axis (AtomScale).

The picture is the crystal's projected potential, cut off at a resolution: the Fourier sum over
the reflections of the zone. It is not a simulation of the microscope's optics.
"""

from __future__ import annotations

import numpy as np

from matscale.figures.synthetic.appearance import Style
from matscale.figures.synthetic.crystals import turned, zone_reflections
from matscale.figures.synthetic.micrograph import choose_bar, expose, with_bar
from matscale.figures.synthetic.question import Drawing, Numbers, Question, Value

VIEWS = (
    ("fcc", (0, 0, 1)), ("fcc", (0, 1, 1)), ("fcc", (1, 1, 1)),
    ("bcc", (0, 0, 1)), ("bcc", (1, 1, 1)),
    ("diamond", (0, 1, 1)), ("diamond", (0, 0, 1)),
    ("zinc blende", (0, 1, 1)),
    ("rocksalt", (0, 0, 1)), ("caesium chloride", (0, 0, 1)),
)  # fmt: skip
REACH = 2.1
"""Resolution: reflections up to this multiple of the shortest are imaged."""


def projected_potential(
    prototype: str,
    axis: tuple[int, int, int],
    spacing: float,
    shape: tuple[int, int],
    rng: np.random.Generator,
) -> np.ndarray:
    """The crystal seen along an axis, (height, width) between 0 and 1.

    Args:
        prototype: A key of :data:`~.crystals.PROTOTYPES`.
        axis: Zone axis.
        spacing: Widest spacing of lattice planes in pixels.
        shape: Height and width in pixels.
        rng: Turns and shifts the crystal.
    """
    zone = zone_reflections(prototype, axis, REACH)
    relative = np.hypot(*zone.vectors.T) / zone.shortest
    # The shortest reflections lead, as in a micrograph whose transfer falls off.
    weights = zone.factors * np.exp(-0.45 * relative**2)
    vectors = turned(zone.vectors, rng.uniform(0, 2 * np.pi)) / (zone.shortest * spacing)
    shift = rng.uniform(0, 100, 2)
    y, x = np.arange(shape[0]) + shift[1], np.arange(shape[1]) + shift[0]
    # exp(2 pi i (g_x x + g_y y)) is a product. einsum, unlike a matrix product, adds up in the
    # same order whatever the number of threads.
    along_x = np.exp(2j * np.pi * np.outer(vectors[:, 0], x))
    along_y = np.exp(2j * np.pi * np.outer(vectors[:, 1], y)) * weights[:, None]
    wave = np.einsum("gy,gx->yx", along_y.real, along_x.real)
    wave -= np.einsum("gy,gx->yx", along_y.imag, along_x.imag)
    low, high = np.percentile(wave, (0.5, 99.5))
    return np.clip((wave - low) / (high - low), 0, 1)


def draw_spacing(value: Value, style: Style, rng: np.random.Generator) -> Drawing:
    """A crystal whose widest visible spacing is this, in nm."""
    from scipy.ndimage import gaussian_filter

    prototype, axis = VIEWS[rng.integers(len(VIEWS))]
    bar = choose_bar(float(value) / rng.uniform(13, 24), "nm", style.width, rng)
    shape = (style.height, style.width)
    spacing = float(value) / bar.per_pixel
    signal = projected_potential(prototype, axis, spacing, shape, rng)
    # Thickness changes slowly across the field, and with it the contrast.
    thickness = gaussian_filter(rng.normal(size=shape), 50)
    thickness = {"easy": 0.05, "medium": 0.12, "hard": 0.2}[style.difficulty] * (
        thickness / thickness.std()
    )
    signal = 0.5 + (signal - 0.5) * np.clip(0.8 + thickness, 0.25, 1.0)
    image = with_bar(expose(signal, style, rng), bar, style)
    details = bar.details | {
        "prototype": prototype, "zone_axis": "[" + "".join(map(str, axis)) + "]",
    }  # fmt: skip
    return Drawing(image, spacing * bar.per_pixel, details)


QUESTIONS = (
    Question(
        "fringes", "lattice_spacing", "AtomScale",
        Numbers(0.13, 0.55, "nm", {"easy": 1.5, "medium": 1.3, "hard": 1.18}),
        (
            "High-resolution electron micrograph of a crystal along a zone axis",
            "Lattice image of a single grain viewed along a low-index direction",
        ),
        "widest visible spacing of lattice planes {}",
        "What is the widest spacing of lattice planes visible in the micrograph?",
        draw_spacing,
    ),
)  # fmt: skip
