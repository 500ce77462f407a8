"""What a potential is: energies, forces and stresses of a batch of crystals.

======== ========= ======= ===============================================================
quantity shape     unit    meaning
======== ========= ======= ===============================================================
energies (N,)      eV      of the whole cell
forces   (M, 3)    eV/Å    minus the derivative of the energy by the Cartesian positions
stresses (N, 3, 3) eV/Å^3  derivative of the energy by a homogeneous strain, by the volume;
                           positive where the crystal would shrink (ASE's sign)
======== ========= ======= ===============================================================
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import metadata
from typing import Protocol

import numpy as np

from matscale.structures.table import StructureTable


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a potential says of the N crystals, M atoms, of a table; shapes and units above.

    Attributes:
        energies: In eV, (N,).
        forces: In eV/Å, (M, 3).
        stresses: In eV/Å^3, (N, 3, 3), symmetric.
        refused: Row -> why the potential has no answer; its numbers are NaN.
    """

    energies: np.ndarray
    forces: np.ndarray
    stresses: np.ndarray
    refused: dict[int, str] = field(default_factory=dict)

    @classmethod
    def refusing(cls, table: StructureTable, refused: dict[int, str]) -> Evaluation:
        """An evaluation that is NaN everywhere, to be filled where the potential answers."""
        return cls(
            np.full(len(table), np.nan),
            np.full((len(table.numbers), 3), np.nan),
            np.full((len(table), 3, 3), np.nan),
            refused,
        )

    def fill(self, table: StructureTable, rows: np.ndarray, part: Evaluation) -> None:
        """Write the evaluation of ``table[rows]`` into this one of ``table``."""
        self.energies[rows] = part.energies
        self.stresses[rows] = part.stresses
        chosen = np.zeros(len(table), np.bool_)
        chosen[rows] = True
        self.forces[np.repeat(chosen, table.n_atoms)] = part.forces
        self.refused.update({int(rows[row]): why for row, why in part.refused.items()})


class Potential(Protocol):
    """Anything that knows the energy of crystals.

    Attributes:
        name: As a user would write it, such as ``"chgnet"``.
        version: Of the package and the weights; with the name it is part of every cache key.
    """

    name: str
    version: str

    def evaluate(self, table: StructureTable) -> Evaluation:
        """Energies, forces and stresses of each crystal of a table."""
        ...


def package_version(package: str) -> str:
    """Version of an installed package by its name in the registry; "unknown" if it has none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"
