"""How generated crystals are compared with training: tolerances, candidates, relaxation."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

from matscale.energy.relax import RelaxSettings
from matscale.matching.outcomes import NOVELTY, MatchSettings
from matscale.matching.tolerances import Tolerances
from matscale.matching.wyckoff.positions import SYMPREC
from matscale.runtime.errors import UserError

NO_RELAXATION = "none"
"""As ``relax``: no potential is used."""

MATERIALS_PROJECT = Path("mp")
"""As ``hull``: its entries are downloaded."""

METASTABLE = 0.1
"""eV/atom above the hull up to which a crystal counts as metastable; the paper's filter."""

STABLE = 1e-6
"""eV/atom above the hull up to which a crystal is on it: far above rounding, far below what any
potential tells apart."""

CURVE = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
"""Site tolerances (``stol``) of the novelty curve."""


@dataclass(frozen=True)
class NoveltySettings:
    """What a run of the novelty task is set to.

    Attributes:
        top: Cheapest training crystals of each kind of candidate that are tried.
        tolerances: Of all three searches: duplicates, anonymous candidates, verification.
        symprec: Distance in Å within which sites are equivalent, for Wyckoff candidates.
        relax: A potential's name, or ``"none"``.
        relaxed: Whether the generated crystals are taken as they are; candidates are still
            relaxed if there is a potential.
        hull: File of reference entries, or :data:`MATERIALS_PROJECT`; None takes the training
            crystals themselves.
        fmax: Largest generalised force of a relaxed crystal, in eV/Å.
        max_steps: Moves after which a relaxation ends.

    Raises:
        UserError: If a value makes no sense.
    """

    top: int = 3
    tolerances: Tolerances = NOVELTY.tolerances
    symprec: float = SYMPREC
    relax: str = NO_RELAXATION
    relaxed: bool = False
    hull: Path | None = None
    fmax: float = 0.05
    max_steps: int = 500

    def __post_init__(self) -> None:
        if self.top < 1:
            raise UserError(f"--top is {self.top}: try at least one candidate of each kind")
        if self.hull is not None and self.relax == NO_RELAXATION:
            raise UserError("--hull needs energies: name a potential with --relax")
        if not 0 < self.symprec < math.inf:
            raise UserError(f"--symprec is {self.symprec}: give a distance in Å above 0")
        RelaxSettings(fmax=self.fmax, max_steps=self.max_steps)

    @property
    def has_energies(self) -> bool:
        """Whether a potential is used."""
        return self.relax != NO_RELAXATION

    @property
    def duplicate(self) -> MatchSettings:
        """Who is a training crystal; also who equals an earlier generated one."""
        return replace(NOVELTY, tolerances=self.tolerances)

    @property
    def framework(self) -> MatchSettings:
        """Who stands on the sites of a training crystal, whatever the elements."""
        return replace(self.duplicate, mode="framework", criterion="rms", keep_first=True)

    @property
    def verification(self) -> MatchSettings:
        """Whether a substituted crystal is the generated one."""
        return MatchSettings(tolerances=self.tolerances, criterion="largest", scale=False)
