"""Parquet: one row per structure, and the only format that holds every table exactly.

========= ============================= =================================================
column    type                          meaning
========= ============================= =================================================
id        string
numbers   list<uint8>                   atomic numbers
positions list<double>                  x, y, z of each atom in turn, Cartesian, in Å
cell      fixed_size_list<double, 9>    lattice vectors in Å, row by row; null for particles
========= ============================= =================================================

Further columns of the table follow under their own names; one that is called as those above gets a
"_" behind its name, and one with values of several kinds is stored as text.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from matscale.runtime.errors import Refused, UserError
from matscale.runtime.files import replaced
from matscale.structures.formats.vocabulary import Block, File, Format
from matscale.structures.table import StructureTable

if TYPE_CHECKING:
    import pyarrow as pa

OWN_COLUMNS = ("id", "numbers", "positions", "cell")
ROWS_PER_GROUP = 1 << 20
MAX_LIST_VALUES = 2**31 - 1
MAX_UNPACKED = 16 << 30
LARGEST_NUMBER = 255
"""That a table can hold; a larger one would become another element."""


def write_parquet(table: StructureTable, path: str | os.PathLike[str]) -> None:
    """Write a table of crystals or particles, zstd-compressed.

    Args:
        table: Any table; columns of strings, numbers and truth values.
        path: Where to; replaced whole once writing is done.

    Raises:
        UserError: If the file cannot be written or a column cannot be stored.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        arrow = to_arrow(table)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise UserError(f"cannot store this table in {str(path)!r}: {error}") from error
    with replaced(path) as temporary:
        pq.write_table(
            arrow,
            temporary,
            compression="zstd",
            compression_level=3,
            use_dictionary=["numbers.list.element"],
            row_group_size=ROWS_PER_GROUP,
        )


def to_arrow(table: StructureTable) -> pa.Table:
    """The table as Arrow columns, without copying positions, numbers and cells."""
    import pyarrow as pa

    wide = 3 * len(table.numbers) > MAX_LIST_VALUES
    kind, offset_type = (pa.LargeListArray, np.int64) if wide else (pa.ListArray, np.int32)
    offsets = table.offsets.astype(offset_type)
    cells = (
        pa.nulls(len(table), pa.list_(pa.float64(), 9))
        if table.cells is None
        else pa.FixedSizeListArray.from_arrays(pa.array(table.cells.reshape(-1)), 9)
    )
    columns: dict[str, Any] = {
        "id": pa.array(table.ids.tolist(), pa.string()),
        "numbers": kind.from_arrays(pa.array(offsets), pa.array(table.numbers)),
        "positions": kind.from_arrays(pa.array(3 * offsets), pa.array(table.positions.reshape(-1))),
        "cell": cells,
    }
    for name, values in table.columns.items():
        columns[_free(name, {*OWN_COLUMNS, *table.columns})] = _stored(values)
    return pa.table(columns)


def _free(name: str, taken: set[str]) -> str:
    """A name for a column beside the table's own: "cell_" for a column called "cell"."""
    if name not in OWN_COLUMNS:
        return name
    while name in taken:
        name += "_"
    return name


def _stored(values: np.ndarray) -> pa.Array:
    """A column as Arrow has it; as text where its values are of several kinds."""
    import pyarrow as pa

    if values.dtype != object:
        return pa.array(values)
    try:
        return pa.array(values.tolist())
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else str(value) for value in values.tolist()])


def read_parquet(path: str | os.PathLike[str]) -> StructureTable:
    """Read a table that :func:`write_parquet` wrote, of crystals or particles.

    The file is mapped into memory; unpacking it makes the only copy, which compression makes
    unavoidable. Numbers, positions and cells are views of that where the file has one row group;
    they cannot be written to. Threads share them. The structures are not checked again.

    Args:
        path: The file.

    Raises:
        UserError: If there is no such file, or it is not of this kind.
    """
    try:
        return _read(os.fspath(path))
    except FileNotFoundError as error:
        raise UserError(f"there is no file {str(path)!r}; check the path") from error
    except Refused as refusal:
        raise UserError(f"cannot read {str(path)!r}: {refusal.detail}") from refusal


