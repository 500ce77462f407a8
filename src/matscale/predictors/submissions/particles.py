"""Answers to the particle tasks that were made elsewhere and come in a file.

crystal-to-particle: extended XYZ or Parquet, one particle per frame or row, with ``material``,
``radius`` in Å and ``rotation``. particle-to-crystal: a CSV with these and ``a``, ``b``, ``c`` in
Å, ``alpha``, ``beta``, ``gamma`` in degrees and ``space_group``; or crystals in any format that
can carry the three, or whose ids are the samples' names.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from matscale.datasets.particles.template import CELL_COLUMNS, KEY_COLUMNS, PARTICLE_ENDINGS
from matscale.predictors.submissions.frames import read_frames
from matscale.runtime.errors import Refused, UserError
from matscale.structures import formats
from matscale.structures.reading import Reading
from matscale.structures.table import StructureTable

Key = tuple[str, float, int]
"""Material, radius in Å and number of the rotation."""

_SAMPLE_NAME = re.compile(r"(.+)_R(\d+(?:\.\d+)?)_rot(\d+)")
_UNSAFE = re.compile(r"[^\w.+-]+")


@dataclass(frozen=True)
class Rows:
    """What a file answers.

    Attributes:
        name: The model's, after the file.
        source: The file.
        answers: By sample: what the task's check takes, or why it cannot be read. Of a sample
            that is answered twice, the first answer.
        duplicates: Answers to samples that were answered before.
        nameless: Rows that do not say which sample they answer.
    """

    name: str
    source: str
    answers: Mapping[Key, Any]
    duplicates: int
    nameless: int


def read_particles(path: Path) -> Rows:
    """Particles of a file; each answer is atomic numbers (n,) and positions (n, 3) in Å.

    Raises:
        UserError: If the file is not there or not of these kinds.
    """
    _check_there(path)
    ending = path.suffix.lower()
    if ending not in PARTICLE_ENDINGS:
        raise UserError(
            f"{path}: answers to crystal-to-particle end in {', '.join(PARTICLE_ENDINGS)}; "
            "`matscale data template` writes an example"
        )
    if ending == ".parquet":
        return collected(*_called(path), table_frames(formats.read_parquet(path)))
    frames = read_frames(path)
    return collected(
        *_called(path),
        ((sample_key(values, values.get("id", "")), atoms) for values, atoms in frames),
    )


def read_cells(path: Path) -> Rows:
    """Cells of a file; each answer is six parameters or a :class:`StructureTable` of one row.

    Raises:
        UserError: If the file is not there, has no such columns, or holds no crystals.
    """
    _check_there(path)
    if path.suffix.lower() == ".csv":
        return collected(*_called(path), _csv_rows(path))
    return collected(*_called(path), crystals(formats.read(path)))


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise UserError(f"{path} is not a file: give one file of answers per model")


def _called(path: Path) -> tuple[str, str]:
    """Name and source of the model of a file."""
    return _UNSAFE.sub("_", path.name.rsplit(".", 1)[0]) or "model", str(path)


def collected(name: str, source: str, rows: Iterator[tuple[Key | None, Any]]) -> Rows:
    """Answers under the samples that they are to.

    Args:
        name: The model's.
        source: Where they come from, for messages.
        rows: Sample, None where that is not said, and answer.

    Raises:
        UserError: If none says which sample it answers.
    """
    answers: dict[Key, Any] = {}
    duplicates = nameless = 0
    for key, answer in rows:
        if key is None:
            nameless += 1
        elif answers.get(key) is None:  # An empty row, as a template has, is not an answer yet.
            answers[key] = answer
        elif answer is not None:
            duplicates += 1
    if not answers:
        raise UserError(
            f"{source}: none of its {nameless} rows says which sample it answers; give each "
            f"{', '.join(KEY_COLUMNS)} as in the file that `matscale data template` writes"
        )
    return Rows(name, source, answers, duplicates, nameless)


def sample_key(values: Mapping[str, Any], name: str = "") -> Key | None:
    """The sample that a row answers: by the three columns, or by the sample's name."""
    if all(values.get(column) not in (None, "") for column in KEY_COLUMNS):
        try:
            radius, rotation = (_number(values[column]) for column in KEY_COLUMNS[1:])
            key = str(values["material"]), radius, int(rotation)
        except (ValueError, OverflowError):
            return None
        return key if key[2] == rotation else None
    if parts := _SAMPLE_NAME.fullmatch(name):
        return parts[1], float(parts[2]), int(parts[3][:9])
    return None


