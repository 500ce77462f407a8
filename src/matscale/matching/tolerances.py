"""What still counts as the same crystal, as the field sets it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tolerances:
    """What still counts as the same crystal.

    Attributes:
        length: Relative tolerance of lattice vector lengths (``ltol``).
        site: Largest displacement, in units of (volume / atoms)^(1/3) (``stol``).
        angle: Tolerance of lattice angles in degrees (``angle_tol``).
    """

    length: float = 0.2
    site: float = 0.3
    angle: float = 5.0


STRUCTURE_PREDICTION = Tolerances(length=0.3, site=0.5, angle=10.0)
"""The tolerances of crystal structure prediction: CDVAE, DiffCSP, FlowMM, AtomBench."""
