"""Score tables as values: what Markdown, LaTeX, the page and the notebook all draw from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from matscale.report.tables.best import Entry, best_places, strongest_place
from matscale.report.wording import told_text
from matscale.results.metric import Definitions, Family, MetricSpec, unknown
from matscale.results.result import Metric, Predictor, Result
from matscale.results.rounding import ABSENT, interval_decimals, show, show_signed

_UNITS = {"degrees": "°", "degree": "°", "deg": "°", "angstrom": "Å"}


@dataclass(frozen=True)
class Column:
    """One metric over all rows.

    Attributes:
        spec: What the metric is.
        unit: Unit of the shown numbers.
        factor: Shown number over stored number; 100 for a percentage.
        low: Left end of the one scale on which all cells are drawn, in shown units.
        high: Right end of it.
    """

    spec: MetricSpec
    unit: str
    factor: float
    low: float
    high: float

    @property
    def name(self) -> str:
        """Name in the results."""
        return self.spec.name

    @property
    def label(self) -> str:
        """Name on the page."""
        return self.spec.label

    @property
    def better(self) -> str:
        """Which direction is better."""
        return self.spec.better

    @property
    def heading(self) -> str:
        """Label with its unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def long_heading(self) -> str:
        """The same of the label that needs no title of a family above it."""
        label = self.spec.long_label
        return f"{label} ({self.unit})" if self.unit else label

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
        best: Whether it is the best of comparable models, see :func:`best_places`.
        strongest: Whether it is the best of the floors, see :func:`strongest_place`.
        raw: Stored value.
        n: Number of samples.
        places: On the column's scale, 0 to 100: value, low, high, floor, ceiling.
        floor: Shown floor that the model is held against, empty where there is none.
        floor_name: Which floor that is.
        ceiling: Shown ceiling, empty where there is none.
    """

    value: str
    low: str = ""
    high: str = ""
    skill: str = ""
    absent: str = ""
    best: bool = False
    strongest: bool = False
    raw: float | None = None
    n: int = 0
    places: tuple[float | None, ...] = (None,) * 5
    floor: str = ""
    floor_name: str = ""
    ceiling: str = ""


@dataclass(frozen=True)
class Row:
    """One predictor, or one predictor on one group of samples, n of which were asked for."""

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


def specs_of(results: Iterable[Result]) -> dict[str, MetricSpec]:
    """What the results say of their metrics; of those of several results, the first."""
    found: dict[str, MetricSpec] = {}
    for result in results:
        for name, spec in result.definitions.items():
            found.setdefault(name, spec)
    return found


def _protocol_tables(protocol: str, results: list[Result]) -> list[ScoreTable]:
    specs = specs_of(results)
    names = list(dict.fromkeys(name for result in results for name in result.metrics))
    families: dict[Family, list[str]] = {}
    for name in names:
        family = specs[name].family if name in specs else None
        if family is not None:
            families.setdefault(family, []).append(name)
    families = {family: members for family, members in families.items() if len(members) > 1}
    grouped = {name for members in families.values() for name in members}
    headlines = [result.headline for result in results if result.headline in names]
    main = sorted(
        (name for name in names if name not in grouped),
        key=lambda name: _leading_place(specs.get(name), name in headlines),
    )
    tables = [_table("Scores", protocol, results, main)] if main else []
    for family, members in families.items():
        tables.append(_table(family.label, protocol, results, members, family.name))
    return tables


def _leading_place(spec: MetricSpec | None, is_headline: bool) -> tuple[bool, float]:
    """Sorts metrics: a headline first, unless it has a place; then those that have one."""
    place = spec.place if spec else None
    return not (is_headline and place is None), math.inf if place is None else place


def _table(
    title: str, protocol: str, results: list[Result], names: list[str], family: str = ""
) -> ScoreTable:
    columns = make_columns(names, [result.metrics for result in results], specs_of(results))
    entries = [
        (result.predictor, "", result.counts.submitted, result.metrics) for result in results
    ]
    rows = make_rows(columns, entries, results[0].task)
    return ScoreTable(title, protocol, columns, rows, family=family)


class ColumnGroup(NamedTuple):
    """Columns that stand together under one title: their places in the table."""

    title: str
    columns: tuple[int, ...]

    @property
    def start(self) -> int:
        """Place of the first."""
        return self.columns[0]


def column_groups(table: ScoreTable) -> list[ColumnGroup]:
    """The columns of a table by what they are about, in the order in which these appear."""
    groups: dict[str, list[int]] = {}
    for place, column in enumerate(table.columns):
        groups.setdefault(column.spec.column_group, []).append(place)
    return [ColumnGroup(title, tuple(places)) for title, places in groups.items()]


def first_columns(table: ScoreTable, count: int) -> ScoreTable:
    """The same table with its first columns that any row has a value in."""
    kept = [
        k for k in range(len(table.columns)) if any(not row.cells[k].absent for row in table.rows)
    ][:count]
    rows = tuple(replace(row, cells=tuple(row.cells[k] for k in kept)) for row in table.rows)
    return replace(table, columns=tuple(table.columns[k] for k in kept), rows=rows)


class Floor(NamedTuple):
    """A floor of a column: shown value, name, and place on the column's scale."""

    value: str
    name: str
    at: float | None


