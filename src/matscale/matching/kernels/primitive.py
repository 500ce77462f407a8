"""Primitive cells, as pymatgen's ``get_primitive_structure`` finds them, tolerance included.

The search is pymatgen's: vectors between sites of the rarest species that roughly map the crystal
onto itself; every superlattice of the cell whose vectors are among them, smallest index first; and
of these the first in which the sites fall into groups of the right size, which are averaged. Then
again, until no smaller cell is found. Each smaller cell is Niggli-reduced at the end.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

from matscale.matching.kernels.algebra import copy_rows, dot3, inverse, rows_times
from matscale.matching.kernels.centring import (
    SORTED,
    STARTS,
    VECTORS,
    common_units,
    sort_by_rank,
    translations,
)
from matscale.matching.kernels.compiling import Routine, allocating, kernel
from matscale.matching.kernels.reduction import reduce_cell
from matscale.matching.kernels.workspace import SPACE

FAILED, UNCHANGED, SMALLER = -1, 0, 1

ROUNDING = 1e-9
"""Slack of tests that only save the full one: far above rounding errors."""


@kernel
def _is_translation(x, y, z, vectors, tolerance, slack):
    """Whether a vector of a superlattice is near some translation, in every coordinate."""
    for v in range(len(vectors)):
        d0, d1, d2 = x - vectors[v, 0], y - vectors[v, 1], z - vectors[v, 2]
        if (
            abs(d0 - np.rint(d0)) < tolerance[0] + slack
            and abs(d1 - np.rint(d1)) < tolerance[1] + slack
            and abs(d2 - np.rint(d2)) < tolerance[2] + slack
        ):
            return True
    return False


@kernel
def _may_coincide(sites, i, j, tolerance):
    """Whether two sites may become one: not neighbours in the cell given, or the same site."""
    if i == j:
        return True
    for x in range(3):
        d = sites[j, x] - sites[i, x]
        if abs(d - np.rint(d)) > 2 * tolerance[x]:
            return True
    return False


@kernel
def _group(sites, expanded, start, stop, size, tolerance, limit, together):
    """Which sites of a species coincide in the smaller cell; False unless cliques of ``size``."""
    n = stop - start
    for i in range(n):
        members = 0
        for j in range(n):
            near = True
            for x in range(3):
                d = expanded[start + j, x] - expanded[start + i, x]
                if not abs(d - np.rint(d)) < limit[x]:
                    near = False
                    break
            near = near and _may_coincide(sites, start + i, start + j, tolerance)
            together[i, j] = near
            members += near
        if members != size:
            return False
    for i in range(n):
        for j in range(n):
            if together[i, j]:
                for k in range(n):
                    if together[i, k] and not together[j, k]:
                        return False
    return True


@allocating
def _average(expanded, start, stop, together, codes, new_frac, new_codes, count):
    """Append the mean position of each group of coinciding sites; the new number of sites."""
    n = stop - start
    added = np.zeros(n, np.bool_)
    for i in range(n):
        if added[i]:
            continue
        members = 0
        for j in range(n):
            if not together[i, j]:
                continue
            added[j] = True
            members += 1
            for x in range(3):
                value = expanded[start + j, x]
                value -= math.floor(value)
                if members == 1:
                    new_frac[count, x] = value
                else:
                    offset = value - new_frac[count, x]
                    new_frac[count, x] += (offset - np.rint(offset)) / members
        new_codes[count] = codes[start + i]
        count += 1
    return count


@allocating
def _try_superlattice(cell, sites, codes, starts, matrix, inverted, size, length, tolerance, space):
    """Fold the crystal into a cell ``size`` times smaller. The number of sites, 0 if not one."""
    n = len(sites)
    smaller = space.small[3]
    rows_times(inverted, 3, cell, smaller)
    limit = np.empty(3)
    for i in range(3):
        v = smaller[i]
        limit[i] = length / math.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])
    expanded = np.empty((n, 3))
    new_frac, new_codes = np.empty((n, 3)), np.empty(n, codes.dtype)
    count = 0
    for group in range(len(starts) - 1):
        start, stop = starts[group], starts[group + 1]
        rows_times(sites[start:stop], stop - start, matrix, expanded[start:stop])
        together = np.empty((stop - start, stop - start), np.bool_)
        if not _group(sites, expanded, start, stop, size, tolerance, limit, together):
            return 0, new_frac, new_codes
        count = _average(expanded, start, stop, together, codes, new_frac, new_codes, count)
    return count, new_frac, new_codes


@kernel
def _coordinate_known(value, axis, vectors, tolerance):
    """Whether some translation has nearly this coordinate; with slack, so never wrongly not."""
    for v in range(len(vectors)):
        d = value - vectors[v, axis]
        if abs(d - np.rint(d)) < tolerance[axis] + ROUNDING:
            return True
    return False


@kernel
def _mark_divisors(units, vectors, tolerance, known):
    """Note for each axis by which divisors of ``units`` a cell may be cut along it, at a glance.

    The inverse of [[a, b, c], [0, e, f], [0, 0, g]] has the diagonal 1/a, 1/e, 1/g, whatever b, c
    and f are, and each of its rows must be near a translation.

    Args:
        units: Largest divisor.
        vectors: Translations, (m, 3).
        tolerance: Tolerance of each fractional coordinate, (3,).
        known: Receives 1 or 0 by axis and divisor, (3, units + 1) or larger.

    Returns:
        Whether any but 1 is possible at all.
    """
    possible = False
    for divisor in range(1, units + 1):
        if units % divisor:
            continue
        for axis in range(3):
            hit = _coordinate_known(1.0 / divisor, axis, vectors, tolerance)
            known[axis, divisor] = hit
            possible |= hit and divisor > 1
    return possible


@kernel
def _rows_known(a, b, c, e, f, g, vectors, tolerance, row):
    """Whether a row of the inverse of [[a, b, c], [0, e, f], [0, 0, g]] is near a translation.

    With slack for rounding; numpy's inverse decides.
    """
    x, y, z = 0.0, 0.0, 1.0 / g
    if row == 1:
        y, z = 1.0 / e, -f / (e * g)
    elif row == 0:
        x, y, z = 1.0 / a, -b / (a * e), (b * f - c * e) / (a * e * g)
    return _is_translation(x, y, z, vectors, tolerance, ROUNDING)


@kernel
def _next_superlattice(trial, a, e, g, vectors, tolerance, matrix, inverted, work):
    """The next superlattice of a diagonal, in pymatgen's order, that consists of translations.

    Args:
        trial: Number of the first one to try; b, c and f count up, f fastest.
        a: First entry of the diagonal.
        e: Second.
        g: Third.
        vectors: Translations, (m, 3).
        tolerance: Tolerance of each fractional coordinate, (3,).
        matrix: Receives the superlattice, (3, 3).
        inverted: Receives its inverse, (3, 3).
        work: Scratch, (3, 3).

    Returns:
        Its number, or -1 if there is none.
    """
    while trial < a * a * e:
        b, c, f = trial // (a * e), trial // e % a, trial % e
        trial += 1
        if not _rows_known(a, b, c, e, f, g, vectors, tolerance, 1):
            continue
        if not _rows_known(a, b, c, e, f, g, vectors, tolerance, 0):
            continue
        matrix[:] = 0.0
        matrix[0, 0], matrix[1, 1], matrix[2, 2] = a, e, g
        matrix[0, 1], matrix[0, 2], matrix[1, 2] = b, c, f
        inverse(matrix, work, inverted)
        known = True
        for row in range(3):
            r = inverted[row]
            known &= _is_translation(r[0], r[1], r[2], vectors, tolerance, 0.0)
        if known:
            return trial - 1
    return -1


@kernel
def _any_superlattice(e, g, vectors, tolerance):
    """Whether the last two rows can be translations, whatever the first is."""
    if not _rows_known(1, 0, 0, e, 0, g, vectors, tolerance, 2):
        return False
    for f in range(e):  # noqa: SIM110 - compiled
        if _rows_known(1, 0, 0, e, f, g, vectors, tolerance, 1):
            return True
    return False


@allocating
def _try_diagonal(cell, sites, codes, starts, a, e, g, vectors, length, tolerance, space):
    """Try all superlattices with one diagonal in pymatgen's order; replaces ``cell`` if found."""
    matrix, inverted, work = space.small[6], space.small[7], space.small[8]
    trial = 0
    while _any_superlattice(e, g, vectors, tolerance):
        trial = _next_superlattice(trial, a, e, g, vectors, tolerance, matrix, inverted, work)
        if trial < 0:
            break
        trial += 1
        count, new_frac, new_codes = _try_superlattice(
            cell, sites, codes, starts, matrix, inverted, a * e * g, length, tolerance, space
        )
        if count:
            rows_times(inverted, 3, cell, space.small[4])
            copy_rows(space.small[4], 3, cell)
            return count, new_frac, new_codes
    return 0, sites, codes


