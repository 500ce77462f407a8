"""Whether any translation can bring two crystals together on average: a bound over all pairings."""

from __future__ import annotations

import math

import numpy as np

from matscale.matching.kernels.algebra import inverse, reciprocal_lengths, rows_times
from matscale.matching.kernels.compiling import kernel
from matscale.matching.kernels.pairing import AVERAGE, S1
from matscale.matching.kernels.placements import MAPPINGS, PAIRINGS, STEPS
from matscale.matching.kernels.workspace import MOST_GRID

SCALED, MEASURES = 22, 23
"""The workspace's ``small`` matrices that are used here, beside 0 and 1 as scratch."""

FINE = 0.075
"""Distance of the grid's points, in units of (V/n)^(1/3)."""
SLACK = 1 + 1e-5
"""Far above rounding errors in single precision."""
WORTH = 10
"""Points of the grid and sites that are looked at in the time that a pairing takes for each of its
pairs of sites."""
IN_VAIN = 16
"""By how many times their own cost, asked in vain, pairings must have cost more to ask again."""
ROTATED = 4
"""How many times more a refusal saves where it holds for equivalent mappings too."""


@kernel
def average_possible(question, limit, space, outcome):
    """Whether some translation brings the sites of the target near those of the base on average.

    If there is none, no pairing of the sites has an rms below ``limit``. Proof. Let a pairing have
    displacements v_i with mean c. Moved by c on top of the translation that was tried, each site i
    of the target lies |v_i - c| from a site of the base. So the rms is at least R(t), the root
    mean square over the target's sites of the distance to the nearest site of the base, at some
    translation t; species only raise it. As distances obey the triangle inequality, so does R:
    |R(t) - R(u)| <= |t - u|. R need be known only on a grid of translations over one cell of the
    base, then: if it is nowhere below ``limit`` plus half the diagonal of the grid's boxes, no
    translation will do. On the grid distances are taken from a table, with sites moved to its
    points; by the same inequality that changes R by the root mean square of their moves at most.

    All is in the average lattice, of which the base's cell is not reduced; an image that is not the
    nearest by its fractions is beyond the planes of the cell, which bounds the distance too.

    Args:
        question: What is to be matched, see :class:`matscale.matching.kernels.placements.Question`.
        limit: Distance in Å that is too far.
        space: Workspace with the average cell, the steps from the base to it and the target's
            sites; ``laid``, ``field`` and ``sums`` are scratch.
        outcome: What was found so far.
    """
    small, n = space.small, question.n
    scaled, work, origin = small[SCALED], small[MEASURES], small[1]
    if outcome[PAIRINGS] == 0 or not inverse(small[STEPS], small[0], origin):
        return True
    rows_times(origin, 3, small[AVERAGE], scaled)
    if not reciprocal_lengths(scaled, small[0], origin, work[0]):
        return True
    edge = FINE * (limit / question.tolerances[1])
    grid, box, half = space.grid[0], work[1], work[2]
    for k in range(3):
        length = math.sqrt(scaled[k, 0] ** 2 + scaled[k, 1] ** 2 + scaled[k, 2] ** 2)
        grid[k] = max(4.0, math.ceil(length / edge))
        box[k] = 2 * math.pi / work[0, k]
    for k in range(3):
        half[k] = 0.5 / grid[k]
    points = grid[0] * grid[1] * grid[2]
    cost = points * (8.0 * question.n_base + n) / WORTH
    if points > MOST_GRID or not _worth_it(cost, question, space.vain, outcome):
        return True
    space.work[1] += cost
    moved = _lay_on_grid(question, scaled, space)
    _fill_field(question, scaled, box, space)
    _add_up(n, space)
    needed = (limit + _half_diagonal(scaled, half)) * SLACK + moved * SLACK
    threshold = n * needed * needed
    if _least(space) < threshold:
        space.vain[0] += 1
        return True
    space.vain[1] += 1
    return False


@kernel
def _worth_it(cost, question, vain, outcome):
    """Whether pairings cost more: all so far, for the times in vain too, and those of a mapping."""
    paired = outcome[PAIRINGS] * question.n * question.n
    mappings = outcome[MAPPINGS] - vain[1]
    times = ROTATED if question.turns > 1 else 1
    return cost * (1 + IN_VAIN * vain[0]) <= paired and cost * mappings <= paired * times


@kernel
def _half_diagonal(cell, half):
    """The longest of half the diagonals of a box with edges along a cell's vectors."""
    longest = 0.0
    for signs in range(4):
        square = 0.0
        for x in range(3):
            value = half[0] * cell[0, x]
            value += half[1] * cell[1, x] * (1.0 if signs & 1 else -1.0)
            value += half[2] * cell[2, x] * (1.0 if signs & 2 else -1.0)
            square += value * value
        longest = max(longest, square)
    return math.sqrt(longest)


