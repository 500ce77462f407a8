"""Cells of crystals: lattice parameters, and one cell for all descriptions of a crystal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matscale.errors import Refused

if TYPE_CHECKING:
    from pymatgen.core import Structure


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
        Refused: If pymatgen finds no reduced cell, as for cells that are nearly flat.
    """
    try:
        return structure.get_primitive_structure().get_reduced_structure(reduction_algo="niggli")
    # What pymatgen raises on a degenerate cell depends on where it notices.
    except (ValueError, ArithmeticError, IndexError, TypeError, np.linalg.LinAlgError) as error:
        raise Refused("no reduced cell", f"{structure.formula}: {error}") from error
