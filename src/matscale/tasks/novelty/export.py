"""What a run leaves for people beside its results: the crystals and a list of each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv

from matscale.results.store import stored_columns
from matscale.runtime.files import replaced
from matscale.structures.formats import write
from matscale.structures.table import StructureTable
from matscale.tasks.novelty.classify import CLASSES


def export_classes(
    name: str,
    samples: pa.Table,
    classes: np.ndarray,
    items: np.ndarray,
    table: StructureTable,
    folder: Path,
) -> None:
    """Write each class as a zip of CIFs and as a CSV of its per-sample scores.

    Files of classes that are empty are removed, for they would be those of an earlier run.

    Args:
        name: The predictor's.
        samples: Per-sample columns of the n submitted items.
        classes: Class of each item, (n,).
        items: Item of each row of the table, (N,).
        table: The crystals that could be read, relaxed where the run relaxes.
        folder: Where to.
    """
    columns = stored_columns(samples)
    for kind in CLASSES:
        rows = np.flatnonzero(classes == kind)
        listed, crystals = folder / f"{name}.{kind}.csv", folder / f"{name}.{kind}.cif.zip"
        chosen = np.flatnonzero(np.isin(items, rows))
        for path, wanted in ((listed, len(rows)), (crystals, len(chosen))):
            if not wanted:
                path.unlink(missing_ok=True)
        if len(rows):
            with replaced(listed) as temporary:
                csv.write_csv(columns.take(pa.array(rows)), temporary)
        if len(chosen):
            write(bare(table[chosen]), crystals)


def bare(table: StructureTable) -> StructureTable:
    """A table without columns that came with the file."""
    return StructureTable(table.ids, table.offsets, table.numbers, table.positions, table.cells)
