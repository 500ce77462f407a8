"""One row per figure: what a predictor answered, and how right it was.

Floors, ceiling and models become rows by the same functions, and are scored as rows alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from matscale.figures.distractors import kinds_of
from matscale.figures.items import LABELS, Figure
from matscale.figures.quantities import WITHIN, relative_error, stated_number
from matscale.predictors.predictor import FIGURE_FIELDS
from matscale.results.result import Protocol
from matscale.results.samples import SCORED
from matscale.tasks.asking import Telling, entrant
from matscale.tasks.perception.questions import Reply, foreign, order_of, orders_of, read_letter

NAN = math.nan


@dataclass(frozen=True)
class Judged:
    """A judge's verdict on one answer; the score is NaN where it gave none."""

    score: float
    words: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Row:
    """What became of one figure.

    Attributes:
        figure: The figure and its question.
        picked: Share of the orders in which each option was picked, (4,), labels as in the item;
            None for other kinds. Sums to less than 1 where an answer was unparsable or missing.
        picks: What was picked in each order: a label as in the item, "" for none.
        text: The reply, of the first order.
        unparsable: Share of the orders with a reply that states no answer.
        unanswered: Share of the orders without a reply.
        replied: Whether a model replied in any order.
        reason: Why there was no reply, where there was none in any order.
        detail: What the provider said.
        value: Numeric: the number that was read.
        judged: Open: verdicts on the one answer, a repeat each.
    """

    figure: Figure
    picked: np.ndarray | None = None
    picks: tuple[str, ...] = ()
    text: str = ""
    unparsable: float = 0.0
    unanswered: float = 0.0
    replied: bool = False
    reason: str = ""
    detail: str = ""
    value: float = NAN
    judged: tuple[Judged, ...] = field(default=())

    @property
    def correct(self) -> float:
        """Share of the orders in which the right option was picked; NaN for other kinds."""
        if self.picked is None:
            return NAN
        return float(self.picked[LABELS.index(self.figure.item.correct_answer)])

    @property
    def consistent(self) -> float:
        """1 if one and the same option was picked in every order; NaN for a single order."""
        if len(self.picks) < 2:
            return NAN
        return float(len(set(self.picks)) == 1 and bool(self.picks[0]))

    @property
    def judge_score(self) -> float:
        """Mean of the judge's scores; NaN where there is none."""
        scores = [one.score for one in self.judged if not math.isnan(one.score)]
        return float(np.mean(scores)) if scores else NAN

    @property
    def judge_spread(self) -> float:
        """Mean difference between two of the judge's scores of one answer; NaN for fewer."""
        scores = [one.score for one in self.judged if not math.isnan(one.score)]
        pairs = [abs(a - b) for k, a in enumerate(scores) for b in scores[:k]]
        return float(np.mean(pairs)) if pairs else NAN

    @property
    def relative_error(self) -> float:
        """Of the number; NaN where none was read."""
        truth = self.figure.item.truth
        if truth is None or math.isnan(self.value):
            return NAN
        return relative_error(self.value, truth)

    @property
    def within(self) -> float:
        """1 if the number is within :data:`WITHIN` of the truth; NaN where none was asked for."""
        if self.figure.kind != "numeric" or not (self.asked or self.value == self.value):
            return NAN
        return float(self.relative_error <= WITHIN)

    @property
    def asked(self) -> bool:
        """Whether a model was asked: the rows of floors and ceiling answer unasked."""
        return self.replied or bool(self.reason)

    @property
    def status(self) -> str:
        """``"scored"``, or why the figure was not answered."""
        return SCORED if not self.reason else self.reason


# --- models ------------------------------------------------------------------------------


def rows_of(
    figures: Sequence[Figure],
    replies: Mapping[str, Reply],
    protocol: Protocol,
    *,
    orders: int,
    seed: int,
) -> list[Row]:
    """Rows of a model's replies, those of open figures not judged yet."""
    return [
        _row(
            figure,
            [replies[f"{figure.id}@{k}"] for k in orders_of(figure, protocol, orders)],
            protocol,
            seed,
        )
        for figure in figures
    ]


def _row(figure: Figure, replies: Sequence[Reply], protocol: Protocol, seed: int) -> Row:
    given = [reply for reply in replies if reply.text is not None]
    first = next(iter(given), replies[0])
    row = Row(
        figure,
        text=first.text or "",
        unanswered=1 - len(given) / len(replies),
        replied=bool(given),
        reason="" if given else first.reason,
        detail="" if given else first.detail,
    )
    if figure.kind == "mcq":
        return _chosen(row, replies, protocol, seed)
    if not given:
        return row
    if figure.kind == "numeric":
        value = stated_number(row.text, figure.item.unit)
        if value is None or not math.isfinite(value):
            return replace(row, unparsable=1.0)
        return replace(row, value=value)
    return row


def _chosen(row: Row, replies: Sequence[Reply], protocol: Protocol, seed: int) -> Row:
    picks, unparsable = [], 0
    for order, reply in enumerate(replies):
        said = read_letter(reply.text, protocol) if reply.text is not None else None
        unparsable += reply.text is not None and said is None
        places = order_of(row.figure, order, protocol, seed)
        picks.append(LABELS[places[LABELS.index(said)]] if said else "")
    picked = np.array([picks.count(label) for label in LABELS]) / len(replies)
    return replace(row, picked=picked, picks=tuple(picks), unparsable=unparsable / len(replies))


# --- floors and ceiling ------------------------------------------------------------------


