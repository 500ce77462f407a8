"""Short runs of the novelty task for the tests."""

from pathlib import Path

import pyarrow.parquet as pq

from matscale.structures.formats import write
from matscale.structures.table import StructureTable
from matscale.tasks.novelty.score import score_novelty


def score(structures, train: Path, names=None, out="results", **options):
    """Score crystals as one model called ``model``; the card and the per-sample columns."""
    folder = train.parent
    table = (
        structures
        if isinstance(structures, StructureTable)
        else StructureTable.from_pymatgen(structures, names)
    )
    write(table, folder / "model.parquet")
    options = {"workers": 1, "out": folder / out, **options}
    card = score_novelty(folder / "model.parquet", train=train, **options)
    rows = pq.read_table(folder / out / "model.samples.parquet").to_pylist()
    return card, {row["id"]: row for row in rows}
