"""Candidates of a generated crystal's space group and occupied Wyckoff positions."""

from __future__ import annotations

import numpy as np

from matscale.matching.wyckoff.matches import match_rows, rows_by_sequence
from matscale.matching.wyckoff.positions import WyckoffTable
from matscale.structures.table import StructureTable
from matscale.tasks.novelty.search.cheapest import Bounds, Ranking, ranked
from matscale.tasks.novelty.search.substitution import Candidate, candidate


def cheapest_wyckoff(
    generated: WyckoffTable,
    train: WyckoffTable,
    top: int,
    *,
    workers: int | None = None,
    label: str = "",
) -> Ranking:
    """The ``top`` cheapest training crystals of each generated one's Wyckoff sequence.

    Crystals of one sequence hold equal shares of their sites in paired orbits, so the bound of
    :mod:`matscale.tasks.novelty.search.cheapest` holds for them too. Of equal costs the first
    training rows are taken.

    Args:
        generated: Symmetry of reduced crystals.
        train: Likewise.
        top: How many of each.
        workers: As for :func:`matscale.matching.wyckoff.matches.match_rows`.
        label: For the progress display.
    """
    bounds = {
        sequence: Bounds(train.table, np.array(rows))
        for sequence, rows in rows_by_sequence(train).items()
    }
    sequences = generated.sequences

    def order_of(row: int) -> tuple[np.ndarray, np.ndarray] | None:
        if sequences[row] not in bounds:
            return None
        return bounds[sequences[row]].order(generated.table.row_numbers(row), supercells=False)

    def cost_of(pairs: np.ndarray) -> np.ndarray:
        return match_rows(generated, train, pairs, workers=workers, label=label)[0][:, 1]

    return ranked(len(generated), order_of, cost_of, top)


def wyckoff_candidates(
    generated: WyckoffTable, train: WyckoffTable, top: int, *, workers: int | None
) -> tuple[list[Candidate], Ranking]:
    """The cheapest pairs as candidates, and how they were found.

    Arguments are those of :func:`cheapest_wyckoff`.
    """
    ranking = cheapest_wyckoff(generated, train, top, workers=workers)
    _, atoms = match_rows(generated, train, ranking.rows, workers=workers)
    candidates, start = [], 0
    for (mine, other), cost in zip(ranking.rows.tolist(), ranking.cost, strict=True):
        stop = start + int(train.table.n_atoms[other])
        numbers = generated.table.row_numbers(mine)[atoms[start:stop]]
        start = stop
        template = train.table[other]
        crystal = StructureTable(
            template.ids, template.offsets, numbers, template.positions, template.cells
        )
        candidates.append(candidate(mine, other, float(cost), template.numbers, crystal))
    return candidates, ranking
