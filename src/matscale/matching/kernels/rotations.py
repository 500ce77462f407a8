"""Rotations that leave a crystal unchanged, to search only one of several equivalent mappings.

A symmetric base can be laid onto a target in many ways that are the same but for a rotation of the
base: 48 for a cubic one. Where one of them surely fails, all do. What "surely" means is in
``apart.py``; here is which rotations there are, and how exact they are.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from matscale.matching.kernels.algebra import dot3, volume
from matscale.matching.kernels.compiling import inlined, kernel

MOST = 48
"""Rotations that a lattice can have."""
ROTATIONS = 2 + MOST
"""Length of a crystal's list: how many rotations, how many of them keep the pivot, the rotations
by number. A first entry of 0 says that they are not known yet."""
MOST_SITES = 128
"""Sites beyond which no rotations are looked for."""
SITE, METRIC = 1e-3, 2e-4
"""Largest error of a rotation: distance of a site's image to a site in units of (V/n)^(1/3);
relative error of lengths."""
EXACT = 1e-12
"""Distance, likewise, at which no nearer site is looked for."""

ROTATION = 3
"""The row of the workspace's ``trial`` for candidates; those before are for images of a, b, c."""
SIZES = 5
"""The row of the workspace's ``tally`` that is used here."""


def _fence(typingctx: Any) -> Any:
    """Keeps what is written before it before what is written after it, for other threads too."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.none(), generate


fence: Any = intrinsic(_fence)


@kernel
def _number(a, b, c):
    """A matrix with entries -1, 0 and 1 as a number, from its rows as numbers below 27."""
    return (a * 27 + b) * 27 + c


@kernel
def unpack(number, out):
    """``out`` = the matrix (3, 3) of a number."""
    for entry in range(8, -1, -1):
        out[entry // 3, entry % 3] = number % 3 - 1
        number //= 3


@kernel
def _product(metric, first, second):
    """Scalar product of two lattice vectors by number, in Å^2."""
    total = 0.0
    for i in range(3):
        x = first // (9, 3, 1)[i] % 3 - 1
        for k in range(3):
            total += x * metric[i, k] * (second // (9, 3, 1)[k] % 3 - 1)
    return total


@kernel
def _lattice_rotations(metric, space):
    """Candidates that keep the metric, into ``trial[ROTATION]``; their number."""
    trial, sizes = space.trial, space.tally[SIZES]
    for axis in range(3):
        sizes[axis] = 0
        for v in range(27):
            if abs(_product(metric, v, v) / metric[axis, axis] - 1) < 2 * METRIC:
                trial[axis, sizes[axis]] = v
                sizes[axis] += 1
    count = 0
    for i in range(sizes[0]):
        a = trial[0, i]
        for j in range(sizes[1]):
            b = trial[1, j]
            ab = abs(_product(metric, a, b) - metric[0, 1])
            if ab > METRIC * math.sqrt(metric[0, 0] * metric[1, 1]):
                continue
            for k in range(sizes[2]):
                c = trial[2, k]
                ac = abs(_product(metric, a, c) - metric[0, 2])
                bc = abs(_product(metric, b, c) - metric[1, 2])
                if ac > METRIC * math.sqrt(metric[0, 0] * metric[2, 2]):
                    continue
                if bc > METRIC * math.sqrt(metric[1, 1] * metric[2, 2]):
                    continue
                if count == MOST:
                    return count
                # Independence follows from equal scalar products.
                trial[ROTATION, count] = _number(a, b, c)
                count += 1
    return count


@kernel
def _metric_error(metric, number):
    """Largest change of a scalar product of the cell vectors, relative to their lengths."""
    error = 0.0
    for i in range(3):
        first = number // (729, 27, 1)[i] % 27
        for k in range(3):
            second = number // (729, 27, 1)[k] % 27
            change = abs(_product(metric, first, second) - metric[i, k])
            error = max(error, change / math.sqrt(metric[i, i] * metric[k, k]))
    return error


@kernel
def _image_error(frac, codes, n, metric, turn, pivot, onto):
    """Largest distance of a rotated site to one near it of its kind; infinite if large."""
    worst = 0.0
    aa, bb, cc = metric[0, 0], metric[1, 1], metric[2, 2]
    ab, ac, bc = 2 * metric[0, 1], 2 * metric[0, 2], 2 * metric[1, 2]
    for i in range(n):
        x, y, z = (
            frac[i, 0] - frac[pivot, 0],
            frac[i, 1] - frac[pivot, 1],
            frac[i, 2] - frac[pivot, 2],
        )
        a = frac[onto, 0] + x * turn[0, 0] + y * turn[1, 0] + z * turn[2, 0]
        b = frac[onto, 1] + x * turn[0, 1] + y * turn[1, 1] + z * turn[2, 1]
        c = frac[onto, 2] + x * turn[0, 2] + y * turn[1, 2] + z * turn[2, 2]
        best = np.inf
        for j in range(n):
            if codes[j] != codes[i]:
                continue
            d0, d1, d2 = a - frac[j, 0], b - frac[j, 1], c - frac[j, 2]
            d0, d1, d2 = d0 - np.rint(d0), d1 - np.rint(d1), d2 - np.rint(d2)
            square = d0 * d0 * aa + d1 * d1 * bb + d2 * d2 * cc
            square += d0 * d1 * ab + d0 * d2 * ac + d1 * d2 * bc
            best = min(best, square)
            if best < EXACT * EXACT:
                break
        if not best < SITE * SITE:
            return np.inf
        worst = max(worst, best)
    return math.sqrt(worst)


@kernel
def find_rotations(cell, frac, codes, space, out, errors):
    """Rotations of a crystal in its own cell, found to a tolerance and measured.

    A rotation R turns the lattice vector with integer coordinates m (a row) into m R, and with
    some translation the sites into sites of the same species. In a reduced cell its entries are
    -1, 0 or 1; rotations of other cells that have larger ones are not found, which costs time and
    nothing else.

    Args:
        cell: Lattice vectors as rows, (3, 3) in Å.
        frac: Fractional coordinates, (n, 3).
        codes: Species, (n,).
        space: Workspace.
        out: Receives the rotations, (ROTATIONS,) int16; those that keep the pivot, the first site
            of the rarest species, in its place come first.
        errors: Receives the largest distance of a rotated site to a site in units of (V/n)^(1/3),
            and the largest relative error of a squared length, (2,).

    Threads share ``out`` and ``errors``: both are written whole, the first entry of ``out``, which
    says that all is known, last. Threads that do the same at once write the same.
    """
    marks, worst = space.marks, space.worst
    _find(cell, frac, codes, space, marks, worst)
    errors[0], errors[1] = worst[0], worst[1]
    for entry in range(1, ROTATIONS):
        out[entry] = marks[entry]
    fence()
    out[0] = marks[0]


@kernel
def _find(cell, frac, codes, space, out, errors):
    """As :func:`find_rotations`, step by step."""
    n = len(frac)
    out[0] = out[1] = 1
    out[2] = _number(22, 16, 14)
    errors[0] = errors[1] = 0.0
    metric = space.small[2]
    edge = (volume(cell) / max(n, 1)) ** (1 / 3)
    if n > MOST_SITES or not edge > 0:
        return
    for i in range(3):
        for k in range(3):
            metric[i, k] = dot3(cell[i], cell[k]) / (edge * edge)
    candidates = _lattice_rotations(metric, space)
    if candidates < 2:
        return
    pivot, rarest = 0, n + 1
    for i in range(n):
        count = 0
        for j in range(n):
            count += codes[j] == codes[i]
        if count < rarest:
            pivot, rarest = i, count
    known = 1
    turn = space.small[1]
    for keeps_pivot in (True, False):
        for candidate in range(candidates):
            number = space.trial[ROTATION, candidate]
            if number < 0 or number == out[2]:
                continue
            unpack(number, turn)
            for onto in range(n):
                if codes[onto] != codes[pivot] or (onto == pivot) != keeps_pivot:
                    continue
                worst = _image_error(frac, codes, n, metric, turn, pivot, onto)
                if worst < SITE:
                    out[2 + known] = number
                    known += 1
                    errors[0] = max(errors[0], worst)
                    errors[1] = max(errors[1], _metric_error(metric, number))
                    space.trial[ROTATION, candidate] = -1
                    break
        if keeps_pivot:
            out[1] = known
    out[0] = known


@inlined
def _holds(first, second, third, x, y, z):
    """Whether a point is among others, given by coordinate; no branches: it vectorises."""
    hit = False
    for k in range(len(first)):
        hit |= (first[k] == x) & (second[k] == y) & (third[k] == z)
    return hit


@kernel
def turned_before(space, point, level, turns, noted):
    """Whether a rotation turns a lattice point into one of those noted.

    Args:
        space: Workspace with the points in ``steps``, the rotations and those noted in ``done``.
        point: Index of the point.
        level: 0, 1 or 2: whether it stands for a, b or c; the rotations to try are in this row of
            ``which``, the points noted in three rows of ``done``.
        turns: Rotations to try.
        noted: Points noted.
    """
    steps, which, done = space.steps, space.which[level], space.done
    first, second, third = (
        done[3 * level, :noted], done[3 * level + 1, :noted], done[3 * level + 2, :noted],
    )  # fmt: skip
    a, b, c = steps[point, 0], steps[point, 1], steps[point, 2]
    for rank in range(turns):
        turn = space.rotations[which[rank]]
        x = a * turn[0, 0] + b * turn[1, 0] + c * turn[2, 0]
        y = a * turn[0, 1] + b * turn[1, 1] + c * turn[2, 1]
        z = a * turn[0, 2] + b * turn[1, 2] + c * turn[2, 2]
        if _holds(first, second, third, x, y, z):
            return True
    return False


@kernel
def note(space, point, level, noted):
    """Note a lattice point for :func:`turned_before`; the number of points noted."""
    for x in range(3):
        space.done[3 * level + x, noted] = space.steps[point, x]
    return noted + 1


@kernel
def keeping(space, point, level, turns):
    """Put the rotations of a level that keep a lattice point into the next level; their number."""
    steps, which, out = space.steps, space.which[level], space.which[level + 1]
    a, b, c = steps[point, 0], steps[point, 1], steps[point, 2]
    kept = 0
    for rank in range(turns):
        turn = space.rotations[which[rank]]
        if (
            a * turn[0, 0] + b * turn[1, 0] + c * turn[2, 0] == a
            and a * turn[0, 1] + b * turn[1, 1] + c * turn[2, 1] == b
            and a * turn[0, 2] + b * turn[1, 2] + c * turn[2, 2] == c
        ):
            out[kept] = which[rank]
            kept += 1
    return kept
