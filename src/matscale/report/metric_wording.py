"""What the page calls metrics: label, unit and definition of each.

A metric that is not in ``METRIC_TEXT`` is shown under its own name, so that a new task needs no
change here.
"""

from __future__ import annotations

from dataclasses import dataclass

from matscale.report.particle_wording import PARTICLE_TEXT

PARAMETERS = {"a": "a", "b": "b", "c": "c", "alpha": "α", "beta": "β", "gamma": "γ"}
LENGTHS = ("a", "b", "c")


@dataclass(frozen=True)
class MetricText:
    """How a metric is presented.

    Attributes:
        label: Short name for a column.
        unit: Unit to show; ``"%"`` turns a share in 0 to 1 into a percentage.
        definition: One sentence.
        absent: Why the value may be missing.
    """

    label: str
    unit: str
    definition: str
    absent: str = "not defined for these samples"


_NO_MATCH = "no matched pair"
_NO_PAIR = "no prediction that can be read"

METRIC_TEXT: dict[str, MetricText] = {
    "match_rate": MetricText(
        "match rate",
        "%",
        "Share of targets that the prediction matches as a crystal (StructureMatcher, stol 0.5, "
        "ltol 0.3, angle_tol 10°).",
    ),
    "match_rate_given_composition": MetricText(
        "match rate, composition right",
        "%",
        "Match rate among the predictions whose composition equals the target's.",
        "no prediction with the right composition",
    ),
    "composition_accuracy": MetricText(
        "composition right",
        "%",
        "Share of targets whose prediction has the same reduced composition.",
    ),
    "rms_angstrom": MetricText(
        "rms",
        "Å",
        "Root mean square displacement of matched sites, mean over matched pairs: the matcher's "
        "dimensionless rms times (V/n)^(1/3) of the average cell.",
        _NO_MATCH,
    ),
    "crmse": MetricText(
        "cRMSE",
        "",
        "Mean of the matcher's dimensionless rms over all targets, where a target that is not "
        "matched enters with the tolerance stol (arXiv 2509.12178).",
    ),
    "metre": MetricText(
        "METRe",
        "%",
        "Share of targets that at least one of all the predictions matches, whichever sample it "
        "was made for (arXiv 2509.12178).",
    ),
    "coverage": MetricText(
        "coverage", "%", "Share of targets with a prediction that can be read and scored."
    ),
    "length_mae": MetricText(
        "length error",
        "Å",
        "Mean absolute error of the lengths a, b, c of the canonical cells.",
        _NO_PAIR,
    ),
    "angle_mae": MetricText(
        "angle error",
        "°",
        "Mean absolute error of the angles α, β, γ of the canonical cells.",
        _NO_PAIR,
    ),
    "volume_error": MetricText(
        "volume error",
        "%",
        "Mean of |predicted - target| / target of the volume per atom or per cell.",
        _NO_PAIR,
    ),
    "amd_mean": MetricText(
        "AMD distance",
        "Å",
        "Mean distance between average minimum distance vectors (k = 100), which needs no match.",
        _NO_PAIR,
    ),
    "amd_rms": MetricText(
        "AMD distance, rms",
        "Å",
        "Root mean square of the AMD distance; large single failures weigh more.",
        _NO_PAIR,
    ),
    "pdd_emd": MetricText(
        "PDD distance",
        "Å",
        "Earth mover's distance between pointwise distance distributions, mean over pairs.",
        _NO_PAIR,
    ),
    "rms": MetricText(
        "rms as published",
        "",
        "Mean of StructureMatcher's rms over matched pairs; dimensionless, although the original "
        "labels it Å.",
        _NO_MATCH,
    ),
    "rms_normalised": MetricText(
        "rms / ∛V",
        "",
        "The dimensionless rms divided by the cube root of the target's volume, as the original "
        "does.",
        _NO_MATCH,
    ),
    "ccrmsd": MetricText(
        "ccRMSD",
        "Å",
        "Root mean square over rows of the Chebyshev distance between AMD vectors (k = 100).",
        _NO_PAIR,
    ),
}

