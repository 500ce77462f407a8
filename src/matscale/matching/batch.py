"""Matching tables of crystals: all pairs of two tables, given pairs, groups, nearest matches.

The verdicts are those of pymatgen's ``StructureMatcher``; see :class:`MatchSettings` for what its
options are called here. What differs: where pymatgen may keep the first of several matches, the
best is kept unless ``keep_first`` is set.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from matscale.matching import search
from matscale.matching.kernel import MATCH, NO_MATCH, TOO_LARGE
from matscale.matching.outcomes import NOVELTY, Counts, Matches, MatchSettings, PairScores
from matscale.matching.prepare import POINTS, Prepared, prepare
from matscale.matching.workspace import MAX_POINTS, Workspace, workspace
from matscale.structures import chemistry
from matscale.structures.table import StructureTable

__all__ = [
    "NOVELTY",
    "Counts",
    "MatchSettings",
    "Matches",
    "PairScores",
    "find",
    "group",
    "match",
    "match_pairs",
]

CHUNK = 1 << 15
"""Pairs a call of the kernel: some 4 MB of results."""

CODES = {"direct": search.DIRECT, "framework": search.FRAMEWORK, "anonymous": search.ANONYMOUS}

STATUSES = {
    "composition": search.COMPOSITION,
    "sites": search.SITES,
    "volume": search.VOLUME,
    "lattice": search.LATTICE,
    "too large": TOO_LARGE,
}
"""Why pairs are not searched, by the name under which they are counted."""


def ready(table: StructureTable, settings: MatchSettings) -> Prepared:
    """The crystals of a table in the cells in which the settings compare them."""
    return prepare(
        table,
        reduce=settings.reduce,
        to_primitive=settings.primitive,
        ltol=settings.tolerances.length,
        atol=settings.tolerances.angle,
    )


def _space(crystals: tuple[Prepared, ...], points: int = POINTS) -> Workspace:
    return workspace(max(int(part.sizes.max(initial=1)) for part in crystals), points)


@dataclass
class _Engine:
    """Runs the kernel over chunks of pairs and keeps the books."""

    first: Prepared
    second: Prepared
    settings: MatchSettings

    def __post_init__(self) -> None:
        self.started = time.perf_counter()
        self.statuses = np.zeros(search.STATUSES, np.int64)
        self.improved = 0
        self.space = _space((self.first, self.second))

    def run(
        self, rows_1: np.ndarray, rows_2: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Status, values and element maps of the pairs; see ``search.match_rows``."""
        status = np.empty(len(rows_1), np.int8)
        values = np.empty((len(rows_1), 6))
        anonymous = self.settings.mode == "anonymous"
        maps = np.full((len(rows_1) if anonymous else 0, 256), -1, np.int16)
        self._call(rows_1, rows_2, self.space, status, values, maps)
        large = np.flatnonzero(status == TOO_LARGE)
        if len(large):
            space = _space((self.first, self.second), MAX_POINTS)
            again = status[large], values[large], maps[large] if anonymous else maps
            self._call(rows_1[large], rows_2[large], space, *again)
            status[large], values[large] = again[:2]
            if anonymous:
                maps[large] = again[2]
        self.statuses += np.bincount(status, minlength=search.STATUSES)
        self.improved += int(((status == MATCH) & (values[:, 5] > 1)).sum())
        return status, values, maps

    def _call(
        self,
        rows_1: np.ndarray,
        rows_2: np.ndarray,
        space: Workspace,
        status: np.ndarray,
        values: np.ndarray,
        maps: np.ndarray,
    ) -> None:
        settings = self.settings
        search.match_rows(
            self.first,
            rows_1,
            self.second,
            rows_2,
            CODES[settings.mode],
            settings.scale,
            settings.supercell,
            settings.numbers,
            settings.criterion == "rms",
            settings.keep_first,
            space,
            status,
            values,
            maps,
        )

    def counts(self, considered: int, started: float | None = None) -> Counts:
        """The books; pairs never looked at differ in composition."""
        seen = int(self.statuses.sum())
        refused = {name: int(self.statuses[code]) for name, code in STATUSES.items()}
        refused["composition"] += considered - seen
        return Counts(
            considered=considered,
            refused=refused,
            tested=int(self.statuses[NO_MATCH] + self.statuses[MATCH]),
            matched=int(self.statuses[MATCH]),
            improved=self.improved,
            seconds=time.perf_counter() - (started or self.started),
        )


def match(
    first: StructureTable, second: StructureTable, settings: MatchSettings | None = None
) -> Matches:
    """Match every crystal of one table with every crystal of another.

    Args:
        first: Crystals; ``struct1`` of pymatgen's methods.
        second: Crystals; ``struct2``.
        settings: How they are compared.
    """
    settings = settings or MatchSettings()
    started = time.perf_counter()
    engine = _Engine(ready(first, settings), ready(second, settings), settings)
    parts = []
    for rows_1, rows_2 in _pairs(engine.first, engine.second, settings):
        status, values, maps = engine.run(rows_1, rows_2)
        hits = np.flatnonzero(status == MATCH)
        parts.append((rows_1[hits], rows_2[hits], values[hits], maps[hits] if len(maps) else maps))
    counts = engine.counts(len(first) * len(second), started)
    return _matches(parts, settings, counts)


