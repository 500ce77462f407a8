"""The commands. They wire rooms together and hold no science.

Heavy imports happen inside the commands, so that ``matscale --help`` answers at once.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from matscale.cli.data import data_app
from matscale.cli.figures import figures_app
from matscale.cli.match import group, match, reduce
from matscale.cli.models import sample, train
from matscale.cli.options import DONE, USER_ERROR, AsJson
from matscale.cli.paper import cite, table
from matscale.cli.recover import recover
from matscale.cli.score import score_app
from matscale.runtime.errors import UserError
from matscale.runtime.version import __version__

app = typer.Typer(
    name="matscale",
    help="Does a generative model of materials understand structure, or does it remember it?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(score_app, name="score")
app.add_typer(data_app, name="data")
app.add_typer(figures_app, name="figures")
for command in (match, group, reduce, recover, train, sample, table, cite):
    app.command()(command)

MOST_NAMED = 4
"""Metrics that are not compared, by name."""

_state = {"debug": False}


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"matscale {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks for user errors.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    _state["debug"] = debug


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="JSON file of a result.")],
    second: Annotated[
        Path, typer.Argument(help="Another result of the same task, dataset and protocol.")
    ],
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Compare two results of one task in words, paired by id where both have the same ids."""
    from dataclasses import asdict

    from matscale import api

    comparisons = api.compare(first, second, seed=seed)
    if as_json:
        print(json.dumps([asdict(one) for one in comparisons], indent=1))
    else:
        left_out = [one for one in comparisons if not one.comparable]
        print("\n".join(one.sentence for one in comparisons if one.comparable))
        if left_out:
            names = [one.label for one in left_out]
            rest = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
            print(
                f"Not compared: {'; '.join(names[:MOST_NAMED])}{rest}. Only main metrics with a "
                "value per sample are."
            )
        for caution in dict.fromkeys(one.caution for one in comparisons if one.caution):
            print(caution)


@app.command()
def report(
    results: Annotated[list[Path], typer.Argument(help="Result files, or folders of them.")],
    out: Annotated[Path, typer.Option(help="Folder for the page, tables and figures.")] = Path(
        "matscale-report"
    ),
    show: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Make an HTML page of results that opens offline, with tables and figures beside it."""
    from matscale.api import load_results

    page = load_results(*results).report(out)
    print(page)
    if show:
        _open_in_browser(page)


def _open_in_browser(page: Path) -> None:
    """Show a page.

    Raises:
        UserError: If there is no browser on this machine; the page is made all the same.
    """
    import webbrowser

    try:
        opened = webbrowser.open(page.resolve().as_uri())
    except webbrowser.Error:
        opened = False
    if not opened:
        raise UserError(
            f"--open: no browser was found on this machine; the page is made, open {page} in one "
            "(or name one in $BROWSER)"
        )


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the demonstration.")] = Path("demo"),
) -> None:
    """Score demonstration predictions on crystals that pymatgen ships, and make the page."""
    from matscale.demo import run_demo
    from matscale.report.console import print_last, print_scores

    card, page = run_demo(out)
    print_scores(card.results)
    print(f"\nA demonstration: no model made these predictions. Its page:\n{page}")
    print_last(card.results)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check the installation: versions, extras, cores, GPU, cache, and what is missing."""
    from matscale.doctor import examine, print_findings

    findings = examine()
    if as_json:
        print(json.dumps(findings, indent=1))
    else:
        print_findings(findings)


def main() -> None:
    """Run the command line; a user error ends in one sentence and exit code 2."""
    # A command makes objects by the million and few cycles: collected as often as by default, they
    # take a tenth of its time.
    gc.set_threshold(20_000, 20, 100)
    try:
        app()
    except UserError as error:
        if _state["debug"]:
            raise
        print(f"matscale: {error}", file=sys.stderr)
        sys.exit(USER_ERROR)
    except BrokenPipeError:
        # The reader of our output went away; Python would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(DONE)
