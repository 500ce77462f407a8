"""How far a crystal is from the nearest training crystal, by its sites and by its elements."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from matscale.runtime.exact import settled
from matscale.structures.chemistry import PETTIFOR
from matscale.structures.table import StructureTable

PLACES = 103
"""Elements on the modified Pettifor scale, He 0 to H 102."""

BLOCK = 512


def element_profiles(table: StructureTable) -> np.ndarray:
    """Share of atoms up to each place of the modified Pettifor scale, (N, 103).

    NaN for a crystal with an element that the scale does not hold.
    """
    profiles = np.zeros((len(table), PLACES))
    places = PETTIFOR[table.numbers]
    rows = np.repeat(np.arange(len(table)), table.n_atoms)
    known = places >= 0
    np.add.at(profiles, (rows[known], places[known]), 1.0)
    profiles /= np.maximum(table.n_atoms, 1)[:, None]
    profiles = np.cumsum(profiles, axis=1)
    profiles[np.unique(rows[~known])] = np.nan
    return profiles


def element_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Element mover's distance of compositions, 0 to 102; profiles (N, 103), (M, 103) to (N, M).

    The least work of moving the atoms of one composition to the elements of the other along the
    modified Pettifor scale (Hargreaves et al., Chem. Mater. 32, 10610, 2020). On a line that is
    the area between the cumulative shares.
    """
    return cdist(first[:, :-1], second[:, :-1], "cityblock")


def site_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Chebyshev distances of AMD vectors in Å, (N, k), (M, k) to (N, M)."""
    return cdist(first, second, "chebyshev")


def nearest(
    first: np.ndarray, second: np.ndarray, *, elements: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest row of the second set and its distance, (N,) each; -1 and NaN without one.

    Of rows equally near, to :data:`matscale.runtime.exact.PRECISION`, the first.

    Args:
        first: (N, k).
        second: (M, k); rows with NaN are not looked at.
        elements: Whether the rows are element profiles; else they are AMD vectors.
    """
    measure = element_distances if elements else site_distances
    usable = np.flatnonzero(np.isfinite(second).all(axis=1))
    rows, distances = np.full(len(first), -1, np.int64), np.full(len(first), np.nan)
    places = np.flatnonzero(np.isfinite(first).all(axis=1))
    if not len(usable):
        return rows, distances
    for start in range(0, len(places), BLOCK):
        part = places[start : start + BLOCK]
        gaps = measure(first[part], second[usable])
        best = settled(gaps).argmin(axis=1)
        rows[part], distances[part] = usable[best], gaps[np.arange(len(part)), best]
    return rows, distances
