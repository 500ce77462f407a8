"""Translations that roughly map a crystal onto itself: the candidates for a smaller cell."""

from __future__ import annotations

import math

from matscale.matching.kernels.compiling import inlined, kernel
from matscale.matching.kernels.periodic import fill_gap

# Rows of the workspace's ``sites`` and ``tally`` that are used here; ``codes[0]``, ``columns`` too.
SORTED, VECTORS, SCALED = 1, 2, 3
STARTS, DONE = 0, 1


@kernel
def common_units(codes, n, space):
    """The greatest common divisor of the numbers of sites of each species."""
    counts = space.tally[DONE]
    counts[:] = 0
    for i in range(n):
        counts[codes[i]] += 1
    units = 0
    for i in range(n):
        a, b = units, counts[codes[i]]
        while b:
            a, b = b, a % b
        units = a
    return units


@kernel
def sort_by_rank(frac, codes, ranks, n, space):
    """Sort sites by the alphabetical rank of their species, stably, into the workspace.

    Returns:
        The number of species; their first sites are in ``tally[STARTS]``.
    """
    sites, sorted_codes, starts = space.sites[SORTED], space.codes[0], space.tally[STARTS]
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
                for x in range(3):
                    sites[done, x] = frac[i, x]
                sorted_codes[done] = codes[i]
                done += 1
        last = rank
    starts[groups] = n
    return groups


@kernel
def _wrapped_and_scaled(value, tolerance):
    """A fractional coordinate in [0, 1) in units of the tolerance."""
    scale = 1.0 / tolerance
    return min((value - math.floor(value)) * scale, scale * (1 - 1e-15))


@inlined
def _near_any(x, y, z, first, second, third, box):
    """Whether a point is less than 1 from another in every coordinate, in a periodic box.

    The others come by coordinate; no branches: it vectorises.
    """
    hit = False
    b0, b1, b2 = box[0], box[1], box[2]
    for j in range(len(first)):
        d0, d1, d2 = abs(x - first[j]), abs(y - second[j]), abs(z - third[j])
        hit |= (
            ((d0 < 1.0) | (b0 - d0 < 1.0))
            & ((d1 < 1.0) | (b1 - d1 < 1.0))
            & ((d2 < 1.0) | (b2 - d2 < 1.0))
        )
    return hit


@kernel
def _keep_common(count, start, stop, double, box, space):
    """Keep the vectors that lead from each site of a group to near another; their number."""
    sites, others = space.sites[SORTED], space.columns
    vectors, scaled = space.sites[VECTORS], space.sites[SCALED]
    size = stop - start
    for origin in range(start, stop):
        # The first vector is zero, which leads from every site to itself.
        if count == 1:
            return 1
        for j in range(size):
            for axis in range(3):
                others[axis, j] = _wrapped_and_scaled(
                    sites[start + j, axis] - sites[origin, axis], double[axis]
                )
        width = fill_gap(size, others)
        first, second, third = others[0, :width], others[1, :width], others[2, :width]
        kept = 1
        for v in range(1, count):
            x, y, z = scaled[v, 0], scaled[v, 1], scaled[v, 2]
            if _near_any(x, y, z, first, second, third, box):
                for axis in range(3):
                    vectors[kept, axis] = vectors[v, axis]
                    scaled[kept, axis] = scaled[v, axis]
                kept += 1
        count = kept
    return count


@kernel
def translations(groups, tolerance, space):
    """Vectors that roughly map each site onto a similar one, into the workspace.

    Args:
        groups: Number of species, as from :func:`sort_by_rank`.
        tolerance: Tolerance of each fractional coordinate, (3,).
        space: Workspace with the sorted sites.

    Returns:
        Their number; they are in ``sites[VECTORS]``, the zero vector first.
    """
    starts, done = space.tally[STARTS], space.tally[DONE]
    rarest = 0
    for g in range(groups):
        done[g] = 0
        if starts[g + 1] - starts[g] < starts[rarest + 1] - starts[rarest]:
            rarest = g
    sites, vectors, scaled = space.sites[SORTED], space.sites[VECTORS], space.sites[SCALED]
    double, box = space.small[3, 0], space.small[3, 1]
    for x in range(3):
        double[x] = tolerance[x] * 2
        box[x] = 1.0 / double[x]
    first, count = starts[rarest], starts[rarest + 1] - starts[rarest]
    for v in range(count):
        for x in range(3):
            vectors[v, x] = sites[first + v, x] - sites[first, x]
            scaled[v, x] = _wrapped_and_scaled(vectors[v, x], double[x])
    for _ in range(groups):
        group = -1
        for g in range(groups):
            smaller = group < 0 or starts[g + 1] - starts[g] < starts[group + 1] - starts[group]
            if not done[g] and smaller:
                group = g
        done[group] = 1
        count = _keep_common(count, starts[group], starts[group + 1], double, box, space)
    return count
