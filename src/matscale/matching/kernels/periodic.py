"""Comparing two sets of sites in one periodic cell: quickly in fractions, exactly in Å."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from matscale.matching.kernels.assignment import FORBIDDEN
from matscale.matching.kernels.compiling import inlined, kernel

SLACK = 1 + 1e-9
BEGINS, FOLDED_BEGINS = 7, 8
"""Rows of the workspace's ``tally`` that say where species begin in ``columns`` and ``folded``."""
LANES = 8
"""Sites that are compared at once."""


@kernel
def lay_columns(sites, order, codes, n, begins, columns):
    """Coordinates by column and species, each species from a multiple of LANES on.

    The gaps hold what is near nothing, so that no sites are left over to be compared one by one.

    Args:
        sites: Fractional coordinates, (n, 3).
        order: Sites sorted by species, (n,).
        codes: Species of the sites, (n,) int64.
        n: Number of sites.
        begins: Receives where the sites of each species begin, (256,) int64.
        columns: Receives the coordinates, (3, m); m as in :func:`columns_needed`.
    """
    slot, last = 0, -1
    for rank in range(n):
        site = order[rank]
        code = codes[site]
        if code != last:
            slot = fill_gap(slot, columns)
            begins[code] = slot
            last = code
        for x in range(3):
            columns[x, slot] = sites[site, x]
        slot += 1
    fill_gap(slot, columns)


@kernel
def fill_gap(slot, columns):
    """Fill columns (3, m) with NaN from a place to the next multiple of LANES, which it returns."""
    while slot % LANES != 0:
        for x in range(3):
            columns[x, slot] = np.nan
        slot += 1
    return slot


def columns_needed(n: int) -> int:
    """Places that :func:`lay_columns` needs for n sites."""
    return n + (LANES - 1) * min(n, 256)


class Columns(NamedTuple):
    """Sites by column, as sites of another set look for partners among them.

    Attributes:
        codes: Species of the sites of the other set as small integers, (n,) int64.
        starts: Where species start among sorted sites, (257,): so many sites each has.
        begins: As from :func:`lay_columns`.
        columns: Likewise.
        tolerance: Largest difference of each coordinate, (3,).
    """

    codes: np.ndarray
    starts: np.ndarray
    begins: np.ndarray
    columns: np.ndarray
    tolerance: np.ndarray


@inlined
def _row_fits(x, y, z, first, second, third, tolerance):
    """Whether a site has a partner among sites given by coordinate; no branches: it vectorises.

    The coordinates come as slices, so that indices are known not to be negative; numba checks
    others one by one.
    """
    hit = False
    t0, t1, t2 = tolerance[0], tolerance[1], tolerance[2]
    for j in range(len(first)):
        d0, d1, d2 = x - first[j], y - second[j], z - third[j]
        hit |= (
            (abs(d0 - np.rint(d0)) <= t0)
            & (abs(d1 - np.rint(d1)) <= t1)
            & (abs(d2 - np.rint(d2)) <= t2)
        )
    return hit


@inlined
def _partners_of(i, others):
    """Coordinates of the sites that may be partners of site i, as slices of the columns."""
    code = others.codes[i]
    begin = others.begins[code]
    end = begin + (others.starts[code + 1] - others.starts[code] + LANES - 1) // LANES * LANES
    return others.columns[0, begin:end], others.columns[1, begin:end], others.columns[2, begin:end]


@kernel
def _unpaired_beside(subset, shift, others, n, fitting):
    """As :func:`first_unpaired`, where one site is known to have a partner."""
    code = others.codes[0]
    first, second, third = _partners_of(0, others)
    for i in range(n):
        if i == fitting:
            continue
        if others.codes[i] != code:
            code = others.codes[i]
            first, second, third = _partners_of(i, others)
        x, y, z = subset[i, 0] + shift[0], subset[i, 1] + shift[1], subset[i, 2] + shift[2]
        if not _row_fits(x, y, z, first, second, third, others.tolerance):
            return i
    return -1


