"""Who answers a task's samples, and an answer: what the harness takes of every predictor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from matscale.results import result as schema
from matscale.results.result import PredictorKind, Protocol

Answers = TypeVar("Answers")


@dataclass(frozen=True)
class Answer:
    """An answer that can be scored, or why there is none.

    Attributes:
        value: What the task's scorer takes; None where there is none.
        reason: Short category that is counted; "" where there is a value.
        detail: What was found.
        others: Further candidates for the same sample, in order.
    """

    value: Any
    reason: str = ""
    detail: str = ""
    others: tuple[Answer, ...] = ()


@dataclass(eq=False)
class Entrant(Generic[Answers]):
    """Who answers.

    Attributes:
        predictor: As results name it.
        answer: How it answers, as the task takes it: a function from rows of the question to a list
            of :class:`Answer`, or all answers at once, such as the reading of a file.
        kinds: What it is under each protocol that it takes part in.
        warnings: Counts of things that are worth knowing; filled before any answer.
        notes: Sentences for its results.
        seconds: Spent on it so far.
        asked: The Python predictor that answers; None for answers that are given.
    """

    predictor: schema.Predictor
    answer: Answers
    kinds: Mapping[Protocol, PredictorKind]
    warnings: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    asked: Any = None

    def named(self, protocol: Protocol) -> schema.Predictor:
        """The predictor as it stands under a protocol."""
        return self.predictor.model_copy(update={"kind": self.kinds[protocol]})
