"""Protocol ``sound``: the same question without the defects.

The denominator of every rate is every id that was asked for or submitted; predictions that are
missing or cannot be read are failures. Errors are means over the samples that have one, and each
says over how many. cRMSE and METRe after arXiv 2509.12178.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from matscale.metrics import distribution, lattice
from matscale.results.measure import Measure, all_measured, measures_of
from matscale.results.result import Group, Metric
from matscale.tasks.reconstruction.pairs import TOLERANCES
from matscale.tasks.reconstruction.samples import TargetFacts, TargetScores
from matscale.tasks.reconstruction.specs import SPECS, specs_at

_SPECS = SPECS["sound"]

SIZES = ((1, 2), (3, 4), (5, 8), (9, 16), (17, 32), (33, 10**9))
"""Groups of targets by atoms in the primitive cell."""


def sound_metrics(samples: TargetScores, *, seed: int) -> dict[str, Metric]:
    """All metrics of the protocol over the samples."""
    measures = {
        **_main_measures(samples),
        **measures_of(_SPECS, {"metre": samples.recalled}),
        **_candidate_measures(samples),
        **_distribution_measures(samples),
    }
    return all_measured(measures, seed=seed)


def _main_measures(samples: TargetScores) -> dict[str, Measure]:
    scores = samples.scores
    matched = scores.matched.astype(float)
    return measures_of(
        _SPECS,
        {
            "match_rate": matched,
            "match_rate_close": scores.matched_closely.astype(float),
            "match_rate_given_composition": np.where(scores.composition_right, matched, np.nan),
            "composition_accuracy": scores.composition_right.astype(float),
            "coverage": samples.scored.astype(float),
            "rms_angstrom": scores.rms_angstrom,
            "crmse": np.where(scores.matched, scores.rms, TOLERANCES.site),
            "length_mae": lattice.length_error(scores.target, scores.predicted),
            "angle_mae": lattice.angle_error(scores.target, scores.predicted),
            "volume_error": scores.volume_error,
            "amd_mean": scores.amd_distance,
            "amd_rms": scores.amd_distance,
            "pdd_emd": scores.pdd_distance,
        },
    )


def _candidate_measures(samples: TargetScores) -> dict[str, Measure]:
    """What the best of the first k candidates reaches, for each k."""
    scores = samples.candidates
    if scores is None:
        return {}
    found: dict[str, Measure] = {}
    for column, k in enumerate(scores.cuts):
        matched, rms = scores.matched[:, column], scores.rms[:, column]
        values = {
            "match_rate": matched.astype(float),
            "match_rate_close": scores.matched_closely[:, column].astype(float),
            "rms_angstrom": scores.rms_angstrom[:, column],
            "crmse": np.where(matched, rms, TOLERANCES.site),
            "metre": scores.recalled[:, column].astype(float),
        }
        specs = specs_at(k)
        found |= measures_of(specs, {f"{name}_at_{k}": own for name, own in values.items()})
    return found


def _distribution_measures(samples: TargetScores) -> dict[str, Measure]:
    """Distances of distributions of each lattice parameter."""
    return {
        f"{family}_{parameter}": Measure(
            _SPECS[f"{family}_{parameter}"],
            _weighted(metric, samples.scores.target[:, k], samples.scores.predicted[:, k]),
            np.isfinite(samples.scores.predicted[:, k]),
            distance=True,
        )
        for family, metric in (
            ("wasserstein", distribution.wasserstein),
            ("histogram_kl", distribution.histogram_divergence),
        )
        for k, parameter in enumerate(lattice.PARAMETERS)
    }


def _weighted(
    metric: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    target: np.ndarray,
    predicted: np.ndarray,
) -> Callable[[np.ndarray], np.ndarray]:
    return lambda weights: metric(target, predicted, weights)


def sound_groups(samples: TargetScores, facts: TargetFacts, *, seed: int) -> tuple[Group, ...]:
    """The main metrics over parts of the samples."""
    return tuple(
        Group(
            by=by,
            group=name,
            n=int(rows.sum()),
            metrics=_group_metrics(samples, rows, seed),
        )
        for by, parts in _partitions(facts).items()
        for name, rows in parts.items()
        if rows.any()
    )


def _partitions(facts: TargetFacts) -> dict[str, dict[str, np.ndarray]]:
    systems = facts.crystal_system
    order = ("triclinic", "monoclinic", "orthorhombic", "tetragonal", "trigonal", "hexagonal")
    names = (*order, "cubic", "unknown")
    partitions = {
        "crystal system": {name: systems == name for name in names},
        "atoms in the primitive cell": {
            _size_label(low, high): (facts.n_atoms >= low) & (facts.n_atoms <= high)
            for low, high in SIZES
        },
        "number of elements": {
            str(count): facts.n_elements == count
            for count in range(1, 1 + max(facts.n_elements, default=0))
        },
    }
    for what, seen in (
        ("composition in training", facts.seen_composition),
        ("prototype in training", facts.seen_prototype),
    ):
        if seen is not None:
            partitions[what] = {"seen": seen == 1, "not seen": seen == 0}
    unreadable = facts.n_atoms < 0
    partitions = {
        by: {**parts, "unknown": unreadable | parts.get("unknown", False)}
        for by, parts in partitions.items()
    }
    if facts.copied is not None:
        copied = facts.copied == 1
        partitions["exact copy in training"] = {"copied": copied, "not copied": ~copied}
    return partitions


def _size_label(low: int, high: int) -> str:
    return f"{low} or more" if high >= 10**9 else f"{low}-{high}"


def _group_metrics(samples: TargetScores, rows: np.ndarray, seed: int) -> dict[str, Metric]:
    part = replace(
        samples,
        ids=samples.ids[rows],
        status=samples.status[rows],
        scores=samples.scores[rows],
        recalled=samples.recalled[rows],
        candidates=None if samples.candidates is None else samples.candidates[rows],
    )
    rates = {
        name: measure
        for name, measure in _candidate_measures(part).items()
        if measure.spec.of_one.startswith("match_rate")
    }
    return all_measured(_main_measures(part) | rates, seed=seed)
