"""Scores on a terminal: headlines, then metrics with floors and ceiling, the headline once more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console

from matscale.report.headline import division, headline
from matscale.report.tables.plain import entrant_lines, table_lines
from matscale.report.tables.score import ScoreTable, first_columns, score_tables, strongest_floor
from matscale.report.tables.text import by_dataset, describe_dataset
from matscale.report.wording import reason_text, text_of
from matscale.results.result import Result

MOST_METRICS = 6
"""Metrics that are printed unless all are asked for."""


def print_scores(
    results: Sequence[Result], console: Console | None = None, *, everything: bool = False
) -> None:
    """Print headlines, refusals and the metrics that say most, a row each.

    Args:
        results: Any results.
        console: Where to print; no line is wider.
        everything: Print every metric, under both protocols.
    """
    console = console or terminal()
    for part in by_dataset(results).values():
        console.print(describe_dataset(part[0]), style="bold", markup=False)
        leading = leading_results(part)
        for result in leading:
            if result.predictor.kind == "model":
                said = headline(result, leading)
                tags = "; ".join(tag for tag in dict.fromkeys([said.told, *said.labels]) if tag)
                console.print(f"· {said.text}{f' [{tags}]' if tags else ''}", markup=False)
        if not any(result.predictor.kind == "floor" for result in leading):
            console.print("! There are no floors: name a training set with --train.", markup=False)
        for line in _warnings(leading):
            console.print(f"! {line}", markup=False)
        tables = list(_tables(part, leading, everything))
        for table in tables:
            console.print()
            title = f"{table.title}, {table.protocol} protocol (value, 95 % interval)"
            console.print(title, style="bold", markup=False)
            _print_lines(console, table_lines(table, console.width))
        for table in _by_number(leading):
            console.print()
            unit = f" ({table.columns[0].unit})" if table.columns[0].unit else ""
            title = f"{table.title}{unit}, {table.protocol} protocol (value, 95 % interval)"
            console.print(title, style="bold", markup=False)
            _print_lines(console, entrant_lines(table, console.width))
        if not everything and (rest := _left_out(part, tables)):
            console.print(f"{rest}: --all", markup=False)


def _print_lines(console: Console, lines: Sequence[str]) -> None:
    for line in lines:
        console.print(line, markup=False, no_wrap=True, overflow="crop")


def _by_number(results: Sequence[Result]) -> list[ScoreTable]:
    """Tables of compared metrics by the number of answers of which the best counts."""
    return [table for table in score_tables(results) if table.of_one and _is_compared(table)]


def _is_compared(table: ScoreTable) -> bool:
    return table.columns[0].spec.compared is not None


def print_last(results: Sequence[Result], console: Console | None = None) -> None:
    """Print the headline of all models once more, with the strongest floor."""
    console = console or terminal()
    for part in by_dataset(results).values():
        for line in _last_lines(leading_results(part)):
            console.print(line, style="bold", markup=False)


def terminal() -> Console:
    """Where commands print."""
    return Console(highlight=False)


def leading_results(part: Sequence[Result]) -> list[Result]:
    """The results under the protocol that leads: the sound one where there is one."""
    protocols = {result.protocol for result in part}
    protocol = "sound" if "sound" in protocols else part[0].protocol
    return [result for result in part if result.protocol == protocol]


def _tables(
    part: Sequence[Result], leading: Sequence[Result], everything: bool
) -> Iterator[ScoreTable]:
    """What is printed; distances of distributions are many and for the page."""
    if not everything:
        tables = [table for table in score_tables(leading) if table.is_main]
        yield from (first_columns(table, MOST_METRICS) for table in tables[:1])
        return
    for table in score_tables(part):
        if table.of_one:
            if not _is_compared(table):
                yield table
        elif not table.family or table.protocol == "published":
            yield table


def _left_out(part: Sequence[Result], shown: Sequence[ScoreTable]) -> str:
    """What ``--all`` adds, in words."""
    tables = list(_tables(part, part, everything=True))
    names = [
        {(table.protocol, column.name) for table in some for column in table.columns}
        for some in (tables, [*shown, *_by_number(part)])
    ]
    more = len(names[0] - names[1])
    if not more:
        return ""
    others = sorted({table.protocol for table in tables} - {table.protocol for table in shown})
    under = f", some under the {others[0]} protocol" if others else ""
    return f"{more} more metrics{under}" if more > 1 else f"1 more metric{under}"


def _last_lines(leading: Sequence[Result]) -> list[str]:
    """Such as ``match rate: atomgpt 38 %, cdvae 0.0 %; strongest floor substitution 63 %``."""
    models = [result for result in leading if result.predictor.kind == "model"]
    said = [f"{model.predictor.name}: {line}" for model in models if (line := division(model))]
    names = dict.fromkeys(result.headline for result in models if not division(result))
    for name in names:
        table = next(
            (table for table in score_tables(leading) if _place(table, name) is not None), None
        )
        if table is None:
            continue
        place = _place(table, name)
        assert place is not None
        column = table.columns[place]
        rows = [row for row in table.rows if row.predictor.kind == "model"]
        unit = f" {column.unit}" if column.unit else ""
        values = ", ".join(f"{row.predictor.name} {row.cells[place].value}{unit}" for row in rows)
        floor = strongest_floor(table, place)
        beside = f"; strongest floor {floor.name} {floor.value}{unit}" if floor else ""
        said.append(f"{column.label}: {values}{beside}")
    return said


def _place(table: ScoreTable, name: str) -> int | None:
    names = [column.name for column in table.columns]
    return names.index(name) if name in names else None


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
        text = text_of(result.task)
        for group, end in ((lost, text.fates[result.protocol]), (counts.warnings, text.warned)):
            if group:
                items = ", ".join(
                    f"{count} {reason_text(what, result.definitions, result.task)}"
                    for what, count in group.items()
                )
                ending = f"; {end}" if end else ""
                lines[f"{result.predictor.name}: {items}{ending}"] = None
    return list(lines)
