"""What a run leaves beside its results: crystals, training counterparts, a list of each class."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq

from matscale.results.store import stored_columns
from matscale.runtime.files import replaced
from matscale.structures.formats import write, write_parquet
from matscale.structures.table import StructureTable
from matscale.tasks.novelty.classify import CLASSES
from matscale.tasks.novelty.samples import Samples, named_training, samples_table


@dataclass(frozen=True)
class Judged:
    """One predictor's crystals with their verdicts.

    Attributes:
        name: The predictor's.
        samples: All submitted items.
        items: Item of each row of the table, (N,).
        table: The crystals that could be read, relaxed where the run relaxes.
        train: Training crystals as given.
    """

    name: str
    samples: Samples
    items: np.ndarray
    table: StructureTable
    train: StructureTable

    @cached_property
    def columns(self) -> pa.Table:
        """The per-sample columns."""
        return stored_columns(samples_table(self.samples, self.train, self.items))


def save_crystals(judged: Judged, folder: Path) -> dict[str, str]:
    """Write per-sample scores, the generated crystals and those of training that they name.

    Returns:
        The fields of a :class:`matscale.results.result.Result` that name the files.
    """
    name, train = judged.name, judged.train
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "samples": f"{name}.samples.parquet",
        "predictions": f"{name}.generated.parquet",
        "targets": f"{name}.matched_train.parquet",
    }
    with replaced(folder / files["samples"]) as temporary:
        pq.write_table(judged.columns, temporary, compression="zstd")
    write_parquet(_bare(judged.table), folder / files["predictions"])
    write_parquet(_bare(train[named_training(judged.samples)]), folder / files["targets"])
    return files


def export_classes(judged: Judged, folder: Path) -> None:
    """Write each class as a zip of CIFs and as a CSV of its per-sample scores.

    Files of classes that are empty are removed, for they would be those of an earlier run.
    """
    name, samples = judged.name, judged.samples
    columns = judged.columns
    for kind in CLASSES:
        rows = np.flatnonzero(samples.classes == kind)
        listed, crystals = folder / f"{name}.{kind}.csv", folder / f"{name}.{kind}.cif.zip"
        chosen = np.flatnonzero(np.isin(judged.items, rows))
        for path, wanted in ((listed, len(rows)), (crystals, len(chosen))):
            if not wanted:
                path.unlink(missing_ok=True)
        if len(rows):
            with replaced(listed) as temporary:
                csv.write_csv(columns.take(pa.array(rows)), temporary)
        if len(chosen):
            write(_bare(judged.table[chosen]), crystals)


def _bare(table: StructureTable) -> StructureTable:
    """A table without columns that came with the file."""
    return StructureTable(table.ids, table.offsets, table.numbers, table.positions, table.cells)
