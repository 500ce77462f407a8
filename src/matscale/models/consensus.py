"""Which of several draws a model means: the crystal that it draws most often comes first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from matscale.structures.table import StructureTable


def most_frequent_first(draws: Sequence[Sequence[StructureTable]]) -> list[list[StructureTable]]:
    """Draws for each sample, one of each crystal before any comes again.

    Draws that match, as pymatgen's ``StructureMatcher`` has it by default, are one crystal. The
    one with most draws comes first; of as many, that which was drawn first.

    Args:
        draws: For each sample tables of one row.
    """
    from matscale.matching.batch import MatchSettings, match_pairs

    starts = np.cumsum([0, *(len(own) for own in draws)]).tolist()
    within = [
        np.array(list(combinations(range(len(own)), 2)), dtype=np.int64).reshape(-1, 2)
        for own in draws
    ]
    pairs = [own + start for own, start in zip(within, starts, strict=False)]
    table = StructureTable.concatenate([crystal for own in draws for crystal in own])
    every = np.concatenate([np.empty((0, 2), np.int64), *pairs])
    matched = match_pairs(table, table, every, MatchSettings(), workers=1).matched
    ends = np.cumsum([len(own) for own in within])[:-1]
    ordered = []
    for own, places, equal in zip(draws, within, np.split(matched, ends), strict=True):
        together = np.eye(len(own), dtype=bool)
        together[tuple(places[equal].T)] = True
        ordered.append([own[place] for place in _order(together | together.T)])
    return ordered


def _order(equal: np.ndarray) -> list[int]:
    """Places of draws by which of them are equal, (k, k) bool."""
    left = list(range(len(equal)))
    groups: list[list[int]] = []
    while left:
        counts = equal[np.ix_(left, left)].sum(axis=1)
        centre = left[int(counts.argmax())]
        groups.append(
            [centre, *(place for place in left if equal[centre, place] and place != centre)]
        )
        left = [place for place in left if place not in groups[-1]]
    turns = range(max(map(len, groups), default=0))
    return [group[turn] for turn in turns for group in groups if turn < len(group)]
