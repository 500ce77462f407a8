"""``matscale score``: one subcommand per task."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matscale.cli.novelty import score_novelty
from matscale.cli.options import (
    REFUSED_ITEMS,
    AsJson,
    Everything,
    StructureColumn,
    Workers,
    command_line,
    resumable,
)
from matscale.cli.particles import score_crystal_to_particle, score_particle_to_crystal
from matscale.cli.perception import score_perception
from matscale.cli.scoring import ProtocolChoice, incomplete, show_card
from matscale.runtime.errors import UserError

score_app = typer.Typer(
    help="Score predictions on a task, beside floors and a ceiling.", no_args_is_help=True
)
score_app.command("novelty")(score_novelty)
score_app.command("perception")(score_perception)
score_app.command("crystal-to-particle")(score_crystal_to_particle)
score_app.command("particle-to-crystal")(score_particle_to_crystal)


@score_app.command("reconstruction")
def score_reconstruction(
    predictions: Annotated[
        list[Path],
        typer.Argument(help="Files or folders of predictions, one model each.", show_default=False),
    ],
    train: Annotated[
        str | None,
        typer.Option(help="Training set: a dataset name or a file. Floors need it."),
    ] = None,
    targets: Annotated[
        str | None,
        typer.Option(
            help="Targets: a dataset (its test split), a file, or 'submitted' for those that the "
            "submissions contain. Default: the test split of --train, else 'submitted'."
        ),
    ] = None,
    told: Annotated[
        list[str] | None,
        typer.Option(
            help="Fields that the models were conditioned on (told), such as 'composition,tc' or "
            "'nothing'; or 'MODEL=composition,tc', repeated per model. Fields: composition, tc, "
            "space_group, volume, cell, positions."
        ),
    ] = None,
    protocol: Annotated[
        ProtocolChoice, typer.Option(help="Protocol to score under.")
    ] = ProtocolChoice.both,
    hygiene: Annotated[
        str | None, typer.Option(help="Cleaning step of a known dataset, such as 'atombench'.")
    ] = None,
    column: StructureColumn = "",
    by_order: Annotated[
        bool,
        typer.Option(
            "--by-order",
            help="Match answers to targets by order, whatever their ids; answers without ids "
            "always are.",
        ),
    ] = False,
    candidates: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Candidates for each target that floors are asked for and that are scored at "
            "most.",
            show_default="as many as there are most",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("matscale-results"),
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    workers: Workers = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit with code 1 if any prediction was refused or missing."),
    ] = False,
    everything: Everything = False,
    as_json: AsJson = False,
) -> None:
    """Does a model rebuild held-out crystals?"""
    from matscale.api import score

    with resumable():
        card = score(
            "reconstruction",
            predictions,
            train=train,
            targets=targets,
            told=_told(told),
            protocol=protocol.value,
            hygiene=hygiene,
            column=column,
            by_order=by_order,
            candidates=candidates,
            out=out,
            seed=seed,
            workers=workers,
            command=command_line(),
        )
    show_card(card, out, everything, as_json)
    if strict and incomplete(card):
        raise typer.Exit(REFUSED_ITEMS)


def _told(options: list[str] | None) -> str | dict[str, str] | None:
    """``--told`` as given: one text for all models, or one for each by name."""
    if not options:
        return None
    if len(options) == 1 and "=" not in options[0]:
        return options[0]
    if any("=" not in option for option in options):
        raise UserError("--told is given once for all models, or as MODEL=FIELDS for each of them")
    return dict(option.split("=", 1) for option in options)
