"""Which training crystals would have been right for which, and what follows for a composition."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from scipy import sparse

from matscale.matching.batch import MatchSettings, match_pairs
from matscale.matching.tolerances import STRUCTURE_PREDICTION
from matscale.models.prototype.pairs import Pairs
from matscale.runtime.exact import settled
from matscale.structures.table import StructureTable

WIDTHS = (0.15, 0.3, 0.6)
"""Distances of elements at which a training crystal's vote counts 1/e."""

NEAREST = 3
"""Training crystals that are asked one by one."""

CHUNK = 20_000
"""Pairs that are matched at once."""


def agreement(pairs: Pairs, crystals: StructureTable, rms: float) -> np.ndarray:
    """Whether a template, with the elements of a training crystal, is that crystal, (p,) bool.

    Args:
        pairs: Of training crystals (``asked`` is a row) and templates.
        crystals: The training crystals.
        rms: Largest rms displacement in units of (V/n)^(1/3), at the tolerances of structure
            prediction.
    """
    settings = MatchSettings(tolerances=STRUCTURE_PREDICTION)
    right = np.zeros(len(pairs), bool)
    for start in range(0, len(pairs), CHUNK):
        part = pairs[start : start + CHUNK]
        # The volume does not matter: crystals are compared at equal density.
        rows = np.stack([np.arange(len(part)), part.asked], axis=1)
        found = match_pairs(swapped(part, crystals), crystals, rows, settings, workers=1)
        right[start : start + CHUNK] = found.matched & (settled(found.rms) <= rms)
    return right


def swapped(pairs: Pairs, crystals: StructureTable) -> StructureTable:
    """The templates of pairs with the asked elements, in their own cells."""
    table = crystals[pairs.template]
    pair = np.repeat(np.arange(len(pairs)), table.n_atoms)
    slot = (pairs.old[pair] == table.numbers[:, None]).argmax(axis=1)
    numbers = pairs.new[pair, slot].astype(np.uint8)
    return StructureTable(table.ids, table.offsets, numbers, table.positions, table.cells)


def blocks(pairs: Pairs) -> Iterator[slice]:
    """The pairs of each composition in turn."""
    edges = np.flatnonzero(np.diff(pairs.asked, prepend=-1, append=-1)).tolist()
    return (slice(start, end) for start, end in pairwise(edges))


class Votes:
    """Known agreements among training crystals.

    Args:
        pairs: Of training crystals and templates.
        right: Whether the template is right, (p,) bool.
        number: Training crystals.
    """

    def __init__(self, pairs: Pairs, right: np.ndarray, number: int) -> None:
        place = pairs.asked, pairs.template
        shape = number, number
        self._known = sparse.csr_matrix((np.ones(len(pairs)), place), shape)
        self._right = sparse.csr_matrix((right.astype(float), place), shape)

    def among(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of some training crystals as targets and templates: is it right, is it known, (t, t)."""
        right = self._right[rows][:, rows].toarray()
        known = self._known[rows][:, rows].toarray()
        return right, known

    def features(self, pairs: Pairs) -> np.ndarray:
        """What the other templates of a composition, as targets, say of each, (p, v).

        Shares of votes, which fall off with the distance of the elements: of all, of cells with as
        many atoms as asked, and how far the latter is below the best template's; then what the
        nearest training crystals say one by one, the first and the mean of :data:`NEAREST`; then
        how much farther than the nearest the template itself is.
        """
        found = np.zeros((len(pairs), 3 * len(WIDTHS) + 3))
        for block in blocks(pairs):
            found[block] = self._of_one(pairs[block])
        return settled(found)

    def _of_one(self, pairs: Pairs) -> np.ndarray:
        right, known = self.among(pairs.template)
        same = ~pairs.other_size
        columns = []
        for width in WIDTHS:
            weights = np.exp(-pairs.distances / width)
            everyone = _share(weights, right, known)
            alike = _share(weights * same, right, known)
            columns += [everyone, alike, alike - alike.max(initial=0.0)]
        columns += [right[0], right[:NEAREST].mean(axis=0), pairs.distances - pairs.distances[0]]
        return np.stack(columns, axis=1)


def _share(weights: np.ndarray, right: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Weighted share of the known votes that are for a template, (t,); 0 where none is known."""
    total = weights @ known
    return np.divide(weights @ right, total, out=np.zeros_like(total), where=total > 0)
