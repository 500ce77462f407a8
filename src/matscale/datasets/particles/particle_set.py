"""Particles of the crystal-to-particle benchmarks: few are stored, many are read.

A set holds the unit cells of its materials, one large particle a material, and the rotations.
Each particle of the benchmark is made when it is asked for: the atoms of the large one within a
radius, rotated.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from matscale.datasets.particles.published import SPLITS, Radii
from matscale.runtime.errors import UserError
from matscale.runtime.exact import in_basis, settled
from matscale.structures.carving import TOLERANCE
from matscale.structures.rotations import distinct, matrices
from matscale.structures.table import StructureTable

SPLIT_BY = ("radius", "material")
"""By radius: every material is in training, as published. By material: test materials are in no
training sample, and neither is a crystal of the same prototype and composition."""


@dataclass(frozen=True)
class Samples:
    """Which particles make up a split, n of them.

    Attributes:
        material: Row of the set's materials, (n,).
        radius: In Å, (n,).
        rotation: Number of the rotation, from 1, as in the names of the authors' files, where 0
            is the particle as it was cut; (n,).
    """

    material: np.ndarray
    radius: np.ndarray
    rotation: np.ndarray

    def __len__(self) -> int:
        return len(self.material)

    def __getitem__(self, rows: slice | np.ndarray) -> Samples:
        return Samples(self.material[rows], self.radius[rows], self.rotation[rows])


@dataclass(frozen=True, eq=False)
class ParticleSet:
    """Materials, particles and rotations.

    Attributes:
        name: Of the set, such as ``perov-h3``.
        materials: Unit cells under the materials' names; the column ``held_out`` says which ones
            are test materials of the split by material.
        particles: Particles as stored, each with the columns ``material``, a row of ``materials``,
            ``radius`` in Å, and ``least``: for radii from there on up to its own, its atoms
            within such a radius are the particle.
        radii: Radii of each split in Å.
        quaternions: Rotations by split and radius, (k, 4) each; see
            :mod:`matscale.structures.rotations`.
        facts: What is known of how the set was made.
    """

    name: str
    materials: StructureTable
    particles: StructureTable
    radii: Radii
    quaternions: Mapping[tuple[str, float], np.ndarray]
    facts: Mapping[str, object] = field(default_factory=dict)

    # --- what there is -------------------------------------------------------------------

    def row(self, material: int | str) -> int:
        """Row of a material, given as such or by its name.

        Raises:
            UserError: If there is no such material.
        """
        if isinstance(material, str):
            if material not in self._rows:
                near = difflib.get_close_matches(material, self._rows, n=3) or list(self._rows)[:3]
                raise UserError(
                    f"{self.name} has no material {material!r} among its {len(self.materials)}; "
                    f"there is {', '.join(near)}"
                )
            return self._rows[material]
        if not 0 <= material < len(self.materials):
            raise UserError(f"{self.name} has {len(self.materials)} materials, not {material + 1}")
        return int(material)

    def split_of(self, radius: float) -> str:
        """The split that a radius in Å belongs to.

        Raises:
            UserError: If it belongs to none.
        """
        for split, radii in self.radii.items():
            if radius in radii:
                return split
        known = ", ".join(
            f"{known_radius:g}" for known_radius in sorted(sum(map(tuple, self.radii.values()), ()))
        )
        raise UserError(f"{self.name} has no radius {radius:g} Å; it has {known}")

    def rotations(self, split: str, radius: float) -> np.ndarray:
        """Quaternions (k, 4) of the particles of a radius; rotation number i is row i - 1.

        Raises:
            UserError: If the split has no such radius.
        """
        if (split, radius) not in self.quaternions:
            raise UserError(f"{self.name} has no rotations for {split} at {radius:g} Å")
        return self.quaternions[split, radius]

    # --- particles -----------------------------------------------------------------------

    def base(self, material: int | str, radius: float) -> StructureTable:
        """A particle as it was cut, before any rotation: a table of one row."""
        row = self.row(material)
        numbers, positions = self._cut(row, radius)
        return StructureTable.from_parts(
            [str(self.materials.ids[row])],
            [numbers],
            [positions],
            None,
            {"radius": np.array([float(radius)])},
        )

    def particle(
        self, material: int | str, radius: float, rotation: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """One particle.

        Args:
            material: Row or name.
            radius: In Å, of any split.
            rotation: Number from 1; 0 for the particle as it was cut.

        Returns:
            Atomic numbers (n,), and positions (n, 3) in Å, which may be a view of the set's own.

        Raises:
            UserError: If there is no such particle.
        """
        numbers, positions = self._cut(self.row(material), radius)
        if rotation == 0:
            return numbers, positions
        rotations = self.rotations(self.split_of(radius), radius)
        if not 1 <= rotation <= len(rotations):
            raise UserError(
                f"there is no rotation {rotation} at {radius:g} Å; there are {len(rotations)}"
            )
        return numbers, in_basis(positions, matrices(rotations[rotation - 1]).T)

    def _cut(self, row: int, radius: float) -> tuple[np.ndarray, np.ndarray]:
        """Numbers and positions of a material's particle of a radius."""
        serving = self._serving(row, radius)
        if serving is None:
            raise UserError(
                f"{self.name} has no particle of {self.materials.ids[row]} with {radius:g} Å"
            )
        numbers, positions = (
            self.particles.row_numbers(serving),
            self.particles.row_positions(serving),
        )
        if self.particles.columns["radius"][serving] == radius:
            return numbers, positions
        atoms = slice(self.particles.offsets[serving], self.particles.offsets[serving + 1])
        inside = self._squares[atoms] <= (radius + TOLERANCE) ** 2
        return numbers[inside], positions[inside]

    def _serving(self, row: int, radius: float) -> int | None:
        """The smallest stored particle of a material from which one of a radius can be had."""
        sizes, least = self.particles.columns["radius"], self.particles.columns["least"]
        places = self._stored[row]
        return next((at for at in places if least[at] <= radius <= sizes[at] and radius > 0), None)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {str(name): row for row, name in enumerate(self.materials.ids)}

    @cached_property
    def _stored(self) -> list[list[int]]:
        """Stored particles of each material, by rising radius."""
        stored: list[list[int]] = [[] for _ in range(len(self.materials))]
        for particle in np.argsort(self.particles.columns["radius"], kind="stable").tolist():
            stored[self.particles.columns["material"][particle]].append(particle)
        return stored

    @cached_property
    def _squares(self) -> np.ndarray:
        """Squared distance of each stored atom from the centre, in Å^2."""
        return np.einsum("ni,ni->n", self.particles.positions, self.particles.positions)

    # --- samples -------------------------------------------------------------------------

    def samples(self, split: str, by: str = "radius") -> Samples:
        """The particles of a split, by material, then radius, then rotation.

        Args:
            split: ``train``, ``id`` or ``ood``.
            by: ``radius`` for all materials, as published; ``material`` for training materials in
                ``train`` and the held-out ones in ``id`` and ``ood``.

        Raises:
            UserError: If there is no such split.
        """
        if split not in self.radii or by not in SPLIT_BY:
            raise UserError(
                f"there is no split {split!r} by {by!r}; splits are {', '.join(SPLITS)}, "
                f"by {' or '.join(SPLIT_BY)}"
            )
        rows = np.arange(len(self.materials))
        if by == "material":
            rows = rows[self.held_out if split != "train" else ~self.held_out]
        parts = [
            np.column_stack([np.full(len(kept), row), np.full(len(kept), float(radius)), kept])
            for row in rows.tolist()
            for radius in self.radii[split]
            if len(kept := self._kept(row, split, radius))
        ]
        columns = np.concatenate(parts).T if parts else np.empty((3, 0))
        return Samples(columns[0].astype(np.int64), columns[1], columns[2].astype(np.int64))

    def _kept(self, row: int, split: str, radius: float) -> np.ndarray:
        """Numbers of the rotations that give a particle new coordinates; none without particle."""
        if self._serving(row, radius) is None:
            return np.empty(0, np.int64)
        positions = self._cut(row, radius)[1]
        if not len(positions):
            return np.empty(0, np.int64)
        return np.flatnonzero(distinct(positions, self.rotations(split, radius))) + 1

    def empty(self) -> dict[str, list[float]]:
        """Radii in Å at which a sphere holds no atom, by material; such particles are none."""
        every = sorted({float(radius) for radii in self.radii.values() for radius in radii})
        missing = {
            str(name): [
                radius
                for radius in every
                if self._serving(row, radius) is not None and not len(self._cut(row, radius)[0])
            ]
            for row, name in enumerate(self.materials.ids)
        }
        return {name: radii for name, radii in missing.items() if radii}

    @property
    def held_out(self) -> np.ndarray:
        """Which materials are test materials of the split by material, (N,)."""
        return self.materials.columns["held_out"].astype(bool)

    def sample_ids(self, samples: Samples) -> list[str]:
        """A name for each sample: material, radius and rotation."""
        triples = zip(samples.material, samples.radius, samples.rotation, strict=True)
        return [f"{self.materials.ids[row]}_R{radius:g}_rot{turn}" for row, radius, turn in triples]

    # --- identity ------------------------------------------------------------------------

    @cached_property
    def sha256(self) -> str:
        """Hash of materials, particles, radii and rotations."""
        radii = {split: [float(value) for value in radii] for split, radii in self.radii.items()}
        rotations = [
            [
                split,
                float(radius),
                _hash(value),
            ]
            for (split, radius), value in sorted(self.quaternions.items())
        ]
        content = [self.materials.sha256(), self.particles.sha256(), radii, rotations]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _hash(quaternions: np.ndarray) -> str:
    """Of quaternions (k, 4), settled: the same on every machine."""
    return hashlib.sha256(np.ascontiguousarray(settled(quaternions)).data).hexdigest()
