"""Symmetry of crystals: crystal system and prototype."""

from __future__ import annotations

import gzip
import json
import logging
import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from matscale.structures import chemistry

if TYPE_CHECKING:
    from pymatgen.core import Structure

SYMMETRY_PRECISION = 0.1
"""Distance in Å within which sites count as equivalent; AtomBench's choice."""

UNKNOWN = "unknown"
"""Crystal system or prototype of a structure on which the symmetry search fails."""


def crystal_system(structure: Structure) -> str:
    """Crystal system of the conventional standard structure, as AtomBench takes it (spglib)."""
    # Its C code writes to the terminal where a first tolerance fails and a tighter one is tried.
    os.environ.setdefault("SPGLIB_WARNING", "OFF")
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer, SymmetryUndeterminedError

    try:
        standard = SpacegroupAnalyzer(
            structure, symprec=SYMMETRY_PRECISION
        ).get_conventional_standard_structure()
        return str(SpacegroupAnalyzer(standard, symprec=SYMMETRY_PRECISION).get_crystal_system())
    except (SymmetryUndeterminedError, ValueError, TypeError):
        return UNKNOWN


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
        found = moyopy.MoyoDataset(basis, symprec=SYMMETRY_PRECISION)
    except ValueError:
        return UNKNOWN
    letters = "".join(
        found.wyckoffs[site] for site, first in enumerate(found.orbits) if site == first
    )
    relabelings = wyckoff_relabelings()[found.number]
    orbits = min("".join(sorted(letters.translate(relabeling))) for relabeling in relabelings)
    formula = chemistry.anonymous_formula(chemistry.composition(numbers))
    return f"{formula} {found.number} {orbits}"


@cache
def wyckoff_relabelings() -> dict[int, list[dict[int, str]]]:
    """Relabelings of Wyckoff letters by the Euclidean normaliser, by space group number.

    Each is a table for ``str.translate``. This is pymatgen's
    ``WYCKOFF_POSITION_RELAB_DICT``, read from its file: importing it parses a library of
    structures besides and takes four seconds.
    """
    package = find_spec("pymatgen.analysis")
    assert package is not None and package.submodule_search_locations
    folder = Path(package.submodule_search_locations[0]) / "prototypes"
    with gzip.open(folder / "wyckoff-position-relabelings.json.gz", "rt") as file:
        content = json.load(file)
    return {
        int(group): [{int(code): letter for code, letter in one.items()} for one in tables]
        for group, tables in content.items()
    }
