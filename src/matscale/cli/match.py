"""``matscale match``, ``group`` and ``reduce``: who equals whom, in any files of crystals."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matscale.cli.options import AsJson

if TYPE_CHECKING:
    from matscale.matching.batch import Counts, MatchSettings
    from matscale.structures.reading import Reading
    from matscale.structures.table import StructureTable

Crystals = Annotated[Path, typer.Argument(help="Crystals: any file, folder or archive.")]
Length = Annotated[float, typer.Option("--ltol", min=0, help="Relative tolerance of lengths.")]
Site = Annotated[float, typer.Option("--stol", min=0, help="Largest displacement, in (V/n)^(1/3).")]
Angle = Annotated[float, typer.Option("--angle-tol", min=0, help="Tolerance of angles in degrees.")]
Scale = Annotated[
    bool, typer.Option("--scale/--no-scale", help="Bring crystals to one volume per site first.")
]
Primitive = Annotated[
    bool, typer.Option("--primitive/--no-primitive", help="Compare primitive cells.")
]
Supercell = Annotated[
    bool, typer.Option("--supercell", help="One crystal may be a supercell of the other.")
]


class Mode(StrEnum):
    """Choices of ``--mode``."""

    direct = "direct"
    framework = "framework"
    anonymous = "anonymous"


ModeOption = Annotated[
    Mode,
    typer.Option(
        help="direct: equal elements; framework: elements ignored; anonymous: one-to-one maps "
        "of elements."
    ),
]


def match(
    first: Crystals,
    second: Crystals,
    mode: ModeOption = Mode.direct,
    ltol: Length = 0.2,
    stol: Site = 0.3,
    angle_tol: Angle = 5.0,
    scale: Scale = True,
    primitive: Primitive = True,
    supercell: Supercell = False,
    out: Annotated[Path, typer.Option(help="CSV of the pairs that match.")] = Path("pairs.csv"),
    as_json: AsJson = False,
) -> None:
    """Find all pairs of crystals in two files that pymatgen's StructureMatcher.fit accepts."""
    from matscale.matching import batch

    settings = _settings(mode, ltol, stol, angle_tol, scale, primitive, supercell)
    left, right = _read(first), _read(second)
    found = batch.match(left.table, right.table, settings)
    columns = ["first", "second", "rms", "rms_angstrom", "largest"]
    rows: Iterable[Sequence[object]] = zip(
        left.table.ids[found.first],
        right.table.ids[found.second],
        found.rms.tolist(),
        found.rms_angstrom.tolist(),
        found.largest.tolist(),
        strict=True,
    )
    if found.element_maps is not None:
        columns += ["element_map", "cost"]
        rows = [
            (*row, *_element_map(left.table, int(crystal), elements))
            for row, crystal, elements in zip(rows, found.first, found.element_maps, strict=True)
        ]
    _write_csv(out, columns, rows)
    _say(found.counts, [left, right], f"{len(found)} pairs match; they are in {out}", as_json)


def group(
    crystals: Crystals,
    mode: ModeOption = Mode.direct,
    ltol: Length = 0.2,
    stol: Site = 0.3,
    angle_tol: Angle = 5.0,
    scale: Scale = True,
    primitive: Primitive = True,
    supercell: Supercell = False,
    out: Annotated[Path, typer.Option(help="CSV: id, group.")] = Path("groups.csv"),
    as_json: AsJson = False,
) -> None:
    """Group the crystals of a file that are the same; the first of each group stands for it."""
    from matscale.matching import batch

    settings = _settings(mode, ltol, stol, angle_tol, scale, primitive, supercell)
    reading = _read(crystals)
    first, counts = batch.group(reading.table, settings)
    ids = reading.table.ids
    names = [ids[row] if row >= 0 else "" for row in first]
    _write_csv(out, ["id", "group"], zip(ids, names, strict=True))
    unique = len(set(first[first >= 0].tolist()))
    share = f"{100 * unique / max(len(ids), 1):.1f} %"
    said = f"{unique} groups of {len(ids)} crystals ({share}); they are in {out}"
    _say(counts, [reading], said, as_json, groups=unique)


def reduce(
    crystals: Crystals,
    out: Annotated[Path, typer.Option(help="Where to write: .parquet, .extxyz, .jsonl, .zip.")],
    as_json: AsJson = False,
) -> None:
    """Write the primitive, Niggli-reduced cells of all crystals of a file."""
    import numpy as np

    from matscale.matching.reduced import reduced_table
    from matscale.structures import formats

    reading = _read(crystals)
    table, rows = reduced_table(reading.table)
    formats.write(table, out)
    failed = np.delete(reading.table.ids, rows)
    for name in failed:
        print(f"{name}: refused: no reduced cell", file=sys.stderr)
    counts = {"crystals": reading.submitted, "reduced": len(table), "no reduced cell": len(failed)}
    if as_json:
        print(json.dumps({**counts, "refused": reading.refused_by_reason}))
    else:
        _say_refused([reading])
        print(f"{len(table)} reduced crystals are in {out}")


def _settings(
    mode: Mode,
    ltol: float,
    stol: float,
    angle_tol: float,
    scale: bool,
    primitive: bool,
    supercell: bool,
) -> MatchSettings:
    from matscale.matching.batch import MatchSettings
    from matscale.matching.tolerances import Tolerances

    return MatchSettings(
        tolerances=Tolerances(length=ltol, site=stol, angle=angle_tol),
        mode=mode.value,
        criterion="largest",
        scale=scale,
        primitive=primitive,
        supercell=supercell,
    )


def _read(path: Path) -> Reading:
    from matscale.structures import formats

    return formats.read(path, label=f"reading {path.name}")


def _element_map(table: StructureTable, row: int, elements: Any) -> tuple[str, float]:
    """A map such as ``Na>K Cl>Br``, and its mean modified Pettifor distance over the atoms."""
    from ase.data import chemical_symbols

    from matscale.structures import chemistry

    numbers = table.row_numbers(row)
    images = elements[numbers]
    pairs = sorted(set(zip(numbers.tolist(), images.tolist(), strict=True)))
    said = " ".join(f"{chemical_symbols[old]}>{chemical_symbols[new]}" for old, new in pairs)
    return said, float(chemistry.pettifor_distance(numbers, images).mean())


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    from matscale.execution import replaced

    with replaced(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


def _say(
    counts: Counts, readings: Sequence[Reading], said: str, as_json: bool, **more: object
) -> None:
    if as_json:
        refused = [reading.refused_by_reason for reading in readings]
        print(json.dumps({**asdict(counts), **more, "unreadable": refused}, indent=1))
        return
    _say_refused(readings)
    refused_pairs = ", ".join(f"{n} by {why}" for why, n in counts.refused.items() if n) or "none"
    print(
        f"{counts.considered} pairs considered, refused without a search: {refused_pairs}; "
        f"{counts.tested} searched, {counts.matched} match, {counts.seconds:.2f} s"
    )
    print(said)


def _say_refused(readings: Sequence[Reading]) -> None:
    for reading in readings:
        for refusal in reading.refusals:
            detail = f" ({refusal.detail})" if refusal.detail else ""
            print(f"{refusal.source}: refused: {refusal.reason}{detail}", file=sys.stderr)