METRIC_TEXT |= {
    "unmatched": MetricText(
        "unmatched",
        "%",
        "Share of crystals that no training crystal matches, neither as it is nor with its "
        "elements swapped.",
    ),
    "substituted": MetricText(
        "substituted",
        "%",
        "Share of crystals that a training crystal turns into when elements are swapped "
        "(arXiv 2606.23166).",
    ),
    "substituted_both": MetricText(
        "substituted, both ways",
        "%",
        "Substituted by a site match that ignores elements and by Wyckoff positions alike.",
    ),
    "substituted_anonymous": MetricText(
        "substituted, anonymous only", "%", "Substituted by a site match that ignores elements."
    ),
    "substituted_wyckoff": MetricText(
        "substituted, Wyckoff only", "%", "Substituted by equal Wyckoff positions."
    ),
    "duplicate": MetricText(
        "duplicate", "%", "Share of crystals that match a training crystal as it is."
    ),
    "unique": MetricText(
        "unique", "%", "Share of crystals that are valid and the same as no earlier one."
    ),
    "unique_novel": MetricText(
        "unique and novel", "%", "Share of crystals that are unique and no duplicate of training."
    ),
    "invalid": MetricText(
        "invalid", "%", "Share of submitted crystals with atoms too close or a degenerate cell."
    ),
    "failed": MetricText(
        "failed", "%", "Share of submitted crystals that could not be read, relaxed or compared."
    ),
    "valid": MetricText(
        "valid",
        "%",
        "Share of crystals whose atoms, periodic images included, are 0.5 Å apart or more, in a "
        "cell of 0.1 Å³ or more.",
    ),
    "balanced_cdvae": MetricText(
        "balanced (CDVAE)",
        "%",
        "Share of crystals whose charges balance as CDVAE and MatterGen test it (smact 2).",
    ),
    "balanced_paper": MetricText(
        "balanced (smact)",
        "%",
        "Share of crystals whose charges balance by smact's defaults, as in arXiv 2606.23166.",
    ),
    "converged": MetricText("converged", "%", "Share of crystals whose relaxation converged."),
    "stable": MetricText("stable", "%", "Share of crystals at or below the hull."),
    "stability_unknown": MetricText(
        "stability unknown",
        "%",
        "Share of crystals of whose elements the hull holds no compound; they count as not stable.",
    ),
    "metastable": MetricText(
        "metastable", "%", "Share of crystals at most 0.1 eV/atom above the hull."
    ),
    "sun": MetricText(
        "S.U.N.", "%", "Share of crystals that are stable, unique and novel at once."
    ),
    "metastable_sun": MetricText(
        "metastable S.U.N.", "%", "Share of crystals that are metastable, unique and novel at once."
    ),
    "above_hull_mean": MetricText(
        "above hull", "eV/atom", "Mean energy above the hull.", "no energies"
    ),
    "amd_nearest": MetricText(
        "AMD to nearest",
        "Å",
        "Mean AMD distance to the nearest training crystal, elements ignored.",
    ),
    "element_nearest": MetricText(
        "elements to nearest",
        "",
        "Mean element mover's distance (modified Pettifor scale, 0 to 102) to the nearest "
        "training composition.",
    ),
    "prototype_new": MetricText(
        "new prototype",
        "%",
        "Share of crystals whose space group and Wyckoff positions no training crystal has.",
    ),
    "prototypes": MetricText("prototypes", "", "Number of distinct prototypes."),
    "prototypes_new": MetricText(
        "new prototypes", "", "Number of distinct prototypes that training does not have."
    ),
    "prototype_coverage": MetricText(
        "prototype coverage", "%", "Share of training's prototypes that were generated."
    ),
    "memorisation_ratio": MetricText(
        "memorisation ratio",
        "",
        "Share of duplicates over that among held-out real crystals: above 1 the model repeats "
        "training more often than nature does.",
        "no held-out crystal is a duplicate; the notes give a lower bound",
    ),
}

