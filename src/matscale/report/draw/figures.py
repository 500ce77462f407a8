"""Figures as SVG text: parity plots, error distributions, metrics by group, the headline ladder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from matscale.report.draw.svg import Axis, bottom_axis, drawing, left_axis, tag
from matscale.report.tables.cells import Cell, Column, Row
from matscale.report.tables.score import ScoreTable
from matscale.results.result import Result
from matscale.results.samples import Samples

PARAMETERS = {"a": "a", "b": "b", "c": "c", "alpha": "α", "beta": "β", "gamma": "γ"}
"""Lattice parameters and their symbols."""

LENGTHS = ("a", "b", "c")

MOST_POINTS = 3000
_PANEL = (180, 192)
_BINS = 24
_CURVE = 81


def series_of(results: Sequence[Result]) -> dict[str, str]:
    """Colour class of each predictor by name: models s0 to s4, floors s5 to s7, ceilings."""
    series: dict[str, str] = {}
    for kind, classes in (("model", range(5)), ("floor", range(5, 8))):
        names = dict.fromkeys(r.predictor.name for r in results if r.predictor.kind == kind)
        series.update({n: f"s{classes[k % len(classes)]}" for k, n in enumerate(names)})
    for result in results:
        series.setdefault(result.predictor.name, "ceiling")
    return series


def unit_of(parameter: str) -> str:
    """Unit of a lattice parameter."""
    return "Å" if parameter in LENGTHS else "°"


def _panel_title(parameter: str, left: float) -> str:
    text = f"{PARAMETERS[parameter]} ({unit_of(parameter)})"
    return tag("text", text, x=left, y=12, class_="ti")


def _note(text: str, x: float, y: float) -> str:
    return tag("text", text, x=x, y=y, class_="nt", text_anchor="end")


def _dots(x: np.ndarray, y: np.ndarray, classes: str) -> str:
    if not len(x):
        return ""
    steps = [f"M{a:.1f} {b:.1f}h.01" for a, b in zip(x, y, strict=True)]
    return tag("path", d="".join(steps), class_=classes)


# --- parity ------------------------------------------------------------------------------


def has_lattice(samples: Samples) -> bool:
    """Whether there is at least one pair of target and predicted lattice parameters."""
    return any(len(_pairs(samples, parameter)[0]) for parameter in PARAMETERS)


def _pairs(samples: Samples, parameter: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Target, prediction and matched of the samples that have both."""
    target = samples.numbers(f"target_{parameter}")
    predicted = samples.numbers(f"predicted_{parameter}")
    both = np.isfinite(target) & np.isfinite(predicted)
    return target[both], predicted[both], samples.flags("matched")[both]


def parity_plot(samples: Samples, parameter: str, series: str) -> str:
    """Predicted against target lattice parameter.

    The axes span the targets and a quarter more; predictions beyond are counted in a note.
    """
    target, predicted, matched = _pairs(samples, parameter)
    width, height = _PANEL
    low, high = _parity_limits(target)
    x_axis, y_axis = Axis(low, high, 36, width - 6), Axis(low, high, height - 34, 20)
    inside = (predicted >= low) & (predicted <= high)
    drawn = _thin(np.flatnonzero(inside))
    x, y = x_axis.places(target[drawn]), y_axis.places(predicted[drawn])
    hit = matched[drawn]
    parts = [
        _panel_title(parameter, 36),
        bottom_axis(x_axis, height - 34, 4),
        left_axis(y_axis, 36, 4),
        tag("path", d=f"M36 {height - 34}L{width - 6} 20", class_="dg"),
        _dots(x[~hit], y[~hit], "pt no"),
        _dots(x[hit], y[hit], f"pt st {series}"),
        tag("text", "target", x=(30 + width) / 2, y=height - 5, class_="tk", text_anchor="middle"),
    ]
    beyond = int((~inside).sum())
    if beyond:
        parts.append(_note(f"{beyond} beyond", width - 6, 12))
    label = f"{PARAMETERS[parameter]}: predicted against target, {len(target)} pairs"
    return drawing(width, height, "".join(parts), label)


def _parity_limits(target: np.ndarray) -> tuple[float, float]:
    if not len(target):
        return 0.0, 1.0
    margin = max(0.25 * float(np.ptp(target)), 0.1 * float(np.abs(target).max()), 1e-6)
    return float(target.min()) - margin, float(target.max()) + margin


