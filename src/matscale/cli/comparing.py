"""How crystals are compared, as options of several commands, and what these commands read."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matscale.runtime.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from matscale.matching.outcomes import MatchSettings
    from matscale.matching.tolerances import Tolerances
    from matscale.structures.reading import Reading

MOST_NAMED = 20
"""Refused items of a source that are named on stderr."""

Crystals = Annotated[Path, typer.Argument(help="Crystals: a file, folder or archive.")]


@dataclass(frozen=True)
class ToleranceOptions:
    """Options that say what still counts as the same; None where they are not given."""

    ltol: Annotated[
        float | None,
        typer.Option("--ltol", min=0, help="Relative tolerance on lengths.", show_default="0.2"),
    ] = None
    stol: Annotated[
        float | None,
        typer.Option(
            "--stol", min=0, help="Site tolerance, in units of (V/n)^(1/3).", show_default="0.3"
        ),
    ] = None
    angle_tol: Annotated[
        float | None,
        typer.Option(
            "--angle-tol", min=0, help="Tolerance on angles, in degrees.", show_default="5"
        ),
    ] = None

    @property
    def tolerances(self) -> Tolerances:
        """The three tolerances; what is not given is as in pymatgen.

        Raises:
            UserError: If a number makes no sense.
        """
        from matscale.matching.outcomes import MatchSettings
        from matscale.matching.tolerances import Tolerances

        names = {"ltol": "length", "stol": "site", "angle_tol": "angle"}
        values = {field: getattr(self, name) for name, field in names.items()}
        given = {field: value for field, value in values.items() if value is not None}
        try:
            return MatchSettings(tolerances=Tolerances(**given)).tolerances
        except ValueError as error:
            raise UserError(f"--{str(error).replace('_', '-')}") from error


@dataclass(frozen=True)
class Comparison(ToleranceOptions):
    """Options that say how crystals are compared; None where they are not given."""

    scale: Annotated[
        bool | None,
        typer.Option(
            "--scale/--no-scale",
            help="Scale crystals to equal volume per site first.",
            show_default="scale",
        ),
    ] = None
    primitive: Annotated[
        bool | None,
        typer.Option(
            "--primitive/--no-primitive", help="Compare primitive cells.", show_default="primitive"
        ),
    ] = None
    supercell: Annotated[
        bool | None,
        typer.Option("--supercell", help="Allow one crystal to be a supercell of the other."),
    ] = None

    @property
    def given(self) -> dict[str, Any]:
        """The options that were given."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def settings(self, mode: str) -> MatchSettings:
        """What the matcher is told; what is not given is as in pymatgen.

        Raises:
            UserError: If a number makes no sense.
        """
        from matscale.matching.outcomes import MatchSettings

        own = {field.name for field in fields(ToleranceOptions)}
        return MatchSettings(
            tolerances=self.tolerances,
            mode=mode,  # type: ignore[arg-type]
            criterion="largest",
            **{name: value for name, value in self.given.items() if name not in own},
        )


def read_crystals(path: Path, workers: int | None, column: str) -> Reading:
    """The crystals of any source.

    Raises:
        UserError: If none can be read.
    """
    from matscale.structures import formats

    reading = formats.read(path, workers=workers, label=f"reading {path.name}", column=column)
    if not len(reading.table):
        reasons = ", ".join(f"{n} {why}" for why, n in reading.refused_by_reason.items())
        details = (one.detail for one in reading.refusals if one.detail)
        why = "".join(f"; the first: {detail}" for detail in islice(details, 1))
        raise UserError(
            f"{path} holds no crystal that can be read ({reasons}){why}; check the file"
        )
    return reading


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table whole or not at all.

    Raises:
        UserError: If the file cannot be written.
    """
    from matscale.runtime.files import replaced

    with replaced(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


def say_unread(
    paths: Sequence[Path], readings: Sequence[Reading], as_json: bool
) -> list[tuple[str, ...]]:
    """Say on stderr what was not read of each source, and which items were refused.

    Returns:
        The notes on each source, which JSON has in place of that.
    """
    # Resolved, for the folder `.` has no name.
    names = [path.resolve().name for path in paths]
    notes = [reading.notes(name) for name, reading in zip(names, readings, strict=True)]
    if as_json:
        return notes
    for name, reading, said in zip(names, readings, notes, strict=True):
        for note in said:
            print(note, file=sys.stderr)
        for refusal in reading.refusals[:MOST_NAMED]:
            detail = f" ({refusal.detail})" if refusal.detail else ""
            print(f"{refusal.source}: refused: {refusal.reason}{detail}", file=sys.stderr)
        if reading.refusals:
            reasons = ", ".join(f"{n} {why}" for why, n in reading.refused_by_reason.items())
            count = f"{len(reading.refusals)} of {reading.submitted}"
            print(f"{count} crystals of {name} were refused: {reasons}", file=sys.stderr)
    return notes


def written_map(old: np.ndarray, new: np.ndarray) -> str:
    """Which atomic numbers take the place of which, such as ``Na>K Cl>Br``, each pair once."""
    from ase.data import chemical_symbols

    pairs = sorted(set(zip(old.tolist(), new.tolist(), strict=True)))
    return " ".join(f"{chemical_symbols[a]}>{chemical_symbols[b]}" for a, b in pairs)
