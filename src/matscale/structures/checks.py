"""Whether structures are fit for use: finite, of known elements, with room for each atom.

The kernels are compiled by numba at the first call and kept on disk.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from matscale.structures.table import StructureTable

MIN_DISTANCE = 0.1
"""Å; no two atoms of any real crystal come near it (H-H is 0.74 Å)."""

MIN_THICKNESS = 0.01
"""Å between opposite faces of a cell; pymatgen's CIF reader draws the same line."""

LARGEST = 1e7
"""Å; a coordinate beyond it is a slip, and differences of such numbers lose all precision."""

LAST_ELEMENT = 118
"""Oganesson."""

GRID_FROM = 256
"""Atoms from which neighbours are looked up by bins instead of along one axis."""

MAX_BINS = 1 << 20

FINE, NO_ATOMS, UNKNOWN_ELEMENT, NOT_FINITE, DEGENERATE, TOO_CLOSE = range(6)

REASON_OF = ("", "no atoms", "unknown element", "not finite", "degenerate cell", "atoms too close")
"""The reason in the vocabulary of the formats for each verdict."""


class Verdicts(NamedTuple):
    """What was found about each of N structures.

    Attributes:
        codes: One of FINE .. TOO_CLOSE each, (N,).
        pairs: The two atoms (equal for an atom and its own image) that are too close, (N, 2).
        values: Their distance in Å, or the thickness of a degenerate cell in Å, (N,).
    """

    codes: np.ndarray
    pairs: np.ndarray
    values: np.ndarray

    def detail(self, row: int) -> str:
        """What was found, in words."""
        code = self.codes[row]
        if code == TOO_CLOSE:
            first, second = self.pairs[row]
            where = f"atoms {first} and {second}" if first != second else f"images of atom {first}"
            return f"{where} are {self.values[row]:.3f} Å apart"
        if code == DEGENERATE:
            return f"{self.values[row]:.3g} Å thick"
        return ""


def verdicts(table: StructureTable) -> Verdicts:
    """Check each crystal of a table.

    Raises:
        ValueError: If the table holds particles.
    """
    if table.cells is None:
        raise ValueError("a table of particles has no cells to check")
    verdict = Verdicts(
        codes=np.zeros(len(table), np.uint8),
        pairs=np.zeros((len(table), 2), np.int64),
        values=np.zeros(len(table)),
    )
    rows = np.repeat(np.arange(len(table)), table.n_atoms)
    _check_values(table, table.cells, rows, verdict.codes)
    cells = np.where((verdict.codes == FINE)[:, None, None], table.cells, np.eye(3))
    reciprocal, heights = reciprocal_and_heights(cells)
    thinnest = heights.min(axis=1, initial=np.inf)
    degenerate = (verdict.codes == FINE) & ~(thinnest >= MIN_THICKNESS)
    verdict.codes[degenerate] = DEGENERATE
    verdict.values[degenerate] = thinnest[degenerate]
    _check_distances(table, cells, rows, reciprocal, heights, verdict)
    return verdict


def _check_values(
    table: StructureTable, cells: np.ndarray, rows: np.ndarray, codes: np.ndarray
) -> None:
    """Look at each number by itself; writes codes (N,)."""
    wild = ~(np.abs(table.positions) < LARGEST).all(axis=1)
    unknown = (table.numbers < 1) | (table.numbers > LAST_ELEMENT)
    codes[~(np.abs(cells) < LARGEST).all(axis=(1, 2))] = NOT_FINITE
    codes[rows[wild]] = NOT_FINITE
    codes[rows[unknown]] = UNKNOWN_ELEMENT
    codes[table.n_atoms == 0] = NO_ATOMS


