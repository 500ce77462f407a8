"""The cheapest matches of each crystal, without matching it with all of training.

What a match costs is known only once the sites are paired, but never less than the elements of
both crystals cost when paired in the order of their Pettifor numbers: on a line, that is the
cheapest of all pairings. So pairs are matched in the order of this bound, and a crystal is done
when what is left is bound to cost more than the cheapest matches that it has. The answer is that of
matching all pairs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from matscale.matching import batch
from matscale.matching.outcomes import MatchSettings
from matscale.matching.wyckoff.matches import match_rows, rows_by_sequence
from matscale.matching.wyckoff.positions import WyckoffTable
from matscale.runtime.memory import Memory
from matscale.structures.chemistry import PETTIFOR
from matscale.structures.table import StructureTable
from matscale.tasks.novelty.site_maps import costs

BLOCK = 512
"""Generated crystals whose orders are held at a time."""

FIRST_ROUND, GROWTH = 16, 4
"""Pairs of each crystal that are matched first, and by how many times more each time after."""


@dataclass(frozen=True)
class Cheapest:
    """Matches of generated with training crystals, by generated crystal and rising cost.

    Attributes:
        rows: Row of the generated and of the training crystal, (K, 2).
        cost: Mean modified-Pettifor distance over the sites, (K,).
        pairs: Pairs whose numbers of sites agree.
        tested: Those that were looked at: the others are bound to cost more.
        refused: Of these, pairs that were not searched, by reason, as in
            :class:`matscale.matching.outcomes.Counts`.
        undecided: Those whose search would not fit.
        unmapped: Matches for which no site map was found; they are left out.
    """

    rows: np.ndarray
    cost: np.ndarray
    pairs: int
    tested: int
    refused: dict[str, int]
    undecided: int
    unmapped: int


def cheapest_matches(
    generated: StructureTable,
    train: StructureTable,
    settings: MatchSettings,
    memory: Memory,
    top: int,
    *,
    keep: Path | None = None,
    workers: int | None = None,
    label: str = "",
) -> Cheapest:
    """The ``top`` cheapest training crystals that each generated one matches.

    Of equal costs the first training rows are taken, as :func:`cheapest` does.

    Args:
        generated: Reduced crystals.
        train: Likewise.
        settings: In framework mode, with supercells.
        memory: Where costs are kept.
        top: How many of each.
        keep: Where matches are kept.
        workers: As for :func:`matscale.matching.batch.match_pairs`.
        label: For the progress display.
    """
    bounds = _Bounds(train)
    found: list[tuple[np.ndarray, np.ndarray]] = []
    pairs = tested = undecided = unmapped = 0
    refused: Counter[str] = Counter()
    for start in range(0, len(generated), BLOCK):
        block = range(start, min(start + BLOCK, len(generated)))
        search = _Search(
            {row: bounds.order(generated.row_numbers(row), supercells=True) for row in block}, top
        )
        pairs += search.pairs
        for asked in search.rounds():
            scores = batch.match_pairs(
                generated, train, asked, settings, keep=keep, workers=workers, label=label
            )
            tested += len(asked)
            undecided += int(scores.undecided.sum())
            refused.update(scores.counts.refused)
            hits = asked[scores.matched]
            cost = costs(generated, train, hits, settings, memory, label=f"costs of {label}")
            unmapped += int(np.isnan(cost).sum())
            search.add(hits, cost)
        found.append((search.rows, search.cost))
    rows = np.concatenate([np.empty((0, 2), np.int64), *(part for part, _ in found)])
    cost = np.concatenate([np.empty(0), *(part for _, part in found)])
    return Cheapest(rows, cost, pairs, tested, dict(refused), undecided, unmapped)


def cheapest(rows: np.ndarray, cost: np.ndarray, top: int) -> np.ndarray:
    """Places of the ``top`` cheapest pairs of each first row; of equal ones the first training row.

    Args:
        rows: Row of the generated and of the training crystal, (P, 2).
        cost: (P,); pairs with NaN are left out.
        top: How many.
    """
    order = np.lexsort((rows[:, 1], cost, rows[:, 0]))
    order = order[np.isfinite(cost[order])]
    ranks = np.arange(len(order)) - np.searchsorted(rows[order, 0], rows[order, 0])
    return order[ranks < top]


@dataclass(frozen=True)
class CheapestWyckoff:
    """Pairs of one Wyckoff sequence, by generated crystal and rising cost.

    Attributes:
        rows: Row of the generated and of the training crystal, (K, 2).
        cost: Mean modified-Pettifor distance over the sites, (K,).
        pairs: Pairs of one sequence.
        tested: Those whose cost was computed: the others are bound to cost more.
    """

    rows: np.ndarray
    cost: np.ndarray
    pairs: int
    tested: int


def cheapest_wyckoff(
    generated: WyckoffTable,
    train: WyckoffTable,
    top: int,
    *,
    workers: int | None = None,
    label: str = "",
) -> CheapestWyckoff:
    """The ``top`` cheapest training crystals of each generated one's Wyckoff sequence.

    Crystals of one sequence hold equal shares of their sites in paired orbits, so the bound above
    holds for them too. Of equal costs the first training rows are taken.

    Args:
        generated: Symmetry of reduced crystals.
        train: Likewise.
        top: How many of each.
        workers: As for :func:`matscale.matching.wyckoff.matches.match_rows`.
        label: For the progress display.
    """
    bounds = {
        sequence: _Bounds(train.table, np.array(rows))
        for sequence, rows in rows_by_sequence(train).items()
    }
    found: list[tuple[np.ndarray, np.ndarray]] = []
    pairs = tested = 0
    for start in range(0, len(generated), BLOCK):
        search = _Search(
            {
                row: bounds[sequence].order(generated.table.row_numbers(row), supercells=False)
                for row, sequence in enumerate(generated.sequences[start : start + BLOCK], start)
                if sequence in bounds
            },
            top,
        )
        pairs += search.pairs
        for asked in search.rounds():
            cost, _ = match_rows(generated, train, asked, workers=workers, label=label)
            tested += len(asked)
            search.add(asked, cost[:, 1])
        found.append((search.rows, search.cost))
    rows = np.concatenate([np.empty((0, 2), np.int64), *(part for part, _ in found)])
    cost = np.concatenate([np.empty(0), *(part for _, part in found)])
    return CheapestWyckoff(rows, cost, pairs, tested)


class _Bounds:
    """What crystals of a table, or the chosen rows of it, cost at least as another's partners."""

    def __init__(self, table: StructureTable, chosen: np.ndarray | None = None) -> None:
        self._of_size: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        chosen = np.arange(len(table)) if chosen is None else chosen
        sizes = table.n_atoms[chosen]
        for size in np.unique(sizes[sizes > 0]).tolist():
            rows = chosen[sizes == size]
            numbers = table[rows].numbers.reshape(len(rows), size)
            self._of_size[size] = rows, _scale(numbers)

    def order(self, numbers: np.ndarray, *, supercells: bool) -> tuple[np.ndarray, np.ndarray]:
        """Rows by bound and row; their bounds.

        Args:
            numbers: Atomic numbers of the crystal, (n,).
            supercells: Whether one cell must hold a whole number of times the sites of the other;
                rows that do not are left out.
        """
        size, own = len(numbers), _scale(numbers[None])[0]
        rows, bounds = [np.empty(0, np.int64)], [np.empty(0)]
        for other, (found, scales) in self._of_size.items():
            sites = math.lcm(size, other)
            if not size or (supercells and sites > max(size, other)):
                continue
            gaps = np.abs(np.repeat(own, sites // size) - np.repeat(scales, sites // other, 1))
            rows.append(found)
            # A mean like that of the cost: whole numbers are added, so equal ones stay equal.
            bounds.append(np.where(np.isnan(gaps).any(axis=1), 0.0, gaps.mean(axis=1)))
        joined, bound = np.concatenate(rows), np.concatenate(bounds)
        order = np.lexsort((joined, bound))
        return joined[order], bound[order]


def _scale(numbers: np.ndarray) -> np.ndarray:
    """Pettifor numbers of cells, rising, (m, n); NaN where an element has none."""
    scale = PETTIFOR[numbers].astype(float)
    scale[scale < 0] = np.nan
    return np.sort(scale, axis=1)


class _Search:
    """The cheapest matches of some generated crystals, found in rounds."""

    def __init__(self, orders: dict[int, tuple[np.ndarray, np.ndarray]], top: int) -> None:
        self._orders, self._top = orders, top
        self.pairs = sum(len(order) for order, _ in self._orders.values())
        self.rows, self.cost = np.empty((0, 2), np.int64), np.empty(0)

    def rounds(self) -> Iterator[np.ndarray]:
        """Pairs to be matched next, (p, 2); what they cost is added before the next round."""
        start, size = 0, FIRST_ROUND
        while True:
            asked = [
                np.column_stack([np.full(len(part), row), part])
                for row, part in self._next(start, start + size)
            ]
            if not asked:
                return
            yield np.concatenate(asked)
            start, size = start + size, size * GROWTH

    def add(self, rows: np.ndarray, cost: np.ndarray) -> None:
        """Matches of a round, of which the cheapest are kept."""
        rows, cost = np.concatenate([self.rows, rows]), np.concatenate([self.cost, cost])
        chosen = cheapest(rows, cost, self._top)
        self.rows, self.cost = rows[chosen], cost[chosen]

    def _next(self, start: int, stop: int) -> Iterator[tuple[int, np.ndarray]]:
        worst = self._worst()
        for row, (order, bound) in self._orders.items():
            part = slice(start, stop)
            others, least = order[part], bound[part]
            if row in worst:
                cost, last = worst[row]
                wanted = (least < cost) | ((least == cost) & (others < last))
                others = others[wanted]
            if len(others):
                yield row, others

    def _worst(self) -> dict[int, tuple[float, int]]:
        """Cost and training row of the last match of each crystal that has all it needs."""
        rows, counts = np.unique(self.rows[:, 0], return_counts=True)
        ends = np.cumsum(counts) - 1
        return {
            int(row): (float(self.cost[end]), int(self.rows[end, 1]))
            for row, end, count in zip(rows, ends, counts, strict=True)
            if count == self._top
        }