def _thin(rows: np.ndarray) -> np.ndarray:
    """At most ``MOST_POINTS`` of the rows, drawn without replacement under a fixed seed."""
    if len(rows) <= MOST_POINTS:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, MOST_POINTS, replace=False))


# --- errors ------------------------------------------------------------------------------


def error_limits(every: Sequence[Samples]) -> dict[str, float]:
    """For each parameter the error at which all plots of it end: the widest 90 % of a predictor."""
    limits = {}
    for parameter in PARAMETERS:
        ends = []
        for samples in every:
            target, predicted, _ = _pairs(samples, parameter)
            if len(target):
                ends.append(float(np.quantile(np.abs(predicted - target), 0.9)))
        # An exact ceiling has no errors: the axis still needs a width.
        limits[parameter] = 1.05 * max([*ends, 0.1 if parameter in LENGTHS else 1.0])
    return limits


def error_histogram(samples: Samples, parameter: str, series: str, limit: float) -> str:
    """Distribution of predicted minus target; errors beyond the limit are counted in a note."""
    target, predicted, _ = _pairs(samples, parameter)
    error = predicted - target
    width, height = _PANEL[0], 112
    x_axis = Axis(-limit, limit, 8, width - 8)
    base = height - 32
    counts, edges = np.histogram(error, bins=_BINS, range=(-limit, limit))
    y_axis = Axis(0, max(1, int(counts.max())), base, 20)
    bars = "".join(
        f"M{x_axis(left) + 0.4:.1f} {base}V{y_axis(count):.1f}H{x_axis(right) - 0.4:.1f}V{base}z"
        for count, left, right in zip(counts, edges[:-1], edges[1:], strict=True)
        if count
    )
    parts = [
        _panel_title(parameter, 8),
        tag("path", d=f"M{x_axis(0.0):.1f} 18V{base}", class_="dg"),
        tag("path", d=bars, class_=f"fi {series}"),
        bottom_axis(x_axis, base, 4),
        tag("text", "error", x=width / 2, y=height - 4, class_="tk", text_anchor="middle"),
    ]
    beyond = len(error) - int(counts.sum())
    if beyond:
        parts.append(_note(f"{beyond} beyond", width - 8, 12))
    label = f"{PARAMETERS[parameter]}: distribution of the error, {len(error)} pairs"
    return drawing(width, height, "".join(parts), label)


def error_curves(every: Sequence[tuple[str, Samples]], parameter: str, limit: float) -> str:
    """Share of all submitted samples whose absolute error is below x, one line per predictor.

    Samples without a prediction never come in, so that a line ends at the share that was read.
    """
    width, height = _PANEL
    x_axis, y_axis = Axis(0, limit, 36, width - 8), Axis(0, 100, height - 34, 20)
    parts = [
        _panel_title(parameter, 36),
        bottom_axis(x_axis, height - 34, 3),
        left_axis(y_axis, 36, 4),
    ]
    xs = np.linspace(0, limit, _CURVE)
    for series, samples in every:
        target, predicted, _ = _pairs(samples, parameter)
        error = np.sort(np.abs(predicted - target))
        share = 100 * np.searchsorted(error, xs, side="right") / max(len(samples), 1)
        points = [f"{x_axis(x):.1f} {y_axis(y):.1f}" for x, y in zip(xs, share, strict=True)]
        parts.append(tag("path", d="M" + "L".join(points), class_=f"ln st {series}"))
    label = f"error below ({unit_of(parameter)})"
    parts.append(
        tag("text", label, x=(30 + width) / 2, y=height - 5, class_="tk", text_anchor="middle")
    )
    title = f"{PARAMETERS[parameter]}: share of samples within an error"
    return drawing(width, height, "".join(parts), title)


# --- metrics by group --------------------------------------------------------------------

_ROW = 9.0


