"""Known duplicates taken out by name, AtomBench's split, and a light look for leaks.

Hygiene is a named step that the user chooses: matscale never removes anything unasked, and what
a step removes it reports.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from matscale.runtime.errors import UserError
from matscale.structures.chemistry import composition, reduced
from matscale.structures.reading import Reading
from matscale.structures.table import StructureTable

DECIMALS = 4
"""Cells (Å^2, as scalar products of lattice vectors) and fractional coordinates that agree to so
many decimals count as equal in :func:`leaks`."""


@dataclass(frozen=True)
class Removal:
    """A structure that a hygiene step took out of a split, and why."""

    id: str
    split: str
    reason: str


@dataclass(frozen=True)
class Hygiene:
    """Ids to take out, each with the reason.

    Attributes:
        everywhere: Taken out before the split, hence from whichever split holds them.
        test: Taken out of the test part after the split, and of no other part.
        source: Who found them.
    """

    everywhere: Mapping[str, str]
    test: Mapping[str, str]
    source: str


HYGIENE: Mapping[str, Hygiene] = MappingProxyType(
    {
        "atombench": Hygiene(
            everywhere={"JVASP-19919": "duplicate of another entry"},
            test={
                "JVASP-20425": "duplicate of a training entry",
                "JVASP-16080": "duplicate of a training entry",
            },
            source="AtomBench, arXiv:2510.16165, preprocessing of Supercon-3D",
        )
    }
)
"""Every hygiene step by its name."""


def clean(
    name: str, readings: Mapping[str, Reading]
) -> tuple[dict[str, Reading], tuple[Removal, ...], tuple[str, ...]]:
    """Apply a hygiene step to the splits of a dataset.

    Args:
        name: A key of :data:`HYGIENE`.
        readings: The splits; those of the test part are the ones called ``test``.

    Returns:
        The splits without what was removed (their items numbered anew), what was removed, and
        a note for each id of the step that was not found where it would be removed.

    Raises:
        UserError: If there is no such step.
    """
    if name not in HYGIENE:
        raise UserError(f"there is no hygiene step {name!r}; there is {', '.join(HYGIENE)}")
    step = HYGIENE[name]
    removals = []
    cleaned = {}
    for split, reading in readings.items():
        reasons = {**step.everywhere, **(step.test if split == "test" else {})}
        cleaned[split], gone = _without(reading, reasons.keys())
        removals += [Removal(removed, split, reasons[removed]) for removed in gone]
    return cleaned, tuple(removals), _absences(name, step, readings, removals)


def _absences(
    name: str, step: Hygiene, readings: Mapping[str, Reading], removals: list[Removal]
) -> tuple[str, ...]:
    """A sentence for each id that a step names and did not find."""
    removed = {removal.id for removal in removals}
    holders: dict[str, list[str]] = defaultdict(list)
    for split, reading in readings.items():
        for present in set(ids_in_order(reading)) & (step.everywhere.keys() | step.test.keys()):
            holders[present].append(split)
    return tuple(
        f"hygiene {name!r}: {absent} is not in {where}"
        + (f" but in {', '.join(holders[absent])}, where it stays" if holders[absent] else "")
        for group, where in ((step.everywhere, "the dataset"), (step.test, "test"))
        for absent in group
        if absent not in removed
    )


def ids_in_order(reading: Reading) -> list[str]:
    """Ids of all items of a reading, accepted and refused, in the order of the source."""
    ids = dict(zip(reading.items.tolist(), reading.table.ids.tolist(), strict=True))
    ids |= {refusal.item: refusal.id for refusal in reading.refusals}
    return [ids[item] for item in sorted(ids)]


def _without(reading: Reading, unwanted: Container[str]) -> tuple[Reading, list[str]]:
    """A reading without the items of some ids, and the ids found; items are numbered anew."""
    ids = ids_in_order(reading)
    kept = np.array([name not in unwanted for name in ids], dtype=bool)
    if kept.all():
        return reading, []
    number = np.cumsum(kept) - 1
    rows = kept[reading.items]
    smaller = replace(
        reading,
        table=reading.table[rows],
        items=number[reading.items[rows]],
        refusals=tuple(
            replace(refusal, item=int(number[refusal.item]))
            for refusal in reading.refusals
            if kept[refusal.item]
        ),
        warnings=tuple(
            replace(warning, item=int(number[warning.item]))
            for warning in reading.warnings
            if kept[warning.item]
        ),
    )
    return smaller, [name for name, keep in zip(ids, kept, strict=True) if not keep]


def atombench_split(
    count: int, *, val_ratio: float = 0.1, test_ratio: float = 0.1, seed: int = 123
) -> dict[str, list[int]]:
    """AtomBench's split of ``count`` structures: row numbers of train, val and test.

    Rows are shuffled with the standard library's generator; of the shuffled rows the last
    ``int(test_ratio * count)`` are test, the ``int(val_ratio * count)`` before them val, and
    those before them train. With its defaults, which AtomBench uses, train, val and test are
    80/10/10 %; its paper's 90/10 counts val with train.

    Source: preprocessing scripts of AtomBench (arXiv:2510.16165).
    """
    rows = list(range(count))
    random.Random(seed).shuffle(rows)
    val, test = int(val_ratio * count), int(test_ratio * count)
    train = count - val - test
    return {"train": rows[:train], "val": rows[train : train + val], "test": rows[train + val :]}


@dataclass(frozen=True)
class Leaks:
    """What two splits share; each number counts structures of the second one.

    Attributes:
        shared_ids: Ids that stand in both.
        same_cell: Structures whose reduced composition and cell stand in the first split.
        duplicates: Of those, the ones whose sites agree too, each with an id of the first split.
    """

    shared_ids: tuple[str, ...]
    same_cell: int
    duplicates: tuple[tuple[str, str], ...]


def leaks(train: StructureTable, test: StructureTable) -> Leaks:
    """Ids and exact content that two splits share.

    Content is compared as written: rotating a crystal or renumbering its atoms is seen through,
    another choice of cell or origin is not. A matcher finds more; this finds copies.

    Args:
        train: Crystals of the first split.
        test: Crystals of the second.

    Raises:
        ValueError: If a table has no cells.
    """
    cells = set(_cell_keys(train))
    contents = dict(zip(_content_keys(train), train.ids, strict=True))
    same_cell = sum(key in cells for key in _cell_keys(test))
    duplicates = tuple(
        (str(name), str(contents[key]))
        for key, name in zip(_content_keys(test), test.ids, strict=True)
        if key in contents
    )
    shared = set(train.ids) & set(test.ids)
    return Leaks(tuple(name for name in test.ids if name in shared), same_cell, duplicates)


def _cell_keys(table: StructureTable) -> list[tuple[object, bytes]]:
    """Reduced composition and scalar products of the lattice vectors of each crystal."""
    if table.cells is None:
        raise ValueError("leaks are looked for among crystals; the table has no cells")
    products = np.einsum("nij,nkj->nik", table.cells, table.cells)
    rounded = np.round(products, DECIMALS) + 0.0  # no negative zero
    return [
        (reduced(composition(table.row_numbers(row))), rounded[row].tobytes())
        for row in range(len(table))
    ]


def _content_keys(table: StructureTable) -> list[tuple[object, ...]]:
    """Composition, cell and sites of each crystal, whatever the order of its atoms."""
    assert table.cells is not None
    keys: list[tuple[object, ...]] = []
    for row, cell_key in enumerate(_cell_keys(table)):
        numbers = table.row_numbers(row)
        fractions = np.linalg.solve(table.cells[row].T, table.row_positions(row).T).T
        sites = np.round(np.round(fractions, DECIMALS) % 1.0, DECIMALS) % 1.0
        order = np.lexsort((*sites.T, numbers))
        keys.append((*cell_key, numbers[order].tobytes(), (sites[order] + 0.0).tobytes()))
    return keys
