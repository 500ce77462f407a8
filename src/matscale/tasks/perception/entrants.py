"""Who answers: the truth, floors, and the model with and without the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matscale.figures.items import Figure
from matscale.predictors.registry import FLOORS
from matscale.results import result as schema
from matscale.results.result import PredictorKind, Protocol
from matscale.tasks.entrant import Entrant
from matscale.tasks.perception.drawn import can_be_read, image_rows
from matscale.tasks.perception.names import BLIND, IMAGE, TOLD, TRUTH, model_name
from matscale.tasks.perception.questions import Batch, Form, Reply, questions_of
from matscale.tasks.perception.rows import Row, floor_rows, rows_of, true_rows
from matscale.tasks.perception.settings import PerceptionSettings

SEEN = ("figure", "caption", "options", "question")
UNSEEN = SEEN[1:]
FORMS: tuple[Form, ...] = ("mcq", "open", "numeric")

Rows = list[Row]
"""Answers to all figures, those to open ones not judged yet."""


def batches_of(
    figures: Sequence[Figure], protocol: Protocol, model: str, settings: PerceptionSettings
) -> list[Batch]:
    """What a model is asked: each kind with and without the figure.

    A batch is a task in inspect-ai's logs.
    """
    batches = []
    for seen in (True, False):
        orders = settings.orders if seen else 1
        asked = list(questions_of(figures, protocol, seen=seen, orders=orders, seed=settings.seed))
        for form in FORMS:
            part = tuple(question for question in asked if question.form == form)
            batches.append(Batch(_batch_name(form, protocol, seen), model, protocol, part))
    return batches


def _batch_name(form: Form, protocol: Protocol, seen: bool) -> str:
    return f"csmbench_{form}_{protocol}{'' if seen else '_blind'}"


def entrants_of(
    figures: Sequence[Figure],
    protocol: Protocol,
    replies: Mapping[str, Mapping[str, Reply]],
    model: str,
    settings: PerceptionSettings,
) -> list[Entrant[Rows]]:
    """Ceiling, floors and the model, by what they answer under a protocol.

    Args:
        figures: What the protocol asks about.
        protocol: Which one.
        replies: By name of batch and id of question.
        model: As inspect-ai calls it.
        settings: How it was asked.
    """
    entrants = [_entrant(TRUTH, "ceiling", ("answer",), true_rows(figures), protocol)]
    if can_be_read(figures):
        rows = image_rows(figures)
        entrants.insert(0, _entrant(IMAGE, "ceiling", TOLD[IMAGE], rows, protocol))
    for factory in FLOORS["perception"]:
        floor: Any = factory()
        rows = floor_rows(figures, floor, settings.seed)
        if floor.form == "mcq" or any(row.text for row in rows):
            entrants.append(_entrant(floor.name, "floor", TOLD[floor.name], rows, protocol))
    name = model_name(model)
    for seen in (False, True):
        given: dict[str, Reply] = {}
        for form in FORMS:
            given |= replies.get(_batch_name(form, protocol, seen), {})
        orders = settings.orders if seen else 1
        rows = rows_of(figures, given, protocol, orders=orders, seed=settings.seed)
        if seen:
            entrants.append(_entrant(name, "model", SEEN, rows, protocol))
        else:
            entrants.append(_entrant(f"{name}{BLIND}", "floor", UNSEEN, rows, protocol))
    return entrants


def _entrant(
    name: str, kind: PredictorKind, told: tuple[str, ...], rows: Rows, protocol: Protocol
) -> Entrant[Rows]:
    return Entrant(schema.Predictor(name=name, kind=kind, told=told), rows, {protocol: kind})
