"""Compiled loops over translations and lattices."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def irreducible(vectors, lengths, tolerance):  # pragma: no cover - compiled
    """Which vectors are not the sum of two shorter ones, signs included.

    Args:
        vectors: From short to long, one of each pair t and -t, in Å, (n, 3).
        lengths: Of the vectors, (n,).
        tolerance: In Å; half of that by which a sum may miss.

    Returns:
        (n,) bool.
    """
    count = len(vectors)
    answer = np.ones(count, np.bool_)
    rest = np.empty(3)
    for row in range(count):
        most = lengths[row] - tolerance
        for first in range(row):
            if not answer[row] or lengths[first] >= most:
                break
            for sign in (-1.0, 1.0):
                square = 0.0
                for axis in range(3):
                    rest[axis] = vectors[row, axis] - sign * vectors[first, axis]
                    square += rest[axis] ** 2
                if square >= most * most:
                    continue
                for second in range(row):
                    if lengths[second] >= most:
                        break
                    plus = 0.0
                    minus = 0.0
                    for axis in range(3):
                        plus = max(plus, abs(rest[axis] - vectors[second, axis]))
                        minus = max(minus, abs(rest[axis] + vectors[second, axis]))
                    if min(plus, minus) < 2 * tolerance:
                        answer[row] = False
                        break
    return answer


@njit(cache=True, nogil=True)
def distinct_lattices(triples, known, most, tolerance):  # pragma: no cover - compiled
    """Which bases span lattices that neither the known ones nor earlier ones span.

    Args:
        triples: Bases as rows, in Å, (t, 3, 3).
        known: The same, (k, 3, 3).
        most: How many to find.
        tolerance: In Å; a third of that by which lattice vectors may miss.

    Returns:
        Rows of the triples.
    """
    inverses = np.empty((len(known) + most, 3, 3))
    bases = np.empty((len(known) + most, 3, 3))
    count = len(known)
    for row in range(count):
        bases[row] = known[row]
        inverses[row] = np.linalg.inv(known[row])
    distinct = np.empty(most, np.int64)
    new = 0
    for row in range(len(triples)):
        if new == most:
            break
        inverse = np.linalg.inv(triples[row])
        repeated = False
        for other in range(count):
            if _spans(triples[row], bases[other], inverses[other], tolerance) and _spans(
                bases[other], triples[row], inverse, tolerance
            ):
                repeated = True
                break
        if repeated:
            continue
        bases[count] = triples[row]
        inverses[count] = inverse
        count += 1
        distinct[new] = row
        new += 1
    return distinct[:new]


@njit(cache=True, nogil=True)
def _spans(vectors, basis, inverse, tolerance):  # pragma: no cover - compiled
    """Whether three vectors are lattice vectors of a basis, within three tolerances."""
    parts = np.empty(3)
    for row in range(3):
        for axis in range(3):
            value = 0.0
            for k in range(3):
                value += vectors[row, k] * inverse[k, axis]
            parts[axis] = value - np.rint(value)
        square = 0.0
        for axis in range(3):
            gap = 0.0
            for k in range(3):
                gap += parts[k] * basis[k, axis]
            square += gap * gap
        if square > 9 * tolerance * tolerance:
            return False
    return True


@njit(cache=True, nogil=True)
def split_gains(residuals, which, points, n_sites, superlattices):  # pragma: no cover - compiled
    """What splitting sites by the class of their lattice point would explain.

    Args:
        residuals: Of the atoms, in Å, (n, 3).
        which: Their sites, (n,).
        points: Their lattice points, (n, 3).
        n_sites: Number of sites.
        superlattices: Upper triangular integer matrices, (s, 3, 3).

    Returns:
        By how much the sum of squares falls, in Å^2 (s,), and the number of sites then (s,).
    """
    gains = np.zeros(len(superlattices))
    sites = np.zeros(len(superlattices), np.int64)
    for row in range(len(superlattices)):
        form = superlattices[row]
        index = form[0, 0] * form[1, 1] * form[2, 2]
        sums = np.zeros((n_sites * index, 3))
        counts = np.zeros(n_sites * index, np.int64)
        for atom in range(len(which)):
            label = which[atom] * index + place_in_cell(points[atom], form)
            counts[label] += 1
            for axis in range(3):
                sums[label, axis] += residuals[atom, axis]
        for label in range(len(counts)):
            if counts[label] == 0:
                continue
            sites[row] += 1
            for axis in range(3):
                gains[row] += sums[label, axis] ** 2 / counts[label]
    return gains, sites


@njit(cache=True, nogil=True)
def place_in_cell(point, form):  # pragma: no cover - compiled
    """Class of a lattice point modulo a superlattice, 0 to its index - 1."""
    a = point[0] % form[0, 0]
    steps = (point[0] - a) // form[0, 0]
    second = point[1] - steps * form[0, 1]
    b = second % form[1, 1]
    more = (second - b) // form[1, 1]
    c = (point[2] - steps * form[0, 2] - more * form[1, 2]) % form[2, 2]
    return (a * form[1, 1] + b) * form[2, 2] + c
