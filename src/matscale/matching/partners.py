"""Which sites may be paired, and whether all can be at once: before any distance is computed."""

from __future__ import annotations

import numpy as np

from matscale.matching.compiling import kernel


@kernel
def _mark_partners(point, code, columns, codes, n, tolerance, partners):
    """``partners`` = which sites a site may pair with; no branches: it vectorises."""
    x, y, z = point[0], point[1], point[2]
    t0, t1, t2 = tolerance[0], tolerance[1], tolerance[2]
    total = 0
    for j in range(n):
        d0, d1, d2 = columns[0, j] - x, columns[1, j] - y, columns[2, j] - z
        hit = (
            (codes[j] == code)
            & (abs(d0 - np.rint(d0)) <= t0)
            & (abs(d1 - np.rint(d1)) <= t1)
            & (abs(d2 - np.rint(d2)) <= t2)
        )
        partners[j] = hit
        total += hit
    return total


@kernel
def list_partners(n, raw, columns, codes, tolerance, partners, degrees, scratch):
    """List the sites of crystal 1 that each of crystal 2 may pair with; False if one has none.

    Sites of different species and sites farther apart than the tolerance in any coordinate may
    not pair, as in pymatgen's ``pbc_shortest_vectors`` with a mask and ``lll_frac_tol``.

    Args:
        n: Number of sites.
        raw: Fractional coordinates of crystal 2 in the reduced cell, (n, 3).
        columns: Those of crystal 1 by column, (3, n).
        codes: Species of crystal 1 and 2, (2, n) int64.
        tolerance: Largest difference of each coordinate, (3,).
        partners: Receives the partners of each site of crystal 2 in order, (n, n) int32.
        degrees: Receives their numbers, (n,) int64.
        scratch: (2, n) bool.

    Returns:
        False if some site of either crystal has no partner; the list is then incomplete.
    """
    marked, wanted = scratch[0], scratch[1]
    for j in range(n):
        wanted[j] = False
    for i in range(n):
        total = _mark_partners(raw[i], codes[1, i], columns, codes[0], n, tolerance, marked)
        if total == 0:
            return False
        degrees[i] = total
        place = 0
        for j in range(n):
            if marked[j]:
                partners[i, place] = j
                wanted[j] = True
                place += 1
                if place == total:
                    break
    missing = 0
    for j in range(n):
        missing += not wanted[j]
    return missing == 0


@kernel
def all_can_pair(n, partners, degrees, integers, seen):
    """Whether each site can have a partner of its own: a perfect matching, found by augmentation.

    Args:
        n: Number of sites of either crystal.
        partners: As from :func:`list_partners`.
        degrees: Likewise.
        integers: Scratch, (4, n) int64.
        seen: Scratch, (n,) bool.
    """
    row_of, column_of, queue, reached_from = integers[0], integers[1], integers[2], integers[3]
    for k in range(n):
        row_of[k] = column_of[k] = -1
    for i in range(n):
        for place in range(degrees[i]):
            j = partners[i, place]
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
            for place in range(degrees[i]):
                j = partners[i, place]
                if seen[j]:
                    continue
                seen[j] = True
                reached_from[j] = i
                if row_of[j] < 0:
                    free = j
                    break
                queue[tail] = row_of[j]
                tail += 1
        if free < 0:
            return False
        while free >= 0:
            i = reached_from[free]
            row_of[free] = i
            column_of[i], free = free, column_of[i]
    return True