def floor_rows(figures: Sequence[Figure], floor: Any, seed: int = 0) -> list[Row]:
    """Rows of a listed floor, which does not see the figures; empty rows for other kinds.

    Args:
        figures: All that are asked about.
        floor: Answers those of its form; a description that it does not have is an empty one.
        seed: By which other papers are drawn.
    """
    own = [figure for figure in figures if figure.kind == floor.form]
    asked = entrant(floor, telling(own, seed), None, check=lambda answer: answer, kinds={})
    answers = {
        figure.id: answer.value
        for figure, answer in zip(own, asked.answer(range(len(own))), strict=True)
    }
    if floor.form == "mcq":
        return [Row(figure, picked=answers.get(figure.id)) for figure in figures]
    return [Row(figure, text=answers.get(figure.id) or "") for figure in figures]


def telling(figures: Sequence[Figure], seed: int) -> Telling:
    """What can be told of figures without showing them."""
    others = foreign([figure for figure in figures if figure.kind == "open"], seed)

    def tell(row: int, fields: Sequence[str]) -> dict[str, Any]:
        figure = figures[row]
        other = others.get(figure.id)
        known = {
            "options": [option.caption for option in figure.item.options],
            "caption": figure.item.image_caption,
            "another_paragraph": other.item.describe_paragraph if other else None,
        }
        return {name: known[name] for name in fields}

    return Telling(len(figures), FIGURE_FIELDS, (), frozenset(), tell)


def true_rows(figures: Sequence[Figure]) -> list[Row]:
    """Rows that answer with the truth; a reference paragraph is still to be judged."""
    rows = []
    for figure in figures:
        item = figure.item
        if figure.kind == "mcq":
            picked = np.array([float(label == item.correct_answer) for label in LABELS])
            rows.append(Row(figure, picked=picked))
        elif figure.kind == "numeric":
            rows.append(Row(figure, value=item.truth if item.truth is not None else NAN))
        else:
            rows.append(Row(figure, text=item.describe_paragraph))
    return rows


# --- the table beside a result -----------------------------------------------------------


def table(rows: Sequence[Row], pictures: Mapping[str, bytes]) -> pa.Table:
    """Rows as a table.

    ==================  ========  ==============================================================
    column              type      meaning
    ==================  ========  ==============================================================
    id                  string    kind and file name of the figure
    kind                string    ``mcq``, ``open`` or ``numeric``
    scale               string    CSMBench's scale
    source              string    where the figure comes from
    paper               string    what intervals are clustered by
    skill               string    what a drawn figure tests
    status              string    ``scored``, or why there was no answer
    correct             double    share of the orders in which the right option was picked
    consistent          double    1 if one option was picked in every order
    unparsable          double    share of the orders whose reply states no answer
    unanswered          double    share of the orders without a reply
    picks               string    labels picked, an order each, as JSON
    right               string    label of the right option
    options             string    labels, captions and kinds of distractor, as JSON
    question            string    caption or question that was shown
    reference           string    paragraph that answers are judged against
    reply               string    the model's words, of the first order
    judge_score         double    mean of the judge's scores, 0 to 10
    judge_scores        string    all of them, as JSON
    judge_words         string    the judge's words, of the first
    truth               double    the number that is right
    value               double    the number that was read
    unit                string    of both
    relative_error      double    of the number
    within_10           double    1 if the relative error is at most 0.1
    picture             binary    a small JPEG, of the rows that the page shows
    ==================  ========  ==============================================================
    """
    return pa.Table.from_pylist([_record(row, pictures) for row in rows], schema=_SCHEMA)


_TEXTS = "id kind scale source paper skill status picks right options question reference reply"
_NUMBERS = "correct consistent unparsable unanswered judge_score truth value relative_error"
_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in _TEXTS.split()),
        *((name, pa.float64()) for name in _NUMBERS.split()),
        ("within_10", pa.float64()),
        ("judge_scores", pa.string()),
        ("judge_words", pa.string()),
        ("unit", pa.string()),
        ("picture", pa.binary()),
    ]
)


def _record(row: Row, pictures: Mapping[str, bytes]) -> dict[str, Any]:
    item, kinds = row.figure.item, kinds_of(row.figure.item)
    numbers = {
        "correct": row.correct,
        "consistent": row.consistent,
        "unparsable": row.unparsable,
        "unanswered": row.unanswered,
        "judge_score": row.judge_score,
        "truth": item.truth,
        "value": row.value,
        "relative_error": row.relative_error,
        "within_10": row.within,
    }
    options = [
        {"label": one.label, "caption": one.caption, "kind": kinds.get(one.label, "right")}
        for one in item.options
    ]
    return {
        "id": row.figure.id,
        "kind": row.figure.kind,
        "scale": item.scale,
        "source": item.source,
        "paper": row.figure.paper,
        "skill": item.skill,
        "status": row.status,
        "picks": json.dumps(row.picks),
        "right": item.correct_answer,
        "options": json.dumps(options, ensure_ascii=False),
        "question": item.question or item.image_caption,
        "reference": item.describe_paragraph,
        "reply": row.text,
        **{name: None if v is None or not math.isfinite(v) else v for name, v in numbers.items()},
        "judge_scores": json.dumps(
            [None if math.isnan(one.score) else one.score for one in row.judged]
        ),
        "judge_words": row.judged[0].words if row.judged else "",
        "unit": item.unit,
        "picture": pictures.get(row.figure.id),
    }
