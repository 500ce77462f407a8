"""The questions that are put to a model, one an order of a figure's options, and what is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from matscale.figures.answers import first_letter, published_score, stated_letter, stated_score
from matscale.figures.items import LABELS, Figure, Option
from matscale.results.result import Protocol
from matscale.runtime.errors import UserError
from matscale.runtime.memory import content_key
from matscale.tasks.perception import prompts

Form = Literal["mcq", "open", "numeric", "judge"]


@dataclass(frozen=True)
class FigureQuestion:
    """One request.

    Attributes:
        id: Unique in its batch: the figure's id, and the order of the options or the repeat.
        form: What kind of reply is wanted.
        prompt: The text.
        image: The figure's file, or None where it is not shown.
        image_sha256: Hash of what it shows, "" without: a remembered reply is for that picture.
        target: What is right: a label as shown, or a number; "" for what a judge decides.
        unit: Of a number.
        repeat: Which repetition of the same prompt.
    """

    id: str
    form: Form
    prompt: str
    image: Path | None = None
    image_sha256: str = ""
    target: str = ""
    unit: str = ""
    repeat: int = 0


@dataclass(frozen=True)
class Batch:
    """Questions that one model is asked, under one name in the logs."""

    name: str
    model: str
    protocol: Protocol
    questions: tuple[FigureQuestion, ...]


@dataclass(frozen=True)
class Reply:
    """What came back.

    Attributes:
        text: The reply; None where there is none.
        reason: Why there is none, such as ``"rate limit"``.
        detail: What the provider said.
    """

    text: str | None
    reason: str = ""
    detail: str = ""


def read_letter(reply: str, protocol: Protocol) -> str | None:
    """The label, as shown, that a reply is read as under a protocol."""
    return first_letter(reply) if protocol == "published" else stated_letter(reply)


def read_score(reply: str, protocol: Protocol) -> float | None:
    """The score that a judge's reply is read as under a protocol."""
    return published_score(reply) if protocol == "published" else stated_score(reply)


def order_of(figure: Figure, order: int, protocol: Protocol, seed: int) -> tuple[int, ...]:
    """Which option stands in each of the four places.

    ``published`` shows them as they come. ``sound`` shuffles them by seed and turns them on by one
    place an order, so that four orders put every option in every place.

    Returns:
        Four numbers of options.
    """
    if protocol == "published":
        return tuple(range(len(LABELS)))
    key = int(content_key(figure.id, seed)[:16], 16)
    shuffled = np.random.default_rng(key).permutation(len(LABELS))
    return tuple(int(k) for k in np.roll(shuffled, order))


def check_orders(orders: int) -> None:
    """Make sure that there are so many orders: each option stands in each place once at most.

    Raises:
        UserError: If there are not.
    """
    if not isinstance(orders, int) or not 1 <= orders <= len(LABELS):
        raise UserError(f"orders {orders}: options are shown in 1 to {len(LABELS)} orders")


def question_of(
    figure: Figure, protocol: Protocol, *, seen: bool = True, order: int = 0, seed: int = 0
) -> FigureQuestion:
    """What a model is asked of a figure."""
    item, kind = figure.item, figure.kind
    target, unit = "", ""
    if kind == "mcq":
        places = order_of(figure, order, protocol, seed)
        shown = [
            Option(label=label, caption=item.options[place].caption)
            for label, place in zip(LABELS, places, strict=True)
        ]
        prompt = prompts.choice(shown, protocol, seen=seen)
        if item.question:
            prompt = f"{item.question.strip()}\n\n{prompt}"
        target = LABELS[places.index(LABELS.index(item.correct_answer))]
    elif kind == "numeric":
        prompt = prompts.question(item.question, item.unit, seen=seen)
        target, unit = repr(item.truth), item.unit
    else:
        prompt = prompts.description(item.image_caption, seen=seen)
    return FigureQuestion(
        id=f"{figure.id}@{order}",
        form=kind,
        prompt=prompt,
        image=figure.image if seen else None,
        image_sha256=figure.sha256 if seen else "",
        target=target,
        unit=unit,
    )


def orders_of(figure: Figure, protocol: Protocol, orders: int) -> range:
    """In which orders a figure's options are shown; once where there are none."""
    return range(orders if figure.kind == "mcq" and protocol == "sound" else 1)


def questions_of(
    figures: Sequence[Figure], protocol: Protocol, *, seen: bool, orders: int, seed: int
) -> Iterator[FigureQuestion]:
    """All that a model is asked under a protocol; numbers are not part of the published one."""
    for figure in figures:
        if protocol == "published" and figure.kind == "numeric":
            continue
        for order in orders_of(figure, protocol, orders):
            yield question_of(figure, protocol, seen=seen, order=order, seed=seed)


def judged(figure: Figure, answer: str, protocol: Protocol, *, repeat: int = 0) -> FigureQuestion:
    """What a judge is asked of an answer to an open figure."""
    item = figure.item
    asked = prompts.description(item.image_caption, seen=True)
    return FigureQuestion(
        id=f"{figure.id}@{repeat}",
        form="judge",
        prompt=prompts.judgement(asked, item.describe_paragraph, answer, protocol),
        repeat=repeat,
    )


def foreign(figures: Sequence[Figure], seed: int) -> dict[str, Figure]:
    """For each open figure one of another paper, of its own scale where there is one, by seed."""
    generator = np.random.default_rng(seed)
    found = {}
    for figure in figures:
        others = [one for one in figures if one.paper != figure.paper]
        near = [one for one in others if one.item.scale == figure.item.scale]
        pool = near or others
        if pool:
            found[figure.id] = pool[int(generator.integers(len(pool)))]
    return found
