"""Matching as work that can travel to the workers of a cluster.

Threads share the crystals and call closures; other machines cannot. What travels instead is an
object that holds both tables and the settings, once a worker, and prepares the crystals there;
after it the bounds of chunks, a few bytes each. A chunk's answer is that of the threads: what is
found for a pair depends on that pair alone.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from matscale.execution import Memory, is_elsewhere
from matscale.matching.compositions import Candidates
from matscale.matching.engine import Answer, Engine, code_version, tally
from matscale.matching.kernel import MATCH, TOO_LARGE
from matscale.matching.outcomes import MatchSettings
from matscale.structures.table import StructureTable

Bounds = tuple[int, int]

NAME = "matching"
"""Under which answers are kept, whoever gave them."""


def match_chunk(engine: Engine, candidates: Candidates, bounds: Bounds) -> Answer:
    """Matches among the pairs of equal composition from one number to another."""
    rows_1, rows_2 = candidates.pairs(*bounds)
    status, values, maps = engine.run(rows_1, rows_2)
    hits, large = np.flatnonzero(status == MATCH), np.flatnonzero(status == TOO_LARGE)
    return {
        "pairs": np.column_stack([rows_1[hits], rows_2[hits]]),
        "values": values[hits],
        "maps": maps[hits] if len(maps) else maps,
        "undecided": np.column_stack([rows_1[large], rows_2[large]]),
        "statuses": tally(status),
    }


def pairs_chunk(engine: Engine, rows: np.ndarray, bounds: Bounds) -> Answer:
    """Status and values of the given pairs, (p, 2), from one number to another."""
    chosen = rows[slice(*bounds)].T.copy()
    status, values, _ = engine.run(chosen[0], chosen[1])
    return {"status": status, "values": values}


class Matching:
    """Answers chunks of the pairs of two tables, wherever it was sent.

    Args:
        first: Crystals.
        second: Crystals.
        settings: How they are compared.
        rows: The pairs in question, (p, 2); None for all of equal composition.
        engine: The engine for them, where there is one already.
    """

    def __init__(
        self,
        first: StructureTable,
        second: StructureTable,
        settings: MatchSettings,
        rows: np.ndarray | None = None,
        engine: Engine | None = None,
    ) -> None:
        self._first, self._second, self._settings, self._rows = first, second, settings, rows
        self._lock = threading.Lock()
        self._engine = engine
        self._candidates: Candidates | None = None

    def __getstate__(self) -> tuple[Any, ...]:
        # Ids and columns decide nothing.
        first = _bare(self._first)
        second = first if self._second is self._first else _bare(self._second)
        return first, second, self._settings, self._rows

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def __len__(self) -> int:
        """Number of pairs that chunks are taken from."""
        _, candidates = self._prepared()
        pairs = self._rows if candidates is None else candidates
        assert pairs is not None
        return len(pairs)

    def __call__(self, item: tuple[str, int, int]) -> Answer:
        """The answer to a chunk: what tells the work apart, and its bounds."""
        return self.chunk(item[1:])

    def chunk(self, bounds: Bounds) -> Answer:
        """The answer to a chunk."""
        engine, candidates = self._prepared()
        if candidates is not None:
            return match_chunk(engine, candidates, bounds)
        assert self._rows is not None
        return pairs_chunk(engine, self._rows, bounds)

    def answers(
        self,
        chunks: Sequence[Bounds],
        question: str,
        *,
        keep: str | Path | None,
        workers: int | None,
        label: str,
    ) -> list[Answer]:
        """Answers to the chunks from threads or the cluster; known ones are not computed again.

        Args:
            chunks: See :meth:`matscale.matching.engine.Engine.chunks`.
            question: See :meth:`matscale.matching.engine.Engine.question`.
            keep: Folder of the answers; None keeps nothing.
            workers: Threads.
            label: For the progress display.
        """
        if not is_elsewhere():
            engine, _ = self._prepared()
            return engine.map(self.chunk, chunks, engine.memory(keep, workers), question, label)
        folder = None if keep is None else Path(keep)
        memory = Memory(folder, code_version() if folder else "")
        return memory.map(self, [(question, *one) for one in chunks], name=NAME, label=label)

    def _prepared(self) -> tuple[Engine, Candidates | None]:
        # The first of a worker's threads prepares the crystals, the others wait for it.
        with self._lock:
            if self._engine is None:
                self._engine = Engine(self._first, self._second, self._settings)
            if self._candidates is None and self._rows is None:
                crystals = self._engine.first, self._engine.second
                self._candidates = Candidates.of(*crystals, self._settings.mode)
            return self._engine, self._candidates


def _bare(table: StructureTable) -> StructureTable:
    ids = np.full(len(table), "", dtype=object)
    return StructureTable(ids, table.offsets, table.numbers, table.positions, table.lattices)
