"""Scores on a terminal: headlines, then metrics with floors and ceilings."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from matscale.report.headline import headline
from matscale.report.particle_wording import reason_text
from matscale.report.scoretable import Cell, Column, ScoreTable, score_tables
from matscale.report.tables import by_dataset, describe_dataset
from matscale.report.wording import TASK_TEXT, TaskText
from matscale.results.result import Result

_PLAIN = TaskText("", {}, "")
"""How results of a task without words of its own are presented."""

_ARROW = {"higher": "↑", "lower": "↓"}


def print_scores(results: Sequence[Result], console: Console | None = None) -> None:
    """Print headlines, refusals and score tables; metrics are rows, predictors columns."""
    console = console or Console(highlight=False)
    for part in by_dataset(results).values():
        console.print(describe_dataset(part[0]), style="bold", markup=False)
        leading = [result for result in part if result.protocol == part[0].protocol]
        floors = {r.predictor.name: r.metrics for r in leading if r.predictor.kind == "floor"}
        for result in leading:
            if result.predictor.kind == "model":
                said = headline(result, floors)
                console.print(
                    f"· {said.text} [{'; '.join(dict.fromkeys([said.told, *said.labels]))}]",
                    markup=False,
                )
        if not floors:
            console.print("! There are no floors: name a training set with --train.", markup=False)
        for line in _warnings(leading):
            console.print(f"! {line}", markup=False)
        for table in score_tables(part):
            # Distances of distributions are many and for the page; AtomBench's families are
            # what it publishes.
            if not table.family or table.protocol == "published":
                console.print()
                console.print(_grid(table))


def _warnings(results: Sequence[Result]) -> list[str]:
    """What was refused and what a reader must know, once each."""
    lines: dict[str, None] = {}
    for result in results:
        counts = result.counts
        lost = {**counts.refused, **({"missing": counts.missing} if counts.missing else {})}
        for note in result.notes:
            lines[note] = None
        if result.predictor.kind != "model":
            continue
        text = TASK_TEXT.get(result.task, _PLAIN)
        for group, end in ((lost, text.fates[result.protocol]), (counts.warnings, text.warned)):
            if group:
                items = ", ".join(f"{count} {reason_text(what)}" for what, count in group.items())
                ending = f"; {end}" if end else ""
                lines[f"{result.predictor.name}: {items}{ending}"] = None
    return list(lines)


def _grid(table: ScoreTable) -> Table:
    grid = Table(
        title=f"{table.title}, {table.protocol} protocol (value, 95 % interval)",
        title_justify="left",
        pad_edge=False,
    )
    grid.add_column("metric")
    models = [row for row in table.rows if row.predictor.kind == "model"] or list(table.rows)
    for row in models:
        grid.add_column(row.predictor.name, justify="right", overflow="fold")
    floored = any(cell.floor for row in models for cell in row.cells)
    if floored:
        grid.add_column("best floor", justify="right")
        grid.add_column("ceiling", justify="right")
    for place, column in enumerate(table.columns):
        cells = [row.cells[place] for row in models]
        lines = _lines(cells) if floored else []
        grid.add_row(_label(column), *(_cell(cell) for cell in cells), *lines)
    return grid


def _label(column: Column) -> str:
    return f"{column.heading} {_ARROW[column.better]}"


def _cell(cell: Cell) -> str:
    if not cell.low:
        return cell.value
    return f"{cell.value} ({cell.low}–{cell.high})"


def _lines(cells: Sequence[Cell]) -> list[str]:
    """Best floor and ceiling of one metric; a floor a model where they were told unlike things."""
    floors = [cell.floor or "–" for cell in cells]
    known = {floor for floor in floors if floor != "–"}
    ceiling = next((cell.ceiling for cell in cells if cell.ceiling), "–")
    return [", ".join(floors) if len(known) > 1 else "".join(known) or "–", ceiling]
