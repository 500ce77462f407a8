"""``matscale match --mode wyckoff``: crystals of one space group on the same Wyckoff positions."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from matscale.cli.comparing import (
    Comparison,
    read_crystals,
    say_unread,
    write_csv,
    written_map,
)
from matscale.cli.options import kept_beside
from matscale.runtime.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matscale.matching.wyckoff.matches import WyckoffMatches
    from matscale.matching.wyckoff.positions import WyckoffTable

COLUMNS = (
    "first", "second", "space_group", "element_map", "cost", "uniform_cost", "first_row",
    "second_row",
)  # fmt: skip


def match_wyckoff(
    first: Path,
    second: Path,
    how: Comparison,
    symprec: float | None,
    column: str,
    out: Path,
    workers: int | None,
    as_json: bool,
    useless: Sequence[str],
) -> None:
    """Write the pairs of crystals that occupy the same Wyckoff positions.

    Raises:
        UserError: If an option was given that means nothing here.
    """
    from matscale.matching.engine import code_version
    from matscale.matching.wyckoff import positions
    from matscale.matching.wyckoff.matches import wyckoff_matches
    from matscale.runtime.memory import Memory

    useless = [*(f"--{name.replace('_', '-')}" for name in how.given), *useless]
    if useless:
        names = ", ".join(useless)
        raise UserError(
            f"--mode wyckoff compares symmetries and has no use for {names}; "
            "its one tolerance is --symprec"
        )
    symprec = positions.SYMPREC if symprec is None else symprec
    with kept_beside(out) as folder:
        readings = [read_crystals(path, workers, column) for path in (first, second)]
        memory = Memory(folder, code_version(), workers)
        left, right = (
            positions.symmetry_of(
                reading.table, symprec=symprec, memory=memory, label=f"symmetry of {path.name}"
            )
            for path, reading in zip((first, second), readings, strict=True)
        )
        found = wyckoff_matches(left, right, workers=workers, label="matching")
        write_csv(out, COLUMNS, _rows(left, right, found))
    counts = found.counts
    notes = say_unread((first, second), readings, as_json)
    if as_json:
        unreadable = [reading.refused_by_reason for reading in readings]
        said = {**counts, "seconds": found.seconds, "unreadable": unreadable, "notes": notes}
        print(json.dumps(said, indent=1))
        return
    for side in (left, right):
        for name, reason in zip(
            side.table.ids[side.failed], side.reasons[side.failed], strict=True
        ):
            print(f"{name}: no symmetry: {reason}", file=sys.stderr)
    counts = found.counts
    print(
        f"{counts['considered']} pairs considered, {counts['failed']} of them without symmetry; "
        f"{counts['same_group']} have the same space group, {counts['matched']} the same "
        f"Wyckoff positions, {found.seconds:.2f} s"
    )
    print(f"{len(found)} pairs match; they are in {out}")


def _rows(
    first: WyckoffTable, second: WyckoffTable, found: WyckoffMatches
) -> Iterator[tuple[object, ...]]:
    for place, (row, other) in enumerate(zip(found.generated, found.train, strict=True)):
        old = first.table.row_numbers(row)[found.atom_map(place)]
        yield (
            first.table.ids[row],
            second.table.ids[other],
            int(first.groups[row]),
            written_map(old, second.table.row_numbers(other)),
            float(found.pettifor[place]),
            float(found.uniform[place]),
            int(row),
            int(other),
        )