@kernel
def _lay_on_grid(question, cell, space):
    """Move the target's sites to points of the grid, into ``laid``; by how much, in rms."""
    target, steps = space.sites[S1 + (1 if question.base_is_1 else 0)], space.small[STEPS]
    laid, grid = space.laid, space.grid[0]
    total = 0.0
    for i in range(question.n):
        square = 0.0
        for k in range(3):
            value = (
                target[i, 0] * steps[0, k] + target[i, 1] * steps[1, k] + target[i, 2] * steps[2, k]
            )
            point = math.floor(value * grid[k] + 0.5)
            laid[i, k] = point / grid[k] - value
            space.grid[1, k] = point
        for x in range(3):
            move = laid[i, 0] * cell[0, x] + laid[i, 1] * cell[1, x] + laid[i, 2] * cell[2, x]
            square += move * move
        total += square
        for k in range(3):
            laid[i, k] = space.grid[1, k] - grid[k] * math.floor(space.grid[1, k] / grid[k])
    return math.sqrt(total / question.n)


@kernel
def _fill_field(question, cell, box, space):
    """Squared distances of the grid's points to the nearest site of the base; twice along b and c.

    Whole planes can then be added to others without looking where the cell ends.
    """
    field = space.field
    n_0, n_1, n_2 = int(space.grid[0, 0]), int(space.grid[0, 1]), int(space.grid[0, 2])
    stride = 2 * n_2
    for i in range(n_0):
        for j in range(n_1):
            row = (i * 2 * n_1 + j) * stride
            _fill_row(i / n_0, j / n_1, question, cell, box, field[row : row + n_2])
            _copy(field[row : row + n_2], field[row + n_2 : row + stride])
            below = row + n_1 * stride
            _copy(field[row : row + stride], field[below : below + stride])


@kernel
def _copy(source, target):
    for k in range(len(source)):
        target[k] = source[k]


@kernel
def _fill_row(first, second, question, cell, box, out):
    """Squared distances along c, (k,), at two fractional coordinates."""
    base = question.base
    out[:] = 1e30
    for site in range(question.n_base):
        f, g = first - base[site, 0], second - base[site, 1]
        f -= math.floor(f + 0.5)
        g -= math.floor(g + 0.5)
        plane = min(box[0] * (1 - abs(f)), box[1] * (1 - abs(g)))
        x = f * cell[0, 0] + g * cell[1, 0]
        y = f * cell[0, 1] + g * cell[1, 1]
        z = f * cell[0, 2] + g * cell[1, 2]
        cx, cy, cz, height = cell[2, 0], cell[2, 1], cell[2, 2], box[2]
        start, scale = base[site, 2], 1.0 / len(out)
        for k in range(len(out)):
            h = k * scale - start
            h -= np.floor(h + 0.5)
            other = height * (1 - abs(h))
            other = other if other < plane else plane
            p, q, r = x + h * cx, y + h * cy, z + h * cz
            square, beyond = p * p + q * q + r * r, other * other
            square = square if square < beyond else beyond
            out[k] = out[k] if out[k] < square else square


@kernel
def _add_up(n, space):
    """``sums`` = sum over the target's sites of the field, for each translation of the grid.

    A row holds as many numbers again, of no meaning: planes as wide as the field's are added.
    """
    field, sums, laid = space.field, space.sums, space.laid
    n_0, n_1, n_2 = int(space.grid[0, 0]), int(space.grid[0, 1]), int(space.grid[0, 2])
    stride = 2 * n_2
    plane = n_1 * stride
    for point in range(n_0 * plane):
        sums[point] = 0.0
    for site in range(n):
        a, b, c = int(laid[site, 0]), int(laid[site, 1]), int(laid[site, 2])
        for i in range(n_0):
            p = i + a if i + a < n_0 else i + a - n_0
            first = p * 2 * plane + b * stride + c
            _add(sums[i * plane : (i + 1) * plane - n_2], field[first : first + plane - n_2])


@kernel
def _add(sums, terms):
    """Add one array to another; without offsets it vectorises."""
    for k in range(len(sums)):
        sums[k] += terms[k]


@kernel
def _least(space):
    """The least of the sums."""
    n_0, n_1, n_2 = int(space.grid[0, 0]), int(space.grid[0, 1]), int(space.grid[0, 2])
    least = np.inf
    for row in range(n_0 * n_1):
        for k in range(n_2):
            least = min(least, space.sums[2 * row * n_2 + k])
    return least
