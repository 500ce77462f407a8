"""Primitive cells, as pymatgen's ``get_primitive_structure`` finds them, tolerance included.

The search is pymatgen's: vectors between sites of the rarest species that roughly map the crystal
onto itself; every superlattice of the cell whose vectors are among them, smallest index first; and
of these the first in which the sites fall into groups of the right size, which are averaged. Then
again, until no smaller cell is found. Each smaller cell is Niggli-reduced at the end.
"""

from __future__ import annotations

import math

import numpy as np

from matscale.matching.algebra import inverse, rows_times
from matscale.matching.compiling import allocating, kernel
from matscale.matching.reduction import reduce_cell

FAILED, UNCHANGED, SMALLER = -1, 0, 1
MAXIMUM_CODES = 256


@allocating
def _sort_by_rank(frac, codes, ranks, n):
    """Sort sites by the alphabetical rank of their species; stable. Starts of the groups."""
    order = np.empty(n, np.int64)
    starts = np.empty(n + 1, np.int64)
    groups, done = 0, 0
    last = -1
    while done < n:
        rank = 1 << 30
        for i in range(n):
            if last < ranks[codes[i]] < rank:
                rank = ranks[codes[i]]
        starts[groups] = done
        groups += 1
        for i in range(n):
            if ranks[codes[i]] == rank:
                order[done] = i
                done += 1
        last = rank
    starts[groups] = n
    return frac[order], codes[order], starts[: groups + 1]


@kernel
def _wrapped_and_scaled(value, tolerance):
    """A fractional coordinate in [0, 1) in units of the tolerance."""
    scale = 1.0 / tolerance
    return min((value - math.floor(value)) * scale, scale * (1 - 1e-15))


@kernel
def _near_any(point, others, count, box):
    """Whether a point is less than 1 from another in every coordinate, in a periodic box."""
    for j in range(count):
        d = abs(point[0] - others[j, 0])
        if not min(d, box[0] - d) < 1.0:
            continue
        d = abs(point[1] - others[j, 1])
        if not min(d, box[1] - d) < 1.0:
            continue
        d = abs(point[2] - others[j, 2])
        if min(d, box[2] - d) < 1.0:
            return True
    return False


@allocating
def _keep_common(vectors, scaled, count, sites, start, stop, tolerance):
    """Keep the vectors that lead from each site of a group to near another; their number."""
    size = stop - start
    others = np.empty((size, 3))
    box = np.empty(3)
    for x in range(3):
        box[x] = 1.0 / tolerance[x]
    for origin in range(start, stop):
        # The first vector is zero, which leads from every site to itself.
        if count == 1:
            return 1
        for j in range(size):
            for x in range(3):
                others[j, x] = _wrapped_and_scaled(
                    sites[start + j, x] - sites[origin, x], tolerance[x]
                )
        kept = 1
        for v in range(1, count):
            if _near_any(scaled[v], others, size, box):
                for x in range(3):
                    vectors[kept, x] = vectors[v, x]
                    scaled[kept, x] = scaled[v, x]
                kept += 1
        count = kept
    return count


@allocating
def _translations(sites, starts, tolerance):
    """Vectors that roughly map each site onto a similar one, (m, 3) in fractions."""
    groups = len(starts) - 1
    sizes = starts[1:] - starts[:-1]
    rarest = np.argmin(sizes)
    first = starts[rarest]
    vectors = sites[first : starts[rarest + 1]] - sites[first]
    count = len(vectors)
    double = np.empty(3)
    for x in range(3):
        double[x] = tolerance[x] * 2
    scaled = np.empty((count, 3))
    for v in range(count):
        for x in range(3):
            scaled[v, x] = _wrapped_and_scaled(vectors[v, x], double[x])
    done = np.zeros(groups, np.bool_)
    for _ in range(groups):
        group = -1
        for g in range(groups):
            if not done[g] and (group < 0 or sizes[g] < sizes[group]):
                group = g
        done[group] = True
        count = _keep_common(
            vectors, scaled, count, sites, starts[group], starts[group + 1], double
        )
    return vectors[:count]


