"""What the metrics of the novelty task are, and how its results are compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matscale.datasets import papers
from matscale.results.compared import ComparedTask
from matscale.results.metric import ComparedWords, MetricSpec, by_name, error, share
from matscale.results.result import Protocol
from matscale.tasks.novelty.settings import METASTABLE
from matscale.tasks.novelty.valid import MIN_DISTANCE, MIN_VOLUME

_NEW, _VALID, _PROTOTYPES = "copies, swaps or new", "validity", "prototypes"
_ENERGIES, _NEAREST = "energies", "distance to training"


def _yields(name: str, label: str, definition: str, what: str, **more: Any) -> MetricSpec:
    return share(name, label, definition, verb=f"yields {what}", **more)


_CLASSES = (
    _yields(
        "sun",
        "S.U.N.",
        "Share of crystals that are stable, unique and novel at once.",
        "stable, unique and novel crystals",
        headline=("has", "of {n} crystals stable, unique and novel"),
        group=_ENERGIES,
    ),
    _yields(
        "metastable_sun",
        "metastable S.U.N.",
        "Share of crystals that are metastable, unique and novel at once.",
        "metastable, unique and novel crystals",
        group=_ENERGIES,
    ),
    _yields(
        "stable",
        "stable",
        "Share of crystals at or below the hull.",
        "stable crystals",
        group=_ENERGIES,
    ),
    _yields(
        "metastable",
        "metastable",
        f"Share of crystals at most {METASTABLE:g} eV/atom above the hull.",
        "metastable crystals",
        group=_ENERGIES,
    ),
    _yields(
        "unmatched",
        "unmatched",
        "Share of crystals that no training crystal matches, neither as it is nor with its "
        "elements swapped.",
        "unmatched crystals",
        headline=("has", "of {n} crystals that are neither copies nor element swaps"),
        caution="To be neither proves nothing: random atoms are neither. Whether crystals are "
        "stable as well takes energies (--relax).",
        division={
            "duplicate": "copies of training crystals",
            "substituted": "copies with elements swapped",
            "unmatched": "neither",
            "invalid": "invalid",
            "failed": "not judged",
        },
        group=_NEW,
    ),
    _yields(
        "substituted",
        "substituted",
        "Share of crystals that a training crystal turns into when elements are swapped "
        "(arXiv 2606.23166).",
        "training crystals with swapped elements",
        better="lower",
        group=_NEW,
    ),
    _yields(
        "duplicate",
        "duplicate",
        "Share of crystals that match a training crystal as it is.",
        "copies of training crystals",
        better="lower",
        group=_NEW,
    ),
    _yields(
        "unique",
        "unique",
        "Share of crystals that are valid and the same as no earlier one.",
        "unique crystals",
        group=_NEW,
    ),
    _yields(
        "unique_novel",
        "unique and novel",
        "Share of crystals that are unique and no duplicate of training.",
        "unique and novel crystals",
        group=_NEW,
    ),
    _yields(
        "prototype_new",
        "new prototype",
        "Share of crystals whose space group and Wyckoff positions no training crystal has.",
        "new prototypes",
        group=_PROTOTYPES,
    ),
    _yields(
        "valid",
        "valid",
        "Share of crystals whose atoms, periodic images included, are "
        f"{MIN_DISTANCE:g} Å apart or more, in a cell of {MIN_VOLUME:g} Å³ or more.",
        "valid crystals",
        group=_VALID,
    ),
    _yields(
        "invalid",
        "invalid",
        "Share of submitted crystals with atoms too close or a degenerate cell.",
        "invalid crystals",
        better="lower",
        group=_VALID,
    ),
    share(
        "failed",
        "failed",
        "Share of submitted crystals that could not be read, relaxed or compared.",
        verb="fails",
        better="lower",
        group=_VALID,
    ),
)


def _nearest(
    name: str, label: str, unit: str, definition: str, what: str, column: str, paper: str = ""
) -> MetricSpec:
    """Mean distance to the nearest of training."""
    return MetricSpec(
        name=name,
        label=label,
        unit=unit,
        better="higher",
        range=(0, None),
        definition=definition,
        column=column,
        compared=ComparedWords(
            verb=f"has a mean distance to the nearest training {what}",
            unit=f" {unit}" if unit else "",
            factor=1,
            more="larger",
            less="smaller",
            same="as large as",
        ),
        paper=paper,
        group=_NEAREST,
    )


_DISTANCES = (
    _nearest(
        "amd_nearest",
        "AMD to nearest",
        "Å",
        "Mean AMD distance to the nearest training crystal, elements ignored.",
        "crystal (AMD)",
        "amd_distance",
        papers.AMD.key,
    ),
    _nearest(
        "element_nearest",
        "elements to nearest",
        "",
        "Mean element mover's distance (modified Pettifor scale, 0 to 102) to the nearest "
        "training composition.",
        "composition",
        "element_distance",
    ),
)


def _count(name: str, label: str, definition: str) -> MetricSpec:
    return MetricSpec(
        name=name,
        label=label,
        better="higher",
        range=(0, None),
        definition=definition,
        group=_PROTOTYPES,
    )


_OTHERS = (
    share(
        "substituted_both",
        "substituted, both ways",
        "Substituted by a site match that ignores elements and by Wyckoff positions alike.",
        better="lower",
        group=_NEW,
    ),
    share(
        "substituted_anonymous",
        "substituted, anonymous only",
        "Substituted by a site match that ignores elements.",
        better="lower",
        group=_NEW,
    ),
    share(
        "substituted_wyckoff",
        "substituted, Wyckoff only",
        "Substituted by equal Wyckoff positions.",
        better="lower",
        group=_NEW,
    ),
    share(
        "balanced_cdvae",
        "balanced (CDVAE)",
        "Share of crystals whose charges balance as CDVAE and MatterGen test it (smact 2).",
        group=_VALID,
    ),
    share(
        "balanced_paper",
        "balanced (smact)",
        "Share of crystals whose charges balance by smact's defaults, as in arXiv 2606.23166.",
        group=_VALID,
    ),
    share(
        "converged", "converged", "Share of crystals whose relaxation converged.", group=_ENERGIES
    ),
    share(
        "stability_unknown",
        "stability unknown",
        "Share of crystals of whose elements the hull holds no compound; they count as not stable.",
        better="lower",
        group=_ENERGIES,
    ),
    error(
        "above_hull_mean",
        "above hull",
        "eV/atom",
        "Mean energy above the hull.",
        missing="no energies",
        range=(None, None),
        group=_ENERGIES,
    ),
    _count("prototypes", "prototypes", "Number of distinct prototypes."),
    _count(
        "prototypes_new",
        "new prototypes",
        "Number of distinct prototypes that training does not have.",
    ),
    share(
        "prototype_coverage",
        "prototype coverage",
        "Share of training's prototypes that were generated.",
        group=_PROTOTYPES,
    ),
    MetricSpec(
        name="memorisation_ratio",
        label="memorisation ratio",
        better="lower",
        range=(0, None),
        definition="Share of duplicates over that among held-out real crystals: above 1 the model "
        "repeats training more often than nature does.",
        missing="no held-out crystal is a duplicate; the notes give a lower bound",
        group=_NEW,
    ),
)

_LEADING = (
    "sun", "stable", "duplicate", "substituted", "unmatched", "invalid", "failed", "unique",
    "unique_novel",
)  # fmt: skip

SPECS: Mapping[Protocol, Mapping[str, MetricSpec]] = {
    "sound": by_name((*_CLASSES, *_DISTANCES, *_OTHERS), _LEADING),
    # The table beside a result holds the samples as the sound protocol has them, so only the
    # shares are compared, from their values and numbers.
    "published": by_name(
        (
            *_CLASSES,
            *(spec.model_copy(update={"compared": None}) for spec in _DISTANCES),
            *_OTHERS,
        ),
        _LEADING,
    ),
}

COMPARED = ComparedTask(
    paired=False,
    samples="crystals",
    sizes_matter=(
        "The two sets are of unequal size: among more crystals a smaller share is unique (and "
        "S.U.N.), so compare those shares on equal numbers."
    ),
)
