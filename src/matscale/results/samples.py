"""The per-sample scores of a result, in the Parquet file beside it: status words, and reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from matscale.results.result import Result

SCORED = "scored"
"""Status of a sample that has a score."""

MISSING = "missing"
"""Status of one that was asked for and not answered."""

FAILED = "failed"
"""Status of one whose answer has no score, where the reason stands in a column of its own."""


@dataclass(frozen=True)
class Samples:
    """Per-sample scores as columns, and what a reader must know where there are none.

    Attributes:
        columns: Name to values, all of one length; empty where nothing could be read.
        problem: Why it is empty, one sentence; empty where all is well.
    """

    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    problem: str = ""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def numbers(self, name: str) -> np.ndarray:
        """A column as float64 with NaN for null; all NaN where there is no such column."""
        if name not in self.columns:
            return np.full(len(self), np.nan)
        return np.array(
            [np.nan if value is None else float(value) for value in self.columns[name]], float
        )

    def flags(self, name: str) -> np.ndarray:
        """A column as booleans; null counts as False."""
        if name not in self.columns:
            return np.zeros(len(self), bool)
        return np.array([value is not None and bool(value) for value in self.columns[name]], bool)

    def texts(self, name: str) -> list[str]:
        """A column as text; null is empty."""
        if name not in self.columns:
            return [""] * len(self)
        return ["" if value is None else str(value) for value in self.columns[name]]

    @property
    def scored(self) -> np.ndarray:
        """Which samples have a score, (N,) bool."""
        return np.array([status == SCORED for status in self.texts("status")], bool)


def beside(folder: Path | None, name: str | None) -> Path | None:
    """The file of that name in the folder, or None; a name that leaves the folder is None."""
    if not name or folder is None:
        return None
    path = (folder / name).resolve()
    return path if path.is_relative_to(folder.resolve()) and path.is_file() else None


def read_samples(result: Result, folder: Path | None) -> Samples:
    """Per-sample scores of a result; a missing or damaged file is said, never hidden."""
    if result.samples is None:
        return Samples(problem="This result has no per-sample scores.")
    if folder is None:
        return Samples(
            problem="The results do not lie in one folder, so no per-sample file was read."
        )
    path = beside(folder, result.samples)
    if path is None:
        return Samples(
            problem=f"The per-sample file {result.samples} is not in the folder of results."
        )
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        first = str(error).splitlines()[0]
        return Samples(problem=f"The per-sample file {result.samples} does not read: {first}")
    columns = {
        name: np.array(table.column(name).to_pylist(), dtype=object) for name in table.column_names
    }
    return Samples(columns)
