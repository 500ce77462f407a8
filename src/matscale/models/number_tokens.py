"""Cells and coordinates as tokens of numbers, and back.

A number is two digits of base 24. Coordinates are multiples of 1/576: those that symmetry asks
for, multiples of 1/8 and 1/3, are 24ths, so that the first digit says them and the second is 0.
Lengths are multiples of 1/160 of their logarithm, in units of the cube root of a volume that the
reader knows too; angles are multiples of 1/8 degree from 54 to 126, beyond the 60 to 120 of reduced
cells.
"""

from __future__ import annotations

import torch
from torch import Tensor

BASE = 24
"""Tokens there are."""
DIGITS = 2
"""Tokens of a number."""
LEVELS = BASE**DIGITS

LENGTH_STEP = 1 / 160
SHORTEST = -LEVELS // 2 * LENGTH_STEP
"""Logarithm of the smallest length: from 0.17 to 6.0 units; others become the nearest of these."""
ANGLE_STEP = 1 / 8
SMALLEST_ANGLE = 54.0
CELL_NUMBERS = 6
FLATTEST = 0.3
"""Square of a cell's volume over the product of its lengths, at least. Of reduced cells it is 0.5
or more, and any two angles of 54 to 126 degrees have a third with which it is 0.42."""


def digits(levels: Tensor) -> Tensor:
    """Tokens of numbers that are counted in steps, (..., 2), the coarse one first."""
    return torch.stack([levels // BASE, levels % BASE], dim=-1)


def levels(tokens: Tensor) -> Tensor:
    """Numbers in steps from tokens, (..., 2)."""
    return tokens[..., 0] * BASE + tokens[..., 1]


def coordinate_levels(fractional: Tensor) -> Tensor:
    """Fractional coordinates in steps."""
    return (fractional * LEVELS).round().long() % LEVELS


def coordinates(steps: Tensor) -> Tensor:
    """Fractional coordinates of steps."""
    return steps / LEVELS


def cell_levels(lattices: Tensor, units: Tensor) -> Tensor:
    """Three lengths and three angles in steps, (B, 6).

    Args:
        lattices: Vectors as rows in Å, (B, 3, 3).
        units: Of the lengths in Å, (B,).
    """
    lattices = lattices.double()
    lengths = lattices.norm(dim=2)
    cosines = [
        (lattices[:, i] * lattices[:, j]).sum(dim=1) / lengths[:, i] / lengths[:, j]
        for i, j in ((1, 2), (0, 2), (0, 1))
    ]
    angles = torch.rad2deg(torch.acos(torch.stack(cosines, dim=1).clamp(-1, 1)))
    relative = (lengths / units[:, None]).log()
    steps = torch.cat(
        [(relative - SHORTEST) / LENGTH_STEP, (angles - SMALLEST_ANGLE) / ANGLE_STEP], dim=1
    )
    return steps.round().long().clamp(0, LEVELS - 1)


def lattices(steps: Tensor, units: Tensor) -> Tensor:
    """Lattice vectors of lengths and angles in steps, as rows in Å, lower triangular, (B, 3, 3).

    Args:
        steps: As :func:`cell_levels` gives them, (B, 6).
        units: Of the lengths in Å, (B,).
    """
    a, b, c = ((steps[:, :3] * LENGTH_STEP + SHORTEST).exp() * units[:, None]).double().unbind(1)
    alpha, beta, gamma = angle_cosines(steps[:, 3:]).unbind(1)
    zero, sine = torch.zeros_like(a), (1 - gamma**2).sqrt()
    height = (flatness(alpha, beta, gamma).clamp(min=1e-6)).sqrt() / sine
    rows = [
        torch.stack([a, zero, zero], dim=1),
        torch.stack([b * gamma, b * sine, zero], dim=1),
        torch.stack([c * beta, c * (alpha - beta * gamma) / sine, c * height], dim=1),
    ]
    return torch.stack(rows, dim=1)


def angle_cosines(steps: Tensor) -> Tensor:
    """Cosines of angles in steps, of any shape."""
    return torch.deg2rad(steps.double() * ANGLE_STEP + SMALLEST_ANGLE).cos()


def flatness(alpha: Tensor, beta: Tensor, gamma: Tensor) -> Tensor:
    """Square of a cell's volume over the product of its lengths, from the cosines of its angles."""
    return 1 - alpha**2 - beta**2 - gamma**2 + 2 * alpha * beta * gamma


def last_angles(first: Tensor, second: Tensor) -> Tensor:
    """Which third angles make a cell with two others, all in steps: (B, LEVELS) bool.

    Args:
        first: Angle, (B,).
        second: Angle, (B,).
    """
    alpha, beta = angle_cosines(first)[:, None], angle_cosines(second)[:, None]
    gamma = angle_cosines(torch.arange(LEVELS, device=first.device))[None]
    return flatness(alpha, beta, gamma) >= FLATTEST


def cube_root(volume_per_atom: Tensor, counts: Tensor) -> Tensor:
    """The unit of lengths in Å, (B,), from logarithms of volumes per atom in Å^3."""
    return (volume_per_atom.double() / 3).exp() * counts ** (1 / 3)
