"""A demonstration that needs no download: prototypes that pymatgen ships, answered by floors."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from matscale.predictors.floors.crystals import RandomTraining
from matscale.predictors.floors.substitution import Substitution
from matscale.predictors.predictor import Told
from matscale.predictors.training import CrystalTraining
from matscale.report.scorecard import Scorecard
from matscale.runtime.errors import Refused
from matscale.structures import chemistry
from matscale.structures.formats import write
from matscale.structures.pymatgen_data import aflow_prototypes
from matscale.structures.table import StructureTable
from matscale.tasks.reconstruction.score import score_reconstruction

if TYPE_CHECKING:
    from pymatgen.core import Structure

SEED = 7
HELD_OUT = 60


def run_demo(out: Path) -> tuple[Scorecard, Path]:
    """Write a training set and three submissions, score them, make the page.

    The submissions are not models: one substitutes elements, one answers at random, and one moves
    the targets' atoms about. The last line of each is cut, to show what becomes of such.

    Args:
        out: Folder for everything.

    Returns:
        The results, and the path of the page.
    """
    crystals = prototype_crystals()
    order = list(range(len(crystals)))
    random.Random(SEED).shuffle(order)
    targets, train = crystals[order[:HELD_OUT]], crystals[order[HELD_OUT:]]
    out.mkdir(parents=True, exist_ok=True)
    write(train, out / "train.parquet")
    write(targets, out / "targets.parquet")
    submissions = {
        "demo_swapper": _answers(Substitution(), targets, train),
        "demo_guesser": _answers(RandomTraining(), targets, train),
        "demo_copier": _rattled(targets, 0.15),
    }
    for name, answers in submissions.items():
        write(answers, out / f"{name}.jsonl")
        _damage_last_line(out / f"{name}.jsonl")
    card = score_reconstruction(
        [out / f"{name}.jsonl" for name in submissions],
        train=out / "train.parquet",
        targets=out / "targets.parquet",
        told={
            "demo_swapper": "composition",
            "demo_guesser": "nothing",
            "demo_copier": "composition,cell,positions",
        },
        out=out / "results",
        command="matscale demo",
        notes=(
            "This is a demonstration: the submissions were not made by models but by an element "
            "swap, by chance, and by moving the targets' atoms 0.15 Å about; the last line of "
            "each was cut on purpose.",
        ),
    )
    return card, card.report(out / "report")


def _answers(
    floor: Substitution | RandomTraining, targets: StructureTable, train: StructureTable
) -> StructureTable:
    """What a floor answers of what it is not refused, under the targets' ids."""
    floor.fit(CrystalTraining(train))
    compositions = [chemistry.composition(targets.row_numbers(row)) for row in range(len(targets))]
    answers = floor.predict(Told({"composition": compositions}), seed=SEED)
    answered = [row for row in range(len(answers)) if not isinstance(answers[row], Refused)]
    table = StructureTable.concatenate([answers[row] for row in answered])
    return table.with_ids([targets.ids[row] for row in answered])


def _rattled(table: StructureTable, amplitude: float) -> StructureTable:
    """The same crystals with each atom moved by a normal draw of that deviation in Å."""
    moves = np.random.default_rng(SEED).normal(0, amplitude, table.positions.shape)
    return replace(table, positions=table.positions + moves)


def _damage_last_line(path: Path) -> None:
    text = path.read_text(encoding="utf-8").rstrip("\n")
    path.write_text(text[:-40], encoding="utf-8")


def prototype_crystals() -> StructureTable:
    """The ordered AFLOW prototypes that come with pymatgen (Mehl et al. 2017), up to 40 atoms."""
    chosen: dict[str, Structure] = {}
    for label, structure in aflow_prototypes():
        if structure.is_ordered and len(structure) <= 40:
            chosen.setdefault(label, structure)
    return StructureTable.from_pymatgen(chosen.values(), list(chosen))
