"""Whether any translation can bring two crystals together on average: a bound over all pairings."""

from __future__ import annotations

import math

import numpy as np

from matscale.matching.kernels.algebra import dot3, inverse, reciprocal_lengths, rows_times, volume
from matscale.matching.kernels.compiling import finite, kernel
from matscale.matching.kernels.correlation import LONGEST, correlate, row_length
from matscale.matching.kernels.pairing import AVERAGE, S1, STEPS
from matscale.matching.kernels.workspace import MOST_GRID

SCALED, MEASURES, KEPT = 24, 25, 26
"""The workspace's ``small`` matrices that are used here, beside 0 and 1 as scratch."""

EDGE = 0.33
"""Distance of the grid's points, in units of (V/n)^(1/3)."""
SLACK = 1 + 1e-3
"""Far above rounding errors in single precision."""
ROOMY = 1.5
"""Distance of lattice planes, in units of (V/n)^(1/3), from which the nearest image of a site is
the one that rounding finds, or else too far away to matter."""
SAME = 1e-9
"""Relative difference of products of cell vectors up to which cells are the same."""
NOTHING_KEPT, FIELD_KEPT, COPIES_KEPT = 0, 1, 2
"""What holds for the cell in ``small[KEPT]``: the last entry of the workspace's ``grid``."""
NEVER = np.inf
"""Cost of a grid with too many points."""


@kernel
def cost_of_averages(question, space):
    """Choose the grid for :func:`average_possible` and lay the base's cell into ``small[SCALED]``.

    Args:
        question: What is to be matched, see :class:`matscale.matching.kernels.placements.Question`.
        space: Workspace with the average cell and the steps from the base to it.

    Returns:
        What the bound costs, in pairs of sites that are compared in that time; NEVER if it cannot
        be asked.
    """
    small, grid = space.small, space.grid
    scaled, inverted = small[SCALED], small[1]
    if not inverse(small[STEPS], small[0], inverted):
        return NEVER
    rows_times(inverted, 3, small[AVERAGE], scaled)
    edge = EDGE * (volume(small[AVERAGE]) / question.n) ** (1 / 3)
    points = 1.0
    for k in range(3):
        square = scaled[k, 0] ** 2 + scaled[k, 1] ** 2 + scaled[k, 2] ** 2
        size = math.ceil(math.sqrt(square) / edge)
        if not size <= LONGEST:
            return NEVER
        grid[k] = max(1, size)
        small[MEASURES, 1, k] = square / (grid[k] * grid[k])
        points *= grid[k]
    if points > MOST_GRID:
        return NEVER
    terms = min(points, 8.0 * question.n)
    return points * (terms / 120 + question.n_base / 5) + question.n + 250


@kernel
def average_possible(question, limit, space):
    """Whether some translation brings the sites of the target near those of the base on average.

    If there is none, no pairing of the sites has an rms below ``limit``. Proof. Let a pairing have
    displacements v_i with mean c. Moved by c on top of the translation that was tried, each site i
    of the target lies |v_i - c| from a site of the base. So the rms is at least R(t), the root
    mean square over the target's sites of the distance D to the nearest site of the base, at some
    translation t; species only raise it.

    R(t) need be known on a grid of translations over one cell of the base only. D(x)^2 is the
    least of |x - b|^2 over all sites b, so D(x)^2 - |x|^2 is the least of functions that are linear
    in x, hence concave. Let x lie in a box of a grid, at fractions f_k of its edges e_k, and let w
    be the weights of linear interpolation between the box's corners; sum w |corner|^2 - |x|^2 =
    sum f_k (1 - f_k) |e_k|^2, skewed or not. So D(x)^2 is at least the interpolated D^2 less that.
    This is used twice. In the sum over the sites of the target, each is replaced by its eight
    corners, which makes R^2 on the grid a correlation of two functions on it. And R^2, a mean of
    such functions, is bounded in the same way in each box of translations: see :func:`_least`.

    All is in the average lattice. The field may be too small, but not too large.

    Args:
        question: As for :func:`cost_of_averages`, which must have been called.
        limit: Distance in Å that is too far.
        space: Workspace with the target's sites too; all of it that is for grids is scratch, but
            that the field is kept while the base lies in the same cell.
    """
    sites, squares = question.n, space.small[MEASURES, 1]
    points = space.grid[0] * space.grid[1] * space.grid[2]
    if not _is_kept(space):
        _fill_field(question, points, space)
        space.grid[3] = FIELD_KEPT
    between = _spread(question, squares, points, space)
    threshold = (limit * limit * sites + between) * SLACK
    last = space.grid[2]
    field, weights = space.field, space.weights[:points]
    # The least is no more than the mean.
    if _mean(field[last : last + points]) * sites <= threshold:
        return True
    copied = space.grid[3] == COPIES_KEPT
    correlate(space.grid, field, space.points_of[2], weights, copied, space, space.sums[0])
    space.grid[3] = COPIES_KEPT
    return _least(squares, float(sites), threshold, space) < threshold


