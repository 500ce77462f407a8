"""A tree of boxes over points: nearest points, k nearest distances, Hausdorff distance.

Points are put into Morton order (Morton 1966) and cut into leaves of a few; each node keeps the
box of the points below it. A node is entered only if it can hold something strictly nearer, so
that coincident points, on which k-d trees degenerate, cost no more than others.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

_LEAF = 8
_LEVELS = 21
_DEPTH = 64
_WINDOW = 8  # points before and after the last answer that are looked at first
_SAMPLE = 64  # points whose nearest partners are looked for first


class BoxTree(NamedTuple):
    """Points below boxes.

    Attributes:
        points: In the tree's order, (n, 3) in Å.
        order: Which of the given points each is, (n,).
        boxes: Low and high corner of each node, (nodes, 6); node i has the children 2 i + 1 and
            2 i + 2, the leaves come last, and those without points have an infinite low corner.
    """

    points: np.ndarray
    order: np.ndarray
    boxes: np.ndarray


def box_tree(positions: np.ndarray) -> BoxTree:
    """The tree over points (n, 3) in Å, n >= 1, all finite."""
    positions = np.ascontiguousarray(positions, np.float64)
    axes = np.ascontiguousarray(positions.T)  # ten times as fast to find the extremes of
    low = axes.min(axis=1)
    order = np.argsort(_morton(positions, low, (axes.max(axis=1) - low).max()), kind="stable")
    points = positions[order]
    return BoxTree(points, order, _boxes(points))


@njit(cache=True, nogil=True)
def _morton(points, low, width):
    """Places along the Morton curve, (n,)."""
    scale = ((1 << _LEVELS) - 1) / width if width > 0 else 0.0
    codes = np.zeros(len(points), np.int64)
    for i in range(len(points)):
        code = np.int64(0)
        for axis in range(3):
            # Spread 21 bits to every third one; the masks are those of the textbook.
            bits = np.int64((points[i, axis] - low[axis]) * scale)
            bits = (bits | bits << 32) & 0x1F00000000FFFF
            bits = (bits | bits << 16) & 0x1F0000FF0000FF
            bits = (bits | bits << 8) & 0x100F00F00F00F00F
            bits = (bits | bits << 4) & 0x10C30C30C30C30C3
            bits = (bits | bits << 2) & 0x1249249249249249
            code |= bits << axis
        codes[i] = code
    return codes


@njit(cache=True, nogil=True)
def _boxes(points):
    leaves = 1
    while leaves * _LEAF < len(points):
        leaves *= 2
    boxes = np.empty((2 * leaves - 1, 6))
    boxes[:, :3], boxes[:, 3:] = np.inf, -np.inf
    for i in range(len(points)):
        node = leaves - 1 + i // _LEAF
        for axis in range(3):
            boxes[node, axis] = min(boxes[node, axis], points[i, axis])
            boxes[node, 3 + axis] = max(boxes[node, 3 + axis], points[i, axis])
    for node in range(leaves - 2, -1, -1):
        for axis in range(3):
            one, two = 2 * node + 1, 2 * node + 2
            boxes[node, axis] = min(boxes[one, axis], boxes[two, axis])
            boxes[node, 3 + axis] = max(boxes[one, 3 + axis], boxes[two, 3 + axis])
    return boxes


@njit(cache=True, nogil=True, inline="always")
def _square(points, i, x, y, z):
    dx, dy, dz = points[i, 0] - x, points[i, 1] - y, points[i, 2] - z
    return dx * dx + dy * dy + dz * dz


@njit(cache=True, nogil=True)
def _box_square(boxes, node, x, y, z):
    """Least squared distance from a point to what a node may hold."""
    dx = max(boxes[node, 0] - x, x - boxes[node, 3], 0.0)
    dy = max(boxes[node, 1] - y, y - boxes[node, 4], 0.0)
    dz = max(boxes[node, 2] - z, z - boxes[node, 5], 0.0)
    return dx * dx + dy * dy + dz * dz


@njit(cache=True, nogil=True)
def _nearest(points, boxes, x, y, z, place, best, enough, nodes, gaps):
    """The nearest point's place and squared distance.

    Args:
        points: Of the tree.
        boxes: Of the tree.
        x: Where from.
        y: Likewise.
        z: Likewise.
        place: A point to begin with.
        best: Its squared distance.
        enough: The search ends once a squared distance is not above this.
        nodes: Room for a stack.
        gaps: Room for the distances of the nodes on it.
    """
    leaves = (len(boxes) + 1) // 2
    nodes[0], gaps[0], height = 0, 0.0, 1
    while height and best > enough:
        height -= 1
        node = nodes[height]
        if gaps[height] >= best:
            continue
        if node >= leaves - 1:
            start = (node - leaves + 1) * _LEAF
            for i in range(start, min(start + _LEAF, len(points))):
                square = _square(points, i, x, y, z)
                if square < best:
                    place, best = i, square
            continue
        near, far = 2 * node + 1, 2 * node + 2
        near_gap, far_gap = _box_square(boxes, near, x, y, z), _box_square(boxes, far, x, y, z)
        if far_gap < near_gap:
            near, far, near_gap, far_gap = far, near, far_gap, near_gap
        if far_gap < best:
            nodes[height], gaps[height] = far, far_gap
            height += 1
        if near_gap < best:
            nodes[height], gaps[height] = near, near_gap
            height += 1
    return place, best


def nearest(tree: BoxTree, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each query (m, 3) the index of the nearest point, (m,), and its distance in Å, (m,)."""
    places, distances = _all_nearest(tree.points, tree.boxes, np.ascontiguousarray(queries))
    return tree.order[places], distances


