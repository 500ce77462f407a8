"""Rotations of particles: quaternions, distances on SO(3), and the grids of the C2NP benchmark.

Quaternions are x, y, z, w, of unit length, with w >= 0; they stand for active rotations, so that
positions (n, 3) become ``positions @ matrices(q).T``.

Source of the grids: Polat, Serpedin, M. Kurban and H. Kurban, arXiv:2601.19076 (C2NP).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

DRAWS = 1000
"""Random rotations that are drawn at a time."""

MOST_DRAWS = 300_000
"""Random rotations after which a grid counts as impossible."""

SYMMETRY_PRECISION = 0.01
"""Distance in Å within which sites of a crystal count as equivalent."""

SAME_COORDINATES = 1e-6
"""Å within which two rotations of a particle count as one."""


@dataclass(frozen=True)
class Grid:
    """How one set of rotations is drawn.

    Attributes:
        spacing: Least angle between two rotations of the set, in degrees.
        seed: Of the random numbers.
        offset: Euler angles about fixed x, y, z in degrees; each draw is turned by them. None
            for draws as they come.
        margin: Least angle to any rotation of the training set, in degrees.
    """

    spacing: float
    seed: int
    offset: tuple[float, float, float] | None = None
    margin: float = 0.0

    @property
    def count(self) -> int:
        """Size of the set, by the cap that a spacing covers: ceil(2 / (1 - cos(spacing)))."""
        return math.ceil(2 / (1 - math.cos(math.radians(self.spacing))))


def published_grid(split: str, radius: float) -> Grid:
    """The grid that C2NP draws for the particles of a radius.

    Args:
        split: ``train``, ``id`` or ``ood``.
        radius: In Å; test sets differ by it, the training set does not.

    Raises:
        KeyError: If there is no such split.
    """
    if split == "train":
        return Grid(15.0, 1337)
    spacing, offset, margin = {
        "id": (12.0, (6.0, 8.0, 12.0), 6.0),
        "ood": (9.0, (15.0, 25.0, 35.0), 4.5),
    }[split]
    return Grid(spacing, int(1000 + radius + spacing), offset, margin)


def draw(grid: Grid, training: np.ndarray | None = None) -> np.ndarray:
    """Draw a set of rotations one by one, keeping those far enough from all before.

    Args:
        grid: Spacing, seed, offset and margin.
        training: Quaternions to stay away from by ``grid.margin``, (m, 4).

    Returns:
        Quaternions, (grid.count, 4).

    Raises:
        ValueError: If so many rotations do not fit.
    """
    # |q . p| is the cosine of half the angle between two rotations.
    apart = math.cos(math.radians(grid.spacing) / 2)
    away = math.cos(math.radians(grid.margin) / 2)
    chosen = np.empty((grid.count, 4))
    count = 0
    for candidate in _candidates(grid):
        if count and np.abs(chosen[:count] @ candidate).max() > apart:
            continue
        if training is not None and np.abs(training @ candidate).max() > away:
            continue
        chosen[count] = candidate
        count += 1
        if count == grid.count:
            return chosen
    raise ValueError(f"only {count} of {grid.count} rotations {grid.spacing:g}° apart were found")


def _candidates(grid: Grid) -> Iterator[np.ndarray]:
    """Uniform random rotations: directions of normal draws in four dimensions."""
    from scipy.spatial.transform import Rotation

    generator = np.random.default_rng(grid.seed)
    offset = None
    if grid.offset is not None:
        offset = Rotation.from_euler("xyz", grid.offset, degrees=True)
    for _ in range(MOST_DRAWS // DRAWS):
        rotations = Rotation.from_quat(generator.normal(size=(DRAWS, 4)))
        yield from canonical((rotations if offset is None else offset * rotations).as_quat())


def canonical(quaternions: np.ndarray) -> np.ndarray:
    """Of the two quaternions of each rotation the one with w >= 0, (k, 4)."""
    return np.where(quaternions[..., 3:] < 0, -quaternions, quaternions)


def matrices(quaternions: np.ndarray) -> np.ndarray:
    """Rotation matrices, (k, 3, 3), of quaternions (k, 4), or one (3, 3) of one (4,)."""
    x, y, z, w = np.moveaxis(np.asarray(quaternions, float), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), (0, 1), (-2, -1))


def angles_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Angles in degrees by which rotations (k, 4) differ from others (m, 4): (k, m), 0 to 180."""
    # The arc sine of half the chord keeps small angles exact, which the arc cosine does not.
    cosines = np.clip(np.abs(first @ second.T), 0, 1)
    signs = np.where(first @ second.T < 0, -1.0, 1.0)
    chords = np.linalg.norm(first[:, None] - signs[:, :, None] * second[None], axis=2)
    halves = np.where(cosines > 0.9, 2 * np.arcsin(np.clip(chords / 2, 0, 1)), np.arccos(cosines))
    return np.degrees(2 * halves)


