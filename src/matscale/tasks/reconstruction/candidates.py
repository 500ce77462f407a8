"""Several ranked candidates for each target: what the best of the first k reaches.

A candidate's rank is its place among the candidates for its target that can be read. A target with
fewer than k counts with those it has. The first candidates by themselves are scored in
:mod:`matscale.tasks.reconstruction.samples`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from matscale.matching.described import Description, describe
from matscale.runtime.exact import settled
from matscale.runtime.memory import Memory
from matscale.structures.table import StructureTable
from matscale.tasks.reconstruction.pairs import PairScores, match_described, matched_closely
from matscale.tasks.reconstruction.recall import recalled

CUTS = (5, 20)
"""Numbers of candidates at which there are metrics, beside one and all."""


def cuts_of(most: int) -> tuple[int, ...]:
    """Numbers of candidates above one at which there are metrics, where there are most so many."""
    return (*(k for k in CUTS if k < most), most) if most > 1 else ()


def ranks_of(ids: Iterable[str]) -> np.ndarray:
    """Place of each row among the rows of its id, from 0, (n,)."""
    seen: Counter[str] = Counter()
    ranks = []
    for identifier in ids:
        ranks.append(seen[identifier])
        seen[identifier] += 1
    return np.array(ranks, np.int64)


@dataclass(frozen=True)
class CandidateScores:
    """What the first k candidates for each of N targets reach, for each of K cuts.

    Attributes:
        cuts: The numbers k, rising, (K,).
        count: Candidates that can be read, of the last cut at most, (N,).
        first_match: Rank, from 1, of the first candidate that matches; 0 for none, (N,).
        matched: Whether one of the first k matches, (N, K) bool.
        matched_closely: Whether one does at the smaller tolerance, (N, K) bool.
        rms: Smallest dimensionless rms among them, (N, K); NaN where none matches.
        rms_angstrom: That candidate's rms in Å, (N, K).
        recalled: Whether one of the first k for any target matches, (N, K) bool.
        undecided: Pairs of a further candidate and its target that were too large to decide.
    """

    cuts: tuple[int, ...]
    count: np.ndarray
    first_match: np.ndarray
    matched: np.ndarray
    matched_closely: np.ndarray
    rms: np.ndarray
    rms_angstrom: np.ndarray
    recalled: np.ndarray
    undecided: int

    def __getitem__(self, rows: np.ndarray) -> CandidateScores:
        """The scores of some of the targets, by a boolean mask or indices."""
        return replace(
            self,
            **{
                name: values[rows]
                for name, values in vars(self).items()
                if isinstance(values, np.ndarray)
            },
        )


def score_candidates(
    targets: Description,
    rows: np.ndarray,
    ids: Sequence[str],
    table: StructureTable,
    first: tuple[PairScores, np.ndarray],
    cuts: tuple[int, ...],
    memory: Memory,
    *,
    name: str,
) -> CandidateScores:
    """Match all candidates with their targets, and all targets with all candidates.

    Args:
        targets: The described targets.
        rows: Row of their canonical table for each id that was asked, (N,); -1 without a target.
        ids: The ids that were asked.
        table: All candidates that can be read, in order of rank within an id.
        first: Scores of the first candidates, and which targets one of these matches, (N,).
        cuts: Numbers of candidates, rising.
        memory: Where known answers are found.
        name: Of the predictor, for the progress display.
    """
    ranks = ranks_of(table.ids)
    place = {identifier: sample for sample, identifier in enumerate(ids)}
    samples = np.array([place.get(identifier, -1) for identifier in table.ids], np.int64)
    further = (ranks > 0) & (ranks < cuts[-1])
    others = _Others(table[further], samples[further], ranks[further], memory, name)
    scores, undecided = others.matched(targets, rows, first[0], cuts[-1])
    best = _best(*scores, cuts)
    known = (samples >= 0) & (ranks < cuts[-1])
    return CandidateScores(
        cuts=cuts,
        count=np.bincount(samples[known], minlength=len(ids)),
        recalled=others.recalled(targets, rows, first[1], best["matched"], cuts),
        undecided=undecided,
        **best,
    )


class _Others:
    """The candidates after the first; those that are equal are looked at once."""

    def __init__(
        self,
        table: StructureTable,
        samples: np.ndarray,
        ranks: np.ndarray,
        memory: Memory,
        name: str,
    ) -> None:
        kept, same = distinct(table)
        self._described = describe(
            table[kept], memory, label=f"describing candidates of {name}", distributions=False
        )
        self._rows = self._described.rows[same]
        self._samples, self._ranks, self._memory, self._name = samples, ranks, memory, name

    def matched(
        self, targets: Description, rows: np.ndarray, first: PairScores, most: int
    ) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], int]:
        """Rms, rms in Å and whether it matches closely, of each target's candidates, (N, most)."""
        known = (self._samples >= 0) & (self._rows >= 0)
        known[known] = rows[self._samples[known]] >= 0
        asked = np.stack([rows[self._samples[known]], self._rows[known]], axis=1)
        pairs, same = np.unique(asked.reshape(-1, 2), axis=0, return_inverse=True)
        same = same.reshape(-1)
        found = match_described(targets, self._described, pairs)
        closely = matched_closely(targets, self._described, pairs, found.rms)
        where = self._samples[known], self._ranks[known]
        scores = []
        for own, values in (
            (first.rms, found.rms),
            (first.rms_angstrom, found.rms_angstrom),
            (first.matched_closely.astype(float), closely.astype(float)),
        ):
            table = np.full((len(rows), most), np.nan)
            table[:, 0] = own
            table[where] = values[same]
            scores.append(table)
        return (scores[0], scores[1], scores[2]), int(found.undecided[same].sum())

    def recalled(
        self,
        targets: Description,
        rows: np.ndarray,
        first: np.ndarray,
        matched: np.ndarray,
        cuts: Sequence[int],
    ) -> np.ndarray:
        """Which targets one of the first k candidates for any target matches, (N, K) bool."""
        found, columns = first.astype(bool), []
        for column, (low, high) in enumerate(pairwise((1, *cuts))):
            found = found | matched[:, column]
            new = (self._ranks >= low) & (self._ranks < high) & (self._rows >= 0)
            asked = np.flatnonzero(~found & (rows >= 0))
            label = f"recall of the best of {high} of {self._name}"
            tried = np.unique(self._rows[new])
            if len(tried):
                found[asked], _ = recalled(
                    targets, rows[asked], self._described, tried, self._memory, label=label
                )
            columns.append(found)
        return np.stack(columns, axis=1)


