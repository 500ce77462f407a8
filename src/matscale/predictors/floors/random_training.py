"""A training structure at random: the unconditional floor."""

from __future__ import annotations

import numpy as np

from matscale.predictors.predictor import Told
from matscale.results.result import PredictorKind
from matscale.structures.reading import Reading
from matscale.structures.table import StructureTable


class RandomTraining:
    """Answers every sample with a training structure drawn uniformly, with replacement."""

    name = "random_training"
    kind: PredictorKind = "floor"
    told: tuple[str, ...] = ()

    def __init__(self, train: StructureTable, seed: int) -> None:
        self._train = train
        self._seed = seed

    def predict(self, told: Told) -> Reading:
        """One training structure a sample."""
        generator = np.random.default_rng(self._seed)
        rows = generator.integers(0, len(self._train), len(told.ids))
        return Reading(self._train[rows].with_ids(told.ids), np.arange(len(told.ids)))
