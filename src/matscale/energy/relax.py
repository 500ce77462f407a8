"""Relax many crystals at once: positions and cell, to generalised forces below a threshold.

The batch stays full: a crystal that is done leaves it and the next one enters. Each crystal gets
a status, and none is dropped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from matscale.energy.batch import Batch, Outcome
from matscale.energy.cache import Answers, keys_of
from matscale.energy.context import ContextFailed, Done, elsewhere
from matscale.energy.optimisers import OPTIMISERS
from matscale.energy.potential import Potential
from matscale.energy.status import CONVERGED, STATUSES
from matscale.runtime.errors import UserError
from matscale.runtime.execution import as_they_come, is_elsewhere, run, track
from matscale.structures.table import StructureTable

ATOMS_ON_CPU = 150
"""Atoms of a batch on a processor: enough to hide the cost of a call, few enough for its cache."""

ATOMS_ON_GPU = 8000
"""Atoms of a batch on an accelerator of some ten GiB or more; larger ones fail and are halved."""

CHUNK = 16
"""Crystals that are relaxed together on a processor: about as many as fill a batch."""


@dataclass(frozen=True)
class RelaxSettings:
    """How crystals are relaxed; every field is part of the cache key.

    Attributes:
        fmax: Largest generalised force of a relaxed crystal, in eV/Å (ASE's measure for its
            ``FrechetCellFilter``).
        max_steps: Moves after which a crystal is given up as not converged.
        optimiser: ``"fire"`` follows the energy downhill to the minimum that the published
            workflows find; ``"lbfgs"`` takes about half the steps, and more often slips from a
            saddle point, or over a barrier, to a lower minimum.
        relax_cell: Whether the cell moves too.
        max_volume_change: Factor, up or down, from which a cell is said to have exploded.

    Raises:
        UserError: If a value makes no sense.
    """

    fmax: float = 0.05
    max_steps: int = 500
    optimiser: str = "fire"
    relax_cell: bool = True
    max_volume_change: float = 5.0

    def __post_init__(self) -> None:
        if self.optimiser not in OPTIMISERS:
            known = ", ".join(OPTIMISERS)
            raise UserError(f"there is no optimiser {self.optimiser!r}; there are {known}")
        if not self.fmax > 0 or self.max_steps < 0 or not self.max_volume_change > 1:
            raise UserError(
                "relaxation needs fmax > 0, max_steps >= 0 and max_volume_change > 1, "
                f"not {self.fmax}, {self.max_steps} and {self.max_volume_change}"
            )


@dataclass(frozen=True, eq=False)
class Relaxation:
    """What came of relaxing N crystals, in the order in which they were given.

    Attributes:
        table: Their last geometries that could be evaluated; the given ones where none could.
        statuses: One of :data:`matscale.energy.status.STATUSES` each, (N,).
        energies: Energy of the cell in eV, (N,); NaN for exploded and failed crystals.
        initial_energies: Before relaxation, in eV, (N,); NaN where there is none.
        forces: Largest generalised force in eV/Å, (N,); NaN where there is none.
        steps: Moves, (N,).
        reasons: Row -> why the crystal exploded or failed.
    """

    table: StructureTable
    statuses: np.ndarray
    energies: np.ndarray
    initial_energies: np.ndarray
    forces: np.ndarray
    steps: np.ndarray
    reasons: dict[int, str]

    @property
    def converged(self) -> np.ndarray:
        """Which crystals are relaxed, (N,)."""
        return self.statuses == CONVERGED

    @property
    def counts(self) -> dict[str, int]:
        """How many crystals have each status; all statuses are there."""
        counts = Counter(self.statuses.tolist())
        return {status: counts[status] for status in STATUSES}


def relax(
    table: StructureTable,
    potential: Potential,
    settings: RelaxSettings | None = None,
    *,
    folder: Path | None = None,
    batch_atoms: int | None = None,
    workers: int | None = 1,
    label: str = "",
) -> Relaxation:
    """Relax the crystals of a table; those relaxed before, under any id, are recalled.

    Crystals are relaxed in chunks that hang on the crystals alone, so that outcomes are the same
    for any number of workers.

    Args:
        table: Crystals.
        potential: What moves them.
        settings: How; None for the defaults.
        folder: Where outcomes are kept, each as soon as it is there; None for nowhere.
        batch_atoms: Atoms that are evaluated at once; None for what suits the device. Batches
            change energies by rounding only.
        workers: Processes, as for :func:`matscale.runtime.execution.run`; more than one, or a
            cluster, needs a potential that can be pickled. None is one process on an accelerator.
        label: What is being done, for the progress display; "" shows none.

    Crystals of a process that died, or whose context on its device failed, are relaxed by others;
    only one that fails these too, alone, has failed.

    Raises:
        UserError: If no process can use the device any more.
    """
    settings = settings or RelaxSettings()
    answers = Answers(folder)
    keys = keys_of(table, potential, "relax", *astuple(settings))
    outcomes = {key: Outcome.restored(kept) for key in set(keys) if (kept := answers.recall(key))}
    first = {key: row for row, key in reversed(list(enumerate(keys))) if key not in outcomes}
    rows = np.array(sorted(first.values()), np.int64)
    # A worker elsewhere has no part in our folder.
    work = _Work(potential, settings, None if is_elsewhere() else folder, batch_atoms)
    for row, outcome in track(
        _outcomes(table, rows, [keys[row] for row in rows], work, workers),
        total=len(rows),
        label=label,
    ):
        outcomes[keys[row]] = outcome
        if work.folder is None:
            answers.keep(keys[row], outcome.stored())
    return _collect(table, [outcomes[key] for key in keys])


@dataclass(frozen=True)
class _Work:
    """What a process needs beside the crystals."""

    potential: Potential
    settings: RelaxSettings
    folder: Path | None
    batch_atoms: int | None


def _outcomes(
    table: StructureTable, rows: np.ndarray, keys: list[str], work: _Work, workers: int | None
) -> Iterator[tuple[int, Outcome]]:
    """Each row with its outcome, as it is done; those of a process that failed from others."""
    budget = atom_budget(work.potential, work.batch_atoms)
    n_chunks = -(-len(rows) // (CHUNK * max(1, budget // ATOMS_ON_CPU)))
    # Each chunk gets crystals of all sizes: the slow ones are spread.
    order = np.argsort(table.n_atoms[rows], kind="stable")
    places = [order[start::n_chunks] for start in range(n_chunks)]
    items = [(table[rows[part]], [keys[k] for k in part], work) for part in places]
    if workers is None and not on_cpu(work.potential):
        workers = 1
    left = dict(enumerate(places))
    try:
        for chunk, done in as_they_come(_relax_chunk, items, workers=workers):
            for number, outcome in done.answers:
                yield int(rows[places[chunk][number]]), outcome
            left[chunk] = np.delete(places[chunk], [number for number, _ in done.answers])
    except BrokenProcessPool:
        pass  # What a dead worker took with it is left.
    again = partial(_relaxed_elsewhere, table, rows, keys, work)
    parts = [part for part in left.values() if len(part)]
    for outcomes in run(again, parts, workers=workers, threads=True):
        yield from outcomes


def _relaxed_elsewhere(
    table: StructureTable, rows: np.ndarray, keys: list[str], work: _Work, part: np.ndarray
) -> list[tuple[int, Outcome]]:
    """Rows and outcomes of places among the rows, from processes of their own."""

    def item_of(places: np.ndarray) -> tuple[StructureTable, list[str], _Work]:
        return table[rows[places]], [keys[place] for place in places], work

    outcomes = []
    for place, outcome in elsewhere(_relax_chunk, item_of, part, work.potential):
        row = int(rows[place])
        if isinstance(outcome, str):
            outcome = Outcome.failing(table.row_positions(row), table.lattices[row], outcome)
        outcomes.append((row, outcome))
    return outcomes


def _relax_chunk(item: tuple[StructureTable, list[str], _Work]) -> Done[Outcome]:
    table, keys, work = item
    answers, outcomes = Answers(work.folder), []
    try:
        for row, outcome in relax_all(table, work.potential, work.settings, work.batch_atoms):
            answers.keep(keys[row], outcome.stored())
            outcomes.append((row, outcome))
    except ContextFailed as failed:
        return Done(outcomes, str(failed))
    return Done(outcomes)


def atom_budget(potential: Potential, batch_atoms: int | None) -> int:
    """Atoms that are evaluated at once."""
    if batch_atoms is not None:
        return batch_atoms
    return ATOMS_ON_CPU if on_cpu(potential) else ATOMS_ON_GPU


def on_cpu(potential: Potential) -> bool:
    """Whether a potential works on a processor, as those do that say nothing of it."""
    return getattr(potential, "device", "cpu") == "cpu"


def relax_all(
    table: StructureTable,
    potential: Potential,
    settings: RelaxSettings,
    batch_atoms: int | None = None,
) -> Iterator[tuple[int, Outcome]]:
    """Relax without a cache: each row of the table with its outcome, as soon as it is done.

    Raises:
        ContextFailed: If the process has lost the device.
    """
    budget = atom_budget(potential, batch_atoms)
    batch = Batch(table, settings)
    waiting = np.argsort(-table.n_atoms, kind="stable").tolist()  # large ones first: no long tail
    while waiting or len(batch):
        entering: list[int] = []
        room = budget - batch.n_atoms
        for row in waiting:
            if table.n_atoms[row] <= room or not (len(batch) or entering):
                entering.append(row)
                room -= int(table.n_atoms[row])
            if room <= 0:
                break
        if entering:
            chosen = set(entering)
            waiting = [row for row in waiting if row not in chosen]
            batch.enter(entering)
        yield from batch.advance(potential)


def _collect(table: StructureTable, outcomes: list[Outcome]) -> Relaxation:
    positions = [outcome.positions for outcome in outcomes]
    relaxed = StructureTable(
        table.ids,
        table.offsets,
        table.numbers,
        np.concatenate(positions) if positions else table.positions,
        np.stack([outcome.cell for outcome in outcomes]) if outcomes else table.cells,
        table.columns,
    )
    return Relaxation(
        table=relaxed,
        statuses=np.array([outcome.status for outcome in outcomes], dtype=object),
        energies=np.array([outcome.energy for outcome in outcomes], dtype=float),
        initial_energies=np.array([outcome.initial_energy for outcome in outcomes], dtype=float),
        forces=np.array([outcome.force for outcome in outcomes], dtype=float),
        steps=np.array([outcome.steps for outcome in outcomes], dtype=np.int64),
        reasons={row: out.reason for row, out in enumerate(outcomes) if out.reason},
    )
