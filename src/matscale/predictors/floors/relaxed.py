"""Relax the nearest substituted crystals and keep the one of lowest energy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from matscale.energy.potentials import DEFAULT, Potential, potential
from matscale.energy.relax import relax
from matscale.predictors.floors.substitution import Substitution
from matscale.predictors.predictor import Seed, Told
from matscale.runtime.errors import Refused
from matscale.runtime.exact import settled
from matscale.structures.table import StructureTable

TEMPLATES = 5
"""Substituted crystals that are relaxed for each composition, if no more candidates are wanted."""


class SubstitutionRelaxed(Substitution):
    """Of the nearest substituted crystals, relaxed, that of the lowest energy for each atom.

    Of energies that are equal to a millionth of an eV that of the nearest template comes first;
    those that exploded or failed come last, as they were. It is not among the floors of a run, for
    it needs the extra ``energy`` and seconds for each answer: score it as an object.

    Args:
        by: A potential, or its name as for :func:`matscale.energy.potentials.potential`.

    Raises:
        UserError: If the potential is not installed.
    """

    name = "substitution_relaxed"

    def __init__(self, by: str | Potential = DEFAULT) -> None:
        self._potential = potential(by) if isinstance(by, str) else by

    def predict(self, told: Told, candidates: int = 1, seed: Seed = 0) -> Sequence[Any]:
        """Relaxed crystals, the lowest in energy first."""
        nearest = super().predict(told, max(TEMPLATES, candidates), seed)
        owners = [place for place, some in enumerate(nearest) if not isinstance(some, Refused)]
        tables = [StructureTable.concatenate(nearest[place]) for place in owners]
        relaxed = relax(StructureTable.concatenate(tables), self._potential)
        answers, start = list(nearest), 0
        for place, table in zip(owners, tables, strict=True):
            rows = np.arange(start, start + len(table))
            per_atom = settled(relaxed.energies[rows] / table.n_atoms)
            order = rows[np.argsort(per_atom, kind="stable")]  # NaN last
            answers[place] = [relaxed.table[row] for row in order[:candidates].tolist()]
            start += len(table)
        if candidates > 1:
            return answers
        return [one if isinstance(one, Refused) else one[0] for one in answers]
