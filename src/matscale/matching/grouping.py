"""Groups of crystals, found in parallel, that are those found one crystal after the other.

Sequentially, a crystal is compared with those that stand for groups, in order, up to the first
that it matches. Here the crystals of one composition go by blocks. A block's crystals are first
compared, side by side, with the representatives known before the block; the first match in order
wins, as it would have, since representatives of the block itself come later. Those left over are
compared among themselves, one after the other. So the same pairs decide, and are counted.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from matscale.execution import run, track
from matscale.matching import search
from matscale.matching.compositions import rows_by_composition
from matscale.matching.engine import CHUNK, CODES, Answer, Engine, heaviness, tally
from matscale.matching.kernel import MATCH
from matscale.matching.outcomes import Counts

BLOCK = 128
"""Crystals of a block where cells are small."""
PIECE = 16
"""Crystals of a block that a thread compares with all representatives."""
FIRST_PAIRS = 1024
"""Pairs that are compared at once at first; some of them are in vain after a match."""


class Grouping:
    """The groups of the crystals of an engine.

    Args:
        engine: For a table with itself, under ``keep_first`` and the criterion "largest".
        workers: Threads, as for :func:`matscale.execution.run`.
        keep: Folder of the answers to finished pieces.
    """

    def __init__(self, engine: Engine, workers: int | None, keep: str | Path | None) -> None:
        self._engine = engine
        self._crystals = engine.first
        self._workers = workers
        self._block = max(PIECE, int(BLOCK / heaviness(self._crystals) ** 0.5))
        classes = rows_by_composition(self._crystals, engine.settings.mode).values()
        sizes = self._crystals.sizes
        self._classes = [members[sizes[members] > 0] for members in classes]
        self._kept = keep if sum(map(len, self._classes)) > self._block else None
        self._label = np.full(len(sizes), -1, np.int64)
        self._counts = np.zeros(search.STATUSES, np.int64)

    def run(self, label: str) -> tuple[np.ndarray, Counts]:
        """Row of each crystal's representative, -1 without a cell, (N,); counts."""
        memory = self._engine.memory(self._kept, self._workers)
        question = self._engine.question("group", self._kept)
        bundles = self._bundles()
        answers = self._engine.map(self._small, bundles, memory, f"{question} small", label)
        for (start, stop), answer in zip(bundles, answers, strict=True):
            self._note(np.concatenate([[], *self._classes[start:stop]]).astype(np.int64), answer)
        blocks = [
            (place, start)
            for place, members in enumerate(self._classes)
            if len(members) > self._block
            for start in range(0, len(members), self._block)
        ]
        for block in track(blocks, total=len(blocks), label=label):
            answer = self._engine.map(self._large, [block], memory, f"{question} large")[0]
            self._note(self._members(*block), answer)
        return self._label, self._engine.counts(self._counts, int(self._counts.sum()))

    def _members(self, place: int, start: int) -> np.ndarray:
        return self._classes[place][start : start + self._block]

    def _note(self, rows: np.ndarray, answer: Answer) -> None:
        self._label[rows] = answer["label"]
        self._counts += answer["counts"]

    # --- compositions of few crystals -----------------------------------------------------

    def _bundles(self) -> list[tuple[int, int]]:
        """Neighbouring compositions of one block each, in bundles of about a chunk's work."""
        most = CHUNK / heaviness(self._crystals)
        bundles, start, pairs = [], 0, 0
        for place, members in enumerate(self._classes):
            if len(members) > self._block or pairs > most:
                bundles.append((start, place))
                start, pairs = place, 0
            if len(members) > self._block:
                start = place + 1
            else:
                pairs += 1 + len(members) ** 2 // 2
        bundles.append((start, len(self._classes)))
        return [(start, stop) for start, stop in bundles if stop > start]

    def _small(self, bounds: tuple[int, int]) -> Answer:
        counts = np.zeros(search.STATUSES, np.int64)
        labels = [np.empty(0, np.int64)]
        for members in self._classes[slice(*bounds)]:
            self._engine.go_on()
            labels.append(self._among_themselves(members, counts))
        return {"label": np.concatenate(labels), "counts": counts}

    def _among_themselves(self, rows: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Representatives of crystals that are compared one after the other, (n,)."""
        settings = self._engine.settings
        with self._engine.space() as space:
            search.group_rows(
                self._crystals,
                rows,
                CODES[settings.mode],
                settings.scale,
                settings.supercell,
                settings.numbers,
                settings.symmetric,
                space,
                # Threads write to rows of their own.
                self._label,
                np.empty(len(rows), np.int64),
                counts,
            )
        return self._label[rows]

    # --- compositions of many crystals ----------------------------------------------------

    def _large(self, block: tuple[int, int]) -> Answer:
        place, start = block
        rows = self._members(place, start)
        before = self._classes[place][:start]
        representatives = before[self._label[before] == before]
        pieces = [
            (rows[k : k + PIECE], representatives) for k in range(0, len(rows), PIECE) if start
        ]
        workers = self._workers if len(rows) * len(representatives) > CHUNK else 1
        answers = list(run(self._first_matches, pieces, workers=workers, threads=True))
        label = np.concatenate([np.empty(0, np.int64), *(found for found, _ in answers)])
        counts = sum((part for _, part in answers), np.zeros(search.STATUSES, np.int64))
        if not start:
            label = np.full(len(rows), -1, np.int64)
        left = label < 0
        label[left] = self._among_themselves(rows[left], counts)
        return {"label": label, "counts": counts}

    def _first_matches(self, item: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """The first representative that each crystal matches, -1 for none; pairs by status.

        Counted are the pairs up to the first match, which are those that must be compared.
        """
        rows, representatives = item
        label = np.full(len(rows), -1, np.int64)
        counts = np.zeros(search.STATUSES, np.int64)
        open_, start, pairs = np.arange(len(rows)), 0, FIRST_PAIRS
        while len(open_) and start < len(representatives):
            some = representatives[start : start + max(1, pairs // len(open_))]
            status, *_ = self._engine.run(
                np.tile(some, len(open_)), np.repeat(rows[open_], len(some))
            )
            status = status.reshape(len(open_), len(some))
            hit = status == MATCH
            found = hit.any(axis=1)
            first = np.where(found, hit.argmax(axis=1), len(some))
            counts += tally(status[np.arange(len(some)) <= first[:, None]])
            label[open_[found]] = some[first[found]]
            open_ = open_[~found]
            start, pairs = start + len(some), min(2 * pairs, CHUNK)
        return label, counts
