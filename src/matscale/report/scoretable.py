"""Score tables as values: what Markdown, LaTeX, the page and the notebook all draw from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matscale.report.metric_wording import family_label, family_of, metric_text
from matscale.report.particle_wording import UNRANKED
from matscale.report.wording import told_text
from matscale.results.result import Metric, Predictor, Result
from matscale.results.rounding import ABSENT, interval_decimals, show, show_signed

_UNITS = {"degrees": "°", "degree": "°", "deg": "°", "angstrom": "Å"}


@dataclass(frozen=True)
class Column:
    """One metric over all rows.

    Attributes:
        name: Name in the results.
        label: Name on the page.
        unit: Unit of the shown numbers.
        definition: One sentence, may be empty.
        better: ``"higher"`` or ``"lower"``.
        factor: Shown number over stored number; 100 for a percentage.
        low: Left end of the one scale on which all cells are drawn, in shown units.
        high: Right end of it.
    """

    name: str
    label: str
    unit: str
    definition: str
    better: str
    factor: float
    low: float
    high: float

    @property
    def heading(self) -> str:
        """Label with its unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def at(self, stored: float | None) -> float | None:
        """Place of a stored number on the scale, 0 to 100; None if it has none."""
        if stored is None or not math.isfinite(stored):
            return None
        place = (stored * self.factor - self.low) / (self.high - self.low)
        return round(100 * min(max(place, 0.0), 1.0), 2)


@dataclass(frozen=True)
class Cell:
    """One metric of one predictor, ready to show.

    Attributes:
        value: Shown value, a dash where there is none.
        low: Lower end of the interval, empty where there is none.
        high: Upper end of it.
        skill: Signed skill, empty where there is none.
        absent: Why there is no value; empty where there is one.
        best: Whether no floor or model is better that answered as much and was not told the answer.
        raw: Stored value.
        n: Number of samples.
        places: On the column's scale, 0 to 100: value, low, high, floor, ceiling.
        floor: Shown floor, empty where there is none.
        ceiling: Shown ceiling, empty where there is none.
    """

    value: str
    low: str = ""
    high: str = ""
    skill: str = ""
    absent: str = ""
    best: bool = False
    raw: float | None = None
    n: int = 0
    places: tuple[float | None, ...] = (None,) * 5
    floor: str = ""
    ceiling: str = ""


@dataclass(frozen=True)
class Row:
    """One predictor, or one predictor on one group of samples."""

    predictor: Predictor
    told: str
    cells: tuple[Cell, ...]
    group: str = ""
    n: int | None = None


@dataclass(frozen=True)
class ScoreTable:
    """A table of predictors (rows) and metrics (columns) under one protocol.

    Attributes:
        title: Such as ``"Scores"`` or the name of a family of metrics.
        protocol: Protocol of all its rows.
        columns: The metrics.
        rows: The predictors: models, floors, ceilings.
        by: For a breakdown, what the groups are by; else empty.
        family: Prefix of a family of metrics; else empty.
    """

    title: str
    protocol: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    by: str = ""
    family: str = ""


_NOISE = 1e-5
"""A value and interval below this share of the column's scale are arithmetic noise: shown as 0."""
_KIND_ORDER = {"model": 0, "floor": 1, "ceiling": 2}


def rounding(unit: str) -> float:
    """What is smaller is arithmetic, such as the 1e-15 Å of an exact copy; shown as 0.

    Ratios may be as small as 1e-11 and mean it: published volume ratios are.
    """
    return 1e-9 if unit else 1e-12


def ordered(results: Iterable[Result]) -> list[Result]:
    """Models first, then floors, then ceilings; each best first on its headline, sound first."""
    return sorted(results, key=_rank)


def _rank(result: Result) -> tuple[int, bool, float]:
    metric = result.metrics.get(result.headline)
    score = math.inf
    if metric is not None and metric.value is not None:
        score = -metric.value if metric.better == "higher" else metric.value
    return _KIND_ORDER[result.predictor.kind], result.protocol != "sound", score


def score_tables(results: Sequence[Result]) -> list[ScoreTable]:
    """One main table a protocol, sound first, and one for each family of lattice parameters.

    Args:
        results: Results of one task on one dataset.
    """
    tables = []
    for protocol in ("sound", "published"):
        rows = ordered(result for result in results if result.protocol == protocol)
        if rows:
            tables += _protocol_tables(protocol, rows)
    return tables


