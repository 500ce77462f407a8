"""What the commands share: options, exit codes, and how they end."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

DONE, REFUSED_ITEMS, USER_ERROR, INTERRUPTED = 0, 1, 2, 130

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; default: one a core.")]


@contextmanager
def resumable() -> Iterator[None]:
    """Tell someone who interrupts a command that its work is kept."""
    try:
        yield
    except KeyboardInterrupt:
        print("matscale: interrupted; the same command goes on where it stopped", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


def command_line() -> str:
    """The command line as typed, for the provenance."""
    return shlex.join(["matscale", *sys.argv[1:]])
