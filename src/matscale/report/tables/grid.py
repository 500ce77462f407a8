"""Small tables that are not score tables: one value drawn as HTML, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass

from matscale.report.tables.text import latex_text
from matscale.results.rounding import ABSENT, show

Value = str | int | float
"""Text, a count, or a number; NaN where a number is not known."""


@dataclass(frozen=True)
class Grid:
    """A table that is not a score table.

    Attributes:
        title: What it shows.
        columns: Headings, units included.
        rows: Values, one per column.
        lead: How many columns at the left are text.
        notes: What a reader must know, one sentence each.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    lead: int = 1
    notes: tuple[str, ...] = ()


def shown(value: Value) -> str:
    """A value as the page and LaTeX show it: three significant digits, a dash for NaN."""
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    return show(value) if math.isfinite(value) else ABSENT


def grid_to_csv(grid: Grid) -> str:
    """All rows with all digits; an unknown number is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(grid.columns)
    for row in grid.rows:
        writer.writerow([_csv_value(value) for value in row])
    return out.getvalue()


def _csv_value(value: Value) -> str:
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else ""
    return str(value)


def grid_to_latex(grid: Grid) -> str:
    r"""One floating table with booktabs rules; needs ``\usepackage{booktabs,textcomp}``."""
    numbers = len(grid.columns) - grid.lead
    caption = " ".join([f"{grid.title}.", *grid.notes])
    body = [" & ".join(latex_text(shown(value)) for value in row) + r" \\" for row in grid.rows]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering\small",
            rf"\caption{{{latex_text(caption)}}}",
            rf"\begin{{tabular}}{{{'l' * grid.lead}{'r' * numbers}}}",
            r"\toprule",
            " & ".join(map(latex_text, grid.columns)) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )
