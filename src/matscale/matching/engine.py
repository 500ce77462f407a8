"""Runs the matching kernel over chunks of pairs, in as many threads as there are cores.

The kernels release the interpreter's lock, so threads share the crystals without a copy. Each
borrows a workspace of its own. What is found for a pair depends on that pair alone; so chunks,
threads and machines change nothing but the time.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from matscale.matching.kernels import search
from matscale.matching.kernels.held import Held
from matscale.matching.kernels.strict import MATCH, NO_MATCH, TOO_LARGE
from matscale.matching.kernels.workspace import (
    MAX_POINTS,
    MAX_SITES,
    MOST_WORK,
    Workspace,
    workspace,
)
from matscale.matching.outcomes import Counts, MatchSettings
from matscale.matching.prepare import POINTS, Prepared, prepare
from matscale.runtime.execution import is_elsewhere
from matscale.runtime.memory import Memory, content_key
from matscale.runtime.version import __version__
from matscale.structures.chemistry import PETTIFOR
from matscale.structures.table import StructureTable

CHUNK = 1 << 13
"""Pairs of small cells that are one piece of work, to be kept or lost when interrupted."""

HEAVY = 32
"""Sites a cell at which a pair takes about twice as long as one of small cells."""

SLICE_S = 0.05
"""Seconds that a call of the kernel should take: nothing can be interrupted while it runs."""
FIRST_SLICE = 64
"""Pairs of the first call, which shows how long they take."""

NAME = "matching"
"""Under which answers are kept, whoever gave them."""

CODES = {"direct": search.DIRECT, "framework": search.FRAMEWORK, "anonymous": search.ANONYMOUS}

STATUSES = {
    "composition": search.COMPOSITION,
    "sites": search.SITES,
    "volume": search.VOLUME,
    "lattice": search.LATTICE,
    "too large": TOO_LARGE,
}
"""Why pairs are not searched, by the name under which they are counted."""

VALUES = 7
"""What is known of a pair, see ``search.match_rows``."""

Answer = dict[str, np.ndarray]
Found = tuple[np.ndarray, np.ndarray, np.ndarray]


class InterruptedWork(Exception):  # noqa: N818 - nobody's mistake
    """Raised in a thread whose answer nobody waits for any more."""


@cache
def code_version() -> str:
    """Version of matscale and of the code in this room: edited kernels give other answers."""
    sources = sorted(Path(__file__).parent.rglob("*.py"))
    return content_key(__version__, *(path.read_text(encoding="utf-8") for path in sources))


def ready(table: StructureTable, settings: MatchSettings) -> Prepared:
    """The crystals of a table in the cells in which the settings compare them."""
    return prepare(
        table,
        reduce=settings.reduce,
        to_primitive=settings.primitive,
        ltol=settings.tolerances.length,
        atol=settings.tolerances.angle,
    )


def heaviness(*crystals: Prepared) -> float:
    """About how many times longer a pair takes than one of small cells."""
    sizes = np.concatenate([part.sizes for part in crystals])
    return 1 + (float(sizes.mean()) / HEAVY) ** 2 if len(sizes) else 1.0


class Engine:
    """The kernel, for the crystals of two tables under one set of settings.

    Args:
        first: Crystals.
        second: Crystals.
        settings: How they are compared.
    """

    def __init__(
        self, first: StructureTable, second: StructureTable, settings: MatchSettings
    ) -> None:
        self.started = time.perf_counter()
        if settings.mode == "anonymous":
            search.ANONYMOUS_MATCH.ready()
        self.settings = settings
        self.first = ready(first, settings)
        self.second = self.first if second is first else ready(second, settings)
        self.held = Held(self.first), Held(self.second)
        self._tables = first, second
        self._largest = max(int(part.sizes.max(initial=1)) for part in (self.first, self.second))
        self._spaces: defaultdict[int, list[Held[Workspace]]] = defaultdict(list)
        self._stopped = False

    # --- work ----------------------------------------------------------------------------

    def chunks(self, pairs: int) -> list[tuple[int, int]]:
        """Where chunks of so many pairs begin and end: the fewer, the larger the cells are."""
        size = max(1, math.ceil(CHUNK / heaviness(self.first, self.second)))
        return [(start, min(start + size, pairs)) for start in range(0, pairs, size)]

    def map(
        self,
        function: Callable[[Any], Answer],
        items: Sequence[tuple[int, ...]],
        memory: Memory,
        question: str,
        label: str = "",
    ) -> list[Answer]:
        """Answers to pieces of the work; those that the memory holds are not computed again.

        Args:
            function: Answers a piece, given the question and the piece.
            items: The pieces.
            memory: See :meth:`memory`.
            question: What tells this work apart from others, see :meth:`question`.
            label: For the progress display.
        """
        self._stopped = False
        try:
            asked = [(question, *item) for item in items]
            return memory.map(function, asked, name=NAME, label=label)
        finally:
            # After an interruption, threads that still compute end at their next slice.
            self._stopped = True

    def memory(self, keep: str | Path | None, workers: int | None) -> Memory:
        """A memory in a folder, or in this process only; asks threads here, or the cluster."""
        folder = None if keep is None else Path(keep)
        version = code_version() if folder else ""
        return Memory(folder, version, workers, threads=not is_elsewhere())

    def question(self, name: str, keep: str | Path | None, *parts: object) -> str:
        """What an answer depends on, as a hash; "" if none is to be kept."""
        if keep is None:
            return ""
        # The repr of the settings has all of their fields.
        return content_key(name, *self._tables, repr(self.settings), *parts)

    @contextmanager
    def space(self, points: int | None = None) -> Iterator[Held[Workspace]]:
        """A workspace that no other thread uses meanwhile, of the largest kind by default."""
        points = points or MAX_POINTS
        spare = self._spaces[points]
        try:
            # Taking and giving back are atomic; a look at the length first would not be.
            space = spare.pop()
        except IndexError:
            space = workspace(self._largest, points)
            space.arrays.work[0] = MOST_WORK
        try:
            yield space
        finally:
            spare.append(space)

    def go_on(self) -> None:
        """Do nothing while the work is wanted.

        Raises:
            InterruptedWork: If it is not.
        """
        if self._stopped:
            raise InterruptedWork

    def slices(self, count: int) -> Iterator[slice]:
        """Parts of so many items for one call of a kernel each, which takes about SLICE_S."""
        start, size = 0, FIRST_SLICE
        while start < count:
            self.go_on()
            began = time.perf_counter()
            yield slice(start, min(start + size, count))
            took = max(time.perf_counter() - began, 1e-6)
            start += size
            size = max(1, int(min(size * SLICE_S / took, CHUNK)))

    # --- pairs ---------------------------------------------------------------------------

    def run(self, rows_1: np.ndarray, rows_2: np.ndarray) -> Found:
        """Status, values and element maps of the pairs; see ``search.match_rows``."""
        status, values, maps = self._search(rows_1, rows_2, POINTS)
        # More points are of no use to a search that had mappings to try.
        large = np.flatnonzero((status == TOO_LARGE) & (values[:, 3] == 0))
        if len(large):
            again = self._search(rows_1[large], rows_2[large], MAX_POINTS)
            status[large], values[large] = again[:2]
            if len(maps):
                maps[large] = again[2]
        return status, values, maps

    def _search(self, rows_1: np.ndarray, rows_2: np.ndarray, points: int) -> Found:
        """One pass over the pairs."""
        count = len(rows_1)
        status, values = np.empty(count, np.int8), np.empty((count, VALUES))
        anonymous = self.settings.mode == "anonymous"
        maps = np.full((count if anonymous else 0, 256), -1, np.int16)
        with self.space(points) as space:
            for part in self.slices(count):
                answer = status[part], values[part], maps[part] if anonymous else maps
                self._call(rows_1[part], rows_2[part], space, *answer)
        return status, values, maps

    def _call(
        self,
        rows_1: np.ndarray,
        rows_2: np.ndarray,
        space: Held[Workspace],
        status: np.ndarray,
        values: np.ndarray,
        maps: np.ndarray,
    ) -> None:
        settings = self.settings
        first, second = self.held
        search.match_rows(
            first,
            rows_1,
            second,
            rows_2,
            CODES[settings.mode],
            settings.scale,
            settings.supercell,
            settings.numbers,
            settings.criterion == "rms",
            settings.keep_first,
            settings.symmetric,
            PETTIFOR,
            space,
            status,
            values,
            maps,
        )

    # --- books ---------------------------------------------------------------------------

    def counts(
        self,
        statuses: np.ndarray,
        considered: int,
        undecided: np.ndarray,
        bests: np.ndarray | None = None,
    ) -> Counts:
        """The books of a search.

        Args:
            statuses: Pairs by status, (7,); pairs never looked at differ in composition.
            considered: All pairs.
            undecided: Rows of both tables of those given up, (k, 2).
            bests: Of each match the number of successive best ones, negative where its search
                was given up, (m,); None if the first match is kept.
        """
        bests = np.empty(0) if bests is None else bests
        refused = {name: int(statuses[code]) for name, code in STATUSES.items()}
        refused["composition"] += considered - int(statuses.sum())
        sizes = self.first.sizes[undecided[:, 0]], self.second.sizes[undecided[:, 1]]
        return Counts(
            considered=considered,
            refused=refused,
            tested=int(statuses[NO_MATCH] + statuses[MATCH]),
            matched=int(statuses[MATCH]),
            improved=int((np.abs(bests) > 1).sum()),
            seconds=time.perf_counter() - self.started,
            undecided=tuple((int(first), int(second)) for first, second in undecided),
            oversized=int((np.maximum(*sizes) > MAX_SITES).sum()),
            unsure=int((bests < 0).sum()),
        )


def tally(status: np.ndarray) -> np.ndarray:
    """Pairs by status, (7,)."""
    return np.bincount(status, minlength=search.STATUSES).astype(np.int64)
