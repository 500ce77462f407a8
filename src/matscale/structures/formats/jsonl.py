"""JSON Lines: a pymatgen structure, or an entry that holds one, on each line."""

from __future__ import annotations

from collections.abc import Iterator

from matscale.errors import Refused
from matscale.structures.formats import id_json
from matscale.structures.formats.vocabulary import (
    Entry,
    File,
    Format,
    NotStructures,
    Parsed,
    decode,
)


def parse(text: str) -> Parsed:
    """The structure on one line.

    Raises:
        Refused: If it is broken.
    """
    return id_json.parse(id_json.load(text))


def entries(file: File) -> Iterator[Entry]:
    """Each line that is not blank; one that cannot be read is refused alone."""
    lines = [line for line in decode(file.content).split("\n") if line.strip()]
    structural = False
    found = []
    for index, line in enumerate(lines):
        source = f"{file.source}#{index}"
        default = f"{file.stem}-{index}"
        try:
            value = id_json.load(line)
        except Refused as refusal:
            found.append(Entry(default, source, refusal))
            continue
        structural = structural or id_json.is_structural(value)
        name = id_json.id_of(value, default)
        found.append(
            Entry(
                name, source, id_json.structure_in(value), id_json.parse, id_json.columns_of(value)
            )
        )
    if not structural and any(not isinstance(entry.content, Refused) for entry in found):
        raise NotStructures("JSON Lines that hold no structures")
    yield from found


def claims(head: bytes) -> bool:
    """Whether two lines begin with a JSON object: within one object no brace follows a brace."""
    first, _, rest = decode(head).lstrip().partition("\n")
    return first[:1] == "{" and rest.lstrip()[:1] == "{"


FORMAT = Format("JSON Lines", (".jsonl", ".ndjson"), claims, entries)
