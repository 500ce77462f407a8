"""Diagonal normal distributions, as autoencoders use them."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from matscale.models.process import normal

LEAST, MOST = -12.0, 4.0
"""Of logarithms of variances: beyond them exponentials serve no end."""


def divergence(mean: Tensor, log: Tensor, other_mean: Tensor, other_log: Tensor) -> Tensor:
    """Kullback-Leibler divergence of a diagonal normal distribution from another, (B,), in nats.

    Args:
        mean: (B, d).
        log: Logarithms of its variances.
        other_mean: Of the other.
        other_log: Of its variances.
    """
    apart = (mean - other_mean).square() * (-other_log).exp()
    return 0.5 * (other_log - log + (log - other_log).exp() + apart - 1).sum(dim=1)


def drawn(mean: Tensor, log: Tensor, random: np.random.Generator) -> Tensor:
    """A draw from a diagonal normal distribution, given the logarithms of its variances."""
    return mean + (0.5 * log).exp() * normal(random, tuple(mean.shape), mean)


def halves(numbers: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and logarithm of the variance, (B, d) each, of what a network gives, (B, 2 d)."""
    mean, log = numbers.chunk(2, dim=1)
    return mean, log.clamp(LEAST, MOST)
