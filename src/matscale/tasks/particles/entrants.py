"""What a user hands in, files and Python predictors, as entrants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matscale.errors import UserError
from matscale.predictors.particles import PARTICLE_FIELDS, Training
from matscale.predictors.particles.submission import Rows
from matscale.predictors.predictor import parse_told
from matscale.results.result import Protocol
from matscale.tasks.particles.harness import Check, Entrant, entrant
from matscale.tasks.particles.question import Question
from matscale.tasks.particles.submitted import UnitSlip, submitted


def entrants_of(
    predictions: Any,
    question: Question,
    training: Training,
    *,
    read: Callable[[Path], Rows],
    tells: tuple[str, ...],
    cell: bool,
    check: Check,
    unit: UnitSlip,
    told: str | Sequence[str] | None,
    protocols: Sequence[Protocol],
) -> list[Entrant]:
    """Entrants of files and predictors.

    Args:
        predictions: One of them or a list.
        question: What is asked.
        training: For predictors that learn.
        read: Reads a file.
        tells: What the task tells.
        cell: As in :func:`matscale.tasks.particles.harness.tell`.
        check: Of answers.
        unit: Finds answers in another unit.
        told: What the models in files were told; None where that is not declared.
        protocols: To score under.

    Raises:
        UserError: If a file cannot be read, a predictor is none, or two share a name.
    """
    several = isinstance(predictions, Sequence) and not isinstance(predictions, str)
    items = list(predictions) if several else [predictions]
    declared = None if told is None else parse_told(told, PARTICLE_FIELDS)
    found = []
    for item in items:
        if isinstance(item, str | Path):
            rows = read(Path(item))
            found.append(
                submitted(
                    rows,
                    question,
                    told=declared,
                    tells=tells,
                    check=check,
                    unit=unit,
                    protocols=protocols,
                )
            )
        else:
            kinds: dict[Protocol, Any] = dict.fromkeys(protocols, "model")
            found.append(
                entrant(item, question, training, tells=tells, cell=cell, check=check, kinds=kinds)
            )
    return found


def check_names(entrants: Sequence[Entrant]) -> None:
    """Make sure that the results of two entrants do not overwrite each other.

    Raises:
        UserError: If two have one name.
    """
    names = [one.predictor.name for one in entrants]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"two predictors are called {name!r}: rename one of them")
