"""What the page shows of figures that a model was asked about: the judge's audit, and examples."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matscale.report.parts.part import Gathered
from matscale.results.result import Metric, Result
from matscale.results.rounding import interval_decimals, show
from matscale.results.samples import SCORED, Samples

MOST_WORDS = 900
"""Characters of a reply that the page shows."""

_EXPECTED = {
    "truth": ("the reference paragraph itself", "10"),
    "foreign": ("another paper's paragraph", "near 0"),
    "caption": ("the caption alone", "low"),
}


@dataclass(frozen=True)
class JudgeLine:
    """One line of the judge's audit: what was handed in, what it should get, what it got."""

    what: str
    expected: str
    got: str
    interval: str
    n: int


@dataclass(frozen=True)
class ShownOption:
    """One caption of a figure, and what became of it."""

    label: str
    caption: str
    kind: str
    right: bool
    picked: bool


@dataclass(frozen=True)
class Example:
    """One figure with its question and the model's answer.

    Attributes:
        id: The figure's id.
        scale: Its scale.
        picture: Data URI; "" without an image.
        asked: Caption or question that was shown.
        options: For multiple choice.
        verdict: In words, such as ``"right in 1 of 2 orders"``.
        good: Whether the answer is right.
        reply: The model's words.
        reference: The paragraph, or the true number.
        judge: The judge's words.
    """

    id: str
    scale: str
    picture: str
    asked: str
    options: tuple[ShownOption, ...]
    verdict: str
    good: bool
    reply: str
    reference: str
    judge: str


@dataclass(frozen=True)
class Seen:
    """The examples of one model."""

    name: str
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Perception:
    """Everything that the page says of figures beyond scores and groups."""

    judge: str
    audit: tuple[JudgeLine, ...]
    models: tuple[Seen, ...]


def perception(gathered: Gathered) -> Perception:
    """What the page says of figures; several runs may each have a judge of its own or none."""
    models = [result for result in gathered.leading if result.predictor.kind == "model"]
    shown = [
        Seen(one.predictor.name, _examples(gathered.samples[one.predictor.name])) for one in models
    ]
    protocols = {one.protocol for one in gathered.leading}
    judged = [one for one in gathered.results if one.protocol in protocols and _judge(one)]
    judges = list(dict.fromkeys(_judge(one) for one in judged))
    audit = tuple(_audit(judged, several=len(judges) > 1))
    return Perception(" and ".join(judges), audit, tuple(one for one in shown if one.examples))


# --- the judge ---------------------------------------------------------------------------


def _judge(result: Result) -> str:
    """The judge of a run, "" where it had none."""
    name = str(result.settings.get("judge", "none"))
    return "" if name == "none" else name


def _audit(results: Sequence[Result], *, several: bool) -> list[JudgeLine]:
    """What answers of known worth got, each line once; with the judge's name if there are more."""
    known, spreads = [], []
    order = list(_EXPECTED)
    for result in sorted(results, key=lambda one: _place(order, one.predictor.name)):
        by = f", by {_judge(result)}" if several else ""
        score = result.metrics.get("judge_score")
        if result.predictor.name in _EXPECTED and score and score.value is not None:
            what, expected = _EXPECTED[result.predictor.name]
            known.append(_line(what + by, expected, score))
        spread = result.metrics.get("judge_spread")
        if spread and spread.value is not None:
            said = f"one answer of {result.predictor.name} twice{by}: difference of the scores"
            spreads.append(_line(said, "0", spread))
    return list(dict.fromkeys(known + spreads))


def _place(order: Sequence[str], name: str) -> int:
    return order.index(name) if name in order else len(order)


def _line(what: str, expected: str, metric: Metric) -> JudgeLine:
    decimals = interval_decimals(metric.low, metric.high)
    ends = (show(end, decimals) for end in (metric.low, metric.high))
    interval = " to ".join(ends) if decimals is not None else ""
    return JudgeLine(what, expected, show(metric.value, decimals), interval, metric.n)


# --- examples ----------------------------------------------------------------------------


def _examples(samples: Samples) -> tuple[Example, ...]:
    pictures = samples.columns.get("picture", ())
    rows = [row for row, picture in enumerate(pictures) if isinstance(picture, bytes)]
    scales, kinds = samples.texts("scale"), samples.texts("kind")
    rows.sort(key=lambda row: (scales.index(scales[row]), kinds[row]))
    return tuple(_example(samples, row) for row in rows)


def _example(samples: Samples, row: int) -> Example:
    def text(name: str) -> str:
        return samples.texts(name)[row]

    kind = text("kind")
    options = _options(text("options"), _listed(text("picks")))
    verdict, good = _verdict(samples, row)
    truth = f"{show(float(samples.numbers('truth')[row]))} {text('unit')}".strip()
    return Example(
        id=text("id"),
        scale=text("scale"),
        picture=_data_uri(samples.columns["picture"][row]),
        asked=text("question"),
        options=options,
        verdict=verdict,
        good=good,
        reply=_short(text("reply")),
        reference=_short(text("reference")) if kind == "open" else truth * (kind == "numeric"),
        judge=_short(text("judge_words")),
    )


def _verdict(samples: Samples, row: int) -> tuple[str, bool]:
    status, kind = samples.texts("status")[row], samples.texts("kind")[row]
    if status != SCORED:
        return f"not answered: {status}", False
    if kind == "open":
        score = float(samples.numbers("judge_score")[row])
        return (
            (f"judge's score {show(score, 1)} of 10", score >= 5)
            if score == score
            else ("the judge gave no score", False)
        )
    if samples.numbers("unparsable")[row] == 1:
        return "the reply states no answer", False
    if kind == "numeric":
        value = float(samples.numbers("value")[row])
        unit = samples.texts("unit")[row]
        error = 100 * float(samples.numbers("relative_error")[row])
        near = samples.numbers("within_10")[row] == 1
        return f"read {show(value)} {unit}, off by {show(error, 0)} %".replace("  ", " "), near
    orders = len(_listed(samples.texts("picks")[row]))
    right = float(samples.numbers("correct")[row])
    if orders == 1:
        return "right" if right else "wrong", right == 1
    return f"right in {round(right * orders)} of {orders} orders", right == 1


def _options(text: str, picks: Sequence[str]) -> tuple[ShownOption, ...]:
    return tuple(
        ShownOption(
            str(one.get("label", "")),
            str(one.get("caption", "")),
            str(one.get("kind", "")),
            one.get("kind") == "right",
            one.get("label") in picks,
        )
        for one in _listed(text)
        if isinstance(one, dict)
    )


def _listed(text: str) -> list[Any]:
    """A JSON list; empty where the file holds something else."""
    try:
        value = json.loads(text)
    except ValueError:
        return []
    return value if isinstance(value, list) else []


def _data_uri(picture: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(bytes(picture)).decode()}"


def _short(text: str) -> str:
    return text if len(text) <= MOST_WORDS else f"{text[:MOST_WORDS]} …"
