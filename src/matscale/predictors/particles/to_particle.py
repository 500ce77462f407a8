"""Floors and ceilings of crystal-to-particle: from a unit cell and a radius to a particle."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from matscale.predictors.particles.protocol import Told, Training
from matscale.results.result import PredictorKind
from matscale.runtime.exact import in_basis, settled
from matscale.structures.carving import Centre, carve_sphere
from matscale.structures.symmetry import prototype

NOISE_A = 0.1
"""Standard deviation of the noise in the published denoising loss."""

Atoms = tuple[np.ndarray, np.ndarray]
"""Atomic numbers (n,) and positions (n, 3) in Å."""


class BulkDensityGas:
    """The right density and composition, and no structure: atoms anywhere in the sphere.

    The count is the sphere's volume over the volume an atom has in the cell.
    """

    name = "bulk_density_gas"
    kind: PredictorKind = "floor"
    told = ("numbers", "lattice", "radius")

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)

    def fit(self, training: Training) -> None:
        """Nothing to learn."""

    def predict(self, told: Sequence[Told]) -> list[Atoms]:
        """A gas a sample."""
        return [self._gas(one["numbers"], one["lattice"], one["radius"]) for one in told]

    def _gas(self, cell: np.ndarray, lattice: np.ndarray, radius: float) -> Atoms:
        volume = float(settled(abs(np.linalg.det(lattice)) / len(cell)))
        count = max(1, round(4 / 3 * math.pi * radius**3 / volume))
        # Elements in turn keep the composition to within one atom each.
        numbers = np.sort(cell[np.arange(count) % len(cell)])
        directions = self._generator.normal(size=(count, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        distances = radius * np.cbrt(self._generator.random((count, 1)))
        return numbers, distances * directions


class NearestTrainingParticle:
    """The most similar training particle, its elements swapped and its size scaled.

    The material is one of the same prototype, if there is one, whose volume per atom is nearest;
    the radius is the nearest one in training. Elements are swapped in order of how many there
    are, then by atomic number; positions are scaled by the cube root of the ratio of volumes
    per atom.
    """

    name = "nearest_training_particle"
    kind: PredictorKind = "floor"
    told = ("numbers", "fractional", "lattice", "radius")

    def fit(self, training: Training) -> None:
        """Remember the materials' prototypes and volumes."""
        self._training = training
        table = training.particles.materials
        self._volumes = table.volumes / table.n_atoms
        self._prototypes = [
            prototype(table.row_numbers(row), table.row_positions(row), table.lattices[row])
            for row in range(len(table))
        ]

    def predict(self, told: Sequence[Told]) -> list[Atoms]:
        """A training particle a sample."""
        return [self._nearest(one) for one in told]

    def _nearest(self, told: Told) -> Atoms:
        cell, lattice = told["numbers"], told["lattice"]
        volume = abs(float(np.linalg.det(lattice))) / len(cell)
        label = prototype(cell, in_basis(told["fractional"], lattice), lattice)
        unlike = np.array([one != label for one in self._prototypes])
        gaps = settled(np.abs(np.log(self._volumes / volume)))
        row = int(np.lexsort((gaps, unlike))[0])
        particles = self._training.particles
        radii = np.array(particles.radii["train"], float)
        radius = float(radii[np.abs(radii - told["radius"]).argmin()])
        numbers, positions = particles.particle(row, radius)
        swapped = _swapped(numbers, particles.materials.row_numbers(row), cell)
        return swapped, positions * settled((volume / self._volumes[row]) ** (1 / 3))


def _swapped(numbers: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Atomic numbers (n,) with the elements of one cell replaced by those of another."""
    theirs, ours = _by_count(old), _by_count(new)
    table = np.arange(256, dtype=np.uint8)
    for place, element in enumerate(theirs):
        table[element] = ours[min(place, len(ours) - 1)]
    return table[numbers]


def _by_count(numbers: np.ndarray) -> list[int]:
    elements, counts = np.unique(numbers, return_counts=True)
    return [int(elements[place]) for place in np.lexsort((elements, counts))]


class Carve:
    """Cuts the sphere from the crystal, in the crystal's own orientation: what is asked, exactly.

    Args:
        centre: Of the sphere in the cell, as the set was cut.
    """

    name = "carve"
    kind: PredictorKind = "ceiling"
    told: tuple[str, ...] = ("numbers", "fractional", "lattice", "radius")

    def __init__(self, centre: Centre = "origin") -> None:
        self._centre = centre

    def fit(self, training: Training) -> None:
        """Nothing to learn."""

    def predict(self, told: Sequence[Told]) -> list[Atoms]:
        """A sphere a sample."""
        return [self._sphere(one) for one in told]

    def _sphere(self, told: Told) -> Atoms:
        lattice = told["lattice"]
        positions = in_basis(told["fractional"], lattice)
        return carve_sphere(told["numbers"], positions, lattice, told["radius"], self._centre)


class CarveInPose(Carve):
    """The same sphere in the target's orientation, which nothing in the question tells."""

    name = "carve_in_pose"
    told = (*Carve.told, "rotation")

    def _sphere(self, told: Told) -> Atoms:
        numbers, positions = super()._sphere(told)
        return numbers, in_basis(positions, told["rotation"].T)


class PredictZeroNoise:
    """Sees the target with noise of 0.1 Å and says that there is no noise.

    Its mean squared error is the variance of the noise: the published losses of about 0.0100. As a
    particle, every atom stands at the centre, as where a noise of zero is integrated from nothing.
    """

    name = "predict_zero_noise"
    kind: PredictorKind = "floor"
    told = ("particle_numbers", "positions")

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)
        self._squares, self._count = 0.0, 0

    def fit(self, training: Training) -> None:
        """Nothing to learn."""

    def predict(self, told: Sequence[Told]) -> list[Atoms]:
        """Collapsed particles; the loss is kept."""
        for one in told:
            noise = self._generator.normal(scale=NOISE_A, size=one["positions"].shape)
            self._squares += float((noise**2).sum())
            self._count += noise.size
        return [(one["particle_numbers"], np.zeros_like(one["positions"])) for one in told]

    @property
    def loss(self) -> float:
        """Mean squared error of the predicted noise in Å^2, over the samples so far."""
        return self._squares / self._count if self._count else math.nan


class ReturnInput:
    """Hands back the target that it was given."""

    name = "return_input"
    kind: PredictorKind = "floor"
    told = ("particle_numbers", "positions")

    def fit(self, training: Training) -> None:
        """Nothing to learn."""

    def predict(self, told: Sequence[Told]) -> list[Atoms]:
        """The targets."""
        return [(one["particle_numbers"], one["positions"]) for one in told]
