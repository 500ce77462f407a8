"""Where over the radius a model fails: the diagnostics of RADII (arXiv 2602.09309), both tasks.

All of them take one value per sample, or one per radius. A sample without a value is NaN: it has no
part in a mean, and is counted beside it. What cannot be computed is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from matscale.metrics import clusters, statistics
from matscale.metrics.particles.scores import unusable
from matscale.metrics.particles.superposition import turning_rotations

Better = Literal["higher", "lower"]

THRESHOLDS: Mapping[str, float] = {
    "aligned_rmsd": 2.0,
    "bond_length_error": 0.5,
    "gyration_error": 0.15,
}
"""Largest value that is still acceptable: RADII's RMSD in Å, bond error in Å, Rg error."""


@dataclass(frozen=True)
class Profile:
    """A metric by radius; all arrays are (k,), radii rising.

    Attributes:
        radius: In Å.
        mean: Over the samples that have a value, NaN where none has.
        low: Lower end of the 95 % bootstrap interval of the mean, NaN where one material or none
            has a value.
        high: Upper end.
        n: Samples that have a value.
        failed: Samples that have none.
    """

    radius: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: np.ndarray
    failed: np.ndarray


def profile(
    radii: np.ndarray,
    values: np.ndarray,
    materials: np.ndarray,
    *,
    seed: int,
    rate: bool = False,
) -> Profile:
    """A metric by radius with intervals, from a bootstrap that draws materials.

    Orientations of one particle are not independent samples.

    Args:
        radii: Of the samples in Å, (n,); a sample without radius is left out.
        values: Of the samples, (n,), not finite where a sample failed.
        materials: Number of each sample's material, (n,).
        seed: Of the bootstrap.
        rate: Whether the values say yes or no, so that the interval can be given where all agree.
    """
    rows = [
        _row(radius, values[radii == radius], materials[radii == radius], seed, rate)
        for radius in np.unique(radii[np.isfinite(radii)])
    ]
    columns = np.array(rows, float).reshape(-1, 6).T
    return Profile(*columns[:4], *columns[4:].astype(np.int64))


def _row(
    radius: float, values: np.ndarray, materials: np.ndarray, seed: int, rate: bool
) -> tuple[float, ...]:
    _, drawn = np.unique(materials, return_inverse=True)
    sums, counts = clusters.totals(values, drawn)
    n, several = int(counts.sum()), int((counts > 0).sum())
    mean = float(sums.sum() / n) if n else math.nan
    low: float | None = None
    high: float | None = None
    if rate and n and mean in (0.0, 1.0):
        # All materials agree: a bootstrap has no spread, which is not certainty.
        low, high = statistics.unanimous_interval(round(mean) * several, several)
    elif several > 1:
        draws = statistics.bootstrap(
            lambda weights: clusters.mean(sums, counts, weights), len(counts), seed=seed
        )
        low, high = statistics.percentile_interval(draws)
    ends = (math.nan if end is None else end for end in (low, high))
    return radius, mean, *ends, n, len(values) - n


def smoothness(radius: np.ndarray, mean: np.ndarray) -> float:
    """Spearman's rank correlation of a metric with the radius, -1 to 1.

    1 where the metric rises with every radius, whatever the steps.

    Args:
        radius: (k,) in Å.
        mean: (k,).

    Returns:
        NaN for fewer than three known means or where they are all equal.
    """
    from scipy.stats import spearmanr

    known = np.isfinite(mean)
    if known.sum() < 3 or np.ptp(mean[known]) == 0:
        return math.nan
    # Ranks that agree have 0.9999999999999999, and coefficients are fractions of small numbers.
    return round(float(spearmanr(radius[known], mean[known]).statistic), 12)


def jump_ratio(radius: np.ndarray, mean: np.ndarray) -> float:
    """The largest step between neighbouring radii over the mean step, at least 1.

    Args:
        radius: (k,) in Å, in any order.
        mean: (k,).

    Returns:
        NaN for fewer than two known means or where they are all equal.
    """
    order = np.argsort(radius, kind="stable")
    steps = np.abs(np.diff(mean[order][np.isfinite(mean[order])]))
    return float(steps.max() / steps.mean()) if len(steps) and steps.max() > 0 else math.nan


def degradation_ratio(
    radii: np.ndarray,
    values: np.ndarray,
    id_radii: Collection[float],
    ood_radii: Collection[float],
) -> float:
    """Mean over the samples at unseen extremes of radius over that at radii between seen ones.

    Args:
        radii: Of the samples in Å, (n,).
        values: (n,), not finite where a sample failed.
        id_radii: In distribution.
        ood_radii: Out of distribution.

    Returns:
        NaN where either side has no value or the denominator is zero.
    """
    inside, outside = (_mean(values[np.isin(radii, list(part))]) for part in (id_radii, ood_radii))
    return outside / inside if inside != 0 else math.nan


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


@dataclass(frozen=True)
class Frontier:
    """Up to which radius a metric is acceptable.

    Attributes:
        radius: The largest radius at which it is, in Å; NaN if it is at none.
        share_inside: Share of the radii at which it is; a radius without a value is outside.
        mean_beyond: Mean of the metric over the radii larger than the frontier, over all if it is
            acceptable nowhere; NaN if none is larger.
    """

    radius: float
    share_inside: float
    mean_beyond: float


