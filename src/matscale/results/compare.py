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
from matscale.results.store import load_samples


@dataclass(frozen=True)
class Comparison:
    """The difference of two predictors on one metric, on the same ids.

    Attributes:
        metric: What is compared.
        first: Value of the first predictor over the ids that count for both.
        second: Value of the second.
        difference: first - second.
        low: Lower end of the 95 % interval of the difference.
        high: Upper end.
        n: Number of ids that count.
        unit: "" for a share.
        sentence: The comparison in words.
    """

    metric: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    n: int
    unit: str
    sentence: str


# Per-sample column, unit, whether it is a rate, and how to say the difference.
_COMPARED = {
    "match_rate": ("matched", "", "matches", "more often", "less often"),
    "composition_accuracy": (
        "composition_right",
        "",
        "has the composition right",
        "more often",
        "less often",
    ),
    "amd_mean": ("amd_distance", "Å", "is off by", "more", "less"),
    "length_mae": ("length_error", "Å", "is off by", "more", "less"),
    "angle_mae": ("angle_error", "°", "is off by", "more", "less"),
    "volume_error": ("volume_error", "", "is off by", "more", "less"),
}
_WHAT = {
    "amd_mean": "in AMD distance",
    "length_mae": "in cell lengths",
    "angle_mae": "in cell angles",
    "volume_error": "in volume per atom (relative)",
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
    return [
        _one(metric, first.predictor.name, second.predictor.name, left, right, seed)
        for metric in _COMPARED
        if _COMPARED[metric][0] in left.column_names
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
    metric: str, name: str, other: str, left: pa.Table, right: pa.Table, seed: int
) -> Comparison:
    column, unit, verb, more, less = _COMPARED[metric]
    values = [_floats(table[column]) for table in (left, right)]
    both = np.isfinite(values[0]) & np.isfinite(values[1])
    a, b = values[0][both], values[1][both]
    n = int(both.sum())
    if not n:
        none = float("nan")
        sentence = f"{name} and {other} cannot be compared on {metric}: no id counts for both."
        return Comparison(metric, none, none, none, none, none, 0, unit, sentence)
    draws = statistics.bootstrap(lambda weights: statistics.mean(a - b, weights), n, seed=seed)
    low, high = statistics.percentile_interval(draws)
    assert low is not None and high is not None
    difference = float(a.mean() - b.mean())
    rate = verb != "is off by"
    flip = difference < 0
    size, ends = abs(difference), (-high, -low) if flip else (low, high)
    direction = less if flip else more
    amount = _points(size, ends) if rate else _amount(size, ends, unit)
    tail = f" {_WHAT[metric]}" if metric in _WHAT else ""
    verdict = "" if low > 0 or high < 0 else "; the interval holds 0, so this may be chance"
    sentence = (
        f"{name} {verb} {amount[0]} {direction} than {other}{tail} "
        f"(95 % interval {amount[1]}, n = {n}{verdict})."
    )
    return Comparison(
        metric, float(a.mean()), float(b.mean()), difference, low, high, n, unit, sentence
    )


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    return column.cast(pa.float64()).to_numpy()


def _points(size: float, ends: tuple[float, float]) -> tuple[str, str]:
    return f"{100 * size:.0f} points", f"{100 * ends[0]:.0f} to {100 * ends[1]:.0f}"


def _amount(size: float, ends: tuple[float, float], unit: str) -> tuple[str, str]:
    unit = f" {unit}" if unit else ""
    return f"{size:.3g}{unit}", f"{ends[0]:.3g} to {ends[1]:.3g}{unit}"
