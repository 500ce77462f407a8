"""Crystals made ready for matching: reduced once, with what the cheap tests need."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from ase.data import chemical_symbols

from matscale.matching.kernels.algebra import dot3, each_row_times, inverse, parameters, volume
from matscale.matching.kernels.bounds import volume_bounds
from matscale.matching.kernels.compiling import allocating, kernel
from matscale.matching.kernels.held import Held
from matscale.matching.kernels.primitive import reduced
from matscale.matching.kernels.reduction import niggli_cell
from matscale.matching.kernels.rotations import ROTATIONS
from matscale.matching.kernels.workspace import MAX_SITES, workspace
from matscale.structures.cells import DECIMALS, GAINED, PARTS
from matscale.structures.table import StructureTable

POINTS = 1 << 14
"""Lattice points that a workspace holds at first; a pair that needs more gets a larger one."""

SMALLEST_VOLUME = 1e-6
"""In Å^3; below it a cell is flat and has no lattice worth the name."""

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

    def counts(self, row: int) -> dict[int, int]:
        """Sites of each element in one cell."""
        codes = self.codes[self.offsets[row] : self.offsets[row] + self.sizes[row]]
        elements, counts = np.unique(codes, return_counts=True)
        return dict(zip(elements.tolist(), counts.tolist(), strict=True))


@kernel
def as_written(frac, n):
    """Round off what fractional coordinates (n, 3) gained on their way through positions in Å.

    As :func:`matscale.structures.cells.as_written`, where the reason is.
    """
    for i in range(n):
        for x in range(3):
            value = frac[i, x]
            for parts in (DECIMALS, PARTS):
                nearest = np.rint(value * parts) / parts
                if abs(value - nearest) <= GAINED * max(1.0, abs(value)):
                    frac[i, x] = nearest
                    break


@kernel
def _shortest(cell):
    """Whether no vector of the cell gets shorter, by 1e-3 or more, by adding the others or not.

    In three dimensions vectors a <= b <= c with b <= |b + x a| and c <= |c + x a + y b| for x and
    y in {-1, 0, 1} are as long as the successive minima of their lattice (Minkowski).
    """
    for last in range(3):
        own = math.sqrt(dot3(cell[last], cell[last])) * (1 - 1e-4)
        p, q = (last + 1) % 3, (last + 2) % 3
        for x in range(-1, 2):
            for y in range(-1, 2):
                square = 0.0
                for k in range(3):
                    value = cell[last, k] + x * cell[p, k] + y * cell[q, k]
                    square += value * value
                if math.sqrt(square) < own:
                    return False
    return True


@allocating
def _prepare(crystals, reduce, to_primitive, ranks, ltol, atol, space):
    found = np.empty((3, 3))
    lengths = np.empty(6)
    for i in range(len(crystals.sizes)):
        start, n = crystals.offsets[i], crystals.offsets[i + 1] - crystals.offsets[i]
        cell, frac = crystals.cells[i], crystals.frac[start : start + n]
        codes = crystals.codes[start : start + n]
        crystals.sizes[i] = 0
        if n == 0 or not volume(cell) > SMALLEST_VOLUME:
            continue
        if not inverse(cell, space.small[0], space.small[1]):
            continue
        each_row_times(frac, n, space.small[1], frac)
        as_written(frac, n)
        if reduce:
            n = reduced(cell, frac, codes, n, to_primitive and n <= MAX_SITES, ranks, space)
            if n <= 0:
                continue
        crystals.sizes[i] = n
        crystals.volumes[i] = volume(cell)
        parameters(cell, crystals.parameters[i])
        volume_bounds(crystals.parameters[i], ltol, atol, space.small[0], crystals.bounds[i])
        # Zeros refuse nothing.
        crystals.minima[i] = 0.0
        found[:] = cell
        if _shortest(found) or (niggli_cell(cell, space, found) and _shortest(found)):
            parameters(found, lengths)
            crystals.minima[i] = np.sort(lengths[:3]) * (1 - 1e-3)


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
    _prepare(Held(crystals), reduce, to_primitive, RANKS, ltol, atol, space)
    return crystals
