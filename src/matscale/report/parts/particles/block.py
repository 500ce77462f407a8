"""What the pages of both particle tasks have in common."""

from __future__ import annotations

from matscale.datasets import papers
from matscale.metrics.particles import REASONS
from matscale.report.draw import svg
from matscale.report.names import slug
from matscale.report.parts.part import Block, Gathered, Made, TaskText
from matscale.report.parts.particles.gather import Particles, particles
from matscale.report.parts.particles.published import Printed
from matscale.report.tables.grid import grid_to_csv, grid_to_latex

PAPERS = (papers.C2NP, papers.RADII)
CHARTED = frozenset({"radius"})
"""Breakdowns that the curves over the radius show."""

_FATE = "counted as failures in every share of samples, left out of every other metric"


def text(question: str, floors: dict[str, str]) -> TaskText:
    """Words of a particle task."""
    return TaskText(
        question,
        "test particles",
        fates={"sound": _FATE, "published": _FATE},
        floors=floors,
        reasons=REASONS,
    )


def block(printed: Printed, *, in_3d: bool) -> Block:
    """The block of a particle task; see :func:`particles`."""

    def make(gathered: Gathered) -> Made:
        found = particles(gathered, printed, in_3d=in_3d)
        return Made(found, drawings=_drawings(found), tables=_tables(found))

    here = "matscale.report.parts.particles"
    scripts = ("matscale.report:assets/turning.js", f"{here}:part.js")
    return Block(make, f"{here}:part.html.j2", css=(f"{here}:part.css",), js=scripts)


def _drawings(found: Particles) -> dict[str, str]:
    key = [(name, f"st {colour}") for name, _, colour, _ in found.lines]
    return {slug(name): svg.keyed(drawing, key) for name, drawing in found.drawings.items()}


def _tables(found: Particles) -> dict[str, str]:
    splits = found.splits
    if splits is None:
        return dict(found.files)
    return {
        **found.files,
        "splits.csv": grid_to_csv(splits),
        "splits.tex": grid_to_latex(splits),
    }
