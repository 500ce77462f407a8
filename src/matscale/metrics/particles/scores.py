"""What scoring one particle returns, and which metrics there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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


PUBLISHED = ("rmsd", "hausdorff", "delta_hull_volume", "rdf_energy", "volume_ratio")
"""The metrics of the ``published`` protocol."""

_PARTS = ("", "_surface", "_interior")

SOUND = (
    "atom_count_error",
    "composition_error",
    "rdf_distance",
    *(
        f"{name}{part}"
        for name in ("bond_length_error", "coordination_error", "pdd_distance")
        for part in _PARTS
    ),
    "gyration_error",
    "hull_volume_error",
    *(f"chamfer{part}" for part in _PARTS),
    "hausdorff_superposed",
)
"""The metrics of the ``sound`` protocol. All are zero for the truth in any pose and order."""

PAIRED = ("aligned_rmsd", "surface_interior_ratio", "coordination_correlation")
"""RADII's metrics of particles whose atoms are paired in order."""

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
