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
from matscale.results.measure import Measure, all_measured, mean_of, measured, share_of
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
from matscale.tasks.novelty.samples import Samples
from matscale.tasks.novelty.settings import CURVE, METASTABLE, STABLE
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

    held_out: Samples | None
    train_prototypes: frozenset[str]
    has_energies: bool
    seed: int


def kept(samples: Samples, protocol: Protocol, *, has_energies: bool) -> np.ndarray:
    """Which items a protocol looks at, (n,) bool."""
    if protocol == "sound":
        return np.ones(len(samples), bool)
    rows = samples.balanced["paper"] & ~np.isin(samples.classes, (INVALID, FAILED))
    if has_energies:
        done = np.isin(samples.relaxation, (CONVERGED, AS_GIVEN))
        with np.errstate(invalid="ignore"):
            rows &= done & (samples.energy_above_hull <= METASTABLE)
    return rows


def metrics(samples: Samples, protocol: Protocol, compared: Compared) -> dict[str, Metric]:
    """All metrics of a predictor."""
    rows = kept(samples, protocol, has_energies=compared.has_energies)
    part = samples[rows]
    found = {
        **all_measured(class_measures(part), seed=compared.seed),
        **all_measured(_own_measures(part, protocol), seed=compared.seed),
        **all_measured(_validity_measures(samples, protocol), seed=compared.seed),
        **_prototype_metrics(part, compared),
    }
    if compared.has_energies:
        found |= all_measured(_energy_measures(part, protocol), seed=compared.seed)
    if compared.held_out is not None:
        others = compared.held_out
        others = others[kept(others, protocol, has_energies=compared.has_energies)]
        found["memorisation_ratio"] = memorisation(part, others, seed=compared.seed)
    return found


def class_measures(samples: Samples) -> dict[str, Measure]:
    """Shares of the classes; substituted ones also by kind."""
    classes = samples.classes

    def share(rows: np.ndarray, better: str = "lower") -> Measure:
        return share_of(rows.astype(float), better)  # type: ignore[arg-type]

    substituted = classes == SUBSTITUTED
    return {
        "unmatched": share(classes == UNMATCHED, "higher"),
        "substituted": share(substituted),
        **{f"substituted_{kind}": share(substituted & (samples.kind == kind)) for kind in KINDS},
        "duplicate": share(classes == DUPLICATE),
    }


def _own_measures(samples: Samples, protocol: Protocol) -> dict[str, Measure]:
    novel = np.isin(samples.classes, (SUBSTITUTED, UNMATCHED))
    measures = {
        "unique": share_of(samples.unique.astype(float)),
        "unique_novel": share_of((samples.unique & novel).astype(float)),
        "amd_nearest": mean_of(samples.amd_distance, "Å", "higher"),
        "element_nearest": mean_of(samples.element_distance, "", "higher"),
    }
    if protocol == "sound":
        measures["invalid"] = share_of((samples.classes == INVALID).astype(float), "lower")
        measures["failed"] = share_of((samples.classes == FAILED).astype(float), "lower")
    return measures


def _validity_measures(samples: Samples, protocol: Protocol) -> dict[str, Measure]:
    """Validity over all submitted items, whatever else a protocol leaves out."""
    valid = samples.valid if protocol == "sound" else samples.valid_published
    if protocol == "published":
        samples, valid = samples[samples.read], valid[samples.read]
    return {
        "valid": share_of(valid.astype(float)),
        **{
            f"balanced_{rule}": share_of(column.astype(float))
            for rule, column in samples.balanced.items()
        },
    }


def _energy_measures(samples: Samples, protocol: Protocol) -> dict[str, Measure]:
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
    measures = {name: share_of(values.astype(float)) for name, values in rows.items()}
    measures["above_hull_mean"] = mean_of(np.where(known, above, np.nan), "eV/atom")
    if protocol == "sound":
        unknown = (samples.stability_known == 0).astype(float)
        measures["stability_unknown"] = share_of(unknown, "lower")
    return measures


def _prototype_metrics(samples: Samples, compared: Compared) -> dict[str, Metric]:
    """How many prototypes were generated, and which of them and of training's are shared.

    Numbers of distinct prototypes have no bootstrap interval: a resample holds fewer.
    """
    generated = {name for name in samples.prototype.tolist() if name}
    train = compared.train_prototypes
    new = share_of((samples.prototype_known == 0).astype(float))
    shared = len(generated & train)
    return {
        **all_measured({"prototype_new": new}, seed=compared.seed),
        "prototypes": Metric(value=len(generated), better="higher", n=len(samples)),
        "prototypes_new": Metric(value=len(generated - train), better="higher", n=len(samples)),
        "prototype_coverage": Metric(
            value=shared / len(train) if train else None, better="higher", n=len(train)
        ),
    }


def memorisation(samples: Samples, held_out: Samples, *, seed: int) -> Metric:
    """Share of duplicates over that among held-out crystals; above 1 is more than real ones.

    Where no held-out crystal is a duplicate there is no value, but a lower bound: the end of the
    interval of the model's share over that of theirs. The interval resamples both sides.
    """
    mine, theirs = ((side.classes == DUPLICATE).astype(float) for side in (samples, held_out))
    if not (len(mine) and len(theirs)):
        return Metric(value=None, better="lower", n=len(mine))
    if not theirs.any():
        share = measured(share_of(mine), seed=seed)
        _, most = statistics.unanimous_interval(0, len(theirs))
        return Metric(value=None, low=(share.low or 0.0) / most, better="lower", n=len(mine))
    tops = statistics.bootstrap(lambda w: statistics.mean(mine, w), len(mine), seed=seed)
    bottoms = statistics.bootstrap(lambda w: statistics.mean(theirs, w), len(theirs), seed=seed + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = statistics.percentile_interval(tops / bottoms)
    value = float(mine.mean() / theirs.mean())
    return Metric(value=value, low=low, high=high, better="lower", n=len(mine))


def groups(samples: Samples, protocol: Protocol, compared: Compared) -> tuple[Group, ...]:
    """Classes by crystal system, and the novelty curve."""
    part = samples[kept(samples, protocol, has_energies=compared.has_energies)]
    by_system = {name: part.crystal_system == name for name in SYSTEM_NAMES}
    found = [
        _group("crystal system", name, class_measures(part[rows]), int(rows.sum()), compared)
        for name, rows in by_system.items()
        if rows.any()
    ]
    for place, site in enumerate(CURVE):
        share = share_of(part.duplicate_at[:, place].astype(float), "lower")
        found.append(_group(CURVE_TITLE, f"{site:g}", {"duplicate": share}, len(part), compared))
    return tuple(found)


def _group(
    by: str, name: str, measures: Mapping[str, Measure], n: int, compared: Compared
) -> Group:
    return Group(by=by, group=name, n=n, metrics=all_measured(measures, seed=compared.seed))
