"""Protocol ``published``: AtomBench's numbers to the letter, defects included and named.

Metrics after arXiv 2510.16165 and its public package; agreement with them is tested.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from matscale.metrics import lattice
from matscale.results.measure import Measure, all_measured, measures_of
from matscale.results.result import Group, Metric
from matscale.tasks.reconstruction.pairs import PairScores
from matscale.tasks.reconstruction.specs import SPECS

_SPECS = SPECS["published"]

SMALLEST_SYSTEM = 10
"""Crystal systems with fewer rows are left out, as AtomBench does."""

SYSTEMS = ("cubic", "hexagonal", "trigonal", "tetragonal", "orthorhombic", "monoclinic")
"""Crystal systems of its table; triclinic is not among them."""

DEFECTS = (
    "Rows in which the target or the prediction cannot be read are left out of numerator and "
    "denominator, so a model that fails on hard crystals scores better.",
    "The KLD compares values paired by row, not distributions: predicting twice every target "
    "scores a perfect 0, and a shuffled copy of the exact targets scores badly.",
    "The column that is published as RMSD in Å is StructureMatcher's dimensionless rms, and the "
    "normalised column divides it by a length once more; both are means over matches only, so a "
    "model that matches little but closely looks best.",
    "The match rate says nothing of compositions: a model that predicts another compound shows "
    "only as one that does not match.",
)
"""Those of the protocol, whatever is asked."""


def defects(systems: Sequence[str]) -> tuple[str, ...]:
    """The defects of the protocol, and of its table by crystal system where that leaves rows out.

    Args:
        systems: Crystal system of each target that is asked for.
    """
    counts = Counter(systems)
    others = {name: count for name, count in counts.items() if name not in SYSTEMS}
    small = [name for name in SYSTEMS if 0 < counts[name] < SMALLEST_SYSTEM]
    left_out = [
        *(f"the {count} targets that are {name}" for name, count in sorted(others.items())),
        *(
            [f"systems with fewer than {SMALLEST_SYSTEM} rows ({', '.join(small)})"]
            if small
            else []
        ),
    ]
    own = f" and leaves out {' and '.join(left_out)}" if left_out else ""
    return (*DEFECTS, f"The table by crystal system knows the system of the targets alone{own}.")


def published_metrics(scores: PairScores, *, seed: int) -> dict[str, Metric]:
    """The AtomBench table for the rows whose target and prediction were both read."""
    edge = np.cbrt(scores.target_volume)
    means = {
        "match_rate": scores.matched.astype(float),
        "rms": scores.rms,
        "rms_normalised": scores.rms / edge,
    }
    measures = {
        **measures_of(_SPECS, means),
        **_absolute_errors(scores),
        **{f"kld_{name}": _divergence(scores, name) for name in lattice.PARAMETERS},
        **measures_of(_SPECS, {"ccrmsd": scores.amd_distance}),
    }
    return all_measured(measures, seed=seed)


def _absolute_errors(scores: PairScores) -> Mapping[str, Measure]:
    errors = np.abs(scores.target - scores.predicted)
    values = {f"mae_{name}": errors[:, k] for k, name in enumerate(lattice.PARAMETERS)}
    return measures_of(_SPECS, values)


def _divergence(scores: PairScores, name: str) -> Measure:
    place = lattice.PARAMETERS.index(name)
    target, predicted = scores.target[:, place], scores.predicted[:, place]
    return Measure(
        _SPECS[f"kld_{name}"],
        lambda weights: lattice.paired_divergence(target, predicted, weights),
        np.isfinite(target) & np.isfinite(predicted),
    )


def published_groups(scores: PairScores, systems: Sequence[str], *, seed: int) -> tuple[Group, ...]:
    """Mean absolute lattice errors by the target's crystal system."""
    groups = []
    names = np.array(systems, dtype=object)
    for system in SYSTEMS:
        rows = names == system
        if rows.sum() < SMALLEST_SYSTEM:
            continue
        metrics = all_measured(_absolute_errors(scores[rows]), seed=seed)
        groups.append(Group(by="crystal system", group=system, n=int(rows.sum()), metrics=metrics))
    return tuple(groups)
