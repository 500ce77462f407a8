"""One table for a paper: chosen metrics and models, narrow enough for a page.

What is bold and which floor is the strongest is decided where all score tables decide it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from matscale.report.tables import text as tables
from matscale.report.tables.choices import Interval
from matscale.report.tables.latex_width import TEXT_WIDTH, text_width
from matscale.report.tables.score import (
    Cell,
    Column,
    Row,
    make_columns,
    make_rows,
    ordered,
    score_tables,
    specs_of,
)
from matscale.report.wording import told_fields
from matscale.results.result import Protocol, Result
from matscale.runtime.errors import UserError, did_you_mean

MOST_METRICS = 6
"""Metrics of a table where none are named."""

SIZE = 9.25
"""Points of a font of 10 points that sets texts as wide as ``\\small``, 9 points, does."""
BELOW = 8.0
"""The same for intervals below their values, in ``\\scriptsize``; small fonts run wider."""
SCRIPT = 7.4
"""The same for superscripts."""
GAP = 3.0
"""``\\tabcolsep`` in points: half of the space between two columns."""
SAFE = 0.98
"""Share of the page that the estimated width may fill; it is within 2 % of the true one."""
HEAD = 11
"""Characters of a heading after which it goes on in another line."""


class Written(NamedTuple):
    """A value and its interval as text; ``spread`` is one width, or how far up and down."""

    value: str
    spread: tuple[str, ...] = ()


@dataclass(frozen=True)
class PaperTable:
    """What a table shows.

    Attributes:
        results: Of the rows, in their order.
        columns: The metrics.
        rows: Cells of the shown results.
        interval: How intervals are written.
    """

    results: tuple[Result, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    interval: Interval

    @property
    def caption(self) -> str:
        """What a reader must know beside the numbers: question, n, protocol, intervals, marks."""
        first = self.results[0]
        data = first.dataset
        split = f" ({data.split})" if data.split else ""
        parts = [
            f"{first.task.capitalize()}, {data.name}{split}, n = {_counts(self.results)}; "
            f"{first.protocol} protocol of matscale {first.provenance.matscale}.",
            _INTERVALS[self.interval],
            *_told(self.results),
            *_over_fewer(self.columns, self.rows, self.results),
            *_absent(self.columns, self.rows),
        ]
        cells = [cell for row in self.rows for cell in row.cells]
        if any(cell.best for cell in cells):
            parts.append("Bold: best of the models, all over the same samples.")
        if any(cell.strongest for cell in cells):
            parts.append("‡: strongest floor.")
        if any(
            row.predictor.kind == "model" and row.predictor.told_the_answer for row in self.rows
        ):
            parts.append("†: told positions or cell of the target, and not compared.")
        return " ".join(part for part in parts if part)

    @property
    def label(self) -> str:
        """Of the LaTeX table."""
        first = self.results[0]
        words = f"{first.task} {first.dataset.name} {first.protocol}"
        return "tab:" + re.sub(r"[^A-Za-z0-9]+", "-", words).strip("-").lower()

    @property
    def width(self) -> float:
        """Estimated width in points as LaTeX sets it, without the space at both ends."""
        lead = max(text_width(row_name(row), SIZE) for row in self.rows)
        widths = [lead, *(self._column_width(k) for k in range(len(self.columns)))]
        return sum(widths) + 2 * GAP * len(self.columns)

    def _column_width(self, k: int) -> float:
        heads = [text_width(line, SIZE) for line in heading_lines(self.columns[k])]
        return max([*heads, *(_cell_width(row.cells[k], self.interval) for row in self.rows)])

    def first(self, count: int) -> PaperTable:
        """The same with its first columns alone."""
        rows = tuple(replace(row, cells=row.cells[:count]) for row in self.rows)
        return replace(self, columns=self.columns[:count], rows=rows)

    def fitting(self) -> int:
        """How many of the columns, from the first, fit a page."""
        counts = range(len(self.columns), 0, -1)
        return next((count for count in counts if self.first(count).width <= SAFE * TEXT_WIDTH), 0)


_INTERVALS = {
    Interval.plus_minus: "Values with their 95 % bootstrap intervals, as ± where they are even.",
    Interval.brackets: "Values with their 95 % bootstrap intervals in brackets.",
    Interval.none: "",
}


def paper_table(
    results: Sequence[Result],
    *,
    metrics: Sequence[str] = (),
    models: Sequence[str] = (),
    protocol: Protocol | None = None,
    interval: Interval = Interval.plus_minus,
) -> PaperTable:
    """The table of some results.

    Args:
        results: Of one task on one dataset.
        metrics: Names of metrics in their order; by default the first :data:`MOST_METRICS` of
            score tables.
        models: Names of the models to show; by default all. Floors and ceiling are always shown.
        protocol: Of the results; by default the sound one where there is one.
        interval: How intervals are written.

    Raises:
        UserError: If results are of several tasks or datasets, or a name is not among them.
    """
    parts = tables.by_dataset(results)
    if len(parts) != 1:
        there = "; ".join(tables.describe_dataset(part[0]) for part in parts.values())
        raise UserError(f"a table is of one task and dataset, and these results are of: {there}")
    known = list(dict.fromkeys(one.protocol for one in results))
    chosen: Protocol = protocol or ("sound" if "sound" in known else known[0])
    of_protocol = [one for one in results if one.protocol == chosen]
    if not of_protocol:
        raise UserError(f"no result is under the {chosen} protocol; there is {', '.join(known)}")
    shown = _of_models(of_protocol, models)
    names = _checked_metrics(shown, metrics) or _default_metrics(shown)
    columns = make_columns(names, [one.metrics for one in shown], specs_of(shown))
    entries = [(one.predictor, "", one.counts.submitted, one.metrics) for one in shown]
    rows = make_rows(columns, entries, shown[0].task)
    return PaperTable(tuple(shown), columns, rows, interval)


def on_a_page(table: PaperTable, *, as_named: bool) -> PaperTable:
    """The table with as many of its first columns as fit a page of LaTeX.

    Args:
        table: Of any width.
        as_named: Whether the metrics were named, so that none may be left out.

    Raises:
        UserError: If metrics that were named do not fit.
    """
    fitting = table.fitting()
    if as_named and fitting < len(table.columns):
        raise UserError(
            f"{len(table.columns)} metrics are about {table.width:.0f} pt wide and a page holds "
            f"{TEXT_WIDTH:.0f} pt (\\textwidth of article): the first {fitting} fit, the rest may "
            "go into a second table"
        )
    return table.first(max(fitting, 1))


def _of_models(results: Sequence[Result], models: Sequence[str]) -> list[Result]:
    """The results of the models by name, all floors and the ceiling, as tables order them."""
    own = [one.predictor.name for one in results if one.predictor.kind == "model"]
    for name in models:
        if name not in own:
            raise UserError(
                f"there is no model {name!r} among the results{did_you_mean(name, own)} "
                f"(there are {', '.join(own) or 'none'})"
            )
    return [
        one
        for one in ordered(results)
        if not models or one.predictor.kind != "model" or one.predictor.name in models
    ]


def _checked_metrics(results: Sequence[Result], metrics: Sequence[str]) -> list[str]:
    known = list(dict.fromkeys(name for one in results for name in one.metrics))
    for name in metrics:
        if name not in known:
            raise UserError(
                f"there is no metric {name!r} among the results{did_you_mean(name, known)} "
                f"(there are {', '.join(known)})"
            )
    return list(dict.fromkeys(metrics))


def _default_metrics(results: Sequence[Result]) -> list[str]:
    first = score_tables(results)[0]
    kept = [
        column.name
        for k, column in enumerate(first.columns)
        if any(not row.cells[k].absent for row in first.rows)
    ]
    return kept[:MOST_METRICS]


# --- what is written -----------------------------------------------------------------------


def _counts(results: Sequence[Result]) -> str:
    sizes = sorted({one.counts.submitted for one in results})
    return str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"


def _told(results: Sequence[Result]) -> list[str]:
    """What the models were told, in one sentence."""
    models = [one.predictor for one in results if one.predictor.kind == "model"]
    if not models:
        return []
    told = "; ".join(f"{one.name}: {told_fields(one.told)}" for one in models)
    return [f"Told: {told}."]


def _over_fewer(
    columns: Sequence[Column], rows: Sequence[Row], results: Sequence[Result]
) -> list[str]:
    """For each metric that is over fewer samples than were asked for: over how many."""
    found = []
    for k, column in enumerate(columns):
        counts = [
            (row.predictor.name, row.cells[k].n)
            for row, one in zip(rows, results, strict=True)
            if not row.cells[k].absent and row.cells[k].n < one.counts.submitted
        ]
        if counts:
            each = ", ".join(f"{n} ({name})" for name, n in counts)
            found.append(f"{column.spec.long_label} {each}")
    return [f"Over fewer samples: {'; '.join(found)}."] if found else []


def _absent(columns: Sequence[Column], rows: Sequence[Row]) -> list[str]:
    """Why values are missing, each reason once."""
    found: dict[str, None] = {}
    for k, column in enumerate(columns):
        for row in rows:
            if row.cells[k].absent:
                found[f"–: {row.cells[k].absent} ({column.spec.long_label})."] = None
    return list(found)


def row_name(row: Row) -> str:
    """The predictor's name, marked if it was told the answer."""
    answer = row.predictor.kind == "model" and row.predictor.told_the_answer
    return f"{row.predictor.name} †" if answer else row.predictor.name


