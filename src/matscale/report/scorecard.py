"""Results in the hand: a data frame, a notebook table, a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from matscale.report.headline import headline
from matscale.report.tables import text as tables
from matscale.report.tables.cells import Cell, Column, Row
from matscale.report.tables.flat import flat
from matscale.report.tables.score import ScoreTable, score_tables
from matscale.results.result import PredictorKind, Protocol, Result
from matscale.results.store import check_folder, rounded
from matscale.runtime.errors import UserError

if TYPE_CHECKING:
    import pandas as pd


class Scorecard:
    """Results of one or more predictors.

    Attributes:
        results: The results, in the order given.
        folder: Where their files are, or None for results that were not written.
    """

    def __init__(self, results: Sequence[Result], folder: Path | str | None = None) -> None:
        # What is shown now and what is shown of the files later are the same numbers.
        self.results = tuple(rounded(result) for result in results)
        self.folder = None if folder is None else Path(folder)

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    def __getitem__(self, name: str) -> Result:
        """The result of a predictor, sound protocol first; or of ``"predictor.protocol"``.

        Raises:
            KeyError: If there is none of that name.
        """
        exact = [result for result in self.results if result.name == name]
        by_name = [result for result in self.results if result.predictor.name == name]
        found = exact or sorted(by_name, key=lambda result: result.protocol != "sound")
        if not found:
            known = ", ".join(dict.fromkeys(result.predictor.name for result in self.results))
            raise KeyError(f"no predictor {name!r}; there are: {known or 'none'}")
        return found[0]

    def table(self, protocol: Protocol = "sound", intervals: bool = False) -> pd.DataFrame:
        """Metrics as numbers: one row per predictor, one column per metric.

        Args:
            protocol: Which results to show.
            intervals: Whether to add the columns ``<metric>_low`` and ``<metric>_high``.

        Returns:
            A frame with the index ``predictor`` and the column ``kind``; results of several
            datasets have the index ``(dataset, predictor)``.

        Raises:
            UserError: If no result has this protocol.
        """
        import pandas as pd

        chosen = [result for result in self.results if result.protocol == protocol]
        if not chosen:
            raise UserError(f"there is no result under the {protocol!r} protocol")
        frame = pd.DataFrame([_record(result, intervals) for result in chosen])
        index = ["dataset", "predictor"] if frame["dataset"].nunique() > 1 else ["predictor"]
        frame = frame.set_index(index)
        return frame.drop(columns=[name for name in ("dataset",) if name in frame])

    def flat(
        self, *, protocol: Protocol = "sound", kinds: Sequence[PredictorKind] = ("model",)
    ) -> dict[str, float]:
        """Numbers by key, for a logger: ``wandb.log(card.flat())``.

        The keys are ``<task>/<metric>`` for the value, and that with ``/low``, ``/high`` (95 %
        interval), ``/floor``, ``/ceiling`` and ``/skill``, each where there is one; and
        ``<task>/counts/submitted``, ``/read``, ``/refused`` and ``/missing``. Where several
        predictors are asked for, their names follow the task, and so do names of several
        datasets. Values are as stored: shares from 0 to 1, lengths in Å.

        Args:
            protocol: Which results.
            kinds: Of which kinds of predictors.

        Raises:
            UserError: If there is no such result.
        """
        return flat(self.results, protocol=protocol, kinds=kinds)

    def to_markdown(self) -> str:
        """The score tables as Markdown."""
        return tables.to_markdown(self.results)

    def to_latex(self) -> str:
        """The score tables as LaTeX with booktabs rules."""
        return tables.to_latex(self.results)

    def to_csv(self) -> str:
        """Every metric with all digits as CSV."""
        return tables.to_csv(self.results)

    def report(self, out: Path | str) -> Path:
        """Write the page, tables and figures into a folder; the path of the page.

        Raises:
            UserError: If nothing can be written there.
        """
        from matscale.report.page import write_report

        check_folder(Path(out))
        return write_report(self.results, self.folder, Path(out))

    def __repr__(self) -> str:
        lines = []
        for part in tables.by_dataset(self.results).values():
            lines.append(tables.describe_dataset(part[0]))
            models = [result for result in part if result.predictor.kind == "model"]
            names = {result.predictor.name for result in models if result.protocol == "sound"}
            for result in models:
                if result.protocol == "sound" or result.predictor.name not in names:
                    lines.append(f"  {headline(result, part).text}")
            lines += [_plain(table) for table in score_tables(part) if table.is_main]
        return "\n".join(lines) or "Scorecard with no results"

    def _repr_html_(self) -> str:
        """A compact table for a notebook; needs nothing from outside."""
        parts = []
        for part in tables.by_dataset(self.results).values():
            parts.append(Markup("<p><b>{}</b></p>").format(tables.describe_dataset(part[0])))
            parts += [_notebook(table) for table in score_tables(part) if table.is_main]
        return str(Markup("").join(parts)) or "<p>No results.</p>"


def _record(result: Result, intervals: bool) -> dict[str, Any]:
    record: dict[str, Any] = {
        "dataset": result.dataset.name,
        "predictor": result.predictor.name,
        "kind": result.predictor.kind,
    }
    for name, metric in result.metrics.items():
        record[name] = metric.value
        if intervals:
            record[f"{name}_low"], record[f"{name}_high"] = metric.low, metric.high
    return record


# --- plain text --------------------------------------------------------------------------

_MOST_COLUMNS = 6


def _plain(table: ScoreTable) -> str:
    """The first columns of a table in aligned text."""
    columns = table.columns[:_MOST_COLUMNS]
    lines = [["predictor", *(column.heading for column in columns)]]
    for row in table.rows:
        cells = row.cells[: len(columns)]
        lines.append([row.predictor.name, *(_plain_cell(cell) for cell in cells)])
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    text = [
        "  "
        + "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    hidden = len(table.columns) - len(columns)
    more = [f"  and {hidden} more metrics: .table({table.protocol!r})"] if hidden > 0 else []
    return "\n".join([f"  {table.protocol} protocol", *text, *more])


def _plain_cell(cell: Cell) -> str:
    return f"{cell.value} ({cell.low} to {cell.high})" if cell.low else cell.value


# --- notebook ----------------------------------------------------------------------------

_LINE = "padding:.3em .8em;text-align:left;vertical-align:top;white-space:nowrap"
_SMALL = "font-size:.82em;opacity:.72"


def _notebook(table: ScoreTable) -> Markup:
    head = Markup("").join(
        Markup('<th style="{}">{} {}</th>').format(_LINE, column.heading, _ARROW[column.better])
        for column in table.columns
    )
    body = Markup("").join(_notebook_row(table.columns, row) for row in table.rows)
    return Markup(
        '<div style="overflow-x:auto"><table style="border-collapse:collapse">'
        '<caption style="text-align:left;{}">{} protocol</caption>'
        '<thead><tr><th style="{}">predictor</th>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(_SMALL, table.protocol, _LINE, head, body)


_ARROW = {"higher": "↑", "lower": "↓"}


def _notebook_row(columns: Sequence[Column], row: Row) -> Markup:
    cells = Markup("").join(
        Markup('<td style="{}">{}</td>').format(_LINE, _notebook_cell(cell)) for cell in row.cells
    )
    answer = row.predictor.told_the_answer and row.predictor.kind == "model"
    note = f"{row.predictor.kind}, {row.told}" + (" (told the answer)" if answer else "")
    return Markup('<tr><th style="{}">{}<br><span style="{}">{}</span></th>{}</tr>').format(
        _LINE, row.predictor.name, f"{_SMALL};font-weight:400", note, cells
    )


def _notebook_cell(cell: Cell) -> Markup:
    value = Markup("<b>{}</b>").format(cell.value) if cell.best else escape(cell.value)
    notes = []
    if cell.low:
        notes.append(f"{cell.low} to {cell.high}")
    if cell.floor:
        notes.append(f"floor {cell.floor} {cell.floor_name}".strip())
    if cell.ceiling:
        notes.append(f"ceiling {cell.ceiling}")
    if cell.skill:
        notes.append(f"skill {cell.skill}")
    text = cell.absent or "; ".join(notes)
    return value + Markup('<br><span style="{}">{}</span>').format(_SMALL, text)
