"""Matching as work that threads do here, or that travels to the workers of a cluster.

What travels is an object that holds both tables and the settings, once per worker, and prepares the
crystals there; after it what tells a piece apart, a few bytes each. Threads call the same object,
with the crystals prepared once. What is found for a pair depends on that pair alone, so answers
are the same wherever they were found.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from matscale.matching.compositions import Candidates
from matscale.matching.engine import Answer, Engine, tally
from matscale.matching.kernels.strict import MATCH, TOO_LARGE
from matscale.matching.outcomes import MatchSettings
from matscale.structures.table import StructureTable


class Work:
    """Two tables of crystals and how they are compared, made ready where the work is done.

    Args:
        first: Crystals.
        second: Crystals.
        settings: How they are compared.
    """

    def __init__(
        self, first: StructureTable, second: StructureTable, settings: MatchSettings
    ) -> None:
        self._first, self._second, self._settings = first, second, settings
        self._lock = threading.Lock()
        self._engine: Engine | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Ids and columns decide nothing; what is prepared is prepared again.
        first = _bare(self._first)
        second = first if self._second is self._first else _bare(self._second)
        return {"first": first, "second": second, "settings": self._settings}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    @property
    def engine(self) -> Engine:
        """The kernel for these crystals."""
        # The first of a worker's threads prepares the crystals, the others wait for it.
        with self._lock:
            if self._engine is None:
                self._engine = Engine(self._first, self._second, self._settings)
            return self._engine


class Matching(Work):
    """Matches among the pairs of two tables, chunk by chunk.

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
        super().__init__(first, second, settings)
        self._rows = rows

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "rows": self._rows}

    def __len__(self) -> int:
        """Number of pairs that chunks are taken from."""
        return len(self._candidates if self._rows is None else self._rows)

    @cached_property
    def _candidates(self) -> Candidates:
        return Candidates.of(self.engine.first, self.engine.second, self._settings.mode)

    def answers(
        self, *, keep: str | Path | None, workers: int | None, label: str
    ) -> Sequence[Answer]:
        """Answers to all chunks, in order; for the arguments see :mod:`matscale.matching.batch`."""
        engine = self.engine
        chunks = engine.chunks(len(self))
        kept = keep if len(chunks) > 1 else None
        parts = () if self._rows is None else (self._rows,)
        name = "match" if self._rows is None else "match_pairs"
        question = engine.question(name, kept, *parts)
        chunk = self.matches if self._rows is None else self.scores
        return engine.map(chunk, chunks, engine.memory(kept, workers), question, label)

    def matches(self, item: tuple[str, int, int]) -> Answer:
        """Matches among the pairs of equal composition from one number to another.

        Args:
            item: What tells the work apart, and the two numbers.
        """
        rows_1, rows_2 = self._candidates.pairs(*item[1:])
        status, values, maps = self.engine.run(rows_1, rows_2)
        hits, large = np.flatnonzero(status == MATCH), np.flatnonzero(status == TOO_LARGE)
        return {
            "pairs": np.column_stack([rows_1[hits], rows_2[hits]]),
            "values": values[hits],
            "maps": maps[hits] if len(maps) else maps,
            "undecided": np.column_stack([rows_1[large], rows_2[large]]),
            "statuses": tally(status),
        }

    def scores(self, item: tuple[str, int, int]) -> Answer:
        """Status and values of the given pairs from one number to another; ``item`` likewise."""
        assert self._rows is not None
        chosen = self._rows[slice(*item[1:])].T.copy()
        status, values, _ = self.engine.run(chosen[0], chosen[1])
        return {"status": status, "values": values}


def _bare(table: StructureTable) -> StructureTable:
    ids = np.full(len(table), "", dtype=object)
    return StructureTable(ids, table.offsets, table.numbers, table.positions, table.lattices)