def heading_lines(column: Column) -> list[str]:
    """The heading in lines of about :data:`HEAD` characters; the arrow stays with a word."""
    *words, last = column.long_heading.split(" ")
    lines: list[str] = []
    for word in [*words, f"{last} {tables.ARROW[column.better]}"]:
        if lines and len(lines[-1]) + 1 + len(word) <= HEAD:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def written(cell: Cell, interval: Interval) -> Written:
    """A cell's value, and its interval as it is to be written."""
    if not cell.low or interval is Interval.none:
        return Written(cell.value)
    if interval is Interval.brackets:
        return Written(cell.value, (f"[{cell.low}, {cell.high}]",))
    value, low, high = (_number(text) for text in (cell.value, cell.low, cell.high))
    if value is None or low is None or high is None:
        return Written(cell.value, (f"[{cell.low}, {cell.high}]",))
    decimals = len(cell.value.partition(".")[2])
    up, down = f"{high - value:.{decimals}f}", f"{value - low:.{decimals}f}"
    return Written(cell.value, (up,) if up == down else (up, down))


def _number(text: str) -> float | None:
    try:
        return float(text.replace("\N{MINUS SIGN}", "-"))
    except ValueError:
        return None  # such as 1.2×10⁻⁵


def _cell_width(cell: Cell, interval: Interval) -> float:
    value, spread = written(cell, interval)
    mark = text_width("‡", SCRIPT) if cell.strongest else 0.0
    # Bold is an eighth wider.
    width = text_width(value, SIZE) * (1.15 if cell.best else 1.0) + mark
    if interval is Interval.brackets and spread:
        return max(width, text_width(spread[0], BELOW))
    if len(spread) == 1:
        return width + text_width(f"±{spread[0]}", SIZE) + 4
    return width + max([0.0, *(text_width(f"+{one}", SCRIPT) + 0.5 for one in spread)])
