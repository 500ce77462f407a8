"""``matscale score crystal-to-particle|particle-to-crystal``: particles cut from crystals."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from matscale.cli.options import REFUSED_ITEMS, AsJson, Everything, Workers, command_line, resumable
from matscale.cli.scoring import ProtocolChoice, incomplete, show_card


class SplitChoice(StrEnum):
    """Choices of ``--split``."""

    radius = "radius"
    material = "material"


Data = Annotated[
    str,
    typer.Option(help="A folder made by `matscale data build`, or perov-h3, diverse or radii-10."),
]
Split = Annotated[
    SplitChoice,
    typer.Option(help="How train and test are split: by radius, as published, or by material."),
]
Limit = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Orientations to ask per material and radius.",
        show_default="1; for crystal-to-particle 1 of some 20 materials at each radius",
    ),
]
Told = Annotated[
    str | None,
    typer.Option(
        help="Fields that the models were conditioned on (told), such as 'numbers,positions', or "
        "'nothing'."
    ),
]
Protocol = Annotated[ProtocolChoice, typer.Option(help="Protocol to score under.")]
Out = Annotated[Path, typer.Option(help="Folder for the results.")]
Seed = Annotated[int, typer.Option(min=0, help="Random seed.")]
Strict = Annotated[
    bool, typer.Option("--strict", help="Exit with code 1 if any answer was refused or missing.")
]


def score_crystal_to_particle(
    predictions: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Files of particles, extended XYZ or Parquet, one model each; none for floors "
            "and ceiling alone.",
            show_default=False,
        ),
    ] = None,
    data: Data = "perov-h3",
    split: Split = SplitChoice.radius,
    told: Told = None,
    protocol: Protocol = ProtocolChoice.both,
    limit: Limit = None,
    out: Out = Path("matscale-results"),
    seed: Seed = 0,
    workers: Workers = None,
    strict: Strict = False,
    everything: Everything = False,
    as_json: AsJson = False,
) -> None:
    """Can a model cut a sphere of a given radius from a crystal?"""
    _score(
        "crystal-to-particle",
        predictions,
        out,
        strict,
        everything,
        as_json,
        data=data,
        split=split.value,
        told=told,
        protocol=protocol.value,
        limit=limit,
        seed=seed,
        workers=workers,
    )


def score_particle_to_crystal(
    predictions: Annotated[
        list[Path] | None,
        typer.Argument(
            help="CSV files of cells, or files of crystals, one model each; none for floors and "
            "ceiling alone.",
            show_default=False,
        ),
    ] = None,
    data: Data = "perov-h3",
    split: Split = SplitChoice.radius,
    told: Told = None,
    protocol: Protocol = ProtocolChoice.both,
    limit: Limit = None,
    hard: Annotated[
        str | None,
        typer.Option(
            help="Perturb the input particles: TRACK=LEVEL, such as thermal=0.05.",
            show_default="as they were cut",
        ),
    ] = None,
    out: Out = Path("matscale-results"),
    seed: Seed = 0,
    workers: Workers = None,
    strict: Strict = False,
    everything: Everything = False,
    as_json: AsJson = False,
) -> None:
    """Does a model find the crystal that a particle was cut from?"""
    _score(
        "particle-to-crystal",
        predictions,
        out,
        strict,
        everything,
        as_json,
        data=data,
        split=split.value,
        told=told,
        protocol=protocol.value,
        limit=limit,
        hard=hard,
        seed=seed,
        workers=workers,
    )


def _score(
    task: str,
    predictions: list[Path] | None,
    out: Path,
    strict: bool,
    everything: bool,
    as_json: bool,
    **options: Any,
) -> None:
    from matscale import api

    score: Any = api.score  # its options are typed by task
    with resumable():
        card = score(task, predictions or [], out=out, command=command_line(), **options)
    show_card(card, out, everything, as_json)
    if strict and incomplete(card):
        raise typer.Exit(REFUSED_ITEMS)
