"""The commands. They wire rooms together and hold no science.

Heavy imports happen inside the commands, so that ``matscale --help`` answers at once.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matscale import __version__
from matscale.errors import UserError

if TYPE_CHECKING:
    from matscale.report.scorecard import Scorecard

DONE, REFUSED_ITEMS, USER_ERROR, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(
    name="matscale",
    help="Does a generative model of materials understand structure, or does it remember it?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
score_app = typer.Typer(
    help="Score predictions on a task, beside floors and a ceiling.", no_args_is_help=True
)
data_app = typer.Typer(
    help="Datasets: what is known, what is here, fetch more.", no_args_is_help=True
)
app.add_typer(score_app, name="score")
app.add_typer(data_app, name="data")

_state = {"debug": False}

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; default: one a core.")]
DatasetName = Annotated[str, typer.Argument(help="A name of `matscale data list`.")]
Seed = Annotated[int, typer.Option(help="Seed of floors and of the bootstrap.")]


class ProtocolChoice(StrEnum):
    """Choices of ``--protocol``."""

    both = "both"
    sound = "sound"
    published = "published"


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"matscale {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of user errors.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    _state["debug"] = debug


@score_app.command("reconstruction")
def score_reconstruction(
    predictions: Annotated[
        list[Path],
        typer.Argument(help="Files or folders of predictions, one model each.", show_default=False),
    ],
    train: Annotated[
        str | None,
        typer.Option(help="Training set: a dataset's name or a file. Floors need it."),
    ] = None,
    targets: Annotated[
        str | None,
        typer.Option(
            help="What was asked: a dataset (its test split), a file, or 'submitted' for those "
            "that the submissions carry. Default: the test split of --train, else 'submitted'."
        ),
    ] = None,
    told: Annotated[
        list[str] | None,
        typer.Option(
            help="What the models were told, such as 'composition,tc' or 'nothing'; or "
            "'MODEL=composition,tc' once a model. Fields: composition, tc, space_group, volume, "
            "cell, positions."
        ),
    ] = None,
    protocol: Annotated[
        ProtocolChoice, typer.Option(help="Which protocol to score under.")
    ] = ProtocolChoice.both,
    hygiene: Annotated[
        str | None, typer.Option(help="Cleaning step of a known dataset: 'atombench'.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("matscale-results"),
    seed: Seed = 0,
    workers: Workers = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if any prediction was refused or missing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Does a model rebuild held-out crystals?"""
    from matscale.api import score

    with _resumable():
        card = score(
            "reconstruction",
            predictions,
            train=train,
            targets=targets,
            told=_told(told),
            protocol=protocol.value,
            hygiene=hygiene,
            out=out,
            seed=seed,
            workers=workers,
            command=_command(),
        )
    _show_card(card, out, as_json)
    if strict and _incomplete(card):
        raise typer.Exit(REFUSED_ITEMS)


