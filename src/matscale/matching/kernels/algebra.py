"""Three-by-three linear algebra for the matching kernels, in pymatgen's order of operations.

High-symmetry crystals are full of ties: an atom half-way between two others, an angle of exactly
60°, two assignments of equal cost. Which of them a search keeps is decided by the last bit of a
sum. So these functions do not only compute the same quantities as pymatgen, they round the same
way: products of matrices fuse multiplication and addition where the BLAS under numpy does (one
row or a vector is not fused, two rows or more are), and the inverse takes LAPACK's steps. All
cells are lattice vectors as rows in Å.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from matscale.matching.kernels.compiling import kernel

TIE = 4e-3
"""Coefficients and ratios this close to a limit count as decided by rounding."""
DEGREES = 180.0 / math.pi
RADIANS = math.pi / 180.0


def _fma(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """``a * b + c`` with one rounding."""
    signature = types.float64(types.float64, types.float64, types.float64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return signature, generate


fma: Any = intrinsic(_fma)


@kernel
def dot3(a, b):
    """Scalar product of two vectors (3,), as ``numpy.dot``."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@kernel
def copy_rows(source, n, target):
    """``target[:n] = source[:n]`` for rows (n, 3); numba's own assignment makes an array."""
    for i in range(n):
        for k in range(3):
            target[i, k] = source[i, k]


@kernel
def rows_times(rows, n, matrix, out):
    """``out[:n] = rows[:n] @ matrix`` for rows (n, 3) and a matrix (3, 3), as ``numpy.dot``."""
    if n == 1:
        for k in range(3):
            out[0, k] = (
                rows[0, 0] * matrix[0, k] + rows[0, 1] * matrix[1, k] + rows[0, 2] * matrix[2, k]
            )
        return
    for i in range(n):
        x, y, z = rows[i, 0], rows[i, 1], rows[i, 2]
        for k in range(3):
            out[i, k] = fma(z, matrix[2, k], fma(y, matrix[1, k], x * matrix[0, k]))


@kernel
def each_row_times(rows, n, matrix, out):
    """Like :func:`rows_times`, one row at a time: as pymatgen's ``PeriodicSite.coords``.

    ``out`` may be ``rows`` itself.
    """
    for i in range(n):
        x, y, z = rows[i, 0], rows[i, 1], rows[i, 2]
        for k in range(3):
            out[i, k] = x * matrix[0, k] + y * matrix[1, k] + z * matrix[2, k]


@kernel
def volume(cell):
    """Volume of a cell in Å^3, as ``Lattice.volume``."""
    x = cell[0, 1] * cell[1, 2] - cell[0, 2] * cell[1, 1]
    y = cell[0, 2] * cell[1, 0] - cell[0, 0] * cell[1, 2]
    z = cell[0, 0] * cell[1, 1] - cell[0, 1] * cell[1, 0]
    return abs(x * cell[2, 0] + y * cell[2, 1] + z * cell[2, 2])


@kernel
def determinant(m):
    """Determinant of a matrix (3, 3)."""
    return (
        m[0, 0] * (m[1, 1] * m[2, 2] - m[1, 2] * m[2, 1])
        - m[0, 1] * (m[1, 0] * m[2, 2] - m[1, 2] * m[2, 0])
        + m[0, 2] * (m[1, 0] * m[2, 1] - m[1, 1] * m[2, 0])
    )


@kernel
def _swap_rows(a, first, second):
    for k in range(3):
        a[first, k], a[second, k] = a[second, k], a[first, k]


@kernel
def _factorise(a, b):
    """LU factors of ``a`` in place with partial pivoting; rows of ``b`` follow. False if singular.

    Left-looking, with reciprocal pivots: what OpenBLAS does for so small a matrix.
    """
    p = 0
    for r in range(1, 3):
        if abs(a[r, 0]) > abs(a[p, 0]):
            p = r
    if p != 0:
        _swap_rows(a, 0, p)
        _swap_rows(b, 0, p)
    if a[0, 0] == 0.0:
        return False
    inverse = 1.0 / a[0, 0]
    a[1, 0] *= inverse
    a[2, 0] *= inverse
    a[1, 1] -= a[1, 0] * a[0, 1]
    a[2, 1] -= a[2, 0] * a[0, 1]
    if abs(a[2, 1]) > abs(a[1, 1]):
        _swap_rows(a, 1, 2)
        _swap_rows(b, 1, 2)
    if a[1, 1] == 0.0:
        return False
    a[2, 1] *= 1.0 / a[1, 1]
    a[1, 2] -= a[1, 0] * a[0, 2]
    a[2, 2] -= a[2, 0] * a[0, 2] + a[2, 1] * a[1, 2]
    return a[2, 2] != 0.0


@kernel
def inverse(matrix, work, out):
    """``out = inv(matrix)``, as ``numpy.linalg.inv``; False if the matrix is singular.

    Args:
        matrix: (3, 3).
        work: Scratch, (3, 3).
        out: (3, 3).
    """
    for i in range(3):
        for k in range(3):
            work[i, k] = matrix[i, k]
            out[i, k] = 1.0 if i == k else 0.0
    if not _factorise(work, out):
        return False
    d0, d1, d2 = 1.0 / work[0, 0], 1.0 / work[1, 1], 1.0 / work[2, 2]
    for k in range(3):
        out[1, k] = fma(-work[1, 0], out[0, k], out[1, k])
        out[2, k] = fma(-work[2, 1], out[1, k], fma(-work[2, 0], out[0, k], out[2, k]))
        out[2, k] = out[2, k] * d2
        out[1, k] = (out[1, k] - work[1, 2] * out[2, k]) * d1
        out[0, k] = ((out[0, k] - work[0, 2] * out[2, k]) - work[0, 1] * out[1, k]) * d0
    return True


