"""What a predictor learns from: examples of what is told and of the right answer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from matscale.datasets.particles import ParticleSet, Samples
from matscale.predictors.predictor import CRYSTAL_FIELDS
from matscale.runtime.errors import Refused, UserError
from matscale.structures import chemistry
from matscale.structures.rotations import matrices
from matscale.structures.symmetry import space_group
from matscale.structures.table import StructureTable


class Training(Sequence[Any]):
    """Training samples, each made when it is asked for; nothing of the test samples.

    Every example has ``told``, a mapping of field to value as a sample that is asked, and
    ``answer``, as the task takes it.
    """

    @property
    @abstractmethod
    def crystals(self) -> StructureTable:
        """The crystals that the examples are of, each once."""

    @abstractmethod
    def only(self, fields: Sequence[str]) -> Training:
        """The same examples, of which these fields are told.

        Raises:
            UserError: If a field is not known of any example.
        """

    @abstractmethod
    def example(self, row: int) -> Any:
        """One example, by its place from 0."""

    def __getitem__(self, index: Any) -> Any:
        """One example, or a list of them for a slice."""
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"training sample {index} of {len(self)}")
        return self.example(index % len(self))


# --- crystals ----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class CrystalExample:
    """A training crystal.

    Attributes:
        told: Keys of :data:`CRYSTAL_FIELDS` to values.
        answer: The crystal, a table of one row.
    """

    told: Mapping[str, Any]
    answer: StructureTable


@dataclass(frozen=True, eq=False)
class CrystalTraining(Training):
    """Training crystals.

    Attributes:
        table: The crystals.
        properties: Values by property and id, such as ``tc`` in K; of these crystals alone.
        fields: What examples tell.
    """

    table: StructureTable
    properties: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    fields: tuple[str, ...] = ("composition",)

    @property
    def crystals(self) -> StructureTable:
        """The training crystals."""
        return self.table

    def __len__(self) -> int:
        return len(self.table)

    def only(self, fields: Sequence[str]) -> CrystalTraining:
        """The examples of which all these fields are known."""
        needed = [self.properties.get(name, {}) for name in fields if name in PROPERTIES]
        ids = self.table.ids.tolist()
        known = np.array([all(name in values for values in needed) for name in ids], dtype=bool)
        if needed and not known.any():
            names = " and ".join(name for name in fields if name in PROPERTIES)
            raise UserError(
                f"the training set has no {names} of its crystals, which the predictor is to be "
                "told; give a training set that has, or a predictor that is told less"
            )
        table = self.table if known.all() else self.table[known]
        return CrystalTraining(table, self.properties, tuple(fields))

    def example(self, row: int) -> CrystalExample:
        """One training crystal."""
        told = crystal_fields(self.table, row, self.fields, self.properties)
        return CrystalExample(told, self.table[row])


PROPERTIES = frozenset({"tc"})
"""Fields that a dataset has or has not; all others are found from the crystal."""


def crystal_fields(
    table: StructureTable,
    row: int,
    fields: Sequence[str],
    properties: Mapping[str, Mapping[str, float]],
) -> dict[str, Any]:
    """What is told of a crystal, as values that are the predictor's own.

    Args:
        table: Holds the crystal.
        row: Of the crystal.
        fields: Keys of :data:`CRYSTAL_FIELDS`.
        properties: Values by property and id.

    Raises:
        Refused: If a field is not known of this crystal.
    """
    return {name: _crystal_field(table, row, name, properties) for name in fields}


def _crystal_field(
    table: StructureTable, row: int, name: str, properties: Mapping[str, Mapping[str, float]]
) -> Any:
    if name in PROPERTIES:
        values, identifier = properties.get(name, {}), str(table.ids[row])
        if identifier not in values:
            raise Refused(NOT_KNOWN, f"the dataset has no {name} of {identifier}")
        return values[identifier]
    numbers, positions = table.row_numbers(row), table.row_positions(row)
    cell = table.lattices[row]
    if name == "composition":
        return chemistry.composition(numbers)
    if name == "space_group":
        group = space_group(numbers, positions, cell)
        if not group:
            raise Refused(NOT_KNOWN, f"no space group is found of {table.ids[row]}")
        return group
    if name == "volume":
        return float(abs(np.linalg.det(cell)))
    if name == "cell":
        return cell.copy()
    if name == "positions":
        return numbers.copy(), positions.copy()
    raise KeyError(f"{name} is none of {', '.join(CRYSTAL_FIELDS)}")


NOT_KNOWN = "field not known"
"""Reason of a sample that cannot be asked because what is to be told of it is not known."""


# --- particles ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Example:
    """A training particle: told and asked of both tasks that are about particles.

    Attributes:
        cell_numbers: Atomic numbers of the unit cell, (n,).
        fractional: Fractional coordinates of its atoms, (n, 3).
        lattice: Lattice vectors as rows in Å, (3, 3).
        space_group: Number, 1 to 230.
        radius: Of the particle in Å.
        numbers: Atomic numbers of the particle, (m,).
        positions: Of its atoms in Å, (m, 3).
        rotation: Rotation matrix of the particle, (3, 3).
        cell_is_asked: Whether the particle is told and the cell is asked for, or the other way.
        fields: What is told of what can be.
    """

    cell_numbers: np.ndarray
    fractional: np.ndarray
    lattice: np.ndarray
    space_group: int
    radius: float
    numbers: np.ndarray
    positions: np.ndarray
    rotation: np.ndarray
    cell_is_asked: bool = False
    fields: tuple[str, ...] | None = None

    @property
    def told(self) -> Mapping[str, Any]:
        """What a predictor sees, by field."""
        known = {
            "numbers": self.numbers if self.cell_is_asked else self.cell_numbers,
            "fractional": self.fractional,
            "lattice": self.lattice,
            "radius": self.radius,
            "positions": self.positions,
            "particle_numbers": self.numbers,
            "rotation": self.rotation,
        }
        usual = ("numbers", "positions") if self.cell_is_asked else tuple(known)[:4]
        return {name: known[name] for name in (usual if self.fields is None else self.fields)}

    @property
    def answer(self) -> tuple[Any, Any]:
        """Lattice vectors and space group, or atomic numbers and positions of the particle."""
        if self.cell_is_asked:
            return self.lattice, self.space_group
        return self.numbers, self.positions


@dataclass(frozen=True, eq=False)
class ParticleTraining(Training):
    """The training particles of a set.

    Attributes:
        particles: A set of training materials, radii and rotations alone.
        samples: Which particles there are.
        space_groups: Number of each material's space group, (N,).
        shuffle: Where cells are asked for, the seed of an order of each example's atoms that says
            nothing, as that of the particles that are told; None where particles are asked for,
            whose atoms stand in the order in which they were cut.
        fields: What examples tell; None for what the task tells.
    """

    particles: ParticleSet
    samples: Samples
    space_groups: np.ndarray
    shuffle: int | None = None
    fields: tuple[str, ...] | None = None

    @property
    def crystals(self) -> StructureTable:
        """Unit cells of the training materials."""
        return self.particles.materials

    def __len__(self) -> int:
        return len(self.samples)

    def only(self, fields: Sequence[str]) -> ParticleTraining:
        """The same particles, of which these fields are told."""
        return ParticleTraining(
            self.particles, self.samples, self.space_groups, self.shuffle, tuple(fields)
        )

    def example(self, row: int) -> Example:
        """One particle and its unit cell."""
        material = int(self.samples.material[row])
        radius = float(self.samples.radius[row])
        rotation = int(self.samples.rotation[row])
        numbers, positions = self.particles.particle(material, radius, rotation)
        order: Any = slice(None)
        if self.shuffle is not None:
            order = telling_nothing(len(numbers), (self.shuffle, row))
        return Example(
            *unit_cell(self.particles.materials, material),
            int(self.space_groups[material]),
            radius,
            numbers[order].copy(),
            positions[order].copy(),
            self._rotation(radius, rotation),
            self.shuffle is not None,
            self.fields,
        )

    def _rotation(self, radius: float, number: int) -> np.ndarray:
        """Rotation matrix (3, 3); rotation 0 is the particle as it was cut."""
        if number == 0:
            return np.eye(3)
        turns = self.particles.rotations(self.particles.split_of(radius), radius)
        return np.asarray(matrices(turns[number - 1]))


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