def reciprocal_and_heights(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Reciprocal vectors and thicknesses of cells.

    Args:
        cells: Lattice vectors as rows, in Å, (N, 3, 3).

    Returns:
        Reciprocal vectors as rows, without 2 pi, in 1/Å, (N, 3, 3), so that fractional
        coordinates are ``reciprocal @ position``; and the distances between opposite faces in
        Å, (N, 3). Both are zero where there is no volume.
    """
    normals = np.stack(
        [np.cross(cells[:, (axis + 1) % 3], cells[:, (axis + 2) % 3]) for axis in range(3)], axis=1
    )
    volumes = np.einsum("ni,ni->n", cells[:, 0], normals[:, 0])
    areas = np.linalg.norm(normals, axis=2)
    with np.errstate(all="ignore"):
        heights = np.where(areas > 0, np.abs(volumes)[:, None] / areas, 0.0)
        flat = volumes[:, None, None] == 0
        reciprocal = np.where(flat, 0.0, normals / volumes[:, None, None])
    return reciprocal, heights


def _check_distances(
    table: StructureTable,
    cells: np.ndarray,
    rows: np.ndarray,
    reciprocal: np.ndarray,
    heights: np.ndarray,
    verdict: Verdicts,
) -> None:
    """Look for atoms that are too close among the structures that are fine so far."""
    fine = verdict.codes == FINE
    with np.errstate(all="ignore"):
        fractions = np.einsum("ni,nki->nk", table.positions, reciprocal[rows])
        fractions = np.where(fine[rows][:, None], fractions - np.floor(fractions), 0.0)
    heights = np.where(fine[:, None], heights, 1.0)
    small = table.n_atoms < GRID_FROM
    axes = np.argmax(heights, axis=1)
    order = np.lexsort((fractions[np.arange(len(rows)), axes[rows]], rows))
    todo = np.flatnonzero(fine & small)
    _along_axis(todo, table.offsets, fractions, cells, heights, axes, order, *verdict)
    for row in np.flatnonzero(fine & ~small).tolist():
        atoms = slice(table.offsets[row], table.offsets[row + 1])
        order, starts, keys, wanted = _bins(fractions[atoms], heights[row])
        first, second, distance = _in_bins(
            fractions[atoms], cells[row], heights[row], order, starts, keys, wanted
        )
        if distance < MIN_DISTANCE:
            verdict.codes[row], verdict.pairs[row] = TOO_CLOSE, (first, second)
            verdict.values[row] = distance


def _bins(
    fractions: np.ndarray, heights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sort the n atoms of a structure into bins at least MIN_DISTANCE wide.

    So few atoms share a bin, unless some are too close, that the work grows as n log n whatever
    the arrangement.

    Returns:
        Atoms in order of their bins, (n,); where in that order each of the 27 bins around each
        atom starts, (n, 27); the bin of each atom in that order, (n,); the 27 bins, (n, 27).
    """
    count = np.clip((heights / MIN_DISTANCE).astype(np.int64), 1, MAX_BINS)
    places = np.minimum((fractions * count).astype(np.int64), count - 1)
    shifts = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(27, 3)
    around = (places[:, None] + shifts) % count
    wanted = (around[..., 0] * count[1] + around[..., 1]) * count[2] + around[..., 2]
    own = wanted[:, 13]
    order = np.argsort(own, kind="stable")
    return order, np.searchsorted(own[order], wanted), own[order], wanted


@njit(cache=True)
def _along_axis(
    todo, offsets, fractions, cells, heights, axes, order, codes, pairs, values
):  # pragma: no cover - compiled
    """Look at each pair of atoms less than MIN_DISTANCE apart along the thickest axis.

    Args:
        todo: Rows to check.
        offsets: Of all rows, (N + 1,).
        fractions: Fractional coordinates in [0, 1), (M, 3).
        cells: In Å, (N, 3, 3).
        heights: Between opposite faces, in Å, (N, 3).
        axes: The thickest axis of each row, (N,).
        order: Atoms in order of their coordinate on that axis, within each row, (M,).
        codes: Of the verdicts; written to.
        pairs: Of the verdicts; written to.
        values: Of the verdicts; written to.
    """
    for row in todo:
        start, stop = offsets[row], offsets[row + 1]
        first, second, distance = _first_pair(
            order[start:stop], fractions, cells[row], heights[row], axes[row]
        )
        if distance < MIN_DISTANCE:
            codes[row] = TOO_CLOSE
            pairs[row, 0] = min(first, second) - start
            pairs[row, 1] = max(first, second) - start
            values[row] = distance


@njit(cache=True)
def _first_pair(order, fractions, cell, heights, axis):  # pragma: no cover - compiled
    """First pair found below MIN_DISTANCE, which may be an atom and its own image."""
    count = len(order)
    if heights.min() < MIN_DISTANCE:
        distance = _image_distance(0.0, 0.0, 0.0, cell, heights, True)
        if distance < MIN_DISTANCE:
            return order[0], order[0], distance
    reach = MIN_DISTANCE / heights[axis]
    for rank in range(count):
        first = order[rank]
        for ahead in range(1, count):
            second = order[(rank + ahead) % count]
            gap = fractions[second, axis] - fractions[first, axis]
            if rank + ahead >= count:
                gap += 1.0
            if gap > reach:
                break
            distance = _pair_distance(fractions, first, second, cell, heights)
            if distance < MIN_DISTANCE:
                return first, second, distance
    return 0, 0, np.inf


@njit(cache=True)
def _in_bins(fractions, cell, heights, order, starts, keys, wanted):  # pragma: no cover - compiled
    """First pair found below MIN_DISTANCE among atoms of the same or adjacent bins."""
    count = len(order)
    if heights.min() < MIN_DISTANCE:
        distance = _image_distance(0.0, 0.0, 0.0, cell, heights, True)
        if distance < MIN_DISTANCE:
            return 0, 0, distance
    for first in range(count):
        for shift in range(27):
            at = starts[first, shift]
            while at < count and keys[at] == wanted[first, shift]:
                second = order[at]
                at += 1
                if second <= first:
                    continue
                distance = _pair_distance(fractions, first, second, cell, heights)
                if distance < MIN_DISTANCE:
                    return first, second, distance
    return 0, 0, np.inf


@njit(cache=True)
def _pair_distance(fractions, first, second, cell, heights):  # pragma: no cover - compiled
    return _image_distance(
        fractions[second, 0] - fractions[first, 0],
        fractions[second, 1] - fractions[first, 1],
        fractions[second, 2] - fractions[first, 2],
        cell,
        heights,
        False,
    )


@njit(cache=True)
def _image_distance(x, y, z, cell, heights, skip_zero):  # pragma: no cover - compiled
    """Smallest distance in Å, if below MIN_DISTANCE, over periodic images; else infinity.

    An image nearer than MIN_DISTANCE has each fractional component below MIN_DISTANCE / height.
    """
    near_x = MIN_DISTANCE / heights[0]
    near_y = MIN_DISTANCE / heights[1]
    near_z = MIN_DISTANCE / heights[2]
    best = np.inf
    for i in range(int(np.ceil(-near_x - x)), int(np.floor(near_x - x)) + 1):
        for j in range(int(np.ceil(-near_y - y)), int(np.floor(near_y - y)) + 1):
            for k in range(int(np.ceil(-near_z - z)), int(np.floor(near_z - z)) + 1):
                if skip_zero and i == 0 and j == 0 and k == 0:
                    continue
                square = 0.0
                for axis in range(3):
                    part = (x + i) * cell[0, axis] + (y + j) * cell[1, axis]
                    square += (part + (z + k) * cell[2, axis]) ** 2
                best = min(best, np.sqrt(square))
    return best
