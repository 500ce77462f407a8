"""Cheap necessary conditions for a match. Each is proven never to refuse a pair that can match.

In what follows the base is mapped onto the target: three vectors of its lattice stand for the
target's a, b and c, with lengths within a factor (1 + ltol) of the target's and angles within atol
of them, and they span a supercell of ``fu`` cells of the base.
"""

from __future__ import annotations

import math

from matscale.matching.kernels.algebra import RADIANS
from matscale.matching.kernels.compiling import kernel

SLACK = 1e-9
"""Relative slack of all bounds: far above rounding errors, far below anything that matters."""


@kernel
def _angle_factor(x, y, z):
    """Squared volume of a cell of unit vectors from the cosines of its angles."""
    return 1 + 2 * x * y * z - x * x - y * y - z * z


@kernel
def volume_bounds(target, ltol, atol, work, out):
    """``out`` = volumes in Å^3 between which the supercell of the base must lie.

    Proof. The supercell's volume is a b c g, with lengths between l / (1 + ltol) and
    l (1 + ltol), and g^2 = 1 + 2xyz - x^2 - y^2 - z^2 in the cosines x, y, z of its angles, which
    lie in a box, each angle being within atol of the target's. (i) g^2 is concave in each cosine
    separately, so it is smallest at a corner of the box. (ii) g^2 is the determinant of the matrix
    of scalar products, whose logarithm is concave over positive definite matrices; so ln g^2 lies
    below its tangent at the target's own cosines, and the tangent is largest at a corner. A point
    of the box that is not a cell does not matter: no mapping has such angles. And g^2 <= 1 always.

    Args:
        target: Lattice parameters, (6,) in Å and degrees.
        ltol: Relative tolerance of lengths.
        atol: Tolerance of angles in degrees.
        work: Scratch, (3, 3).
        out: (2,).
    """
    low, high, middle = work[0], work[1], work[2]
    for i in range(3):
        middle[i] = math.cos(target[3 + i] * RADIANS)
        low[i] = math.cos(min(target[3 + i] + atol, 180.0) * RADIANS)
        high[i] = math.cos(max(target[3 + i] - atol, 0.0) * RADIANS)
    x, y, z = middle
    square = _angle_factor(x, y, z)
    largest = 1.0
    if square > 1e-12:
        slopes = (2 * (y * z - x) / square, 2 * (x * z - y) / square, 2 * (x * y - z) / square)
        rise = 0.0
        for i in range(3):
            rise += max(slopes[i] * (low[i] - middle[i]), slopes[i] * (high[i] - middle[i]))
        largest = min(1.0, square * math.exp(min(rise, 700.0)))
    smallest = largest
    for corner in range(8):
        x = high[0] if corner & 1 else low[0]
        y = high[1] if corner & 2 else low[1]
        z = high[2] if corner & 4 else low[2]
        smallest = min(smallest, _angle_factor(x, y, z))
    product = target[0] * target[1] * target[2]
    stretch = (1 + ltol) ** 3
    out[0] = product / stretch * math.sqrt(max(smallest - SLACK, 0.0)) * (1 - SLACK)
    out[1] = product * stretch * math.sqrt(largest + SLACK) * (1 + SLACK)


@kernel
def lengths_possible(minima, target, ltol, ratio):
    """Whether three independent vectors of the base can be as short as the target's a, b and c.

    Proof. The successive minima of a lattice are the smallest lengths m1 <= m2 <= m3 such that i
    independent vectors are no longer than m_i. The mapping's three vectors are independent and, by
    length, shorter than (1 + ltol) times the i-th shortest of the target's; so that is above m_i.

    Args:
        minima: Successive minima of the base, (3,) in Å, none too large.
        target: Lattice parameters of the target, (6,) in Å and degrees.
        ltol: Relative tolerance of lengths.
        ratio: Factor that scales the base's lengths before the comparison.
    """
    a, b, c = target[0], target[1], target[2]
    small, large = min(a, min(b, c)), max(a, max(b, c))
    middle = max(min(a, b), min(max(a, b), c))
    reach = (1 + ltol) * (1 + SLACK)
    return (
        minima[0] * ratio <= small * reach
        and minima[1] * ratio <= middle * reach
        and minima[2] * ratio <= large * reach
    )
