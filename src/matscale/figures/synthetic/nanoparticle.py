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
SOURCE_WIDTH = 0.55
"""Standard deviation of an atom's image in Å."""


def carve_ball(prototype: str, diameter: float, rng: np.random.Generator) -> np.ndarray:
    """Atoms (n, 4) of a ball cut from a crystal: x, y, z in Å about its centre, atomic number.

    Args:
        prototype: A key of :data:`~.crystals.PROTOTYPES`.
        diameter: In Å, between the outlines of opposite atoms.
        rng: Places the centre in the cell and turns the ball.
    """
    from scipy.spatial.transform import Rotation

    table, row = prototypes(), row_of(prototype)
    edge = float(table.lattices[row][0, 0])
    radius = diameter / 2 - ATOM_RADIUS
    steps = np.arange(-np.ceil(radius / edge) - 1, np.ceil(radius / edge) + 2) * edge
    corners = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 1, 3)
    places = (corners + table.row_positions(row) - rng.uniform(0, edge, 3)).reshape(-1, 3)
    numbers = np.tile(table.row_numbers(row).astype(float), len(corners))
    kept = (places**2).sum(axis=1) <= radius**2
    # A small tilt away from a cube axis: columns stay resolved in most pictures.
    turn = Rotation.from_euler("zx", [rng.uniform(0, 360), rng.choice([0, 45])], degrees=True)
    return np.column_stack([turn.apply(places[kept]), numbers[kept]])


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
    return Drawing(image, diameter, bar.details | {"prototype": prototype, "atoms": len(ball)})


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
