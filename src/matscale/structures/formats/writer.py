"""Structures out, by the ending of the file's name."""

from __future__ import annotations

import gzip
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from matscale.runtime.errors import UserError
from matscale.runtime.files import replaced
from matscale.structures.formats import cif_text, extxyz, pymatgen_dict
from matscale.structures.formats.parquet import write_parquet
from matscale.structures.table import StructureTable

EPOCH = (1980, 1, 1, 0, 0, 0)
"""Date of archive members, so that equal tables make equal files."""


def write(table: StructureTable, path: str | os.PathLike[str]) -> None:
    """Write a table in the format that the name ends in.

    Args:
        table: Crystals; Parquet and extended XYZ take particles too.
        path: ``.parquet``, ``.extxyz`` or ``.xyz``, ``.jsonl`` or ``.jsonl.gz`` (pymatgen
            dictionaries), ``.zip`` (CIFs). Replaced whole once writing is done.

    Raises:
        UserError: If the ending is none of these, or the file cannot be written.
    """
    lower = Path(path).name.lower()
    for suffix, writer in WRITERS.items():
        if lower.endswith(suffix):
            writer(table, path)
            return
    raise UserError(
        f"cannot tell a format from the name {str(path)!r}; end it in one of {', '.join(WRITERS)}"
    )


def _crystals(table: StructureTable, path: str | os.PathLike[str]) -> np.ndarray:
    if table.cells is None:
        raise UserError(f"particles have no cells to write to {str(path)!r}; use .parquet or .xyz")
    return table.cells


def _write_extxyz(table: StructureTable, path: str | os.PathLike[str]) -> None:
    with replaced(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        for row in range(len(table)):
            columns = {name: values[row] for name, values in table.columns.items()}
            stream.write(
                extxyz.frame(
                    table.ids[row],
                    table.row_numbers(row),
                    table.row_positions(row),
                    None if table.cells is None else table.cells[row],
                    columns,
                )
            )


def _lines(table: StructureTable, cells: np.ndarray) -> Iterator[bytes]:
    for row in range(len(table)):
        structure = pymatgen_dict.build(
            table.row_numbers(row), table.row_positions(row), cells[row]
        )
        values = {name: _plain(values[row]) for name, values in table.columns.items()}
        record = {"id": table.ids[row], **values, "structure": structure}
        yield json.dumps(record).encode() + b"\n"


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def _write_jsonl(table: StructureTable, path: str | os.PathLike[str]) -> None:
    cells = _crystals(table, path)
    packed = os.fspath(path).lower().endswith(".gz")
    with replaced(path) as temporary, temporary.open("wb") as raw:
        if packed:
            with gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as stream:
                stream.writelines(_lines(table, cells))
        else:
            raw.writelines(_lines(table, cells))


def _write_zip(table: StructureTable, path: str | os.PathLike[str]) -> None:
    cells = _crystals(table, path)
    names = cif_text.member_names(table.ids)
    with (
        replaced(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for row, name in enumerate(names):
            text = cif_text.build(
                table.ids[row], table.row_numbers(row), table.row_positions(row), cells[row]
            )
            member = zipfile.ZipInfo(name, EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, text)


WRITERS: dict[str, Callable[[StructureTable, str | os.PathLike[str]], None]] = {
    ".parquet": write_parquet,
    ".extxyz": _write_extxyz,
    ".xyz": _write_extxyz,
    ".jsonl": _write_jsonl,
    ".jsonl.gz": _write_jsonl,
    ".zip": _write_zip,
}