@allocating
def _smaller_cell(cell, frac, codes, ranks, length, space):
    """The first smaller cell of pymatgen's search: number of sites (0 if none), sites, species."""
    n = len(codes)
    units = common_units(codes, n, space)
    if units == 1:
        return 0, frac, codes
    groups = sort_by_rank(frac, codes, ranks, n, space)
    tolerance = space.small[5, 0]
    for i in range(3):
        tolerance[i] = length / math.sqrt(dot3(cell[i], cell[i]))
    vectors = space.sites[VECTORS, : translations(groups, tolerance, space)]
    known = space.which
    if units >= known.shape[1]:
        known = np.empty((3, units + 1), np.int64)
    if not _mark_divisors(units, vectors, tolerance, known):
        return 0, frac, codes
    sites, codes = space.sites[SORTED, :n], space.codes[0, :n]
    starts = space.tally[STARTS, : groups + 1]
    for size in range(2, units + 1):
        if units % size:
            continue
        for a in range(1, size + 1):
            if size % a or not known[0, a]:
                continue
            for e in range(1, size // a + 1):
                if (size // a) % e or not (known[1, e] and known[2, size // a // e]):
                    continue
                g = size // a // e
                count, new_frac, new_codes = _try_diagonal(
                    cell, sites, codes, starts, a, e, g, vectors, length, tolerance, space
                )
                if count:
                    return count, new_frac, new_codes
    return 0, sites, codes


def _primitive(cell, frac, codes, n, ranks, length, space):
    """Put a crystal into a primitive cell, in place, as ``Structure.get_primitive_structure``.

    Args:
        cell: Lattice vectors as rows, (3, 3) in Å.
        frac: Fractional coordinates, (n, 3).
        codes: Species, (n,) integers from 0 to 255.
        n: Number of sites.
        ranks: Alphabetical rank of each species, (256,); pymatgen sorts by symbol.
        length: Tolerance in Å; 0.25 is pymatgen's default.
        space: Workspace for n sites.

    Returns:
        The number of sites that are left, or -1 where pymatgen raises an error.
    """
    rounds = 0
    while True:
        count, new_frac, new_codes = _smaller_cell(cell, frac[:n], codes[:n], ranks, length, space)
        if count == 0:
            break
        n = count
        copy_rows(new_frac, n, frac)
        for site in range(n):
            codes[site] = new_codes[site]
        rounds += 1
    # pymatgen reduces once for each level of its recursion; the second time rarely changes much.
    for _ in range(rounds):
        if not reduce_cell(cell, frac, n, space):
            return FAILED
    return n


_MATRIX, _CODES = types.float64[:, ::1], types.int64[::1]
PRIMITIVE = Routine(
    "primitive cells",
    3,
    types.int64(_MATRIX, _MATRIX, _CODES, types.int64, _CODES, types.float64, SPACE),
    _primitive,
)
_call_primitive = PRIMITIVE.call


@kernel
def primitive(cell, frac, codes, n, ranks, length, space):
    """Put a crystal into a primitive cell, in place: calls :data:`PRIMITIVE`."""
    return _call_primitive(space.addresses[3], (cell, frac, codes, n, ranks, length, space))


@kernel
def reduced(cell, frac, codes, n, to_primitive, ranks, space):
    """Put a crystal into the cell in which pymatgen's matcher compares it, in place.

    As ``StructureMatcher._get_reduced_structure``: the Niggli cell and, if ``to_primitive``, a
    primitive cell of that.

    Returns:
        As :func:`primitive`.
    """
    if not reduce_cell(cell, frac, n, space):
        return FAILED
    if to_primitive:
        return primitive(cell, frac, codes, n, ranks, 0.25, space)
    return n
