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

from matscale.execution import Memory
from matscale.matching.compositions import Candidates
from matscale.matching.engine import Answer, Engine, code_version, tally
from matscale.matching.kernel import MATCH, TOO_LARGE
from matscale.matching.outcomes import MatchSettings
from matscale.structures.table import StructureTable

Bounds = tuple[int, int]


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
    """

    def __init__(
        self,
        first: StructureTable,
        second: StructureTable,
        settings: MatchSettings,
        rows: np.ndarray | None = None,
    ) -> None:
        self._question = (first, second, settings, rows)
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._candidates: Candidates | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Ids and columns decide nothing.
        first, second, settings, rows = self._question
        bare = _bare(first)
        other = bare if second is first else _bare(second)
        return {"question": (bare, other, settings, rows)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(*state["question"])  # type: ignore[misc]

    def __call__(self, item: tuple[str, int, int]) -> Answer:
        """The answer to a chunk: what tells the work apart, and its bounds."""
        _, start, stop = item
        first, second, settings, rows = self._question
        with self._lock:
            # The first of a worker's threads prepares the crystals, the others wait for it.
            if self._engine is None:
                self._engine = Engine(first, second, settings)
            if rows is None and self._candidates is None:
                self._candidates = Candidates.of(
                    self._engine.first, self._engine.second, settings.mode
                )
        if self._candidates is not None:
            return match_chunk(self._engine, self._candidates, (start, stop))
        assert rows is not None
        return pairs_chunk(self._engine, rows, (start, stop))


def _bare(table: StructureTable) -> StructureTable:
    ids = np.full(len(table), "", dtype=object)
    return StructureTable(ids, table.offsets, table.numbers, table.positions, table.lattices)


def answers(
    work: Matching, chunks: Sequence[Bounds], question: str, keep: str | Path | None, label: str
) -> list[Answer]:
    """Answers to the chunks from the cluster at hand; known ones are not computed again.

    Args:
        work: What to ask.
        chunks: See :meth:`matscale.matching.engine.Engine.chunks`.
        question: See :meth:`matscale.matching.engine.Engine.question`.
        keep: Folder of the answers, which are those of threads too; None keeps nothing.
        label: For the progress display.
    """
    folder = None if keep is None else Path(keep)
    memory = Memory(folder, code_version() if folder else "")
    return memory.map(work, [(question, *bounds) for bounds in chunks], label=label)
