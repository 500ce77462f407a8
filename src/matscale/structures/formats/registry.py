"""All formats, and which of them a file is in. To add one, write its module and its line here."""

from __future__ import annotations

import re
from collections.abc import Iterator

from matscale.runtime.errors import Refused
from matscale.structures.formats import (
    cif,
    csv_table,
    extxyz,
    id_json,
    jsonl,
    parquet,
    poscar,
    torch_results,
    xsf,
)
from matscale.structures.formats.archives import SUFFIXES
from matscale.structures.formats.vocabulary import (
    Block,
    Entry,
    File,
    Format,
    NotStructures,
    Parsed,
    Remark,
)

HEAD = 1 << 14
"""Bytes at the start of a file by which its format is told."""

TURN = 16
"""Bytes on either side of the end of a first line longer than that; even, for UTF-16."""

_BLANK = re.compile(rb"\s*")


def format_of(file: File) -> Format | None:
    """The format that the name and the content agree on; else the content's, else the name's."""
    named = next((form for form in FORMATS if form.named(file.name)), None)
    if isinstance(file.data, Refused):
        return named
    head = head_of(file.data)
    if named is id_json.FORMAT and jsonl.claims(head):
        return jsonl.FORMAT
    if named is None or not named.claims(head):
        return next((form for form in FORMATS if form.claims(head)), named)
    return named


def head_of(data: bytes) -> bytes:
    """The start of a file; of a first line that is longer, also the end and what follows it.

    JSON Lines are told from JSON by how the second line begins, and one crystal of a hundred
    sites fills the first.
    """
    start = _BLANK.match(data)
    end = data.find(b"\n", start.end() if start else 0)
    if end < HEAD - TURN:
        return data[:HEAD]
    end -= end % 2
    return data[: min(HEAD, end - TURN)] + data[end - TURN : end + TURN]


def entries(file: File) -> Iterator[Entry | Block | Remark]:
    """The items of a file; where reading it fails, one refused item for the rest.

    Raises:
        NotStructures: If it is in no format of structures, or holds none.
    """
    form = format_of(file)
    try:
        if isinstance(file.data, Refused):
            raise file.data
        if form is None:
            raise NotStructures("in no known format")
        if not file.data.strip(b" \t\r\n\0"):
            raise Refused("empty", file.name)
        yield from form.entries(file)
    except Refused as refusal:
        yield file.entry(refusal, None)


def only_structure(file: File) -> Parsed:
    """The one structure of a file.

    Raises:
        Refused: If it cannot be used, or if there are none or several.
    """
    structures: list[Entry] = []
    try:
        for entry in entries(file):
            if isinstance(entry, Remark):
                continue
            if isinstance(entry, Block) or structures:
                raise Refused("unreadable", f"{file.name} may hold several structures")
            structures.append(entry)
    except NotStructures as error:
        raise Refused("unreadable", f"{file.name}: {error}") from error
    if not structures:
        raise Refused("empty", file.name)
    return structures[0].parsed()


FORMATS: tuple[Format, ...] = (
    cif.FORMAT,
    poscar.FORMAT,
    parquet.FORMAT,
    extxyz.FORMAT,
    xsf.FORMAT,
    torch_results.FORMAT,
    csv_table.csv_format(only_structure),
    jsonl.FORMAT,
    id_json.FORMAT,
)
"""Tried in this order where the name does not tell."""

ENDINGS = (*SUFFIXES, *(suffix for form in FORMATS for suffix in form.suffixes))
"""Of the names of archives and of files in every format, lower case with the dot."""

_ENDINGS = re.compile(rf"({'|'.join(map(re.escape, ENDINGS))})+$", re.IGNORECASE)


def without_endings(name: str) -> str:
    """A file name without the endings of formats and archives: ``model.csv.zip`` is ``model``."""
    return _ENDINGS.sub("", name)
