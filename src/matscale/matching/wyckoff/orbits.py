"""The orbits of many crystals by column, in an order that the order of sites does not change."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import numpy as np

from matscale.matching.wyckoff.positions import WyckoffTable


@dataclass(frozen=True, eq=False)
class OrbitTable:
    """The K orbits, M sites, of N crystals; crystals without symmetry have none.

    Orbits of a crystal stand by letter, then by their first site; sites of an orbit by x, y, z.

    Attributes:
        groups: Space-group numbers (N,).
        offsets: Orbits ``offsets[i]:offsets[i + 1]`` are crystal i's, (N + 1,).
        letters: ASCII codes of the Wyckoff letters (K,).
        elements: Atomic numbers (K,).
        starts: Sites ``starts[k]:starts[k + 1]`` are orbit k's, (K + 1,).
        sites: Places of the sites in their crystals (M,).
        fractions: Fractional coordinates of the sites (M, 3).
    """

    groups: np.ndarray
    offsets: np.ndarray
    letters: np.ndarray
    elements: np.ndarray
    starts: np.ndarray
    sites: np.ndarray
    fractions: np.ndarray

    def __getitem__(self, row: int) -> Orbits:
        return Orbits(self, int(row))


class Orbits:
    """The orbits of one crystal.

    Attributes:
        group: Space-group number.
        letters: One letter an orbit, sorted.
        ranges: The orbits of each letter.
        elements: Atomic numbers (k,).
        sizes: Number of sites of each (k,).
        points: First site of each, in order of x, y, z: fractional coordinates (k, 3).
    """

    def __init__(self, table: OrbitTable, row: int) -> None:
        self._table = table
        self._start = int(table.offsets[row])
        chosen = slice(self._start, int(table.offsets[row + 1]))
        starts = table.starts[chosen.start : chosen.stop + 1]
        self.group = int(table.groups[row])
        self.letters = table.letters[chosen].tobytes().decode("ascii")
        self.elements = table.elements[chosen]
        self.sizes = np.diff(starts)
        self.points = table.fractions[starts[:-1]]
        self.ranges: dict[str, slice] = {}
        first = 0
        for letter, members in groupby(self.letters):
            count = len(list(members))
            self.ranges[letter] = slice(first, first + count)
            first += count

    def _slice(self, orbit: int) -> slice:
        starts = self._table.starts
        return slice(starts[self._start + orbit], starts[self._start + orbit + 1])

    def sites(self, orbit: int) -> np.ndarray:
        """Places of an orbit's sites in the crystal, (s,)."""
        return self._table.sites[self._slice(orbit)]

    def fractions(self, orbit: int) -> np.ndarray:
        """Fractional coordinates of an orbit's sites, (s, 3)."""
        return self._table.fractions[self._slice(orbit)]


def orbits_of(described: WyckoffTable) -> OrbitTable:
    """The orbits of the crystals whose symmetry was found."""
    lengths = described.table.n_atoms
    rows = np.repeat(np.arange(len(described)), lengths)
    places = np.arange(len(rows)) - np.repeat(described.table.offsets[:-1], lengths)
    order = np.lexsort((*described.fractions.T[::-1], described.orbits, rows))
    order = order[described.groups[rows[order]] > 0]
    # One line an orbit: where its sites start and how many they are.
    owner = np.column_stack([rows[order], described.orbits[order]])
    starts = np.flatnonzero(np.any(np.diff(owner, axis=0, prepend=-1), axis=1))
    sizes = np.diff(np.append(starts, len(order)))
    first = order[starts]
    ranked = np.lexsort(
        (*described.fractions[first].T[::-1], described.letters[first], rows[first])
    )
    first, sizes, starts = first[ranked], sizes[ranked], starts[ranked]
    ends = np.cumsum(sizes)
    order = order[np.arange(len(order)) + np.repeat(starts - ends + sizes, sizes)]
    return OrbitTable(
        groups=described.groups,
        offsets=np.searchsorted(rows[first], np.arange(len(described) + 1)),
        letters=described.letters[first],
        elements=described.table.numbers[first],
        starts=np.concatenate([[0], ends]),
        sites=places[order],
        fractions=described.fractions[order],
    )
