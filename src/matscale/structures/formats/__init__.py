"""Structures in and out, in the formats that the field uses.

Nothing is unpickled, archives are unpacked in memory within limits, and an item that cannot be
used is refused alone, with a reason of :data:`REASONS`, and counted.
"""

from matscale.structures.formats.cells_of_text import parse_text
from matscale.structures.formats.objects import read_objects
from matscale.structures.formats.parquet import read_parquet, write_parquet
from matscale.structures.formats.reader import csv_header, read, read_columns, read_json_splits
from matscale.structures.formats.registry import without_endings
from matscale.structures.formats.vocabulary import REASONS, Limits
from matscale.structures.formats.writer import write

__all__ = [
    "REASONS",
    "Limits",
    "csv_header",
    "parse_text",
    "read",
    "read_columns",
    "read_json_splits",
    "read_objects",
    "read_parquet",
    "without_endings",
    "write",
    "write_parquet",
]
