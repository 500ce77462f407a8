"""Floors that answer with a particle, from a unit cell and a radius."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from matscale.predictors.predictor import Seed, Told, one_each
from matscale.predictors.training import ParticleTraining
from matscale.results.result import PredictorKind, Protocol
from matscale.runtime.exact import in_basis, settled
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
    told: tuple[str, ...] = ("numbers", "lattice", "radius")

    def predict(self, told: Told, candidates: int = 1, seed: Seed = 0) -> Sequence[Any]:
        """Gases."""
        generator = np.random.default_rng(seed)
        gases = [
            [
                _gas(sample["numbers"], sample["lattice"], sample["radius"], generator)
                for _ in range(candidates)
            ]
            for sample in told
        ]
        return [gas for (gas,) in gases] if candidates == 1 else gases


def _gas(
    cell: np.ndarray, lattice: np.ndarray, radius: float, generator: np.random.Generator
) -> Atoms:
    volume = float(settled(abs(np.linalg.det(lattice)) / len(cell)))
    count = max(1, round(4 / 3 * math.pi * radius**3 / volume))
    # Elements in turn keep the composition to within one atom each.
    numbers = np.sort(cell[np.arange(count) % len(cell)])
    directions = generator.normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    distances = radius * np.cbrt(generator.random((count, 1)))
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
    told: tuple[str, ...] = ("numbers", "fractional", "lattice", "radius")

    def fit(self, training: ParticleTraining) -> None:
        """Remember the materials' prototypes and volumes."""
        self._training = training
        table = training.crystals
        self._volumes = table.volumes / table.n_atoms
        self._prototypes = [
            prototype(table.row_numbers(row), table.row_positions(row), table.lattices[row])
            for row in range(len(table))
        ]

    def predict(self, told: Told, candidates: int = 1, seed: Seed = 0) -> Sequence[Any]:
        """Training particles, that of the likest material first."""
        nearest = [self._nearest(sample, candidates) for sample in told]
        return [particle for (particle,) in nearest] if candidates == 1 else nearest

    def _nearest(self, told: Mapping[str, Any], candidates: int) -> list[Atoms]:
        cell, lattice = told["numbers"], told["lattice"]
        volume = abs(float(np.linalg.det(lattice))) / len(cell)
        label = prototype(cell, in_basis(told["fractional"], lattice), lattice)
        unlike = np.array([other != label for other in self._prototypes])
        gaps = settled(np.abs(np.log(self._volumes / volume)))
        particles = self._training.particles
        radii = np.array(particles.radii["train"], float)
        radius = float(radii[np.abs(radii - told["radius"]).argmin()])
        return [
            self._scaled(row, radius, cell, volume)
            for row in np.lexsort((gaps, unlike))[:candidates].tolist()
        ]

    def _scaled(self, row: int, radius: float, cell: np.ndarray, volume: float) -> Atoms:
        """A training particle with the elements and the volume per atom in Å^3 of a unit cell."""
        numbers, positions = self._training.particles.particle(row, radius)
        swapped = _swapped(numbers, self._training.crystals.row_numbers(row), cell)
        return swapped, positions * settled((volume / self._volumes[row]) ** (1 / 3))


def _swapped(numbers: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Atomic numbers (n,) with the elements of one cell replaced by those of another."""
    theirs, ours = _by_count(old), _by_count(new)
    table = np.arange(256, dtype=np.uint8)
    for rank, element in enumerate(theirs):
        table[element] = ours[min(rank, len(ours) - 1)]
    return table[numbers]


def _by_count(numbers: np.ndarray) -> list[int]:
    elements, counts = np.unique(numbers, return_counts=True)
    return [int(elements[row]) for row in np.lexsort((elements, counts))]


class PredictZeroNoise:
    """Sees the target with noise of 0.1 Å and says that there is no noise.

    Its mean squared error is the variance of the noise: the published losses of about 0.0100. As a
    particle, every atom stands at the centre, as where a noise of zero is integrated from nothing.
    """

    name = "predict_zero_noise"
    kind: PredictorKind = "floor"
    told: tuple[str, ...] = ("particle_numbers", "positions")
    protocols: tuple[Protocol, ...] = ("published",)

    def __init__(self) -> None:
        self._squares, self._count = 0.0, 0

    def predict(self, told: Told, candidates: int = 1, seed: Seed = 0) -> Sequence[Any]:
        """Collapsed particles; the loss is kept."""
        generator = np.random.default_rng(seed)
        for positions in told.column("positions"):
            noise = generator.normal(scale=NOISE_A, size=positions.shape)
            self._squares += float((noise**2).sum())
            self._count += noise.size
        collapsed = [
            (sample["particle_numbers"], np.zeros_like(sample["positions"])) for sample in told
        ]
        return one_each(collapsed, candidates)

    @property
    def loss(self) -> float:
        """Mean squared error of the predicted noise in Å^2, over the samples so far."""
        return self._squares / self._count if self._count else math.nan


class ReturnInput:
    """Hands back the target that it was given."""

    name = "return_input"
    kind: PredictorKind = "floor"
    told: tuple[str, ...] = ("particle_numbers", "positions")
    protocols: tuple[Protocol, ...] = ("published",)

    def predict(self, told: Told, candidates: int = 1, seed: Seed = 0) -> Sequence[Any]:
        """The targets."""
        return one_each(
            [(sample["particle_numbers"], sample["positions"]) for sample in told], candidates
        )
