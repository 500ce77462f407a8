"""Linear assignment, exact: the cheapest way to pair rows with columns."""

from __future__ import annotations

import numpy as np

from matscale.matching.kernels.compiling import finite, kernel

FORBIDDEN = 1e20
"""Squared distance of a pair that may not be made: pymatgen's number, part of its arithmetic."""


@kernel
def _augment(cost, n, start, u, v, path, row_of, shortest, seen_rows, seen_columns, remaining):
    """Shortest path from row ``start`` to a free column; the column and the path's length."""
    lowest = 0.0
    left = n
    for k in range(n):
        remaining[k] = n - k - 1
        seen_rows[k] = False
        seen_columns[k] = False
        shortest[k] = np.inf
    sink = -1
    i = start
    while sink == -1:
        index = -1
        base = lowest
        seen_rows[i] = True
        _shorten(cost[i, :n], v[:n], base, u[i], i, seen_columns[:n], shortest[:n], path[:n])
        lowest = _least_unseen(shortest[:n], seen_columns[:n])
        # Among equally near columns a free one ends the search: the last, else it is the first.
        for k in range(left):
            j = remaining[k]
            if shortest[j] == lowest and (index == -1 or row_of[j] == -1):
                index = k
        if index == -1:
            return -1, lowest
        j = remaining[index]
        if row_of[j] == -1:
            sink = j
        else:
            i = row_of[j]
        seen_columns[j] = True
        left -= 1
        remaining[index] = remaining[left]
    return sink, lowest


@kernel
def _shorten(cost, v, base, u, row, seen, shortest, path):
    """Take ways by a row to columns that have not been reached, where they are shorter."""
    for j in range(len(cost)):
        length = base + cost[j] - u - v[j]
        nearer = (length < shortest[j]) & (not seen[j])
        shortest[j] = length if nearer else shortest[j]
        path[j] = row if nearer else path[j]


@finite
def _least_unseen(shortest, seen):
    lowest = np.inf
    for j in range(len(shortest)):
        value = np.inf if seen[j] else shortest[j]
        lowest = value if value < lowest else lowest
    return lowest


@kernel
def _nearest_free(cost, n, row, v, row_of):
    """The free column that :func:`_augment` would find at once, or -1; and the path's length.

    The nearest column, if it is free, ends the search. Of equally near ones the last free one
    that the search looks at wins, which is the one of lowest index.
    """
    lowest = _least_beyond(cost[row, :n], v[:n])
    for j in range(n):
        if cost[row, j] - v[j] == lowest and row_of[j] == -1:
            return j, lowest
    return -1, lowest


@finite
def _least_beyond(cost, v):
    """The least of ``cost - v``."""
    lowest = np.inf
    for j in range(len(cost)):
        value = cost[j] - v[j]
        lowest = value if value < lowest else lowest
    return lowest


@kernel
def assign(cost, n, column_of, floats, integers, flags, work):
    """Pair each row with one column at the smallest total cost.

    The shortest augmenting path algorithm of D. F. Crouse, "On implementing 2D rectangular
    assignment algorithms", IEEE Trans. Aerosp. Electron. Syst. 52, 1679 (2016), which is also
    scipy's ``linear_sum_assignment``; ties fall the same way.

    Args:
        cost: (n, n) or larger; finite.
        n: Rows and columns.
        column_of: Receives the column of each row, (n,) int64.
        floats: Scratch, (3, n).
        integers: Scratch, (3, n) int64.
        flags: Scratch, (2, n) bool.
        work: Most work and that done so far, (2,); that of the paths is added.

    Returns:
        False if every pairing uses a forbidden pair, or the work is more than the most;
        ``column_of`` is then incomplete. scipy goes on and returns one of them, which no caller
        can use.
    """
    u, v, shortest = floats[0], floats[1], floats[2]
    path, row_of, remaining = integers[0], integers[1], integers[2]
    seen_rows, seen_columns = flags[0], flags[1]
    for k in range(n):
        u[k] = v[k] = 0.0
        path[k] = row_of[k] = column_of[k] = -1
    for row in range(n):
        sink, lowest = _nearest_free(cost, n, row, v, row_of)
        if lowest > FORBIDDEN / 2:
            return False
        if sink >= 0:
            u[row] = lowest
            row_of[sink] = row
            column_of[row] = sink
            continue
        sink, lowest = _augment(
            cost, n, row, u, v, path, row_of, shortest, seen_rows, seen_columns, remaining
        )
        # The cheapest pairing of the rows so far uses a forbidden pair: all later ones will.
        if sink == -1 or lowest > FORBIDDEN / 2:
            return False
        scanned = 1
        u[row] += lowest
        for i in range(n):
            if seen_rows[i] and i != row:
                u[i] += lowest - shortest[column_of[i]]
        for j in range(n):
            if seen_columns[j]:
                v[j] -= lowest - shortest[j]
                scanned += 1
        work[1] += scanned * n
        if work[1] > work[0]:
            return False
        j = sink
        while True:
            i = path[j]
            row_of[j] = i
            column_of[i], j = j, column_of[i]
            if i == row:
                break
    return True