@njit(cache=True, nogil=True)
def _all_nearest(points, boxes, queries):
    places, distances = np.empty(len(queries), np.int64), np.empty(len(queries))
    nodes, gaps = np.empty(_DEPTH, np.int64), np.empty(_DEPTH)
    place = 0
    for q in range(len(queries)):
        x, y, z = queries[q]
        best = _square(points, place, x, y, z)  # the last answer is often a good guess
        place, best = _nearest(points, boxes, x, y, z, place, best, 0.0, nodes, gaps)
        places[q], distances[q] = place, math.sqrt(best)
    return places, distances


def hausdorff(first: BoxTree, second: BoxTree) -> float:
    """Symmetric Hausdorff distance of two sets of points in Å."""
    forwards, backwards = _guesses(first.order, second.order), _guesses(second.order, first.order)
    square = _directed_square(first.points, second.points, second.boxes, forwards, 0.0)
    # Only what exceeds the first direction matters in the second.
    return math.sqrt(_directed_square(second.points, first.points, first.boxes, backwards, square))


@njit(cache=True, nogil=True)
def _guesses(order, other):
    """For each place of a tree one of the other, (n,): of the same point if there is such."""
    places = np.empty(len(other), np.int64)
    for i in range(len(other)):
        places[other[i]] = i
    guesses = np.empty(len(order), np.int64)
    for i in range(len(order)):
        guesses[i] = places[order[i] % len(other)]
    return guesses


@njit(cache=True, nogil=True)
def _directed_square(queries, points, boxes, guesses, most):
    """Largest squared distance from a query to its nearest point, or ``most`` if that is more.

    A query is given up once some point is found within the largest distance so far (Taha and
    Hanbury, IEEE TPAMI 37, 2153, 2015). A few queries from all over go first, to raise it; the
    point of the same number, often near in a prediction, is tried first, then those around the
    last answer.
    """
    nodes, gaps = np.empty(_DEPTH, np.int64), np.empty(_DEPTH)
    place, step = 0, max(1, len(queries) // _SAMPLE)
    for stride in (step, 1):
        for q in range(0, len(queries), stride):
            x, y, z = queries[q]
            best = _square(points, guesses[q], x, y, z)
            if best <= most:
                continue
            # The curve passes neighbours soon after each other.
            start = max(0, place - _WINDOW)
            place = guesses[q]
            for i in range(start, min(start + 2 * _WINDOW, len(points))):
                square = _square(points, i, x, y, z)
                if square < best:
                    place, best = i, square
            if best <= most:
                continue
            place, best = _nearest(points, boxes, x, y, z, place, best, most, nodes, gaps)
            most = max(most, best)
    return most


def neighbour_distances(tree: BoxTree, k: int) -> np.ndarray:
    """Distances of each point to its k nearest others in Å, rising, (n, k), in the given order.

    Infinite where there are fewer than k others.
    """
    distances = np.empty((len(tree.points), k))
    distances[tree.order] = _neighbours(tree.points, tree.boxes, k)
    return distances


@njit(cache=True, nogil=True)
def _neighbours(points, boxes, k):
    leaves = (len(boxes) + 1) // 2
    nodes, gaps = np.empty(_DEPTH, np.int64), np.empty(_DEPTH)
    distances = np.empty((len(points), k))
    heap = np.empty(k)
    for q in range(len(points)):
        heap[:] = np.inf
        x, y, z = points[q]
        nodes[0], gaps[0], height = 0, 0.0, 1
        while height:
            height -= 1
            node = nodes[height]
            if gaps[height] >= heap[0]:
                continue
            if node >= leaves - 1:
                start = (node - leaves + 1) * _LEAF
                for i in range(start, min(start + _LEAF, len(points))):
                    square = _square(points, i, x, y, z)
                    if square < heap[0] and i != q:
                        _replace_largest(heap, square)
                continue
            near, far = 2 * node + 1, 2 * node + 2
            near_gap, far_gap = _box_square(boxes, near, x, y, z), _box_square(boxes, far, x, y, z)
            if far_gap < near_gap:
                near, far, near_gap, far_gap = far, near, far_gap, near_gap
            nodes[height], gaps[height] = far, far_gap
            nodes[height + 1], gaps[height + 1] = near, near_gap
            height += 2
        distances[q] = np.sqrt(np.sort(heap))
    return distances


@njit(cache=True, nogil=True)
def _replace_largest(heap, value):
    """Put a value in the place of the largest, at the root of a heap."""
    place = 0
    while True:
        child = 2 * place + 1
        if child >= len(heap):
            break
        if child + 1 < len(heap) and heap[child + 1] > heap[child]:
            child += 1
        if heap[child] <= value:
            break
        heap[place] = heap[child]
        place = child
    heap[place] = value
