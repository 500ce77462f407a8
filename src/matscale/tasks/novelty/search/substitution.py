"""One candidate: a training crystal with the elements of a generated one on its sites."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from ase.data import chemical_symbols

from matscale.structures.table import StructureTable


class Candidate(NamedTuple):
    """A substituted crystal; the attributes are those of the columns of ``Candidates``."""

    generated: int
    train: int
    cost: float
    whole: bool
    swaps: str
    crystal: StructureTable


def candidate(
    generated: int, train: int, cost: float, old: np.ndarray, crystal: StructureTable
) -> Candidate:
    """A candidate, with what its elements tell.

    Args:
        generated: Row of the generated crystal.
        train: Row of the training crystal.
        cost: Mean modified-Pettifor distance over the sites.
        old: Atomic numbers of the training crystal on the sites of ``crystal``, (n,).
        crystal: The substituted crystal, one row.
    """
    new = crystal.numbers
    return Candidate(generated, train, cost, is_whole(old, new), swaps_of(old, new), crystal)


def swaps_of(old: np.ndarray, new: np.ndarray) -> str:
    """Which element became which, site by site: ``"Na>K Cl>Br"``; unchanged ones are left out."""
    pairs = sorted({(int(a), int(b)) for a, b in zip(old, new, strict=True) if a != b})
    return " ".join(f"{chemical_symbols[a]}>{chemical_symbols[b]}" for a, b in pairs)


def is_whole(old: np.ndarray, new: np.ndarray) -> bool:
    """Whether elements are swapped one for one, site by site: each for one, no two for the same."""
    pairs = {(int(a), int(b)) for a, b in zip(old, new, strict=True)}
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
