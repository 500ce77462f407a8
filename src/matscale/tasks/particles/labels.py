"""Space groups of unit cells: the label that is published, and one that states its tolerance.

The published label is spglib's. The other one is moyopy's, with which the ceiling looks for the
symmetry of what it recovers: it fits the translation of each operation to all atoms, so that a
group holds if its operations, well placed, carry every atom to within the tolerance of another.
spglib takes the translation from one pair of atoms, and misses groups that hold by that measure
(Sn4Pt of ``diverse``: 68, whose operations miss by 0.0091 Å at most, and 0.0114 Å as spglib places
them).
"""

from __future__ import annotations

import logging
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

Crystal = tuple[Any, Any, Any]
"""As spglib takes it: arrays of lattice (3, 3), fractional coordinates (n, 3), numbers (n,)."""


def space_groups(table: StructureTable) -> np.ndarray:
    """Number of each crystal's space group at 0.01 Å (moyopy), 0 where the search fails; (N,)."""
    return np.array([space_group(basis(table, row)) for row in range(len(table))])


def published_groups(table: StructureTable) -> np.ndarray:
    """The same at spglib's default of 1e-5 Å (spglib); (N,)."""
    return np.array([_spglib_group(basis(table, row)) for row in range(len(table))])


def basis(table: StructureTable, row: int) -> Crystal:
    """A crystal of a table."""
    lattice = table.lattices[row]
    return lattice, table.row_positions(row) @ np.linalg.inv(lattice), table.row_numbers(row)


def space_group(crystal: Crystal) -> int:
    """Number of a crystal's space group at 0.01 Å (moyopy), 0 where the search fails."""
    import moyopy

    # Its warnings on operations of non-primitive cells do not touch the group's number.
    logging.getLogger("moyo").setLevel(logging.ERROR)
    try:
        cell = moyopy.Cell(*(part.tolist() for part in crystal))
        return int(moyopy.MoyoDataset(cell, symprec=SYMPREC).number)
    except ValueError:
        return UNKNOWN_GROUP


def _spglib_group(crystal: Crystal) -> int:
    # Its C code writes to the terminal where a first tolerance fails and a tighter one is tried.
    os.environ.setdefault("SPGLIB_WARNING", "OFF")
    import spglib

    try:
        found = spglib.get_symmetry_dataset(crystal, PUBLISHED_SYMPREC)
    except (spglib.error.SpglibError, ValueError, TypeError):
        return UNKNOWN_GROUP
    return UNKNOWN_GROUP if found is None else int(found.number)


def primitive_lattice(crystal: Crystal) -> np.ndarray:
    """Lattice vectors (3, 3) in Å of a primitive cell in the crystal's orientation (spglib).

    Found at 0.01 Å; the crystal's own where the search fails.
    """
    os.environ.setdefault("SPGLIB_WARNING", "OFF")
    import spglib

    try:
        found = spglib.standardize_cell(crystal, True, True, SYMPREC)
    except (spglib.error.SpglibError, ValueError, TypeError):
        found = None
    return np.asarray(crystal[0] if found is None else found[0], float)


def crystal_system(group: int) -> str:
    """Crystal system of a space group's number, "" for none."""
    if not 1 <= group <= SYSTEMS[-1][0]:
        return ""
    return next(name for last, name in SYSTEMS if group <= last)
