"""Score tables as values: what Markdown, LaTeX, the page and the notebook all draw from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from matscale.report.tables.cells import Column, Row, make_columns, make_rows
from matscale.results.metric import Family, MetricSpec
from matscale.results.result import Result


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
        of_one: For a table of one metric by the number of answers of which the best counts, the
            metric of one answer; else empty.
    """

    title: str
    protocol: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    by: str = ""
    family: str = ""
    of_one: str = ""

    @property
    def is_main(self) -> bool:
        """Whether it is the table of the metrics, not a further one of metrics that are alike."""
        return not (self.family or self.of_one)


_KIND_ORDER = {"model": 0, "floor": 1, "ceiling": 2}


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
    """One main table a protocol, sound first, and one for each family of metrics.

    Metrics of one quantity, such as of a, b, c, are a family, and so is a metric by the number of
    answers of which the best counts.

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
    best_of: dict[str, list[str]] = {}
    for name in names:
        if name in specs and specs[name].of_one:
            best_of.setdefault(specs[name].of_one, []).append(name)
    families: dict[Family, list[str]] = {}
    for name in names:
        family = specs[name].family if name in specs else None
        if family is not None:
            families.setdefault(family, []).append(name)
    families = {family: members for family, members in families.items() if len(members) > 1}
    grouped = {name for members in (*families.values(), *best_of.values()) for name in members}
    headlines = [result.headline for result in results if result.headline in names]
    main = sorted(
        (name for name in names if name not in grouped),
        key=lambda name: _leading_place(specs.get(name), name in headlines),
    )
    tables = [_table("Scores", protocol, results, main)] if main else []
    tables += [_best_of(one, protocol, results, more) for one, more in best_of.items()]
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


def _best_of(one: str, protocol: str, results: list[Result], more: list[str]) -> ScoreTable:
    """A metric by the number of answers of which the best counts, from one on."""
    specs = specs_of(results)
    names = [one, *sorted(more, key=lambda name: specs[name].candidates)]
    known = {name: specs[name] for name in names if name in specs}
    label = known[one].label if one in known else one
    table = _table(f"Best of k: {label}", protocol, results, names)
    columns = tuple(
        replace(column, spec=_by_number(known.get(column.name, column.spec)))
        for column in table.columns
    )
    return replace(table, columns=columns, of_one=one)


def _by_number(spec: MetricSpec) -> MetricSpec:
    """A metric that is called by its number of answers."""
    update = {"label": f"k = {spec.candidates}", "place": None, "group": ""}
    return spec.model_copy(update=update)


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
