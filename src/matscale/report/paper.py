"""One table for a paper: chosen metrics and models, narrow enough for a page.

What is bold and which floor is the strongest is decided where all score tables decide it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from matscale.errors import UserError, did_you_mean
from matscale.report import tables
from matscale.report.choices import Format, Interval
from matscale.report.latex_width import TEXT_WIDTH, text_width
from matscale.report.scoretable import (
    Cell,
    Column,
    Row,
    make_columns,
    make_rows,
    ordered,
    score_tables,
)
from matscale.report.tables import latex_text
from matscale.report.wording import told_fields
from matscale.results.result import Metric, Protocol, Result

MOST_METRICS = 6
"""Metrics of a table where none are named."""

SIZE = 9.0
"""Points of the digits: ``\\small`` in a document of 10 points."""
GAP = 4.0
"""``\\tabcolsep`` in points: half of the space between two columns."""
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
        parts = [
            f"{tables.describe_dataset(first).capitalize()}; n = {_counts(self.results)}; "
            f"{first.protocol} protocol of matscale {first.provenance.matscale}.",
            _INTERVALS[self.interval],
            *_told(self.results),
            *_over_fewer(self.columns, self.rows, self.results),
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
        lead = max(text_width(_name(row), SIZE) for row in self.rows)
        widths = [lead, *(self._column_width(k) for k in range(len(self.columns)))]
        return sum(widths) + 2 * GAP * len(self.columns)

    def _column_width(self, k: int) -> float:
        heads = [text_width(line, SIZE) for line in _heading(self.columns[k])]
        return max([*heads, *(_cell_width(row.cells[k], self.interval) for row in self.rows)])

    def first(self, count: int) -> PaperTable:
        """The same with its first columns alone."""
        rows = tuple(replace(row, cells=row.cells[:count]) for row in self.rows)
        return replace(self, columns=self.columns[:count], rows=rows)

    def fitting(self) -> int:
        """How many of the columns, from the first, fit a page."""
        counts = range(len(self.columns), 0, -1)
        return next((count for count in counts if self.first(count).width <= TEXT_WIDTH), 0)


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
            score tables, or as many as fit.
        models: Names of the models to show; by default all. Floors and ceiling are always shown.
        protocol: Of the results; by default the sound one where there is one.
        interval: How intervals are written.

    Raises:
        UserError: If results are of several tasks or datasets, a name is not among them, or the
            metrics that are named do not fit a page.
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
    columns = make_columns(names, [one.metrics for one in shown])
    entries = [(one.predictor, "", one.counts.submitted, one.metrics) for one in shown]
    rows = make_rows(columns, entries, shown[0].task)
    table = PaperTable(tuple(shown), columns, rows, interval)
    fitting = table.fitting()
    if metrics and fitting < len(metrics):
        raise UserError(
            f"{len(metrics)} metrics are about {table.width:.0f} pt wide and a page holds "
            f"{TEXT_WIDTH:.0f} pt (\\textwidth of article): the first {fitting} fit, and the rest "
            "may go into a second table; --interval none makes columns narrower"
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


def render(table: PaperTable, form: Format) -> str:
    """The table as the text of a file."""
    return {Format.latex: to_latex, Format.markdown: to_markdown, Format.csv: to_csv}[form](table)


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
            found.append(f"{column.label}: over {each}.")
    return found


def _name(row: Row) -> str:
    answer = row.predictor.kind == "model" and row.predictor.told_the_answer
    return f"{row.predictor.name} †" if answer else row.predictor.name


def _heading(column: Column) -> list[str]:
    """The heading in lines of about :data:`HEAD` characters."""
    arrow = tables.ARROW[column.better]
    lines: list[str] = []
    for word in f"{column.heading.replace(' (', NO_BREAK)} {arrow}".split(" "):
        word = word.replace(NO_BREAK, " (")
        if lines and len(lines[-1]) + 1 + len(word) <= HEAD:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


NO_BREAK = "\0("


def _written(cell: Cell, interval: Interval) -> Written:
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
    value, spread = _written(cell, interval)
    mark = text_width("‡", 0.7 * SIZE) if cell.strongest else 0.0
    # Bold is an eighth wider.
    width = text_width(value, SIZE) * (1.15 if cell.best else 1.0) + mark
    if interval is Interval.brackets and spread:
        return width + text_width(f" {spread[0]}", 0.8 * SIZE)
    if len(spread) == 1:
        return width + text_width(f"±{spread[0]}", SIZE) + 4
    return width + max([0.0, *(text_width(f"+{one}", 0.7 * SIZE) for one in spread)])


# --- formats -------------------------------------------------------------------------------


def to_latex(table: PaperTable) -> str:
    r"""A floating table with booktabs rules; needs ``\usepackage{booktabs,textcomp}``."""
    headings = [_heading(column) for column in table.columns]
    depth = max(len(lines) for lines in headings)
    head = [
        " & ".join(["" if line < depth - 1 else "predictor", *_line(headings, line, depth)])
        + r" \\"
        for line in range(depth)
    ]
    body: list[str] = []
    for place, row in enumerate(table.rows):
        if place and row.predictor.kind != table.rows[place - 1].predictor.kind:
            body.append(r"\midrule")
        cells = [_latex_cell(cell, table.interval) for cell in row.cells]
        body.append(" & ".join([latex_text(_name(row)), *cells]) + r" \\")
    return "\n".join(
        [
            r"% needs \usepackage{booktabs,textcomp}",
            f"% about {table.width:.0f} pt wide; \\textwidth of article is {TEXT_WIDTH:.0f} pt",
            r"\begin{table}",
            r"\centering\small",
            rf"\setlength{{\tabcolsep}}{{{GAP:g}pt}}",
            rf"\caption{{{latex_text(table.caption)}}}",
            rf"\label{{{table.label}}}",
            rf"\begin{{tabular}}{{@{{}}l{'r' * len(table.columns)}@{{}}}}",
            r"\toprule",
            *head,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _line(headings: Sequence[Sequence[str]], line: int, depth: int) -> list[str]:
    """One line of all headings, which end at the bottom."""
    return [
        latex_text(lines[line - depth + len(lines)]) if line >= depth - len(lines) else ""
        for lines in headings
    ]


def _latex_cell(cell: Cell, interval: Interval) -> str:
    value, spread = _written(cell, interval)
    text = latex_text(value)
    text = rf"\textbf{{{text}}}" if cell.best else text
    text += latex_text("‡") if cell.strongest else ""
    if len(spread) == 2:
        return f"{text}$^{{+{spread[0]}}}_{{-{spread[1]}}}$"
    if spread and interval is Interval.brackets:
        return rf"{text} {{\scriptsize {latex_text(spread[0])}}}"
    return rf"{text}\,$\pm$\,{spread[0]}" if spread else text


def to_markdown(table: PaperTable) -> str:
    """GitHub Markdown, the caption below."""
    head = ["predictor", *(f"{c.heading} {tables.ARROW[c.better]}" for c in table.columns)]
    lines = [
        tables.markdown_row(map(tables.markdown_text, head)),
        tables.markdown_row(["---", *["---:"] * len(table.columns)]),
    ]
    for row in table.rows:
        cells = [_markdown_cell(cell, table.interval) for cell in row.cells]
        lines.append(tables.markdown_row([tables.markdown_text(_name(row)), *cells]))
    return "\n".join([*lines, "", tables.markdown_text(table.caption), ""])


def _markdown_cell(cell: Cell, interval: Interval) -> str:
    value, spread = _written(cell, interval)
    text = f"**{value}**" if cell.best else value
    text += " ‡" if cell.strongest else ""
    if len(spread) == 2:
        return f"{text} (+{spread[0]}/\N{MINUS SIGN}{spread[1]})"
    if spread and interval is Interval.plus_minus:
        return f"{text} ± {spread[0]}"
    return f"{text} {spread[0]}" if spread else text


def to_csv(table: PaperTable) -> str:
    """A row a predictor, a column a metric with its interval's ends, all digits as stored."""
    ends = ("",) if table.interval is Interval.none else ("", "_low", "_high")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = [column.name for column in table.columns]
    writer.writerow(["predictor", "kind", "n", *(f"{name}{end}" for name in names for end in ends)])
    for one in table.results:
        values = [number for name in names for number in _numbers(one.metrics.get(name), len(ends))]
        predictor = one.predictor
        writer.writerow([predictor.name, predictor.kind, one.counts.submitted, *values])
    return out.getvalue()


def _numbers(metric: Metric | None, count: int) -> list[str]:
    found = [None] * 3 if metric is None else [metric.value, metric.low, metric.high]
    return ["" if one is None else repr(one) for one in found[:count]]
