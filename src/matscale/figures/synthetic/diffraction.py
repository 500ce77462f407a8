"""Electron diffraction patterns: spacing of a marked reflection, zone axis (AtomScale).

Kinematic: the intensity of a spot is that of its structure factor, with a soft fall-off; no
double diffraction, no Ewald sphere.
"""

from __future__ import annotations

import numpy as np

from matscale.figures.synthetic.appearance import Style
from matscale.figures.synthetic.crystals import turned, zone_reflections
from matscale.figures.synthetic.micrograph import Bar, choose_bar, expose, with_bar
from matscale.figures.synthetic.question import Drawing, Names, Numbers, Question, Value

ZONES = {"[001]": (0, 0, 1), "[011]": (0, 1, 1), "[111]": (1, 1, 1), "[112]": (1, 1, 2)}
PATTERNS = (
    ("fcc", "[001]"), ("fcc", "[011]"), ("fcc", "[111]"), ("fcc", "[112]"),
    ("bcc", "[001]"), ("bcc", "[111]"), ("diamond", "[011]"), ("perovskite", "[001]"),
)  # fmt: skip
REACH = 5.0
RING_COLOUR = (255, 60, 60)
RING_RADIUS = 13


def place_spots(
    prototype: str, zone_axis: str, shortest: float, style: Style, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the spots of a zone fall on the picture.

    Args:
        prototype: A key of :data:`~.crystals.PROTOTYPES`.
        zone_axis: A key of :data:`ZONES`.
        shortest: Distance of the nearest spots from the centre in pixels.
        style: The frame.
        rng: Turns the pattern and moves its centre a little.

    Returns:
        The centre (2,) as x, y, the vectors (n, 2) of the spots from there in pixels, and their
        intensities (n,), the strongest 1.
    """
    zone = zone_reflections(prototype, ZONES[zone_axis], REACH)
    vectors = turned(zone.vectors, rng.uniform(0, 2 * np.pi)) * shortest / zone.shortest
    lengths = np.hypot(*vectors.T)
    intensities = np.abs(zone.factors) ** 2 * np.exp(-((lengths / (3.2 * shortest)) ** 2))
    centre = np.array([style.width, style.height]) / 2 + rng.uniform(-12, 12, 2)
    return centre, vectors, intensities / intensities.max()


def render_spots(
    centre: np.ndarray, vectors: np.ndarray, intensities: np.ndarray, style: Style
) -> np.ndarray:
    """The pattern (height, width) between 0 and 1, on a logarithmic scale as plates show it."""
    y, x = np.mgrid[: style.height, : style.width].astype(float)
    distance = np.hypot(x - centre[0], y - centre[1])
    signal = 0.30 * np.exp(-distance / 60) + 1.4 * np.exp(-((distance / 7.0) ** 2))
    inner = np.array([-6, -6]), np.array([style.width, style.height]) + 6
    for (dx, dy), intensity in zip(vectors, intensities, strict=True):
        spot = centre + np.array([dx, dy])
        if (spot < inner[0]).any() or (spot > inner[1]).any():
            continue
        shown = 1.0 + 0.22 * np.log10(max(intensity, 1e-3))
        left, top = np.maximum(spot.astype(int) - 16, 0)
        box = np.s_[top : int(spot[1]) + 17, left : int(spot[0]) + 17]
        squared = (x[box] - spot[0]) ** 2 + (y[box] - spot[1]) ** 2
        signal[box] += shown * np.exp(-squared / (2 * 3.0**2))
    return np.clip(signal, 0, 1)


def draw_marked_spacing(value: Value, style: Style, rng: np.random.Generator) -> Drawing:
    """A pattern with a ring around a reflection whose planes have this spacing in nm."""
    prototype, zone_axis = PATTERNS[rng.integers(len(PATTERNS))]
    centre, vectors, intensities = place_spots(
        prototype, zone_axis, rng.uniform(42, 62), style, rng
    )
    lengths = np.hypot(*vectors.T)
    places = centre + vectors
    margin = 2 * RING_RADIUS
    inside = ((places > margin) & (places < [style.width - margin, style.height - margin])).all(1)
    # The bar may lie over the lower quarter.
    inside &= (places[:, 1] < 0.72 * style.height) & (lengths < 2.3 * lengths.min())
    chosen = int(rng.choice(np.flatnonzero(inside)))
    wanted = 1 / (float(value) * lengths[chosen])
    bar = choose_bar(wanted, "1/nm", style.width, rng)
    stretch = wanted / bar.per_pixel  # so that the spacing is met to the digit
    image = finish(centre, vectors * stretch, intensities, bar, style, rng)
    ring(image, centre + vectors[chosen] * stretch, RING_RADIUS, RING_COLOUR)
    truth = 1 / (lengths[chosen] * stretch * bar.per_pixel)
    return Drawing(image, truth, bar.details | {"prototype": prototype, "zone_axis": zone_axis})


def draw_zone_axis(value: Value, style: Style, rng: np.random.Generator) -> Drawing:
    """The pattern of a face-centred cubic crystal along this zone axis."""
    centre, vectors, intensities = place_spots(
        "fcc", str(value), rng.uniform(34, 56), style, rng
    )  # fmt: skip
    # Another lattice parameter each time: the scale does not give the axis away.
    bar = choose_bar(rng.uniform(0.05, 0.12), "1/nm", style.width, rng)
    return Drawing(finish(centre, vectors, intensities, bar, style, rng), value, bar.details)


def finish(
    centre: np.ndarray, vectors: np.ndarray, intensities: np.ndarray, bar: Bar, style: Style,
    rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """Exposed, with its bar, as a picture that can be drawn on."""
    exposed = expose(render_spots(centre, vectors, intensities, style), style, rng)
    return with_bar(exposed, bar, style).copy()


def ring(image: np.ndarray, centre: np.ndarray, radius: float, colour: tuple[int, ...]) -> None:
    """Draw a circle two pixels wide, in place."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    on = np.abs(np.hypot(x - centre[0], y - centre[1]) - radius) < 1.1
    image[on] = colour


QUESTIONS = (
    Question(
        "diffraction", "lattice_spacing", "AtomScale",
        Numbers(0.09, 0.45, "nm", {"easy": 1.5, "medium": 1.3, "hard": 1.18}),
        (
            "Selected-area electron diffraction pattern with a ring around one reflection",
            "Electron diffraction pattern of a single grain, one reflection circled",
        ),
        "lattice spacing of the circled reflection {}",
        "What is the lattice spacing of the planes that the circled reflection belongs to?",
        draw_marked_spacing,
    ),
    Question(
        "diffraction", "zone_axis", "AtomScale", Names(tuple(ZONES)),
        (
            "Selected-area electron diffraction pattern of a face-centred cubic crystal",
            "Electron diffraction pattern of one grain of a face-centred cubic phase",
        ),
        "zone axis {}",
        "Along which zone axis was the diffraction pattern taken?",
        draw_zone_axis, "recognition",
    ),
)  # fmt: skip