@kernel
def _is_kept(space):
    """Whether the field is that of the same base in the same cell, however it is turned.

    If it is not, what tells the cell is noted in ``small[KEPT]``.
    """
    cell, kept, grid = space.small[SCALED], space.small[KEPT], space.grid
    same = grid[3] != NOTHING_KEPT
    for k in range(3):
        square, product = dot3(cell[k], cell[k]), dot3(cell[k], cell[(k + 1) % 3])
        same &= abs(kept[0, k] - square) <= SAME * square
        same &= abs(kept[1, k] - product) <= SAME * square
        same &= kept[2, k] == grid[k]
    if not same:
        for k in range(3):
            kept[0, k], kept[2, k] = dot3(cell[k], cell[k]), grid[k]
            kept[1, k] = dot3(cell[k], cell[(k + 1) % 3])
    return same


@kernel
def _mean(values):
    total = 0.0
    for k in range(len(values)):
        total += values[k]
    return total / len(values)


@kernel
def _fill_field(question, points, space):
    """Squared distances in Å^2 of the grid's points to the nearest site of the base, or less.

    They begin at place ``grid[2]``: see :func:`correlation.correlate`.
    """
    grid, base = space.grid, question.base
    cell, work = space.small[SCALED], space.small[MEASURES]
    _lay_points(grid, space.points_of)
    x, y, z = space.points_of[0, :points], space.points_of[1, :points], space.points_of[2, :points]
    field = space.field[grid[2] : grid[2] + points]
    field[:] = np.inf
    if not reciprocal_lengths(cell, space.small[0], space.small[1], work[0]):
        field[:] = 0.0
        return
    spacings = work[2]
    for k in range(3):
        spacings[k] = 2 * math.pi / work[0, k]
    nearest = min(spacings[0], spacings[1], spacings[2])
    roomy = nearest > ROOMY * (volume(cell) / question.n_base) ** (1 / 3)
    for site in range(question.n_base):
        if roomy:
            _nearer(x, y, z, base[site], cell, spacings, field)
        else:
            _nearer_of_eight(x, y, z, base[site], cell, nearest, field)


@kernel
def _lay_points(grid, out):
    """Fractional coordinates of a grid's points by column, (3, g)."""
    n_2 = grid[2]
    step_0, step_1, step_2 = 1.0 / grid[0], 1.0 / grid[1], 1.0 / n_2
    start = 0
    for i in range(grid[0]):
        for j in range(grid[1]):
            out[0, start : start + n_2] = i * step_0
            out[1, start : start + n_2] = j * step_1
            third = out[2, start : start + n_2]
            for k in range(n_2):
                third[k] = k * step_2
            start += n_2


@finite
def _nearer(first, second, third, site, cell, spacings, out):
    """Lower squared distances to those to a site, by the image that rounding finds.

    Other images lie beyond planes of the lattice, which bounds their distance.
    """
    a, b, c = np.float32(site[0]), np.float32(site[1]), np.float32(site[2])
    ax, ay, az = np.float32(cell[0, 0]), np.float32(cell[0, 1]), np.float32(cell[0, 2])
    bx, by, bz = np.float32(cell[1, 0]), np.float32(cell[1, 1]), np.float32(cell[1, 2])
    cx, cy, cz = np.float32(cell[2, 0]), np.float32(cell[2, 1]), np.float32(cell[2, 2])
    high_0, high_1, high_2 = (
        np.float32(spacings[0]), np.float32(spacings[1]), np.float32(spacings[2]),
    )  # fmt: skip
    for k in range(len(out)):
        f, g, h = first[k] - a, second[k] - b, third[k] - c
        f -= np.rint(f)
        g -= np.rint(g)
        h -= np.rint(h)
        beyond = high_0 - high_0 * abs(f)
        other = high_1 - high_1 * abs(g)
        beyond = other if other < beyond else beyond
        other = high_2 - high_2 * abs(h)
        beyond = other if other < beyond else beyond
        x, y, z = (
            f * ax + g * bx + h * cx, f * ay + g * by + h * cy, f * az + g * bz + h * cz,
        )  # fmt: skip
        square, far = x * x + y * y + z * z, beyond * beyond
        square = far if far < square else square
        out[k] = square if square < out[k] else out[k]