@kernel
def first_unpaired(subset, shift, others, n, suspect):
    """The first site found without any partner within tolerance, or -1: the sets may match.

    As pymatgen's ``is_coord_subset_pbc``, which tries sites in order; starting with the one that
    failed last finds the same verdict sooner.

    Args:
        subset: Fractional coordinates, (n, 3).
        shift: Added to them, (3,).
        others: The other set.
        n: Number of sites.
        suspect: The site to try first.
    """
    i = suspect
    first, second, third = _partners_of(i, others)
    x, y, z = subset[i, 0] + shift[0], subset[i, 1] + shift[1], subset[i, 2] + shift[2]
    if not _row_fits(x, y, z, first, second, third, others.tolerance):
        return suspect
    return _unpaired_beside(subset, shift, others, n, suspect)


@kernel
def next_translation(sites, onto, order, ranks, pivot, others, n, suspect, shift):
    """The next translation of a set that lays its pivot onto a site, and all near some site.

    Args:
        sites: Fractional coordinates of the set, (n, 3).
        onto: Those of the other set, (n, 3).
        order: Its sites sorted by species, (n,).
        ranks: First place in ``order`` to try, that after the last, and the step between them.
        pivot: The site of the set to be laid onto those.
        others: The other set again, as :func:`first_unpaired` needs it.
        n: Number of sites.
        suspect: The site that had no partner last.
        shift: Receives the translation, (3,).

    Returns:
        The place in ``order``, -1 if there is none, and the site that had no partner last.
    """
    rank, stop, step = ranks
    first, second, third = _partners_of(suspect, others)
    while rank < stop:
        j = order[rank]
        for axis in range(3):
            shift[axis] = onto[j, axis] - sites[pivot, axis]
        i = suspect
        x, y, z = sites[i, 0] + shift[0], sites[i, 1] + shift[1], sites[i, 2] + shift[2]
        if _row_fits(x, y, z, first, second, third, others.tolerance):
            alone = _unpaired_beside(sites, shift, others, n, suspect)
            if alone < 0:
                return rank, suspect
            suspect = alone
            first, second, third = _partners_of(suspect, others)
        rank += step
    return -1, suspect


@kernel
def wrapped_to_cartesian(fractions, n, cell, wrapped, out):
    """Wrap fractional coordinates (n, 3) into [0, 1) and ``out`` = the same in Å."""
    for i in range(n):
        a = fractions[i, 0] - math.floor(fractions[i, 0])
        b = fractions[i, 1] - math.floor(fractions[i, 1])
        c = fractions[i, 2] - math.floor(fractions[i, 2])
        wrapped[i, 0], wrapped[i, 1], wrapped[i, 2] = a, b, c
        for x in range(3):
            out[i, x] = a * cell[0, x] + b * cell[1, x] + c * cell[2, x]


@kernel
def image_vectors(cell, out):
    """``out`` = vectors to the 27 nearest cells, (27, 3) in Å, first index slowest."""
    for a in range(3):
        for b in range(3):
            for c in range(3):
                for x in range(3):
                    out[9 * a + 3 * b + c, x] = (
                        (a - 1.0) * cell[0, x] + (b - 1.0) * cell[1, x] + (c - 1.0) * cell[2, x]
                    )


