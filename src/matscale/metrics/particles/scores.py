"""What scoring one particle returns, and what each metric is called and means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

REASONS: Mapping[str, str] = {
    "empty": "the prediction has no atoms",
    "non_finite": "a coordinate is not a finite number",
    "out_of_range": "a coordinate is further than 10^6 Å from the origin",
    "atom_count": "prediction and truth differ in their number of atoms",
    "hull_failed": "the points have no convex hull (qhull)",
    "no_pairs": "no two atoms are closer than 10 Å",
    "flat_truth": "the true particle spans no volume",
    "one_atom_truth": "the true particle has no two atoms apart",
    "no_error": "the error is zero where it would have to be divided by",
    "no_spread": "all atoms have the same coordination number",
}
"""Why a value is missing, or was replaced by zero in the published protocol."""


@dataclass(frozen=True)
class Scores:
    """Metrics of one particle.

    Attributes:
        values: Every metric of the protocol by name. Under ``sound`` NaN where it failed; under
            ``published`` what the published code returns there, which is 0 for a hull or a
            histogram that fails.
        reasons: For each metric that failed its reason, a key of ``REASONS``. A caller counts
            these; a value with a reason is not a measurement.
    """

    values: dict[str, float]
    reasons: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ParticleMetric:
    """What a metric is.

    Attributes:
        unit: "" for a dimensionless number.
        better: Which direction is better.
        title: For a column.
        definition: In one sentence.
        best: The value for the truth itself; None where the truth's shape decides.
    """

    unit: str
    better: Literal["higher", "lower"]
    title: str
    definition: str
    best: float | None = 0.0


def _lower(unit: str, title: str, definition: str) -> ParticleMetric:
    return ParticleMetric(unit, "lower", title, definition)


PUBLISHED: Mapping[str, ParticleMetric] = {
    "rmsd": _lower(
        "Å",
        "RMSD",
        "Root mean square difference of the coordinates, atom by atom, without alignment; per "
        "coordinate, so smaller by the square root of three than per atom.",
    ),
    "hausdorff": _lower(
        "Å",
        "Hausdorff",
        "Largest distance from an atom of either particle to the nearest of the other, without "
        "alignment, whatever the species.",
    ),
    "delta_hull_volume": _lower(
        "Å³",
        "Δ hull volume",
        "Absolute difference of the convex hulls' volumes, points joggled by qhull.",
    ),
    "rdf_energy": _lower(
        "Å⁻²",
        "RDF energy",
        "Sum of squared differences of two histograms of pair distances, 128 bins of density "
        "from 0 to 10 Å.",
    ),
    "volume_ratio": ParticleMetric(
        "",
        "higher",
        "volume ratio",
        "Volume of the prediction's convex hull over that of a sphere of the radius asked for.",
        best=None,
    ),
}
"""The metrics of the ``published`` protocol."""

_PLACE = {
    "": "",
    "_surface": " Of the quarter of the atoms furthest from the centroid.",
    "_interior": " Of the quarter of the atoms nearest to the centroid.",
}


def _by_place(name: str, unit: str, title: str, definition: str) -> dict[str, ParticleMetric]:
    """A metric of all atoms, of the surface and of the interior."""
    return {
        name + suffix: _lower(unit, title + suffix.replace("_", ", "), definition + where)
        for suffix, where in _PLACE.items()
    }


SOUND: Mapping[str, ParticleMetric] = {
    "atom_count_error": _lower(
        "", "atom count error", "Difference in the number of atoms over the true number."
    ),
    "composition_error": _lower(
        "",
        "composition error",
        "Total variation between the shares of the elements: the share of atoms of the wrong one.",
    ),
    "rdf_distance": _lower(
        "",
        "partial RDF distance",
        "Area between the partial radial distribution functions over the sum of their areas, 0 to "
        "1: all pairs of species weighted by their share, shells of 0.05 Å to 10 Å, each divided "
        "by its volume and by the true density.",
    ),
    **_by_place(
        "bond_length_error",
        "Å",
        "bond length error",
        "Wasserstein distance between the distributions of the distance to the j-th nearest "
        "neighbour, mean over j = 1 to 6.",
    ),
    **_by_place(
        "coordination_error",
        "neighbours",
        "coordination error",
        "Wasserstein distance between the distributions of the coordination number, mean over the "
        "true atoms' species; neighbours are closer than 1.25 times the true median bond.",
    ),
    **_by_place(
        "pdd_distance",
        "Å",
        "PDD distance",
        "Lower bound of the earth mover's distance between pointwise distance distributions "
        "(k = 100): the largest over j of the Wasserstein distance between the distributions of "
        "the distance to the j-th neighbour.",
    ),
    "gyration_error": _lower(
        "",
        "radius of gyration error",
        "Absolute difference of the radii of gyration over the true one.",
    ),
    "hull_volume_error": _lower(
        "",
        "hull volume error",
        "How far the ratio of the convex hulls' volumes, prediction to truth, is from one.",
    ),
    **_by_place(
        "chamfer",
        "Å",
        "Chamfer",
        "Mean distance to the nearest atom of the same species in the other particle, mean of "
        "both directions, after the best superposition that was found.",
    ),
    "hausdorff_superposed": _lower(
        "Å",
        "Hausdorff, superposed",
        "Largest distance to the nearest atom of the same species in the other particle, after "
        "the same superposition.",
    ),
}
"""The metrics of the ``sound`` protocol. All are zero for the truth in any pose and order."""

PAIRED: Mapping[str, ParticleMetric] = {
    "aligned_rmsd": _lower(
        "Å",
        "RMSD, aligned",
        "Root mean square distance of the atoms, paired in order, after the best rotation and "
        "translation (Kabsch).",
    ),
    "surface_interior_ratio": ParticleMetric(
        "",
        "lower",
        "surface to interior",
        "Mean distance of the paired atoms after alignment in the outer quarter over that in the "
        "inner quarter.",
        best=None,
    ),
    "coordination_correlation": ParticleMetric(
        "",
        "higher",
        "coordination correlation",
        "Pearson correlation of the paired atoms' numbers of neighbours within 3 Å.",
        best=1.0,
    ),
}
"""RADII's metrics of particles whose atoms are paired in order."""

PARTICLE_METRICS: Mapping[str, ParticleMetric] = {**PUBLISHED, **SOUND, **PAIRED}
"""All of them by name."""

_LARGEST_A = 1e6


def unusable(positions: np.ndarray) -> str:
    """Why predicted positions (n, 3) cannot be measured at all, a key of ``REASONS``, or ""."""
    if not len(positions):
        return "empty"
    if not np.isfinite(positions).all():
        return "non_finite"
    if np.abs(positions).max() > _LARGEST_A:
        return "out_of_range"
    return ""


def check_truth(numbers: np.ndarray, positions: np.ndarray) -> None:
    """Refuse a true particle that nothing can be compared with.

    Raises:
        ValueError: It has no atoms, a coordinate that is not finite, or other shapes than (n,)
            and (n, 3).
    """
    if positions.shape != (len(numbers), 3) or unusable(positions):
        raise ValueError("the true particle must be finite positions (n, 3) of n >= 1 atoms")
