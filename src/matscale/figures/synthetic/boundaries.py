"""Orientation maps with drawn boundaries: fraction of high-angle boundaries (Mesoscale)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from matscale.figures.synthetic.appearance import Style
from matscale.figures.synthetic.grains import (
    GrainMap,
    disorientations,
    draw_boundaries,
    draw_grains,
    normal_colours,
    random_orientations,
)  # fmt: skip
from matscale.figures.synthetic.micrograph import choose_bar, expose_map, load_font, with_bar
from matscale.figures.synthetic.question import Drawing, Numbers, Question, Value

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

HIGH_ANGLE = 15.0
"""Disorientation in degrees from which a boundary counts as high-angle."""
FAMILIES = 5
SCATTER = 4.0
"""Largest turn in degrees of a grain away from its family; within one, boundaries are low-angle."""
FAMILY_GAP = 2 * SCATTER + HIGH_ANGLE + 1.0
TOLERANCE = 0.0008
LOW_COLOUR = (225, 30, 30)
HIGH_COLOUR = (0, 0, 0)
LINE_WIDTHS = {"low": 2.4, "high": 3.0}


def share_into_families(
    grains: GrainMap, share: float, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Families of grains such that a share of the boundaries' length lies between families.

    Grains change family one by one, as long as the share comes nearer to what is wanted.

    Returns:
        The family of each grain, and the share that was reached.
    """
    lengths, (first, second) = grains.lengths, grains.pairs.T
    total = lengths.sum()
    families = rng.integers(0, FAMILIES, grains.count)
    reached = lengths[families[first] != families[second]].sum() / total
    for _ in range(300):
        for grain in rng.permutation(grains.count):
            before, families[grain] = families[grain], families[rng.integers(grains.count)]
            now = lengths[families[first] != families[second]].sum() / total
            if abs(now - share) > abs(reached - share):
                families[grain] = before
            else:
                reached = now
        if abs(reached - share) < TOLERANCE:
            break
    return families, float(reached)


def orient(families: np.ndarray, rng: np.random.Generator) -> Rotation:
    """Orientations, one a grain: alike within a family, far apart between families."""
    from scipy.spatial.transform import Rotation

    pairs = np.array([(a, b) for a in range(FAMILIES) for b in range(a)])
    while True:
        centres = random_orientations(FAMILIES, rng)
        if disorientations(centres, pairs).min() > FAMILY_GAP:
            break
    axes = rng.normal(size=(len(families), 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    angles = np.radians(rng.uniform(0, SCATTER, len(families)))
    return Rotation.from_rotvec(axes * angles[:, None]) * centres[families]


def draw_high_angle_share(value: Value, style: Style, rng: np.random.Generator) -> Drawing:
    """A map on which this percentage of the boundaries' length is high-angle."""
    grains = draw_grains(int(rng.integers(60, 110)), style.width, style.height, rng)
    families, _ = share_into_families(grains, float(value) / 100, rng)
    orientations = orient(families, rng)
    high = disorientations(orientations, grains.pairs) >= HIGH_ANGLE
    truth = 100 * grains.lengths[high].sum() / grains.lengths.sum()
    field = 0.35 + 0.65 * normal_colours(orientations)[grains.labels]
    picture = expose_map(field, style, rng).astype(float)
    # The boundaries are drawn by the software that makes the map: without noise.
    draw_boundaries(picture, grains.segments[~high], LINE_WIDTHS["low"], np.array(LOW_COLOUR))
    draw_boundaries(picture, grains.segments[high], LINE_WIDTHS["high"], np.array(HIGH_COLOUR))
    # A bar within the picture would hide boundaries that count.
    beside = replace(style, bar_in_strip=True, inverted=True)
    bar = choose_bar(rng.uniform(0.05, 0.5), "µm", style.width, rng)
    framed = with_bar(np.rint(picture).astype(np.uint8), bar, beside)
    return Drawing(
        with_legend(framed, beside), float(truth), bar.details | {"grains": grains.count}
    )


def with_legend(picture: np.ndarray, style: Style) -> np.ndarray:
    """The map over a line that says which boundaries are which."""
    font = load_font(style)
    entries = ((HIGH_COLOUR, "≥ 15°"), (LOW_COLOUR, "< 15°"))
    tall = math.ceil(style.font_size * 2)
    height, width = picture.shape[:2]
    canvas = Image.new("RGB", (width, height + tall), (255, 255, 255))
    canvas.paste(Image.fromarray(picture), (0, 0))
    draw = ImageDraw.Draw(canvas)
    for column, (colour, text) in enumerate(entries):
        x = 20 + column * width // 2
        y = height + tall // 2
        draw.line((x, y, x + 40, y), fill=colour, width=3)
        draw.text((x + 52, height + tall * 0.2), text, font=font, fill=(40, 40, 40))
    return np.asarray(canvas)


QUESTIONS = (
    Question(
        "boundaries", "high_angle_share", "Mesoscale",
        Numbers(16, 88, "%", {"easy": 1.55, "medium": 1.35, "hard": 1.22}),
        (
            "Orientation map of a cubic polycrystal with grain boundaries drawn by disorientation",
            "EBSD map (inverse pole figure colours) with low- and high-angle boundaries marked",
        ),
        "share of high-angle boundaries by length {}",
        "Which percentage of the boundaries' length belongs to high-angle boundaries?",
        draw_high_angle_share, "fraction",
    ),
)  # fmt: skip
