"""A score table as lines of text that fit a width: no number is ever wrapped or cut."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from matscale.report.tables.cells import Cell, Column, Row
from matscale.report.tables.score import ScoreTable, strongest_floor

ARROWS = {"higher": "↑", "lower": "↓"}
_GAP = 2
_INDENT = 2

Lines = list[str]
"""The lines of one cell."""


def table_lines(table: ScoreTable, width: int) -> list[str]:
    """The models of a table, or its rows where it has none, with strongest floor and ceiling.

    A metric has a row: on one line where that fits, with intervals on a second where that does,
    else a line for each predictor.

    Args:
        table: What to show.
        width: Of the terminal, in cells.
    """
    models = [row for row in table.rows if row.predictor.kind == "model"] or list(table.rows)
    for stacked in (False, True):
        grid = _grid(table, models, stacked=stacked)
        if sum(_widths(grid)) + _GAP * (len(grid[0]) - 1) <= width:
            return _drawn(grid)
    return _by_predictor(table, models, width)


def entrant_lines(table: ScoreTable, width: int) -> list[str]:
    """All rows of a table of few columns, with intervals where these fit.

    Args:
        table: What to show.
        width: Of the terminal, in cells.
    """
    head = ["predictor", *(column.label for column in table.columns)]
    for kinds in (("model", "floor"), ()):
        rows = [head, *(_entrant(row, row.predictor.kind in kinds) for row in table.rows)]
        first, *others = (max(map(cell_len, column)) for column in zip(*rows, strict=True))
        room = width - sum(others) - _GAP * len(others)
        if first <= room:
            break
    return _drawn([[[_cut(row[0], room)], *([cell] for cell in row[1:])] for row in rows])


def _entrant(row: Row, with_intervals: bool) -> list[str]:
    kind, name = row.predictor.kind, row.predictor.name
    cells = [" ".join(_parts(cell)[: 1 + with_intervals]).strip() for cell in row.cells]
    return [name if kind == "model" else f"{kind} {name}", *cells]


def _grid(table: ScoreTable, models: Sequence[Row], *, stacked: bool) -> list[list[Lines]]:
    """Head and rows: metric, models, strongest floor, ceiling; each cell of one line or more."""
    floors = [floor_lines(table, models, place) for place in range(len(table.columns))]
    ceiling = next((row for row in table.rows if row.predictor.kind == "ceiling"), None)
    tops = [_ceiling(models, ceiling, place) for place in range(len(table.columns))]
    head = [["metric"], *([row.predictor.name] for row in models)]
    head += [["strongest floor"]] if any(floors) else []
    named = [] if ceiling is None else [ceiling.predictor.name]
    head += [["ceiling", *named]] if any(tops) else []
    grid = [head]
    for place, column in enumerate(table.columns):
        cells = [[label(column)], *(_value(row.cells[place], stacked=stacked) for row in models)]
        if any(floors):
            shown = floors[place] or [("–", "")]
            cells.append(
                [part for pair in shown for part in pair if part]
                if stacked
                else [" ".join(pair).strip() for pair in shown]
            )
        if any(tops):
            cells.append([tops[place] or "–"])
        grid.append(cells)
    return grid


def label(column: Column) -> str:
    """Label, unit and direction of a metric."""
    return f"{column.heading} {ARROWS[column.better]}"


def _value(cell: Cell, *, stacked: bool) -> Lines:
    interval = f"({cell.low}–{cell.high})" if cell.low else ""
    if stacked:
        return [cell.value, interval] if interval else [cell.value]
    return [f"{cell.value} {interval}".strip()]


def floor_lines(table: ScoreTable, models: Sequence[Row], place: int) -> list[tuple[str, str]]:
    """Values and names: the strongest floor, then others that models are held against."""
    strongest = strongest_floor(table, place)
    if strongest is None:
        return []
    others: dict[tuple[str, str], list[str]] = {}
    for row in models:
        cell = row.cells[place]
        if cell.floor and cell.floor_name != strongest.name and cell.places[3] != strongest.at:
            others.setdefault((cell.floor, cell.floor_name), []).append(row.predictor.name)
    return [
        (strongest.value, strongest.name),
        *((value, f"{name} ({', '.join(held)})") for (value, name), held in others.items()),
    ]


def _ceiling(models: Sequence[Row], ceiling: Row | None, place: int) -> str:
    return next((row.cells[place].ceiling for row in models if row.cells[place].ceiling), "") or (
        ceiling.cells[place].value if ceiling is not None and ceiling not in models else ""
    )


def _widths(grid: Sequence[Sequence[Lines]]) -> list[int]:
    return [max(cell_len(line) for row in grid for line in row[k]) for k in range(len(grid[0]))]


def _drawn(grid: Sequence[Sequence[Lines]]) -> list[str]:
    """The rows, the first column to the left, the floor's name after its value, a rule below."""
    widths = _widths(grid)
    lines = []
    for number, row in enumerate(grid):
        for k in range(max(len(cell) for cell in row)):
            parts = [cell[k] if k < len(cell) else "" for cell in row]
            lines.append((" " * _GAP).join(map(_padded, parts, widths, range(len(parts)))).rstrip())
        if not number:
            lines.append("─" * (sum(widths) + _GAP * (len(widths) - 1)))
    return lines


def _padded(text: str, width: int, place: int) -> str:
    space = " " * (width - cell_len(text))
    return text + space if place == 0 else space + text


def _by_predictor(table: ScoreTable, models: Sequence[Row], width: int) -> list[str]:
    """Blocks, one per metric, with a line for each predictor."""
    ceiling = next((row for row in table.rows if row.predictor.kind == "ceiling"), None)
    lines: list[str] = []
    for place, column in enumerate(table.columns):
        rows = [(row.predictor.name, *_parts(row.cells[place])) for row in models]
        for number, (value, name) in enumerate(floor_lines(table, models, place)):
            rows.append((f"{'floor' if number else 'strongest floor'} {name}", value, ""))
        top = _ceiling(models, ceiling, place)
        if top:
            name = f" {ceiling.predictor.name}" if ceiling is not None else ""
            rows.append((f"ceiling{name}", top, ""))
        values = max(cell_len(value) for _, value, _ in rows)
        ends = max(cell_len(interval) for _, _, interval in rows)
        room = width - _INDENT - 2 * _GAP - values - ends
        names = min(room, max(cell_len(name) for name, _, _ in rows))
        lines.append(_cut(label(column), width))
        for name, value, interval in rows:
            shown = _cut(name, names)
            start = " " * _INDENT + shown + " " * (names - cell_len(shown) + _GAP)
            end = f"{' ' * _GAP}{interval}" if interval else ""
            lines.append(f"{start}{' ' * (values - cell_len(value))}{value}{end}")
    return lines


def _parts(cell: Cell) -> tuple[str, str]:
    return cell.value, f"({cell.low}–{cell.high})" if cell.low else ""


def _cut(text: str, width: int) -> str:
    """A long name without its middle: beginnings and ends tell names apart."""
    if cell_len(text) <= width:
        return text
    # Some letters are two cells wide, so that fewer of them fit.
    for kept in range(len(text) - 1, 1, -1):
        short = f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"
        if cell_len(short) <= width:
            break
    return short
