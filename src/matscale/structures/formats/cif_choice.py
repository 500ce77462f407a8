"""Which of several settings a CIF means, by what else it says of its atoms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from matscale.structures.formats.cif_formula import Content
from matscale.structures.formats.cif_tags import Tags

APART = 0.5
"""Å; no two atoms of a crystal are nearer (H-H is 0.74 Å), but those of a wrong setting may be."""

MOST_ATOMS = 500
"""Of a cell in which distances are looked at."""

_MULTIPLICITIES = (
    "_atom_site_site_symmetry_multiplicity",
    "_atom_site_symmetry_multiplicity",
)


class Expansion(NamedTuple):
    """All sites of a cell as one setting makes them.

    Attributes:
        sites: The site of the file that each comes from, (m,).
        numbers: Atomic numbers, (m,).
        fractions: In [0, 1), (m, 3).
    """

    sites: np.ndarray
    numbers: np.ndarray
    fractions: np.ndarray


def choose(
    expansions: Sequence[Expansion], tags: Tags, content: Content, cell: np.ndarray
) -> tuple[int, bool]:
    """The likeliest of several settings, and whether the file decides between them.

    In this order: the multiplicities of the sites, the formula with the number of formula units,
    and that no two atoms are nearer than 0.5 Å. If nothing decides, it is the first.

    Args:
        expansions: The cell by each setting.
        tags: The block.
        content: What it says that its cell holds.
        cell: Lattice vectors as rows, in Å, (3, 3).
    """
    stated = _multiplicities(tags)
    marks = [
        (
            _has_multiplicities(expansion, stated),
            content.agrees(expansion.numbers),
            _is_apart(expansion, cell),
        )
        for expansion in expansions
    ]
    best = max(marks)
    return marks.index(best), marks.count(best) == 1


def _multiplicities(tags: Tags) -> list[int]:
    texts = tags.column(*_MULTIPLICITIES)
    return [int(text) if text.isdecimal() else 0 for text in texts]


def _has_multiplicities(expansion: Expansion, stated: Sequence[int]) -> bool:
    multiplicities = np.bincount(expansion.sites, minlength=len(stated))
    return all(
        count in (0, own) for count, own in zip(stated, multiplicities.tolist(), strict=False)
    )


def _is_apart(expansion: Expansion, cell: np.ndarray) -> bool:
    count = len(expansion.numbers)
    if not 1 < count <= MOST_ATOMS:
        return True
    shifts = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    for first in range(count - 1):
        gaps = expansion.fractions[first + 1 :] - expansion.fractions[first]
        vectors = ((gaps - np.round(gaps))[:, None] + shifts) @ cell
        if (np.einsum("nsi,nsi->ns", vectors, vectors) < APART**2).any():
            return False
    return True
