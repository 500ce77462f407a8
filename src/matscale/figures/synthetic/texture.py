"""Orientation maps with a colour key: which fibre texture, if any (Mesoscale)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from matscale.figures.synthetic.appearance import Style
from matscale.figures.synthetic.grains import (
    draw_boundaries,
    draw_grains,
    normal_colours,
    pole_colours,
    random_orientations,
)  # fmt: skip
from matscale.figures.synthetic.micrograph import choose_bar, expose_map, load_font, with_bar
from matscale.figures.synthetic.question import Drawing, Names, Question, Value

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

FIBRES = {"⟨001⟩ fibre": (0, 0, 1), "⟨101⟩ fibre": (1, 0, 1), "⟨111⟩ fibre": (1, 1, 1)}
NO_TEXTURE = "no texture"
SCATTER = {"easy": 6.0, "medium": 8.0, "hard": 10.0}
"""Standard deviation in degrees of each component of the tilt away from the fibre's axis."""
TEXTURED = {"easy": 0.95, "medium": 0.85, "hard": 0.7}
"""Share of grains that belong to the fibre; the others are random."""
KEY_WIDTH = 132


def fibre_orientations(
    direction: tuple[int, int, int], count: int, style: Style, rng: np.random.Generator
) -> Rotation:
    """Orientations with a crystal direction near the viewer's, and some at random."""
    from scipy.spatial.transform import Rotation

    axis = np.array(direction) / np.linalg.norm(direction)
    to_normal, _ = Rotation.align_vectors([[0.0, 0.0, 1.0]], [axis])
    spins = Rotation.from_rotvec(rng.uniform(0, 2 * np.pi, (count, 1)) * [0.0, 0.0, 1.0])
    tilts = np.radians(rng.normal(0, SCATTER[style.difficulty], (count, 2)))
    tilted = Rotation.from_rotvec(np.column_stack([tilts, np.zeros(count)]))
    quaternions = (tilted * spins * to_normal).as_quat()
    free = rng.permutation(count) >= round(TEXTURED[style.difficulty] * count)
    quaternions[free] = random_orientations(count, rng).as_quat()[free]
    return Rotation.from_quat(quaternions)


def draw_texture(value: Value, style: Style, rng: np.random.Generator) -> Drawing:
    """A map of grains that share a direction along the viewer's, or do not."""
    grains = draw_grains(int(rng.integers(90, 180)), style.width, style.height, rng)
    if value == NO_TEXTURE:
        orientations = random_orientations(grains.count, rng)
    else:
        orientations = fibre_orientations(FIBRES[str(value)], grains.count, style, rng)
    field = normal_colours(orientations)[grains.labels]
    draw_boundaries(field, grains.segments, 1.3, np.zeros(3))
    bar = choose_bar(rng.uniform(0.05, 0.5), "µm", style.width, rng)
    picture = with_bar(expose_map(field, style, rng), bar, style)
    return Drawing(with_key(picture, style), value, bar.details | {"grains": grains.count})


def with_key(picture: np.ndarray, style: Style) -> np.ndarray:
    """The map with the colour key of the standard triangle at its right, on white."""
    font = load_font(style)
    height, width = picture.shape[:2]
    canvas = Image.new("RGB", (width + KEY_WIDTH, height), (255, 255, 255))
    canvas.paste(Image.fromarray(picture), (0, 0))
    size = 80
    # The stereographic projection of the triangle between 001, 101 and 111.
    y, x = np.mgrid[0 : 0.37 : size * 1j, 0 : 0.42 : size * 1j]
    norm = 1 + x**2 + y**2
    directions = np.stack([2 * x / norm, 2 * y / norm, (2 - norm) / norm], axis=-1)
    inside = (y <= x) & (directions[..., 0] <= directions[..., 2])
    colours = np.where(
        inside[..., None], 255 * pole_colours(directions.reshape(-1, 3)).reshape(size, size, 3), 255
    )
    left, top = width + (KEY_WIDTH - size) // 2, height // 2 - size
    canvas.paste(Image.fromarray(np.flipud(colours).astype(np.uint8)), (left, top))
    draw = ImageDraw.Draw(canvas)
    ink = (30, 30, 30)
    draw.text((left, top + size + 4), "001", font=font, fill=ink, anchor="ma")
    draw.text((left + size, top + size + 4), "101", font=font, fill=ink, anchor="ma")
    draw.text((left + size - 8, top - 4), "111", font=font, fill=ink, anchor="ms")
    draw.text((width + KEY_WIDTH // 2, top + size + 3.2 * style.font_size), "∥ normal", font=font,
              fill=ink, anchor="ma")  # fmt: skip
    return np.asarray(canvas)


QUESTIONS = (
    Question(
        "texture", "fibre", "Mesoscale", Names((*FIBRES, NO_TEXTURE)),
        (
            "Orientation map of a cubic polycrystal along the sheet normal, with its colour key",
            "EBSD map in inverse pole figure colours along the surface normal",
        ),
        "texture along the normal: {}",
        "Which texture do the grains have along the normal?",
        draw_texture, "recognition",
    ),
)  # fmt: skip
