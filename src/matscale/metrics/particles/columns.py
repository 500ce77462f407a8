"""Histograms of pair distances below a cutoff, in memory linear in the number of points.

Points are sorted into square columns along z and, within a column, by z. For two columns that
are near enough the partners of a point are then a run of neighbours in that order, found by two
pointers that only move forwards. Empty space costs nothing, so outliers do no harm. Where all
points lie within the cutoff of each other every pair is visited, but none is stored.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

_COLUMNS_PER_CUTOFF = 2
_STRIDE = np.int64(1) << 31
_SLACK = 1e-6  # Å by which windows are wider than needed; distances decide


class Columns(NamedTuple):
    """Points in columns.

    Attributes:
        x: Coordinates by column and z, (n,).
        y: Likewise.
        z: Likewise.
        order: Which of the given points each is, (n,).
        keys: Of the columns, rising, (m,); a column's neighbour across has a key larger by
            ``_STRIDE``, that along by one.
        starts: Where each column's points begin, (m + 1,).
    """

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    order: np.ndarray
    keys: np.ndarray
    starts: np.ndarray


def _columns(positions: np.ndarray, cutoff: float) -> Columns:
    """Points (n, 3), n >= 1, in columns of half the cutoff."""
    x, y, z = np.ascontiguousarray(positions.T)
    # A margin of empty columns, so that no neighbour's key falls into the row before.
    size, margin = cutoff / _COLUMNS_PER_CUTOFF, _COLUMNS_PER_CUTOFF + 1
    across, along = (((axis - axis.min()) / size).astype(np.int64) + margin for axis in (x, y))
    keys = across * _STRIDE + along
    # Twice as fast as lexsort, which sorts both times with comparisons.
    by_height = np.argsort(z, kind="stable")
    order = by_height[np.argsort(keys[by_height], kind="stable")]
    columns, starts = np.unique(keys[order], return_index=True)
    return Columns(x[order], y[order], z[order], order, columns, np.append(starts, len(order)))


def _neighbours(cutoff: float) -> tuple[np.ndarray, np.ndarray]:
    """Half the columns that may hold partners of a column's points, the column itself first.

    Returns:
        Steps across and along, (k, 2), and how far up and down a partner there can be in Å, (k,).
    """
    size, reach = cutoff / _COLUMNS_PER_CUTOFF, _COLUMNS_PER_CUTOFF
    steps, heights = [], []
    for across in range(reach + 1):
        for along in range(-reach if across else 0, reach + 1):
            gap = size * math.hypot(max(across - 1, 0), max(abs(along) - 1, 0))
            if gap < cutoff:
                steps.append((across, along))
                heights.append(math.sqrt(cutoff**2 - gap**2) + _SLACK)
    return np.array(steps, np.int64), np.array(heights)


def pair_histogram(positions: np.ndarray, bins: int, cutoff: float) -> np.ndarray:
    """How many pairs lie in each of equal bins of distance, (bins,), as ``np.histogram`` counts.

    Args:
        positions: Finite (n, 3) in Å, within 10^6 Å of the origin.
        bins: Bins from 0 to the cutoff, each with its lower and without its upper edge.
        cutoff: In Å; a pair exactly there is not counted.
    """
    if len(positions) < 2:
        return np.zeros(bins, np.int64)
    columns = _columns(np.asarray(positions, np.float64), cutoff)
    return _counted(*columns, *_neighbours(cutoff), cutoff, bins)


def partial_pair_histograms(
    positions: np.ndarray, kinds: np.ndarray, n_kinds: int, bins: int, cutoff: float
) -> np.ndarray:
    """Neighbours of kind b around all atoms of kind a by distance, (n_kinds, n_kinds, bins).

    A pair is shared by the two bins whose centres are nearest, in proportion to how near it is.
    The result is therefore continuous in the positions: the rounding of a rotated copy does not
    move a pair that lies on an edge, as many pairs of a crystal do, from one bin to the next.

    Args:
        positions: Finite (n, 3) in Å, within 10^6 Å of the origin.
        kinds: (n,), 0 to n_kinds - 1.
        n_kinds: Number of kinds.
        bins: Bins from 0 to the cutoff.
        cutoff: In Å.
    """
    if len(positions) < 2:
        return np.zeros((n_kinds, n_kinds, bins))
    width = cutoff / bins
    reach = cutoff + 0.5 * width  # a pair there has no share left in the last bin
    columns = _columns(np.asarray(positions, np.float64), reach)
    half = _shared(
        *columns, *_neighbours(reach), width, bins, kinds[columns.order].astype(np.int64), n_kinds
    )
    return half + half.transpose(1, 0, 2)


@njit(cache=True, nogil=True)
def _counted(x, y, z, order, keys, starts, steps, heights, cutoff, bins):
    """Pairs by distance, (bins,); arguments as in ``Columns`` and of ``_neighbours``."""
    counts = np.zeros((2, bins + 2), np.int64)  # by turns, so that no count waits for the last
    width, per_width, top = cutoff / bins, bins / cutoff, bins + 0.5
    distances, places = np.empty(len(x) + 1), np.empty(len(x) + 1, np.uint32)
    found = np.zeros(len(steps), np.int64)
    lows, highs = np.empty(len(steps), np.int64), np.empty(len(steps), np.int64)
    for column in range(len(keys)):
        _enter(column, keys, starts, steps, found, lows, highs)
        for i in range(starts[column], starts[column + 1]):
            count = _measure(x, y, z, i, keys, starts, heights, found, lows, highs, distances)
            distances[count] = 2 * cutoff  # makes their number even
            for j in range(count + 1):
                distance = distances[j]
                place = np.int32(min(distance * per_width, top))
                place -= np.int32(distance < place * width)
                place += np.int32(distance >= (place + 1) * width)
                places[j] = place
            for j in range((count + 1) // 2):
                counts[0, places[2 * j]] += 1
                counts[1, places[2 * j + 1]] += 1
    return (counts[0] + counts[1])[:bins]


@njit(cache=True, nogil=True)
def _shared(x, y, z, order, keys, starts, steps, heights, width, bins, kinds, n_kinds):
    """Pairs by kinds and distance, each once, (n_kinds, n_kinds, bins); see ``_counted``."""
    histogram = np.zeros((n_kinds, n_kinds, bins + 1))
    distances = np.empty(len(x) + 1)
    found = np.zeros(len(steps), np.int64)
    lows, highs = np.empty(len(steps), np.int64), np.empty(len(steps), np.int64)
    for column in range(len(keys)):
        _enter(column, keys, starts, steps, found, lows, highs)
        for i in range(starts[column], starts[column + 1]):
            _measure(x, y, z, i, keys, starts, heights, found, lows, highs, distances)
            row, at = histogram[kinds[i]], 0
            for step in range(len(found)):
                for j in range(max(lows[step], i + 1) if step == 0 else lows[step], highs[step]):
                    place = distances[at] / width - 0.5
                    at += 1
                    below = math.floor(place)
                    if below < bins:
                        row[kinds[j], max(below, 0)] += 1.0 - (place - below)
                        row[kinds[j], below + 1] += place - below
    return histogram[:, :, :bins]


@njit(cache=True, nogil=True)
def _enter(column, keys, starts, steps, found, lows, highs):
    """Find a column's neighbours: their places into ``found``, or the complement.

    ``found`` must hold what the column before found: places only rise. Where there is no such
    column, it holds ~place of the next one. Windows begin where the neighbours do.
    """
    for step in range(len(steps)):
        wanted = keys[column] + steps[step, 0] * _STRIDE + steps[step, 1]
        place = found[step] if found[step] >= 0 else ~found[step]
        while place < len(keys) and keys[place] < wanted:
            place += 1
        there = place < len(keys) and keys[place] == wanted
        found[step] = place if there else ~place
        lows[step] = highs[step] = starts[place] if there else 0


@njit(cache=True, nogil=True)
def _measure(x, y, z, i, keys, starts, heights, found, lows, highs, distances):
    """Distances of a point to the points in its windows, neighbour by neighbour; their number.

    The windows are moved on to the point. In its own column, the first, it looks at later points.
    """
    count = 0
    xi, yi, zi = x[i], y[i], z[i]
    for step in range(len(found)):
        if found[step] < 0:
            continue
        low, high, end = lows[step], highs[step], starts[found[step] + 1]
        while low < end and z[low] < zi - heights[step]:
            low += 1
        while high < end and z[high] <= zi + heights[step]:
            high += 1
        lows[step], highs[step] = low, high
        if step == 0:
            low = i + 1
        if high <= low:
            continue
        # Slices let the compiler see that no index is negative, and use vector instructions.
        xs, ys, zs, into = x[low:high], y[low:high], z[low:high], distances[count:]
        for j in range(high - low):
            dx, dy, dz = xi - xs[j], yi - ys[j], zi - zs[j]
            into[j] = math.sqrt(dx * dx + dy * dy + dz * dz)
        count += high - low
    return count
