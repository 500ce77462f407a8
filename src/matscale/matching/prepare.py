"""Crystals made ready for matching: reduced once, with what the cheap tests need."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from ase.data import chemical_symbols

from matscale.matching.kernels.held import Held
from matscale.matching.kernels.preparation import prepare_rows
from matscale.matching.kernels.rotations import ROTATIONS
from matscale.matching.kernels.workspace import workspace
from matscale.structures.table import StructureTable

POINTS = 1 << 14
"""Lattice points that a workspace holds at first; a pair that needs more gets a larger one."""

_symbols = [*chemical_symbols, *(f"~{number:03d}" for number in range(len(chemical_symbols), 256))]
RANKS = np.empty(256, np.int64)
"""Alphabetical rank of each element's symbol by atomic number; pymatgen sorts sites by it."""
RANKS[np.argsort(np.array(_symbols), kind="stable")] = np.arange(256)


class Prepared(NamedTuple):
    """Crystals in the cells in which they are compared, column by column.

    Attributes:
        offsets: Sites of crystal i are ``offsets[i]:offsets[i] + sizes[i]``, (N + 1,).
        sizes: Number of sites, (N,); 0 for a crystal that has no reduced cell.
        cells: Lattice vectors as rows, (N, 3, 3) in Å.
        frac: Fractional coordinates, (M, 3).
        codes: Atomic numbers, (M,) int64.
        parameters: Lattice parameters, (N, 6) in Å and degrees.
        volumes: (N,) in Å^3.
        bounds: Volumes between which anything that is mapped onto the cell must lie, (N, 2) in
            Å^3: see :func:`matscale.matching.kernels.bounds.volume_bounds`.
        minima: Successive minima of the lattice, (N, 3) in Å, rounded down.
        rotations: Rotations that leave the crystal unchanged, (N, 50) int16, found when first
            needed: see :func:`matscale.matching.kernels.rotations.find_rotations`. They belong to
            one mode of matching: species count or do not.
        errors: How exact the rotations are, (N, 2).
    """

    offsets: np.ndarray
    sizes: np.ndarray
    cells: np.ndarray
    frac: np.ndarray
    codes: np.ndarray
    parameters: np.ndarray
    volumes: np.ndarray
    bounds: np.ndarray
    minima: np.ndarray
    rotations: np.ndarray
    errors: np.ndarray


def prepare(
    table: StructureTable, *, reduce: bool, to_primitive: bool, ltol: float, atol: float
) -> Prepared:
    """Reduce the crystals of a table as pymatgen's matcher does before it compares them.

    Args:
        table: Crystals.
        reduce: Whether to go to the Niggli cell; False compares the cells as they are.
        to_primitive: Whether to go to a primitive cell after that.
        ltol: Relative tolerance of lengths, for the bounds on volumes.
        atol: Tolerance of angles in degrees, likewise.
    """
    rows = len(table)
    crystals = Prepared(
        offsets=table.offsets,
        sizes=table.n_atoms.copy(),
        cells=table.lattices.copy(),
        frac=table.positions.copy(),  # made fractional in place
        codes=table.numbers.astype(np.int64),
        parameters=np.zeros((rows, 6)),
        volumes=np.zeros(rows),
        bounds=np.zeros((rows, 2)),
        minima=np.zeros((rows, 3)),
        rotations=np.zeros((rows, ROTATIONS), np.int16),
        errors=np.zeros((rows, 2)),
    )
    space = workspace(max(3, int(table.n_atoms.max(initial=0))), POINTS)
    prepare_rows(Held(crystals), reduce, to_primitive, RANKS, ltol, atol, space)
    return crystals