def _protocol_tables(protocol: str, results: list[Result]) -> list[ScoreTable]:
    names = list(dict.fromkeys(name for result in results for name in result.metrics))
    families: dict[str, list[str]] = {}
    for name in names:
        family = family_of(name)
        if family is not None:
            families.setdefault(family[0], []).append(name)
    families = {prefix: members for prefix, members in families.items() if len(members) > 1}
    grouped = {name for members in families.values() for name in members}
    headlines = [result.headline for result in results if result.headline in names]
    main = sorted(
        (name for name in names if name not in grouped), key=lambda name: name not in headlines
    )
    tables = [_table("Scores", protocol, results, main)] if main else []
    for prefix, members in families.items():
        tables.append(_table(family_label(prefix), protocol, results, members, prefix))
    return tables


def _table(
    title: str, protocol: str, results: list[Result], names: list[str], family: str = ""
) -> ScoreTable:
    columns = make_columns(names, [result.metrics for result in results])
    rows = make_rows(columns, [(result.predictor, "", None, result.metrics) for result in results])
    return ScoreTable(title, protocol, columns, rows, family=family)


def breakdown_tables(results: Sequence[Result]) -> list[ScoreTable]:
    """One table a grouping and protocol: a row for each predictor and group."""
    tables = []
    for protocol in ("sound", "published"):
        chosen = ordered(result for result in results if result.protocol == protocol)
        for by in dict.fromkeys(group.by for result in chosen for group in result.groups):
            tables.append(_breakdown(by, protocol, chosen))
    return tables


def _breakdown(by: str, protocol: str, results: list[Result]) -> ScoreTable:
    groups = [
        (result.predictor, group) for result in results for group in result.groups if group.by == by
    ]
    order = list(dict.fromkeys(group.group for _, group in groups))
    groups.sort(key=lambda pair: order.index(pair[1].group))
    names = list(dict.fromkeys(name for _, group in groups for name in group.metrics))
    columns = make_columns(names, [group.metrics for _, group in groups])
    entries = [(predictor, group.group, group.n, group.metrics) for predictor, group in groups]
    return ScoreTable(f"By {by}", protocol, columns, make_rows(columns, entries), by=by)


def make_columns(names: Sequence[str], metrics: Sequence[dict[str, Metric]]) -> tuple[Column, ...]:
    """Columns whose scales hold every value, interval, floor and ceiling."""
    return tuple(_column(name, [m[name] for m in metrics if name in m]) for name in names)


def _column(name: str, metrics: list[Metric]) -> Column:
    stored_unit = next((metric.unit for metric in metrics if metric.unit), "")
    text = metric_text(name, stored_unit)
    percent = not stored_unit and text.unit == "%"
    unit = _UNITS.get(stored_unit, stored_unit) or text.unit
    factor = 100.0 if percent else 1.0
    low, high = _limits(metrics, factor)
    if percent and high <= 100:
        high = 100.0
    better = metrics[0].better if metrics else "higher"
    return Column(name, text.label, unit, text.definition, better, factor, low, high)


def _limits(metrics: list[Metric], factor: float) -> tuple[float, float]:
    numbers = [
        number * factor
        for metric in metrics
        for number in (metric.value, metric.low, metric.high, metric.floor, metric.ceiling)
        if number is not None and math.isfinite(number)
    ]
    low = min([0.0, *numbers])
    high = max(numbers, default=1.0)
    return low, high if high > low else low + 1.0


Entry = tuple[Predictor, str, int | None, dict[str, Metric]]
Metrics = dict[str, dict[str, Metric]]
"""Metrics of each predictor, by its name."""


def make_rows(columns: Sequence[Column], entries: Sequence[Entry]) -> tuple[Row, ...]:
    """Rows of cells; the best of each group and column is marked."""
    rivals = _rivals(columns, entries)
    own: dict[str, Metrics] = {}
    for predictor, group, _, metrics in entries:
        own.setdefault(group, {})[predictor.name] = metrics
    rows = []
    for place, (predictor, group, n, metrics) in enumerate(entries):
        floors = own.get(group, {})
        cells = tuple(
            make_cell(
                column,
                metrics.get(column.name),
                _best(column, rivals.get((group, column.name), {}), place),
                floors,
            )
            for column in columns
        )
        rows.append(Row(predictor, told_text(predictor.told), cells, group, n))
    return tuple(rows)


