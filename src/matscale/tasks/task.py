"""What a task is: a question, what is told, what is asked, and how the answer is scored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from matscale.report.scorecard import Scorecard
from matscale.results.compared import ComparedTask
from matscale.runtime.errors import UserError, did_you_mean

TASKS = {
    "reconstruction": "matscale.tasks.reconstruction",
    "novelty": "matscale.tasks.novelty",
    "perception": "matscale.tasks.perception",
    "crystal-to-particle": "matscale.tasks.particles.crystal_to_particle",
    "particle-to-crystal": "matscale.tasks.particles.particle_to_crystal",
}
"""Task name to the module that holds its ``TASK``. A new task is a module and a line here."""


class Scorer(Protocol):
    """What is prepared once for many calls."""

    def prepare(self) -> None:
        """Do what can be done before there are predictions."""

    def score(
        self,
        predictions: Any,
        *,
        name: str | None = None,
        told: Any = None,
        out: str | Path | None = None,
    ) -> Scorecard:
        """Score predictions; the arguments are those of the task's ``score``."""


@dataclass(frozen=True)
class Task:
    """A benchmark.

    Attributes:
        name: As on the command line.
        question: What it asks of a model, in a sentence.
        told: The fields that a sample offers; a predictor sees those it declares.
        asked: What an answer is.
        score: Scores predictions; its keyword arguments are the task's options.
        scorer: Prepares what does not depend on the predictions, for many calls; None where a task
            has no such thing.
        compared: How two of its results are compared.
    """

    name: str
    question: str
    told: tuple[str, ...]
    asked: str
    score: Callable[..., Scorecard]
    compared: ComparedTask
    scorer: Callable[..., Scorer] | None = None


def find_task(name: str) -> Task:
    """The task of a name.

    Raises:
        UserError: If there is none.
    """
    if name not in TASKS:
        raise UserError(
            f"there is no task {name!r}{did_you_mean(name, TASKS)} "
            f"(the tasks are {', '.join(TASKS)})"
        )
    module: Any = import_module(TASKS[name])
    task: Task = module.TASK
    return task
