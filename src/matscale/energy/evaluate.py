"""Energies of crystals as they are, in batches, each kept by its content."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from matscale.energy.cache import Answers, keys_of
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
    evaluated = _evaluated(table, rows, potential, atom_budget(potential, batch_atoms))
    for row, energy, reason in track(evaluated, total=len(rows), label=label):
        known[keys[row]] = energy, reason
        answers.keep(keys[row], {"energy": energy, "reason": reason})
    return Energies(
        np.array([known[key][0] for key in keys], dtype=float),
        {row: known[key][1] for row, key in enumerate(keys) if known[key][1]},
    )


def _evaluated(
    table: StructureTable, rows: np.ndarray, potential: Potential, budget: int
) -> Iterator[tuple[int, float, str]]:
    """Row, energy in eV and reason for its absence, batch by batch."""
    order = rows[np.argsort(table.n_atoms[rows], kind="stable")]
    for part in _batches(order, table.n_atoms, budget):
        evaluation = potential.evaluate(table[part])
        for row_of_part, row in enumerate(part.tolist()):
            energy = float(evaluation.energies[row_of_part])
            reason = evaluation.refused.get(row_of_part, "")
            if not reason and not np.isfinite(energy):
                reason = "the energy is not finite"
            yield row, np.nan if reason else energy, reason


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
