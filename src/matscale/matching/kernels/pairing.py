"""Two crystals in one cell: laying the base into it, the average cell, pairing the sites."""

from __future__ import annotations

import math

import numpy as np

from matscale.matching.kernels.algebra import (
    from_parameters,
    inverse,
    lll,
    parameters,
    reciprocal_lengths,
    rows_times,
)
from matscale.matching.kernels.assignment import FORBIDDEN, assign
from matscale.matching.kernels.compiling import kernel
from matscale.matching.kernels.partners import all_can_pair, list_partners
from matscale.matching.kernels.periodic import (
    fill_gap,
    image_vectors,
    nearest_image,
    squared_distances,
    wrapped_to_cartesian,
)

# Rows of the workspace's ``sites``. From RAW on, one row for crystal 2 and one for crystal 1.
BASE, S1, S2, RAW, WRAPPED, POINTS, MOVED = 0, 1, 2, 3, 5, 7, 9
# Matrices of the workspace's ``small``; 0 to 2 and 7 to 9 are scratch.
ALIGNED, REDUCED, TO_REDUCED, AVERAGE, SCALES, VECTORS, BEST_STEPS = 3, 4, 6, 10, 11, 12, 13
TIES, STEPS = 2, 17
# Rows of the workspace's ``integers``; the first three are the assignment's scratch.
PAIRS, BEST_PAIRS = 3, 4
MAXIMUM_CODES = 256

DISTANCE = 4.0
"""Pairs of sites that are looked at in the time that the distance of one takes."""


@kernel
def sort_by_species(codes, n, starts, ends, order):
    """Counting sort of species codes (n,): ``order`` and the ``starts`` (257,) of each species.

    ``ends`` is scratch, (257,).
    """
    starts[:] = 0
    for i in range(n):
        starts[codes[i] + 1] += 1
    for code in range(MAXIMUM_CODES):
        starts[code + 1] += starts[code]
    for code in range(MAXIMUM_CODES + 1):
        ends[code] = starts[code]
    for i in range(n):
        order[ends[codes[i]]] = i
        ends[codes[i]] += 1


@kernel
def _rows_inside(i, j, low, high, inverse_steps):
    """First and last k for which i, j, k may lie in the supercell; with slack, never too few."""
    first, last = low, high
    for x in range(3):
        start, slope = i * inverse_steps[0, x] + j * inverse_steps[1, x], inverse_steps[2, x]
        if abs(slope) < 1e-12:
            if start < -1e-6 or start > 1 + 1e-6:
                return 0, -1
            continue
        enters, leaves = (-1e-6 - start) / slope, (1 + 1e-6 - start) / slope
        first, last = max(first, min(enters, leaves)), min(last, max(enters, leaves))
    return math.ceil(first), math.floor(last)


@kernel
def supercell_points(steps, inverse_steps, work, fu, out):
    """Cells inside a supercell as fractions of it, as ``lattice_points_in_supercell``.

    Args:
        steps: The supercell's vectors as integer combinations of the cell's, (3, 3).
        inverse_steps: Inverse of that matrix.
        work: Scratch, (2, 3, 3).
        fu: Points expected.
        out: Receives the points, (fu, 3) or larger.

    Returns:
        The number of points found; it differs from fu only where pymatgen raises an error.
    """
    point, result = work[0], work[1]
    low, high = point[2], result[2]
    low[:] = 0.0
    high[:] = 0.0
    for x in range(3):
        for corner in range(8):
            value = 0.0
            for row in range(3):
                if corner >> (2 - row) & 1:
                    value += steps[row, x]
            low[x], high[x] = min(low[x], value), max(high[x], value)
    count = 0
    for i in range(int(low[0]), int(high[0]) + 1):
        for j in range(int(low[1]), int(high[1]) + 1):
            first, last = _rows_inside(i, j, low[2], high[2], inverse_steps)
            for k in range(first, last + 1):
                point[0, 0], point[0, 1], point[0, 2] = i, j, k
                rows_times(point, 2, inverse_steps, result)
                v = result[0]
                if min(v[0], v[1], v[2]) >= -1e-10 and max(v[0], v[1], v[2]) < 1 - 1e-10:
                    if count < fu:
                        for x in range(3):
                            out[count, x] = v[x]
                    count += 1
    return count


@kernel
def _reach(steps, x):
    """How many cells a supercell extends along an axis, at most."""
    return abs(steps[0, x]) + abs(steps[1, x]) + abs(steps[2, x])


@kernel
def lay_base(n_base, fu, frac, steps, aligned, space, out):
    """Fractional coordinates of the base in the mapped cell, wrapped, aabb order; False if lost."""
    work, inverted = space.small[0], space.small[1]
    if fu == 1:
        if not inverse(aligned, work, inverted):
            return False
        rows_times(space.sites[BASE], n_base, inverted, out)
    else:
        if not inverse(steps, work, inverted):
            return False
        shifts = space.sites[WRAPPED]
        space.work[1] += (1 + _reach(steps, 0)) * (1 + _reach(steps, 1)) + fu * n_base
        if supercell_points(steps, inverted, space.small[7:9], fu, shifts) != fu:
            return False
        rows_times(frac, n_base, inverted, space.sites[RAW])
        for i in range(n_base):
            for cell in range(fu):
                for x in range(3):
                    out[i * fu + cell, x] = space.sites[RAW, i, x] + shifts[cell, x]
    for i in range(n_base * fu):
        for x in range(3):
            out[i, x] -= math.floor(out[i, x])
    return True


