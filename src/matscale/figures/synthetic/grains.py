"""Grain maps: Voronoi cells, their boundaries and their orientations.

Geometry and crystallography only; ``grain_size``, ``boundaries`` and ``texture`` draw and ask.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

RELAXATIONS = 2
"""Steps of Lloyd's algorithm: grains of more even size than those of random points."""


@dataclass(frozen=True)
class GrainMap:
    """Grains that fill a frame of width times height pixels.

    Attributes:
        labels: Grain of each pixel (height, width).
        pairs: Grains (m, 2) on the sides of each boundary.
        segments: Ends (m, 2, 2) of each boundary in pixels, x before y, within the frame.
        count: Number of grains.
    """

    labels: np.ndarray
    pairs: np.ndarray
    segments: np.ndarray
    count: int

    @property
    def lengths(self) -> np.ndarray:
        """Length of each boundary in pixels (m,)."""
        return np.hypot(*(self.segments[:, 1] - self.segments[:, 0]).T)


def draw_grains(count: int, width: int, height: int, rng: np.random.Generator) -> GrainMap:
    """A Voronoi map of random points, evened out; cells end at the frame."""
    from scipy.spatial import Voronoi, cKDTree

    size = np.array([width, height])
    y, x = np.mgrid[:height, :width] + 0.5
    pixels = np.column_stack([x.ravel(), y.ravel()])
    points = rng.uniform(0, 1, (count, 2)) * size
    for _ in range(RELAXATIONS):
        owner = cKDTree(points).query(pixels[::7])[1]
        totals = np.bincount(owner, minlength=count)[:, None]
        sums = np.column_stack(
            [np.bincount(owner, pixels[::7, axis], minlength=count) for axis in (0, 1)]
        )
        points = np.where(totals > 0, sums / np.maximum(totals, 1), points)
    # Points mirrored at the four sides make the frame a boundary between each and its image.
    mirrored = [points]
    for axis in (0, 1):
        for side in (0.0, float(size[axis])):
            copy = points.copy()
            copy[:, axis] = 2 * side - copy[:, axis]
            mirrored.append(copy)
    voronoi = Voronoi(np.concatenate(mirrored))
    inner = (voronoi.ridge_points < count).all(axis=1)
    ends = np.array(voronoi.ridge_vertices, dtype=object)[inner]
    segments = voronoi.vertices[np.array([list(pair) for pair in ends])]
    labels = cKDTree(points).query(pixels)[1].reshape(height, width)
    return GrainMap(labels, voronoi.ridge_points[inner], segments, count)


def mean_intercept(labels: np.ndarray) -> float:
    """Mean linear intercept in pixels: length of test lines over boundaries that they cross.

    The test lines are all rows and all columns of pixels; a line that touches n boundaries within
    the frame is cut into intercepts at these (ASTM E112 counts so).
    """
    crossings = (labels[:, 1:] != labels[:, :-1]).sum() + (labels[1:] != labels[:-1]).sum()
    return 2 * labels.size / float(crossings)


def random_orientations(count: int, rng: np.random.Generator) -> Rotation:
    """Orientations drawn evenly from all there are."""
    from scipy.spatial.transform import Rotation

    # A normal distribution has no direction, and so have its samples as unit quaternions.
    return Rotation.from_quat(rng.normal(size=(count, 4)))


@cache
def cubic_rotations() -> Rotation:
    """The 24 proper rotations of a cube."""
    from scipy.spatial.transform import Rotation

    return Rotation.create_group("O")


def disorientations(orientations: Rotation, pairs: np.ndarray) -> np.ndarray:
    """Smallest angles in degrees (m,) between pairs (m, 2) of cubic crystals.

    Args:
        orientations: From the crystal's frame to the sample's, one a grain.
        pairs: Which grains to compare.
    """
    quaternions = (orientations[pairs[:, 0]].inv() * orientations[pairs[:, 1]]).as_quat()
    symmetric = cubic_rotations().as_quat()
    # The scalar part of q s is the cosine of half the angle that is left after rotation s.
    scalars = np.abs(
        quaternions[:, None, 3] * symmetric[:, 3] - quaternions[:, :3] @ symmetric[:, :3].T
    )
    return np.degrees(2 * np.arccos(np.clip(scalars.max(axis=1), 0, 1)))


def pole_colours(directions: np.ndarray) -> np.ndarray:
    """Colours (n, 3), 0 to 1, of crystal directions (n, 3): ⟨001⟩ red, ⟨101⟩ green, ⟨111⟩ blue."""
    low, middle, high = np.sort(np.abs(directions), axis=1).T
    parts = np.stack([high - middle, (middle - low) * np.sqrt(2), low * np.sqrt(3)], axis=1)
    return np.sqrt(np.clip(parts / parts.max(axis=1, keepdims=True), 0, 1))


def normal_colours(orientations: Rotation) -> np.ndarray:
    """Colours (n, 3) of the crystal directions that point at the viewer."""
    return pole_colours(orientations.inv().apply([0.0, 0.0, 1.0]))


def draw_boundaries(
    field: np.ndarray, segments: np.ndarray, thickness: float, value: float | np.ndarray
) -> None:
    """Paint straight boundaries over a field, in place.

    Args:
        field: (height, width) or (height, width, 3).
        segments: Ends (m, 2, 2) in pixels.
        thickness: In pixels.
        value: What is painted.
    """
    from PIL import Image, ImageDraw

    factor = 4
    height, width = field.shape[:2]
    mask = Image.new("L", (width * factor, height * factor), 0)
    draw = ImageDraw.Draw(mask)
    for start, end in segments * factor:
        draw.line((*start, *end), fill=255, width=max(1, round(thickness * factor)))
        radius = thickness * factor / 2
        for x, y in (start, end):
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    cover = np.asarray(mask.resize((width, height), Image.Resampling.BOX)) / 255.0
    if field.ndim == 3:
        cover = cover[..., None]
    field *= 1 - cover
    field += cover * value