def distinct(table: StructureTable) -> tuple[np.ndarray, np.ndarray]:
    """Crystals without repetitions, bit by bit.

    Returns:
        The first row of each different crystal, (d,); which of these each row is, (n,).
    """
    places: dict[bytes, int] = {}
    kept: list[int] = []
    same = np.empty(len(table), np.int64)
    for row in range(len(table)):
        parts = table.row_numbers(row), table.row_positions(row), table.lattices[row]
        content = b"".join(part.tobytes() for part in parts)
        if content not in places:
            places[content] = len(kept)
            kept.append(row)
        same[row] = places[content]
    return np.array(kept, np.int64), same


def _best(
    rms: np.ndarray, rms_angstrom: np.ndarray, closely: np.ndarray, cuts: Sequence[int]
) -> dict[str, np.ndarray]:
    """The best of the first k of each row, for each cut; of equal ones the first."""
    matches = np.isfinite(rms)
    order = np.where(matches, settled(rms), np.inf)
    targets = np.arange(len(rms))
    best = [order[:, :k].argmin(axis=1) for k in cuts]
    return {
        "first_match": np.where(matches.any(axis=1), matches.argmax(axis=1) + 1, 0),
        "matched": np.stack([matches[:, :k].any(axis=1) for k in cuts], axis=1),
        "matched_closely": np.stack([(closely[:, :k] == 1).any(axis=1) for k in cuts], axis=1),
        "rms": np.stack([rms[targets, row] for row in best], axis=1),
        "rms_angstrom": np.stack([rms_angstrom[targets, row] for row in best], axis=1),
    }
