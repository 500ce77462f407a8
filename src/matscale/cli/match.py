"""``matscale match``, ``group`` and ``reduce``: who equals whom, in any files of crystals."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matscale.cli.comparing import (
    Comparison,
    Crystals,
    read_crystals,
    say_unread,
    write_csv,
    written_map,
)
from matscale.cli.options import (
    AsJson,
    StructureColumn,
    Workers,
    check_writable,
    kept_beside,
    spread,
)
from matscale.cli.wyckoff import match_wyckoff
from matscale.runtime.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from matscale.matching.batch import Counts, Matches, MatchSettings
    from matscale.structures.reading import Reading
    from matscale.structures.table import StructureTable


class GroupMode(StrEnum):
    """Choices of ``matscale group --mode``."""

    direct = "direct"
    framework = "framework"
    anonymous = "anonymous"


class MatchMode(StrEnum):
    """Choices of ``matscale match --mode``."""

    direct = "direct"
    framework = "framework"
    anonymous = "anonymous"
    wyckoff = "wyckoff"


class Criterion(StrEnum):
    """Choices of ``matscale match --criterion``."""

    largest = "largest"
    rms = "rms"


MODES = (
    "direct: equal elements; framework: elements ignored; anonymous: one-to-one maps of elements"
)
UNDECIDED = "too large"
"""In the column ``status``: the search was given up, so nobody knows whether the pair matches."""
MOST_NAMED = 20
"""Undecided pairs that are named on stderr."""


@spread
def match(
    first: Crystals,
    second: Crystals,
    *,
    mode: Annotated[
        MatchMode,
        typer.Option(help=f"{MODES}; wyckoff: same space group and Wyckoff positions."),
    ] = MatchMode.direct,
    symprec: Annotated[
        float | None,
        typer.Option(
            min=1e-6,
            max=10.0,
            help="For --mode wyckoff: symmetry tolerance in Å.",
            show_default="0.01",
        ),
    ] = None,
    criterion: Annotated[
        Criterion | None,
        typer.Option(
            help="What --stol limits and the best match minimises: the largest displacement, "
            "as in pymatgen's fit, or their rms, as in get_rms_dist.",
            show_default="largest",
        ),
    ] = None,
    keep_first: Annotated[
        bool,
        typer.Option(
            "--first", help="Keep the first match in pymatgen's order instead of the best."
        ),
    ] = False,
    how: Comparison,
    column: StructureColumn = "",
    out: Annotated[Path, typer.Option(help="CSV file for the matching pairs.")] = Path("pairs.csv"),
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Find all pairs of crystals in two files that match by pymatgen's StructureMatcher."""
    check_writable(out)
    if mode is MatchMode.wyckoff:
        own = {"--criterion": criterion, "--first": keep_first}
        useless = [name for name, given in own.items() if given]
        match_wyckoff(first, second, how, symprec, column, out, workers, as_json, useless)
        return
    if symprec is not None:
        raise UserError(
            f"--symprec belongs to --mode wyckoff; --mode {mode.value} has no use for it"
        )
    from matscale.matching import batch

    settings = replace(
        how.settings(mode.value),
        criterion=(criterion or Criterion.largest).value,
        keep_first=keep_first,
    )
    with kept_beside(out) as folder:
        left, right = (read_crystals(path, workers, column) for path in (first, second))
        start = time.perf_counter()
        found = batch.match(
            left.table, right.table, settings, workers=workers, label="matching", keep=folder
        )
        write_csv(out, *_pairs(left.table, right.table, found, settings, workers))
        counts = replace(found.counts, seconds=time.perf_counter() - start)
    kept = "first" if keep_first else "best"
    said = (
        f"{len(found)} pairs match (criterion {settings.criterion}, {kept} match of each pair); "
        f"they are in {out}"
    )
    notes = say_unread([first, second], [left, right], as_json)
    more = {"criterion": settings.criterion, "kept": kept, "notes": notes}
    _say(counts, [left, right], said, as_json, **more)


def _pairs(
    first: StructureTable,
    second: StructureTable,
    found: Matches,
    settings: MatchSettings,
    workers: int | None,
) -> tuple[list[str], Iterator[tuple[object, ...]]]:
    """Columns and rows of the CSV: the pairs that match, then those that are undecided."""
    import numpy as np

    from matscale.matching.alignment import align

    columns = ["first", "second", "status", "rms", "rms_angstrom", "largest"]
    if settings.mode != "direct":
        columns += ["element_map", "cost", "uniform_cost"]
    # Ids may repeat; rows do not.
    columns += ["first_row", "second_row"]
    aligned = None
    if settings.mode == "framework":
        rows_of_matches = np.column_stack([found.first, found.second])
        aligned = align(
            first, second, rows_of_matches, settings, workers=workers, label="mapping elements"
        )

    def rows() -> Iterator[tuple[object, ...]]:
        for place, (one, other) in enumerate(zip(found.first, found.second, strict=True)):
            values = (found.rms[place], found.rms_angstrom[place], found.largest[place])
            mapped: tuple[str, float, float] | tuple[()] = ()
            if aligned is not None:
                mapped = _element_map(*aligned.row(place).T)
            elif found.element_maps is not None:
                numbers = first.row_numbers(int(one))
                mapped = _element_map(numbers, found.element_maps[place][numbers])
            named = first.ids[one], second.ids[other], "match"
            yield *named, *map(float, values), *mapped, int(one), int(other)
        for one, other in found.undecided:
            blank = [""] * (len(columns) - 5)
            yield first.ids[one], second.ids[other], UNDECIDED, *blank, int(one), int(other)

    return columns, rows()


