"""Which pairs of two sets of crystals can match at all, judged by composition."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np

from matscale.matching.prepare import Prepared
from matscale.structures import chemistry


def composition_keys(crystals: Prepared, mode: str) -> list[object]:
    """What two crystals must have in common to match, by row: a reduced or anonymous formula."""
    if mode == "framework":
        return [None] * len(crystals.sizes)
    key_of = cache(chemistry.reduced if mode == "direct" else chemistry.anonymous)
    return [key_of(cell) if cell else None for cell in _compositions(crystals)]


def _compositions(crystals: Prepared) -> list[chemistry.Composition]:
    """Element counts of each cell; empty where there is no cell."""
    rows = np.repeat(np.arange(len(crystals.sizes)), crystals.sizes)
    places = np.arange(len(rows)) - np.repeat(np.cumsum(crystals.sizes), crystals.sizes)
    places += np.repeat((crystals.offsets[:-1] + crystals.sizes), crystals.sizes)
    both, counts = np.unique(rows * 256 + crystals.codes[places], return_counts=True)
    pairs = list(zip((both % 256).tolist(), counts.tolist(), strict=True))
    ends = np.searchsorted(both, np.arange(len(crystals.sizes) + 1) * 256).tolist()
    return [tuple(pairs[start:stop]) for start, stop in pairwise(ends)]


def rows_by_composition(crystals: Prepared, mode: str) -> dict[object, np.ndarray]:
    """Rows of equal composition, rising, in the order of the first of each."""
    rows: dict[object, list[int]] = {}
    for row, key in enumerate(composition_keys(crystals, mode)):
        rows.setdefault(key, []).append(row)
    return {key: np.array(value, np.int64) for key, value in rows.items()}


@dataclass(frozen=True)
class Candidates:
    """All pairs of equal composition, numbered by rising row of the first set, then the second.

    Pairs are made when they are asked for: all pairs of a hundred thousand crystals do not fit.

    Attributes:
        rows: Rows of the first set that have partners, (r,).
        partners: Rows of the second set that go with each of them, r arrays.
        ends: Number of pairs up to and with each of them, (r,).
    """

    rows: np.ndarray
    partners: list[np.ndarray]
    ends: np.ndarray

    @classmethod
    def of(cls, first: Prepared, second: Prepared, mode: str) -> Candidates:
        """The pairs of two sets of crystals."""
        by_key = rows_by_composition(second, mode)
        keys = composition_keys(first, mode)
        rows = [row for row, key in enumerate(keys) if key in by_key]
        partners = [by_key[keys[row]] for row in rows]
        ends = np.cumsum([len(others) for others in partners], dtype=np.int64)
        return cls(np.array(rows, np.int64), partners, ends)

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def pairs(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of both sets of the pairs ``start`` to ``stop``, (stop - start,) each."""
        low, high = np.searchsorted(self.ends, (start, stop - 1), "right")
        chosen = self.partners[low : high + 1]
        rows = np.repeat(self.rows[low : high + 1], [len(others) for others in chosen])
        before = int(self.ends[low]) - len(self.partners[low])
        part = slice(start - before, stop - before)
        return rows[part], np.concatenate(chosen)[part]
