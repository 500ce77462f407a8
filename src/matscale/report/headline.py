"""A result in plain words."""

from __future__ import annotations

from dataclasses import dataclass

from matscale.report.metric_wording import long_label
from matscale.report.scoretable import Cell, Column, Metrics, make_cell, make_columns
from matscale.report.wording import FLOOR_TEXT, TASK_TEXT, told_text
from matscale.results.measure import same
from matscale.results.result import Metric, Result


@dataclass(frozen=True)
class Headline:
    """What the page says first of a model.

    Attributes:
        name: The predictor.
        before: Words before the value, without the name.
        value: Shown value with its unit.
        after: Words after it, up to the full stop.
        floor: Sentence about the floor; empty where there is none.
        verdict: ``"above"``, ``"below"``, ``"level"`` or ``""``.
        told: What it was told, in words.
        labels: Short warnings, such as ``"told the answer"``.
        explained: One sentence for each label that needs one.
    """

    name: str
    before: str
    value: str
    after: str
    floor: str
    verdict: str
    told: str
    labels: tuple[str, ...] = ()
    explained: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All of it as one paragraph."""
        first = f"{self.name} {self.before} {self.value} {self.after}."
        return " ".join(part for part in (first, self.floor, *self.explained) if part)


def headline(result: Result, floors: Metrics | None = None) -> Headline:
    """The headline metric of a result, its interval, and how it stands to the floor.

    Args:
        result: The result.
        floors: Metrics of the floors by name, for the digits of the floor's number.
    """
    metric = result.metrics.get(result.headline)
    labels, explained = _labels(result)
    task = TASK_TEXT.get(result.task)
    if task is not None and result.headline in task.cautions:
        explained = (*explained, task.cautions[result.headline])
    told = told_text(result.predictor.told)
    name = result.predictor.name
    if metric is None or metric.value is None:
        reason = "was not scored" if metric is None else f"has no {long_label(result.headline)}"
        empty = ("", "", "") if metric is None else ("", "", _why(result, metric))
        return Headline(name, reason, empty[1], empty[2], "", "", told, labels, explained)
    (column,) = make_columns([result.headline], [result.metrics])
    cell = make_cell(column, metric, floors=floors)
    before, after = _phrase(result)
    interval = f" (95 % interval {cell.low} to {cell.high})" if cell.low else ""
    floor = _floor_sentence(result, column, metric, cell)
    value = _with_unit(cell.value, column)
    return Headline(
        name, before, value, after + interval, floor, _verdict(metric), told, labels, explained
    )


def _why(result: Result, metric: Metric) -> str:
    (column,) = make_columns([result.headline], [result.metrics])
    return f"({make_cell(column, metric).absent})"


def _phrase(result: Result) -> tuple[str, str]:
    size = _size(result)
    task = TASK_TEXT.get(result.task)
    if task is not None and result.headline in task.says:
        before, after = task.says[result.headline]
        return before, after.format(n=size)
    return f"has a {long_label(result.headline)} of", f"over {size} samples"


def _size(result: Result) -> str:
    """How many samples the headline is over: all of them, unless the protocol leaves some out."""
    asked, metric = result.counts.submitted, result.metrics[result.headline]
    if result.protocol == "published" and metric.n < asked:
        return f"the {metric.n} (of {asked}) that were read of the"
    return str(asked)


def _with_unit(value: str, column: Column) -> str:
    return f"{value}\N{NO-BREAK SPACE}{column.unit}" if column.unit else value


def _verdict(metric: Metric) -> str:
    """Where the floor lies: a value is level with it when its interval holds the floor."""
    if metric.floor is None or metric.value is None:
        return ""
    low = metric.value if metric.low is None else metric.low
    high = metric.value if metric.high is None else metric.high
    if low <= metric.floor <= high or same(metric.value, metric.floor):
        return "level"
    return "above" if (metric.value > metric.floor) == (metric.better == "higher") else "below"


_LEVEL = "cannot be told apart from that floor"
_STANDS = {
    "higher": {"above": "is above that floor", "below": "is below that floor", "level": _LEVEL},
    "lower": {
        "above": "does better than that floor",
        "below": "does worse than that floor",
        "level": _LEVEL,
    },
}


def _floor_sentence(result: Result, column: Column, metric: Metric, cell: Cell) -> str:
    if metric.floor is None:
        return ""
    name = metric.floor_name or "floor"
    rule = FLOOR_TEXT.get(name, f"The floor “{name}”")
    task = TASK_TEXT.get(result.task)
    reaches = task.says[result.headline][0] if task and result.headline in task.says else "reaches"
    value = _with_unit(cell.floor, column)
    stands = _STANDS[metric.better][_verdict(metric)]
    ends = f" (skill {cell.skill})" if cell.skill else ""
    return f"{rule} {reaches} {value}: {result.predictor.name} {stands}{ends}."


def _labels(result: Result) -> tuple[tuple[str, ...], tuple[str, ...]]:
    labels, explained = [], []
    predictor = result.predictor
    if predictor.told_the_answer:
        labels.append("told the answer")
        explained.append(
            "It saw positions or cell of the target, so this measures copying, not prediction."
        )
    if predictor.told is None:
        labels.append("not stated what it was told")
    if result.protocol == "published":
        labels.append("published protocol")
    return tuple(labels), tuple(explained)
