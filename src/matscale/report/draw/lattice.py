"""Lattice parameters of predictions against targets, for tasks whose samples have cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from matscale.report.draw import figures, svg
from matscale.report.names import slug
from matscale.report.parts.part import Block, Gathered, Made
from matscale.results.result import Result
from matscale.results.samples import Samples


@dataclass(frozen=True)
class Lattice:
    """Lattice parameters of one predictor: six parity plots, six error distributions."""

    name: str
    kind: str
    parity: tuple[str, ...]
    errors: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True)
class Panels:
    """Error curves of all predictors, and the plots of each."""

    curves: tuple[str, ...]
    predictors: tuple[Lattice, ...]


def _make(gathered: Gathered) -> Made | None:
    """The plots of everybody but the ceiling; None where no samples have cells."""
    shown = [
        result
        for result in gathered.leading
        if figures.has_lattice(gathered.samples[result.predictor.name])
        and result.predictor.kind != "ceiling"
    ]
    if not shown:
        return None
    every = [(one.predictor.name, gathered.samples[one.predictor.name]) for one in shown]
    limits = figures.error_limits([samples for _, samples in every])
    drawn = [(gathered.series[name], samples) for name, samples in every]
    panels = Panels(
        tuple(figures.error_curves(drawn, p, limits[p]) for p in figures.PARAMETERS),
        tuple(
            _of_predictor(one, gathered.samples[one.predictor.name], gathered.series, limits)
            for one in shown
        ),
    )
    return Made(panels, drawings=_drawings(panels, gathered.series))


def _of_predictor(
    result: Result, samples: Samples, series: Mapping[str, str], limits: Mapping[str, float]
) -> Lattice:
    colour = series[result.predictor.name]
    pairs = int(samples.scored.sum())
    note = ""
    if pairs > figures.MOST_POINTS:
        note = f"Each plot draws {figures.MOST_POINTS} of {pairs} points, chosen at random."
    return Lattice(
        result.predictor.name,
        result.predictor.kind,
        tuple(figures.parity_plot(samples, p, colour) for p in figures.PARAMETERS),
        tuple(figures.error_histogram(samples, p, colour, limits[p]) for p in figures.PARAMETERS),
        note,
    )


def _drawings(panels: Panels, series: Mapping[str, str]) -> dict[str, str]:
    """The figures by name, each with the key that the page has beside it."""
    colours = {one.name: f"st {series[one.name]}" for one in panels.predictors}
    found = {
        "errors-all": svg.keyed(svg.grid(list(panels.curves), 3, "errors"), list(colours.items()))
    }
    for one in panels.predictors:
        colour = colours[one.name]
        parity = svg.grid(list(one.parity), 3, f"{one.name}: prediction against target")
        key = [(f"{one.name}, matched", colour), ("not matched", "no")]
        found[f"parity-{slug(one.name)}"] = svg.keyed(parity, key)
        errors = svg.grid(list(one.errors), 3, f"{one.name}: errors")
        found[f"errors-{slug(one.name)}"] = svg.keyed(errors, [(one.name, colour)])
    return found


BLOCK = Block(_make, "matscale.report:templates/lattice.html.j2")