@kernel
def parameters(cell, out):
    """``out = (a, b, c, alpha, beta, gamma)`` in Å and degrees, as ``Lattice.parameters``."""
    for i in range(3):
        out[i] = math.sqrt(
            cell[i, 0] * cell[i, 0] + cell[i, 1] * cell[i, 1] + cell[i, 2] * cell[i, 2]
        )
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        cosine = dot3(cell[j], cell[k]) / (out[j] * out[k])
        out[3 + i] = math.acos(min(1.0, max(-1.0, cosine))) * DEGREES


@kernel
def from_parameters(a, b, c, alpha, beta, gamma, out):
    """``out`` = the cell of these lengths and angles, as ``Lattice.from_parameters``."""
    cos_alpha, sin_alpha = math.cos(alpha * RADIANS), math.sin(alpha * RADIANS)
    cos_beta, sin_beta = math.cos(beta * RADIANS), math.sin(beta * RADIANS)
    cos_gamma = math.cos(gamma * RADIANS)
    value = (cos_alpha * cos_beta - cos_gamma) / (sin_alpha * sin_beta)
    gamma_star = math.acos(min(1.0, max(-1.0, value)))
    out[0, 0], out[0, 1], out[0, 2] = a * sin_beta, 0.0, a * cos_beta
    out[1, 0] = -b * sin_alpha * math.cos(gamma_star)
    out[1, 1] = b * sin_alpha * math.sin(gamma_star)
    out[1, 2] = b * cos_alpha
    out[2, 0], out[2, 1], out[2, 2] = 0.0, 0.0, c


@kernel
def reciprocal_lengths(cell, work, scratch, out):
    """``out`` = lengths (3,) of the reciprocal vectors, factor 2 pi included, in 1/Å.

    As ``Lattice.reciprocal_lattice.abc``; False if the cell is singular.
    """
    if not inverse(cell, work, scratch):
        return False
    for i in range(3):
        x = scratch[0, i] * 2 * math.pi
        y = scratch[1, i] * 2 * math.pi
        z = scratch[2, i] * 2 * math.pi
        out[i] = math.sqrt(x * x + y * y + z * z)
    return True


@kernel
def _orthogonalise(a, b, u, m, s):
    """Gram-Schmidt step of vector ``s`` (row) against the vectors before it."""
    for t in range(s):
        u[s, t] = dot3(a[s], b[t]) / m[t]
    for x in range(3):
        if s == 0:
            b[s, x] = a[s, x]
        elif s == 1:
            b[s, x] = a[s, x] - b[0, x] * u[s, 0]
        else:
            b[s, x] = a[s, x] - fma(b[0, x], u[s, 0], b[1, x] * u[s, 1])
    m[s] = dot3(b[s], b[s])


@kernel
def _solve_diagonal(p, first, second):
    """Two numbers over two positive ones as ``numpy.linalg.lstsq`` of a diagonal matrix gives."""
    largest = 1.0 / max(first, second)
    return (
        (p[0] * (1.0 / (first * largest))) * largest,
        (p[1] * (1.0 / (second * largest))) * largest,
    )


@kernel
def lll(cell, a, mapping, work, ties):
    """Lenstra-Lenstra-Lovász reduction with delta 0.75, as ``Lattice._calculate_lll``.

    Args:
        cell: Lattice vectors as rows, (3, 3) in Å.
        a: Receives the reduced vectors as rows, (3, 3).
        mapping: Receives integers M as floats with ``a = M @ cell``, (3, 3).
        work: Scratch, (3, 3, 3).
        ties: Receives 1 in row k, column i where a_k + a_i would do as well as a_k but for
            rounding, -1 where a_k - a_i would; in (0, 0) whether rounding decided more. (3, 3).
    """
    b, u, m = work[0], work[1], work[2, 0]
    ties[:] = 0.0
    for i in range(3):
        for k in range(3):
            a[i, k] = cell[i, k]
            mapping[i, k] = 1.0 if i == k else 0.0
            u[i, k] = 0.0
    for s in range(3):
        _orthogonalise(a, b, u, m, s)
    k = 1
    for _ in range(1000):
        if k > 2:
            break
        for i in range(k - 1, -1, -1):
            q = np.rint(u[k, i])
            if abs(abs(u[k, i] - q) - 0.5) < TIE:
                ties[k, i] = -1.0 if u[k, i] > q else 1.0
            elif q != 0.0 and abs(ties[1, 0]) + abs(ties[2, 0]) + abs(ties[2, 1]) > 0.0:
                ties[0, 0] = 1.0
            if q != 0.0:
                for x in range(3):
                    a[k, x] -= q * a[i, x]
                    mapping[k, x] -= q * mapping[i, x]
                for x in range(i):
                    u[k, x] -= q * u[i, x]
                u[k, i] -= q
        needed = (0.75 - abs(u[k, k - 1]) ** 2) * dot3(b[k - 1], b[k - 1])
        if abs(dot3(b[k], b[k]) - needed) < TIE * needed:
            ties[0, 0] = 1.0
        if dot3(b[k], b[k]) >= needed:
            k += 1
            continue
        if abs(ties[1, 0]) + abs(ties[2, 0]) + abs(ties[2, 1]) > 0.0:
            ties[0, 0] = 1.0
        _swap_rows(a, k, k - 1)
        _swap_rows(mapping, k, k - 1)
        _orthogonalise(a, b, u, m, k - 1)
        _orthogonalise(a, b, u, m, k)
        if k > 1:
            k -= 1
        else:
            u[2, 0], u[2, 1] = _solve_diagonal((dot3(a[2], b[0]), dot3(a[2], b[1])), m[0], m[1])