def strongest_floor(table: ScoreTable, place: int) -> Floor | None:
    """The strongest floor of a column, from its row where there is one.

    Where results of floors are not at hand, it is the best of those that models are held against.
    """
    for row in table.rows:
        if row.cells[place].strongest:
            return Floor(row.cells[place].value, row.predictor.name, row.cells[place].places[0])
    cells = [row.cells[place] for row in table.rows if row.cells[place].floor]
    if not cells:
        return None
    sign = 1 if table.columns[place].better == "higher" else -1
    best = max(cells, key=lambda cell: sign * (cell.places[3] or 0.0))
    return Floor(best.floor, best.floor_name, best.places[3])


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
    columns = make_columns(names, [group.metrics for _, group in groups], specs_of(results))
    entries = [(predictor, group.group, group.n, group.metrics) for predictor, group in groups]
    rows = make_rows(columns, entries, results[0].task)
    return ScoreTable(f"By {by}", protocol, columns, rows, by=by)


def make_columns(
    names: Sequence[str], metrics: Sequence[dict[str, Metric]], specs: Definitions
) -> tuple[Column, ...]:
    """Columns whose scales hold every value, interval, floor and ceiling.

    Args:
        names: Of the metrics.
        metrics: Of each row.
        specs: What the metrics are; one that is not there is called by its name.
    """
    return tuple(
        _column(name, [own[name] for own in metrics if name in own], specs) for name in names
    )


def _column(name: str, metrics: list[Metric], specs: Definitions) -> Column:
    stored_unit = next((metric.unit for metric in metrics if metric.unit), "")
    better = metrics[0].better if metrics else "higher"
    spec = specs.get(name) or unknown(name, stored_unit, better)
    percent = spec.percent and not stored_unit
    unit = "%" if percent else _UNITS.get(stored_unit, stored_unit) or spec.shown_unit or spec.unit
    factor = 100.0 if percent else 1.0
    low, high = _limits(metrics, factor)
    if percent and high <= 100:
        high = 100.0
    return Column(spec, unit, factor, low, high)


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


Metrics = dict[str, dict[str, Metric]]
"""Metrics of each predictor, by its name."""


def make_rows(
    columns: Sequence[Column], entries: Sequence[Entry], task: str = ""
) -> tuple[Row, ...]:
    """Rows of cells; in each group and column the best model and the strongest floor are marked."""
    rows: dict[int, Row] = {}
    for group in dict.fromkeys(entry[1] for entry in entries):
        places = [place for place, entry in enumerate(entries) if entry[1] == group]
        of_group = _rows_of_group(columns, [entries[place] for place in places], task)
        rows |= zip(places, of_group, strict=True)
    return tuple(rows[place] for place in range(len(entries)))


def _rows_of_group(columns: Sequence[Column], entries: Sequence[Entry], task: str) -> list[Row]:
    floors = {predictor.name: metrics for predictor, _, _, metrics in entries}
    best = [best_places(column.spec, entries) for column in columns]
    strongest = [strongest_place(column.spec, entries) for column in columns]
    rows = []
    for place, (predictor, group, n, metrics) in enumerate(entries):
        cells = tuple(
            replace(
                make_cell(column, metrics.get(column.name), floors),
                best=place in best[k],
                strongest=place == strongest[k],
            )
            for k, column in enumerate(columns)
        )
        rows.append(Row(predictor, told_text(predictor, task), cells, group, n))
    return rows


def make_cell(column: Column, metric: Metric | None, floors: Metrics | None = None) -> Cell:
    """The cell of one metric, rounded to what its interval supports.

    Args:
        column: Its column.
        metric: None where the result does not have this metric.
        floors: Where to find the floor's own interval, which rounds the floor.
    """
    if metric is None:
        return Cell(ABSENT, absent="not scored for this predictor")
    if metric.value is None or not math.isfinite(metric.value):
        return Cell(ABSENT, absent=column.spec.missing, n=metric.n, places=_places(column, metric))
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
        raw=metric.value,
        n=metric.n,
        places=_places(column, metric),
        floor=floor,
        floor_name=metric.floor_name or "",
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
