"""What the page shows of one dataset, gathered as plain values for the template."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from matscale.report.draw import figures
from matscale.report.headline import Headline, headline, is_division
from matscale.report.parts.part import Block, Gathered, Made, Opening, Part, TaskText
from matscale.report.parts.registry import find_part
from matscale.report.provenance import Shared, shared_facts
from matscale.report.tables.score import (
    ScoreTable,
    breakdown_tables,
    ordered,
    score_tables,
    specs_of,
)
from matscale.report.wording import reason_text
from matscale.results.result import Counts, RefusedItem, Result
from matscale.results.samples import read_samples

OPEN_LIST = 8
"""A list of refused items longer than this starts folded."""


@dataclass(frozen=True)
class Breakdown:
    """One grouping: its chart of the drawn predictors, and its table of everyone."""

    by: str
    chart: str
    drawn: tuple[str, ...]
    heading: str
    better: str
    table: ScoreTable


@dataclass(frozen=True)
class RefusedList:
    """Refused inputs of one predictor."""

    name: str
    total: int
    by_reason: tuple[tuple[str, int], ...]
    items: tuple[RefusedItem, ...]
    folded: bool

    @property
    def unlisted(self) -> int:
        """How many were counted without being listed one by one."""
        return max(self.total - len(self.items), 0)


@dataclass(frozen=True)
class Section:
    """One task on one dataset."""

    key: str
    title: str
    text: TaskText
    results: tuple[Result, ...]
    headlines: tuple[Headline, ...]
    opening: Opening | None
    tables: dict[str, list[ScoreTable]]
    published_groups: tuple[ScoreTable, ...]
    defects: tuple[str, ...]
    notes: tuple[str, ...]
    breakdowns: tuple[Breakdown, ...]
    blocks: tuple[tuple[Block, Made], ...]
    refused: tuple[RefusedList, ...]
    series: dict[str, str]
    problems: tuple[str, ...]
    counted: tuple[tuple[str, str, Counts], ...]
    shared: Shared

    @property
    def drawn(self) -> tuple[str, ...]:
        """Predictors whose dots appear in the charts by group."""
        return tuple(
            dict.fromkeys(name for breakdown in self.breakdowns for name in breakdown.drawn)
        )

    def reason(self, words: str) -> str:
        """A count's name in words."""
        return reason_text(words, specs_of(self.results), self.results[0].task)


LADDER = "Every predictor with its 95 % interval, best first."


def make_section(
    key: str, results: Sequence[Result], folder: Path | None, every: Sequence[Result]
) -> Section:
    """Everything the page says of results that share task and dataset.

    Args:
        key: Beginning of the anchors.
        results: Of the section.
        folder: Where the files are that the results name, or None.
        every: Results of the whole page.
    """
    part = find_part(results[0].task)
    leading = ordered(_leading(results))
    series = figures.series_of(leading)
    samples = {result.predictor.name: read_samples(result, folder) for result in leading}
    tables = score_tables(results)
    ladder = _ladder(tables, leading, series)
    gathered = Gathered(
        tuple(ordered(results)), leading, samples, series, folder, every, ladder is not None
    )
    blocks = [(block, made) for block in part.blocks if (made := block.make(gathered))]
    openings = [made.opening for _, made in blocks if made.opening]
    return Section(
        key=key,
        title=_title(results[0]),
        text=part.text,
        results=tuple(ordered(results)),
        headlines=tuple(_headlines(leading)),
        opening=ladder or next(iter(openings), None),
        tables=_by_protocol(tables),
        published_groups=_published_groups(results, leading, part),
        defects=_distinct(d for r in results for d in r.defects),
        notes=_notes(results),
        breakdowns=_breakdowns(leading, series, part),
        blocks=tuple(blocks),
        refused=_refused(leading),
        series=series,
        problems=_gathered([(name, own.problem) for name, own in samples.items() if own.problem]),
        counted=_counted(results),
        shared=shared_facts(ordered(results)),
    )


def _ladder(
    tables: Sequence[ScoreTable], leading: Sequence[Result], series: dict[str, str]
) -> Opening | None:
    """All predictors on one scale; none where the headline is one class of several."""
    lead = next((table for table in tables if table.is_main), None)
    if lead is None or any(map(is_division, leading)):
        return None
    drawing = figures.ladder(lead, series)
    return Opening(drawing, LADDER, file="ladder") if drawing else None


def _title(result: Result) -> str:
    split = f", {result.dataset.split} split" if result.dataset.split else ""
    return f"{result.dataset.name}{split}"


