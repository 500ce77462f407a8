"""Images of a site that are equally near: which of them count is decided by a rule.

A site half a cell away from its partner has two images that are equally near, or more. The mean
displacement, which is taken off, depends on which of them count; where several sites are so, the
rms can be 0.29 or 0.41 for the same two crystals. pymatgen takes the one that the last bit of a
coordinate favours, so that its verdict can change if a crystal is written to a file and read
again. Here a pair that fails on those terms is asked once more: if it matches with other images
that are equally near, it matches. So whatever matches in pymatgen still does, at the same value;
and a verdict no longer depends on how the coordinates were rounded.
"""

from __future__ import annotations

import math

import numpy as np

from matscale.matching.compiling import kernel
from matscale.matching.pairing import MOVED, PAIRS, POINTS, SCALES, WRAPPED
from matscale.matching.periodic import tie_begins, tied_images

MASKS, CHOSEN, BEST = 0, 1, 2
"""Rows of the workspace's ``integers`` that are used here, free once sites are paired: equally
near images as bits, 0 where there is but one, and the images chosen."""
ROUNDS = 4
"""How often a choice is improved."""


@kernel
def settle(n, use_rms, normalization, space):
    """Choose, where images are equally near, those that bring the sites closest; the value.

    All total squared distances are the same, so the rms is smallest where the mean displacement is
    longest. That is where all images lie farthest along one direction. Directions are tried: to
    each of the 26 cells around, and from there that of the mean displacement itself.

    Args:
        n: Number of sites.
        use_rms: Whether the rms is the value, else the largest distance.
        normalization: Over Å, what the value is in.
        space: Workspace with the sites paired, as from ``pairing.pair_sites``; its ``distances``
            are replaced.

    Returns:
        The value of the best choice; infinity if there is no choice.
    """
    if _mark_ties(n, space) == 0:
        return np.inf
    chosen, best = space.integers[CHOSEN], space.integers[BEST]
    direction, total = space.small[0, 0], space.small[0, 1]
    lowest = np.inf
    for image in range(27):
        if image == 13:
            continue
        for x in range(3):
            direction[x] = space.images[image, x]
        for _ in range(ROUNDS):
            if not _choose(n, direction, total, space):
                break
            for x in range(3):
                direction[x] = total[x]
        value = _value(n, chosen, total, use_rms, normalization, space)
        if value < lowest:
            lowest = value
            for i in range(n):
                best[i] = chosen[i]
    for x in range(3):
        total[x] = 0.0
    for i in range(n):
        for x in range(3):
            total[x] += _component(i, best[i], x, space)
    return _value(n, best, total, use_rms, normalization, space)


@kernel
def _mark_ties(n, space):
    """Fill the row MASKS, and CHOSEN with -1; the number of sites that have a choice."""
    wrapped, points = space.sites[WRAPPED : WRAPPED + 2], space.sites[POINTS:MOVED]
    spacings, column = space.small[SCALES, 2], space.integers[PAIRS]
    masks, chosen = space.integers[MASKS], space.integers[CHOSEN]
    begins, ties = tie_begins(spacings), 0
    for i in range(n):
        masks[i], chosen[i] = 0, -1
        j = column[i]
        square = space.cost[i, j]
        if 4 * square < begins:
            continue
        tied = tied_images(
            wrapped[0, i], wrapped[1, j], points[0, i], points[1, j], space.images, spacings, square
        )
        if tied & (tied - 1):
            masks[i] = tied
            ties += 1
    return ties


@kernel
def _component(i, image, x, space):
    """Displacement of a site along an axis in Å, to an image, or as it was paired (-1)."""
    if image < 0:
        return space.sites[MOVED, i, x]
    j = space.integers[PAIRS, i]
    return space.sites[POINTS + 1, j, x] - space.sites[POINTS, i, x] + space.images[image, x]


@kernel
def _choose(n, direction, total, space):
    """Choose the images farthest along a direction; whether any is another than before.

    ``total`` receives the sum of all displacements in Å, (3,).
    """
    masks, chosen = space.integers[MASKS], space.integers[CHOSEN]
    changed = False
    for x in range(3):
        total[x] = 0.0
    for i in range(n):
        if masks[i]:
            farthest, winner = -np.inf, -1
            for image in range(27):
                if masks[i] >> image & 1:
                    v = space.images[image]
                    along = v[0] * direction[0] + v[1] * direction[1] + v[2] * direction[2]
                    if along > farthest:
                        farthest, winner = along, image
            changed |= winner != chosen[i]
            chosen[i] = winner
        for x in range(3):
            total[x] += _component(i, chosen[i], x, space)
    return changed


@kernel
def _value(n, chosen, total, use_rms, normalization, space):
    """Rms or largest distance once the mean is taken off; ``distances[0]`` receives them all."""
    squares, largest = 0.0, 0.0
    for i in range(n):
        square = 0.0
        for x in range(3):
            d = _component(i, chosen[i], x, space) - total[x] / n
            square += d * d
        distance = math.sqrt(square) * normalization
        space.distances[0, i] = distance
        squares += distance * distance
        largest = max(largest, distance)
    return math.sqrt(squares) / math.sqrt(n) if use_rms else largest
