"""The layouts in which pandas writes a table or a series as JSON (``to_json``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matscale.structures.formats.json_values import is_structural
from matscale.structures.formats.vocabulary import STRUCTURE_KEYS, File


@dataclass(frozen=True)
class Table:
    """The rows of a table.

    Attributes:
        records: Values by column, row by row.
        labels: Names of the rows: pandas' index.
    """

    records: Sequence[Mapping[str, Any]]
    labels: Sequence[str]


def table_of(content: Any, file: File) -> Table | None:
    """The table that a JSON value is, or None.

    ``orient`` may be ``columns`` (a table's default), ``split`` or ``table``; ``records`` and
    ``index`` are a list and a map of entries, and the default of a series a map of structures.
    """
    if not isinstance(content, Mapping):
        return None
    data = content.get("data")
    if isinstance(content.get("schema"), Mapping) and isinstance(data, list):
        records = [row for row in data if isinstance(row, Mapping)]
        key = _primary_key(content["schema"])
        return Table(records, [str(row.get(key, number)) for number, row in enumerate(records)])
    if isinstance(data, list) and isinstance(content.get("index"), list):
        return _split(content, data)
    return _columns(content, file) or _index(content)


def _primary_key(schema: Mapping[str, Any]) -> str:
    key = schema.get("primaryKey")
    return str(key[0]) if isinstance(key, list) and key else "index"


def _split(content: Mapping[str, Any], data: list[Any]) -> Table | None:
    """``orient="split"``; a series has a name in place of columns."""
    names = content.get("columns")
    labels = [str(label) for label in content["index"]]
    if names is None and "name" in content:
        records = [{"structure": value} for value in data]
    elif isinstance(names, list) and all(isinstance(row, list) for row in data):
        records = [dict(zip(map(str, names), row, strict=False)) for row in data]
    else:
        return None
    return Table(records, labels) if len(records) == len(labels) else None


def _columns(content: Mapping[str, Any], file: File) -> Table | None:
    """``orient="columns"``: each column is a map of row to value, all of the same rows.

    A file of splits looks alike, but has no column of structures among its splits, and holds
    structures in all of them.
    """
    parts = list(content.values())
    if not parts or not all(isinstance(part, Mapping) and part for part in parts):
        return None
    rows = list(parts[0])
    if any(map(is_structural, parts)) or any(part.keys() != parts[0].keys() for part in parts):
        return None
    named = file.column in content or any(name.lower() in STRUCTURE_KEYS for name in content)
    holding = [any(map(is_structural, part.values())) for part in parts]
    if not any(holding) or (all(holding) and not named):
        return None
    return Table([{name: part[row] for name, part in content.items()} for row in rows], rows)


def _index(content: Mapping[str, Any]) -> Table | None:
    """``orient="index"``: each row is a map of column to value, all of the same columns.

    A file of splits looks alike, but its splits share no id that is a structure in none of them.
    Rows whose structures have a name in use are entries by id, and left to be read as such.
    """
    rows = list(content.values())
    if len(rows) < 2 or not all(isinstance(row, Mapping) and row for row in rows):
        return None
    if any(map(is_structural, rows)) or any(row.keys() != rows[0].keys() for row in rows):
        return None
    holding = [any(is_structural(row[name]) for row in rows) for name in rows[0]]
    return Table(rows, list(content)) if any(holding) and not all(holding) else None
