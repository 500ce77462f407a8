"""Floors that answer with a crystal of the right size, or with any crystal of training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from matscale.predictors.predictor import Seed, Told
from matscale.predictors.training import Training
from matscale.results.result import PredictorKind
from matscale.runtime.exact import settled
from matscale.structures.chemistry import Composition
from matscale.structures.table import StructureTable


class RandomTraining:
    """A training structure drawn uniformly, with replacement: the unconditional floor.

    The candidates for one sample are all different. The first is the same however many there are.
    """

    name = "random_training"
    kind: PredictorKind = "floor"
    told: tuple[str, ...] = ()

    def fit(self, training: Training) -> None:
        """Remember the training crystals."""
        self._crystals = training.crystals

    def predict(self, told: Told, candidates: int = 1, seed: Seed = 0) -> Sequence[Any]:
        """Training structures."""
        generator = np.random.default_rng(seed)
        first = generator.integers(0, len(self._crystals), len(told))
        if candidates == 1:
            return rows(self._crystals[first])
        return [rows(self._crystals[self._drawn(row, candidates, generator)]) for row in first]

    def _drawn(self, first: int, candidates: int, generator: np.random.Generator) -> np.ndarray:
        others = generator.permutation(len(self._crystals))
        return np.array([first, *others[others != first][: candidates - 1]])


class MeanCell:
    """A cube of the usual volume with the atoms anywhere: a lower bound for lattice errors.

    The volume per atom is the training crystals' mean. Positions are uniform; an atom that falls
    within 0.5 Å (or 0.3 mean spacings, if that is less) of an earlier one is drawn again, so that
    the answer is a readable structure. The first candidate is the same however many there are.
    """

    name = "mean_cell"
    kind: PredictorKind = "floor"
    told: tuple[str, ...] = ("composition",)

    def fit(self, training: Training) -> None:
        """Take the mean volume per atom."""
        table = training.crystals
        self._volume_per_atom = float(settled((table.volumes / table.n_atoms).mean()))

    def predict(self, told: Told, candidates: int = 1, seed: Seed = 0) -> Sequence[Any]:
        """Cubes."""
        generator = np.random.default_rng(seed)
        drawn = [
            [self._cube(composition, generator) for composition in told.column("composition")]
            for _ in range(candidates)
        ]
        return drawn[0] if candidates == 1 else list(zip(*drawn, strict=True))

    def _cube(self, composition: Composition, generator: np.random.Generator) -> StructureTable:
        numbers = np.repeat([z for z, _ in composition], [count for _, count in composition])
        edge = float(settled((self._volume_per_atom * len(numbers)) ** (1 / 3)))
        apart = min(0.5, 0.3 * self._volume_per_atom ** (1 / 3))
        positions = edge * _scattered(len(numbers), apart / edge, generator)
        return StructureTable.from_parts([""], [numbers], [positions], [edge * np.eye(3)])


def rows(table: StructureTable) -> list[StructureTable]:
    """The rows of a table as tables of one row."""
    return [table[row] for row in range(len(table))]


def _scattered(n: int, apart: float, generator: np.random.Generator) -> np.ndarray:
    """Return n points (n, 3) in the unit cube, uniform but for a least periodic distance."""
    points = np.empty((0, 3))
    while len(points) < n:
        point = generator.random(3)
        offsets = points - point
        offsets -= np.round(offsets)
        if not (np.linalg.norm(offsets, axis=1) < apart).any():
            points = np.vstack([points, point])
    return points
