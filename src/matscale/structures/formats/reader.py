"""What other rooms call to read structures."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from matscale.runtime.errors import Refused, UserError
from matscale.structures.formats import archives, copies, files
from matscale.structures.formats.pipeline import Rules, gather
from matscale.structures.formats.vocabulary import (
    Block,
    Entry,
    File,
    Limits,
    NotStructures,
    Remark,
)
from matscale.structures.reading import Reading

Source = str | os.PathLike[str]


def read(
    source: Source | Sequence[Source],
    *,
    workers: int | None = None,
    limits: Limits | None = None,
    tolerate: Collection[str] = (),
    label: str = "",
    column: str = "",
    or_usual: bool = False,
) -> Reading:
    """Read all structures of a source; the format of each file is found out.

    An item is named after its id in the file (``id``, ``material_id``, ...), else after its file
    or archive member without suffix, with ``-0``, ``-1``, ... where a file holds several.

    Args:
        source: A file, a folder (with those inside it), a glob, a zip, tar or gzip of them, or a
            list of these.
        workers: Processes; None for as many as the amount of work is worth.
        limits: How much archives may unpack to.
        tolerate: Reasons of the final checks ("atoms too close", "degenerate cell") for which a
            structure is not refused, for a protocol that scores such structures.
        label: What the progress display calls the work; "" shows none.
        column: Column of CSV and JSON tables that holds structures; "" for the names in use.
        or_usual: Whether a table without that column is read by the names in use.

    Returns:
        The structures that can be used, and each of the others with its reason.

    Raises:
        UserError: If there is nothing to read, or nothing there holds structures.
    """
    limits = limits or Limits()
    ignored: list[tuple[str, str]] = []
    remarks: list[str] = []
    places = files.places(source)
    once = copies.without_mattergens(
        _files(places, source, limits, ignored), ignored, _path_of(source)
    )
    wanted = (replace(file, column=column, or_usual=or_usual) for file in once)
    entries = _entries(wanted, source, copies.Twins(places), ignored, remarks)
    rules = Rules(limits.atoms, frozenset(tolerate))
    reading = gather(entries, rules, workers=workers, label=label)
    if not reading.submitted:
        why = "; ".join(f"{name}: {reason}" for name, reason in ignored[:3])
        raise UserError(
            f"{_shown(source)} holds no structures ({why or 'nothing in it'}); give CIF, POSCAR, "
            "extended XYZ, XSF, pymatgen JSON, CSV, Parquet, results of CDVAE (.pt), or an "
            "archive of them"
        )
    return replace(
        reading,
        ignored=tuple(name for name, _ in ignored),
        ignored_because=tuple(why for _, why in ignored),
        remarks=tuple(remarks),
    )


def _shown(source: Source | Sequence[Source]) -> str:
    if isinstance(source, str | os.PathLike):
        return repr(os.fspath(source))
    return f"the list of {len(source)} paths"


def _entries(
    members: Iterable[File],
    source: Source | Sequence[Source],
    twins: copies.Twins,
    ignored: list[tuple[str, str]],
    remarks: list[str],
) -> Iterator[Entry | Block]:
    """The items of all files; what is not an item is noted in ``ignored`` and ``remarks``."""
    from matscale.structures.formats import registry

    for file in members:
        try:
            items: Iterable[Entry | Block | Remark] = registry.entries(file)
            if twins.concern(file):
                items = list(items)
                if first := twins.first(file, items):
                    ignored.append((_name(file, source), f"the crystals of {first} again"))
                    continue
            for item in items:
                if isinstance(item, Remark):
                    remarks.append(item.text)
                else:
                    yield item
        except NotStructures as reason:
            ignored.append((_name(file, source), str(reason)))


def _path_of(source: Source | Sequence[Source]) -> str:
    """The path that the caller already knows; "" for a list of them."""
    return os.fspath(source) if isinstance(source, str | os.PathLike) else ""


def _name(file: File, source: Source | Sequence[Source]) -> str:
    """The file's place without the path that the caller already knows."""
    known = _path_of(source)
    return file.source.removeprefix(known).lstrip("/") or file.name if known else file.source


def _files(
    places: Sequence[files.Place],
    source: Source | Sequence[Source],
    limits: Limits,
    ignored: list[tuple[str, str]],
) -> Iterator[File]:
    budget = files.Budget(limits)
    for place in places:
        if place.chosen:
            files.refuse_pickle(place.path)
        elif files.is_hidden(place.name):
            ignored.append((place.name, "hidden file"))
            continue
        for file in archives.unpacked(files.read_place(place, limits), budget, limits.depth):
            hidden = file.name != place.name and files.is_hidden(file.name)
            if hidden and not isinstance(file.data, Refused):
                ignored.append((_name(file, source), "hidden file"))
            elif file.name.lower().endswith(files.PICKLES):
                ignored.append((_name(file, source), "a pickle; nothing is ever unpickled"))
            else:
                yield file


