"""``matscale recover``: the crystals that particles were cut from."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matscale.cli.options import REFUSED_ITEMS, AsJson, Workers, check_writable
from matscale.runtime.errors import UserError

if TYPE_CHECKING:
    from matscale.recovery import Recovered
    from matscale.structures.reading import Reading
    from matscale.structures.table import StructureTable


def recover(
    particles: Annotated[
        Path, typer.Argument(help="Particles: XYZ without a cell, Parquet, a folder, an archive.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="CIF file to write, one block per particle.")
    ] = None,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Recover the crystal of each particle: cell, space group, sites, and confidence."""
    if out is not None:
        check_writable(out)
        if out.exists() and particles.exists() and out.samefile(particles):
            raise UserError(f"--out {out} is what is read: give another file for the crystals")
    from matscale import recovery
    from matscale.recovery.reading import CRYSTAL, read_particles

    reading = read_particles(particles)
    if not len(reading.table):
        first = reading.refusals[0]
        if set(reading.refused_by_reason) == {CRYSTAL}:
            raise UserError(f"{particles} holds a crystal already: it has a cell; nothing to do")
        raise UserError(f"{particles} holds no particle that can be read ({first.detail})")
    label = "recovering" if len(reading.table) > 1 else ""
    found = list(recovery.recover_all(reading.table, workers=workers, label=label))
    if as_json:
        _print_json(reading, found)
    else:
        for row, one in enumerate(found):
            print(_in_words(str(reading.table.ids[row]), one))
        for refusal in reading.refusals:
            print(f"{refusal.id}: refused: {refusal.reason}, {refusal.detail}", file=sys.stderr)
    if out is not None:
        _write_cif(out, reading.table, found)
        if not as_json:
            print(f"crystals are in {out}")
    if reading.refusals:
        raise typer.Exit(REFUSED_ITEMS)


def _print_json(reading: Reading, found: list[Recovered]) -> None:
    answers = [_as_dict(str(name), one) for name, one in zip(reading.table.ids, found, strict=True)]
    print(json.dumps({"particles": answers, "refused": reading.refused_by_reason}, indent=1))


def _write_cif(out: Path, table: StructureTable, found: list[Recovered]) -> None:
    from matscale.recovery.cif import standard_cif, unique_names
    from matscale.runtime.files import replaced

    crystals = [
        (str(name), one.cell)
        for name, one in zip(table.ids, found, strict=True)
        if one.cell is not None
    ]
    if not crystals:
        raise UserError(f"--out {out}: no crystal is determined, so there is none to write")
    names = unique_names(name for name, _ in crystals)
    blocks = [standard_cif(name, cell) for name, (_, cell) in zip(names, crystals, strict=True)]
    with replaced(out) as temporary:
        temporary.write_text("\n".join(blocks), encoding="utf-8")


def _cell(crystal: StructureTable) -> dict[str, Any]:
    import numpy as np

    from matscale.structures.cells import lattice_parameters
    from matscale.structures.formats.elements import SYMBOLS

    fractions = crystal.row_positions(0) @ np.linalg.inv(crystal.lattices[0])
    names = ("a", "b", "c", "alpha", "beta", "gamma")
    values = lattice_parameters(crystal.lattices)[0]
    return {
        **{name: round(float(value), 6) for name, value in zip(names, values, strict=True)},
        "sites": [
            [SYMBOLS[number], *(round(float(part) % 1.0, 6) % 1.0 for part in place)]
            for number, place in zip(crystal.row_numbers(0), fractions, strict=True)
        ],
    }


def _as_dict(name: str, found: Recovered) -> dict[str, Any]:
    known = found.noise == found.noise
    return {
        "id": name,
        "status": found.status,
        "reason": found.reason,
        "space_group": found.space_group or None,
        "confidence": found.confidence,
        "cell": _cell(found.cell) if found.cell is not None else None,
        "noise": found.noise if known else None,
        "vacancies": found.vacancies if known else None,
        "strays": found.strays,
        "candidates": [
            {
                "space_group": one.space_group,
                "confidence": one.confidence,
                "cell": _cell(one.cell),
            }
            for one in found.candidates
        ],
    }


def _in_words(name: str, found: Recovered) -> str:
    lines = [f"{name}: {found.status}" + (f": {found.reason}" if found.reason else "")]
    if found.cell is not None:
        cell = _cell(found.cell)
        lines += [
            f"  space group  {_symbol(found.space_group)}",
            f"  cell         {_parameters(cell)} (primitive, Niggli-reduced)",
            f"  confidence   {found.confidence:.2f}",
            f"  noise        {found.noise:.3f} Å per axis, {100 * found.vacancies:.1f} % vacancies"
            f", {found.strays} stray atoms",
            "  sites",
        ]
        lines += [
            f"    {symbol:2s} {x:9.5f} {y:9.5f} {z:9.5f}" for symbol, x, y, z in cell["sites"]
        ]
    others = found.candidates[1 if found.cell is not None else 0 :]
    if others:
        lines.append("  also possible" if found.cell is not None else "  candidates")
        lines += [
            f"    {_symbol(one.space_group)}: {_parameters(_cell(one.cell))}" for one in others
        ]
    return "\n".join(lines)


def _symbol(number: int) -> str:
    import moyopy

    return f"{moyopy.SpaceGroupType(number).hm_short.replace(' ', '')} ({number})"


def _parameters(cell: dict[str, Any]) -> str:
    lengths = " ".join(f"{cell[name]:.4f}" for name in ("a", "b", "c"))
    angles = " ".join(f"{cell[name]:.2f}" for name in ("alpha", "beta", "gamma"))
    return f"{lengths} Å, {angles}°, {len(cell['sites'])} sites"
