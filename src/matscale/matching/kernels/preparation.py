"""Crystals put into the cells in which they are compared, row by row."""

from __future__ import annotations

import math

import numpy as np

from matscale.matching.kernels.algebra import (
    copy_rows,
    dot3,
    each_row_times,
    inverse,
    parameters,
    volume,
)
from matscale.matching.kernels.bounds import volume_bounds
from matscale.matching.kernels.compiling import allocating, kernel
from matscale.matching.kernels.primitive import primitive, reduced
from matscale.matching.kernels.reduction import niggli_cell, reduce_cell
from matscale.matching.kernels.workspace import MAX_SITES
from matscale.structures.cells import DECIMALS, GAINED, PARTS

SMALLEST_VOLUME = 1e-6
"""In Å^3; below it a cell is flat and has no lattice worth the name."""


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
def prepare_rows(crystals, reduce, to_primitive, ranks, ltol, atol, space):
    """Put crystals into the cells in which they are compared; note what the cheap tests need.

    Args:
        crystals: As for :class:`matscale.matching.prepare.Prepared`, held; positions in Å stand in
            ``frac`` and are replaced.
        reduce: As for :func:`matscale.matching.prepare.prepare`, as are the next and tolerances.
        to_primitive: Likewise.
        ranks: Rank of each element in the order in which sites are sorted, (256,).
        ltol: Likewise.
        atol: Likewise.
        space: Workspace for the largest crystal.
    """
    minimal = np.empty((3, 3))
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
        copy_rows(cell, 3, minimal)
        if _shortest(minimal) or (niggli_cell(cell, space, minimal) and _shortest(minimal)):
            parameters(minimal, lengths)
            a, b, c = lengths[0], lengths[1], lengths[2]
            crystals.minima[i, 0] = min(a, b, c) * (1 - 1e-3)
            crystals.minima[i, 1] = max(min(a, b), min(max(a, b), c)) * (1 - 1e-3)
            crystals.minima[i, 2] = max(a, b, c) * (1 - 1e-3)


@allocating
def canonical_rows(offsets, lattices, positions, codes, sound, ranks, tolerance, space, sizes):
    """Put crystals into the primitive cell, then the Niggli cell of that, in place.

    Args:
        offsets: Sites of crystal i begin at ``offsets[i]``, (N + 1,).
        lattices: Lattice vectors as rows, (N, 3, 3) in Å.
        positions: Cartesian, (M, 3) in Å.
        codes: Atomic numbers, (M,) int64.
        sound: Crystals that are wanted and whose cell has a volume, (N,) bool.
        ranks: Rank of each element in the order in which sites are sorted, (256,).
        tolerance: Distance in Å within which sites are copies of one another.
        space: Workspace for the largest crystal.
        sizes: Receives the number of sites, (N,); left as it is where there is no such cell.
    """
    frac = np.empty_like(positions)
    for i in range(len(sizes)):
        start, stop = offsets[i], offsets[i + 1]
        cell, sites = lattices[i], frac[start:stop]
        if start == stop or not sound[i] or not inverse(cell, space.small[0], space.small[1]):
            continue
        each_row_times(positions[start:stop], stop - start, space.small[1], sites)
        as_written(sites, stop - start)
        n = primitive(cell, sites, codes[start:stop], stop - start, ranks, tolerance, space)
        if n > 0 and reduce_cell(cell, sites, n, space):
            sizes[i] = n
            each_row_times(sites, n, cell, positions[start:stop])
