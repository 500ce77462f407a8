"""CSV with a structure in each row: the AtomBench and the CDVAE conventions."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from matscale.runtime.errors import Refused
from matscale.structures.formats.cells_of_text import parse_text
from matscale.structures.formats.vocabulary import (
    ID_KEYS,
    STRUCTURE_COLUMNS,
    Entry,
    File,
    Format,
    NotStructures,
    Parsed,
    decode,
    its_columns,
    structure_column,
)

DELIMITERS = ",;\t|"
INDEX_NAMES = ("", "unnamed: 0", "index")
"""What the header says above pandas' row labels."""

_QUOTED = re.compile(r'(?:^|[,;\t|])"')
ABSENT = ("", "nan", "none", "null", "na", "n/a")
LONGEST_PATH = 1024
LONGEST_CELL = 1 << 30


@dataclass(frozen=True)
class Sheet:
    """A CSV in memory.

    Attributes:
        header: Names of the columns.
        rows: Their values; a row may be shorter than the header.
        refusal: Why reading stopped before the end, if it did.
    """

    header: list[str]
    rows: list[list[str]]
    refusal: Refused | None

    def value(self, row: int, column: int) -> str:
        """A cell; "" where there is none."""
        cells = self.rows[row] if row < len(self.rows) else []
        return cells[column] if column < len(cells) else ""

    def id_column(self, structures: int) -> int | None:
        """Where ids stand: the column that is called so, else the first; None without one."""
        lower = [name.lower() for name in self.header]
        named = next((lower.index(name) for name in ID_KEYS if name in lower), None)
        if named not in (None, structures):
            return named
        return 0 if structures else None

    def structure_column(self, file: File) -> int | None:
        """Where structures stand, by the file's wish, the names in use, or for want of another.

        Raises:
            NotStructures: If the column that was asked for is not there.
        """
        name = structure_column(self.header, file)
        if name is not None:
            return self.header.index(name)
        others = [
            index for index, name in enumerate(self.header) if name.lower() not in INDEX_NAMES
        ]
        only = others[0] if len(others) == 1 else None
        if only is not None and any(_may_be_structure(self.value(row, only)) for row in range(9)):
            return only
        return None


def _may_be_structure(text: str) -> bool:
    """Whether a cell has the lines of a structure, or is JSON."""
    return "\n" in text.strip() or "\\n" in text or text.lstrip().startswith("{")


def sheet(data: bytes) -> Sheet:
    """Read a CSV; one without a header has columns called ``structure`` and 0, 1, ...

    Raises:
        Refused: If it is empty or not text.
    """
    text = decode(data)
    if not text.strip():
        raise Refused("empty", "CSV")
    rows: list[list[str]] = []
    refusal = None
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        for row in csv.reader(io.StringIO(text), delimiter=_delimiter(text)):
            if row:
                rows.append(row)
    except csv.Error as error:
        refusal = Refused("unreadable", f"CSV: row {len(rows)}: {error}")
    finally:
        csv.field_size_limit(before)
    header = [name.strip() for name in rows[0]] if rows else []
    if any(map(_may_be_structure, header)):
        names = [str(index) for index in range(len(header))]
        names[[_may_be_structure(cell) for cell in header].index(True)] = "structure"
        return Sheet(names, rows, refusal)
    return Sheet(header, rows[1:], refusal)


def _delimiter(text: str) -> str:
    """What stands between the cells of the first line: of the usual ones the commonest."""
    first = text.lstrip("\n").split("\n", 1)[0]
    outside = "".join(first.split('"')[::2])
    return max(DELIMITERS, key=outside.count)


ReadFile = Callable[[File], Parsed]
"""Finds the only structure of a file, in whatever format it is."""


def parse(content: tuple[str, Path | None], read_file: ReadFile) -> Parsed:
    """The structure in a cell, or in the file that the cell names.

    Args:
        content: The cell, and the folder that file names count from.
        read_file: For cells that name a file.

    Raises:
        Refused: If there is none, or the name leads out of the folder.
    """
    text, folder = content
    short = text.strip()
    if short.lower() in ABSENT:
        raise Refused("missing", "empty cell")
    if len(short) < LONGEST_PATH and not any(mark in short for mark in ("\n", "\\n", "{")):
        return _parse_file(short, folder, read_file)
    return parse_text(text)


def _parse_file(name: str, folder: Path | None, read_file: ReadFile) -> Parsed:
    if "." not in name and "/" not in name:
        raise Refused("unreadable", f"neither a structure nor a file name: {name[:40]!r}")
    if folder is None:
        raise Refused("missing", f"no folder to look for {name[:100]!r} in")
    try:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise Refused("unsafe path", f"{name[:100]!r} leads out of the folder of the CSV")
        if not path.is_file():
            raise Refused("missing", f"no such file: {name[:100]!r}")
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise Refused("unreadable", f"{name[:100]!r}: {error}"[:200]) from error
    return read_file(File(path.name, str(path), data))


def column_entries(sheet: Sheet, column: int, file: File, read_file: ReadFile) -> Iterator[Entry]:
    """The structures of one column, in order of the rows.

    Args:
        sheet: The CSV.
        column: Number of the column.
        file: Where the CSV stands.
        read_file: For cells that name a file.
    """
    parse_cell = partial(parse, read_file=read_file)
    folder = Path(file.origin).absolute().parent if file.origin else None
    ids = sheet.id_column(column)
    for row in range(len(sheet.rows)):
        name = "" if ids is None else sheet.value(row, ids).strip()
        yield Entry(
            name or str(row),
            f"{file.source}#row {row}",
            (sheet.value(row, column), folder),
            parse_cell,
            named=bool(name),
        )
    if sheet.refusal is not None:
        yield Entry(str(len(sheet.rows)), file.source, sheet.refusal, named=False)


def entries(file: File, read_file: ReadFile) -> Iterator[Entry]:
    """The structures of a CSV, with its other columns.

    Args:
        file: The CSV.
        read_file: For cells that name a file.
    """
    read = sheet(file.content)
    column = read.structure_column(file)
    if column is None:
        raise NotStructures(
            f"CSV without a column {' or '.join(STRUCTURE_COLUMNS)}; {its_columns(read.header)}; "
            "--column says which one holds structures"
        )
    taken = (column, read.id_column(column))
    others = [
        (index, name)
        for index, name in enumerate(read.header)
        if index not in taken and name and name.lower() != "target"
    ]
    for row, entry in enumerate(column_entries(read, column, file, read_file)):
        columns: dict[str, Any] = {}
        if row < len(read.rows):
            columns = {name: _typed(read.value(row, index)) for index, name in others}
        yield replace(entry, columns=columns)


def _typed(text: str) -> str | float | None:
    """A number where the text is one."""
    try:
        return float(text) if len(text) < 40 else text
    except ValueError:
        return text or None


def claims(head: bytes) -> bool:
    """Whether a column of structures is named, or one of the first cells begins with a quote."""
    lines = decode(head).lstrip("\n").split("\n", 2)
    first = lines[0].lower()
    names = {name.strip().strip('"') for name in first.split(_delimiter(first))}
    if len(names) > 1 and names & set(STRUCTURE_COLUMNS):
        return True
    return first[:1] not in ("{", "[") and any(_QUOTED.search(line) for line in lines[:2])


def csv_format(read_file: ReadFile) -> Format:
    """The format, given how to read the files that cells name: they may be in any format."""
    return Format("CSV", (".csv", ".tsv"), claims, partial(entries, read_file=read_file))
