"""How crystals are compared, and what comes of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from matscale.matching.tolerances import Tolerances

MODES = ("direct", "framework", "anonymous")


@dataclass(frozen=True)
class MatchSettings:
    """How crystals are compared; the defaults are pymatgen's.

    Attributes:
        tolerances: ``ltol``, ``stol`` and ``angle_tol``.
        mode: "direct" pairs equal elements, "framework" ignores elements, "anonymous" looks for
            a one-to-one map of elements.
        criterion: What must be below ``tolerances.site``: "largest", the largest distance of a
            pair of sites, as ``fit`` has it; or "rms", as ``get_rms_dist`` has it.
        scale: Whether to bring crystals to the same volume per site first.
        reduce: Whether to compare Niggli cells; False compares the cells given
            (``skip_structure_reduction``).
        primitive: Whether to go to primitive cells; needs ``reduce``.
        supercell: Whether one crystal may be a supercell of the other (``attempt_supercell`` with
            ``supercell_size="num_sites"``).
        keep_first: Whether to keep the first match found instead of the best.
        symmetric: Whether the second crystal must also match the first, as in
            ``group_structures(symmetric=True)``; by default it need not, there as here.
            ``fit(symmetric=True)`` by itself reduces both again in between, in the volume in
            which they were compared, so that strongly disturbed crystals can fail there.
    """

    tolerances: Tolerances = field(default_factory=Tolerances)
    mode: Literal["direct", "framework", "anonymous"] = "direct"
    criterion: Literal["rms", "largest"] = "rms"
    scale: bool = True
    reduce: bool = True
    primitive: bool = True
    supercell: bool = False
    keep_first: bool = False
    symmetric: bool = False

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"mode is {self.mode!r}, expected one of {', '.join(MODES)}")
        if self.criterion not in ("rms", "largest"):
            raise ValueError(f"criterion is {self.criterion!r}, expected 'rms' or 'largest'")
        for name, value in zip(("ltol", "stol", "angle_tol"), self.numbers, strict=True):
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} is {value}, expected a number from 0 on")

    @property
    def numbers(self) -> tuple[float, float, float]:
        """``ltol``, ``stol`` and ``angle_tol`` as the kernels take them."""
        return (
            float(self.tolerances.length),
            float(self.tolerances.site),
            float(self.tolerances.angle),
        )


NOVELTY = MatchSettings(criterion="largest", scale=False, reduce=False, supercell=True)
"""The duplicate search of the substitution workflow (arXiv 2606.23166), on reduced crystals."""


@dataclass(frozen=True)
class Counts:
    """What became of the pairs considered; the numbers add up.

    Attributes:
        considered: All pairs that were asked for.
        refused: Pairs that were not searched, by the name of the necessary condition that refused
            them; and under "too large" those that were given up, undecided.
        tested: Pairs that were searched.
        matched: Pairs that match.
        improved: Pairs of which a better match than the first was kept.
        seconds: Wall time, reduction included, and compilation where it is a machine's first run.
        undecided: Rows of both tables of the pairs that were given up: because a cell has more
            sites than a search can hold, because there are more lattice points than it can hold,
            or because it takes more work than anyone waits for.
        oversized: How many of these were given up for their sites, whatever the tolerances.
        unsure: Matches whose search was given up once one was found, so that a better one may be
            among what was not tried.
    """

    considered: int
    refused: dict[str, int]
    tested: int
    matched: int
    improved: int
    seconds: float
    undecided: tuple[tuple[int, int], ...] = ()
    oversized: int = 0
    unsure: int = 0


@dataclass(frozen=True)
class Matches:
    """Pairs that match, (m,) each.

    Attributes:
        first: Row of the first table.
        second: Row of the second table.
        rms: Root mean square displacement in units of (V/n)^(1/3) of the average cell.
        rms_angstrom: The same in Å.
        largest: Largest displacement in units of (V/n)^(1/3).
        element_maps: For "anonymous": atomic number by atomic number, -1 where the element does
            not occur, (m, 256); else None.
        counts: What became of all pairs.
    """

    first: np.ndarray
    second: np.ndarray
    rms: np.ndarray
    rms_angstrom: np.ndarray
    largest: np.ndarray
    element_maps: np.ndarray | None
    counts: Counts

    def __len__(self) -> int:
        return len(self.first)

    @property
    def undecided(self) -> np.ndarray:
        """Rows of both tables of the pairs whose search is too large, (k, 2)."""
        return np.array(self.counts.undecided, np.int64).reshape(-1, 2)


@dataclass(frozen=True)
class PairScores:
    """Given pairs, (p,) each; NaN where a pair does not match.

    Attributes:
        matched: Whether the pair matches.
        rms: As in :class:`Matches`, as are the fields below.
        rms_angstrom: In Å.
        largest: In units of (V/n)^(1/3).
        cost: For "framework": mean modified Pettifor distance of the elements that are paired.
        undecided: Whether the pair's search is too large; such a pair counts as not matched.
        counts: What became of the pairs.
    """

    matched: np.ndarray
    rms: np.ndarray
    rms_angstrom: np.ndarray
    largest: np.ndarray
    cost: np.ndarray
    undecided: np.ndarray
    counts: Counts
