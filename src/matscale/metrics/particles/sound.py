"""Metrics that know no pose, no order and no count of atoms: the ``sound`` protocol.

The centre is a particle's centroid. A neighbour that a particle is too small to have counts at
the true sphere's diameter, and so does an atom of a species that the other particle lacks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from matscale.metrics.particles import neighbourhoods as near
from matscale.metrics.particles import shapes
from matscale.metrics.particles.boxes import box_tree, neighbour_distances
from matscale.metrics.particles.scores import SOUND, Scores, check_truth, unusable
from matscale.metrics.particles.superposition import SpeciesTrees, distances_between, superpose


@dataclass(frozen=True)
class Particle:
    """Atoms of a particle, and what is computed from them once.

    A true particle that many predictions are compared with is described once, by
    :meth:`Particle.of`, and handed to :func:`compare`.

    Attributes:
        numbers: Atomic numbers, (n,).
        positions: In Å, (n, 3), about their centroid where they can be used.
        reason: Why the positions cannot be used, or "".
    """

    numbers: np.ndarray
    positions: np.ndarray
    reason: str

    @classmethod
    def of(cls, numbers: np.ndarray, positions: np.ndarray) -> Particle:
        """From atomic numbers (n,) and positions (n, 3) in Å.

        Raises:
            ValueError: The shapes do not belong together.
        """
        numbers = np.asarray(numbers, np.int64).reshape(-1)
        positions = np.asarray(positions, np.float64).reshape(-1, 3)
        if len(numbers) != len(positions):
            raise ValueError(f"{len(numbers)} atomic numbers, but {len(positions)} positions")
        reason = unusable(positions)
        if not reason:
            positions = positions - positions.mean(axis=0)
        return cls(numbers, positions, reason)

    @cached_property
    def distances(self) -> np.ndarray:
        """To the nearest 100 atoms in Å, infinite where there are fewer, (n, 100)."""
        return neighbour_distances(box_tree(self.positions), near.PDD_NEIGHBOURS)

    @cached_property
    def trees(self) -> SpeciesTrees:
        """For nearest atoms by species."""
        return SpeciesTrees.of(self.numbers, self.positions)

    @cached_property
    def quarters(self) -> dict[str, np.ndarray]:
        """Outer and inner quarter, each with all of its last shell, by a metric's suffix, (n,)."""
        return near.outer_and_inner(self.positions, near.QUARTERS)

    @cached_property
    def hull_volume(self) -> float:
        """In Å³."""
        return shapes.hull_volume(self.positions)

    @cached_property
    def bond(self) -> float:
        """Median distance to the nearest atom in Å."""
        return float(np.median(self.distances[:, 0]))

    @cached_property
    def coordination(self) -> np.ndarray:
        """Neighbours within 1.25 median bonds, (n,)."""
        return near.coordination_numbers(self.positions, near.BOND_STRETCH * self.bond)


def sound(
    numbers: np.ndarray,
    positions: np.ndarray,
    true_numbers: np.ndarray,
    true_positions: np.ndarray,
    radius: float,
) -> Scores:
    """The metrics in ``SOUND`` of one predicted particle.

    Args:
        numbers: Atomic numbers of the prediction, (n,), any n.
        positions: In Å, (n, 3), in any pose and order, possibly not finite.
        true_numbers: (m,), m >= 1.
        true_positions: In Å, (m, 3).
        radius: Of the true particle in Å.

    Raises:
        ValueError: The truth is empty or not finite, or shapes do not belong together.
    """
    truth = Particle.of(true_numbers, true_positions)
    return compare(Particle.of(numbers, positions), truth, radius)


def compare(prediction: Particle, truth: Particle, radius: float) -> Scores:
    """As :func:`sound`, of particles already described."""
    check_truth(truth.numbers, truth.positions)
    values = dict.fromkeys(SOUND, math.nan)
    count = len(prediction.numbers)
    values["atom_count_error"] = abs(count - len(truth.numbers)) / len(truth.numbers)
    if count:
        values["composition_error"] = shapes.total_variation(prediction.numbers, truth.numbers)
    if not prediction.reason:
        values |= _shape_errors(prediction, truth, radius)
        values |= _neighbourhood_errors(prediction, truth, radius)
        values |= _superposed_errors(prediction, truth, radius)
    reasons = {name: _reason(name, prediction) for name in SOUND if math.isnan(values[name])}
    return Scores(values, reasons)


def _reason(name: str, prediction: Particle) -> str:
    """Why a metric is missing; what the prediction is not to blame for is the truth's."""
    if prediction.reason:
        return prediction.reason
    if name == "hull_volume_error":
        return "hull_failed" if math.isnan(prediction.hull_volume) else "flat_truth"
    return "no_pairs" if name == "rdf_distance" else "one_atom_truth"


def _regions(prediction: Particle, truth: Particle) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """A metric's suffix and the atoms that it is about, predicted (n,) and true (m,).

    The prediction's share of surface atoms is the truth's, whose last shell may exceed a quarter.
    """
    yield "", np.ones(len(prediction.numbers), bool), np.ones(len(truth.numbers), bool)
    shares = truth.quarters["_surface"].mean(), truth.quarters["_interior"].mean()
    ours = near.outer_and_inner(prediction.positions, shares)
    for suffix, chosen in truth.quarters.items():
        yield suffix, ours[suffix], chosen


def _shape_errors(prediction: Particle, truth: Particle, radius: float) -> dict[str, float]:
    size = shapes.radius_of_gyration(truth.positions)
    gap = abs(shapes.radius_of_gyration(prediction.positions) - size)
    return {
        "gyration_error": gap / size if size > near.TIE_A else math.nan,
        "hull_volume_error": (
            abs(prediction.hull_volume / truth.hull_volume - 1)
            if truth.hull_volume > 0
            else math.nan
        ),
        "rdf_distance": shapes.rdf_distance(
            prediction.numbers, prediction.positions, truth.numbers, truth.positions, radius
        ),
    }


def _neighbourhood_errors(prediction: Particle, truth: Particle, radius: float) -> dict[str, float]:
    k = near.neighbours_of(len(truth.numbers))
    if k == 0:
        return {}
    found = near.padded(prediction.distances[:, :k], 2 * radius)
    wanted = near.padded(truth.distances[:, :k], 2 * radius)
    cutoff = near.BOND_STRETCH * truth.bond
    coordination = near.coordination_numbers(prediction.positions, cutoff)
    values = {}
    for suffix, ours, chosen in _regions(prediction, truth):
        values["bond_length_error" + suffix] = near.bond_length_error(found[ours], wanted[chosen])
        values["pdd_distance" + suffix] = near.pdd_lower_bound(found[ours], wanted[chosen])
        values["coordination_error" + suffix] = near.coordination_error(
            prediction.numbers[ours],
            coordination[ours],
            truth.numbers[chosen],
            truth.coordination[chosen],
        )
    return values


def _superposed_errors(prediction: Particle, truth: Particle, radius: float) -> dict[str, float]:
    missing = 2 * radius
    pose = superpose(truth.trees, prediction.trees, missing)
    there, back = distances_between(truth.trees, prediction.trees, pose, missing)
    values = {"hausdorff_superposed": float(max(there.max(), back.max()))}
    for suffix, ours, chosen in _regions(prediction, truth):
        values["chamfer" + suffix] = float((there[chosen].mean() + back[ours].mean()) / 2)
    return values
