"""Translations that roughly map a crystal onto itself: the candidates for a smaller cell."""

from __future__ import annotations

import math

from matscale.matching.compiling import kernel

# Rows of the workspace's ``sites`` and ``tally`` that are used here; ``codes[0]`` too.
SORTED, VECTORS, SCALED, OTHERS = 1, 2, 3, 4
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


@kernel
def _keep_common(count, start, stop, double, box, space):
    """Keep the vectors that lead from each site of a group to near another; their number."""
    sites, others = space.sites[SORTED], space.sites[OTHERS]
    vectors, scaled = space.sites[VECTORS], space.sites[SCALED]
    size = stop - start
    for origin in range(start, stop):
        # The first vector is zero, which leads from every site to itself.
        if count == 1:
            return 1
        for j in range(size):
            for x in range(3):
                others[j, x] = _wrapped_and_scaled(
                    sites[start + j, x] - sites[origin, x], double[x]
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
