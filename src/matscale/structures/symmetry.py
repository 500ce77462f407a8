"""Symmetry of crystals: crystal system and prototype."""

from __future__ import annotations

import logging
import os
from typing import Any

import numpy as np

from matscale.structures import chemistry
from matscale.structures.pymatgen_data import wyckoff_relabelings

SYMMETRY_PRECISION = 0.1
"""Distance in Å within which sites count as equivalent; AtomBench's choice."""

UNKNOWN = "unknown"
"""Crystal system or prototype of a structure on which the symmetry search fails."""


ANGLE_TOLERANCE = 5
"""In degrees: what pymatgen hands to spglib, and so AtomBench."""

SYSTEMS = (
    (2, "triclinic"),
    (15, "monoclinic"),
    (74, "orthorhombic"),
    (142, "tetragonal"),
    (167, "trigonal"),
    (194, "hexagonal"),
    (230, "cubic"),
)
"""The last space group of each crystal system."""

FIRST_HEXAGONAL = 168
"""From this space group on, no higher symmetry is of another system: a cubic group has no six-fold
axis."""


def crystal_system(numbers: np.ndarray, positions: np.ndarray, cell: np.ndarray) -> str:
    """Crystal system of the conventional standard structure, as AtomBench takes it (spglib).

    The crystal is symmetrised within the tolerance and looked at once more, for what was
    symmetrised may have a higher symmetry within the same tolerance: 25 of 4,060 crystals of
    Carbon-24 have. moyopy is three times faster but answers otherwise for 916 of them.

    Args:
        numbers: Atomic numbers (n,).
        positions: Cartesian (n, 3) in Å.
        cell: Lattice vectors as rows (3, 3) in Å.

    Returns:
        Such as ``"cubic"``, or :data:`UNKNOWN` where the symmetry search fails.
    """
    # Its C code writes to the terminal where a first tolerance fails and a tighter one is tried.
    os.environ.setdefault("SPGLIB_WARNING", "OFF")
    import spglib

    group = 0
    try:
        basis: Any = cell, positions @ np.linalg.inv(cell), numbers
        for _ in range(2):
            dataset = spglib.get_symmetry_dataset(basis, SYMMETRY_PRECISION, ANGLE_TOLERANCE)
            if dataset is None:
                return UNKNOWN
            group = dataset.number
            if group >= FIRST_HEXAGONAL:
                break
            basis = dataset.std_lattice, dataset.std_positions, dataset.std_types
    except (spglib.error.SpglibError, ValueError, TypeError):  # LinAlgError is a ValueError
        return UNKNOWN
    return next(name for last, name in SYSTEMS if group <= last)


def prototype(numbers: np.ndarray, positions: np.ndarray, cell: np.ndarray) -> str:
    """Label of a crystal's prototype: anonymous formula, space group and occupied orbits.

    Such as ``"AB 225 ab"`` for rock salt. Crystals that differ by elements and by the values of
    free parameters share it. Letters depend on the choice of origin; of the labellings that the
    Euclidean normaliser of the space group allows, the first in the alphabet is taken.

    Args:
        numbers: Atomic numbers (n,).
        positions: Cartesian (n, 3) in Å.
        cell: Lattice vectors as rows (3, 3) in Å.

    Returns:
        The label, or :data:`UNKNOWN` where the symmetry search (moyopy) fails.
    """
    import moyopy

    # Its warnings on operations of non-primitive cells do not touch orbits or space group number.
    logging.getLogger("moyo").setLevel(logging.ERROR)
    basis = moyopy.Cell(cell.tolist(), (positions @ np.linalg.inv(cell)).tolist(), numbers.tolist())
    try:
        dataset = moyopy.MoyoDataset(basis, symprec=SYMMETRY_PRECISION)
    except ValueError:
        return UNKNOWN
    letters = "".join(
        dataset.wyckoffs[site] for site, first in enumerate(dataset.orbits) if site == first
    )
    relabelings = wyckoff_relabelings()[dataset.number]
    orbits = min("".join(sorted(letters.translate(relabeling))) for relabeling in relabelings)
    formula = chemistry.anonymous_formula(chemistry.composition(numbers))
    return f"{formula} {dataset.number} {orbits}"


def space_group(numbers: np.ndarray, positions: np.ndarray, cell: np.ndarray) -> int:
    """Number of a crystal's space group at 0.1 Å (moyopy), 0 where the search fails.

    Args:
        numbers: Atomic numbers (n,).
        positions: Cartesian (n, 3) in Å.
        cell: Lattice vectors as rows (3, 3) in Å.
    """
    import moyopy

    logging.getLogger("moyo").setLevel(logging.ERROR)
    basis = moyopy.Cell(cell.tolist(), (positions @ np.linalg.inv(cell)).tolist(), numbers.tolist())
    try:
        return int(moyopy.MoyoDataset(basis, symprec=SYMMETRY_PRECISION).number)
    except ValueError:
        return 0
