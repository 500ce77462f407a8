"""``matscale figures``: sets of figures, what they give away, and drawn ones."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from matscale.cli.options import AsJson, Workers
from matscale.runtime.errors import UserError

figures_app = typer.Typer(
    help="Sets of figures: build synthetic ones, audit any.", no_args_is_help=True
)


@figures_app.command("audit")
def figures_audit(
    data: Annotated[
        Path,
        typer.Argument(
            help="A folder of figures, or a JSON list as written by CSMBench's authors."
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Audit a set: counts, duplicates, and what can be answered without seeing the figures."""
    from matscale.figures.audit import audit

    found = audit(data)
    if as_json:
        print(json.dumps(found.as_dict(), indent=1))
    else:
        print("\n".join(found.lines()))


class DifficultyChoice(StrEnum):
    """How hard drawn figures are to read."""

    easy = "easy"
    medium = "medium"
    hard = "hard"
    mixed = "mixed"


@figures_app.command("build")
def figures_build(
    out: Annotated[
        str,
        typer.Option(metavar="PATH", help="A new folder for the figures.", show_default=False),
    ],
    count: Annotated[int, typer.Option(min=1, help="Number of figures.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    difficulty: Annotated[
        DifficultyChoice, typer.Option(help="Difficulty of reading the figures.")
    ] = DifficultyChoice.mixed,
    workers: Workers = None,
) -> None:
    """Draw synthetic figures with known truth, and questions about them."""
    from matscale.figures.synthetic.appearance import DIFFICULTIES
    from matscale.figures.synthetic.build import build

    if not out:  # as a path it would be the present folder
        raise UserError("--out is empty; name a new folder")
    level = next((one for one in DIFFICULTIES if one == difficulty.value), None)  # "mixed"
    written = build(out, count, seed=seed, difficulty=level, workers=workers)
    items = ", ".join(f"{number} {kind}" for kind, number in written.items())
    print(f"{count} figures in {out}; items: {items}")
