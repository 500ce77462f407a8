"""Atomically resolved nanoparticles: diameter from the scale bar (AtomScale)."""

from __future__ import annotations

import numpy as np

from matscale.figures.synthetic.appearance import Style
from matscale.figures.synthetic.crystals import prototypes, row_of
from matscale.figures.synthetic.micrograph import choose_bar, expose, with_bar
from matscale.figures.synthetic.question import Drawing, Numbers, Question, Value

SHAPES = ("fcc", "bcc", "rocksalt", "diamond")
ATOM_RADIUS = 1.3
"""In Å: how far an atom reaches beyond its nucleus, about a metallic radius."""
PLACES, SPHERES = 12, 8
"""Centres that are tried, and spheres about each."""
CLOSE = 0.005
"""Relative difference of the outline's width from what is asked at which the search ends."""
SOURCE_WIDTH = 0.55
"""Standard deviation of an atom's image in Å."""


def carve_ball(prototype: str, diameter: float, rng: np.random.Generator) -> np.ndarray:
    """Atoms (n, 4) of a ball cut from a crystal: x, y, z in Å about its centre, atomic number.

    A sphere of the diameter would leave a ball some per cent narrower, for atoms seldom stand at
    its surface: so spheres are tried until the outline is as wide as asked.

    Args:
        prototype: A key of :data:`~.crystals.PROTOTYPES`.
        diameter: In Å, the mean width of the outline seen along z, see :func:`outline_width`.
        rng: Places the centre in the cell and turns the ball.
    """
    best, gap = np.empty((0, 4)), np.inf
    for _ in range(PLACES):
        centre, turn = rng.uniform(0, 1, 3), (rng.uniform(0, 360), rng.choice([0, 45]))
        radius = diameter / 2 - ATOM_RADIUS
        for _ in range(SPHERES):
            ball = _sphere(prototype, radius, centre, turn)
            missing = diameter - outline_width(ball)
            if abs(missing) < gap:
                best, gap = ball, abs(missing)
            if gap < CLOSE * diameter:
                return best
            radius += missing / 2
    return best


def _sphere(
    prototype: str, radius: float, centre: np.ndarray, turn: tuple[float, float]
) -> np.ndarray:
    """Atoms within a radius in Å of a place in the cell, fractional, turned by Euler angles."""
    from scipy.spatial.transform import Rotation

    table, row = prototypes(), row_of(prototype)
    edge = float(table.lattices[row][0, 0])
    steps = np.arange(-np.ceil(radius / edge) - 1, np.ceil(radius / edge) + 2) * edge
    corners = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 1, 3)
    places = (corners + table.row_positions(row) - centre * edge).reshape(-1, 3)
    numbers = np.tile(table.row_numbers(row).astype(float), len(corners))
    kept = (places**2).sum(axis=1) <= radius**2
    # A small tilt away from a cube axis: columns stay resolved in most pictures.
    rotation = Rotation.from_euler("zx", turn, degrees=True)
    return np.column_stack([rotation.apply(places[kept]), numbers[kept]])


def outline_width(ball: np.ndarray) -> float:
    """Mean width in Å, over all directions in the picture, of the outline of atoms (n, 4)."""
    angles = np.linspace(0, np.pi, 36, endpoint=False)
    across = ball[:, :2] @ np.stack([np.cos(angles), np.sin(angles)])
    return float(np.ptp(across, axis=0).mean()) + 2 * ATOM_RADIUS


def draw_diameter(value: Value, style: Style, rng: np.random.Generator) -> Drawing:
    """A dark-field picture, bright where there is mass, of a ball of this diameter in nm."""
    from scipy.ndimage import gaussian_filter

    prototype = str(rng.choice(SHAPES))
    diameter = float(value)
    pixels = rng.uniform(0.35, 0.62) * min(style.width, style.height)
    bar = choose_bar(diameter / pixels, "nm", style.width, rng)
    per_pixel = bar.per_pixel
    ball = carve_ball(prototype, 10 * diameter, rng)
    reach = diameter / per_pixel / 2 + 6
    centre = np.array([
        rng.uniform(reach, style.width - reach), rng.uniform(reach, style.height * 0.86 - reach)
        if reach < 0.43 * style.height else style.height / 2,
    ])  # fmt: skip
    places = ball[:, :2] / 10 / per_pixel + centre
    shape = (style.height, style.width)
    edges = [np.arange(style.height + 1) - 0.5, np.arange(style.width + 1) - 0.5]
    mass, _, _ = np.histogram2d(places[:, 1], places[:, 0], bins=edges, weights=ball[:, 3] ** 1.7)
    columns = gaussian_filter(mass, SOURCE_WIDTH / 10 / per_pixel)
    envelope = gaussian_filter(mass, 1.2 / 10 / per_pixel)
    signal = 0.55 * columns / np.percentile(columns[columns > 0], 99.5) + 0.45 * np.sqrt(
        envelope / envelope.max()
    )
    background = gaussian_filter(rng.normal(size=shape), 5)
    level = {"easy": 0.0, "medium": 0.02, "hard": 0.04}[style.difficulty]
    signal = 0.08 + 0.9 * np.clip(signal, 0, 1) + level * background / background.std()
    image = with_bar(expose(np.clip(signal, 0, 1), style, rng), bar, style)
    drawn = outline_width(ball) / 10
    return Drawing(image, drawn, bar.details | {"prototype": prototype, "atoms": len(ball)})


QUESTIONS = (
    Question(
        "nanoparticle", "diameter", "AtomScale",
        Numbers(2.0, 11.0, "nm", {"easy": 1.5, "medium": 1.35, "hard": 1.22}),
        (
            "Electron micrograph of a single nanoparticle",
            "Transmission electron micrograph of a round nanoparticle on a support",
        ),
        "particle diameter {}",
        "What is the diameter of the nanoparticle?",
        draw_diameter,
    ),
)  # fmt: skip
