"""A paper's table as LaTeX, Markdown or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from matscale.report.tables import text as tables
from matscale.report.tables.cells import Cell
from matscale.report.tables.choices import Format, Interval
from matscale.report.tables.latex_width import TEXT_WIDTH
from matscale.report.tables.paper import GAP, PaperTable, heading_lines, row_name, written
from matscale.report.tables.text import latex_text
from matscale.results.result import Metric


def render(table: PaperTable, form: Format) -> str:
    """The table as the text of a file."""
    return {Format.latex: to_latex, Format.markdown: to_markdown, Format.csv: to_csv}[form](table)


def to_latex(table: PaperTable) -> str:
    r"""A floating table with booktabs rules; needs ``\usepackage{booktabs,textcomp}``."""
    headings = [heading_lines(column) for column in table.columns]
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
        body.append(" & ".join([latex_text(row_name(row)), *cells]) + r" \\")
        if table.interval is Interval.brackets:
            body.append(" & ".join(["", *map(_latex_below, row.cells)]) + r" \\")
    return "\n".join(
        [
            r"% needs \usepackage{booktabs,textcomp}",
            f"% about {table.width:.0f} pt wide; \\textwidth of article is {TEXT_WIDTH:.0f} pt",
            r"\begin{table}",
            r"\centering\small",
            rf"\setlength{{\tabcolsep}}{{{GAP:g}pt}}",
            rf"\caption{{{latex_text(table.caption)}}}",
            rf"\label{{{table.label}}}",
            r"\smallskip",
            "",
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
    value, spread = written(cell, interval)
    text = latex_text(value)
    text = rf"\textbf{{{text}}}" if cell.best else text
    text += latex_text("‡") if cell.strongest else ""
    if len(spread) == 2:
        return f"{text}$^{{+{spread[0]}}}_{{-{spread[1]}}}$"
    if spread and interval is Interval.plus_minus:
        return rf"{text}\,$\pm$\,{spread[0]}"
    return text


def _latex_below(cell: Cell) -> str:
    """The interval in brackets, for the line below the value."""
    _, spread = written(cell, Interval.brackets)
    return rf"{{\scriptsize {latex_text(spread[0])}}}" if spread else ""


def to_markdown(table: PaperTable) -> str:
    """GitHub Markdown, the caption below."""
    head = ["predictor", *(f"{c.long_heading} {tables.ARROW[c.better]}" for c in table.columns)]
    lines = [
        tables.markdown_row(map(tables.markdown_text, head)),
        tables.markdown_row(["---", *["---:"] * len(table.columns)]),
    ]
    for row in table.rows:
        cells = [_markdown_cell(cell, table.interval) for cell in row.cells]
        lines.append(tables.markdown_row([tables.markdown_text(row_name(row)), *cells]))
    return "\n".join([*lines, "", tables.markdown_text(table.caption), ""])


def _markdown_cell(cell: Cell, interval: Interval) -> str:
    value, spread = written(cell, interval)
    text = f"**{value}**" if cell.best else value
    text += " ‡" if cell.strongest else ""
    if len(spread) == 2:
        return f"{text} (+{spread[0]}/\N{MINUS SIGN}{spread[1]})"
    if spread and interval is Interval.plus_minus:
        return f"{text} ± {spread[0]}"
    return f"{text} {spread[0]}" if spread else text


def to_csv(table: PaperTable) -> str:
    """Rows are predictors, columns are metrics with their intervals, all digits as stored."""
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
