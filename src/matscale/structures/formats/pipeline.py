"""From entries to a ``Reading``: parse in chunks, check, count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from matscale.runtime.errors import Refused
from matscale.runtime.execution import run
from matscale.structures.formats.vocabulary import Block, Entry
from matscale.structures.reading import Reading, ReadingWarning, Refusal
from matscale.structures.table import StructureTable

CHUNK_BYTES = 2 << 20
CHUNK_ITEMS = 2000
BATCH_BYTES = 256 << 20
"""Content held in memory before it is parsed."""

WORKERS_FROM_BYTES = 48 << 20
"""Content from which starting processes takes less time than it saves."""


@dataclass(frozen=True)
class Piece:
    """A run of consecutive items, parsed and checked; item numbers count from its start.

    Attributes:
        count: Items in it, accepted and refused.
        table: The accepted ones, without columns.
        items: Their numbers, (N,).
        refusals: The others.
        path_ids: What to call an item, by its number, if its id is not unique.
        columns: Further values of each accepted item, (N,).
        unnamed: Items in it whose ids are their places in a file.
        warnings: What is doubtful about accepted items.
    """

    count: int
    table: StructureTable
    items: np.ndarray
    refusals: list[Refusal]
    path_ids: dict[int, str]
    columns: list[dict[str, Any]]
    unnamed: int = 0
    warnings: list[ReadingWarning] = field(default_factory=list)


@dataclass(frozen=True)
class Rules:
    """What a structure must keep to.

    Attributes:
        atoms: Most atoms that it may have.
        tolerate: Reasons of the checks for which it is not refused.
    """

    atoms: int
    tolerate: frozenset[str] = frozenset()


def gather(
    entries: Iterable[Entry | Block], rules: Rules, *, workers: int | None = None, label: str = ""
) -> Reading:
    """Parse and check all entries.

    Args:
        entries: The items in order.
        rules: What structures must keep to.
        workers: Processes; None chooses by the amount of work.
        label: For the progress display; "" shows none.
    """
    pieces = list(_pieces(entries, rules, workers, label))
    starts = np.cumsum([0] + [piece.count for piece in pieces])
    numbered = list(zip(pieces, starts.tolist(), strict=False))
    common = _common_ids(pieces)
    refusals = tuple(
        replace(
            refusal, item=refusal.item + start, id=_name(piece, refusal.item, refusal.id, common)
        )
        for piece, start in numbered
        for refusal in piece.refusals
    )
    warnings = tuple(
        replace(
            warning, item=warning.item + start, id=_name(piece, warning.item, warning.id, common)
        )
        for piece, start in numbered
        for warning in piece.warnings
    )
    items = [piece.items + start for piece, start in numbered]
    ids = [
        _name(piece, item, name, common)
        for piece in pieces
        for item, name in zip(piece.items.tolist(), piece.table.ids, strict=True)
    ]
    table = StructureTable.concatenate([replace(piece.table, columns={}) for piece in pieces])
    table = replace(table, ids=np.array(ids, dtype=object), columns=_columns(pieces))
    numbers = np.concatenate([np.empty(0, np.int64), *items])
    return Reading(
        table,
        numbers,
        refusals,
        warnings=warnings,
        unnamed=sum(piece.unnamed for piece in pieces),
        named_by_file=sum(len(piece.path_ids) for piece in pieces),
    )


def _pieces(
    entries: Iterable[Entry | Block], rules: Rules, workers: int | None, label: str
) -> Iterator[Piece]:
    batch: list[Entry] = []
    weight = 0
    for item in entries:
        if isinstance(item, Block):
            yield from _parse_batch(batch, weight, rules, workers, label)
            batch, weight = [], 0
            piece = parse_block(item, rules)
            yield piece if item.named else replace(piece, unnamed=piece.count)
            continue
        batch.append(item)
        weight += _weight(item)
        if weight > BATCH_BYTES:
            yield from _parse_batch(batch, weight, rules, workers, label)
            batch, weight = [], 0
    yield from _parse_batch(batch, weight, rules, workers, label)


def _weight(entry: Entry) -> int:
    """About how many bytes of text an entry holds."""
    return len(entry.content) if isinstance(entry.content, str | bytes) else 1000


def _parse_batch(
    batch: list[Entry], weight: int, rules: Rules, workers: int | None, label: str
) -> Iterator[Piece]:
    if not batch:
        return
    if workers is None and weight < WORKERS_FROM_BYTES:
        workers = 1
    each = max(1, min(CHUNK_ITEMS, int(len(batch) * CHUNK_BYTES / max(weight, 1))))
    chunks = [(batch[at : at + each], rules) for at in range(0, len(batch), each)]
    pieces = run(parse_chunk, chunks, workers=workers, label=label)
    for piece, (entries, _) in zip(pieces, chunks, strict=True):
        yield replace(piece, unnamed=sum(not entry.named for entry in entries))


def parse_chunk(work: tuple[list[Entry], Rules]) -> Piece:
    """Parse and check consecutive entries."""
    entries, rules = work
    accepted: list[int] = []
    parsed = []
    refusals = []
    warnings = []
    for number, entry in enumerate(entries):
        try:
            with np.errstate(all="ignore"):
                structure = entry.parsed()
            _check_size(len(structure.numbers), rules)
        except Refused as error:
            refusals.append(Refusal(number, entry.id, entry.source, error.reason, error.detail))
        else:
            accepted.append(number)
            parsed.append(structure)
            warnings += [
                ReadingWarning(number, entry.id, entry.source, kind, detail)
                for kind, detail in structure.warnings
            ]
    chosen = [entries[number] for number in accepted]
    path_ids = {number: entry.path_id for number, entry in enumerate(entries) if entry.path_id}
    if not parsed:
        nothing = StructureTable.empty()
        return Piece(len(entries), nothing, np.empty(0, np.int64), refusals, path_ids, [])
    table = StructureTable.from_parts(
        ids=[entry.id for entry in chosen],
        numbers=[structure.numbers for structure in parsed],
        positions=[structure.positions for structure in parsed],
        cells=np.stack([structure.cell for structure in parsed]),
    )
    piece = _checked(
        len(entries),
        rules,
        table,
        np.array(accepted, np.int64),
        refusals,
        sources=[entry.source for entry in chosen],
        path_ids=path_ids,
        columns=[dict(entry.columns) for entry in chosen],
    )
    kept = set(piece.items.tolist()) if warnings else set()
    return replace(piece, warnings=[warning for warning in warnings if warning.item in kept])


def _check_size(atoms: int, rules: Rules) -> None:
    if atoms > rules.atoms:
        raise Refused("too large", f"{atoms} atoms; the limit is {rules.atoms}")


def parse_block(block: Block, rules: Rules) -> Piece:
    """Check the items of a block."""
    table = block.table
    names = list(table.columns)
    values = [table.columns[name].tolist() for name in names]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]
    kept = []
    refusals = []
    for row, atoms in enumerate(table.n_atoms.tolist()):
        try:
            if table.cells is None or np.isnan(table.cells[row]).all():
                raise Refused("no cell", "a particle")
            _check_size(atoms, rules)
        except Refused as error:
            source = f"{block.source}#{row}"
            refusals.append(Refusal(row, table.ids[row], source, error.reason, error.detail))
        else:
            kept.append(row)
    if not kept:
        return Piece(len(table), StructureTable.empty(), np.empty(0, np.int64), refusals, {}, [])
    return _checked(
        len(table),
        rules,
        table if len(kept) == len(table) else table[kept],
        np.array(kept, np.int64),
        refusals,
        sources=[f"{block.source}#{row}" for row in kept],
        path_ids={},
        columns=[rows[row] if rows else {} for row in kept],
    )


def _checked(
    count: int,
    rules: Rules,
    table: StructureTable,
    items: np.ndarray,
    refusals: list[Refusal],
    *,
    sources: Sequence[str],
    path_ids: dict[int, str],
    columns: list[dict[str, Any]],
) -> Piece:
    """The piece that is left when unfit structures are refused too."""
    from matscale.structures.checks import FINE, REASON_OF, verdicts

    verdict = verdicts(table)
    refused = verdict.codes != FINE
    for reason in rules.tolerate:
        refused &= verdict.codes != REASON_OF.index(reason)
    unfit = np.flatnonzero(refused).tolist()
    if unfit:
        refusals = refusals + [
            Refusal(
                int(items[row]),
                table.ids[row],
                sources[row],
                REASON_OF[verdict.codes[row]],
                verdict.detail(row),
            )
            for row in unfit
        ]
        refusals.sort(key=lambda refusal: refusal.item)
        fine = np.flatnonzero(~refused)
        table, items = table[fine], items[fine]
        columns = [columns[row] for row in fine.tolist()]
    return Piece(count, table, items, refusals, path_ids, columns)


def _common_ids(pieces: list[Piece]) -> set[str]:
    """Ids that several items have."""
    seen = Counter(name for piece in pieces for name in piece.table.ids)
    seen.update(refusal.id for piece in pieces for refusal in piece.refusals)
    return {name for name, times in seen.items() if times > 1}


def _name(piece: Piece, item: int, name: str, common: set[str]) -> str:
    """The id of an item; its path where the id came from a file name and is not unique."""
    return piece.path_ids.get(item, name) if name in common else name


def _columns(pieces: list[Piece]) -> dict[str, np.ndarray]:
    """Columns of all items; a value that an item lacks is NaN among numbers, else None."""
    rows = [row for piece in pieces for row in piece.columns]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _column([row.get(name) for row in rows]) for name in names}


def _column(values: list[Any]) -> np.ndarray:
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return np.array(values, dtype=bool)
    if kinds == {int} and all(abs(value) < 2**63 for value in values):
        return np.array(values, dtype=np.int64)
    if kinds and kinds <= {float, int, type(None)} and kinds != {type(None)}:
        return np.array([np.nan if value is None else float(value) for value in values])
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