def _matches(parts: list, settings: MatchSettings, counts: Counts) -> Matches:
    none = np.empty(0, np.int64)
    values = np.concatenate([np.empty((0, 6)), *(part[2] for part in parts)])
    maps = np.concatenate([np.empty((0, 256), np.int16), *(part[3] for part in parts)])
    return Matches(
        first=np.concatenate([none, *(part[0] for part in parts)]),
        second=np.concatenate([none, *(part[1] for part in parts)]),
        rms=values[:, 0],
        rms_angstrom=values[:, 0] * values[:, 2],
        largest=values[:, 1],
        element_maps=maps if settings.mode == "anonymous" else None,
        counts=counts,
    )


def composition_keys(crystals: Prepared, mode: str) -> list[object]:
    """What two crystals must have in common to match, by row: a reduced or anonymous formula."""
    keys: list[object] = []
    for row in range(len(crystals.sizes)):
        cell = tuple(crystals.counts(row).items())
        if not cell or mode == "framework":
            keys.append(None)
        else:
            keys.append(chemistry.reduced(cell) if mode == "direct" else chemistry.anonymous(cell))
    return keys


def _pairs(
    first: Prepared, second: Prepared, settings: MatchSettings
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of equal composition in chunks, by rising row of the first table."""
    rows: dict[object, list[int]] = {}
    for row, key in enumerate(composition_keys(second, settings.mode)):
        rows.setdefault(key, []).append(row)
    partners = {key: np.array(value, np.int64) for key, value in rows.items()}
    waiting: list[tuple[np.ndarray, np.ndarray]] = []
    size = 0
    for row, key in enumerate(composition_keys(first, settings.mode)):
        others = partners.get(key)
        if others is None:
            continue
        waiting.append((np.full(len(others), row, np.int64), others))
        size += len(others)
        if size >= CHUNK:
            yield _joined(waiting)
            waiting, size = [], 0
    if waiting:
        yield _joined(waiting)


def _joined(parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def match_pairs(
    first: StructureTable,
    second: StructureTable,
    rows: np.ndarray,
    settings: MatchSettings | None = None,
) -> PairScores:
    """Match given pairs.

    Args:
        first: Crystals.
        second: Crystals.
        rows: Row of the first table and of the second, (p, 2).
        settings: How they are compared.
    """
    settings = settings or MatchSettings()
    started = time.perf_counter()
    rows = np.ascontiguousarray(rows, np.int64).reshape(-1, 2)
    engine = _Engine(ready(first, settings), ready(second, settings), settings)
    status, values = np.empty(len(rows), np.int8), np.empty((len(rows), 6))
    for start in range(0, len(rows), CHUNK):
        part = slice(start, start + CHUNK)
        chosen = rows[part]
        status[part], values[part], _ = engine.run(chosen[:, 0].copy(), chosen[:, 1].copy())
    return PairScores(
        matched=status == MATCH,
        rms=values[:, 0],
        rms_angstrom=values[:, 0] * values[:, 2],
        largest=values[:, 1],
        counts=engine.counts(len(rows), started),
    )


def find(
    first: StructureTable, second: StructureTable, settings: MatchSettings | None = None
) -> tuple[np.ndarray, np.ndarray, Counts]:
    """For each crystal of one table the best match in another.

    Returns:
        Row of the second table or -1, (N,); its rms, NaN without a match, (N,); counts.
    """
    found = match(first, second, settings)
    best = np.full(len(first), -1, np.int64)
    rms = np.full(len(first), np.nan)
    for place in np.lexsort((found.second, found.rms)):
        row = found.first[place]
        if best[row] < 0:
            best[row], rms[row] = found.second[place], found.rms[place]
    return best, rms, found.counts


def group(
    table: StructureTable, settings: MatchSettings | None = None
) -> tuple[np.ndarray, Counts]:
    """Group crystals as ``StructureMatcher.group_structures`` does.

    A crystal joins the first earlier crystal that stands for a group and that it matches, or
    stands for a new one. The criterion is always "largest", as in ``fit``.

    Returns:
        Row of each crystal's representative, its own where it stands for itself, -1 where it has
        no reduced cell, (N,); counts.
    """
    settings = replace(settings or MatchSettings(), criterion="largest", keep_first=True)
    started = time.perf_counter()
    crystals = ready(table, settings)
    label = np.full(len(table), -1, np.int64)
    counts = np.zeros(search.STATUSES, np.int64)
    rows: dict[object, list[int]] = {}
    for row, key in enumerate(composition_keys(crystals, settings.mode)):
        if crystals.sizes[row]:
            rows.setdefault(key, []).append(row)
    space = _space((crystals,), MAX_POINTS)
    for members in rows.values():
        chosen = np.array(members, np.int64)
        search.group_rows(
            crystals,
            chosen,
            CODES[settings.mode],
            settings.scale,
            settings.supercell,
            settings.numbers,
            space,
            label,
            np.empty(len(chosen), np.int64),
            counts,
        )
    refused = {name: int(counts[code]) for name, code in STATUSES.items()}
    return label, Counts(
        considered=int(counts.sum()),
        refused=refused,
        tested=int(counts[NO_MATCH] + counts[MATCH]),
        matched=int(counts[MATCH]),
        improved=0,
        seconds=time.perf_counter() - started,
    )