METRIC_TEXT |= {
    "accuracy": MetricText(
        "right captions",
        "%",
        "Share of figures whose right caption is picked from four, a mean over the orders in "
        "which they are shown; no answer counts as not right.",
        "no multiple choice",
    ),
    "consistency": MetricText(
        "same in every order",
        "%",
        "Share of figures for which one caption is picked in whatever order the four stand.",
        "one order only",
    ),
    "accuracy_every_order": MetricText(
        "right in every order",
        "%",
        "Share of figures whose right caption is picked in every order.",
        "one order only",
    ),
    "judge_score": MetricText(
        "judge's score",
        "of 10",
        "Mean score that a judge model gives descriptions against the paper's paragraph, 0 to 10.",
        "nothing to judge",
    ),
    "judge_spread": MetricText(
        "judge's spread",
        "of 10",
        "Mean difference between two scores that the judge gives one and the same answer.",
        "judged once",
    ),
    "within_10": MetricText(
        "numbers within 10 %",
        "%",
        "Share of numbers that are read off the figure within 10 % of the truth; no answer counts "
        "as not read.",
        "no numbers asked",
    ),
    "relative_error": MetricText(
        "relative error",
        "%",
        "Median of |read - true| / |true| of the numbers that were given.",
        "no number given",
    ),
    "unparsable": MetricText(
        "states no answer", "%", "Share of replies that state no answer, such as a refusal."
    ),
    "unanswered": MetricText(
        "not answered", "%", "Share of questions without a reply after all retries."
    ),
    "picked": MetricText(
        "picked", "%", "How often a wrong caption of a kind is picked where it is offered."
    ),
}

METRIC_TEXT |= {name: MetricText(*text) for name, text in PARTICLE_TEXT.items()}

_FAMILIES: dict[str, tuple[str, str | None, str]] = {
    "wasserstein": (
        "Wasserstein distance",
        None,
        "Wasserstein-1 distance between the distributions of predicted and target {}.",
    ),
    "histogram_kl": (
        "Histogram KL divergence",
        "nats",
        "KL divergence between histograms of target and predicted {} (Freedman-Diaconis bins, "
        "add-one smoothing).",
    ),
    "kld": (
        "“KLD” as published",
        "",
        "scipy.stats.entropy of the paired, normalised values of {}; not a distance between "
        "distributions.",
    ),
    "mae": ("Mean absolute error", None, "Mean absolute error of {} of the canonical cells."),
}

for _prefix, (_, _unit, _definition) in _FAMILIES.items():
    for _name, _symbol in PARAMETERS.items():
        _own = "Å" if _name in LENGTHS else "°"
        METRIC_TEXT[f"{_prefix}_{_name}"] = MetricText(
            _symbol, _own if _unit is None else _unit, _definition.format(_symbol), _NO_PAIR
        )


def metric_text(name: str, unit: str = "") -> MetricText:
    """The text of a metric; an unknown one is called by its own name."""
    return METRIC_TEXT.get(name) or MetricText(name.replace("_", " "), unit, "")


def family_of(name: str) -> tuple[str, str] | None:
    """(family, parameter) of a metric that exists for each of a, b, c, α, β, γ, else None."""
    prefix, _, parameter = name.rpartition("_")
    return (prefix, parameter) if prefix and parameter in PARAMETERS else None


def family_definition(prefix: str) -> str:
    """One sentence for all members of a family of metrics."""
    return _FAMILIES[prefix][2].format("each lattice parameter") if prefix in _FAMILIES else ""


def family_label(prefix: str) -> str:
    """Title of the table of a family of metrics."""
    return _FAMILIES[prefix][0] if prefix in _FAMILIES else prefix.replace("_", " ")


def long_label(name: str) -> str:
    """Label that stands alone, outside the table of its family."""
    family = family_of(name)
    label = metric_text(name).label
    return f"{family_label(family[0])} of {label}" if family else label
