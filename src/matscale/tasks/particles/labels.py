"""Space groups of unit cells: the label that is published, and one that states its tolerance."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from matscale.structures.symmetry import SYSTEMS
from matscale.structures.table import StructureTable

PUBLISHED_SYMPREC = 1e-5
"""spglib's default, in Å, which the published code uses on the cell as it is written."""

SYMPREC = 0.01
"""In Å, of the ``sound`` protocol."""

UNKNOWN_GROUP = 0


def space_groups(table: StructureTable, symprec: float = SYMPREC) -> np.ndarray:
    """Number of each crystal's space group (spglib), 0 where the search fails; (N,)."""
    return np.array([space_group(basis(table, row), symprec) for row in range(len(table))])


def basis(table: StructureTable, row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A crystal as spglib takes it: lattice (3, 3), fractional coordinates (n, 3), numbers (n,)."""
    lattice = table.lattices[row]
    return lattice, table.row_positions(row) @ np.linalg.inv(lattice), table.row_numbers(row)


def space_group(crystal: Any, symprec: float) -> int:
    """Number of a crystal's space group, as :func:`basis` gives it; 0 where the search fails."""
    # Its C code writes to the terminal where a first tolerance fails and a tighter one is tried.
    os.environ.setdefault("SPGLIB_WARNING", "OFF")
    import spglib

    try:
        found = spglib.get_symmetry_dataset(crystal, symprec)
    except (spglib.error.SpglibError, ValueError, TypeError):
        return UNKNOWN_GROUP
    return UNKNOWN_GROUP if found is None else int(found.number)


def primitive_lattice(crystal: Any, symprec: float) -> np.ndarray:
    """Lattice vectors (3, 3) in Å of a primitive cell in the crystal's orientation.

    The crystal's own where the search fails.
    """
    os.environ.setdefault("SPGLIB_WARNING", "OFF")
    import spglib

    try:
        found = spglib.standardize_cell(crystal, True, True, symprec)
    except (spglib.error.SpglibError, ValueError, TypeError):
        found = None
    return np.asarray(crystal[0] if found is None else found[0], float)


def crystal_system(group: int) -> str:
    """Crystal system of a space group's number, "" for none."""
    if not 1 <= group <= SYSTEMS[-1][0]:
        return ""
    return next(name for last, name in SYSTEMS if group <= last)