def _best(column: Column, rivals: dict[int, float], place: int) -> float | None:
    """Best stored value among the entries that are compared; None for one that is not."""
    if place not in rivals:
        return None
    return (max if column.better == "higher" else min)(rivals.values())


def _rivals(
    columns: Sequence[Column], entries: Sequence[Entry]
) -> dict[tuple[str, str], dict[int, float]]:
    """By group and column: the values that are compared, each under the place of its entry."""
    widest: dict[str, float] = {}
    for predictor, group, _, metrics in entries:
        if _competes(predictor):
            widest[group] = max(widest.get(group, 0.0), _coverage(metrics))
    rivals: dict[tuple[str, str], dict[int, float]] = {}
    for place, (predictor, group, _, metrics) in enumerate(entries):
        for column in columns:
            metric = metrics.get(column.name)
            if metric is None or metric.value is None or not _competes(predictor):
                continue
            if column.name in UNRANKED or _is_partial(metric, metrics, widest[group]):
                continue
            rivals.setdefault((group, column.name), {})[place] = metric.value
    return rivals


def _competes(predictor: Predictor) -> bool:
    return predictor.kind != "ceiling" and not predictor.told_the_answer


def _coverage(metrics: dict[str, Metric]) -> float:
    found = metrics.get("coverage")
    return 1.0 if found is None or found.value is None else found.value


def _is_partial(metric: Metric, metrics: dict[str, Metric], widest: float) -> bool:
    """Whether a value leaves out samples that its predictor did not answer, and another did.

    Answering the easy samples alone would be the best of means over what is answered.
    """
    own = metrics.get("coverage")
    return own is not None and metric.n < own.n and _coverage(metrics) < widest


def make_cell(
    column: Column,
    metric: Metric | None,
    best: float | None = None,
    floors: Metrics | None = None,
) -> Cell:
    """The cell of one metric, rounded to what its interval supports.

    Args:
        column: Its column.
        metric: None where the result does not have this metric.
        best: Best stored value of the column among those that this one is compared with; None
            where it is not compared.
        floors: Where to find the floor's own interval, which rounds the floor.
    """
    if metric is None:
        return Cell(ABSENT, absent="not scored for this predictor")
    if metric.value is None or not math.isfinite(metric.value):
        reason = metric_text(column.name).absent
        return Cell(ABSENT, absent=reason, n=metric.n, places=_places(column, metric))
    factor = column.factor
    low, high = (None if x is None else x * factor for x in (metric.low, metric.high))
    decimals = interval_decimals(low, high)
    noise = max(_NOISE * (column.high - column.low), rounding(metric.unit))
    shown = metric.value * factor
    if max(abs(shown), abs(high or 0.0)) < noise:
        shown, decimals = 0.0, None
    ceiling = None if metric.ceiling is None else metric.ceiling * factor
    if ceiling is not None and abs(ceiling) < noise:
        ceiling = 0.0
    floor = _floor_text(column, metric, floors or {})
    return Cell(
        value=show(shown, decimals),
        low="" if low is None or decimals is None else show(low, decimals),
        high="" if high is None or decimals is None else show(high, decimals),
        skill="" if metric.skill is None else show_signed(metric.skill),
        best=best is not None and metric.value == best,
        raw=metric.value,
        n=metric.n,
        places=_places(column, metric),
        floor=floor,
        ceiling="" if ceiling is None else show(ceiling, decimals),
    )


def _floor_text(column: Column, metric: Metric, floors: Metrics) -> str:
    """The floor, rounded by its own interval where that is known, else by the metric's."""
    if metric.floor is None:
        return ""
    own = floors.get(metric.floor_name or "", {}).get(column.name, metric)
    ends = (None if x is None else x * column.factor for x in (own.low, own.high))
    floor = metric.floor * column.factor
    if abs(floor) < rounding(metric.unit):
        return show(0.0)
    return show(floor, interval_decimals(*ends))


def _places(column: Column, metric: Metric) -> tuple[float | None, ...]:
    numbers = (metric.value, metric.low, metric.high, metric.floor, metric.ceiling)
    return tuple(column.at(number) for number in numbers)
