"""Unit cells as six numbers that any values of are a cell: volume per atom and shape.

The shape is the matrix logarithm of the metric tensor ``A A^T`` divided by the square of the cube
root of the cell's volume: symmetric, without trace, five numbers. It does not hang on how the cell
is turned, and a step in it never leaves the cells there are.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

SIZE = 6
"""Numbers that stand for a cell."""

_HALF, _SIXTH = math.sqrt(0.5), math.sqrt(1 / 6)
_BASIS = torch.tensor(
    [
        [[_HALF, 0, 0], [0, -_HALF, 0], [0, 0, 0]],
        [[-_SIXTH, 0, 0], [0, -_SIXTH, 0], [0, 0, 2 * _SIXTH]],
        [[0, 0, 0], [0, 0, _HALF], [0, _HALF, 0]],
        [[0, 0, _HALF], [0, 0, 0], [_HALF, 0, 0]],
        [[0, _HALF, 0], [_HALF, 0, 0], [0, 0, 0]],
    ],
    dtype=torch.float64,
)
"""Orthonormal basis of symmetric matrices without trace, (5, 3, 3)."""


def encode(cells: Tensor, counts: Tensor) -> Tensor:
    """Cells as numbers.

    Args:
        cells: Lattice vectors as rows in Å, (B, 3, 3).
        counts: Atoms in each, (B,).

    Returns:
        Logarithm of the volume per atom in Å^3, then the shape, (B, 6).
    """
    cells = cells.double()
    volumes = torch.linalg.det(cells).abs()
    metric = cells @ cells.mT / volumes[:, None, None] ** (2 / 3)
    values, vectors = torch.linalg.eigh(metric)
    shape = vectors @ torch.diag_embed(values.log()) @ vectors.mT
    components = torch.einsum("bij,kij->bk", shape, _BASIS.to(cells.device))
    return torch.cat([(volumes / counts).log()[:, None], components], dim=1).float()


def decode(values: Tensor, counts: Tensor) -> Tensor:
    """The cells of numbers.

    Args:
        values: As :func:`encode` gives them, (B, 6).
        counts: Atoms in each cell, (B,).

    Returns:
        Lattice vectors as rows in Å, lower triangular, (B, 3, 3) float64.
    """
    values = values.double()
    shape = torch.einsum("bk,kij->bij", values[:, 1:], _BASIS.to(values.device))
    edges, vectors = torch.linalg.eigh(shape)
    metric = vectors @ torch.diag_embed(edges.exp()) @ vectors.mT
    # Its determinant is 1: only rounding could keep it from being positive definite.
    lower = torch.linalg.cholesky(metric)
    lengths = (values[:, 0].exp() * counts) ** (1 / 3)
    return lower * lengths[:, None, None]
