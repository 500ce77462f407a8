"""JSON Lines: a pymatgen structure, or an entry that holds one, on each line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from matscale.runtime.errors import Refused
from matscale.structures.formats import id_json
from matscale.structures.formats.json_values import is_structural, load, structure_in
from matscale.structures.formats.vocabulary import (
    Entry,
    File,
    Format,
    NotStructures,
    Parsed,
    decode,
    its_columns,
    structure_column,
)


def parse(text: str) -> Parsed:
    """The structure on one line.

    Raises:
        Refused: If it is broken.
    """
    return id_json.parse(load(text))


def entries(file: File) -> Iterator[Entry]:
    """Each line that is not blank; one that cannot be read is refused alone."""
    lines = [line for line in decode(file.content).split("\n") if line.strip()]
    values = [_loaded(line) for line in lines]
    sound = [value for value in values if not isinstance(value, Refused)]
    keys = list(
        dict.fromkeys(key for entry in sound if isinstance(entry, Mapping) for key in entry)
    )
    column = (structure_column(keys, file) or "") if file.column and sound else ""
    if sound and not any(is_structural(value, column) for value in sound):
        raise NotStructures(f"JSON Lines without structures; {its_columns(keys)}")
    for index, value in enumerate(values):
        default = f"{file.stem}-{index}"
        source = f"{file.source}#{index}"
        if isinstance(value, Refused):
            yield Entry(default, source, value, named=False)
            continue
        name = id_json.id_of(value, "")
        yield Entry(
            name or default,
            source,
            structure_in(value, column),
            id_json.parse,
            id_json.columns_of(value, column),
            named=bool(name),
        )


def _loaded(line: str) -> object:
    """The value on a line, or why it cannot be read."""
    try:
        return load(line)
    except Refused as refusal:
        return refusal


def claims(head: bytes) -> bool:
    """Whether two lines begin with a JSON object: within one object no brace follows a brace."""
    first, _, rest = decode(head).lstrip().partition("\n")
    return first[:1] == "{" and rest.lstrip()[:1] == "{"


FORMAT = Format("JSON Lines", (".jsonl", ".ndjson"), claims, entries)
