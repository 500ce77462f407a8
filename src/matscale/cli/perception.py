"""``matscale score perception``: does a multimodal model read materials figures?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matscale.cli.options import REFUSED_ITEMS, AsJson, Everything, command_line, resumable
from matscale.cli.scoring import ProtocolChoice, incomplete, show_card


def score_perception(
    model: Annotated[
        str,
        typer.Option(
            help="Model to ask, as inspect-ai calls it, such as 'openai/gpt-4o'. Its key is taken "
            "from the environment.",
            show_default=False,
        ),
    ],
    data: Annotated[
        str,
        typer.Option(
            help="A folder of figures, a JSON list as written by CSMBench's authors, or 'csmbench'."
        ),
    ] = "csmbench",
    protocol: Annotated[
        ProtocolChoice, typer.Option(help="Protocol to score under.")
    ] = ProtocolChoice.both,
    orders: Annotated[
        int,
        typer.Option(min=1, max=4, help="Number of orders in which the options are shown (sound)."),
    ] = 2,
    judge: Annotated[
        str | None,
        typer.Option(help="Model that grades descriptions; without one they are left out."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Maximum number of figures of each kind, drawn at random."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results and logs.")] = Path(
        "matscale-results"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 1 if any figure was not answered.")
    ] = False,
    everything: Everything = False,
    as_json: AsJson = False,
) -> None:
    """Does a multimodal model read figures, and how well does it do without seeing them?"""
    from matscale.api import score

    with resumable():
        card = score(
            "perception",
            model,
            data=data,
            protocol=protocol.value,
            orders=orders,
            judge=judge,
            limit=limit,
            out=out,
            seed=seed,
            command=command_line(),
        )
    show_card(card, out, everything, as_json)
    if strict and incomplete(card):
        raise typer.Exit(REFUSED_ITEMS)
