"""Equivalent positions of the sites of an asymmetric unit, compiled by numba."""

from __future__ import annotations

import numpy as np
from numba import njit

SITE_TOLERANCE = 1e-4
"""Fractional; images of one site nearer than this on every axis are one atom, as in pymatgen."""


@njit(cache=True)
def expand(fractions, rotations, translations):  # pragma: no cover - compiled
    """All distinct images of each site, site by site, in the order of the operations.

    Args:
        fractions: Sites, (n, 3).
        rotations: (k, 3, 3), acting on fractional coordinates as columns.
        translations: (k, 3).

    Returns:
        Number of the site that each atom comes from, (m,), and its fractional coordinates in
        [0, 1), (m, 3).
    """
    count, operations = len(fractions), len(rotations)
    sites = np.empty(count * operations, np.int64)
    atoms = np.empty((count * operations, 3))
    total = 0
    image = np.empty(3)
    for site in range(count):
        start = total
        for operation in range(operations):
            for axis in range(3):
                value = translations[operation, axis]
                for k in range(3):
                    value += rotations[operation, axis, k] * fractions[site, k]
                image[axis] = value - np.floor(value)
            if not _known(atoms[start:total], image):
                atoms[total] = image
                sites[total] = site
                total += 1
    return sites[:total].copy(), atoms[:total].copy()


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
