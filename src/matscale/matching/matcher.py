"""Whether two crystals are the same within tolerances: pymatgen's StructureMatcher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pymatgen.analysis.structure_matcher import StructureMatcher
    from pymatgen.core import Structure


@dataclass(frozen=True)
class Tolerances:
    """What still counts as the same crystal.

    Attributes:
        length: Relative tolerance of lattice vector lengths (``ltol``).
        site: Largest rms displacement, in units of (volume / atoms)^(1/3) (``stol``).
        angle: Tolerance of lattice angles in degrees (``angle_tol``).
    """

    length: float = 0.2
    site: float = 0.3
    angle: float = 5.0


STRUCTURE_PREDICTION = Tolerances(length=0.3, site=0.5, angle=10.0)
"""The tolerances of crystal structure prediction: CDVAE, DiffCSP, FlowMM, AtomBench."""


def structure_matcher(tolerances: Tolerances) -> StructureMatcher:
    """Pymatgen's matcher with its other settings as they are: primitive cells, scaled volumes."""
    from pymatgen.analysis.structure_matcher import StructureMatcher

    return StructureMatcher(
        ltol=tolerances.length, stol=tolerances.site, angle_tol=tolerances.angle
    )


def rms_distance(matcher: StructureMatcher, predicted: Structure, target: Structure) -> float:
    """Dimensionless rms displacement of the best match, or NaN where there is none.

    In units of (V/n)^(1/3) of the average cell. Crystals of different reduced composition never
    match and are not tried.
    """
    if predicted.composition.reduced_formula != target.composition.reduced_formula:
        return np.nan
    found = matcher.get_rms_dist(predicted, target)
    return np.nan if found is None else float(found[0])
