"""Ceilings: what is attainable."""

from __future__ import annotations

import numpy as np

from matscale.predictors.predictor import Told
from matscale.results.result import PredictorKind
from matscale.structures.reading import Reading
from matscale.structures.table import StructureTable


class Target:
    """Answers with the target itself: what is attainable, and a guard that the scorer is right."""

    name = "target"
    kind: PredictorKind = "ceiling"
    told: tuple[str, ...] = ("cell", "positions")

    def __init__(self, targets: StructureTable) -> None:
        self._targets = targets

    def predict(self, told: Told) -> Reading:
        """The targets, whatever is told."""
        return Reading(self._targets.with_ids(told.ids), np.arange(len(self._targets)))