def distinct(positions: np.ndarray, quaternions: np.ndarray) -> np.ndarray:
    """Which rotations give a particle coordinates that none before them gave it.

    Only particles whose atoms stand on one line through the origin have rotations to lose.

    Args:
        positions: In Å, (n, 3).
        quaternions: (k, 4).

    Returns:
        (k,) truth values.
    """
    keep = np.ones(len(quaternions), np.bool_)
    # The second largest moment: squared distances from the best line through the origin, summed.
    if np.linalg.eigvalsh(positions.T @ positions)[1] > 1.0:
        return keep
    rotated = np.einsum("kij,nj->kni", matrices(quaternions), positions)
    seen: set[bytes] = set()
    for row, cells in enumerate(np.round(rotated / SAME_COORDINATES).astype(np.int64)):
        key = cells.tobytes()
        keep[row] = key not in seen
        seen.add(key)
    return keep


def quaternions(rotations: np.ndarray) -> np.ndarray:
    """Canonical quaternions, (k, 4), of rotation matrices (k, 3, 3)."""
    from scipy.spatial.transform import Rotation

    return canonical(Rotation.from_matrix(rotations).as_quat())


def multiply(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Quaternions of the rotations that turn by ``second``, then by ``first``; (..., 4) each."""
    axis_1, w_1 = first[..., :3], first[..., 3:]
    axis_2, w_2 = second[..., :3], second[..., 3:]
    axis = w_1 * axis_2 + w_2 * axis_1 + np.cross(axis_1, axis_2)
    w = w_1 * w_2 - (axis_1 * axis_2).sum(axis=-1, keepdims=True)
    return canonical(np.concatenate([axis, w], axis=-1))


def proper_rotations(numbers: np.ndarray, positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Rotations of a crystal's point group as Cartesian matrices, (k, 3, 3), k from 1 to 24.

    Args:
        numbers: Atomic numbers, (n,).
        positions: Cartesian, in Å, (n, 3).
        cell: Lattice vectors as rows, in Å, (3, 3).

    Returns:
        The identity alone where the symmetry search (moyopy) fails.
    """
    import moyopy

    logging.getLogger("moyo").setLevel(logging.ERROR)
    fractions = positions @ np.linalg.inv(cell)
    basis = moyopy.Cell(cell.tolist(), fractions.tolist(), numbers.tolist())
    try:
        rotations = np.array(
            moyopy.MoyoDataset(basis, symprec=SYMMETRY_PRECISION).operations.rotations
        )
    except ValueError:
        return np.eye(3)[None]
    rotations = np.unique(np.round(rotations).astype(np.int64), axis=0)
    # Fractional columns x' = W x are Cartesian columns r' = L W L^-1 r with L = cell.T.
    columns = cell.T
    turns = columns @ rotations[np.linalg.det(rotations) > 0] @ np.linalg.inv(columns)
    # The nearest rotation, for a cell that keeps its symmetry within a tolerance.
    left, _, right = np.linalg.svd(turns)
    return left @ right
