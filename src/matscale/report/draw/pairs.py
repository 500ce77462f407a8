"""Crystals side by side in 3D: for tasks that have pairs to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matscale.report.draw.crystals import elements
from matscale.report.parts.part import Made

TEMPLATE = "matscale.report:templates/pairs.html.j2"
JS = ("matscale.report:assets/turning.js", "matscale.report:assets/viewer.js")


@dataclass(frozen=True)
class Cases:
    """Pairs of one model, or why there are none.

    Attributes:
        name: The model.
        cases: What the viewer draws.
        problem: Why there are no cases, in a sentence.
        sides: What is drawn on the left and on the right.
        about: What the cases are, for the sentence above them.
        named: Which of the two a button is called after.
    """

    name: str
    cases: tuple[dict[str, Any], ...]
    problem: str
    sides: tuple[str, str] = ("target", "predicted")
    about: str = ""
    named: str = "target"


@dataclass(frozen=True)
class Pairs:
    """The cases of all models."""

    models: tuple[Cases, ...]

    @property
    def embedded(self) -> dict[str, Any]:
        """Cells of all models with the elements that they contain, for the viewer."""
        models = {one.name: list(one.cases) for one in self.models if one.cases}
        pairs = [case for cases in models.values() for case in cases]
        views = [case[side] for case in pairs for side in ("target", "predicted")]
        return {"models": models, "elements": elements(views)}


def made(cases: Sequence[Cases]) -> Made | None:
    """A block of the cases; None where there is no model."""
    return Made(Pairs(tuple(cases))) if cases else None