def group_chart(table: ScoreTable, column: Column, series: dict[str, str]) -> str:
    """One metric by group: a dot and its interval for each predictor, n beside the group's name."""
    index = table.columns.index(column)
    groups = list(dict.fromkeys(row.group for row in table.rows))
    axis = Axis(column.low, column.high, 122, 334)
    parts, y = [], 8.0
    for group in groups:
        rows = [row for row in table.rows if row.group == group]
        name = group if len(group) <= 16 else f"{group[:15]}…"
        middle = y + _ROW * (len(rows) - 1) / 2 + 4
        count = rows[0].n
        parts.append(tag("text", name, x=88, y=middle, text_anchor="end", class_="tk gn"))
        parts.append(tag("text", f"{count}", x=112, y=middle, text_anchor="end", class_="tk"))
        for row in rows:
            parts.append(_interval(row.cells[index], axis, y, series[row.predictor.name]))
            y += _ROW
        y += 7
        if group != groups[-1]:
            parts.append(tag("path", d=f"M0 {y - 7.5:.1f}H334", class_="gr"))
    bottom = y
    parts.append(bottom_axis(axis, bottom, 5))
    parts.append(tag("text", "n", x=112, y=bottom + 13, text_anchor="end", class_="tk"))
    middle = (axis.start + axis.end) / 2
    parts.append(
        tag("text", column.heading, x=middle, y=bottom + 28, class_="tk", text_anchor="middle")
    )
    title = f"{column.heading} {table.title.lower()}"
    return drawing(342, bottom + 33, "".join(parts), title)


def _interval(cell: Cell, axis: Axis, y: float, series: str) -> str:
    value, low, high, *_ = cell.places

    def place(share: float) -> float:
        return axis.start + share / 100 * (axis.end - axis.start)

    if value is None:
        return tag("text", f"– {cell.absent}", x=axis.start + 2, y=y + 3.5, class_="nt")
    parts = []
    if low is not None and high is not None and cell.low:
        path = f"M{place(low):.1f} {y:g}H{place(high):.1f}"
        parts.append(tag("path", d=path, class_=f"iv st {series}"))
    dot = wrap_title(cell, place(value), y, series)
    return "".join([*parts, dot])


def wrap_title(cell: Cell, x: float, y: float, series: str) -> str:
    """A dot that says its numbers when pointed at."""
    interval = f", 95 % interval {cell.low} to {cell.high}" if cell.low else ""
    title = tag("title", f"{cell.value}{interval} (n = {cell.n})")
    return f'<circle cx="{x:.1f}" cy="{y:g}" r="3.2" class="fi {series}">{title}</circle>'


# --- the headline ladder -----------------------------------------------------------------


def ladder(table: ScoreTable, series: dict[str, str]) -> str:
    """The first metric of a table: one row per predictor, best first, with the floor as a line."""
    column = table.columns[0]
    rows = sorted(table.rows, key=lambda row: _rank(row.cells[0], column))
    axis = Axis(column.low, column.high, 132, 380)
    y = 30.0
    bottom = y + 22 * len(rows) - 8
    parts = _lines(rows, axis, bottom)
    for row in rows:
        name = row.predictor.name
        short = name if len(name) <= 18 else f"{name[:17]}…"
        cell = row.cells[0]
        parts.append(tag("path", d=f"M132 {y:g}H380", class_="tr"))
        parts.append(tag("text", short, x=122, y=y + 4, text_anchor="end", class_="nm"))
        parts.append(_interval(cell, axis, y, series[name]))
        parts.append(tag("text", cell.value, x=390, y=y + 4, class_="nm"))
        y += 22
    parts.append(bottom_axis(axis, bottom, 5))
    parts.append(
        tag("text", column.heading, x=256, y=bottom + 29, class_="tk", text_anchor="middle")
    )
    return drawing(430, bottom + 34, "".join(parts), column.heading)


def _lines(rows: Sequence[Row], axis: Axis, bottom: float) -> list[str]:
    """Strongest floor and ceiling as lines through all rows, named at the top."""
    strongest = [row.cells[0].places[0] for row in rows if row.cells[0].strongest]
    parts = []
    for place, name, classes in ((3, "strongest floor", "dg"), (4, "ceiling", "ce")):
        shares = [row.cells[0].places[place] for row in rows if row.predictor.kind == "model"]
        if place == 3 and strongest:
            shares = list(strongest)
        found = [share for share in shares if share is not None]
        if found and len(set(found)) == 1:
            x = axis.start + found[0] / 100 * (axis.end - axis.start)
            # The names stay apart where the lines nearly meet.
            anchor = "end" if place == 3 and found[0] > 50 else "middle"
            shift = 6 if anchor == "end" else 0
            parts.append(tag("path", d=f"M{x:.1f} 18V{bottom:g}", class_=classes))
            parts.append(tag("text", name, x=x + shift, y=12, text_anchor=anchor, class_="tk"))
    return parts


def _rank(cell: Cell, column: Column) -> float:
    if cell.raw is None:
        return float("inf")
    return -cell.raw if column.better == "higher" else cell.raw
