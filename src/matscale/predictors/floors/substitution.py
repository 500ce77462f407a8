"""Copy the training crystal whose elements are most alike and swap the elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matscale.predictors.floors.templates import (
    families,
    family_of,
    fitted_volumes,
    ordered,
    substituted,
)
from matscale.predictors.predictor import Seed, Told
from matscale.predictors.training import Training
from matscale.results.result import PredictorKind
from matscale.runtime.errors import Refused
from matscale.structures.chemistry import Composition
from matscale.structures.table import StructureTable


class Substitution:
    """The nearest training crystal of the same anonymous formula, with the elements replaced.

    Cells with as many atoms as asked come first; which of them is nearest, and what parts ties,
    says :func:`matscale.predictors.floors.templates.ordered`. The volume is the template's times
    the ratio of the atoms' volumes, which are fitted to the training crystals
    (:func:`matscale.predictors.floors.templates.fitted_volumes`). A template of the very
    composition that is asked is answered as it is.
    """

    name = "substitution"
    kind: PredictorKind = "floor"
    told: tuple[str, ...] = ("composition",)

    def fit(self, training: Training) -> None:
        """Sort the training crystals by anonymous formula and fit volumes of atoms."""
        self._crystals = training.crystals
        self._families = families(self._crystals)
        self._volumes = fitted_volumes(self._crystals)

    def predict(self, told: Told, candidates: int = 1, seed: Seed = 0) -> Sequence[Any]:
        """Substituted crystals; refused where no training crystal has the formula."""
        answers = [self._answers(asked, candidates) for asked in told.column("composition")]
        if candidates > 1:
            return answers
        return [each if isinstance(each, Refused) else each[0] for each in answers]

    def _answers(self, asked: Composition, candidates: int) -> list[StructureTable] | Refused:
        """Crystals made of the nearest templates, nearest first, or why there are none."""
        family = family_of(self._families, asked)
        if isinstance(family, Refused):
            return family
        order = ordered(family, asked)
        return [
            substituted(
                self._crystals[int(family.rows[member])],
                family.elements[member].tolist(),
                elements.tolist(),
                self._volumes,
            )
            for member, elements in zip(
                order.members[:candidates], order.elements[:candidates], strict=True
            )
        ]