def _element_map(old: np.ndarray, new: np.ndarray) -> tuple[str, float, float]:
    """Which elements take which places; mean modified Pettifor distance; share that changes."""
    from matscale.structures import chemistry

    cost = float(chemistry.pettifor_distance(old, new).mean())
    return written_map(old, new), cost, float((old != new).mean())


@spread
def group(
    crystals: Crystals,
    *,
    mode: Annotated[GroupMode, typer.Option(help=f"{MODES}.")] = GroupMode.direct,
    symmetric: Annotated[
        bool,
        typer.Option(
            "--symmetric",
            help="Require each crystal to match the first of its group both ways, as pymatgen's "
            "group_structures(symmetric=True) has it.",
        ),
    ] = False,
    how: Comparison,
    column: StructureColumn = "",
    out: Annotated[Path, typer.Option(help="CSV file for id, group, and the rows of both.")] = Path(
        "groups.csv"
    ),
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Group equal crystals of a file; the first of each group represents it."""
    check_writable(out)
    if symmetric and mode is GroupMode.anonymous:
        raise UserError(
            "--symmetric has no meaning with --mode anonymous, which is asked one way only, as in "
            "pymatgen; leave it out"
        )
    from matscale.matching import batch

    settings = replace(how.settings(mode.value), symmetric=symmetric)
    with kept_beside(out) as folder:
        reading = read_crystals(crystals, workers, column)
        first, counts = batch.group(
            reading.table, settings, workers=workers, label="grouping", keep=folder
        )
        ids = reading.table.ids
        groups = [(ids[row], row) if row >= 0 else ("", "") for row in first.tolist()]
        rows = ((ids[row], name, row, stands) for row, (name, stands) in enumerate(groups))
        write_csv(out, ["id", "group", "row", "group_row"], rows)
    unique = len(set(first[first >= 0].tolist()))
    share = f"{100 * unique / max(len(ids), 1):.1f} %"
    said = f"{unique} groups of {len(ids)} crystals ({share}); they are in {out}"
    notes = say_unread([crystals], [reading], as_json)
    _say(counts, [reading], said, as_json, groups=unique, notes=notes)


def reduce(
    crystals: Crystals,
    out: Annotated[Path, typer.Option(help="File to write: .parquet, .extxyz, .jsonl or .zip.")],
    column: StructureColumn = "",
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Reduce all crystals of a file to primitive Niggli cells."""
    check_writable(out)
    import numpy as np

    from matscale.matching.reduced import reduced_table
    from matscale.structures import formats

    reading = read_crystals(crystals, workers, column)
    table, rows = reduced_table(reading.table)
    formats.write(table, out)
    failed = np.delete(reading.table.ids, rows)
    for name in failed:
        print(f"{name}: refused: no reduced cell", file=sys.stderr)
    counts = {"crystals": reading.submitted, "reduced": len(table), "no reduced cell": len(failed)}
    (notes,) = say_unread([crystals], [reading], as_json)
    if as_json:
        print(json.dumps({**counts, "refused": reading.refused_by_reason, "notes": notes}))
    else:
        print(f"{len(table)} reduced crystals are in {out}")


def _say(
    counts: Counts, readings: Sequence[Reading], said: str, as_json: bool, **more: object
) -> None:
    """Print the books of a search among the crystals of one or two readings."""
    first, second = readings[0].table.ids, readings[-1].table.ids
    undecided = [(str(first[one]), str(second[other])) for one, other in counts.undecided]
    if as_json:
        refused = [reading.refused_by_reason for reading in readings]
        more |= {"undecided": undecided, "unreadable": refused}
        print(json.dumps({**asdict(counts), **more}, indent=1))
        return
    refusals = dict(counts.refused)
    large = refusals.pop(UNDECIDED)
    refused_pairs = ", ".join(f"{n} by {why}" for why, n in refusals.items() if n) or "none"
    given_up = f", {large} given up as too large" if large else ""
    print(
        f"{counts.considered} pairs considered, refused without a search: {refused_pairs}; "
        f"{counts.tested} searched, {counts.matched} match{given_up}, {counts.seconds:.2f} s"
    )
    for sentence in _why_undecided(large, counts.oversized):
        print(sentence)
    if counts.unsure:
        print(
            f"{counts.unsure} pairs match, but there are too many ways to lie on each other to try "
            "all: their rms may not be the least; try smaller tolerances"
        )
    for one, other in undecided[:MOST_NAMED]:
        print(f"{one} and {other}: undecided", file=sys.stderr)
    if len(undecided) > MOST_NAMED:
        print(f"and {len(undecided) - MOST_NAMED} more; --json names all", file=sys.stderr)
    print(said)


def _why_undecided(large: int, oversized: int) -> Iterator[str]:
    """What can be done about pairs that were given up, by why they were."""
    if oversized:
        from matscale.matching.kernels.workspace import MAX_SITES

        yield (
            f"{oversized} pairs are undecided: a cell has more than {MAX_SITES} sites, which no "
            "tolerance changes"
        )
    if large > oversized:
        yield (
            f"{large - oversized} pairs are undecided: within these tolerances a cell can lie on "
            "the other in too many ways; try smaller tolerances"
        )
