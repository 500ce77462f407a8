"""What the page shows of particles: scores over the radius, surface and interior, the paper's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from matscale.metrics.scales import Profile
from matscale.report.parts.part import Gathered
from matscale.report.parts.particles import figures
from matscale.report.parts.particles.profiles import (
    DIAGNOSTICS,
    INTERIOR,
    SURFACE,
    THRESHOLDS,
    Curve,
    Place,
    Radii,
    RadiusMetric,
    by_split,
    curve_of,
    diagnostics_row,
    failure_text,
    metric_of,
    metrics_of,
    places_of,
    profile_grid,
    radii_of,
    turned_grid,
)
from matscale.report.parts.particles.published import Beside, Printed, beside_published
from matscale.report.parts.particles.view import Gallery, gallery
from matscale.report.tables.grid import Grid, Value, grid_to_csv, grid_to_latex
from matscale.report.tables.score import specs_of
from matscale.results.metric import MetricSpec, unknown
from matscale.results.result import Result
from matscale.results.samples import Samples, read_samples

FIRST = ("chamfer", "rdf_distance", "atom_count_error")
"""Metrics without a threshold that come before others."""
MOST_OPEN = 6
"""Charts of a protocol that are not folded away."""


@dataclass(frozen=True)
class RadiusChart:
    """One metric over the radius: the drawing, the same as numbers, and the frontiers in words."""

    metric: str
    heading: str
    better: str
    definition: str
    drawing: str
    numbers: Grid
    frontiers: str


@dataclass(frozen=True)
class ProtocolCharts:
    """All metrics of one protocol over the radius."""

    protocol: str
    open: tuple[RadiusChart, ...]
    folded: tuple[RadiusChart, ...]


@dataclass(frozen=True)
class SurfaceChart:
    """One metric at the surface and inside."""

    metric: str
    heading: str
    drawing: str


@dataclass(frozen=True)
class Particles:
    """Everything that the page says of particles beyond scores and groups.

    Attributes:
        charts: One per protocol, sound first.
        lines: Name, kind, colour class and dash of each predictor, for the key.
        radii: ID, OOD and training radii.
        diagnostics: A table a metric: the headline and those with a threshold.
        more: Those of the other metrics.
        failures: Which metric fails first, one sentence per predictor.
        turned: How alike answers to one particle in several rotations are, by radius; None where
            no particle was asked in several.
        surface: Charts of surface against interior.
        surface_grid: Their numbers; None where there are none.
        gallery: Particles in 3D; None where none were kept.
        beside: The published table and ours.
        splits: The headline under each split; None where there is one split.
        files: Tables beside the page, text by the end of the file's name.
    """

    charts: tuple[ProtocolCharts, ...]
    lines: tuple[tuple[str, str, str, str], ...]
    radii: Radii
    diagnostics: tuple[Grid, ...]
    more: tuple[Grid, ...]
    failures: tuple[str, ...]
    turned: Grid | None
    surface: tuple[SurfaceChart, ...]
    surface_grid: Grid | None
    gallery: Gallery | None
    beside: Beside
    splits: Grid | None
    files: Mapping[str, str]

    @property
    def drawings(self) -> dict[str, str]:
        """Figures for files of their own, by name."""
        found = {
            f"radius-{one.protocol}-{chart.metric}": chart.drawing
            for one in self.charts
            for chart in (*one.open, *one.folded)
        }
        return found | {f"surface-{one.metric}": one.drawing for one in self.surface}


def particles(gathered: Gathered, printed: Printed, *, in_3d: bool) -> Particles:
    """What the page says of particles beyond scores and groups.

    Args:
        gathered: The section.
        printed: The published table that ours stands beside.
        in_3d: Whether answers are particles to look at.
    """
    results, samples, folder = gathered.results, gathered.samples, gathered.folder
    own = {result.name: _samples_of(result, samples, results, folder) for result in results}
    radii = radii_of(list(own.values()))
    lines = figures.line_styles(gathered.series)
    every = [_of_protocol(protocol, pairs, radii) for protocol, pairs in _split(results, own)]
    parts = [part for part in every if part.metrics]
    leading = parts[0] if parts else None
    diagnostics, more = _diagnostics(parts, radii)
    surface, places = _surface(leading, gathered.series)
    beside = beside_published(results, printed)
    kinds = {one.predictor.name: one.predictor.kind for one in _one_each(results)}
    return Particles(
        charts=tuple(_charts(part, radii, lines) for part in parts),
        lines=tuple((name, kinds[name], *lines[name]) for name in kinds),
        radii=radii,
        diagnostics=diagnostics,
        more=more,
        failures=_failures(parts),
        turned=turned_grid(
            {one.predictor.name: own[one.name] for one in _one_each(results)}, radii
        ),
        surface=surface,
        surface_grid=places,
        gallery=gallery(_one_each(results), samples, folder, specs_of(results)) if in_3d else None,
        beside=beside,
        splits=by_split(results, gathered.every),
        files=_files(parts, radii, (*diagnostics, *more), places, beside),
    )


def _samples_of(
    result: Result,
    known: Mapping[str, Samples],
    results: Sequence[Result],
    folder: Path | None,
) -> Samples:
    """Samples of a result; those of the leading protocol have been read."""
    name = result.predictor.name
    leading = next(one for one in _one_each(results) if one.predictor.name == name)
    if result is leading or result.samples == leading.samples:
        return known.get(name, Samples())
    return read_samples(result, folder)


def _one_each(results: Sequence[Result]) -> list[Result]:
    """One result a predictor: the sound one where there is one."""
    best: dict[str, Result] = {}
    for result in results:
        name = result.predictor.name
        if name not in best or result.protocol == "sound":
            best[name] = result
    return list(best.values())


# --- over the radius ---------------------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    """One protocol: its results with their samples, its metrics with all curves."""

    protocol: str
    results: tuple[tuple[Result, Samples], ...]
    metrics: Mapping[str, RadiusMetric]
    curves: Mapping[str, tuple[Curve, ...]]


def _split(
    results: Sequence[Result], own: Mapping[str, Samples]
) -> list[tuple[str, list[tuple[Result, Samples]]]]:
    """The protocols that there are, each with its results and their samples."""
    pairs = [
        (protocol, [(one, own[one.name]) for one in results if one.protocol == protocol])
        for protocol in ("sound", "published")
    ]
    return [part for part in pairs if part[1]]


def _of_protocol(protocol: str, pairs: Sequence[tuple[Result, Samples]], radii: Radii) -> _Part:
    names: dict[str, MetricSpec] = {}
    for result, samples in pairs:
        for name in metrics_of(result, samples):
            names.setdefault(name, result.spec(name))
    curves = {
        name: tuple(
            curve_of(r, samples, name, radii)
            for r, samples in pairs
            if np.isfinite(samples.numbers(name)).any()
        )
        for name in names
    }
    told = {name: metric_of(spec) for name, spec in names.items()}
    order = sorted(names, key=lambda name: _place(name, list(names)))
    return _Part(protocol, tuple(pairs), {name: told[name] for name in order}, curves)


def _place(name: str, names: Sequence[str]) -> tuple[bool, bool, bool, bool, int]:
    """The headline first, then what has a threshold, then the others; parts of particles last."""
    place = names.index(name)
    part = name.endswith((SURFACE, INTERIOR))
    return place > 0, part, name not in THRESHOLDS, name not in FIRST, place


def _charts(part: _Part, radii: Radii, lines: Mapping[str, tuple[str, str]]) -> ProtocolCharts:
    charts = []
    for name, told in part.metrics.items():
        curves = part.curves[name]
        drawing = figures.radius_curves(curves, told, radii, lines)
        charts.append(
            RadiusChart(
                name, told.heading, told.better, told.definition, drawing,
                _numbers(curves, told), _frontiers(curves, told),
            )
        )  # fmt: skip
    return ProtocolCharts(part.protocol, tuple(charts[:MOST_OPEN]), tuple(charts[MOST_OPEN:]))


def _numbers(curves: Sequence[Curve], told: RadiusMetric) -> Grid:
    """A chart as a table: one row per predictor, one column per radius."""
    every = sorted({float(radius) for one in curves for radius in one.profile.radius})
    rows: list[tuple[Value, ...]] = []
    for one in curves:
        known = dict(zip(map(float, one.profile.radius), one.profile.mean, strict=True))
        means = (told.factor * float(known.get(radius, np.nan)) for radius in every)
        rows.append((one.predictor, *means))
    columns = ("predictor", *(f"{radius:g} Å" for radius in every))
    return Grid(f"{told.heading} by radius", columns, tuple(rows))


def _frontiers(curves: Sequence[Curve], told: RadiusMetric) -> str:
    """The frontier of every predictor in words; "" without a threshold."""
    if told.threshold is None:
        return ""
    at: dict[float, list[str]] = {}
    for one in curves:
        at.setdefault(np.nan_to_num(figures.frontier_of(one, told), nan=0.0), []).append(
            one.predictor
        )
    said = [
        (f"{radius:g} Å for " if radius else "none for ") + ", ".join(at[radius])
        for radius in sorted(at, reverse=True)
    ]
    unit = f" {told.unit}" if told.unit not in ("", "°") else told.unit
    limit = f"{told.factor * told.threshold:g}{unit}"
    sign = "up to" if told.better == "lower" else "from"
    return f"Acceptable {sign} {limit}. Frontier: {'; '.join(said)}."


# --- diagnostics -------------------------------------------------------------------------


def _diagnostics(parts: Sequence[_Part], radii: Radii) -> tuple[tuple[Grid, ...], tuple[Grid, ...]]:
    """Tables of the headlines and of the thresholded metrics, and those of the others."""
    first: list[Grid] = []
    others: list[Grid] = []
    for part in parts:
        for k, (name, told) in enumerate(part.metrics.items()):
            rows = tuple(diagnostics_row(curve, told, radii) for curve in part.curves[name])
            grid = Grid(f"{told.heading}, {part.protocol} protocol", DIAGNOSTICS, rows)
            (first if k == 0 or name in THRESHOLDS else others).append(grid)
    return tuple(first), tuple(others)


def _failures(parts: Sequence[_Part]) -> tuple[str, ...]:
    """One sentence per predictor, over the metrics of both protocols."""
    labels = {name: told for part in parts for name, told in part.metrics.items()}
    profiles: dict[str, dict[str, Profile]] = {}
    for part in parts:
        for metric, curves in part.curves.items():
            for curve in curves:
                profiles.setdefault(curve.predictor, {}).setdefault(metric, curve.profile)
    found = (failure_text(name, own, labels) for name, own in profiles.items())
    return tuple(text for text in found if text)


# --- surface and interior ----------------------------------------------------------------


def _surface(
    part: _Part | None, series: Mapping[str, str]
) -> tuple[tuple[SurfaceChart, ...], Grid | None]:
    if part is None:
        return (), None
    charts, rows = [], []
    for name in part.metrics:
        stem = name.removesuffix(SURFACE)
        if stem == name or stem + INTERIOR not in part.metrics:
            continue
        told = part.metrics.get(stem) or metric_of(unknown(stem))
        places = [
            place
            for result, samples in part.results
            for place in places_of(result.predictor.name, samples, stem)
        ]
        charts.append(SurfaceChart(stem, told.heading, figures.surface_chart(places, told, series)))
        rows += [_surface_row(told, place) for place in places]
    if not charts:
        return (), None
    columns = ("predictor", "metric", "split", "interior", "surface", "surface / interior")
    return tuple(charts), Grid("Surface against interior", columns, tuple(rows), lead=3)


def _surface_row(told: RadiusMetric, place: Place) -> tuple[Value, ...]:
    ratio = place.surface / place.interior if place.interior else float("nan")
    return place.predictor, told.heading, place.split, place.interior, place.surface, ratio


# --- files -------------------------------------------------------------------------------


def _files(
    parts: Iterable[_Part],
    radii: Radii,
    diagnostics: Sequence[Grid],
    places: Grid | None,
    beside: Beside,
) -> dict[str, str]:
    """Tables beside the page as LaTeX and CSV, by the end of their names."""
    columns = ("metric", *DIAGNOSTICS)
    rows = tuple((grid.title, *row) for grid in diagnostics for row in grid.rows)
    whole = Grid("Diagnostics over the radius", columns, rows, lead=2)
    grids = {"diagnostics": (whole, whole)}
    if places is not None:
        grids["surface"] = places, places
    grids["beside-published"] = beside.grid, beside.data
    files = {f"{name}.tex": grid_to_latex(grid) for name, (grid, _) in grids.items()}
    files |= {f"{name}.csv": grid_to_csv(data) for name, (_, data) in grids.items()}
    for part in parts:
        by_radius = profile_grid(part.curves, part.metrics, radii)
        files[f"radius-{part.protocol}.csv"] = grid_to_csv(by_radius)
    return files
