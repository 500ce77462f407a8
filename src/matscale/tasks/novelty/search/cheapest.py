"""The cheapest matches of each crystal, without matching it with all of training.

What a match costs is known only once the sites are paired, but never less than the elements of
both crystals cost when paired in the order of their Pettifor numbers: on a line, that is the
cheapest of all pairings. So pairs are matched in the order of this bound, and a crystal is done
when what is left is bound to cost more than the cheapest matches that it has. The answer is that of
matching all pairs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from matscale.structures.chemistry import PETTIFOR
from matscale.structures.table import StructureTable

BLOCK = 256
"""Generated crystals whose orders are held at a time."""

FIRST_ROUND, GROWTH = 16, 2
"""Pairs of each crystal that are matched first, and by how many times more each time after."""

Order = tuple[np.ndarray, np.ndarray]
"""Training rows by rising bound, int32, and their bounds."""


@dataclass(frozen=True)
class Ranking:
    """The cheapest pairs, by generated crystal and rising cost.

    Attributes:
        rows: Row of the generated and of the training crystal, (K, 2).
        cost: Mean modified-Pettifor distance over the sites, (K,).
        pairs: Pairs that could be candidates by their numbers of sites, or their sequence.
        tested: Those that were looked at: the others are bound to cost more.
    """

    rows: np.ndarray
    cost: np.ndarray
    pairs: int
    tested: int


def ranked(
    count: int,
    order_of: Callable[[int], Order | None],
    cost_of: Callable[[np.ndarray], np.ndarray],
    top: int,
) -> Ranking:
    """The ``top`` cheapest training crystals of each generated one.

    Args:
        count: Number of generated crystals.
        order_of: The training rows that may be candidates of a generated row; None for none.
        cost_of: What some pairs, (p, 2), cost, (p,); NaN for those that are no candidates.
        top: How many of each.
    """
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    pairs = tested = 0
    for start in range(0, count, BLOCK):
        block = range(start, min(start + BLOCK, count))
        orders = {row: order for row in block if (order := order_of(row)) is not None}
        search = _Search(orders, top)
        pairs += search.pairs
        for asked in search.rounds():
            tested += len(asked)
            search.add(asked, cost_of(asked))
        parts.append((search.rows, search.cost))
    rows = np.concatenate([np.empty((0, 2), np.int64), *(rows for rows, _ in parts)])
    cost = np.concatenate([np.empty(0), *(cost for _, cost in parts)])
    return Ranking(rows, cost, pairs, tested)


def cheapest(rows: np.ndarray, cost: np.ndarray, top: int) -> np.ndarray:
    """Which pairs are the ``top`` cheapest of their first row; of equal ones the first train rows.

    Args:
        rows: Row of the generated and of the training crystal, (P, 2).
        cost: (P,); pairs with NaN are left out.
        top: How many.
    """
    order = np.lexsort((rows[:, 1], cost, rows[:, 0]))
    order = order[np.isfinite(cost[order])]
    ranks = np.arange(len(order)) - np.searchsorted(rows[order, 0], rows[order, 0])
    return order[ranks < top]


class Bounds:
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
        for other, (chosen, scales) in self._of_size.items():
            sites = math.lcm(size, other)
            if not size or (supercells and sites > max(size, other)):
                continue
            gaps = np.abs(np.repeat(own, sites // size) - np.repeat(scales, sites // other, 1))
            rows.append(chosen)
            # A mean like that of the cost: whole numbers are added, so equal ones stay equal.
            bounds.append(np.where(np.isnan(gaps).any(axis=1), 0.0, gaps.mean(axis=1)))
        joined, bound = np.concatenate(rows), np.concatenate(bounds)
        order = np.lexsort((joined, bound))
        return joined[order].astype(np.int32), bound[order]


def _scale(numbers: np.ndarray) -> np.ndarray:
    """Pettifor numbers of cells, rising, (m, n); NaN where an element has none."""
    scale = PETTIFOR[numbers].astype(float)
    scale[scale < 0] = np.nan
    return np.sort(scale, axis=1)


class _Search:
    """The cheapest matches of some generated crystals, found in rounds."""

    def __init__(self, orders: dict[int, Order], top: int) -> None:
        self._orders, self._top = orders, top
        self.pairs = sum(len(order) for order, _ in self._orders.values())
        self.rows, self.cost = np.empty((0, 2), np.int64), np.empty(0)

    def rounds(self) -> Iterator[np.ndarray]:
        """Pairs to be matched next, (p, 2); what they cost is added before the next round."""
        start, size = 0, FIRST_ROUND
        while True:
            asked = self._next(start, start + size)
            if not len(asked):
                return
            yield asked
            start, size = start + size, size * GROWTH

    def add(self, rows: np.ndarray, cost: np.ndarray) -> None:
        """Pairs of a round, of which the cheapest candidates are kept."""
        found = np.isfinite(cost)
        rows = np.concatenate([self.rows, rows[found]])
        cost = np.concatenate([self.cost, cost[found]])
        chosen = cheapest(rows, cost, self._top)
        self.rows, self.cost = rows[chosen], cost[chosen]

    def _next(self, start: int, stop: int) -> np.ndarray:
        parts = [(row, *order) for row, order in self._orders.items() if len(order[0]) > start]
        rows = [np.full(len(order[start:stop]), row) for row, order, _ in parts]
        others = [order[start:stop] for _, order, _ in parts]
        bounds = [bound[start:stop] for _, _, bound in parts]
        none = np.empty(0, np.int64)
        asked = np.column_stack([np.concatenate([none, *rows]), np.concatenate([none, *others])])
        least = np.concatenate([np.empty(0), *bounds])
        return asked[self._wanted(asked, least)]

    def _wanted(self, rows: np.ndarray, least: np.ndarray) -> np.ndarray:
        """Whether pairs may be cheaper than the last that their row needs, (P,) bool."""
        known, counts = np.unique(self.rows[:, 0], return_counts=True)
        known, last = known[counts == self._top], (np.cumsum(counts) - 1)[counts == self._top]
        if not len(known):
            return np.ones(len(rows), bool)
        place = np.minimum(np.searchsorted(known, rows[:, 0]), len(known) - 1)
        cost, other = self.cost[last[place]], self.rows[last[place], 1]
        cheaper = (least < cost) | ((least == cost) & (rows[:, 1] < other))
        return cheaper | (known[place] != rows[:, 0])
