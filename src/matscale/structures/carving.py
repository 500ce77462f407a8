"""Spheres cut from crystals: exact, for any cell and radius.

Every lattice translation that can bring a site into the sphere is visited once, and no other:
the cell is turned so that its vectors form an upper triangle, and the sphere's chord through each
plane and row of the lattice says where to begin and end (Fincke and Pohst, Math. Comp. 44, 463
(1985)). So no atom is missed, and none is there twice, however skewed the cell is.

An atom is inside if it is within the radius plus :data:`TOLERANCE` of the centre. So atoms that
stand on the sphere, as they do for round radii of cubic crystals, are all inside, whatever the
last digits of their distances. The cell's own sites must be distinct.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numba import njit
from scipy.linalg import rq

from matscale.runtime.errors import UserError
from matscale.runtime.exact import in_basis
from matscale.structures.table import StructureTable

TOLERANCE = 1e-6
"""Å by which an atom may stand outside of the sphere."""

LARGEST_PARTICLE = 50_000_000
"""Atoms from which a sphere is refused before memory is."""

Centre = Literal["origin", "centroid"] | int | Sequence[float] | np.ndarray
"""Of a sphere: the cell's origin, the mean of the cell's atoms, an atom by its place in the cell,
or a point in Å."""


def carve(
    table: StructureTable, radius: float | Sequence[float], centre: Centre = "origin"
) -> StructureTable:
    """Cut a sphere from each crystal of a table.

    Args:
        table: Crystals.
        radius: In Å, one for all or one per crystal.
        centre: Of the spheres; it becomes the origin of the particles.

    Returns:
        Particles under the crystals' ids and with their columns; the column ``radius`` in Å. Atoms
        stand in the order of the cell's sites, and those of a site by rising translation.

    Raises:
        UserError: If a radius is not positive, or a centre is not there.
    """
    radii = np.broadcast_to(np.asarray(radius, float), len(table))
    parts = [
        carve_sphere(
            table.row_numbers(row), table.row_positions(row), table.lattices[row], size, centre
        )
        for row, size in enumerate(radii.tolist())
    ]
    return StructureTable.from_parts(
        table.ids.tolist(),
        [numbers for numbers, _ in parts],
        [positions for _, positions in parts],
        None,
        {**table.columns, "radius": radii.copy()},
    )


def carve_sphere(
    numbers: np.ndarray,
    positions: np.ndarray,
    cell: np.ndarray,
    radius: float,
    centre: Centre = "origin",
) -> tuple[np.ndarray, np.ndarray]:
    """The atoms of a crystal within a sphere, relative to its centre.

    Args:
        numbers: Atomic numbers of the cell, (n,).
        positions: Of its atoms, Cartesian, in Å, (n, 3).
        cell: Lattice vectors as rows, in Å, (3, 3).
        radius: In Å.
        centre: Of the sphere.

    Returns:
        Atomic numbers (m,), and positions (m, 3) in Å; ordered as :func:`carve` says.

    Raises:
        UserError: If the radius is not positive, the centre is not there, or the cell is flat.
    """
    point = centre_point(positions, centre)
    if not (radius > 0 and math.isfinite(radius)):
        raise UserError(f"a particle of radius {radius} Å cannot be cut; give a positive number")
    volume = abs(float(np.linalg.det(cell)))
    if not volume > 0:
        raise UserError("a particle cannot be cut from a cell without volume")
    if 4.2 * radius**3 / volume * len(numbers) > LARGEST_PARTICLE:
        raise UserError(f"a sphere of {radius:g} Å would hold over {LARGEST_PARTICLE} atoms")
    triangle, turn = rq(cell)
    relative = positions - point
    sites = np.ascontiguousarray(relative @ turn.T)
    reach = radius + TOLERANCE
    counts = _visit(triangle, sites, reach, np.empty((0, 3)))
    translations = np.empty((int(counts.sum()), 3))
    _visit(triangle, sites, reach, translations)
    sphere = in_basis(translations, cell) + np.repeat(relative, counts, axis=0)
    return np.repeat(np.asarray(numbers, np.uint8), counts), sphere


def centre_of_words(text: str) -> Centre:
    """A centre as a user writes it: ``origin``, ``centroid``, or an atom's place in the cell.

    Raises:
        UserError: If it is none of these.
    """
    if text == "origin":
        return "origin"
    if text == "centroid":
        return "centroid"
    if text.isdecimal():
        return int(text)
    raise UserError(f"there is no centre {text!r}; write origin, centroid or an atom's place")


def centre_point(positions: np.ndarray, centre: Centre) -> np.ndarray:
    """The centre of a sphere in Å, (3,); see :data:`Centre`.

    Raises:
        UserError: If there is no such centre.
    """
    if isinstance(centre, str):
        if centre == "origin":
            return np.zeros(3)
        if centre == "centroid":
            return positions.mean(axis=0)
        raise UserError(
            f"there is no centre {centre!r}; write origin, centroid, or an atom's place"
        )
    if isinstance(centre, int | np.integer):
        if not 0 <= centre < len(positions):
            raise UserError(
                f"there is no atom {centre} to centre on; the cell has {len(positions)}"
            )
        return positions[int(centre)]
    point = np.asarray(centre, float)
    if point.shape != (3,) or not np.isfinite(point).all():
        raise UserError(f"a centre is a point of three numbers in Å, not {centre!r}")
    return point


@njit(cache=True, nogil=True)
def _bounds(offset: float, step: float, half: float) -> tuple[int, int]:
    """First and last n with |offset + n step| <= half; step is not zero."""
    low, high = (-half - offset) / step, (half - offset) / step
    # One part in 1e9 of a step: a row that the sphere touches is not lost to rounding.
    return math.ceil(min(low, high) - 1e-9), math.floor(max(low, high) + 1e-9)


@njit(cache=True, nogil=True)
def _chord(square: float) -> float:
    return math.sqrt(square) if square > 0 else 0.0


@njit(cache=True, nogil=True)
def _visit(
    triangle: np.ndarray, sites: np.ndarray, reach: float, translations: np.ndarray
) -> np.ndarray:
    """Translations that bring each site into the sphere.

    Args:
        triangle: Lattice vectors as rows, an upper triangle, in Å, (3, 3).
        sites: In the same frame, relative to the centre, in Å, (n, 3).
        reach: Of the sphere, in Å.
        translations: Where to write them, site after site, (m, 3); without rows, to only count.

    Returns:
        How many there are of each site, (n,).
    """
    counts = np.zeros(len(sites), np.int64)
    square = reach * reach
    at = 0
    for site in range(len(sites)):
        first, last = _bounds(sites[site, 0], triangle[0, 0], reach)
        for n in range(first, last + 1):
            x = sites[site, 0] + n * triangle[0, 0]
            y_n = sites[site, 1] + n * triangle[0, 1]
            z_n = sites[site, 2] + n * triangle[0, 2]
            low, high = _bounds(y_n, triangle[1, 1], _chord(square - x * x))
            for m in range(low, high + 1):
                y = y_n + m * triangle[1, 1]
                z_m = z_n + m * triangle[1, 2]
                start, stop = _bounds(z_m, triangle[2, 2], _chord(square - x * x - y * y))
                for k in range(start, stop + 1):
                    z = z_m + k * triangle[2, 2]
                    if x * x + y * y + z * z > square:
                        continue
                    counts[site] += 1
                    if len(translations):
                        translations[at, 0], translations[at, 1], translations[at, 2] = n, m, k
                        at += 1
    return counts