@kernel
def _is_translation(row, vectors, tolerance):
    """Whether a vector of a superlattice is near some translation, in every coordinate."""
    for v in range(len(vectors)):
        near = True
        for x in range(3):
            d = row[x] - vectors[v, x]
            if not abs(d - np.rint(d)) < tolerance[x]:
                near = False
                break
        if near:
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
        if abs(d - np.rint(d)) < tolerance[axis] + 1e-9:
            return True
    return False


@kernel
def _may_hold(matrix, vectors, tolerance):
    """Whether superlattices with this diagonal can consist of translations, at a glance.

    The inverse of [[a, b, c], [0, e, f], [0, 0, g]] has the diagonal 1/a, 1/e, 1/g, whatever b, c
    and f are, and each of its rows must be near a translation.
    """
    return (
        _coordinate_known(1.0 / matrix[2, 2], 2, vectors, tolerance)
        and _coordinate_known(1.0 / matrix[1, 1], 1, vectors, tolerance)
        and _coordinate_known(1.0 / matrix[0, 0], 0, vectors, tolerance)
    )


@allocating
def _try_diagonal(cell, sites, codes, starts, matrix, size, vectors, length, tolerance, space):
    """Try all superlattices with one diagonal in pymatgen's order; replaces ``cell`` if found."""
    inverted, work = np.empty((3, 3)), np.empty((3, 3))
    a, e = int(matrix[0, 0]), int(matrix[1, 1])
    for b in range(a):
        for c in range(a):
            for f in range(e):
                matrix[0, 1], matrix[0, 2], matrix[1, 2] = b, c, f
                inverse(matrix, work, inverted)
                if not (
                    _is_translation(inverted[2], vectors, tolerance)
                    and _is_translation(inverted[1], vectors, tolerance)
                    and _is_translation(inverted[0], vectors, tolerance)
                ):
                    continue
                count, new_frac, new_codes = _try_superlattice(
                    cell, sites, codes, starts, matrix, inverted, size, length, tolerance, space
                )
                if count:
                    rows_times(inverted, 3, cell, space.small[4])
                    cell[:] = space.small[4]
                    return count, new_frac, new_codes
    return 0, sites, codes


@kernel
def _gcd(a, b):
    while b:
        a, b = b, a % b
    return a


@allocating
def _smaller_cell(cell, frac, codes, ranks, length, space):
    """The first smaller cell of pymatgen's search: number of sites (0 if none), sites, species."""
    n = len(codes)
    sites, codes, starts = _sort_by_rank(frac, codes, ranks, n)
    units = 0
    for group in range(len(starts) - 1):
        units = _gcd(units, starts[group + 1] - starts[group])
    if units == 1:
        return 0, sites, codes
    tolerance = np.empty(3)
    for i in range(3):
        v = cell[i]
        tolerance[i] = length / math.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])
    vectors = _translations(sites, starts, tolerance)
    matrix = np.zeros((3, 3))
    for size in range(2, units + 1):
        if units % size:
            continue
        for a in range(1, size + 1):
            if size % a:
                continue
            for e in range(1, size // a + 1):
                if (size // a) % e:
                    continue
                matrix[0, 0], matrix[1, 1], matrix[2, 2] = a, e, size // a // e
                if not _may_hold(matrix, vectors, tolerance):
                    continue
                count, new_frac, new_codes = _try_diagonal(
                    cell, sites, codes, starts, matrix, size, vectors, length, tolerance, space
                )
                if count:
                    return count, new_frac, new_codes
    return 0, sites, codes


@allocating
def primitive(cell, frac, codes, n, ranks, length, space):
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
        frac[:n] = new_frac[:n]
        codes[:n] = new_codes[:n]
        rounds += 1
    # pymatgen reduces once for each level of its recursion; the second time rarely changes much.
    for _ in range(rounds):
        if not reduce_cell(cell, frac, n, space):
            return FAILED
    return n


@allocating
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