def _read(source: str | BytesIO) -> StructureTable:
    """The table in a Parquet file.

    Raises:
        Refused: If it is broken or not of this kind.
        FileNotFoundError: If there is none.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(source, memory_map=isinstance(source, str)) as file:
            _check_schema(file)
            return from_arrow(file.read())
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Refused("unreadable", f"Parquet: {error}"[:200]) from error


def _check_schema(file: Any) -> None:
    names = file.schema_arrow.names
    absent = [name for name in OWN_COLUMNS if name not in names]
    if absent:
        raise ValueError(f"no column {absent[0]!r}; its columns are {', '.join(names[:12])}")
    groups = range(file.metadata.num_row_groups)
    if sum(file.metadata.row_group(group).total_byte_size for group in groups) > MAX_UNPACKED:
        raise ValueError(f"unpacks to over {MAX_UNPACKED} bytes")


def from_arrow(arrow: pa.Table) -> StructureTable:
    """The table that :func:`to_arrow` made.

    Raises:
        ValueError: If the columns do not fit each other.
    """
    count = arrow.num_rows
    numbers, offsets = _lists(arrow["numbers"])
    positions, tripled = _lists(arrow["positions"])
    if len(numbers) and not (numbers.min() >= 0 and numbers.max() <= LARGEST_NUMBER):
        raise ValueError(f"an atomic number is not one of 0 to {LARGEST_NUMBER}")
    if not np.array_equal(3 * offsets, tripled):
        raise ValueError("positions and numbers are of different atoms")
    cells = arrow["cell"].combine_chunks()
    if count and cells.null_count == count:
        matrix = None
    else:
        if cells.null_count:
            raise ValueError("some rows have a cell and others have none")
        matrix = _flat(cells).reshape(-1, 3, 3) if count else np.empty((0, 3, 3))
    return StructureTable(
        ids=_ids(arrow["id"]),
        offsets=offsets,
        numbers=numbers,
        positions=positions.reshape(-1, 3),
        cells=matrix,
        columns={
            name: _column(arrow[name]) for name in arrow.column_names if name not in OWN_COLUMNS
        },
    )


def _ids(column: pa.ChunkedArray) -> np.ndarray:
    """Names as strings: other programs write numbers, and nothing at all."""
    names = np.empty(len(column), dtype=object)
    names[:] = ["" if value is None else str(value) for value in column.to_pylist()]
    return names


def _lists(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """All values of a column of lists, and where each list starts and the last one ends."""
    lists = column.combine_chunks()
    if lists.null_count or not hasattr(lists, "offsets"):
        raise ValueError("numbers and positions must be lists")
    offsets = lists.offsets.to_numpy().astype(np.int64) if len(lists) else np.zeros(1, np.int64)
    return _flat(lists), offsets - offsets[0]


def _flat(lists: Any) -> np.ndarray:
    values = lists.flatten()
    if values.null_count:
        raise ValueError("a number is missing")
    return values.to_numpy(zero_copy_only=True)


def _column(column: pa.ChunkedArray) -> np.ndarray:
    import pyarrow.types as kinds

    if (kinds.is_floating(column.type) or kinds.is_integer(column.type)) and not column.null_count:
        return column.to_numpy()
    values = np.empty(len(column), dtype=object)
    values[:] = column.to_pylist()
    return values.astype(bool) if kinds.is_boolean(column.type) and None not in values else values


def entries(file: File) -> Iterator[Block]:
    """All rows of a file at once."""
    yield Block(_read(BytesIO(file.content)), file.source)


def claims(head: bytes) -> bool:
    """Whether a file that begins so is Parquet."""
    return head[:4] == b"PAR1"


FORMAT = Format("Parquet", (".parquet",), claims, entries)