def _number(value: Any) -> float:
    """A number of a file.

    Raises:
        ValueError: If it is none; ``1_0`` is ten to Python and a slip of the pen elsewhere.
    """
    if "_" in str(value):
        raise ValueError(f"{value!r} is not a number")
    return float(value)


# --- particles -------------------------------------------------------------------------------


def table_frames(table: StructureTable) -> Iterator[tuple[Key | None, Any]]:
    """Sample, atomic numbers and positions of each row."""
    for row in range(len(table)):
        values = {name: column[row] for name, column in table.columns.items()}
        answer = (table.row_numbers(row), table.row_positions(row))
        yield sample_key(values, str(table.ids[row])), answer


# --- cells -----------------------------------------------------------------------------------


def _csv_rows(path: Path) -> Iterator[tuple[Key | None, Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.reader(stream, skipinitialspace=True)
            names = [name.strip() for name in next(rows, [])]
            _check_columns(path, names)
            for fields in rows:
                texts = [text.strip() for text in fields]
                row = dict(zip(names, texts, strict=False))
                if any(texts[len(names) :]):
                    counts = f"line {rows.line_num}: {len(texts)} fields under {len(names)} columns"
                    yield sample_key(row), Refused("unreadable", counts)
                elif fields:
                    yield sample_key(row), _parameters(row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {path}: {error}") from error


def _check_columns(path: Path, names: list[str]) -> None:
    needed = (*KEY_COLUMNS, *CELL_COLUMNS)
    for column in needed:
        if column not in names:
            raise UserError(
                f"{path} has no column {column!r}; its first line must be {','.join(needed)} with "
                "commas, not semicolons or tabs, between them"
            )
        count = names.count(column)
        if count > 1:
            raise UserError(f"{path} has {count} columns {column!r}; keep one of them")


def _parameters(row: Mapping[str, str]) -> Any:
    texts = [row.get(name, "") for name in CELL_COLUMNS]
    if not any(texts):
        return None
    try:
        values = np.array([_number(text) for text in texts])
    except ValueError:
        return Refused("unreadable", f"{','.join(texts)[:80]} are not seven numbers")
    return values[:6], values[6]


def crystals(
    reading: Reading, keys: Mapping[str, Key | None] | None = None
) -> Iterator[tuple[Key | None, Any]]:
    """Sample of each item, and its crystal with its space group or why it was refused.

    Args:
        reading: The items.
        keys: Samples by the items' ids, where these are not the samples' names.
    """
    table = reading.table
    for row in range(len(table)):
        values = {name: column[row] for name, column in table.columns.items()}
        name = str(table.ids[row])
        key = sample_key(values, name) if keys is None else keys[name]
        yield key, _crystal(table, row, values)
    for refusal in reading.refusals:
        key = sample_key({}, refusal.id) if keys is None else keys[refusal.id]
        yield key, Refused(refusal.reason, refusal.detail)


def _crystal(table: StructureTable, row: int, values: Mapping[str, Any]) -> Any:
    """A crystal and the number of its space group; NaN for the one that it has."""
    given = values.get("space_group")
    try:
        group = float("nan") if given is None else float(given)
    except ValueError:
        return Refused("unreadable", f"space_group {given!r} is not a number")
    return table[row], group