def read_json_splits(
    source: Source, *, limits: Limits | None = None, tolerate: Collection[str] = ()
) -> dict[str, Reading]:
    """Read a data set file ``{split: {id: structure}}``, plain or in an archive.

    Args:
        source: Path of the JSON file, or of a zip or gzip that holds it.
        limits: How much archives may unpack to.
        tolerate: Reasons of the final checks ("atoms too close", "degenerate cell") for which a
            structure is not refused, for a protocol that scores such structures.

    Returns:
        Each split by its name, in the order of the file.

    Raises:
        UserError: If the file cannot be read or is not of this kind.
    """
    from matscale.structures.formats import id_json
    from matscale.structures.formats.json_values import load

    limits = limits or Limits()
    file = _single(source, limits, (".json",))
    try:
        splits = id_json.splits_of(load(file.content))
    except Refused as refusal:
        raise UserError(f"cannot read {os.fspath(source)!r}: {refusal}") from refusal
    if splits is None:
        raise UserError(
            f"{os.fspath(source)!r} is not a JSON file of splits; expected "
            '{"train": {id: structure, ...}, "val": ..., "test": ...}'
        )
    return {
        split: gather(
            id_json.entries_of_map(part, f"{file.source}#{split}"),
            Rules(limits.atoms, frozenset(tolerate)),
        )
        for split, part in splits.items()
    }


def read_columns(
    source: Source,
    columns: Sequence[str],
    *,
    limits: Limits | None = None,
    tolerate: Collection[str] = (),
) -> dict[str, Reading]:
    """Read columns of structures of a CSV such as AtomBench's ``id,target,prediction``.

    Item numbers are row numbers, the same in all columns; an empty cell is refused as "missing".

    Args:
        source: Path of the CSV, or of a zip or gzip that holds it.
        columns: Names of the columns to read.
        limits: How much archives may unpack to.
        tolerate: Reasons of the final checks ("atoms too close", "degenerate cell") for which a
            structure is not refused, for a protocol that scores such structures.

    Returns:
        Each column by its name.

    Raises:
        UserError: If the file cannot be read, or lacks one of the columns.
    """
    from matscale.structures.formats import csv_table
    from matscale.structures.formats.registry import only_structure

    limits = limits or Limits()
    file = _single(source, limits, (".csv",))
    try:
        sheet = csv_table.sheet(file.content)
    except Refused as refusal:
        raise UserError(f"cannot read {os.fspath(source)!r}: {refusal}") from refusal
    absent = [name for name in columns if name not in sheet.header]
    if absent:
        raise UserError(
            f"{os.fspath(source)!r} has no column {absent[0]!r}; its columns are "
            f"{', '.join(map(repr, sheet.header[:12]))}"
        )
    return {
        name: gather(
            csv_table.column_entries(sheet, sheet.header.index(name), file, only_structure),
            Rules(limits.atoms, frozenset(tolerate)),
        )
        for name in columns
    }


def csv_header(source: Source) -> list[str] | None:
    """Column names of a CSV, plain or in a zip or gzip; None if the path is no CSV.

    Raises:
        UserError: If there is no such file or it cannot be read.
    """
    from matscale.structures.formats import csv_table

    places = files.places(source)
    members = _members(places[0], Limits(), (".csv",)) if len(places) == 1 else []
    if len(members) != 1 or not members[0].name.lower().endswith(".csv"):
        return None
    try:
        return csv_table.sheet(members[0].content).header
    except Refused:
        return None


def _single(source: Source, limits: Limits, suffixes: tuple[str, ...]) -> File:
    """The one file of this kind in a path: itself, or the only such member of an archive.

    Raises:
        UserError: If there is none, or more than one.
    """
    place = files.places(source)[0]
    files.refuse_pickle(place.path)
    members = _members(place, limits, suffixes)
    if len(members) != 1:
        raise UserError(
            f"{os.fspath(source)!r} holds {len(members)} {suffixes[0]} files, expected one"
        )
    return members[0]


def _members(place: files.Place, limits: Limits, suffixes: tuple[str, ...]) -> list[File]:
    """The file itself, whatever its name, or the members of an archive that are called so."""
    whole = files.read_place(place, limits)
    members = [
        file
        for file in archives.unpacked(whole, files.Budget(limits), limits.depth)
        if not files.is_hidden(file.name)
    ]
    if len(members) == 1 and members[0].source == whole.source:
        return members
    return [file for file in members if file.name.lower().endswith(suffixes)]
