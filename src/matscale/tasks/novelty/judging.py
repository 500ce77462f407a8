"""A predictor's crystals through all stages: validity, relaxation, comparison with training."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

import numpy as np

from matscale.results.result import Protocol
from matscale.structures.reading import Reading
from matscale.structures.table import StructureTable
from matscale.tasks.entrant import Entrant
from matscale.tasks.harness import Scored
from matscale.tasks.novelty.classify import Verdicts, classify
from matscale.tasks.novelty.samples import (
    SubmittedItems,
    unread_samples,
    without_own_images,
    write_moved,
    write_reasons,
    write_validity,
    write_verdicts,
)
from matscale.tasks.novelty.stages import Moved, References, Stages
from matscale.tasks.novelty.training import Described, described
from matscale.tasks.novelty.valid import Validity, validity


@dataclass(frozen=True)
class Prepared:
    """An entrant's crystals after the stages that look at them one by one.

    Attributes:
        entrant: Whose crystals they are.
        validity: Of all rows that were read, as they came.
        rows: Rows that are valid under one protocol at least, and so are moved and compared.
        moved: Those rows, relaxed or as they came.
        seconds: Wall time so far.
    """

    entrant: Entrant[Reading]
    validity: Validity
    rows: np.ndarray
    moved: Moved
    seconds: float


@dataclass(frozen=True)
class GeneratedScores:
    """A predictor's samples, and what they were made of.

    Attributes:
        sound: As the sound protocol has them, which is how they are written and drawn.
        published: As the published one has them.
        table: The crystals that were read, relaxed where the run relaxes.
        verdicts: What the comparison found, for its counts.
        missing: Chemical elements without a reference, and how many crystals that concerns.
    """

    sound: SubmittedItems
    published: SubmittedItems
    table: StructureTable
    verdicts: Verdicts
    missing: dict[str, int]

    def under(self, protocol: Protocol) -> SubmittedItems:
        """The samples as a protocol has them."""
        return self.sound if protocol == "sound" else self.published


def prepare(entrant: Entrant[Reading], stages: Stages) -> Prepared:
    """Look at an entrant's crystals one by one, and relax them where the run relaxes."""
    start = time.perf_counter()
    name, table = entrant.predictor.name, entrant.answer.table
    found = validity(table, stages.memory, label=f"validity of {name}")
    # What is valid under the sound protocol is valid under the published one too.
    rows = np.flatnonzero(found.published)
    moved = stages.move_submitted(table[rows], label=name)
    return Prepared(entrant, found, rows, moved, time.perf_counter() - start)


def judge(
    prepared: Prepared, training: Described, stages: Stages, hull: References
) -> Scored[GeneratedScores]:
    """The verdict on each of an entrant's crystals."""
    start = time.perf_counter()
    entrant, moved = prepared.entrant, prepared.moved
    reading = entrant.answer
    samples = unread_samples(reading)
    write_validity(samples, reading.items, reading.table, prepared.validity)
    above = hull.distances(moved.table, moved.energies)
    write_moved(samples, reading.items[prepared.rows], moved, above)
    complete = np.flatnonzero(moved.complete)
    crystals = described(moved.table[complete], stages, label=entrant.predictor.name)
    usable = crystals.cells.usable
    verdicts = classify(crystals, training, stages, name=entrant.predictor.name)
    items = reading.items[prepared.rows[complete]]
    reasons = dict(zip(items[~usable], crystals.cells.reasons[~usable], strict=True))
    write_reasons(samples, reasons)
    write_verdicts(samples, items[usable], crystals, verdicts, training)
    missing = Counter(
        symbol for absent in (above.missing if above else {}).values() for symbol in absent
    )
    table = _with_moved(reading.table, prepared.rows, moved)
    sound = without_own_images(samples)
    # Floors may be judged again beside other models: their time is that of the last.
    entrant.seconds = prepared.seconds + time.perf_counter() - start
    return Scored(entrant, GeneratedScores(sound, samples, table, verdicts, dict(missing)))


def _with_moved(table: StructureTable, rows: np.ndarray, moved: Moved) -> StructureTable:
    """The table with the moved rows in their new geometry."""
    positions, cells = table.positions.copy(), table.lattices.copy()
    cells[rows] = moved.table.lattices
    for place, row in enumerate(rows.tolist()):
        positions[table.offsets[row] : table.offsets[row + 1]] = moved.table.row_positions(place)
    return StructureTable(table.ids, table.offsets, table.numbers, positions, cells)
