"""What the commands share: options, exit codes, and how they end."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from matscale.runtime.errors import UserError

DONE, REFUSED_ITEMS, USER_ERROR, INTERRUPTED = 0, 1, 2, 130

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Everything = Annotated[
    bool, typer.Option("--all", help="Print all metrics, and the tables of the published protocol.")
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1, help="Number of worker processes.", show_default="all cores, where worth it"
    ),
]

StructureColumn = Annotated[
    str,
    typer.Option(
        "--column",
        help="Column of a CSV or JSON table that holds the structures.",
        show_default="prediction, cif, structure or poscar",
    ),
]

PARTIAL = ".partial"
"""Ending of the folder in which a command keeps finished parts until its output is written."""


@contextmanager
def resumable() -> Iterator[None]:
    """Tell someone who interrupts a command that its work is kept."""
    try:
        yield
    except KeyboardInterrupt:
        print("matscale: interrupted; the same command resumes where it stopped", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def kept_beside(out: Path) -> Iterator[Path]:
    """A folder for finished parts of the work, which goes once the block has written ``out``.

    After an interruption or a crash it stays, and the same command finds it again.
    """
    folder = out.with_name(f".{out.name}{PARTIAL}")
    with resumable():
        yield folder
    shutil.rmtree(folder, ignore_errors=True)


def check_writable(out: Path) -> None:
    """Make sure, before any work is done, that its outcome can be written.

    Raises:
        UserError: If the file cannot be made.
    """
    if out.is_dir():
        raise UserError(f"--out {out} is a folder; give the name of a file")
    if not out.parent.is_dir():
        raise UserError(f"--out {out}: there is no folder {out.parent}; make it first")
    if not os.access(out.parent, os.W_OK):
        raise UserError(f"--out {out}: the folder {out.parent} cannot be written to")


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take a dataclass of options, each field of which becomes an option.

    So that options which several commands share are written once: the fields, with their
    ``Annotated`` types and defaults, take the place of the parameter in the signature that typer
    reads.
    """
    hints = get_type_hints(command, include_extras=True)
    parameters: list[inspect.Parameter] = []
    shared: dict[str, tuple[Any, list[str]]] = {}
    for name, parameter in inspect.signature(command).parameters.items():
        kind = hints[name]
        if not dataclasses.is_dataclass(kind):
            parameters.append(parameter.replace(annotation=kind))
            continue
        options = get_type_hints(kind, include_extras=True)
        fields = dataclasses.fields(kind)
        shared[name] = (kind, [field.name for field in fields])
        parameters += [
            inspect.Parameter(
                field.name, parameter.kind, default=field.default, annotation=options[field.name]
            )
            for field in fields
        ]

    @functools.wraps(command)
    def spread_out(**given: Any) -> None:
        for name, (kind, fields) in shared.items():
            given[name] = kind(**{field: given.pop(field) for field in fields})
        command(**given)

    # Typer reads both.
    spread_out.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    spread_out.__annotations__ = {one.name: one.annotation for one in parameters}
    return spread_out


def command_line() -> str:
    """The command line as typed, for the provenance, less what its paths say of the machine."""
    from matscale.results.paths import shown_argument

    return shlex.join(["matscale", *map(shown_argument, sys.argv[1:])])