@kernel
def nearest_image(f, g, p, q, images, spacings):
    """The image of ``q`` nearest to ``p`` and its squared distance.

    As the innermost loop of pymatgen's ``pbc_shortest_vectors``: the first of equally near images
    wins. Images that lie in lattice planes farther away than a distance already found are not
    looked at; they cannot win.

    Args:
        f: Wrapped fractional coordinates of ``p`` in the reduced cell, (3,).
        g: The same of ``q``.
        p: Cartesian coordinates of ``p`` in Å, (3,).
        q: The same of ``q``.
        images: As from :func:`image_vectors`.
        spacings: Distances between the lattice planes of the reduced cell, (3,) in Å.
    """
    x, y, z = q[0] - p[0], q[1] - p[1], q[2] - p[2]
    a, b, c = g[0] - f[0], g[1] - f[1], g[2] - f[2]
    i0, j0, k0 = -int(np.rint(a)), -int(np.rint(b)), -int(np.rint(c))
    near = 13 + 9 * i0 + 3 * j0 + k0
    u, v, w = x + images[near, 0], y + images[near, 1], z + images[near, 2]
    square = u * u + v * v + w * w
    bound = math.sqrt(square) * SLACK + 1e-12
    # Planes next to the one of the nearest image are 1 - |fraction| away on the near side.
    if (
        (1 - abs(a + i0)) * spacings[0] > bound
        and (1 - abs(b + j0)) * spacings[1] > bound
        and (1 - abs(c + k0)) * spacings[2] > bound
    ):
        return near, square
    best, winner = 1e100, 0
    for i in range(-1, 2):
        if abs(a + i) * spacings[0] > bound:
            continue
        for j in range(-1, 2):
            if abs(b + j) * spacings[1] > bound:
                continue
            for k in range(-1, 2):
                if abs(c + k) * spacings[2] > bound:
                    continue
                image = 13 + 9 * i + 3 * j + k
                u, v, w = x + images[image, 0], y + images[image, 1], z + images[image, 2]
                square = u * u + v * v + w * w
                if square < best:
                    best, winner = square, image
    return winner, best


@kernel
def squared_distances(n, partners, degrees, wrapped, points, images, spacings, cost, bound):
    """Squared distances in Å^2 between sites that may be paired, and a bound for all pairings.

    As pymatgen's ``pbc_shortest_vectors``: other pairs cost FORBIDDEN.

    Args:
        n: Number of sites.
        partners: As from :func:`matscale.matching.kernels.partners.list_partners`.
        degrees: Likewise.
        wrapped: Fractional coordinates in the reduced cell in [0, 1), (2, n, 3): crystal 2, then
            crystal 1.
        points: The same in Å.
        images: As from :func:`image_vectors`.
        spacings: Distances between the lattice planes of the reduced cell, (3,) in Å.
        cost: Receives the squared distances, (n, n).
        bound: Receives q^2 - m^2 in Å^2 and the largest squared distance of partners, (2,).

    q^2 is the mean over sites of the squared distance to the nearest partner, m an upper bound of
    the mean displacement, from the extremes of the displacements to any partner. In any pairing
    with displacements v_i the mean of v_i^2 is at least q^2; once their mean is taken off, the rms
    squared is mean(v_i^2) - |mean(v_i)|^2 >= q^2 - m^2; and the largest distance is no less.
    """
    total = farthest = 0.0
    low0 = low1 = low2 = high0 = high1 = high2 = 0.0
    for i in range(n):
        nearest = np.inf
        min0 = min1 = min2 = np.inf
        max0 = max1 = max2 = -np.inf
        for j in range(n):
            cost[i, j] = FORBIDDEN
        for rank in range(degrees[i]):
            j = partners[i, rank]
            image, square = nearest_image(
                wrapped[0, i], wrapped[1, j], points[0, i], points[1, j], images, spacings
            )
            cost[i, j] = square
            nearest = min(nearest, square)
            farthest = max(farthest, square)
            v = points[1, j, 0] - points[0, i, 0] + images[image, 0]
            min0, max0 = min(min0, v), max(max0, v)
            v = points[1, j, 1] - points[0, i, 1] + images[image, 1]
            min1, max1 = min(min1, v), max(max1, v)
            v = points[1, j, 2] - points[0, i, 2] + images[image, 2]
            min2, max2 = min(min2, v), max(max2, v)
        total += nearest
        low0, low1, low2 = low0 + min0, low1 + min1, low2 + min2
        high0, high1, high2 = high0 + max0, high1 + max1, high2 + max2
    m0, m1, m2 = max(-low0, high0) / n, max(-low1, high1) / n, max(-low2, high2) / n
    bound[0], bound[1] = total / n - (m0 * m0 + m1 * m1 + m2 * m2), farthest
