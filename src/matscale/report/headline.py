"""A result in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matscale.report.tables.best import strongest_place
from matscale.report.tables.score import Cell, Column, make_cell, make_columns
from matscale.report.wording import text_of, told_fields, told_text
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
        floor: Sentences about the floor, the strongest one, or what stands in their place; empty
            where there is none.
        verdict: ``"above"``, ``"below"``, ``"level"`` or ``""``.
        told: What it was told or declares, in words; empty where the task tells nothing.
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


def headline(result: Result, others: Sequence[Result] = ()) -> Headline:
    """The headline metric of a result, its interval, and how it stands to the floor.

    Args:
        result: The result.
        others: Results on the same question; of those under its protocol, the floors say which is
            the strongest, and how many digits a floor has.
    """
    others = [one for one in others if one.protocol == result.protocol]
    metric = result.metrics.get(result.headline)
    labels, explained = _labels(result)
    spec = result.spec(result.headline)
    explained = (*explained, spec.caution) if spec.caution else explained
    told = told_text(result.predictor, result.task) if text_of(result.task).tells else ""
    name = result.predictor.name
    if metric is None or metric.value is None:
        reason = "was not scored" if metric is None else f"has no {spec.long_label}"
        empty = ("", "", "") if metric is None else ("", "", _why(result, metric))
        return Headline(name, reason, empty[1], empty[2], "", "", told, labels, explained)
    if spec.division:
        before, value, after, beside = shares_of(result, others)
        return Headline(name, before, value, after, beside, "", told, labels, explained)
    floors = {r.predictor.name: r.metrics for r in others if r.predictor.kind == "floor"}
    column = _column(result, result.headline)
    cell = make_cell(column, metric, floors)
    before, after = _phrase(result)
    interval = f" (95 % interval {cell.low} to {cell.high})" if cell.low else ""
    floor = " ".join(
        sentence
        for sentence in (
            _floor_sentence(result, column, metric, cell),
            _strongest_sentence(result, column, metric, others),
        )
        if sentence
    )
    value = _with_unit(cell.value, column)
    return Headline(
        name, before, value, after + interval, floor, _verdict(metric), told, labels, explained
    )


def _column(result: Result, name: str) -> Column:
    """A column of one metric of one result."""
    (column,) = make_columns([name], [result.metrics], result.definitions)
    return column


def _why(result: Result, metric: Metric) -> str:
    column = _column(result, result.headline)
    return f"({make_cell(column, metric).absent})"


def _phrase(result: Result) -> tuple[str, str]:
    size = _size(result)
    spec = result.spec(result.headline)
    if spec.headline:
        before, after = spec.headline
        return before, after.format(n=size)
    return f"has a {spec.long_label} of", f"over {size} samples"


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
    rule = text_of(result.task).floors.get(name, f"The floor “{name}”")
    value = _with_unit(cell.floor, column)
    stands = _STANDS[metric.better][_verdict(metric)]
    ends = f" (skill {cell.skill})" if cell.skill else ""
    return f"{rule} {_reaches(result)} {value}: {result.predictor.name} {stands}{ends}."


def _strongest_sentence(
    result: Result, column: Column, metric: Metric, others: Sequence[Result]
) -> str:
    """The strongest floor, where it was told more and is not the one that the model is held to."""
    entries = [(one.predictor, "", None, one.metrics) for one in (result, *others)]
    place = strongest_place(column.spec, entries)
    if not place:  # none, or the result itself
        return ""
    floor = others[place - 1]
    best = floor.metrics[column.name]
    if metric.floor is not None and (
        floor.predictor.name == metric.floor_name or same(best.value or 0.0, metric.floor)
    ):
        return ""
    value = _with_unit(make_cell(column, best).value, column)
    told = f", told {told_fields(floor.predictor.told)}" if floor.predictor.told else ""
    return f"The strongest floor, {floor.predictor.name}{told}, {_reaches(result)} {value}."


def _reaches(result: Result) -> str:
    words = result.spec(result.headline).headline
    return words[0] if words else "reaches"


# --- shares in place of one number ---------------------------------------------------------


def shares_of(result: Result, others: Sequence[Result]) -> tuple[str, str, str, str]:
    """A headline that is a division into classes: no one of them is good or bad by itself.

    Returns:
        Words before the first share, that share, the other shares, and the same of the real
        crystals beside which they mean something.
    """
    first, *rest = _shares(result, intervals=True)
    before = f"has, of {result.counts.submitted:,} crystals,"
    value, _, after = first.partition(" % ")
    line = next((one for one in others if one.predictor.kind == "ceiling"), None)
    if line is None:
        beside = "Held-out real crystals beside them (--held-out) would say what is usual."
    else:
        shares = _listed(_shares(line, intervals=False))
        shares = shares.replace(" % ", " % are ", 1)
        beside = f"Of {line.counts.submitted:,} held-out real crystals, {shares}."
    return before, f"{value}\N{NO-BREAK SPACE}%", _listed([after, *rest]), beside


def is_division(result: Result) -> bool:
    """Whether the headline is one class of several, of which more is not better."""
    return bool(result.spec(result.headline).division)


def division(result: Result) -> str:
    """All the classes in a few words; "" where the headline is a number of its own."""
    metric = result.metrics.get(result.headline)
    if not is_division(result) or not metric or metric.value is None:
        return ""
    return _listed(_shares(result, intervals=False))


def _shares(result: Result, *, intervals: bool) -> list[str]:
    """Each class with its share, such as ``25 % copies with elements swapped (18 to 31)``.

    The last class, what could not be judged, is left out where nothing is in it.
    """
    classes = result.spec(result.headline).division
    found = []
    for name, words in classes.items():
        metric = result.metrics.get(name)
        if metric is None or metric.value is None:
            continue
        if name == list(classes)[-1] and metric.value == 0:
            continue
        cell = make_cell(_column(result, name), metric)
        interval = f" ({cell.low} to {cell.high})" if intervals and cell.low else ""
        found.append(f"{cell.value} % {words}{interval}")
    return found


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)


# --- labels --------------------------------------------------------------------------------


def _labels(result: Result) -> tuple[tuple[str, ...], tuple[str, ...]]:
    labels, explained = [], []
    predictor = result.predictor
    if predictor.told_the_answer:
        labels.append("told the answer")
        explained.append(
            "It saw positions or cell of the target, so this measures copying, not prediction."
        )
    if predictor.refuted:
        labels.append("declaration refuted")
        explained.append(predictor.refuted)
    if predictor.told is None:
        labels.append("not declared what it was told")
    if result.protocol == "published":
        labels.append("published protocol")
    return tuple(labels), tuple(explained)
