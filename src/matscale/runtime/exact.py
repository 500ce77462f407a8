"""What keeps results from hanging on the last bits of floating-point numbers.

Libraries add in an order of their own on each processor: BLAS, and numpy's sums, sines and
logarithms, agree to about 15 digits only. What decides (an order, a class, a hash) and what is
written is therefore taken of values on a grid far coarser than that and far finer than anything
that a metric means; equal values are parted by a stated rule, such as the first row.

The grid is binary. A decimal grid has its edges, where rounding goes either way, at numbers that
people write (1.2345675 Å); no number of a few decimals, and no third, lies on an edge of this
one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

PRECISION = 2.0**-20
"""Step of the grid: about a millionth of an Å, an eV, a unit of cost or a share."""

MANTISSA = 2.0**32
"""Parts of a number's own size to which columns count in a hash: some nine digits."""

STORED_DIGITS = 8
"""Significant digits of numbers in results."""

STORED_DECIMALS = 9
"""Decimals of numbers in results at most: what is smaller is what rounding left of nothing."""


def settled(values: Any) -> np.ndarray:
    """Values on the grid of :data:`PRECISION`; NaN and infinity stay, -0 becomes 0.

    Args:
        values: Numbers of any shape, in units of which a millionth means nothing.
    """
    return np.rint(np.asarray(values, np.float64) / PRECISION) * PRECISION + 0.0


def coarse(values: np.ndarray) -> np.ndarray:
    """Numbers to 32 bits of their mantissa, whatever their size; -0 becomes 0."""
    mantissa, exponent = np.frexp(np.asarray(values, np.float64))
    return np.ldexp(np.rint(mantissa * MANTISSA) / MANTISSA, exponent) + 0.0


def in_basis(coefficients: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Linear combinations of three vectors, ``coefficients @ vectors``, added in this order.

    A matrix product leaves the order, and whether products are rounded before they are added, to
    BLAS; here every machine gives the same bits.

    Args:
        coefficients: (..., 3).
        vectors: As rows, (3, 3), or one matrix for each row of coefficients, (..., 3, 3).
    """
    return (
        coefficients[..., 0:1] * vectors[..., 0, :]
        + coefficients[..., 1:2] * vectors[..., 1, :]
        + coefficients[..., 2:3] * vectors[..., 2, :]
    )


def stored(value: Any) -> Any:
    """JSON values as results keep them: numbers to :data:`STORED_DIGITS` significant digits.

    Digits after the ninth decimal go too, and -0 is 0. Whole numbers, texts and the like stay.
    """
    if isinstance(value, float):
        return _stored(value)
    if isinstance(value, Mapping):
        return {key: stored(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [stored(item) for item in value]
    return value


def _stored(value: float) -> float:
    if not math.isfinite(value):
        return value
    # As ``coarse``, for decimals alone would have their edges where measured numbers lie.
    mantissa, exponent = math.frexp(value)
    value = math.ldexp(round(mantissa * MANTISSA) / MANTISSA, exponent)
    return round(float(f"{value:.{STORED_DIGITS}g}"), STORED_DECIMALS) + 0.0
