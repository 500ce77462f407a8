"""Two results on the same questions: paired bootstrap, and the answer in words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from matscale.errors import UserError
from matscale.metrics import statistics
from matscale.results.result import Result
from matscale.results.rounding import interval_decimals, show
from matscale.results.store import load_samples


@dataclass(frozen=True)
class Comparison:
    """The difference of two predictors on one metric, on the same ids.

    Attributes:
        metric: What is compared.
        first: Value of the first predictor over the ids that count for both; None without any.
        second: Value of the second.
        difference: first - second.
        low: Lower end of the 95 % interval of the difference.
        high: Upper end.
        n: Number of ids that count.
        sentence: The comparison in words.
        caution: What makes the comparison unfair, in a sentence; "" where nothing is known to.
    """

    metric: str
    first: float | None
    second: float | None
    difference: float | None
    low: float | None
    high: float | None
    n: int
    sentence: str
    caution: str


@dataclass(frozen=True)
class _Quantity:
    """What is compared, and how a difference of it is said.

    Attributes:
        column: Per-sample column.
        verb: What the first predictor does.
        where: Words after the second predictor's name.
        unit: Unit of the said number, with the space before it.
        factor: Said number over stored number.
        more: Words for a positive difference.
        less: Words for a negative one.
    """

    column: str
    verb: str
    where: str = ""
    unit: str = " points"
    factor: float = 100.0
    more: str = "more often"
    less: str = "less often"


def _error(column: str, where: str, unit: str) -> _Quantity:
    return _Quantity(column, "is off by", f" {where}", unit, 1.0, "more", "less")


_COMPARED = {
    "match_rate": _Quantity("matched", "matches"),
    "composition_accuracy": _Quantity("composition_right", "has the composition right"),
    "amd_mean": _error("amd_distance", "in AMD distance", " Å"),
    "length_mae": _error("length_error", "in cell lengths", " Å"),
    "angle_mae": _error("angle_error", "in cell angles", "°"),
    "volume_error": _error("volume_error", "in volume per atom, as a fraction of it", ""),
    "accuracy": _Quantity("correct", "picks the right caption"),
}


def compare(
    first: Result, first_folder: Path, second: Result, second_folder: Path, *, seed: int = 0
) -> list[Comparison]:
    """Compare two results of one task and protocol on the ids that both were asked.

    Rates are over all shared ids. Errors are over the shared ids on which both have a readable
    prediction, and say over how many. Intervals: 95 % paired bootstrap, 1000 resamples.

    Raises:
        UserError: If the results do not answer the same question.
    """
    _check_comparable(first, second)
    tables = [load_samples(first, first_folder), load_samples(second, second_folder)]
    if any(table is None for table in tables):
        raise UserError("a result without per-sample scores cannot be compared: score it again")
    left, right = _joined(*[table for table in tables if table is not None])
    if not left.num_rows:
        raise UserError(f"{first.name} and {second.name} have no id in common")
    names = first.predictor.name, second.predictor.name
    caution = _caution(first, second)
    return [
        _one(metric, names, caution, left, right, seed)
        for metric, quantity in _COMPARED.items()
        if quantity.column in left.column_names
    ]


def _check_comparable(first: Result, second: Result) -> None:
    for what, one, other in (
        ("task", first.task, second.task),
        ("protocol", first.protocol, second.protocol),
        ("set of targets", first.dataset.sha256, second.dataset.sha256),
    ):
        if one != other:
            raise UserError(
                f"{first.name} and {second.name} cannot be compared: their {what} differs "
                f"({one[:12]} and {other[:12]})"
            )


def _joined(first: pa.Table, second: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The rows of both tables whose id is in both, in the same order."""
    shared = set(first["id"].to_pylist()) & set(second["id"].to_pylist())
    tables = []
    for table in (first, second):
        kept = table.filter(pc.is_in(table["id"], value_set=pa.array(sorted(shared))))
        tables.append(kept.sort_by("id"))
    return tables[0], tables[1]


def _one(
    metric: str, names: tuple[str, str], caution: str, left: pa.Table, right: pa.Table, seed: int
) -> Comparison:
    quantity = _COMPARED[metric]
    values = [_floats(table[quantity.column]) for table in (left, right)]
    both = np.isfinite(values[0]) & np.isfinite(values[1])
    a, b = values[0][both], values[1][both]
    n = int(both.sum())
    if not n:
        sentence = f"{names[0]} and {names[1]} have no sample in common for {metric}."
        return Comparison(metric, None, None, None, None, None, 0, sentence, caution)
    draws = statistics.bootstrap(lambda weights: statistics.mean(a - b, weights), n, seed=seed)
    low, high = statistics.percentile_interval(draws)
    assert low is not None and high is not None
    difference = float((a - b).mean())
    sentence = _sentence(quantity, names, difference, (low, high), n)
    return Comparison(
        metric, float(a.mean()), float(b.mean()), difference, low, high, n, sentence, caution
    )


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    return column.cast(pa.float64()).to_numpy()


def _sentence(
    quantity: _Quantity,
    names: tuple[str, str],
    difference: float,
    interval: tuple[float, float],
    n: int,
) -> str:
    first, second = names
    if interval == (0.0, 0.0):
        same = "as often as" if quantity.more == "more often" else "as much as"
        verb = quantity.verb.removesuffix(" by")
        return f"{first} {verb} {same} {second}{quantity.where}, on each of {n} samples."
    low, high = sorted(np.sign(difference or 1.0) * quantity.factor * end for end in interval)
    decimals = interval_decimals(low, high)
    size = show(quantity.factor * abs(difference), decimals)
    direction = quantity.less if difference < 0 else quantity.more
    doubt = "; the interval holds 0, so this may be chance" if low <= 0 <= high else ""
    return (
        f"{first} {quantity.verb} {size}{quantity.unit} {direction} than {second}{quantity.where}"
        f" (95 % interval {show(low, decimals)} to {show(high, decimals)}, n = {n}{doubt})."
    )


def _caution(first: Result, second: Result) -> str:
    """What the two were told, where that makes them hard to compare."""
    for result in (first, second):
        if result.predictor.told_the_answer:
            return (
                f"{result.predictor.name} was told positions or cell of the target: "
                "this sets a copy beside a prediction."
            )
    told = [result.predictor.told for result in (first, second)]
    said = ["nothing declared" if t is None else ", ".join(t) or "nothing" for t in told]
    if None in told or set(told[0] or ()) != set(told[1] or ()):
        return (
            f"They may not have been told the same ({first.predictor.name}: {said[0]}; "
            f"{second.predictor.name}: {said[1]})."
        )
    return ""