@kernel
def average_cell(aligned, target, space):
    """The cell with the mean lengths and angles of the mapped cell and the target."""
    mean = space.lattices[1]
    parameters(aligned, mean)
    for i in range(6):
        mean[i] = (mean[i] + target[i]) / 2
    from_parameters(mean[0], mean[1], mean[2], mean[3], mean[4], mean[5], space.small[AVERAGE])


@kernel
def reduce_average(n, stol, normalization, space):
    """LLL cell of the average: images, spacings and tolerances; crystal 1 in its fractions."""
    small, sites = space.small, space.sites
    reduced, mapping, scales = small[REDUCED], small[5], small[SCALES]
    lll(small[AVERAGE], reduced, mapping, small[7:10], small[TIES])
    reciprocal_lengths(reduced, small[0], small[1], scales[0])
    for x in range(3):
        scales[1, x] = scales[0, x] * stol / (math.pi * normalization)
        scales[2, x] = 2 * math.pi / scales[0, x]
    inverse(mapping, small[0], small[TO_REDUCED])
    image_vectors(reduced, space.images)
    rows_times(sites[S1], n, small[TO_REDUCED], sites[RAW + 1])
    wrapped_to_cartesian(sites[RAW + 1], n, reduced, sites[WRAPPED + 1], sites[POINTS + 1])
    for i in range(n):
        for x in range(3):
            space.fractions[x, i] = sites[RAW + 1, i, x]
    fill_gap(n, space.fractions)


@kernel
def shift_sites(n, shift, space):
    """Shift crystal 2 and put it into the reduced average cell."""
    sites = space.sites
    moved = sites[MOVED]
    for i in range(n):
        for x in range(3):
            moved[i, x] = sites[S2, i, x] + shift[x]
    rows_times(moved, n, space.small[TO_REDUCED], sites[RAW])
    wrapped_to_cartesian(sites[RAW], n, space.small[REDUCED], sites[WRAPPED], sites[POINTS])


@kernel
def distances_within(n, tolerance, space):
    """Squared distances of the shifted sites; False if not all can be paired within tolerance."""
    sites = space.sites
    if not list_partners(
        n,
        sites[RAW],
        space.fractions,
        space.codes,
        tolerance,
        space.partners,
        space.degrees,
        space.flags,
    ):
        return False
    total = 0.0
    for i in range(n):
        total += space.degrees[i]
    space.work[1] += DISTANCE * total
    if not all_can_pair(
        n, space.partners, space.degrees, space.integers, space.flags[0], space.work
    ):
        return False
    squared_distances(
        n,
        space.partners,
        space.degrees,
        sites[WRAPPED : WRAPPED + 2],
        sites[POINTS:MOVED],
        space.images,
        space.small[SCALES, 2],
        space.cost,
        space.bound,
    )
    return True


@kernel
def _all_within(n, tolerance, space):
    """Whether all partners that are listed are within a tolerance, as ``list_partners`` has it."""
    raw, columns = space.sites[RAW], space.fractions
    for i in range(n):
        for rank in range(space.degrees[i]):
            j = space.partners[i, rank]
            for x in range(3):
                d = columns[x, j] - raw[i, x]
                if not abs(d - np.rint(d)) <= tolerance[x]:
                    return False
    return True


@kernel
def pair_sites(n, shift, normalization, limit, known, space):
    """Pair the sites and take off the mean displacement; False if that cannot be below ``limit``.

    As ``StructureMatcher._cart_dists``. The pairing is in ``integers[PAIRS]``, the normalised
    distances in ``distances[0]``, the mean displacement in Å in ``small[VECTORS, 0]``. If
    ``known``, the sites are shifted and their distances known within a wider tolerance.
    """
    sites, scales = space.sites, space.small[SCALES]
    vectors = sites[MOVED]
    if not (known and _all_within(n, scales[1], space)):
        shift_sites(n, shift, space)
        if not distances_within(n, scales[1], space):
            return False
    # Rounding is far below this slack; ties at the limit go to the full test.
    if not space.bound[0] < (limit / normalization) ** 2 * (1 + 1e-9) + 1e-12:
        return False
    wrapped, points = sites[WRAPPED : WRAPPED + 2], sites[POINTS:MOVED]
    column = space.integers[PAIRS]
    if not assign(space.cost, n, column, space.floats, space.integers, space.flags, space.work):
        return False
    mean = space.small[VECTORS, 0]
    mean[:] = 0.0
    for i in range(n):
        j = column[i]
        if space.cost[i, j] >= FORBIDDEN:
            return False
        image, _ = nearest_image(
            wrapped[0, i], wrapped[1, j], points[0, i], points[1, j], space.images, scales[2]
        )
        for x in range(3):
            vectors[i, x] = (points[1, j, x] - points[0, i, x]) + space.images[image, x]
            mean[x] += vectors[i, x]
    for x in range(3):
        mean[x] /= n
    for i in range(n):
        u, v, w = vectors[i, 0] - mean[0], vectors[i, 1] - mean[1], vectors[i, 2] - mean[2]
        space.distances[0, i] = math.sqrt(u * u + v * v + w * w) * normalization
    return True
