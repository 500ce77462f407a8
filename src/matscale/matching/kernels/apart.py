"""Failures to pair sites that hold for all mappings equivalent by symmetry.

Two mappings that differ by a rotation of the base pose the same question, but pymatgen's answer to
it can depend on the order of sites: where several pairings are equally good, it keeps one of them
and takes off that one's mean displacement. And rotations are only so exact. So a mapping is passed
over only if an equivalent one failed in a way that neither the choice among equally good pairings
nor errors of up to ``blur`` in each distance could have changed.
"""

from __future__ import annotations

import math

import numpy as np

from matscale.matching.kernels.algebra import inverse as invert
from matscale.matching.kernels.assignment import FORBIDDEN, assign
from matscale.matching.kernels.compiling import kernel
from matscale.matching.kernels.pairing import (
    DISTANCE,
    PAIRS,
    POINTS,
    RAW,
    REDUCED,
    SCALES,
    TIES,
    WRAPPED,
    distances_within,
    shift_sites,
)
from matscale.matching.kernels.partners import all_can_pair
from matscale.matching.kernels.periodic import nearest_image

INVERSE, WIDER = 22, 23
"""The workspace's ``small`` matrices that are used here: inverse of the reduced cell; tolerances
before and in the reduced cell, and in one of several reduced cells."""


@kernel
def _length(inverse, p, q, r, axis):
    """Length of a reciprocal vector once a_1 + p a_0 and a_2 + q a_1 + r a_0 replace a_1, a_2."""
    square = 0.0
    for x in range(3):
        value = inverse[x, axis]
        if axis == 1:
            value -= q * inverse[x, 2]
        elif axis == 0:
            value -= p * (inverse[x, 1] - q * inverse[x, 2]) + r * inverse[x, 2]
        square += value * value
    return math.sqrt(square)


@kernel
def widen(reach, space):
    """Tolerances that hold pymatgen's, whichever cell is the reduced one where vectors tie.

    With p, q and r as in :func:`_length`, fractions f' of the other cell are f_2' = f_2,
    f_1' = f_1 - q f_2 and f_0' = f_0 - p f_1' - r f_2.

    Args:
        reach: Largest distance in Å along the normal of lattice planes.
        space: Workspace with the reduced cell; ``small[WIDER, 1]`` receives the tolerances.

    Returns:
        False if the cell is singular.
    """
    inverse = space.small[INVERSE]
    if not invert(space.small[REDUCED], space.small[0], inverse):
        return False
    ties, wider = space.small[TIES], space.small[WIDER, 1]
    p, q = ties[1, 0], ties[2, 1]
    r = 1.0 if q != 0.0 else abs(ties[2, 0])
    longest_0 = longest_1 = 0.0
    for signs in range(4):
        p_now, q_now = p * (signs & 1), q * (signs >> 1 & 1)
        for r_now in (-r, 0.0, r):
            longest_0 = max(longest_0, _length(inverse, p_now, q_now, r_now, 0))
        longest_1 = max(longest_1, _length(inverse, p_now, q_now, 0.0, 1))
    wider[2] = _length(inverse, 0.0, 0.0, 0.0, 2) * reach
    wider[1] = longest_1 * reach + abs(q) * wider[2]
    wider[0] = longest_0 * reach + abs(p) * longest_1 * reach + r * wider[2]
    return True


@kernel
def surely_apart(n, shift, limit, blur, space):
    """Whether no pairing at a shift can match, nor at an equivalent one.

    Args:
        n: Number of sites.
        shift: Translation of crystal 2 in fractions of the average cell, (3,).
        limit: Distance in Å that is too far.
        blur: Largest error in Å of the distance of two sites, of the tolerance and of the limit.
        space: Workspace with both crystals in the reduced average cell, and ``small[WIDER, 1]`` as
            from :func:`widen`.
    """
    scales = space.small[SCALES]
    if space.small[TIES, 0, 0] > 0.0:
        return False
    shift_sites(n, shift, space)
    if not distances_within(n, space.small[WIDER, 1], space):
        return True
    farthest = math.sqrt(space.bound[1])
    too_far = (limit + blur) ** 2
    # Else two images of a site may be equally near, and either be the partner.
    one_image = 2 * (farthest + blur) < min(scales[2, 0], scales[2, 1], scales[2, 2])
    if one_image and space.bound[0] > too_far + 6 * blur * (farthest + blur):
        return True
    ties = space.small[TIES]
    p, q = ties[1, 0], ties[2, 1]
    if p == 0.0 and q == 0.0 and ties[2, 0] == 0.0:
        return _fails_in(n, 0.0, 0.0, 0.0, too_far, blur, space)
    first_r, last_r = min(ties[2, 0], 0.0), max(ties[2, 0], 0.0)
    for signs in range(4):
        p_now, q_now = p * (signs & 1), q * (signs >> 1)
        if (signs & 1 and p == 0.0) or (signs >> 1 and q == 0.0):
            continue
        if q_now != 0.0:
            first_r, last_r = -1.0, 1.0
        r_now = first_r
        while r_now <= last_r:
            if not _fails_in(n, p_now, q_now, r_now, too_far, blur, space):
                return False
            r_now += 1.0
    return True


