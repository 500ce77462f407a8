"""Groups of crystals, found in parallel, that are those found one crystal after the other.

Sequentially, a crystal is compared with those that stand for groups, in order, up to the first
that it matches. Here the crystals of one composition go by blocks. A block's crystals are first
compared, side by side, with the representatives known before the block; the first match in order
wins, as it would have, since representatives of the block itself come later. Those left over are
compared among themselves, one after the other. So the same pairs decide, and are counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from matscale.matching.compositions import rows_by_composition
from matscale.matching.engine import CHUNK, CODES, Answer, heaviness
from matscale.matching.kernels import search
from matscale.matching.outcomes import Counts, MatchSettings
from matscale.matching.work import Work
from matscale.runtime.execution import is_elsewhere, run, track
from matscale.structures.table import StructureTable

BLOCK = 128
"""Crystals of the first blocks where cells are small."""
SHARE = 16
"""A later block has a 16th of the crystals before it: so there are few blocks to wait for the end
of, and still nearly all pairs have their representative in an earlier one."""
PIECE = 8
"""Crystals of a block that a thread or a worker compares with all representatives."""


class Comparing(Work):
    """Compares crystals of equal composition with those that stand for groups."""

    @cached_property
    def classes(self) -> list[np.ndarray]:
        """Rows of the crystals of each composition, in order."""
        crystals = self.engine.first
        by_composition = rows_by_composition(crystals, self._settings.mode).values()
        return [members[crystals.sizes[members] > 0] for members in by_composition]

    def bundle(self, item: tuple[str, int, int]) -> Answer:
        """Representatives of all crystals of the compositions from one number to another.

        Args:
            item: What tells the work apart, and the two numbers.
        """
        return joined([self.among_themselves(rows) for rows in self.classes[slice(*item[1:])]])

    def among_themselves(self, rows: np.ndarray) -> Answer:
        """Representatives of crystals that are compared one after the other."""
        answers, representatives, known = [], np.empty(len(rows), np.int64), 0
        for part in self.engine.slices(len(rows)):
            room = known + len(rows[part])
            answer, known = self._grouped(rows[part], representatives[:room], known)
            answers.append(answer)
        return joined(answers)

    def first_matches(self, item: tuple[np.ndarray, np.ndarray]) -> Answer:
        """The first representative that each crystal matches, -1 for none.

        Args:
            item: Rows of the crystals and of the representatives, in order.
        """
        rows, representatives = item
        label, left, answers = np.full(len(rows), -1, np.int64), np.arange(len(rows)), []
        for part in self.engine.slices(len(representatives)):
            some = representatives[part]
            answer, _ = self._grouped(rows[left], some, len(some))
            answers.append(answer)
            label[left] = answer["label"]
            left = left[answer["label"] < 0]
        return {**joined(answers), "label": label}

    def _grouped(
        self, rows: np.ndarray, representatives: np.ndarray, known: int
    ) -> tuple[Answer, int]:
        """One call of the kernel; for the arguments and the number see ``search.group_rows``."""
        settings = self._settings
        label, counts = np.empty(len(rows), np.int64), np.zeros(search.STATUSES, np.int64)
        undecided = np.zeros((len(representatives), len(rows)), bool)
        with self.engine.space() as space:
            known = search.group_rows(
                self.engine.held[0],
                rows,
                CODES[settings.mode],
                settings.scale,
                settings.supercell,
                settings.numbers,
                settings.symmetric,
                space,
                label,
                representatives,
                known,
                counts,
                undecided,
            )
        places = np.argwhere(undecided)
        pairs = np.column_stack([representatives[places[:, 0]], rows[places[:, 1]]])
        return {"label": label, "counts": counts, "undecided": pairs}, known


def joined(answers: Sequence[Answer]) -> Answer:
    """The answers to parts as one: labels in order, pairs by status, pairs given up, (k, 2)."""
    none, no_pairs = np.empty(0, np.int64), np.empty((0, 2), np.int64)
    return {
        "label": np.concatenate([none, *(answer["label"] for answer in answers)]),
        "counts": sum(
            (answer["counts"] for answer in answers), np.zeros(search.STATUSES, np.int64)
        ),
        "undecided": np.concatenate([no_pairs, *(answer["undecided"] for answer in answers)]),
    }


class Grouping:
    """The groups of the crystals of a table.

    Args:
        table: Crystals.
        settings: How they are compared, with ``keep_first`` and the criterion "largest".
        workers: Threads, as for :func:`matscale.runtime.execution.run`.
        keep: Folder of the answers to finished pieces.
    """

    def __init__(
        self,
        table: StructureTable,
        settings: MatchSettings,
        workers: int | None,
        keep: str | Path | None,
    ) -> None:
        self._work = Comparing(table, table, settings)
        self._engine = self._work.engine
        self._heaviness = heaviness(self._engine.first)
        self._workers = workers
        self._block = max(PIECE, int(BLOCK / self._heaviness**0.5))
        self._classes = self._work.classes
        self._kept = keep if sum(map(len, self._classes)) > self._block else None
        self._label = np.full(len(table), -1, np.int64)
        self._noted: list[Answer] = []

    def run(self, label: str) -> tuple[np.ndarray, Counts]:
        """Row of each crystal's representative, -1 without a cell, (N,); counts."""
        memory = self._engine.memory(self._kept, self._workers)
        question = self._engine.question("group", self._kept)
        bundles = self._bundles()
        answers = self._engine.map(self._work.bundle, bundles, memory, f"{question} small", label)
        for (start, stop), answer in zip(bundles, answers, strict=True):
            self._note(np.concatenate([[], *self._classes[start:stop]]).astype(np.int64), answer)
        blocks = [
            (number, *block)
            for number, members in enumerate(self._classes)
            if len(members) > self._block
            for block in self._blocks(len(members))
        ]
        for block in track(blocks, total=len(blocks), label=label):
            answer = self._engine.map(self._large, [block], memory, f"{question} large")[0]
            self._note(self._members(*block), answer)
        books = joined(self._noted)
        counts, undecided = books["counts"], books["undecided"]
        return self._label, self._engine.counts(counts, int(counts.sum()), undecided)

    def _blocks(self, count: int) -> Iterator[tuple[int, int]]:
        """Where the blocks of so many crystals begin and end."""
        start = 0
        while start < count:
            stop = min(start + max(self._block, start // SHARE), count)
            yield start, stop
            start = stop

    def _members(self, number: int, start: int, stop: int) -> np.ndarray:
        return self._classes[number][start:stop]

    def _note(self, rows: np.ndarray, answer: Answer) -> None:
        self._label[rows] = answer["label"]
        self._noted.append(answer)

    def _bundles(self) -> list[tuple[int, int]]:
        """Neighbouring compositions of one block each, in bundles of about a chunk's work."""
        most = CHUNK / self._heaviness
        bundles, start, pairs = [], 0, 0
        for number, members in enumerate(self._classes):
            if len(members) > self._block or pairs > most:
                bundles.append((start, number))
                start, pairs = number, 0
            if len(members) > self._block:
                start = number + 1
            else:
                pairs += 1 + len(members) ** 2 // 2
        bundles.append((start, len(self._classes)))
        return [(start, stop) for start, stop in bundles if stop > start]

    def _large(self, item: tuple[str, int, int, int]) -> Answer:
        """Representatives of the crystals of one block of a composition of many."""
        _, number, start, stop = item
        rows = self._members(number, start, stop)
        before = self._classes[number][:start]
        representatives = before[self._label[before] == before]
        pieces = [
            (rows[k : k + PIECE], representatives) for k in range(0, len(rows), PIECE) if start
        ]
        worth = len(rows) * len(representatives) > CHUNK
        answers = run(
            self._work.first_matches,
            pieces,
            workers=self._workers if worth else 1,
            threads=not (worth and is_elsewhere()),
        )
        known = joined(list(answers))
        label = known["label"] if start else np.full(len(rows), -1, np.int64)
        left = label < 0
        others = self._work.among_themselves(rows[left])
        label[left] = others["label"]
        return {**joined([known, others]), "label": label}
