"""Two results of one task on one data set: the difference of each main metric, in words.

Where both answer the same ids the bootstrap is paired: a resample draws ids, and takes the
difference of both predictors on them. Where each has samples of its own, such as generated
crystals, nothing pairs them: each side is resampled by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from matscale.results.compared import ComparedTask
from matscale.results.differences import Difference, paired, unpaired
from matscale.results.metric import ComparedWords, MetricSpec
from matscale.results.result import Dataset, Result
from matscale.results.rounding import interval_decimals, show
from matscale.results.store import load_samples
from matscale.runtime.errors import UserError


@dataclass(frozen=True)
class Comparison:
    """The difference of two predictors on one metric.

    Attributes:
        metric: What is compared.
        first: Value of the first predictor over the samples that count; None without any, or
            where the metric cannot be compared.
        second: Value of the second.
        difference: first - second.
        low: Lower end of the 95 % interval of the difference; None where there is none.
        high: Upper end.
        n: Number of samples that count, of the first predictor.
        n_second: The same of the second: equal where both answer the same ids.
        sentence: The comparison in words, or why there is none.
        caution: What makes the comparison unfair, in a sentence; "" where nothing is known to.
        comparable: Whether ``compare`` can take this metric at all.
        label: What the metric is called.
    """

    metric: str
    first: float | None
    second: float | None
    difference: float | None
    low: float | None
    high: float | None
    n: int
    n_second: int
    sentence: str
    caution: str
    comparable: bool = True
    label: str = ""


def compare(
    first: Result,
    first_folder: Path,
    second: Result,
    second_folder: Path,
    task: ComparedTask,
    *,
    seed: int = 0,
) -> list[Comparison]:
    """Compare two results of one task, one data set and one protocol.

    Paired: rates are over all shared ids, errors over those on which both have a value, and the
    sentence says over how many. Not paired: over all samples of each. Intervals: 95 %, 1000
    resamples.

    Args:
        first: A result.
        first_folder: The folder of its files.
        second: Another.
        second_folder: The folder of its files.
        task: What the samples of the task are.
        seed: Of the bootstrap.

    Returns:
        The headline metric first, then the others that both results define and compare, then those
        of both that cannot be compared, with the reason in their sentence.

    Raises:
        UserError: If the results do not answer the same question, or have no sample in common.
    """
    _check_comparable(first, second, by_id=task.paired)
    names = _names(first, second)
    tables = _samples(first, first_folder), _samples(second, second_folder)
    specs = _ordered(first, second)
    cautions = [_told(first, second, names), _settings(first, second, names, task)]
    if task.paired:
        if tables[0] is None or tables[1] is None:
            missing = first if tables[0] is None else second
            raise UserError(
                f"cannot compare: {missing.name} has no per-sample scores beside it: score it "
                "again with --out"
            )
        pair, lost = _joined(first, second, tables[0], tables[1])
        cautions.append(lost)
        differences = {
            name: paired(spec, *pair, task.clusters, seed) for name, spec in specs.items()
        }
    else:
        if first.counts.submitted != second.counts.submitted:
            cautions.append(task.sizes_matter)
        differences = {
            name: unpaired(spec, (first.metrics[name], second.metrics[name]), tables, seed)
            for name, spec in specs.items()
        }
    caution = " ".join(one for one in cautions if one)
    return [
        *(
            _comparison(name, specs[name], task, names, difference, caution)
            for name, difference in differences.items()
            if difference is not None
        ),
        *_left_out(first, second, {k for k, v in differences.items() if v is not None}, caution),
    ]


# --- which results -----------------------------------------------------------------------


def _check_comparable(first: Result, second: Result, *, by_id: bool) -> None:
    one, other = _question(first.dataset, by_id), _question(second.dataset, by_id)
    same = first.task == second.task, first.protocol == second.protocol, one == other
    if all(same):
        return
    said = [
        f"{result.name} is of {result.task} on {result.dataset.name} ({result.protocol} protocol)"
        for result in (first, second)
    ]
    if same[0] and first.dataset.name == second.dataset.name and one != other:
        what = "targets" if by_id else "training crystals"
        said = [
            f"{words.removesuffix(')')}, {what} {hashed[:12]})"
            for words, hashed in zip(said, (one, other), strict=True)
        ]
    raise UserError(
        f"cannot compare: {said[0]}, {said[1]}: give two results of one task on one data set under "
        "one protocol"
    )


def _question(dataset: Dataset, by_id: bool) -> str:
    """What was asked, as a hash: the targets, or the training set crystals are held against."""
    return dataset.sha256 if by_id else dataset.train_sha256 or dataset.sha256


def _names(first: Result, second: Result) -> tuple[str, str]:
    """What sentences call the two, told apart where one model was scored twice."""
    one, other = first.predictor.name, second.predictor.name
    return (one, other) if one != other else (f"{one} (first)", f"{other} (second)")


def _samples(result: Result, folder: Path) -> pa.Table | None:
    try:
        return load_samples(result, folder)
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{folder / str(result.samples)} is damaged ({str(error).splitlines()[0][:80]}): score "
            f"{result.predictor.name} again"
        ) from error


def _joined(
    first: Result, second: Result, one: pa.Table, other: pa.Table
) -> tuple[tuple[pa.Table, pa.Table], str]:
    """The rows of both tables whose id is in both, in one order, and what that leaves out."""
    rows = [_rows_by_id(first, one), _rows_by_id(second, other)]
    shared = sorted(rows[0].keys() & rows[1].keys())
    if not shared:
        some = [f"such as {next(iter(ids))!r}" if ids else "none at all" for ids in rows]
        raise UserError(
            f"cannot compare: {first.name} and {second.name} have no id in common "
            f"({some[0]}, and {some[1]}): give two results on the same targets"
        )
    tables = (
        one.take([rows[0][name] for name in shared]),
        other.take([rows[1][name] for name in shared]),
    )
    if len(shared) == len(rows[0]) == len(rows[1]):
        return tables, ""
    return tables, (
        f"Only the {len(shared)} ids that both have are compared, of {len(rows[0])} and "
        f"{len(rows[1])}."
    )


def _rows_by_id(result: Result, table: pa.Table) -> dict[str, int]:
    if "id" not in table.column_names:
        raise UserError(f"the per-sample scores of {result.name} have no column id: score it again")
    rows: dict[str, int] = {}
    for row, name in enumerate(table["id"].to_pylist()):
        rows.setdefault(name, row)
    return rows


def _ordered(first: Result, second: Result) -> Mapping[str, MetricSpec]:
    """The metrics that both results have and that say how they are compared, the headline first."""
    known = {**second.definitions, **first.definitions}
    shared = {
        name: spec
        for name, spec in known.items()
        if spec.compared and name in first.metrics and name in second.metrics
    }
    return dict(sorted(shared.items(), key=lambda item: item[0] != first.headline))


# --- words -------------------------------------------------------------------------------


def _comparison(
    name: str,
    spec: MetricSpec,
    task: ComparedTask,
    names: tuple[str, str],
    found: Difference,
    caution: str,
) -> Comparison:
    one, other = found.values
    if not found.sizes[0]:
        both = f"{names[0]} and {names[1]}"
        sentence = f"{both} have no {task.samples} on which each has a value of {name}."
        return Comparison(name, *(None,) * 5, 0, 0, sentence, caution, label=spec.long_label)
    sentence = _sentence(spec, task, names, found)
    return Comparison(
        name,
        one,
        other,
        one - other,
        *found.interval,
        *found.sizes,
        sentence,
        caution,
        label=spec.long_label,
    )


def _sentence(
    spec: MetricSpec, task: ComparedTask, names: tuple[str, str], found: Difference
) -> str:
    words = spec.compared or ComparedWords(verb="has")
    first, second = names
    one, other = found.values
    alike = f"{first} {words.verb.removesuffix(' by')} {words.same} {second}{words.where}"
    if found.same:
        return f"{alike}, on each of {found.sizes[0]} {task.samples}."
    sign = np.sign(one - other or 1.0) * words.factor
    low, high = found.interval
    decimals = None
    interval, includes_0 = "too few for an interval", False
    if low is not None and high is not None:
        low, high = sorted((sign * low, sign * high))
        decimals = interval_decimals(low, high)
        interval = f"95 % interval {show(low, decimals)} to {show(high, decimals)}"
        includes_0 = low <= 0 <= high
    doubt = "; the interval includes 0: not significant" if includes_0 else ""
    inside = _numbers(spec, task, found, interval, decimals) + doubt
    if one == other:
        return f"{alike} ({inside})."
    size = show(abs(sign * (one - other)), decimals)
    direction = words.less if one < other else words.more
    return (
        f"{first} {words.verb} {size}{words.unit} {direction} than {second}{words.where} "
        f"({inside})."
    )


def _numbers(
    spec: MetricSpec,
    task: ComparedTask,
    found: Difference,
    interval: str,
    decimals: int | None,
) -> str:
    """The interval and over how many samples it is: two numbers where each side has its own."""
    one, other = found.sizes
    if task.paired:
        groups = f" in {found.clusters} {task.clusters}s" if found.clusters else ""
        return f"{interval}, n = {one}{groups}"
    if not spec.share:
        return f"{interval}, n = {one} and {other}"
    shares = [show(100 * value, decimals) for value in found.values]
    return f"{shares[0]} % of {one}, {shares[1]} % of {other}; {interval}"


def _left_out(first: Result, second: Result, compared: set[str], caution: str) -> list[Comparison]:
    """The metrics of both results that are not compared."""
    why = "is not compared: it is not a main metric with a value per sample"
    return [
        Comparison(
            metric=name,
            first=None,
            second=None,
            difference=None,
            low=None,
            high=None,
            n=0,
            n_second=0,
            sentence=f"{name} {why}.",
            caution=caution,
            comparable=False,
            label=first.spec(name).long_label,
        )
        for name in first.metrics
        if name in second.metrics and name not in compared
    ]


def _told(first: Result, second: Result, names: tuple[str, str]) -> str:
    """What the two were told, where that makes them hard to compare."""
    for name, result in zip(names, (first, second), strict=True):
        if result.predictor.told_the_answer:
            return (
                f"{name} was told positions or cell of the target: this sets a copy beside a "
                "prediction."
            )
    told = [result.predictor.told for result in (first, second)]
    said = ["nothing declared" if t is None else ", ".join(t) or "nothing" for t in told]
    if None in told or set(told[0] or ()) != set(told[1] or ()):
        return (
            f"They may not have been told the same ({names[0]}: {said[0]}; {names[1]}: {said[1]})."
        )
    return ""


def _settings(first: Result, second: Result, names: tuple[str, str], task: ComparedTask) -> str:
    """Settings of the scoring that differ, in a sentence."""
    one, other = first.settings, second.settings
    differ = [
        f"{name} {one.get(name, 'none')} and {other.get(name, 'none')}"
        for name in dict.fromkeys((*one, *other))
        if name not in task.own_settings and one.get(name) != other.get(name)
    ]
    if not differ:
        return ""
    return f"{names[0]} and {names[1]} were scored with other settings: {'; '.join(differ)}."
