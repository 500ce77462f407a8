"""What the page calls things: metrics, tasks, floors, words.

``METRIC_TEXT`` maps a metric's name to its label, unit and definition. A metric that is not in it
is shown under its own name, so that a new task needs no change here.
"""

from __future__ import annotations

from dataclasses import dataclass

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
_NO_PAIR = "no pair that reads"

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


@dataclass(frozen=True)
class TaskText:
    """How a task is presented.

    Attributes:
        question: Title of the page.
        says: For a headline metric, the verb phrase before and after the value.
        subject: What the targets are, in the plural.
    """

    question: str
    says: dict[str, tuple[str, str]]
    subject: str


TASK_TEXT: dict[str, TaskText] = {
    "reconstruction": TaskText(
        "Does the model rebuild crystals it has never seen?",
        {"match_rate": ("rebuilds", "of {n} held-out crystals")},
        "crystals",
    ),
}
GENERAL_QUESTION = "Does the model understand structure, or does it remember it?"

FLOOR_TEXT: dict[str, str] = {
    "substitution": "A rule that copies a training crystal and swaps the elements",
    "random_training": "A rule that answers with a training crystal drawn at random",
    "mean_cell": "A rule that scatters the atoms in a cubic cell of mean volume",
}

PROTOCOL_TEXT: dict[str, str] = {
    "sound": "The same question without the defects of the original benchmark: every submitted "
    "id stays in the denominator.",
    "published": "The original benchmark to the letter, defects included. Kept so that numbers "
    "can be compared with earlier papers; do not rank models by them.",
}

WORDS: tuple[tuple[str, str], ...] = (
    ("floor", "The best predictor that needs no learning and was told the same."),
    ("ceiling", "What is attainable: usually the target itself, scored by the same code."),
    (
        "skill",
        "(model − floor) / (ceiling − floor). 0 is trivial, 1 is attained, below 0 is worse than "
        "trivial.",
    ),
    ("told", "The fields of a sample that the predictor saw before it answered."),
    ("protocol", "“published” is the original benchmark to the letter; “sound” mends its defects."),
    ("interval", "95 % bootstrap interval over samples. Digits end where the interval ends them."),
)


def question_of(tasks: set[str]) -> str:
    """The page's title: the task's question, or the general one."""
    if len(tasks) == 1:
        text = TASK_TEXT.get(next(iter(tasks)))
        if text is not None:
            return text.question
    return GENERAL_QUESTION


def told_text(told: tuple[str, ...] | None) -> str:
    """What a predictor was told, in words."""
    if told is None:
        return "not stated what it was told"
    return "told " + ", ".join(told) if told else "told nothing"