@contextmanager
def _resumable() -> Iterator[None]:
    """Tell someone who interrupts a command that its work is kept."""
    try:
        yield
    except KeyboardInterrupt:
        print("matscale: interrupted; the same command goes on where it stopped", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


def _told(options: list[str] | None) -> str | dict[str, str] | None:
    """``--told`` as given: one text for all models, or one for each by name."""
    if not options:
        return None
    if len(options) == 1 and "=" not in options[0]:
        return options[0]
    if any("=" not in option for option in options):
        raise UserError("--told is given once for all models, or as MODEL=FIELDS for each of them")
    return dict(option.split("=", 1) for option in options)


def _incomplete(card: Scorecard) -> bool:
    return any(
        result.counts.read < result.counts.submitted
        for result in card.results
        if result.predictor.kind == "model"
    )


def _show_card(card: Scorecard, out: Path, as_json: bool) -> None:
    if as_json:
        print(json.dumps([result.model_dump(mode="json") for result in card.results], indent=1))
        return
    from matscale.report.console import print_scores

    print_scores(card.results)
    print(f"\nResults are in {out}; `matscale report {shlex.quote(str(out))}` makes the page.")


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="A result's JSON file.")],
    second: Annotated[Path, typer.Argument(help="Another's, on the same targets.")],
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Compare two results on the same ids by a paired bootstrap, in words."""
    from dataclasses import asdict

    from matscale import api

    comparisons = api.compare(first, second, seed=seed)
    if as_json:
        print(json.dumps([asdict(one) for one in comparisons], indent=1))
    else:
        print("\n".join(one.sentence for one in comparisons))
        print("\n".join({one.caution: None for one in comparisons if one.caution}))


@app.command()
def report(
    results: Annotated[list[Path], typer.Argument(help="Result files, or folders of them.")],
    out: Annotated[Path, typer.Option(help="Folder for the page, tables and figures.")] = Path(
        "matscale-report"
    ),
) -> None:
    """Make one page of results that opens offline, with tables and figures beside it."""
    from matscale.api import load_results

    print(load_results(*results).report(out))


@data_app.command("list")
def data_list(as_json: AsJson = False) -> None:
    """The datasets that matscale knows."""
    from matscale import datasets

    found = datasets.list_datasets()
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for item in found:
        sizes = ", ".join(f"{size} {split}" for split, size in item["splits"].items())
        here = item["path"] or f"not on this machine: matscale data fetch {item['name']}"
        print(f"{item['name']:<18}{item['title']} ({sizes})\n{'':<18}{here}")


@data_app.command("info")
def data_info(name: Annotated[str, typer.Argument()], as_json: AsJson = False) -> None:
    """All that is known of a dataset: citation, licence, files, hashes, splits."""
    from matscale import datasets

    item = datasets.describe(name)
    if as_json:
        print(json.dumps(item, indent=1))
        return
    for key, value in item.items():
        if key == "files":
            for file in value:
                print(f"{'file':<14}{file['name']}  sha256 {file['sha256'] or 'not known'}")
                for url in file["urls"]:
                    print(f"{'':<14}{url}")
        elif isinstance(value, dict):
            print(f"{key:<14}{', '.join(f'{name} {size}' for name, size in value.items())}")
        elif isinstance(value, list):
            print(f"{key:<14}" + f"\n{'':<14}".join(value))
        elif value:
            print(f"{key:<14}{value}")


@data_app.command("fetch")
def data_fetch(
    name: DatasetName,
    source: Annotated[
        str | None, typer.Option("--from", help="A local file or folder, or a mirror's address.")
    ] = None,
    pins: Annotated[
        list[str] | None,
        typer.Option("--sha256", help="FILE=HASH to verify a file whose hash is not on record."),
    ] = None,
) -> None:
    """Download a dataset into the cache, or take it from a file; verify its hash."""
    from matscale import datasets

    pinned = dict(_pin(text) for text in pins or [])
    print(datasets.fetch(name, source=source, pins=pinned or None))


def _pin(text: str) -> tuple[str, str]:
    file, equals, sha256 = text.partition("=")
    if not equals:
        raise UserError(f"--sha256 {text!r} is not of the form FILE=HASH")
    return file, sha256


@data_app.command("path")
def data_path(name: Annotated[str, typer.Argument()]) -> None:
    """Where the dataset's files are on this machine."""
    from matscale import datasets

    for path in datasets.find(name):
        print(path)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the demonstration.")] = Path("demo"),
) -> None:
    """Score made-up predictions on crystals that pymatgen ships; make the page."""
    from matscale.demo import run_demo
    from matscale.report.console import print_scores

    card, page = run_demo(out)
    print_scores(card.results)
    print(f"\nA demonstration: no model made these predictions.\n{page}")


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Versions, extras, cores, GPU and cache; what is missing and how to get it."""
    from matscale.doctor import examine, print_findings

    findings = examine()
    if as_json:
        print(json.dumps(findings, indent=1))
    else:
        print_findings(findings)


def _command() -> str:
    """The command line as typed, for the provenance."""
    return shlex.join(["matscale", *sys.argv[1:]])


def main() -> None:
    """Run the command line; a user's mistake ends in one sentence and exit code 2."""
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
