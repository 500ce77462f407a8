"""``matscale score novelty``: copies of training, copies with swapped elements, or neither."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matscale.cli.comparing import ToleranceOptions
from matscale.cli.options import (
    REFUSED_ITEMS,
    AsJson,
    Everything,
    StructureColumn,
    Workers,
    command_line,
    resumable,
    spread,
)
from matscale.cli.scoring import ProtocolChoice, incomplete, show_card


@spread
def score_novelty(
    generated: Annotated[
        list[Path],
        typer.Argument(
            help="Files or folders of generated crystals, one model each.", show_default=False
        ),
    ],
    train: Annotated[
        str, typer.Option(help="Training set: a dataset name or a file.", show_default=False)
    ],
    *,
    held_out: Annotated[
        str | None,
        typer.Option(
            "--held-out",
            help="Held-out real crystals: a dataset name (its test split) or a "
            "file: the reference line.",
        ),
    ] = None,
    relax: Annotated[
        str,
        typer.Option(
            help="Potential for relaxing generated crystals and candidates, such as 'chgnet', "
            "'mace:medium-mpa-0' or 'module:factory'; 'none' compares them as they are."
        ),
    ] = "none",
    relaxed: Annotated[
        bool, typer.Option("--relaxed", help="The generated crystals are already relaxed.")
    ] = False,
    hull: Annotated[
        Path | None,
        typer.Option(
            help="Reference entries for the hull: a pymatgen JSON file, plain or gzipped, or "
            "'mp' for the Materials Project's (needs mp-api and MP_API_KEY). Default: the training "
            "crystals, relaxed with the same potential."
        ),
    ] = None,
    top: Annotated[
        int, typer.Option(min=1, help="Number of cheapest candidates of each kind to verify.")
    ] = 3,
    how: ToleranceOptions,
    column: StructureColumn = "",
    symprec: Annotated[
        float,
        typer.Option(
            min=1e-6,
            help="Symmetry tolerance for Wyckoff candidates, in Å.",
        ),
    ] = 0.01,
    fmax: Annotated[
        float, typer.Option(help="Maximum generalised force at convergence, in eV/Å.")
    ] = 0.05,
    max_steps: Annotated[
        int, typer.Option(min=0, help="Maximum number of relaxation steps.")
    ] = 500,
    protocol: Annotated[
        ProtocolChoice, typer.Option(help="Protocol to score under.")
    ] = ProtocolChoice.both,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("matscale-results"),
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    workers: Workers = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            help="Dask scheduler that the work is sent to, 'tcp://host:port', or 'local:N' for N "
            "workers on this machine."
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 1 if any crystal could not be read.")
    ] = False,
    everything: Everything = False,
    as_json: AsJson = False,
) -> None:
    """Are generated crystals copies of the training set, element swaps of it, or neither?"""
    from matscale.api import score
    from matscale.runtime import execution
    from matscale.tasks.novelty.settings import NoveltySettings

    settings = NoveltySettings(
        top=top,
        tolerances=how.tolerances,
        symprec=symprec,
        relax=relax,
        relaxed=relaxed,
        hull=hull,
        fmax=fmax,
        max_steps=max_steps,
    )
    with resumable(), execution.on(cluster):
        card = score(
            "novelty",
            generated,
            train=train,
            held_out=held_out,
            settings=settings,
            column=column,
            protocol=protocol.value,
            out=out,
            seed=seed,
            workers=workers,
            command=command_line(),
        )
    show_card(card, out, everything, as_json)
    if strict and incomplete(card):
        raise typer.Exit(REFUSED_ITEMS)
