"""Which sites a match pairs, and in which cell of the repeated crystal they lie."""

from __future__ import annotations

import numpy as np

from matscale.matching.kernels.algebra import inverse
from matscale.matching.kernels.compiling import allocating, kernel
from matscale.matching.kernels.pairing import BEST_PAIRS, BEST_STEPS, WRAPPED, supercell_points
from matscale.matching.kernels.placements import FOUND, SWAPPED
from matscale.matching.kernels.search import plain_pair
from matscale.matching.kernels.strict import MATCH


@allocating
def align_row(
    first, i, second, j, mode, scale, supercell, tolerances, use_rms, keep_first, space, sites,
    shifts, steps,
):  # fmt: skip
    """Which sites of two crystals a match pairs.

    Args:
        first: As for :func:`matscale.matching.kernels.search.match_rows`, as are those up to
            ``space``.
        i: Row of the first set.
        second: Prepared crystals.
        j: Row of the second set.
        mode: DIRECT or FRAMEWORK.
        scale: Whether to bring crystals to the same volume first.
        supercell: Whether one may be a supercell of the other.
        tolerances: ``ltol``, ``stol``, ``angle_tol``.
        use_rms: Whether the rms decides, else the largest distance.
        keep_first: Whether to keep the first match instead of the best.
        space: Workspace for both crystals.
        sites: Receives the site of the first and of the second crystal, (n, 2) with n the number
            of sites of the larger.
        shifts: Receives the cell of the smaller crystal in which each pair lies, in its lattice
            vectors, (n, 3) int64; zeros where none is repeated.
        steps: Receives the supercell of the smaller one, whose vectors lie on those of the larger,
            in the same, (3, 3) int64; the unit matrix where none is repeated.

    Returns:
        MATCH or another status, in which case ``sites``, ``shifts`` and ``steps`` hold nothing.
    """
    outcome = np.zeros(FOUND)
    space.work[1] = 0.0
    status = plain_pair(
        first, i, second, j, mode, scale, supercell, tolerances, use_rms, keep_first, space, outcome
    )
    if status != MATCH:
        return status
    n = len(sites)
    swapped = outcome[SWAPPED] > 0
    for k in range(n):
        site_1, site_2 = space.integers[BEST_PAIRS, k], k
        if swapped:
            site_1, site_2 = site_2, site_1
        sites[k, 0] = site_1 // (n // first.sizes[i])
        sites[k, 1] = site_2 // (n // second.sizes[j])
    base_is_1 = first.sizes[i] < second.sizes[j]
    _cells_of_pairs(n, n // min(first.sizes[i], second.sizes[j]), base_is_1 != swapped, space,
                    shifts, steps)  # fmt: skip
    return status


@kernel
def _cells_of_pairs(n, fu, base_is_1, space, shifts, steps):
    """The lattice points of the base in the supercell of the match just found, pair by pair.

    Sites are laid out as in ``pairing.lay_base``, the cells of a site one after the other.

    Args:
        n: Sites of either crystal in the supercell.
        fu: Cells of the base in it.
        base_is_1: Whether crystal 1 of the search is the base.
        space: Workspace of the search.
        shifts: See :func:`align_row`.
        steps: Likewise.
    """
    shifts[:] = 0
    for row in range(3):
        for x in range(3):
            steps[row, x] = row == x
    if fu == 1:
        return
    best, points = space.small[BEST_STEPS], space.sites[WRAPPED]
    inverse(best, space.small[0], space.small[1])
    supercell_points(best, space.small[1], space.small[7:9], fu, points)
    for row in range(3):
        for x in range(3):
            steps[row, x] = int(np.rint(best[row, x]))
    for k in range(n):
        cell = (space.integers[BEST_PAIRS, k] if base_is_1 else k) % fu
        for x in range(3):
            value = 0.0
            for row in range(3):
                value += points[cell, row] * best[row, x]
            shifts[k, x] = int(np.rint(value))