def frontier(
    radius: np.ndarray, mean: np.ndarray, threshold: float, better: Better = "lower"
) -> Frontier:
    """The frontier of a metric.

    Args:
        radius: (k,) in Å.
        mean: (k,), NaN where unknown.
        threshold: The last acceptable value.
        better: Which direction of the metric is better.
    """
    fine = _acceptable(mean, threshold, better)
    last = float(radius[fine].max()) if fine.any() else math.nan
    beyond = radius > last if fine.any() else np.ones(len(radius), bool)
    share = float(fine.mean()) if len(fine) else math.nan
    return Frontier(last, share, _mean(mean[beyond]))


def _acceptable(mean: np.ndarray, threshold: float, better: Better) -> np.ndarray:
    """Whether each value is (comparisons with NaN are false), (k,) bool."""
    return np.asarray(mean <= threshold if better == "lower" else mean >= threshold)


def failure_order(
    radius: np.ndarray,
    means: Mapping[str, np.ndarray],
    thresholds: Mapping[str, float] = THRESHOLDS,
    better: Mapping[str, Better] | None = None,
) -> list[tuple[str, float]]:
    """Which metric fails first as the radius grows.

    Args:
        radius: (k,) in Å.
        means: Each metric by radius, (k,); those without a threshold are not looked at.
        thresholds: Last acceptable value by metric.
        better: Direction by metric, where it is not ``lower``.

    Returns:
        Metrics with the smallest radius at which each is not acceptable or not known, by rising
        radius, then by name; those that never fail come last, with NaN.
    """
    failures = []
    for name in sorted(means.keys() & thresholds.keys()):
        bad = ~_acceptable(means[name], thresholds[name], (better or {}).get(name, "lower"))
        failures.append((name, float(radius[bad].min()) if bad.any() else math.nan))
    return sorted(failures, key=lambda failure: math.inf if math.isnan(failure[1]) else failure[1])


@dataclass(frozen=True)
class PowerLaw:
    """value = prefactor * radius ** exponent, fitted on some radii and tried on others.

    Attributes:
        prefactor: The value at 1 Å.
        exponent: Power of the radius.
        error: Mean over the other radii of |predicted - actual| / actual; NaN if there is none.
        n: Radii that it was fitted on; those without a positive value cannot be.
    """

    prefactor: float
    exponent: float
    error: float
    n: int

    def at(self, radius: np.ndarray) -> np.ndarray:
        """The law's value at radii in Å."""
        return self.prefactor * radius**self.exponent


def power_law(
    radius: np.ndarray,
    mean: np.ndarray,
    id_radii: Collection[float],
    ood_radii: Collection[float],
) -> PowerLaw:
    """Least squares on logarithms over ID radii, and how wrong that is at OOD radii.

    Args:
        radius: (k,) in Å.
        mean: (k,), NaN where unknown.
        id_radii: Radii to fit on.
        ood_radii: Radii to predict.

    Returns:
        A law of NaN where fewer than two ID radii have a positive value.
    """
    positive = np.isfinite(mean) & (mean > 0)
    fitted = positive & np.isin(radius, list(id_radii))
    if fitted.sum() < 2:
        return PowerLaw(math.nan, math.nan, math.nan, int(fitted.sum()))
    exponent, logarithm = np.polyfit(np.log(radius[fitted]), np.log(mean[fitted]), 1)
    law = PowerLaw(float(np.exp(logarithm)), float(exponent), math.nan, int(fitted.sum()))
    tried = positive & np.isin(radius, list(ood_radii))
    error = _mean(np.abs(law.at(radius[tried]) - mean[tried]) / mean[tried])
    return PowerLaw(law.prefactor, law.exponent, error, law.n)


@dataclass(frozen=True)
class RotationConsistency:
    """How alike the answers to one particle in several orientations are.

    Attributes:
        mean: RMSD per atom in Å after the best proper rotation, mean over all pairs of answers;
            NaN for fewer than two that can be used.
        largest: The largest of them.
        n: Answers that were compared.
        failed: Answers that cannot be: not finite, or of another number of atoms than most.
    """

    mean: float
    largest: float
    n: int
    failed: int


def rotation_consistency(answers: Sequence[np.ndarray]) -> RotationConsistency:
    """Pairwise aligned RMSD of answers to the same particle under different rotations.

    Args:
        answers: Positions (n, 3) in Å each, their atoms paired in order.
    """
    usable = [np.asarray(answer, float) for answer in answers if not unusable(np.asarray(answer))]
    sizes, counts = np.unique([len(answer) for answer in usable], return_counts=True)
    kept = [answer for answer in usable if len(answer) == sizes[counts.argmax()]]
    failed = len(answers) - len(kept)
    if len(kept) < 2:
        return RotationConsistency(math.nan, math.nan, len(kept), failed)
    stack = np.stack([answer - answer.mean(axis=0) for answer in kept])
    errors = np.concatenate([_aligned(stack[i], stack[i + 1 :]) for i in range(len(stack) - 1)])
    return RotationConsistency(float(errors.mean()), float(errors.max()), len(kept), failed)


def _aligned(fixed: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """RMSD of centred sets (p, n, 3) to one (n, 3) after each one's best rotation, (p,)."""
    rotations = turning_rotations(np.swapaxes(moving, 1, 2) @ fixed)
    gaps = moving @ np.swapaxes(rotations, 1, 2) - fixed
    return np.sqrt((gaps**2).sum(axis=2).mean(axis=1))
