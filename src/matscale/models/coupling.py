"""The image of a crystal that is nearest to noise.

A crystal is the same after a shift of the origin, an exchange of equal atoms, and a symmetry of its
lattice. Of all these images a flow should lead from noise to the one that is nearest: paths that
cross less are learnt sooner. Optimal couplings of equivalent particles: Klein, Krämer and Noé,
Equivariant flow matching, NeurIPS 2023.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numba import njit

ROUNDS = 6
"""Exchanges of atoms and shifts of the origin in turn, at most; they hardly ever take three."""
SETTINGS = 12
"""Settings of a crystal that are tried: of 48, most are as near as others already tried."""
METRIC = 0.02
"""Largest relative error of a symmetry of a lattice, in the entries of its metric tensor."""


@cache
def _unimodular() -> np.ndarray:
    """Integer matrices with entries of -1, 0, 1 and determinant 1 or -1, (m, 3, 3)."""
    entries = np.stack(np.meshgrid(*[[-1, 0, 1]] * 9, indexing="ij"), axis=-1).reshape(-1, 3, 3)
    determinants = np.linalg.det(entries).round()
    return entries[np.abs(determinants) == 1].astype(np.float64)


def lattice_symmetries(cell: np.ndarray) -> np.ndarray:
    """What maps a reduced lattice onto itself, inversion among it.

    Args:
        cell: Lattice vectors as rows in Å, (3, 3), Niggli-reduced.

    Returns:
        Matrices M, (s, 3, 3): fractional coordinates f of a crystal become f M in another setting
        of the same crystal, with the same metric tensor.
    """
    metric = cell @ cell.T
    images = _unimodular() @ metric @ _unimodular().transpose(0, 2, 1)
    scale = np.sqrt(np.outer(np.diag(metric), np.diag(metric)))
    kept = (np.abs(images - metric) < METRIC * scale).all(axis=(1, 2))
    return np.linalg.inv(_unimodular()[kept]).round()


def nearest_images(
    places: np.ndarray,
    image: np.ndarray,
    groups: np.ndarray,
    symmetries: np.ndarray,
    random: np.random.Generator,
) -> np.ndarray:
    """As :func:`displacements`, over the setting given and some others, drawn at random."""
    others = random.permutation(len(symmetries))[: SETTINGS - 1]
    tried = np.concatenate([np.eye(3)[None], symmetries[others]])
    return displacements(places, np.ascontiguousarray(image), groups, tried)


@njit(cache=True, nogil=True)
def _wrap(value):
    return value - np.floor(value + 0.5)


@njit(cache=True, nogil=True)
def _assign(cost, n, column_of, row_of, u, v, path, shortest, seen):
    """Cheapest one-to-one assignment of n rows to n columns: shortest augmenting paths."""
    u[:n] = 0.0
    v[: n + 1] = 0.0
    row_of[: n + 1] = -1
    for row in range(n):
        row_of[n] = row
        column = n
        shortest[: n + 1] = np.inf
        seen[: n + 1] = False
        while row_of[column] != -1:
            seen[column] = True
            current = row_of[column]
            delta = np.inf
            following = -1
            for other in range(n):
                if seen[other]:
                    continue
                reduced = cost[current, other] - u[current] - v[other]
                if reduced < shortest[other]:
                    shortest[other] = reduced
                    path[other] = column
                if shortest[other] < delta:
                    delta = shortest[other]
                    following = other
            for other in range(n + 1):
                if seen[other]:
                    u[row_of[other]] += delta
                    v[other] -= delta
                else:
                    shortest[other] -= delta
            column = following
        while column != n:
            row_of[column] = row_of[path[column]]
            column = path[column]
    for column in range(n):
        column_of[row_of[column]] = column


@njit(cache=True, nogil=True)
def _exchange(noise, image, shift, groups, order, work):
    """Let equal atoms change places, each to its nearest; the sum of squared displacements."""
    cost, column_of, row_of, u, v, path, shortest, seen = work
    total = 0.0
    for g in range(len(groups) - 1):
        start, n = groups[g], groups[g + 1] - groups[g]
        for i in range(n):
            for j in range(n):
                squared = 0.0
                for axis in range(3):
                    d = _wrap(image[start + j, axis] + shift[axis] - noise[start + i, axis])
                    squared += d * d
                cost[i, j] = squared
        if n == 1:
            column_of[0] = 0
        else:
            _assign(cost, n, column_of, row_of, u, v, path, shortest, seen)
        for i in range(n):
            order[start + i] = start + column_of[i]
            total += cost[i, column_of[i]]
    return total


@njit(cache=True, nogil=True)
def _recentre(noise, image, shift, order, residues):
    """The best shift of the origin for atoms in this order; whether it has changed.

    Along each axis the shifted displacements wrap one after the other, so that the best of the
    circle is one of n means.
    """
    n = len(noise)
    moved = False
    for axis in range(3):
        total, squares = 0.0, 0.0
        for i in range(n):
            residues[i] = _wrap(image[order[i], axis] + shift[axis] - noise[i, axis])
            total += residues[i]
            squares += residues[i] * residues[i]
        ordered = np.sort(residues[:n])
        best, best_mean = squares - total * total / n, total / n
        for i in range(n - 1):  # the i + 1 smallest go once around
            squares += 2 * ordered[i] + 1
            total += 1.0
            spread = squares - total * total / n
            if spread < best - 1e-12:
                best, best_mean = spread, total / n
        if abs(best_mean) > 1e-9:
            shift[axis] = _wrap(shift[axis] - best_mean)
            moved = True
    return moved


@njit(cache=True, nogil=True)
def displacements(noise, image, groups, symmetries):
    """From noise to the nearest image of a crystal, or one that is hardly farther.

    Over symmetries of the lattice and shifts that put an atom of the rarest element on one of its
    noise, then exchanges and shifts in turn until neither helps. Noise that is nearer to an image
    than half of its shortest distance to another one finds that one.

    Args:
        noise: Fractional coordinates, (n, 3).
        image: Those of the crystal, equal atoms side by side, (n, 3).
        groups: Where each element begins and the last ends, (k + 1,).
        symmetries: As :func:`lattice_symmetries` gives them, (s, 3, 3).

    Returns:
        For each atom of the noise the way to its place, (n, 3), of mean 0.
    """
    n = len(noise)
    most = 0
    rarest = 0
    for g in range(len(groups) - 1):
        size = groups[g + 1] - groups[g]
        most = max(most, size)
        if size < groups[rarest + 1] - groups[rarest]:
            rarest = g
    work = (
        np.empty((most, most)),
        np.empty(most, np.int64),
        np.empty(most + 1, np.int64),
        np.empty(most + 1),
        np.empty(most + 1),
        np.empty(most + 1, np.int64),
        np.empty(most + 1),
        np.empty(most + 1, np.bool_),
    )
    order, best_order = np.empty(n, np.int64), np.empty(n, np.int64)
    shift, best_shift = np.empty(3), np.empty(3)
    residues = np.empty(n)
    turned, best_image = np.empty((n, 3)), np.empty((n, 3))
    least = np.inf
    for s in range(len(symmetries)):
        for i in range(n):
            for axis in range(3):
                turned[i, axis] = (
                    image[i, 0] * symmetries[s, 0, axis]
                    + image[i, 1] * symmetries[s, 1, axis]
                    + image[i, 2] * symmetries[s, 2, axis]
                )
        first, size = groups[rarest], groups[rarest + 1] - groups[rarest]
        for pair in range(size * size):
            pivot, onto = first + pair // size, first + pair % size
            for axis in range(3):
                shift[axis] = noise[pivot, axis] - turned[onto, axis]
            total = _exchange(noise, turned, shift, groups, order, work)
            for _ in range(ROUNDS):
                if not _recentre(noise, turned, shift, order, residues):
                    break
                after = _exchange(noise, turned, shift, groups, order, work)
                if after > total - 1e-9:
                    total = min(after, total)
                    break
                total = after
            if total < least - 1e-9:
                least = total
                best_shift[:] = shift
                best_order[:] = order
                best_image[:] = turned
    ways = np.empty((n, 3))
    _recentre(noise, best_image, best_shift, best_order, residues)
    for i in range(n):
        for axis in range(3):
            ways[i, axis] = _wrap(
                best_image[best_order[i], axis] + best_shift[axis] - noise[i, axis]
            )
    return ways
