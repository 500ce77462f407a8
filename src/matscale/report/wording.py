"""What the page calls tasks, floors and protocols, and its words."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from matscale.report.particle_wording import (
    PARTICLE_FATE,
    PARTICLE_FLOORS,
    PARTICLE_LEADING,
    PARTICLE_TASKS,
)
from matscale.results.result import Predictor


@dataclass(frozen=True)
class TaskText:
    """How a task is presented.

    Attributes:
        question: Title of the page.
        says: For a headline metric, the verb phrase before and after the value.
        members: What the size of a dataset counts, in the plural.
        fates: By protocol, what becomes of items that were refused or are missing.
        warned: What becomes of what is warned of; "" where each warning says it.
        cautions: For a headline metric, what it does not say.
        leading: The metrics that say most, in the order in which tables begin with them.
        declared: Whether what a model was told is what somebody declared.
        tells: Whether the task tells models anything.
        shares: For a headline metric that is one of several classes, all of them with their words,
            what could not be judged last: they are said together, and none is held to a floor.
    """

    question: str
    says: dict[str, tuple[str, str]]
    members: str
    fates: dict[str, str] = field(
        default_factory=lambda: {
            "sound": "counted as failures",
            "published": "left out, as published",
        }
    )
    warned: str = "not scored"
    cautions: dict[str, str] = field(default_factory=dict)
    leading: tuple[str, ...] = ()
    declared: bool = True
    tells: bool = True
    shares: dict[str, dict[str, str]] = field(default_factory=dict)


TASK_TEXT: dict[str, TaskText] = {
    "reconstruction": TaskText(
        "Does the model rebuild crystals it has never seen?",
        {"match_rate": ("rebuilds", "of {n} held-out crystals")},
        "targets",
        leading=(
            "match_rate",
            "composition_accuracy",
            "coverage",
            "crmse",
            "volume_error",
            "amd_mean",
        ),
    ),
    "novelty": TaskText(
        "Are the generated crystals new, or training crystals in other clothes?",
        {
            "unmatched": ("has", "of {n} crystals that are neither copies nor element swaps"),
            "sun": ("has", "of {n} crystals stable, unique and novel"),
        },
        "training crystals",
        cautions={
            "unmatched": "To be neither proves nothing: random atoms are neither. Whether crystals "
            "are stable as well takes energies (--relax)."
        },
        leading=(
            "sun",
            "stable",
            "duplicate",
            "substituted",
            "unmatched",
            "invalid",
            "failed",
            "unique",
            "unique_novel",
        ),
        declared=False,
        tells=False,
        shares={
            "unmatched": {
                "duplicate": "copies of training crystals",
                "substituted": "copies with elements swapped",
                "unmatched": "neither",
                "invalid": "invalid",
                "failed": "not judged",
            }
        },
    ),
    "perception": TaskText(
        "Does the model read the figure, or the text around it?",
        {
            "accuracy": ("picks the right caption for", "of the figures"),
            "judge_score": ("is given", "by the judge for its descriptions"),
            "within_10": ("reads", "of the numbers within 10 %"),
        },
        "figures",
        fates=dict.fromkeys(
            ("sound", "published"),
            "not answered: counted as wrong, and a description is left out of the judge's mean",
        ),
        warned="",
        leading=(
            "accuracy",
            "consistency",
            "judge_score",
            "within_10",
            "unparsable",
            "unanswered",
        ),
        declared=False,
    ),
}
TASK_TEXT |= {
    name: TaskText(
        *text,
        fates=dict.fromkeys(("sound", "published"), PARTICLE_FATE),
        leading=PARTICLE_LEADING[name],
    )
    for name, text in PARTICLE_TASKS.items()
}

GENERAL_QUESTION = "Does the model understand structure, or does it remember it?"

FLOOR_TEXT: dict[str, str] = {
    "substitution": "A rule that copies a training crystal and swaps the elements",
    "random_training": "A rule that answers with a training crystal drawn at random",
    "chance": "Guessing",
    "medoid": "Picking the caption most like the other three, without the figure,",
    "longest": "Picking the longest caption, without the figure,",
    "caption": "Handing in the caption itself",
    "foreign": "Handing in another paper's paragraph",
    "training_sample": "A random sample of the training crystals",
    "random_substitution": "A rule that swaps elements of training crystals at random",
    "random_atoms": "A rule that throws random atoms into a box",
    "mean_cell": "A rule that scatters the atoms in a cubic cell of mean volume",
}
FLOOR_TEXT |= PARTICLE_FLOORS

PROTOCOL_TEXT: dict[str, str] = {
    "sound": "The same question without the defects of the original benchmark: every submitted "
    "id stays in the denominator.",
    "published": "The original benchmark to the letter, defects included. Kept so that numbers "
    "can be compared with earlier papers; do not rank models by them.",
}

WORDS: tuple[tuple[str, str], ...] = (
    ("floor", "The best predictor that needs no learning and was told the same."),
    ("strongest floor", "The best of all floors, whatever it was told but the answer."),
    ("declared", "What a model in a file is said to have been told; its answers may refute it."),
    ("ceiling", "What is attainable: usually the target itself, scored by the same code."),
    (
        "skill",
        "(model − floor) / (ceiling − floor). 0 is trivial, 1 is attained, below 0 is worse than "
        "trivial.",
    ),
    ("told", "The conditioning: the fields of a sample that the predictor saw before it answered."),
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


def members_of(task: str) -> str:
    """What the size of a task's datasets counts, in the plural."""
    text = TASK_TEXT.get(task)
    return text.members if text else "targets"


def leading_place(task: str, metric: str, headlines: Collection[str] = ()) -> tuple[bool, int]:
    """Sorts metrics: headlines first, unless the task leads with others, then what says most."""
    text = TASK_TEXT.get(task)
    leading = text.leading if text else ()
    place = leading.index(metric) if metric in leading else len(leading)
    heads = [name for name in headlines if name not in leading]
    return metric not in heads, place


def told_fields(told: tuple[str, ...] | None) -> str:
    """The fields that a predictor was told."""
    if told is None:
        return "not stated"
    return ", ".join(told) or "nothing"


def told_text(predictor: Predictor, task: str = "") -> str:
    """What a predictor was told, or declares that it was, in words."""
    if predictor.told is None:
        return "not declared what it was told"
    text = TASK_TEXT.get(task)
    declared = predictor.kind == "model" and predictor.source is not None
    if declared and (text is None or text.declared):
        return f"declared: {told_fields(predictor.told)}"
    return f"told {told_fields(predictor.told)}"
