"""Which sites may be paired, and whether all can be at once: before any distance is computed."""

from __future__ import annotations

import numpy as np

from matscale.matching.kernels.compiling import kernel
from matscale.matching.kernels.periodic import LANES


@kernel
def _mark_partners(x, y, z, code, first, second, third, codes, tolerance, partners):
    """``partners`` = which sites a site may pair with; no branches: it vectorises."""
    t0, t1, t2 = tolerance[0], tolerance[1], tolerance[2]
    for j in range(len(first)):
        d0, d1, d2 = first[j] - x, second[j] - y, third[j] - z
        hit = (
            (codes[j] == code)
            & (abs(d0 - np.rint(d0)) <= t0)
            & (abs(d1 - np.rint(d1)) <= t1)
            & (abs(d2 - np.rint(d2)) <= t2)
        )
        partners[j] = hit


@kernel
def list_partners(n, raw, columns, codes, tolerance, partners, degrees, scratch):
    """List the sites of crystal 1 that each of crystal 2 may pair with; False if one has none.

    Sites of different species and sites farther apart than the tolerance in any coordinate may
    not pair, as in pymatgen's ``pbc_shortest_vectors`` with a mask and ``lll_frac_tol``.

    Args:
        n: Number of sites.
        raw: Fractional coordinates of crystal 2 in the reduced cell, (n, 3).
        columns: Those of crystal 1 by column, (3, m), filled up by :func:`periodic.fill_gap`.
        codes: Species of crystal 1 and 2, (2, m) int64.
        tolerance: Largest difference of each coordinate, (3,).
        partners: Receives the partners of each site of crystal 2 in order, (n, n) int32.
        degrees: Receives their numbers, (n,) int64.
        scratch: (2, m) bool.

    Returns:
        False if some site of either crystal has no partner; the list is then incomplete.
    """
    width = (n + LANES - 1) // LANES * LANES
    marked, wanted = scratch[0, :width], scratch[1, :width]
    first, second, third = columns[0, :width], columns[1, :width], columns[2, :width]
    wanted[:] = False
    for i in range(n):
        _mark_partners(
            raw[i, 0], raw[i, 1], raw[i, 2], codes[1, i], first, second, third, codes[0, :width],
            tolerance, marked,
        )  # fmt: skip
        # Without branches, which would be guessed wrongly: what is not a partner is written over.
        count = 0
        for j in range(n):
            partners[i, count] = j
            count += marked[j]
        if count == 0:
            return False
        degrees[i] = count
        for k in range(count):
            wanted[partners[i, k]] = True
    missing = 0
    for j in range(n):
        missing += not wanted[j]
    return missing == 0


@kernel
def all_can_pair(n, partners, degrees, integers, seen, work):
    """Whether each site can have a partner of its own: a perfect matching, found by augmentation.

    Args:
        n: Number of sites of either crystal.
        partners: As from :func:`list_partners`.
        degrees: Likewise.
        integers: Scratch, (4, n) int64.
        seen: Scratch, (n,) bool.
        work: Most work and that done so far, (2,); that of the augmentations is added.

    Returns:
        False if there is none, or the work is more than the most.
    """
    row_of, column_of, queue, reached_from = integers[0], integers[1], integers[2], integers[3]
    for k in range(n):
        row_of[k] = column_of[k] = -1
    for i in range(n):
        for rank in range(degrees[i]):
            j = partners[i, rank]
            if row_of[j] < 0:
                row_of[j] = i
                column_of[i] = j
                break
    for start in range(n):
        if column_of[start] >= 0:
            continue
        for k in range(n):
            seen[k] = False
        queue[0] = start
        head, tail = 0, 1
        free = -1
        while head < tail and free < 0:
            i = queue[head]
            head += 1
            work[1] += degrees[i]
            for rank in range(degrees[i]):
                j = partners[i, rank]
                if seen[j]:
                    continue
                seen[j] = True
                reached_from[j] = i
                if row_of[j] < 0:
                    free = j
                    break
                queue[tail] = row_of[j]
                tail += 1
        if free < 0 or work[1] > work[0]:
            return False
        while free >= 0:
            i = reached_from[free]
            row_of[free] = i
            column_of[i], free = free, column_of[i]
    return True
