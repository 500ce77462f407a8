"""What a task is: a question, what is told, what is asked, and how the answer is scored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from matscale.errors import UserError
from matscale.report.scorecard import Scorecard
from matscale.results.compared import ComparedTask

TASKS = {
    "reconstruction": "matscale.tasks.reconstruction",
    "novelty": "matscale.tasks.novelty",
    "perception": "matscale.tasks.perception",
    "crystal-to-particle": "matscale.tasks.crystal_to_particle",
    "particle-to-crystal": "matscale.tasks.particle_to_crystal",
}
"""Task name to the module that holds its ``TASK``. A new task is a module and a line here."""


@dataclass(frozen=True)
class Task:
    """A benchmark.

    Attributes:
        name: As on the command line.
        question: What it asks of a model, in a sentence.
        told: The fields that a sample offers; a predictor sees those it declares.
        asked: What an answer is.
        score: Scores predictions; its keyword arguments are the task's options.
        compared: How two of its results are compared.
    """

    name: str
    question: str
    told: tuple[str, ...]
    asked: str
    score: Callable[..., Scorecard]
    compared: ComparedTask


def find_task(name: str) -> Task:
    """The task of a name.

    Raises:
        UserError: If there is none.
    """
    if name not in TASKS:
        raise UserError(f"there is no task {name!r}; the tasks are {', '.join(TASKS)}")
    module: Any = import_module(TASKS[name])
    task: Task = module.TASK
    return task
