"""What a predictor of the particle tasks is, what it learns from, and what it is told.

A model of your own is an object with ``fit`` and ``predict``::

    class Model:
        name = "my-model"

        def fit(self, training: Training) -> None:
            example = training[0]  # example.positions, example.lattice, example.space_group ...

        def predict(self, told: Sequence[Told]) -> list:
            return [answer(one["numbers"], one["positions"]) for one in told]

What is told are plain numbers and arrays of the model's own: no ids, no set, no target. Test
samples come in an order drawn by seed, so that neither says which material it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from matscale.datasets.particles import ParticleSet, Samples
from matscale.structures.table import StructureTable

Told = Mapping[str, Any]
"""Field name to a number or an array; see :data:`PARTICLE_FIELDS`."""

PARTICLE_FIELDS: Mapping[str, str] = {
    "numbers": "atomic numbers: of the unit cell (crystal-to-particle) or of the particle",
    "fractional": "fractional coordinates of the unit cell's atoms, (n, 3)",
    "lattice": "lattice vectors of the unit cell as rows in Å, (3, 3)",
    "radius": "radius of the particle in Å",
    "positions": "positions of the particle's atoms in Å, (m, 3)",
    "particle_numbers": "atomic numbers of the particle, (m,)",
    "rotation": "rotation matrix of the particle, (3, 3)",
}
"""What a sample of either task can tell."""


@dataclass(frozen=True)
class Example:
    """A training sample: told and asked of both tasks.

    Attributes:
        cell_numbers: Atomic numbers of the unit cell, (n,).
        fractional: Fractional coordinates of its atoms, (n, 3).
        lattice: Lattice vectors as rows in Å, (3, 3).
        space_group: Number, 1 to 230.
        radius: Of the particle in Å.
        numbers: Atomic numbers of the particle, (m,).
        positions: Of its atoms in Å, (m, 3).
    """

    cell_numbers: np.ndarray
    fractional: np.ndarray
    lattice: np.ndarray
    space_group: int
    radius: float
    numbers: np.ndarray
    positions: np.ndarray


@dataclass(frozen=True, eq=False)
class Training(Sequence[Example]):
    """The training samples, each made when it is asked for; nothing of the test samples.

    Attributes:
        particles: A set of training materials, radii and rotations alone.
        samples: Which particles there are.
        space_groups: Number of each material's space group, (N,).
        shuffle: Seed of an order of each example's atoms that says nothing, as that of the
            particles that are told; None for the order in which they were cut.
    """

    particles: ParticleSet
    samples: Samples
    space_groups: np.ndarray
    shuffle: int | None = None

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: Any) -> Any:
        """One example, or a list of them for a slice."""
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"training sample {index} of {len(self)}")
        row = int(self.samples.material[index])
        radius = float(self.samples.radius[index])
        numbers, positions = self.particles.particle(row, radius, int(self.samples.rotation[index]))
        order: Any = slice(None)
        if self.shuffle is not None:
            order = telling_nothing(len(numbers), (self.shuffle, index % len(self)))
        return Example(
            *unit_cell(self.particles.materials, row),
            int(self.space_groups[row]),
            radius,
            numbers[order].copy(),
            positions[order].copy(),
        )


def telling_nothing(atoms: int, seed: Sequence[int]) -> np.ndarray:
    """An order of a particle's atoms that says nothing of its crystal, (atoms,).

    A particle is cut cell by cell, so that atoms that follow each other are lattice vectors apart:
    in that order the commonest difference of positions is the answer of particle-to-crystal.
    """
    return np.random.default_rng(list(seed)).permutation(atoms)


def unit_cell(materials: StructureTable, row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Copies of a material's numbers (n,), fractional coordinates (n, 3), lattice (3, 3) in Å."""
    lattice = materials.lattices[row].copy()
    fractional = materials.row_positions(row) @ np.linalg.inv(lattice)
    return materials.row_numbers(row).copy(), fractional, lattice


class ParticlePredictor(Protocol):
    """Anything that answers one of the particle tasks.

    Two more attributes are looked at where they exist: ``told``, names of
    :data:`PARTICLE_FIELDS`, by default what the task tells; and ``kind``, by default ``"model"``.

    Attributes:
        name: Short name for tables and files.
    """

    name: str

    def fit(self, training: Training) -> None:
        """Learn; called once, before anything is asked."""

    def predict(self, told: Sequence[Told]) -> Sequence[Any]:
        """Answer samples, in order; None where there is no answer.

        Returns:
            For crystal-to-particle pairs of atomic numbers (n,) and positions (n, 3) in Å. For
            particle-to-crystal pairs of six lattice parameters in Å and degrees, or lattice
            vectors (3, 3) as rows, and the number of the space group.
        """