@finite
def _nearer_of_eight(first, second, third, site, cell, spacing, out):
    """As :func:`_nearer`, by the eight images around a point; others are one ``spacing`` away."""
    a, b, c = np.float32(site[0]), np.float32(site[1]), np.float32(site[2])
    ax, ay, az = np.float32(cell[0, 0]), np.float32(cell[0, 1]), np.float32(cell[0, 2])
    bx, by, bz = np.float32(cell[1, 0]), np.float32(cell[1, 1]), np.float32(cell[1, 2])
    cx, cy, cz = np.float32(cell[2, 0]), np.float32(cell[2, 1]), np.float32(cell[2, 2])
    far = np.float32(spacing * spacing)
    for image in range(8):
        u, v, w = np.float32(image & 1), np.float32(image >> 1 & 1), np.float32(image >> 2)
        for k in range(len(out)):
            f, g, h = first[k] - a, second[k] - b, third[k] - c
            f -= np.floor(f) + u
            g -= np.floor(g) + v
            h -= np.floor(h) + w
            x, y, z = (
                f * ax + g * bx + h * cx, f * ay + g * by + h * cy, f * az + g * bz + h * cz,
            )  # fmt: skip
            square = x * x + y * y + z * z
            square = far if far < square else square
            out[k] = square if square < out[k] else out[k]


@kernel
def _spread(question, squares, points, space):
    """Spread the target's sites over the corners of their boxes, into ``weights``.

    Returns:
        By how much less than the interpolated one the sum of squared distances may be, in Å^2.
    """
    target, steps = space.sites[S1 + (1 if question.base_is_1 else 0)], space.small[STEPS]
    grid, weights = space.grid, space.weights
    n_0, n_1, n_2 = grid[0], grid[1], grid[2]
    weights[:points] = 0.0
    between = 0.0
    for i in range(question.n):
        x, y, z = target[i, 0], target[i, 1], target[i, 2]
        p = (x * steps[0, 0] + y * steps[1, 0] + z * steps[2, 0]) * n_0
        q = (x * steps[0, 1] + y * steps[1, 1] + z * steps[2, 1]) * n_1
        r = (x * steps[0, 2] + y * steps[1, 2] + z * steps[2, 2]) * n_2
        low_p, low_q, low_r = math.floor(p), math.floor(q), math.floor(r)
        p, q, r = p - low_p, q - low_q, r - low_r
        between += p * (1 - p) * squares[0] + q * (1 - q) * squares[1] + r * (1 - r) * squares[2]
        a, b, c = int(low_p) % n_0, int(low_q) % n_1, int(low_r) % n_2
        above_a = a + 1 if a + 1 < n_0 else 0
        above_b = b + 1 if b + 1 < n_1 else 0
        above_c = c + 1 if c + 1 < n_2 else 0
        for upper in range(4):
            row = (above_a if upper & 1 else a) * n_1 + (above_b if upper & 2 else b)
            weight = (p if upper & 1 else 1 - p) * (q if upper & 2 else 1 - q)
            weights[row * n_2 + c] += weight * (1 - r)
            weights[row * n_2 + above_c] += weight * r
    return between


@kernel
def _along(first, second, square, out):
    """``out`` = least, along edges of boxes, of what may be there: see :func:`_least`."""
    quarter, scale = np.float32(square / 4), np.float32(1 / (4 * square))
    half = np.float32(0.5)
    for k in range(len(out)):
        u, v = first[k], second[k]
        difference = abs(u - v)
        middle = (u + v) * half - quarter - difference * difference * scale
        least = u if u < v else v
        out[k] = middle if difference < quarter + quarter + quarter + quarter else least


@kernel
def _least(squares, sites, threshold, space):
    """The least that the sum of squared distances may be, interpolated between translations.

    On an edge with values u and v at its ends, it is at least u + (v - u) f - s f (1 - f) at a
    fraction f, with s the squared edge times the number of sites: at its least, if |u - v| < s,
    (u + v) / 2 - s / 4 - (u - v)^2 / (4 s), else the lesser of u and v. In a box that is applied
    to the edges along one axis, to what is found there along another, and along the third.
    """
    grid, sums, work = space.grid, space.sums[0], space.sums[1]
    row, plane, n_2 = row_length(grid), grid[1] * grid[2], grid[2]
    least = np.inf
    for i in range(grid[0]):
        for k in range(plane):
            least = min(least, sums[i * row + k])
    quarter = sites * (squares[0] + squares[1] + squares[2]) / 4
    if least - quarter >= threshold or least < threshold:
        return least - quarter
    for i in range(grid[0]):
        other = (i + 1) % grid[0]
        _along(
            sums[i * row : i * row + plane], sums[other * row : other * row + plane],
            sites * squares[0], work[i * row : i * row + plane],
        )  # fmt: skip
    least = np.inf
    for i in range(grid[0]):
        now = work[i * row : i * row + plane]
        out = sums[:plane]
        stop = plane - n_2
        _along(now[:stop], now[n_2:], sites * squares[1], out[:stop])
        _along(now[stop:], now[:n_2], sites * squares[1], out[stop:])
        then = sums[plane : 2 * plane]
        _along(out[:-1], out[1:], sites * squares[2], then[:-1])
        for j in range(grid[1]):
            start = j * n_2
            end = start + n_2 - 1
            ends, begins = out[end : end + 1], out[start : start + 1]
            _along(ends, begins, sites * squares[2], then[end : end + 1])
        for k in range(plane):
            least = min(least, then[k])
    return least
