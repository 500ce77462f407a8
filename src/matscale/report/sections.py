"""What the page shows of one dataset, gathered as plain values for the template."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from matscale.report import figures
from matscale.report.cases import case_views
from matscale.report.headline import Headline, headline
from matscale.report.metric_wording import PARAMETERS
from matscale.report.novelty import Novelty, has_classes, novelty, novelty_cases
from matscale.report.particles import TASKS as PARTICLE_TASKS
from matscale.report.particles import Particles, is_particles, particles
from matscale.report.perception import Perception, perception
from matscale.report.scoretable import (
    ScoreTable,
    breakdown_tables,
    ordered,
    score_tables,
)
from matscale.report.wording import TASK_TEXT, members_of
from matscale.results.result import Counts, RefusedItem, Result
from matscale.results.samples import Samples, read_samples

PREDICTIONS = (
    "The worst predictions by AMD distance, a near miss and a typical match, target and prediction"
)
UNMATCHED = (
    "Crystals that no training crystal matches, even with its elements swapped, and the training "
    "crystal nearest by AMD,"
)
"""What the cases are, for the sentence above them."""

OWN_CASES = ("perception", *PARTICLE_TASKS)
"""Tasks whose samples are shown in a part of their own."""

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
class Lattice:
    """Lattice parameters of one predictor: six parity plots, six error distributions."""

    name: str
    kind: str
    parity: tuple[str, ...]
    errors: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True)
class Cases:
    """Samples of one model to look at in 3D, or why there are none.

    ``sides`` says what is drawn on the left and on the right, ``named`` which of the two a button
    is called after.
    """

    name: str
    cases: tuple[dict[str, Any], ...]
    problem: str
    sides: tuple[str, str] = ("target", "predicted")
    about: str = PREDICTIONS
    named: str = "target"


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
    results: tuple[Result, ...]
    members: str
    headlines: tuple[Headline, ...]
    ladder: str
    tables: dict[str, list[ScoreTable]]
    published_groups: tuple[ScoreTable, ...]
    defects: tuple[str, ...]
    notes: tuple[str, ...]
    breakdowns: tuple[Breakdown, ...]
    curves: tuple[str, ...]
    lattice: tuple[Lattice, ...]
    novelty: Novelty | None
    perception: Perception | None
    particles: Particles | None
    cases: tuple[Cases, ...]
    refused: tuple[RefusedList, ...]
    series: dict[str, str]
    problems: tuple[str, ...]
    counted: tuple[tuple[str, str, Counts], ...]

    @property
    def drawn(self) -> tuple[str, ...]:
        """Predictors whose dots appear in the charts by group."""
        return tuple(dict.fromkeys(name for one in self.breakdowns for name in one.drawn))


def make_section(key: str, results: Sequence[Result], folder: Path | None) -> Section:
    """Everything the page says of results that share task and dataset."""
    leading = _leading(results)
    series = figures.series_of(ordered(leading))
    samples = {result.predictor.name: read_samples(result, folder) for result in ordered(leading)}
    tables = score_tables(results)
    lead = next((table for table in tables if not table.family), None)
    return Section(
        key=key,
        title=_title(results[0]),
        results=tuple(ordered(results)),
        members=members_of(results[0].task),
        headlines=tuple(_headlines(leading)),
        ladder=figures.ladder(lead, series) if lead and not _is_division(leading) else "",
        tables=_by_protocol(tables),
        published_groups=_published_groups(results, leading),
        defects=_distinct(d for r in results for d in r.defects),
        notes=_notes(results),
        breakdowns=_breakdowns(leading, series),
        curves=_curves(samples, series),
        lattice=_lattice(leading, samples, series),
        novelty=novelty(ordered(leading), samples, series, folder),
        perception=perception(results, ordered(leading), samples),
        particles=particles(ordered(results), samples, series, folder),
        cases=_cases(leading, samples, folder),
        refused=_refused(leading),
        series=series,
        problems=_gathered([(name, one.problem) for name, one in samples.items() if one.problem]),
        counted=_counted(results),
    )


def _is_division(leading: Sequence[Result]) -> bool:
    """Whether the headline is one class of several, of which more is not better."""
    return any(
        result.headline in TASK_TEXT[result.task].shares
        for result in leading
        if result.task in TASK_TEXT
    )


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
    results: Sequence[Result], leading: Sequence[Result]
) -> tuple[ScoreTable, ...]:
    """Breakdowns under the published protocol that the charts do not show already."""
    others = [r for r in results if r.protocol == "published" and r not in leading]
    return tuple(table for table in breakdown_tables(others) if not _drawn_elsewhere(table, others))


def _drawn_elsewhere(table: ScoreTable, results: Sequence[Result]) -> bool:
    """Whether a breakdown is by radius, which particles have curves of."""
    return table.by == "radius" and is_particles(results)


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


def _breakdowns(results: Sequence[Result], series: dict[str, str]) -> tuple[Breakdown, ...]:
    found = []
    for table in breakdown_tables(results):
        names = [column.name for column in table.columns]
        headlines = [result.headline for result in results if result.headline in names]
        if not names or _drawn_elsewhere(table, results):
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


# --- lattice parameters ------------------------------------------------------------------


def _curves(samples: dict[str, Samples], series: dict[str, str]) -> tuple[str, ...]:
    every = [(name, one) for name, one in samples.items() if figures.has_lattice(one)]
    every = [pair for pair in every if series[pair[0]] != "ceiling"]
    if not every:
        return ()
    limits = figures.error_limits([one for _, one in every])
    drawn = [(series[name], one) for name, one in every]
    return tuple(figures.error_curves(drawn, p, limits[p]) for p in PARAMETERS)


def _lattice(
    results: Sequence[Result], samples: dict[str, Samples], series: dict[str, str]
) -> tuple[Lattice, ...]:
    shown = []
    for result in ordered(results):
        pairs = figures.has_lattice(samples[result.predictor.name])
        if pairs and result.predictor.kind != "ceiling":
            shown.append(result)
    limits = figures.error_limits([samples[result.predictor.name] for result in shown])
    return tuple(_lattice_of(r, samples[r.predictor.name], series, limits) for r in shown)


def _lattice_of(
    result: Result, samples: Samples, series: dict[str, str], limits: dict[str, float]
) -> Lattice:
    colour = series[result.predictor.name]
    pairs = int(samples.scored.sum())
    note = ""
    if pairs > figures.MOST_POINTS:
        note = f"Each plot draws {figures.MOST_POINTS} of {pairs} points, chosen at random."
    return Lattice(
        result.predictor.name,
        result.predictor.kind,
        tuple(figures.parity_plot(samples, p, colour) for p in PARAMETERS),
        tuple(figures.error_histogram(samples, p, colour, limits[p]) for p in PARAMETERS),
        note,
    )


# --- cases and refusals ------------------------------------------------------------------


def _cases(
    results: Sequence[Result], samples: dict[str, Samples], folder: Path | None
) -> tuple[Cases, ...]:
    found = []
    for result in ordered(results):
        if result.predictor.kind == "model" and result.task not in OWN_CASES:
            name = result.predictor.name
            if has_classes(samples[name]):
                views, problem = novelty_cases(result, samples[name], folder)
                sides = "nearest in training", "generated"
                found.append(Cases(name, tuple(views), problem, sides, UNMATCHED, "predicted"))
            else:
                views, problem = case_views(result, samples[name], folder)
                found.append(Cases(name, tuple(views), problem))
    return tuple(found)


def _refused(results: Sequence[Result]) -> tuple[RefusedList, ...]:
    """Models first, then ceilings, whose failures say what cannot be known; floors last."""
    found = []
    kinds = ("model", "ceiling", "floor")
    for result in sorted(ordered(results), key=lambda one: kinds.index(one.predictor.kind)):
        counts = result.counts.refused
        reasons = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        total = sum(counts.values())
        if total or result.refused:
            items = tuple(sorted(result.refused, key=lambda item: item.reason))
            if result.predictor.kind != "model":
                items = _without_repetition(items)
            folded = len(items) > OPEN_LIST
            found.append(RefusedList(result.predictor.name, total, tuple(reasons), items, folded))
    return tuple(found)


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