def _distinct(texts: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _notes(results: Sequence[Result]) -> tuple[str, ...]:
    return _gathered([(r.predictor.name, note) for r in results for note in r.notes])


def _gathered(pairs: list[tuple[str, str]]) -> tuple[str, ...]:
    """Each text once, with the names that it is about; without names where it is about many."""
    names: dict[str, dict[str, None]] = {}
    for name, text in pairs:
        names.setdefault(text, {})[name] = None
    return tuple(
        text if len(about) > 3 else f"{', '.join(about)}: {text}" for text, about in names.items()
    )


def _counted(results: Sequence[Result]) -> tuple[tuple[str, str, Counts], ...]:
    """Predictor, protocols and counts; protocols with equal counts share a line."""
    lines: dict[tuple[str, str], tuple[list[str], Counts]] = {}
    for result in ordered(results):
        key = (result.predictor.name, result.counts.model_dump_json())
        lines.setdefault(key, ([], result.counts))[0].append(result.protocol)
    return tuple(
        (name, ", ".join(protocols), counts) for (name, _), (protocols, counts) in lines.items()
    )


def _published_groups(
    results: Sequence[Result], leading: Sequence[Result], part: Part
) -> tuple[ScoreTable, ...]:
    """Breakdowns under the published protocol that the charts do not show already."""
    others = [r for r in results if r.protocol == "published" and r not in leading]
    return tuple(table for table in breakdown_tables(others) if table.by not in part.charted)


def _headlines(leading: Sequence[Result]) -> list[Headline]:
    return [headline(r, leading) for r in ordered(leading) if r.predictor.kind == "model"]


def _leading(results: Sequence[Result]) -> list[Result]:
    """One result a predictor: the sound protocol where there is one, and the one that says most.

    Floors of two runs may differ in that: without a judge no description is scored.
    """

    def worth(result: Result) -> tuple[bool, int]:
        return result.protocol == "sound", len(result.metrics)

    best: dict[str, Result] = {}
    for result in results:
        known = best.get(result.predictor.name)
        if known is None or worth(result) > worth(known):
            best[result.predictor.name] = result
    return list(best.values())


def _by_protocol(tables: list[ScoreTable]) -> dict[str, list[ScoreTable]]:
    parts: dict[str, list[ScoreTable]] = {}
    for table in tables:
        parts.setdefault(table.protocol, []).append(table)
    return parts


# --- by group ----------------------------------------------------------------------------


def _breakdowns(
    results: Sequence[Result], series: dict[str, str], part: Part
) -> tuple[Breakdown, ...]:
    found = []
    for table in breakdown_tables(results):
        names = [column.name for column in table.columns]
        headlines = [result.headline for result in results if result.headline in names]
        if not names or table.by in part.charted:
            continue
        column = table.columns[names.index(headlines[0]) if headlines else 0]
        calm = _calm(table, results, column.name)
        chart = figures.group_chart(calm, column, series)
        drawn = tuple(dict.fromkeys(row.predictor.name for row in calm.rows))
        found.append(Breakdown(table.by, chart, drawn, column.heading, column.better, table))
    return tuple(found)


def _calm(table: ScoreTable, results: Sequence[Result], metric: str) -> ScoreTable:
    """The rows of the models and of the best floor only; all rows where there is no model."""
    models = {row.predictor.name for row in table.rows if row.predictor.kind == "model"}
    floors = {
        result.metrics[metric].floor_name
        for result in results
        if metric in result.metrics and result.predictor.kind == "model"
    }
    rows = tuple(row for row in table.rows if row.predictor.name in models | floors)
    if not models or not rows:
        return table
    return replace(table, rows=rows)


# --- refusals ---------------------------------------------------------------------------


def _refused(results: Sequence[Result]) -> tuple[RefusedList, ...]:
    """Models first, then ceilings, whose failures say what cannot be known; floors last."""
    found = []
    kinds = ("model", "ceiling", "floor")
    for result in sorted(ordered(results), key=lambda result: kinds.index(result.predictor.kind)):
        # Of several candidates some may be refused where the sample is not.
        counts = max(
            result.counts.refused, Counter(item.reason for item in result.refused), key=_total
        )
        reasons = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        total = _total(counts)
        if total or result.refused:
            items = tuple(sorted(result.refused, key=lambda item: item.reason))
            if result.predictor.kind != "model":
                items = _without_repetition(items)
            folded = len(items) > OPEN_LIST
            found.append(RefusedList(result.predictor.name, total, tuple(reasons), items, folded))
    return tuple(found)


def _total(counts: Mapping[str, int]) -> int:
    return sum(counts.values())


def _without_repetition(items: tuple[RefusedItem, ...]) -> tuple[RefusedItem, ...]:
    """The items less those that say the same many times: a rule that always fails fails alike."""
    alike = Counter((item.reason, item.detail) for item in items)
    seen: set[tuple[str, str]] = set()
    kept = []
    for item in items:
        key = item.reason, item.detail
        if alike[key] <= OPEN_LIST or key not in seen:
            kept.append(item)
        seen.add(key)
    return tuple(kept)
