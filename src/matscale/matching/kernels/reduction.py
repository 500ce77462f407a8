"""Niggli cells, as pymatgen's ``get_reduced_structure`` finds them."""

from __future__ import annotations

import math

from numba import types

from matscale.matching.kernels.algebra import (
    DEGREES,
    copy_rows,
    determinant,
    each_row_times,
    fma,
    from_parameters,
    inverse,
    lll,
    parameters,
    reciprocal_lengths,
    volume,
)
from matscale.matching.kernels.compiling import Routine, kernel
from matscale.matching.kernels.lattices import mappings
from matscale.matching.kernels.workspace import SPACE

TOLERANCE = 1e-5
STEPS = 100
"""Most steps of the reduction; pymatgen stops there too."""


@kernel
def _multiply(a, b, out):
    """``out = a @ b`` for matrices (3, 3), rounded as ``numpy.dot`` does."""
    for i in range(3):
        for k in range(3):
            out[i, k] = fma(a[i, 2], b[2, k], fma(a[i, 1], b[1, k], a[i, 0] * b[0, k]))


@kernel
def _transform(metric, change, work):
    """``metric = change.T @ metric @ change``, in place."""
    _multiply(metric, change, work)
    for i in range(3):
        for k in range(3):
            metric[i, k] = fma(
                change[2, i],
                work[2, k],
                fma(change[1, i], work[1, k], change[0, i] * work[0, k]),
            )


@kernel
def _sign(value, e):
    return 0.0 if abs(value) < e else value / abs(value)


@kernel
def _identity(change):
    for i in range(3):
        for k in range(3):
            change[i, k] = 1.0 if i == k else 0.0


@kernel
def _sort_axes(g, e, change, work):
    """Steps A1 and A2: order the vectors by length. True if A2 changed something."""
    a, b, c = g[0, 0], g[1, 1], g[2, 2]
    xi, eta = 2 * g[1, 2], 2 * g[0, 2]
    if b + e < a or (abs(a - b) < e and abs(xi) > abs(eta) + e):
        change[:] = 0.0
        change[0, 1] = change[1, 0] = change[2, 2] = -1.0
        _transform(g, change, work)
        b, c = g[1, 1], g[2, 2]
    eta, zeta = 2 * g[0, 2], 2 * g[0, 1]
    if c + e < b or (abs(b - c) < e and abs(eta) > abs(zeta) + e):
        change[:] = 0.0
        change[0, 0] = change[1, 2] = change[2, 1] = -1.0
        _transform(g, change, work)
        return True
    return False


@kernel
def _turn_axes(g, e, change, work):
    """Steps A3 and A4: make all angles acute or none."""
    l, m, n = _sign(2 * g[1, 2], e), _sign(2 * g[0, 2], e), _sign(2 * g[0, 1], e)  # noqa: E741
    _identity(change)
    product = l * m * n
    if product == 1:
        i = -1 if l == -1 else 1
        j = -1 if m == -1 else 1
        k = -1 if n == -1 else 1
    elif product == 0 or product == -1:
        i = -1 if l == 1 else 1
        j = -1 if m == 1 else 1
        k = -1 if n == 1 else 1
        if i * j * k == -1:
            if n == 0:
                k = -1
            elif m == 0:
                j = -1
            elif l == 0:
                i = -1
    else:
        return
    change[0, 0], change[1, 1], change[2, 2] = i, j, k
    _transform(g, change, work)


@kernel
def _shorten(g, e, change, work):
    """Steps A5 to A8: shorten a vector by another. True if something changed."""
    a, b = g[0, 0], g[1, 1]
    xi, eta, zeta = 2 * g[1, 2], 2 * g[0, 2], 2 * g[0, 1]
    _identity(change)
    if abs(xi) > b + e or (abs(xi - b) < e and zeta - e > 2 * eta) or (
        abs(xi + b) < e and -e > zeta
    ):  # fmt: skip
        change[1, 2] = -xi / abs(xi)
    elif abs(eta) > a + e or (abs(a - eta) < e and zeta - e > 2 * xi) or (
        abs(a + eta) < e and -e > zeta
    ):  # fmt: skip
        change[0, 2] = -eta / abs(eta)
    elif abs(zeta) > a + e or (abs(a - zeta) < e and eta - e > 2 * xi) or (
        abs(a + zeta) < e and -e > eta
    ):  # fmt: skip
        change[0, 1] = -zeta / abs(zeta)
    elif -e > xi + eta + zeta + a + b or (
        abs(xi + eta + zeta + a + b) < e and e < zeta + (a + eta) * 2
    ):
        change[0, 2] = change[1, 2] = 1.0
    else:
        return False
    _transform(g, change, work)
    return True


@kernel
def _as_angle(product, first, second):
    return math.acos(product / first / second) * DEGREES


