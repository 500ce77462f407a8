"""The page's words that are the same for every task."""

from __future__ import annotations

from collections.abc import Collection

from matscale.report.parts.part import GENERAL_QUESTION, TaskText
from matscale.report.parts.registry import find_part
from matscale.results.metric import Definitions
from matscale.results.result import Predictor
from matscale.structures.formats.vocabulary import REASONS as UNREAD

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


def text_of(task: str) -> TaskText:
    """The words of a task; those of any task where the page knows nothing of it."""
    return find_part(task).text


def question_of(tasks: Collection[str]) -> str:
    """The page's title: the task's question, or the general one."""
    return text_of(next(iter(tasks))).question if len(tasks) == 1 else GENERAL_QUESTION


def told_fields(told: tuple[str, ...] | None) -> str:
    """The fields that a predictor was told."""
    if told is None:
        return "not stated"
    return ", ".join(told) or "nothing"


def told_text(predictor: Predictor, task: str = "") -> str:
    """What a predictor was told, or declares that it was, in words."""
    if predictor.told is None:
        return "not declared what it was told"
    declared = predictor.kind == "model" and predictor.source is not None
    if declared and text_of(task).declared:
        return f"declared: {told_fields(predictor.told)}"
    return f"told {told_fields(predictor.told)}"


def reason_text(words: str, definitions: Definitions, task: str) -> str:
    """A count's name in words: ``metric: reason`` or ``reason, reason`` as they are recorded.

    Args:
        words: The count's name.
        definitions: Of the metrics.
        task: Whose part of the page knows why a metric could not be measured.
    """
    metric, colon, reasons = words.rpartition(": ")
    label = definitions[metric].label if metric in definitions else metric
    unmeasured = text_of(task).reasons
    # Without a metric it is the reader's reason, which may be called alike.
    known = unmeasured if metric else {k: v for k, v in unmeasured.items() if k not in UNREAD}
    said = ", ".join(known.get(reason, reason) for reason in reasons.split(", "))
    return f"{label}{colon}{said}"
