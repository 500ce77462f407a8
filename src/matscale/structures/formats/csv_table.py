"""CSV with a structure in each row: the AtomBench and the CDVAE conventions."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matscale.errors import Refused
from matscale.structures.formats.cells_of_text import parse_text
from matscale.structures.formats.vocabulary import (
    Entry,
    File,
    Format,
    NotStructures,
    Parsed,
    decode,
)

ID_COLUMNS = ("id", "material_id", "jid", "ids")
STRUCTURE_COLUMNS = ("prediction", "cif", "structure", "poscar")
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
        """A cell; "" where the row is too short."""
        cells = self.rows[row]
        return cells[column] if column < len(cells) else ""

    @property
    def id_column(self) -> int:
        """Where ids stand: the column that is called so, else the first."""
        lower = [name.lower() for name in self.header]
        return next((lower.index(name) for name in ID_COLUMNS if name in lower), 0)

    def structure_column(self) -> int | None:
        """Where structures stand, by the names in use."""
        lower = [name.lower() for name in self.header]
        return next((lower.index(name) for name in STRUCTURE_COLUMNS if name in lower), None)

    def row_id(self, row: int, structures: int) -> str:
        """The id of a row; its number if no column can hold one."""
        if self.id_column == structures:
            return str(row)
        return self.value(row, self.id_column).strip() or str(row)


def sheet(data: bytes) -> Sheet:
    """Read a CSV.

    Raises:
        Refused: If it is empty or is no text.
    """
    text = decode(data)
    if not text.strip():
        raise Refused("empty", "CSV")
    rows: list[list[str]] = []
    refusal = None
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        for row in csv.reader(io.StringIO(text)):
            if row:
                rows.append(row)
    except csv.Error as error:
        refusal = Refused("unreadable", f"CSV: row {len(rows)}: {error}")
    finally:
        csv.field_size_limit(before)
    header = [name.strip() for name in rows[0]] if rows else []
    return Sheet(header, rows[1:], refusal)


def parse(content: tuple[str, Path | None]) -> Parsed:
    """The structure in a cell, or in the file that the cell names.

    Args:
        content: The cell, and the folder that file names count from.

    Raises:
        Refused: If there is none, or the name leads out of the folder.
    """
    text, folder = content
    short = text.strip()
    if short.lower() in ABSENT:
        raise Refused("missing", "empty cell")
    if len(short) < LONGEST_PATH and not any(mark in short for mark in ("\n", "\\n", "{")):
        return _parse_file(short, folder)
    return parse_text(text)


def _parse_file(name: str, folder: Path | None) -> Parsed:
    from matscale.structures.formats.registry import only_structure

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
    return only_structure(File(path.name, str(path), data))


def column_entries(sheet: Sheet, column: int, file: File) -> Iterator[Entry]:
    """The structures of one column, in order of the rows."""
    folder = Path(file.origin).absolute().parent if file.origin else None
    for row in range(len(sheet.rows)):
        yield Entry(
            sheet.row_id(row, column),
            f"{file.source}#row {row}",
            (sheet.value(row, column), folder),
            parse,
        )
    if sheet.refusal is not None:
        yield Entry(str(len(sheet.rows)), file.source, sheet.refusal)


def entries(file: File) -> Iterator[Entry]:
    """The structures of a CSV, with its other columns."""
    read = sheet(file.content)
    column = read.structure_column()
    if column is None:
        names = ", ".join(read.header[:12])
        raise NotStructures(
            f"CSV without a column {' or '.join(STRUCTURE_COLUMNS)}; its columns: {names}"
        )
    others = [
        (index, name)
        for index, name in enumerate(read.header)
        if index not in (column, read.id_column) and name and name.lower() != "target"
    ]
    for row, entry in enumerate(column_entries(read, column, file)):
        columns: dict[str, Any] = {}
        if row < len(read.rows):
            columns = {name: _typed(read.value(row, index)) for index, name in others}
        yield Entry(entry.id, entry.source, entry.content, entry.parse, columns)


def _typed(text: str) -> str | float | None:
    """A number where the text is one."""
    try:
        return float(text) if len(text) < 40 else text
    except ValueError:
        return text or None


def claims(head: bytes) -> bool:
    """Whether the first line has commas and names a column of structures."""
    first = decode(head).split("\n", 1)[0].lower()
    names = {name.strip().strip('"') for name in first.split(",")}
    return "," in first and bool(names & set(STRUCTURE_COLUMNS))


FORMAT = Format("CSV", (".csv",), claims, entries)
