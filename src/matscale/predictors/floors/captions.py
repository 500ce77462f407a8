"""Floors of perception: answers about a figure that nobody has looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from matscale.figures.blind import Rule, longest, medoid
from matscale.figures.items import LABELS
from matscale.predictors.predictor import Seed, Told, one_each
from matscale.results.result import PredictorKind

Form = Literal["mcq", "open"]


class Chance:
    """Picks every option alike; an answer is the chance with which each is picked, (4,)."""

    name = "chance"
    kind: PredictorKind = "floor"
    told: tuple[str, ...] = ()
    form: Form = "mcq"

    def predict(self, told: Told, candidates: int = 1, seed: Seed = 0) -> Sequence[Any]:
        """The same chance for all options."""
        chances = [np.full(len(LABELS), 1 / len(LABELS)) for _ in told]
        return one_each(chances, candidates)


class _ByRule:
    """Picks by a rule that sees the captions alone; ties are shared out."""

    kind: PredictorKind = "floor"
    told: tuple[str, ...] = ("options",)
    form: Form = "mcq"
    rule: Rule

    def predict(self, told: Told, candidates: int = 1, seed: Seed = 0) -> Sequence[Any]:
        """The chance with which each option is picked, (4,)."""
        return one_each((type(self).rule(each) for each in told.column("options")), candidates)


class Medoid(_ByRule):
    """The option most similar to the others."""

    name = "medoid"
    rule = staticmethod(medoid)


class Longest(_ByRule):
    """The option with most characters."""

    name = "longest"
    rule = staticmethod(longest)


class Caption:
    """Hands in the caption as the description."""

    name = "caption"
    kind: PredictorKind = "floor"
    told: tuple[str, ...] = ("caption",)
    form: Form = "open"

    def predict(self, told: Told, candidates: int = 1, seed: Seed = 0) -> Sequence[Any]:
        """The captions."""
        return one_each(told.column("caption"), candidates)


class Foreign:
    """Hands in another paper's paragraph, which is all that it is told: nothing of the figure."""

    name = "foreign"
    kind: PredictorKind = "floor"
    told: tuple[str, ...] = ("another_paragraph",)
    form: Form = "open"

    def predict(self, told: Told, candidates: int = 1, seed: Seed = 0) -> Sequence[Any]:
        """The paragraphs; None where there is no other paper."""
        return one_each(told.column("another_paragraph"), candidates)
