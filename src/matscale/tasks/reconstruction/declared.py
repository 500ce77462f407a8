"""Whether answers refute what a model is declared to have been told."""

from __future__ import annotations

from collections import Counter

import numpy as np

from matscale.results.result import Predictor
from matscale.structures import chemistry
from matscale.structures.table import StructureTable
from matscale.tasks import refuted as shared

TELL_COMPOSITION = frozenset({"composition", "positions"})
"""Fields with which the composition is known."""


def commonest_share(targets: StructureTable, asked: int) -> float:
    """Share of the ids asked for whose target has the commonest reduced composition.

    Answers that know nothing of their targets cannot hope to be right in more.
    """
    rows = range(len(targets))
    found = Counter(
        chemistry.reduced(chemistry.composition(targets.row_numbers(row))) for row in rows
    )
    return max(found.values(), default=0) / max(asked, 1)


def refutation(
    predictor: Predictor, right: np.ndarray, commonest: float, by_chance: float | None
) -> str | None:
    """What the answers say against a declaration, one sentence; None where nothing does.

    A model that was told a cell, a volume or a property may guess half of the compositions by
    looking up crystals that are alike in it.

    Args:
        predictor: A model.
        right: Which of its answers have the target's composition, (n,) bool.
        commonest: Share of the commonest composition among the targets.
        by_chance: Share that training crystals drawn at random have right; None without training.
    """
    if predictor.told is None or TELL_COMPOSITION & set(predictor.told):
        return None
    beside = (
        f"where the commonest one is that of {100 * commonest:.0f} %"
        if by_chance is None
        else f"where random training crystals get {100 * by_chance:.0f} %"
    )
    return shared.refutation(
        predictor.told,
        right,
        max(commonest, shared.MOST_GUESSED) if predictor.told else commonest,
        answers="compositions",
        beside=f", {beside}",
        leak="the ids leak",
    )
