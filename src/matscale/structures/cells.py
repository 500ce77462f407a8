"""Cells of crystals: lattice parameters, and one cell for all descriptions of a crystal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matscale.runtime.errors import Refused

if TYPE_CHECKING:
    from pymatgen.core import Structure

MOST_POINTS = 4e6
"""Lattice points that pymatgen's reduction may go through: all in the box around a sphere of the
reduced lattice's longest edge. A cell of 4 by 4 by 2,000 Å has a million; one of 4 by 4 by
10,000 Å 25 times as many, and takes gigabytes."""

SMALLEST_VOLUME = 1e-6
"""In Å^3; below it a cell is flat and has no lattice worth the name."""

DECIMALS, PARTS = 1e12, 24.0
"""Fractional coordinates are mostly written with few decimals, or are parts of a cell."""
GAINED = 4e-15
"""What a fractional coordinate may gain on its way through positions in Å, relative to 1."""


def as_written(fractions: np.ndarray) -> np.ndarray:
    """Fractional coordinates without what they gained on their way through positions in Å.

    A coordinate of 0.5 comes back from positions as 0.49999999999999994 or 0.5, by the cell and by
    the processor. Crystals are full of sites half a cell apart, whose nearest image is a matter of
    that digit. Coordinates of up to twelve decimals, and twenty-fourths, come back as they were.

    Args:
        fractions: Of any shape.
    """
    rounded = fractions.copy()
    slack = GAINED * np.maximum(1.0, np.abs(fractions))
    for parts in (PARTS, DECIMALS):
        nearest = np.rint(fractions * parts) / parts
        rounded = np.where(np.abs(fractions - nearest) <= slack, nearest, rounded)
    return rounded


def lattice_parameters(cells: np.ndarray) -> np.ndarray:
    """Lengths a, b, c in Å and angles alpha, beta, gamma in degrees.

    Args:
        cells: Lattice vectors as rows, (n, 3, 3) in Å.

    Returns:
        (n, 6).
    """
    lengths = np.linalg.norm(cells, axis=2)
    first, second = [1, 0, 0], [2, 2, 1]  # alpha stands between b and c, and so on
    dots = np.einsum("nij,nij->ni", cells[:, first], cells[:, second])
    cosines = dots / (lengths[:, first] * lengths[:, second])
    return np.concatenate([lengths, np.degrees(np.arccos(np.clip(cosines, -1, 1)))], axis=1)


def canonical_cell(structure: Structure) -> Structure:
    """The primitive cell, Niggli-reduced: pymatgen's, with its default tolerances.

    Raises:
        Refused: If pymatgen finds no reduced cell, as for cells that are nearly flat, or would be
            busy for too long, as with needles.
    """
    lattice = structure.lattice
    if lattice.volume <= SMALLEST_VOLUME:
        raise Refused("no reduced cell", f"{structure.formula}: {lattice.volume} Å^3")
    edges = lattice.get_lll_reduced_lattice().abc
    # Planes of the lattice lie 1 / |column of the inverse| apart.
    if np.prod(2 * max(edges) * np.linalg.norm(lattice.inv_matrix, axis=0) + 1) > MOST_POINTS:
        detail = f"{structure.formula}: edges of {min(edges):g} to {max(edges):g} Å"
        raise Refused("cell too long to reduce", detail)
    try:
        return structure.get_primitive_structure().get_reduced_structure(reduction_algo="niggli")
    # What pymatgen raises on a degenerate cell depends on where it notices.
    except (ValueError, ArithmeticError, IndexError, TypeError, np.linalg.LinAlgError) as error:
        raise Refused("no reduced cell", f"{structure.formula}: {error}") from error
