"""A cube of the usual volume with the atoms anywhere: a lower bound for lattice errors."""

from __future__ import annotations

import numpy as np

from matscale.predictors.predictor import Told
from matscale.results.result import PredictorKind
from matscale.runtime.exact import settled
from matscale.structures.reading import Reading
from matscale.structures.table import StructureTable


class MeanCell:
    """Puts the atoms of the composition at random into a cube of the mean atomic volume.

    The volume per atom is the training crystals' mean. Positions are uniform; an atom that falls
    within 0.5 Å (or 0.3 mean spacings, if that is less) of an earlier one is drawn again, so that
    the answer is a readable structure.
    """

    name = "mean_cell"
    kind: PredictorKind = "floor"
    told: tuple[str, ...] = ("composition",)

    def __init__(self, train: StructureTable, seed: int) -> None:
        self._volume_per_atom = float(settled((train.volumes / train.n_atoms).mean()))
        self._seed = seed

    def predict(self, told: Told) -> Reading:
        """One cube a sample."""
        generator = np.random.default_rng(self._seed)
        numbers, positions, cells = [], [], []
        for cell in told.fields["composition"]:
            elements = np.repeat([z for z, _ in cell], [count for _, count in cell])
            edge = float(settled((self._volume_per_atom * len(elements)) ** (1 / 3)))
            numbers.append(elements)
            apart = min(0.5, 0.3 * self._volume_per_atom ** (1 / 3))
            positions.append(edge * _scattered(len(elements), apart / edge, generator))
            cells.append(edge * np.eye(3))
        table = StructureTable.from_parts(list(told.ids), numbers, positions, cells)
        return Reading(table, np.arange(len(told.ids)))


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
