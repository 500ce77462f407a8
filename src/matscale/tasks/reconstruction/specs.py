"""What the metrics of the reconstruction task are, and how its results are compared."""

from __future__ import annotations

from collections.abc import Mapping

from matscale.datasets import papers
from matscale.metrics import lattice, sites
from matscale.results.compared import ComparedTask
from matscale.results.metric import Family, MetricSpec, by_name, error, off_by, share
from matscale.results.result import Protocol
from matscale.tasks import cells
from matscale.tasks.reconstruction.candidates import CUTS
from matscale.tasks.reconstruction.pairs import CLOSE, TOLERANCES

_SYMBOLS = {"a": "a", "b": "b", "c": "c", "alpha": "α", "beta": "β", "gamma": "γ"}
_NO_MATCH = "no matched pair"
_MATCHES, _DISTANCES = "matches", "distance without a match"

_MATCH_RATE = share(
    "match_rate",
    "match rate",
    "Share of targets that the prediction matches as a crystal (StructureMatcher, "
    f"stol {TOLERANCES.site:g}, ltol {TOLERANCES.length:g}, angle_tol {TOLERANCES.angle:g}°).",
    verb="matches",
    column="matched",
    headline=("rebuilds", "of {n} held-out crystals"),
)
_MATCH_RATE_CLOSE = share(
    "match_rate_close",
    f"match rate, stol {CLOSE.site:g}",
    f"Share of targets that the prediction matches with stol {CLOSE.site:g} in place of "
    f"{TOLERANCES.site:g}: atoms at random do so more rarely.",
    verb=f"matches with stol {CLOSE.site:g}",
    column="matched_closely",
)


def _of_parameters(
    name: str, label: str, definition: str, *, unit: str | None = None, shown_unit: str = ""
) -> dict[str, MetricSpec]:
    """A family of metrics, one for each of a, b, c, α, β, γ.

    Args:
        name: How the names of the members begin.
        label: Title of the family.
        definition: One sentence with a gap for the parameter.
        unit: Of all members; by default the parameter's.
        shown_unit: What tables write where the unit is "".
    """
    family = Family(name=name, label=label, definition=definition.format("each lattice parameter"))
    return {
        parameter: error(
            f"{name}_{parameter}",
            symbol,
            lattice.UNITS[parameter] if unit is None else unit,
            definition.format(symbol),
            shown_unit=shown_unit,
            missing=cells.NO_PAIR,
            family=family,
            group="by lattice parameter",
        )
        for parameter, symbol in _SYMBOLS.items()
    }


_SOUND = (
    _MATCH_RATE,
    _MATCH_RATE_CLOSE,
    share(
        "composition_accuracy",
        "composition right",
        "Share of targets whose prediction has the same reduced composition.",
        verb="has the composition right",
        column="composition_right",
    ),
    error(
        "amd_mean",
        "AMD distance",
        "Å",
        f"Mean distance between average minimum distance vectors (k = {sites.NEIGHBOURS}), which "
        "needs no match.",
        where="in AMD distance",
        column="amd_distance",
        missing=cells.NO_PAIR,
        paper=papers.AMD.key,
        group=_DISTANCES,
    ),
    cells.length_mae("length_error"),
    cells.angle_mae("angle_error"),
    cells.volume_error(
        "volume per atom", "Mean of |predicted - target| / target of the volume per atom."
    ),
    share(
        "match_rate_given_composition",
        "match rate, composition right",
        "Match rate among the predictions whose composition equals the target's.",
        missing="no prediction with the right composition",
        group=_MATCHES,
    ),
    share(
        "coverage",
        "coverage",
        "Share of targets with a prediction that can be read and scored.",
        group=_MATCHES,
    ),
    error(
        "rms_angstrom",
        "rms",
        "Å",
        "Root mean square displacement of matched sites, mean over matched pairs: the matcher's "
        "dimensionless rms times (V/n)^(1/3) of the average cell.",
        missing=_NO_MATCH,
        group=_MATCHES,
    ),
    error(
        "crmse",
        "cRMSE",
        "",
        "Mean of the matcher's dimensionless rms over all targets, where a target that is not "
        f"matched enters with the tolerance stol = {TOLERANCES.site:g} (arXiv 2509.12178).",
        paper=papers.METRE.key,
        group=_MATCHES,
    ),
    error(
        "amd_rms",
        "AMD distance, rms",
        "Å",
        "Root mean square of the AMD distance; large single failures weigh more.",
        statistic="root mean square",
        missing=cells.NO_PAIR,
        paper=papers.AMD.key,
        group=_DISTANCES,
    ),
    error(
        "pdd_emd",
        "PDD distance",
        "Å",
        "Earth mover's distance between pointwise distance distributions, mean over pairs.",
        missing=cells.NO_PAIR,
        paper=papers.PDD.key,
        group=_DISTANCES,
    ),
    share(
        "metre",
        "METRe",
        "Share of targets that at least one of all the predictions matches, whichever sample it "
        "was made for (arXiv 2509.12178).",
        paper=papers.METRE.key,
        group=_MATCHES,
    ),
    *_of_parameters(
        "wasserstein",
        "Wasserstein distance",
        "Wasserstein-1 distance between the distributions of predicted and target {}.",
    ).values(),
    *_of_parameters(
        "histogram_kl",
        "Histogram KL divergence",
        "KL divergence between histograms of target and predicted {} (Freedman-Diaconis bins, "
        "add-one smoothing).",
        unit="",
        shown_unit="nats",
    ).values(),
)

