"""Energies of crystals as they are, in batches, each kept by its content."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from matscale.energy.cache import Answers, keys_of
from matscale.energy.context import ContextFailed, Done, elsewhere, evaluated
from matscale.energy.potential import Potential
from matscale.energy.relax import atom_budget
from matscale.runtime.execution import track
from matscale.structures.table import StructureTable


class Energies(NamedTuple):
    """Energies of N crystals.

    Attributes:
        energies: Of the cell in eV, (N,); NaN where there is none.
        reasons: Row -> why there is none.
    """

    energies: np.ndarray
    reasons: dict[int, str]


def energies(
    table: StructureTable,
    potential: Potential,
    *,
    folder: Path | None = None,
    batch_atoms: int | None = None,
    label: str = "",
) -> Energies:
    """Energies of the crystals of a table as they are; those known, under any id, are recalled.

    Args:
        table: Crystals.
        potential: What knows their energies.
        folder: Where energies are kept; None for nowhere.
        batch_atoms: As for :func:`matscale.energy.relax.relax`.
        label: What is being done, for the progress display; "" shows none.
    """
    answers = Answers(folder)
    keys = keys_of(table, potential, "energy")
    known: dict[str, tuple[float, str]] = {}
    for key in set(keys):
        kept = answers.recall(key)
        if kept is not None:
            known[key] = float(kept["energy"]), str(kept["reason"])
    first = {key: row for row, key in reversed(list(enumerate(keys))) if key not in known}
    rows = np.array(sorted(first.values()), np.int64)
    found = _found(table, rows, potential, atom_budget(potential, batch_atoms))
    for row, (energy, reason) in track(found, total=len(rows), label=label):
        known[keys[row]] = energy, reason
        answers.keep(keys[row], {"energy": energy, "reason": reason})
    return Energies(
        np.array([known[key][0] for key in keys], dtype=float),
        {row: known[key][1] for row, key in enumerate(keys) if known[key][1]},
    )


_Found = tuple[float, str]
"""Energy in eV, and the reason if there is none."""


def _found(
    table: StructureTable, rows: np.ndarray, potential: Potential, budget: int
) -> Iterator[tuple[int, _Found]]:
    """Each row with what was found; see ``context.py`` for those that this process cannot ask."""
    done = []
    try:
        for place, found in _evaluated(table[rows], potential, budget):
            done.append(place)
            yield int(rows[place]), found
    except ContextFailed:
        pass
    if len(done) == len(rows):
        return

    def item_of(part: np.ndarray) -> tuple[StructureTable, Potential, int]:
        return table[part], potential, budget

    for row, answer in elsewhere(_energies_of, item_of, np.delete(rows, done), potential):
        yield row, (np.nan, answer) if isinstance(answer, str) else answer


def _energies_of(item: tuple[StructureTable, Potential, int]) -> Done[_Found]:
    answers: list[tuple[int, _Found]] = []
    try:
        answers += _evaluated(*item)
    except ContextFailed as failed:
        return Done(answers, str(failed))
    return Done(answers)


def _evaluated(
    table: StructureTable, potential: Potential, budget: int
) -> Iterator[tuple[int, _Found]]:
    """Each row with what was found of it, batch by batch."""
    order = np.argsort(table.n_atoms, kind="stable")
    for part in _batches(order, table.n_atoms, budget):
        evaluation = evaluated(potential, table[part])
        for place, row in enumerate(part.tolist()):
            energy = float(evaluation.energies[place])
            reason = evaluation.refused.get(place, "")
            if not reason and not np.isfinite(energy):
                reason = "the energy is not finite"
            yield row, (np.nan if reason else energy, reason)


def _batches(rows: np.ndarray, n_atoms: np.ndarray, budget: int) -> Iterator[np.ndarray]:
    """Successive rows of at most ``budget`` atoms together, or one row."""
    start = total = 0
    for end, row in enumerate(rows):
        if end > start and total + n_atoms[row] > budget:
            yield rows[start:end]
            start, total = end, 0
        total += int(n_atoms[row])
    if start < len(rows):
        yield rows[start:]
