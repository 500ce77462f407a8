"""The metrics of the novelty task, under both protocols.

``sound``: every submitted item is in the denominator of every rate; one that cannot be read, is
invalid or fails in relaxation has no property that a rate counts, and is counted by itself. A
crystal is not called stable where the hull holds no compound of its elements: there almost nothing
lies above it.
``published``: as Negishi and Walsh report (arXiv 2606.23166), among the items whose composition is
charge-balanced by smact's defaults and, where there are energies, whose relaxation converged and
that lie at most 0.1 eV/atom above the hull.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from matscale.energy.status import CONVERGED
from matscale.metrics import statistics
from matscale.results.measure import (
    Measure,
    all_measured,
    measure_of,
    measured,
    measures_of,
)
from matscale.results.metric import MetricSpec
from matscale.results.result import Group, Metric, Protocol
from matscale.structures.symmetry import SYSTEMS, UNKNOWN
from matscale.tasks.novelty.classify import (
    DUPLICATE,
    FAILED,
    INVALID,
    KINDS,
    SUBSTITUTED,
    UNMATCHED,
)
from matscale.tasks.novelty.samples import SubmittedItems
from matscale.tasks.novelty.settings import CURVE, METASTABLE, STABLE
from matscale.tasks.novelty.specs import SPECS
from matscale.tasks.novelty.stages import AS_GIVEN

SYSTEM_NAMES = (*(name for _, name in SYSTEMS), UNKNOWN)

CURVE_TITLE = "site tolerance (stol)"
"""What the groups of the novelty curve are grouped by."""

_FILTERED = (
    "Items that fail a filter leave numerator and denominator, so a model that generates few good "
    "crystals is judged by those alone."
)
_OWN_IMAGES = "Validity by distance does not look at an atom's own periodic images."
_ELEMENTS_ALONE = (
    "A hull of nothing but elements counts as a hull: what is compared with no compound is stable."
)
_GIVEN_UP = "A candidate of which the search gave up is taken for none."


def defects(*, has_energies: bool) -> tuple[str, ...]:
    """Known defects of the published protocol; those of energies where there are some."""
    failed = "relaxation or search" if has_energies else "search"
    return (
        _FILTERED,
        _OWN_IMAGES,
        *((_ELEMENTS_ALONE,) if has_energies else ()),
        f"A crystal whose {failed} failed is not counted anywhere.",
        _GIVEN_UP,
    )


@dataclass(frozen=True)
class Compared:
    """What the metrics of one predictor are taken over, beside its samples.

    Attributes:
        held_out: Samples of held-out crystals, or None.
        train_prototypes: Prototypes of the training crystals.
        has_energies: Whether a potential was used.
        seed: Of the bootstrap.
    """

    held_out: SubmittedItems | None
    train_prototypes: frozenset[str]
    has_energies: bool
    seed: int


def kept(samples: SubmittedItems, protocol: Protocol, *, has_energies: bool) -> np.ndarray:
    """Which items a protocol looks at, (n,) bool."""
    if protocol == "sound":
        return np.ones(len(samples), bool)
    rows = samples.balanced["paper"] & ~np.isin(samples.classes, (INVALID, FAILED))
    if has_energies:
        done = np.isin(samples.relaxation, (CONVERGED, AS_GIVEN))
        with np.errstate(invalid="ignore"):
            rows &= done & (samples.energy_above_hull <= METASTABLE)
    return rows


def metrics(samples: SubmittedItems, protocol: Protocol, compared: Compared) -> dict[str, Metric]:
    """All metrics of a predictor."""
    rows = kept(samples, protocol, has_energies=compared.has_energies)
    part = samples[rows]
    found = {
        **all_measured(class_measures(part, protocol), seed=compared.seed),
        **all_measured(_own_measures(part, protocol), seed=compared.seed),
        **all_measured(_validity_measures(samples, protocol), seed=compared.seed),
        **_prototype_metrics(part, protocol, compared),
    }
    if compared.has_energies:
        found |= all_measured(_energy_measures(part, protocol), seed=compared.seed)
    if compared.held_out is not None:
        others = compared.held_out
        others = others[kept(others, protocol, has_energies=compared.has_energies)]
        found["memorisation_ratio"] = memorisation(
            part, others, SPECS[protocol], seed=compared.seed
        )
    return found


def class_measures(samples: SubmittedItems, protocol: Protocol = "sound") -> dict[str, Measure]:
    """Shares of the classes; substituted ones also by kind."""
    classes = samples.classes
    substituted = classes == SUBSTITUTED
    rows = {
        "unmatched": classes == UNMATCHED,
        "substituted": substituted,
        **{f"substituted_{kind}": substituted & (samples.kind == kind) for kind in KINDS},
        "duplicate": classes == DUPLICATE,
    }
    return _shares(rows, protocol)


def _shares(rows: Mapping[str, np.ndarray], protocol: Protocol) -> dict[str, Measure]:
    """Shares from the rows (n,) bool that have each property."""
    return measures_of(SPECS[protocol], {name: own.astype(float) for name, own in rows.items()})


def _own_measures(samples: SubmittedItems, protocol: Protocol) -> dict[str, Measure]:
    novel = np.isin(samples.classes, (SUBSTITUTED, UNMATCHED))
    distances = {
        "amd_nearest": samples.amd_distance,
        "element_nearest": samples.element_distance,
    }
    measures = {
        **_shares({"unique": samples.unique, "unique_novel": samples.unique & novel}, protocol),
        **measures_of(SPECS[protocol], distances),
    }
    if protocol == "sound":
        measures |= _shares(
            {"invalid": samples.classes == INVALID, "failed": samples.classes == FAILED}, protocol
        )
    return measures


def _validity_measures(samples: SubmittedItems, protocol: Protocol) -> dict[str, Measure]:
    """Validity over all submitted items, whatever else a protocol leaves out."""
    valid = samples.valid if protocol == "sound" else samples.valid_published
    if protocol == "published":
        samples, valid = samples[samples.read], valid[samples.read]
    balanced = {f"balanced_{rule}": column for rule, column in samples.balanced.items()}
    return _shares({"valid": valid, **balanced}, protocol)


def _energy_measures(samples: SubmittedItems, protocol: Protocol) -> dict[str, Measure]:
    """Stability; a crystal without an energy above the hull is none of these."""
    known = np.isfinite(samples.energy_above_hull)
    if protocol == "sound":
        known &= samples.stability_known == 1
    above = np.where(known, samples.energy_above_hull, np.inf)
    novel = samples.unique & np.isin(samples.classes, (SUBSTITUTED, UNMATCHED))
    rows = {
        "converged": np.isin(samples.relaxation, (CONVERGED, AS_GIVEN)),
        "stable": above <= STABLE,
        "metastable": above <= METASTABLE,
        "sun": novel & (above <= STABLE),
        "metastable_sun": novel & (above <= METASTABLE),
    }
    energies = {"above_hull_mean": np.where(known, above, np.nan)}
    measures = {**_shares(rows, protocol), **measures_of(SPECS[protocol], energies)}
    if protocol == "sound":
        measures |= _shares({"stability_unknown": samples.stability_known == 0}, protocol)
    return measures


def _prototype_metrics(
    samples: SubmittedItems, protocol: Protocol, compared: Compared
) -> dict[str, Metric]:
    """How many prototypes were generated, and which of them and of training's are shared.

    Numbers of distinct prototypes have no bootstrap interval: a resample holds fewer.
    """
    generated = {name for name in samples.prototype.tolist() if name}
    train = compared.train_prototypes
    new = _shares({"prototype_new": samples.prototype_known == 0}, protocol)
    covered = len(generated & train) / len(train) if train else None
    whole = {
        "prototypes": (len(generated), len(samples)),
        "prototypes_new": (len(generated - train), len(samples)),
        "prototype_coverage": (covered, len(train)),
    }
    return {
        **all_measured(new, seed=compared.seed),
        **{
            name: Metric(value=value, better=SPECS[protocol][name].better, n=n)
            for name, (value, n) in whole.items()
        },
    }


def memorisation(
    samples: SubmittedItems, held_out: SubmittedItems, specs: Mapping[str, MetricSpec], *, seed: int
) -> Metric:
    """Share of duplicates over that among held-out crystals; above 1 is more than real ones.

    Where no held-out crystal is a duplicate there is no value, but a lower bound: the end of the
    interval of the model's share over that of theirs. The interval resamples both sides.
    """
    better = specs["memorisation_ratio"].better
    mine, theirs = ((side.classes == DUPLICATE).astype(float) for side in (samples, held_out))
    if not (len(mine) and len(theirs)):
        return Metric(value=None, better=better, n=len(mine))
    if not theirs.any():
        share = measured(measure_of(specs["duplicate"], mine), seed=seed)
        _, most = statistics.unanimous_interval(0, len(theirs))
        return Metric(value=None, low=(share.low or 0.0) / most, better=better, n=len(mine))
    tops = statistics.bootstrap(lambda w: statistics.mean(mine, w), len(mine), seed=seed)
    bottoms = statistics.bootstrap(lambda w: statistics.mean(theirs, w), len(theirs), seed=seed + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = statistics.percentile_interval(tops / bottoms)
    value = float(mine.mean() / theirs.mean())
    return Metric(value=value, low=low, high=high, better=better, n=len(mine))


def groups(samples: SubmittedItems, protocol: Protocol, compared: Compared) -> tuple[Group, ...]:
    """Classes by crystal system, and the novelty curve."""
    part = samples[kept(samples, protocol, has_energies=compared.has_energies)]
    by_system = {name: part.crystal_system == name for name in SYSTEM_NAMES}
    found = [
        _group(
            "crystal system", name, class_measures(part[rows], protocol), int(rows.sum()), compared
        )
        for name, rows in by_system.items()
        if rows.any()
    ]
    for place, site in enumerate(CURVE):
        share = _shares({"duplicate": part.duplicate_at[:, place]}, protocol)
        found.append(_group(CURVE_TITLE, f"{site:g}", share, len(part), compared))
    return tuple(found)


def _group(
    by: str, name: str, measures: Mapping[str, Measure], n: int, compared: Compared
) -> Group:
    return Group(by=by, group=name, n=n, metrics=all_measured(measures, seed=compared.seed))
