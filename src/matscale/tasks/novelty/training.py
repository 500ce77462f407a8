"""The training crystals, described once for all that is compared with them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from matscale.matching.described import Description, describe
from matscale.matching.wyckoff.positions import WyckoffTable, symmetry_of
from matscale.structures.table import StructureTable
from matscale.tasks.novelty.distances import element_profiles
from matscale.tasks.novelty.stages import Stages


@dataclass(frozen=True)
class Described:
    """Crystals in primitive, Niggli-reduced cells, with symmetry and fingerprints.

    Attributes:
        cells: Reduced crystals and average minimum distances; says which given crystals have none.
        symmetry: Wyckoff positions of the reduced crystals.
    """

    cells: Description
    symmetry: WyckoffTable

    @property
    def table(self) -> StructureTable:
        """The reduced crystals."""
        return self.cells.table

    @cached_property
    def profiles(self) -> np.ndarray:
        """Element profiles of the reduced crystals, (N, 103)."""
        return element_profiles(self.table)

    @cached_property
    def prototypes(self) -> frozenset[str]:
        """Prototypes that occur: space group and occupied Wyckoff positions."""
        return frozenset(self.symmetry.sequences[~self.symmetry.failed].tolist())

    @property
    def notes(self) -> tuple[str, ...]:
        """What is missing, one sentence each."""
        notes = []
        lost = Counter(reason for reason in self.cells.reasons.tolist() if reason)
        if lost:
            reasons = ", ".join(f"{count} {why}" for why, count in lost.most_common())
            notes.append(f"Training crystals that cannot be compared: {reasons}.")
        failed = int(self.symmetry.failed.sum())
        if failed:
            notes.append(
                f"Symmetry is not found for {failed} training crystals: they are not Wyckoff "
                "candidates."
            )
        return tuple(notes)


def described(table: StructureTable, stages: Stages, *, label: str) -> Described:
    """Reduce crystals; find symmetry and fingerprints."""
    cells = describe(table, stages.memory, label=f"reducing {label}", distributions=False)
    symmetry = symmetry_of(
        cells.table,
        symprec=stages.settings.symprec,
        memory=stages.memory,
        label=f"symmetry of {label}",
    )
    return Described(cells, symmetry)
