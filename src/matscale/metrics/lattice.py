"""Errors of lattice parameters: lengths a, b, c in Å and angles alpha, beta, gamma in degrees."""

from __future__ import annotations

import numpy as np

PARAMETERS = ("a", "b", "c", "alpha", "beta", "gamma")
UNITS = {"a": "Å", "b": "Å", "c": "Å", "alpha": "°", "beta": "°", "gamma": "°"}


def length_error(target: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Mean absolute error of a, b, c of each pair in Å; (n, 6) and (n, 6) to (n,)."""
    return np.abs(target[:, :3] - predicted[:, :3]).mean(axis=1)


def angle_error(target: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Mean absolute error of the three angles of each pair in degrees; (n, 6) twice to (n,)."""
    return np.abs(target[:, 3:] - predicted[:, 3:]).mean(axis=1)


def volume_error(target: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Relative error of the volume per atom; Å^3 per atom (n,) twice to (n,), dimensionless."""
    return np.abs(predicted - target) / target


def paired_divergence(target: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The "KLD" of AtomBench: ``scipy.stats.entropy`` of two paired vectors of values.

    Each vector is divided by its sum and taken for a distribution over the samples (arXiv
    2510.16165). It is not a divergence of the distributions of the values; see the protocol's
    known defects.

    Args:
        target: Values (n,), positive; NaN drops the pair.
        predicted: Values (n,), positive; NaN drops the pair.
        weights: (..., n).

    Returns:
        (...,) in nats: sum_i w_i p_i log(p_i / q_i) with p = target / sum(w target), q likewise.
    """
    paired = np.isfinite(target) & np.isfinite(predicted)
    p = np.where(paired, target, 0.0)
    q = np.where(paired, predicted, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(paired, p * np.log(np.where(paired, target / predicted, 1.0)), 0.0)
        p_sum, q_sum = weights @ p, weights @ q
        return (weights @ terms) / p_sum - np.log(p_sum / q_sum)
