"""Floors that answer with a cell and a space group, from a particle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from matscale.metrics.particles.columns import pair_histogram
from matscale.predictors.predictor import Seed, Told, one_each
from matscale.predictors.training import ParticleTraining
from matscale.results.result import PredictorKind
from matscale.runtime.exact import settled
from matscale.structures.cells import lattice_parameters

RDF_BINS, RDF_CUTOFF_A = 128, 10.0
"""As in the published RDF energy."""

ALIKE = 0.02
"""Difference of compositions (total variation) below which they count as equal: a sphere's
composition is not exactly its crystal's."""

CellAndGroup = tuple[np.ndarray, int]
"""Six lattice parameters in Å and degrees, or lattice vectors (3, 3) in Å; space group's number."""


def commonest_group(training: ParticleTraining) -> int:
    """The space group that most training samples have; the lowest number of equals."""
    groups = training.space_groups[training.samples.material]
    numbers, counts = np.unique(groups, return_counts=True)
    return int(numbers[counts.argmax()])


class Zeros:
    """Zero for all six lattice parameters, and the commonest space group."""

    name = "zeros"
    kind: PredictorKind = "floor"
    told: tuple[str, ...] = ()

    def fit(self, training: ParticleTraining) -> None:
        """Find the commonest space group."""
        self._answer = np.zeros(6), commonest_group(training)

    def predict(self, told: Told, candidates: int = 1, seed: Seed = 0) -> Sequence[Any]:
        """The same answer to everything."""
        return one_each([self._answer for _ in told], candidates)


class MeanLattice:
    """The mean of each lattice parameter over the training samples, and the commonest group."""

    name = "mean_lattice"
    kind: PredictorKind = "floor"
    told: tuple[str, ...] = ()

    def fit(self, training: ParticleTraining) -> None:
        """Take the means."""
        parameters = lattice_parameters(training.crystals.lattices)
        mean = settled(parameters[training.samples.material].mean(axis=0))
        self._answer = mean, commonest_group(training)

    def predict(self, told: Told, candidates: int = 1, seed: Seed = 0) -> Sequence[Any]:
        """The same answer to everything."""
        return one_each([self._answer for _ in told], candidates)


class Lookup:
    """The cell of the training material of the nearest composition, and of those alike in density.

    It looks at no position but to measure how dense the particle is, which it compares with how
    dense training particles of the nearest radius are by the same measure.
    """

    name = "lookup"
    kind: PredictorKind = "floor"
    told = ("numbers", "positions")

    def fit(self, training: ParticleTraining) -> None:
        """Remember the materials' compositions."""
        table = training.crystals
        self._training = training
        self._shares = np.stack([shares(table.row_numbers(row)) for row in range(len(table))])
        self._known: dict[tuple[int, float], float] = {}

    def predict(self, told: Told, candidates: int = 1, seed: Seed = 0) -> Sequence[Any]:
        """Cells of training materials that are alike in composition, likest density first."""
        ranked = [self._ranked(each["numbers"], each["positions"]) for each in told]
        return _cells_of(self._training, ranked, candidates)

    def _ranked(self, numbers: np.ndarray, positions: np.ndarray) -> np.ndarray:
        apart = np.abs(self._shares - shares(numbers)).sum(axis=1) / 2
        alike = np.flatnonzero(settled(apart) <= settled(apart.min() + ALIKE))
        radius, own = nearest_radius(self._training, positions), density(positions)
        gaps = settled([abs(np.log(self._density(row, radius) / own)) for row in alike.tolist()])
        return alike[np.argsort(gaps, kind="stable")]

    def _density(self, row: int, radius: float) -> float:
        if (row, radius) not in self._known:
            _, positions = self._training.particles.particle(row, radius)
            self._known[row, radius] = density(positions)
        return self._known[row, radius]


def nearest_radius(training: ParticleTraining, positions: np.ndarray) -> float:
    """The training radius in Å nearest to the extent of a particle (n, 3)."""
    extent = float(np.linalg.norm(positions - positions.mean(axis=0), axis=1).max())
    radii = np.array(training.particles.radii["train"], float)
    return float(radii[settled(np.abs(radii - extent)).argmin()])


def _cells_of(
    training: ParticleTraining, ranked: Sequence[np.ndarray], candidates: int
) -> list[Any]:
    """The cells of the first rows of each ranking, or of its very first where one is wanted."""
    cells = [
        [
            (training.crystals.lattices[row].copy(), int(training.space_groups[row]))
            for row in rows[:candidates].tolist()
        ]
        for rows in ranked
    ]
    return [cell for (cell,) in cells] if candidates == 1 else cells


def shares(numbers: np.ndarray) -> np.ndarray:
    """Share of each element by atomic number, (256,)."""
    return np.bincount(numbers, minlength=256) / len(numbers)


def density(positions: np.ndarray) -> float:
    """Atoms per Å^3 of a particle (n, 3) in its convex hull, or in its sphere if that is flat."""
    from scipy.spatial import ConvexHull, QhullError

    centred = positions - positions.mean(axis=0)
    try:
        volume = float(ConvexHull(centred).volume)
    except (QhullError, ValueError):
        volume = 4 / 3 * np.pi * max(float(np.linalg.norm(centred, axis=1).max()), 1.0) ** 3
    return len(positions) / volume


class NearestRdf:
    """The cell of the training material whose particle has the most similar pair distances.

    Compared are histograms of distances below 10 Å, species ignored, with training particles of
    the radius nearest to the particle's extent.
    """

    name = "nearest_rdf"
    kind: PredictorKind = "floor"
    told = ("numbers", "positions")

    def fit(self, training: ParticleTraining) -> None:
        """Remember the training set; histograms are made when a radius is first met."""
        self._training = training
        self._known: dict[float, np.ndarray] = {}

    def predict(self, told: Told, candidates: int = 1, seed: Seed = 0) -> Sequence[Any]:
        """Cells of training materials, that of the likest histogram first."""
        ranked = [self._ranked(each["positions"]) for each in told]
        return _cells_of(self._training, ranked, candidates)

    def _ranked(self, positions: np.ndarray) -> np.ndarray:
        known = self._histograms(nearest_radius(self._training, positions))
        gaps = settled(((known - _histogram(positions)) ** 2).sum(axis=1))
        return np.argsort(gaps, kind="stable")

    def _histograms(self, radius: float) -> np.ndarray:
        """Of each training material's particle of a radius, (N, bins)."""
        if radius not in self._known:
            particles = self._training.particles
            self._known[radius] = np.stack(
                [
                    _histogram(particles.particle(row, radius)[1])
                    for row in range(len(particles.materials))
                ]
            )
        return self._known[radius]


def _histogram(positions: np.ndarray) -> np.ndarray:
    counts = pair_histogram(positions, RDF_BINS, RDF_CUTOFF_A)
    return np.asarray(counts / max(counts.sum(), 1))
