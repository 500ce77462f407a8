"""Equivalent positions of the sites of an asymmetric unit, compiled by numba."""

from __future__ import annotations

import numpy as np
from numba import njit

SITE_TOLERANCE = 1e-4
"""Fractional; images of one site nearer than this on every axis are one atom, as in pymatgen."""

MERGING_DISTANCE = 0.5
"""Å; images that rounding may have parted are never so far apart as atoms."""

ROUNDS = 8
"""Times that a site is moved on the special position that its images show."""


@njit(cache=True)
def expand(fractions, rounding, rotations, translations, cell):  # pragma: no cover - compiled
    """All distinct images of each site, site by site, in the order of the operations.

    A site that was moved off a special position by rounding is moved back first.

    Args:
        fractions: Sites, (n, 3).
        rounding: How far each coordinate may be from what was meant, (n, 3).
        rotations: (k, 3, 3), acting on fractional coordinates as columns.
        translations: (k, 3).
        cell: Lattice vectors as rows, in Å, (3, 3).

    Returns:
        Number of the site that each atom comes from, (m,), and its fractional coordinates in
        [0, 1), (m, 3).
    """
    count, operations = len(fractions), len(rotations)
    sites = np.empty(count * operations, np.int64)
    atoms = np.empty((count * operations, 3))
    total = 0
    image = np.empty(3)
    position = np.empty(3)
    for site in range(count):
        start = total
        position[:] = fractions[site]
        for _ in range(ROUNDS):
            if not _settle(position, rounding[site], rotations, translations, cell):
                break
        for operation in range(operations):
            _map(position, rotations[operation], translations[operation], image)
            for axis in range(3):
                image[axis] -= np.floor(image[axis])
            if not _known(atoms[start:total], image):
                atoms[total] = image
                sites[total] = site
                total += 1
    return sites[:total].copy(), atoms[:total].copy()


@njit(cache=True)
def _map(position, rotation, translation, image):  # pragma: no cover - compiled
    for axis in range(3):
        value = translation[axis]
        for k in range(3):
            value += rotation[axis, k] * position[k]
        image[axis] = value


@njit(cache=True)
def _settle(position, rounding, rotations, translations, cell):  # pragma: no cover - compiled
    """Move a site to the mean of those images that are it but for rounding.

    Returns:
        Whether it was moved: some such image is further off than SITE_TOLERANCE.
    """
    image = np.empty(3)
    gap = np.empty(3)
    total = np.zeros(3)
    near = 0
    parted = False
    for operation in range(len(rotations)):
        rotation = rotations[operation]
        _map(position, rotation, translations[operation], image)
        beyond = False
        possible = True
        for axis in range(3):
            gap[axis] = image[axis] - position[axis]
            gap[axis] -= np.round(gap[axis])
            if abs(gap[axis]) < SITE_TOLERANCE:
                continue
            beyond = True
            allowed = 0.0
            for k in range(3):
                allowed += abs(rotation[axis, k] - (1.0 if k == axis else 0.0)) * rounding[k]
            if abs(gap[axis]) >= allowed * (1 - 1e-6):
                possible = False
                break
        if not possible:
            continue
        if beyond:
            square = 0.0
            for axis in range(3):
                part = gap[0] * cell[0, axis] + gap[1] * cell[1, axis] + gap[2] * cell[2, axis]
                square += part * part
            if square >= MERGING_DISTANCE * MERGING_DISTANCE:
                continue
            parted = True
        near += 1
        for axis in range(3):
            total[axis] += gap[axis]
    if parted:
        for axis in range(3):
            position[axis] += total[axis] / near
    return parted


@njit(cache=True)
def _known(atoms, image):  # pragma: no cover - compiled
    for atom in atoms:
        same = True
        for axis in range(3):
            gap = image[axis] - atom[axis]
            if abs(gap - np.round(gap)) >= SITE_TOLERANCE:
                same = False
                break
        if same:
            return True
    return False