def _niggli_cell(cell, space, out):
    """``out`` = the Niggli cell, as ``Lattice.get_niggli_reduced_lattice``.

    Grosse-Kunstleve, Sauter and Adams, Acta Cryst. A60, 1 (2004), after an LLL reduction. Their
    metric tensor fixes the lengths and angles; the vectors are found as a mapping of the lattice
    onto them.

    Args:
        cell: Lattice vectors as rows, (3, 3) in Å.
        space: Workspace; ``small`` is used.
        out: (3, 3).

    Returns:
        False where pymatgen raises an error: the cell is degenerate.
    """
    small = space.small
    matrix, g, change, work = small[3], small[4], small[5], small[6]
    size = volume(cell)
    if not size > 0.0:
        return False
    e = TOLERANCE * size ** (1 / 3)
    lll(cell, matrix, change, small[7:10], small[2])
    for i in range(3):
        for k in range(3):
            g[i, k] = fma(
                matrix[i, 2],
                matrix[k, 2],
                fma(matrix[i, 1], matrix[k, 1], matrix[i, 0] * matrix[k, 0]),
            )
    for _ in range(STEPS):
        if _sort_axes(g, e, change, work):
            continue
        _turn_axes(g, e, change, work)
        if not _shorten(g, e, change, work):
            break
    if not (g[0, 0] > 0 and g[1, 1] > 0 and g[2, 2] > 0):
        return False
    a, b, c = math.sqrt(g[0, 0]), math.sqrt(g[1, 1]), math.sqrt(g[2, 2])
    alpha = _as_angle(2 * g[1, 2] / 2, b, c)
    beta = _as_angle(2 * g[0, 2] / 2, a, c)
    gamma = _as_angle(2 * g[0, 1] / 2, a, b)
    from_parameters(a, b, c, alpha, beta, gamma, out)
    target = space.lattices[0]
    parameters(out, target)
    return _place(cell, target, e, space, out)


@kernel
def _place(cell, target, e, space, out):
    """``out`` = the first right-handed mapping of a lattice onto lattice parameters."""
    spacings = space.small[15, 0]
    if not reciprocal_lengths(cell, space.small[0], space.small[1], spacings):
        return False
    for x in range(3):
        spacings[x] = 2 * math.pi / spacings[x]
    triples = space.triples
    count = mappings(cell, spacings, target, e, 1.0, space, triples)
    if count <= 0:
        return False
    chosen = 0
    for t in range(count):
        steps = space.steps
        p, q, r = triples[t]
        turn = (
            steps[p, 0] * (steps[q, 1] * steps[r, 2] - steps[q, 2] * steps[r, 1])
            - steps[p, 1] * (steps[q, 0] * steps[r, 2] - steps[q, 2] * steps[r, 0])
            + steps[p, 2] * (steps[q, 0] * steps[r, 1] - steps[q, 1] * steps[r, 0])
        )
        if turn > 0:
            chosen = t
            break
    for i in range(3):
        for k in range(3):
            out[i, k] = space.points[triples[chosen, i], k]
    if determinant(out) < 0:
        for i in range(3):
            for k in range(3):
                out[i, k] = -out[i, k]
    return True


_MATRIX = types.float64[:, ::1]
NIGGLI_CELL = Routine(
    "Niggli cells", 2, types.boolean(_MATRIX, SPACE, _MATRIX), _niggli_cell, _nrt=False
)
_call_niggli_cell = NIGGLI_CELL.call


@kernel
def niggli_cell(cell, space, out):
    """``out`` = the Niggli cell: calls :data:`NIGGLI_CELL`."""
    return _call_niggli_cell(space.addresses[2], (cell, space, out))


@kernel
def _same_cell(first, second):
    """Whether two cells are equal as ``Lattice.__eq__`` has it (``numpy.allclose``)."""
    for i in range(3):
        for k in range(3):
            if not abs(first[i, k] - second[i, k]) <= 1e-8 + 1e-5 * abs(second[i, k]):
                return False
    return True


@kernel
def reduce_cell(cell, frac, n, space):
    """Put a crystal into its Niggli cell, in place, as ``Structure.get_reduced_structure``.

    Args:
        cell: Lattice vectors as rows, (3, 3) in Å.
        frac: Fractional coordinates, (n, 3); wrapped into [0, 1) if the cell changes.
        n: Number of sites.
        space: Workspace for n sites.

    Returns:
        False where pymatgen raises an error.
    """
    niggli = space.small[19]
    if not niggli_cell(cell, space, niggli):
        return False
    if _same_cell(niggli, cell):
        return True
    each_row_times(frac, n, cell, space.sites[0])
    if not inverse(niggli, space.small[0], space.small[1]):
        return False
    each_row_times(space.sites[0], n, space.small[1], frac)
    for i in range(n):
        for x in range(3):
            frac[i, x] -= math.floor(frac[i, x])
    copy_rows(niggli, 3, cell)
    return True
