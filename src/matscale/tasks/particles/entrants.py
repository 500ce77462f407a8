"""What a user hands in, files and Python predictors, as entrants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from matscale.predictors.predictor import PARTICLE_FIELDS, declared
from matscale.predictors.submissions.crystals import file_name
from matscale.predictors.submissions.particles import Rows
from matscale.predictors.training import Training
from matscale.results.result import Protocol
from matscale.runtime.errors import UserError
from matscale.structures.formats.objects import is_structure
from matscale.structures.table import StructureTable
from matscale.tasks.asking import Check, entrant
from matscale.tasks.entrant import Entrant
from matscale.tasks.particles.asking import telling
from matscale.tasks.particles.question import ParticleQuestion
from matscale.tasks.particles.submitted import UnitSlip, submitted


def entrants_of(
    predictions: Any,
    question: ParticleQuestion,
    training: Training,
    *,
    read: Callable[[Path], Rows],
    objects: Callable[[Any], Rows],
    tells: tuple[str, ...],
    cell: bool,
    check: Check,
    unit: UnitSlip,
    name: str | None,
    told: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None,
    protocols: Sequence[Protocol],
) -> list[Entrant]:
    """Entrants of files and predictors.

    Args:
        predictions: One of them or a list.
        question: What is asked.
        training: For predictors that learn.
        read: Reads a file.
        objects: Reads answers that are Python objects by sample, or a table of them.
        tells: What the task tells.
        cell: As in :func:`matscale.tasks.particles.asking.telling`.
        check: Of answers.
        unit: Finds answers in another unit.
        name: What to call the model, if it is one whose answers are given.
        told: What the models whose answers are given were told; None where that is not declared.
        protocols: To score under.

    Raises:
        UserError: If a file cannot be read, a predictor is none, or two share a name.
    """
    several = isinstance(predictions, Sequence) and not isinstance(predictions, str)
    items = list(predictions) if several else [predictions]
    given = [_rows(item, read, objects) for item in items]
    if name is not None:
        if len(given) != 1 or given[0] is None:
            raise UserError(f"name={name!r} is for the answers of one model; predictors have names")
        given = [replace(given[0], name=file_name(name))]
    declarations = declared(told, [rows.name for rows in given if rows], PARTICLE_FIELDS)
    samples = telling(question, tells, cell)
    kinds: dict[Protocol, Any] = dict.fromkeys(protocols, "model")
    return [
        submitted(
            rows,
            question,
            told=declarations[rows.name],
            tells=tells,
            check=check,
            unit=unit,
            protocols=protocols,
        )
        if rows
        else entrant(item, samples, training, check=check, kinds=kinds, seed=question.seed)
        for item, rows in zip(items, given, strict=True)
    ]


def _rows(item: Any, read: Callable[[Path], Rows], objects: Callable[[Any], Rows]) -> Rows | None:
    """The answers that are given, in a file or as objects; None for a predictor.

    Raises:
        UserError: If it is a structure by itself, which does not say what it answers.
    """
    if isinstance(item, str | Path):
        return read(Path(item))
    if isinstance(item, Mapping | StructureTable):
        return objects(item)
    if is_structure(item):
        raise UserError(
            f"a {type(item).__name__} by itself does not say which sample it answers; give a dict "
            "of sample's id to answer"
        )
    return None