_AT = {
    "match_rate": (
        "matched",
        "Share of targets that one of the first {k} candidates matches (StructureMatcher, "
        f"stol {TOLERANCES.site:g}); a target with fewer counts with those it has.",
    ),
    "match_rate_close": (
        "matched_closely",
        "Share of targets that one of the first {k} candidates matches with "
        f"stol {CLOSE.site:g} in place of {TOLERANCES.site:g}.",
    ),
    "rms_angstrom": (
        "",
        "rms of the candidate with the smallest one of the first {k}, mean over the targets that "
        "one of them matches.",
    ),
    "crmse": (
        "",
        "Mean over all targets of the smallest of the matcher's dimensionless rms of the first {k} "
        "candidates, where a target that none of them matches enters with the tolerance "
        f"stol = {TOLERANCES.site:g} (arXiv 2509.12178).",
    ),
    "metre": (
        "",
        "Share of targets that at least one of the first {k} candidates for any target matches "
        "(arXiv 2509.12178).",
    ),
}
"""Metrics of the best of k candidates: column of their samples' values, and what they are."""


def specs_at(k: int) -> dict[str, MetricSpec]:
    """Metrics of the best of the first k candidates, by name."""
    return {f"{name}_at_{k}": _best_of(name, k) for name in _AT}


def _best_of(name: str, k: int) -> MetricSpec:
    (one,) = (spec for spec in _SOUND if spec.name == name)
    column, definition = _AT[name]
    return one.model_copy(
        update={
            "name": f"{name}_at_{k}",
            "label": f"{one.label}, best of {k}",
            "definition": definition.format(k=k),
            "column": f"{column}_at_{k}" if column else "",
            "compared": one.compared
            and one.compared.model_copy(update={"where": f" with {k} candidates"}),
            "headline": None,
            "group": f"best of {k}",
            "of_one": name,
            "candidates": k,
        }
    )


_PUBLISHED = (
    _MATCH_RATE.model_copy(update={"only_scored": True}),
    error(
        "rms",
        "rms as published",
        "",
        "Mean of StructureMatcher's rms over matched pairs; dimensionless, although the original "
        "labels it Å.",
        where="in rms of matched sites, as published",
        column="rms",
        missing=_NO_MATCH,
        group=_MATCHES,
    ),
    *(
        spec.model_copy(
            update={
                "column": f"target_{parameter}",
                "minus": f"predicted_{parameter}",
                "compared": off_by(
                    f"in {parameter}", spec.unit if spec.unit == "°" else f" {spec.unit}"
                ),
            }
        )
        for parameter, spec in _of_parameters(
            "mae", "Mean absolute error", "Mean absolute error of {} of the canonical cells."
        ).items()
    ),
    error(
        "rms_normalised",
        "rms / ∛V",
        "1/Å",
        "The dimensionless rms divided by the cube root of the target's volume, as the original "
        "does.",
        missing=_NO_MATCH,
        group=_MATCHES,
    ),
    *_of_parameters(
        "kld",
        "“KLD” as published",
        "scipy.stats.entropy of the paired, normalised values of {}; not a distance between "
        "distributions.",
        unit="",
    ).values(),
    error(
        "ccrmsd",
        "ccRMSD",
        "Å",
        "Root mean square over rows of the Chebyshev distance between AMD vectors "
        f"(k = {sites.NEIGHBOURS}).",
        statistic="root mean square",
        missing=cells.NO_PAIR,
        paper=papers.AMD.key,
        group=_DISTANCES,
    ),
)

_LEADING = (
    "match_rate", "composition_accuracy", "coverage", "crmse", "volume_error", "amd_mean",
    "match_rate_close",
)  # fmt: skip

SPECS: Mapping[Protocol, Mapping[str, MetricSpec]] = {
    "sound": by_name(_SOUND, _LEADING) | {k: v for cut in CUTS for k, v in specs_at(cut).items()},
    "published": by_name(_PUBLISHED, _LEADING),
}
"""Errors are over the samples on which there is a prediction that can be read."""

COMPARED = ComparedTask()