@kernel
def _fails_in(n, p, q, r, too_far, blur, space):
    """Whether all pairings fail if a_1 + p a_0 and a_2 + q a_1 + r a_0 replace a_1 and a_2."""
    reach = space.small[SCALES, 1, 0] * space.small[SCALES, 2, 0] + blur
    reaches, partial = space.small[WIDER, 2], space.masked
    for axis in range(3):
        reaches[axis] = reach * _length(space.small[INVERSE], p, q, r, axis)
    remaining = _list_remaining(n, p, q, r, reaches, space)
    space.work[1] += DISTANCE * remaining
    if remaining == 0:
        return True
    # If all partners remain, they can all be paired still.
    if remaining < space.degrees[:n].sum() and not all_can_pair(
        n, space.remaining, space.left, space.integers, space.flags[0], space.work
    ):
        return True
    for i in range(n):
        for j in range(n):
            partial[i, j] = FORBIDDEN
        for rank in range(space.left[i]):
            j = space.remaining[i, rank]
            partial[i, j] = space.cost[i, j]
    column = space.integers[PAIRS]
    if not assign(partial, n, column, space.floats, space.integers, space.flags, space.work):
        return True
    for axis in range(3):
        reaches[axis] *= (reach - 2 * blur) / reach
    return _best_pairings_fail(n, column, p, q, r, too_far, blur, space)


@kernel
def _list_remaining(n, p, q, r, reaches, space):
    """List the partners within tolerance in another cell; their number, 0 if a site has none."""
    remaining = 0
    for i in range(n):
        left = 0
        for rank in range(space.degrees[i]):
            j = space.partners[i, rank]
            if _within(i, j, p, q, r, reaches, space):
                space.remaining[i, left] = j
                left += 1
        if left == 0:
            return 0
        space.left[i] = left
        remaining += left
    return remaining


@kernel
def _within(i, j, p, q, r, reaches, space):
    """Whether two sites are within tolerance in a reduced cell as in :func:`_fails_in`."""
    raw, fractions = space.sites[RAW], space.fractions
    c = raw[i, 2] - fractions[2, j]
    b = raw[i, 1] - fractions[1, j] - q * c
    a = raw[i, 0] - fractions[0, j] - p * b - r * c
    return (
        (abs(a - np.rint(a)) <= reaches[0])
        & (abs(b - np.rint(b)) <= reaches[1])
        & (abs(c - np.rint(c)) <= reaches[2])
    )


@kernel
def _extend(i, j, limit, space, low, high):
    """Extend a box to hold the displacements to all images nearer than a squared distance."""
    p, q = space.sites[POINTS, i], space.sites[POINTS + 1, j]
    first, last = 0, 27
    spacings = space.small[SCALES, 2]
    # Two images are a lattice vector apart, which is no shorter than planes are.
    if 4.0 * limit < min(spacings[0], spacings[1], spacings[2]) ** 2:
        f, g = space.sites[WRAPPED, i], space.sites[WRAPPED + 1, j]
        first, _ = nearest_image(f, g, p, q, space.images, spacings)
        last = first + 1
    for image in range(first, last):
        v = space.images[image]
        x, y, z = q[0] - p[0] + v[0], q[1] - p[1] + v[1], q[2] - p[2] + v[2]
        if x * x + y * y + z * z <= limit:
            low[0], high[0] = min(low[0], x), max(high[0], x)
            low[1], high[1] = min(low[1], y), max(high[1], y)
            low[2], high[2] = min(low[2], z), max(high[2], z)


@kernel
def _best_pairings_fail(n, column, p, q, r, too_far, blur, space):
    """Whether all pairings that may be the best have an rms that is too large.

    Errors change the total of a pairing with rms d by n (2 d blur + blur^2) at most. So a pairing
    that may become the best costs at most ``slack`` more than the best now, hence so does each of
    its pairs beyond the dual variables. A pair at the edge of the tolerance may be out of it in an
    equivalent mapping, where a dearer pairing is then the best: no such pair may be among them.
    The extremes of the displacements of these pairs, to any image that may be the nearest, bound
    the mean displacement; see ``periodic.squared_distances``.
    """
    u, v = space.floats[0], space.floats[1]
    cost, reaches = space.masked, space.small[WIDER, 2]
    total = 0.0
    for i in range(n):
        total += cost[i, column[i]]
    slack = 5 * n * blur * (math.sqrt(total / n) + blur) + 1e-12 * n
    low, high = space.small[0, 0], space.small[0, 1]
    lowest, highest = space.small[0, 2], space.small[1, 0]
    lowest[:] = 0.0
    highest[:] = 0.0
    for i in range(n):
        low[:] = np.inf
        high[:] = -np.inf
        for rank in range(space.left[i]):
            j = space.remaining[i, rank]
            if cost[i, j] - u[i] - v[j] > slack:
                continue
            if not _within(i, j, p, q, r, reaches, space):
                return False
            _extend(i, j, cost[i, j] + slack, space, low, high)
        for x in range(3):
            lowest[x] += low[x]
            highest[x] += high[x]
    mean = 0.0
    for x in range(3):
        mean += (max(-lowest[x], highest[x]) / n + blur) ** 2
    return (total - slack) / n - mean > too_far
