"""Floors and the ceiling of particle-to-crystal: from a particle to its cell and space group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from matscale.metrics.particles.columns import pair_histogram
from matscale.predictors.particles.protocol import Told, Training
from matscale.results.result import PredictorKind
from matscale.runtime.errors import Refused
from matscale.runtime.exact import settled
from matscale.runtime.memory import Memory
from matscale.structures.cells import lattice_parameters

RDF_BINS, RDF_CUTOFF_A = 128, 10.0
"""As in the published RDF energy."""

ALIKE = 0.02
"""Difference of compositions (total variation) below which they count as equal: a sphere's
composition is not exactly its crystal's."""

CellAndGroup = tuple[np.ndarray, int]
"""Six lattice parameters in Å and degrees, or lattice vectors (3, 3) in Å; space group's number."""


def commonest_group(training: Training) -> int:
    """The space group that most training samples have; the lowest number of equals."""
    groups = training.space_groups[training.samples.material]
    numbers, counts = np.unique(groups, return_counts=True)
    return int(numbers[counts.argmax()])


class Zeros:
    """Zero for all six lattice parameters, and the commonest space group."""

    name = "zeros"
    kind: PredictorKind = "floor"
    told: tuple[str, ...] = ()

    def fit(self, training: Training) -> None:
        """Find the commonest space group."""
        self._answer = np.zeros(6), commonest_group(training)

    def predict(self, told: Sequence[Told]) -> list[CellAndGroup]:
        """The same answer to everything."""
        return [self._answer for _ in told]


class MeanLattice:
    """The mean of each lattice parameter over the training samples, and the commonest group."""

    name = "mean_lattice"
    kind: PredictorKind = "floor"
    told: tuple[str, ...] = ()

    def fit(self, training: Training) -> None:
        """Take the means."""
        parameters = lattice_parameters(training.particles.materials.lattices)
        mean = settled(parameters[training.samples.material].mean(axis=0))
        self._answer = mean, commonest_group(training)

    def predict(self, told: Sequence[Told]) -> list[CellAndGroup]:
        """The same answer to everything."""
        return [self._answer for _ in told]


class Lookup:
    """The cell of the training material of the nearest composition, and of those alike in density.

    It looks at no position but to measure how dense the particle is, which it compares with how
    dense training particles of the nearest radius are by the same measure.
    """

    name = "lookup"
    kind: PredictorKind = "floor"
    told = ("numbers", "positions")

    def fit(self, training: Training) -> None:
        """Remember the materials' compositions."""
        table = training.particles.materials
        self._training = training
        self._shares = np.stack([shares(table.row_numbers(row)) for row in range(len(table))])
        self._known: dict[tuple[int, float], float] = {}

    def predict(self, told: Sequence[Told]) -> list[CellAndGroup]:
        """A training material's cell a sample."""
        return [self._found(one["numbers"], one["positions"]) for one in told]

    def _found(self, numbers: np.ndarray, positions: np.ndarray) -> CellAndGroup:
        apart = np.abs(self._shares - shares(numbers)).sum(axis=1) / 2
        alike = np.flatnonzero(settled(apart) <= settled(apart.min() + ALIKE)).tolist()
        radius, own = nearest_radius(self._training, positions), density(positions)
        gaps = settled([abs(np.log(self._density(one, radius) / own)) for one in alike])
        row = alike[int(gaps.argmin())]
        return _cell_of(self._training, row)

    def _density(self, row: int, radius: float) -> float:
        if (row, radius) not in self._known:
            _, positions = self._training.particles.particle(row, radius)
            self._known[row, radius] = density(positions)
        return self._known[row, radius]


def nearest_radius(training: Training, positions: np.ndarray) -> float:
    """The training radius in Å nearest to the extent of a particle (n, 3)."""
    extent = float(np.linalg.norm(positions - positions.mean(axis=0), axis=1).max())
    radii = np.array(training.particles.radii["train"], float)
    return float(radii[settled(np.abs(radii - extent)).argmin()])


def _cell_of(training: Training, row: int) -> CellAndGroup:
    return training.particles.materials.lattices[row].copy(), int(training.space_groups[row])


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

    def fit(self, training: Training) -> None:
        """Remember the training set; histograms are made when a radius is first met."""
        self._training = training
        self._known: dict[float, np.ndarray] = {}

    def predict(self, told: Sequence[Told]) -> list[CellAndGroup]:
        """A training material's cell a sample."""
        return [self._nearest(one["positions"]) for one in told]

    def _nearest(self, positions: np.ndarray) -> CellAndGroup:
        known = self._histograms(nearest_radius(self._training, positions))
        row = int(settled(((known - _histogram(positions)) ** 2).sum(axis=1)).argmin())
        return _cell_of(self._training, row)

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


class LatticeRecovery:
    """Crystallography: finds the lattice that the atoms repeat on, then its symmetry.

    Args:
        memory: Runs the search, and keeps what it found between interrupted runs; by default
            there is one that ends with the predictor.
    """

    name = "lattice_recovery"
    kind: PredictorKind = "ceiling"
    told = ("numbers", "positions")

    def __init__(self, memory: Memory | None = None) -> None:
        self._memory = memory or Memory()

    def fit(self, training: Training) -> None:
        """Nothing to learn."""

    def predict(self, told: Sequence[Told]) -> list[CellAndGroup | Refused]:
        """The primitive cell, or why it is not determined."""
        pairs = [(one["numbers"], one["positions"]) for one in told]
        return [_answer(found) for found in self._memory.map(_recovered, pairs)]


def _recovered(particle: tuple[np.ndarray, np.ndarray]) -> dict[str, np.ndarray]:
    """Lattice vectors (3, 3) in Å and the space group's number, or why there are none."""
    from matscale.recovery import recover

    found = recover(*particle)
    if found.cell is None:
        return {"reason": np.array(found.reason)}
    return {"lattice": found.cell.lattices[0], "space_group": np.array(found.space_group)}


def _answer(found: dict[str, np.ndarray]) -> CellAndGroup | Refused:
    if "reason" in found:
        return Refused("not determined", str(found["reason"]))
    return found["lattice"], int(found["space_group"])
