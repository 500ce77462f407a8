"""How alike a predictor's answers to one particle in several orientations are."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from matscale.metrics.scales import rotation_consistency
from matscale.tasks.particles.question import ParticleQuestion

MOST_ROTATIONS = 4
"""Answers a particle that are compared, which bounds the memory that they take."""

COLUMN = "rotation_consistency"
"""Of the per-sample scores, in Å."""


class Answers:
    """Answers by material and radius until all are in."""

    def __init__(self, question: ParticleQuestion) -> None:
        self._question = question
        self._found: dict[tuple[int, float], dict[int, np.ndarray]] = defaultdict(dict)

    def add(self, row: int, positions: np.ndarray) -> None:
        """Keep an answer, positions (n, 3) in Å, to the sample of a row."""
        material, radius, _ = self._question.key(row)
        kept = self._found[material, radius]
        if len(kept) < MOST_ROTATIONS:
            kept[row] = positions.astype(np.float32)

    def column(self) -> np.ndarray:
        """Mean aligned RMSD between the answers to a particle, on one sample of each, (n,) in Å.

        NaN on the other samples and where fewer than two answers can be compared.
        """
        values = np.full(len(self._question), np.nan)
        for kept in self._found.values():
            values[min(kept)] = rotation_consistency(list(kept.values())).mean
        return values
