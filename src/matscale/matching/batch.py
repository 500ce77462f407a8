"""Matching tables of crystals: all pairs of two tables, given pairs, groups, nearest matches.

The verdicts are those of pymatgen's ``StructureMatcher``; see :class:`MatchSettings` for what its
options are called here. What differs: where pymatgen may keep the first of several matches, the
best is kept unless ``keep_first`` is set.

All of them take these options:

workers
    Threads; None for one per core where there is work enough. Results do not depend on it. Within
    :func:`matscale.runtime.execution.on` the work goes to the cluster instead.
label
    What is being done, for the progress display on stderr; "" shows none.
keep
    A folder for the answers to finished chunks of the work, which a second call with the same
    crystals and settings does not compute again; None keeps nothing. Answers of other crystals,
    settings or versions of this code are never used. Who made the folder may delete it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from matscale.matching.engine import VALUES, Answer, Engine, ready, tally
from matscale.matching.grouping import Grouping
from matscale.matching.kernels.search import STATUSES
from matscale.matching.kernels.strict import MATCH, TOO_LARGE
from matscale.matching.outcomes import NOVELTY, Counts, Matches, MatchSettings, PairScores
from matscale.matching.work import Matching
from matscale.runtime.exact import settled
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
    "ready",
]


def match(
    first: StructureTable,
    second: StructureTable,
    settings: MatchSettings | None = None,
    *,
    workers: int | None = None,
    label: str = "",
    keep: str | Path | None = None,
) -> Matches:
    """Match every crystal of one table with every crystal of another.

    Whether two crystals match, and how well, does not depend on where in the tables they stand.

    Args:
        first: Crystals; ``struct1`` of pymatgen's methods.
        second: Crystals; ``struct2``.
        settings: How they are compared.
        workers: See the module's docstring, as for those below.
        label: For the progress display.
        keep: Where finished chunks are kept.
    """
    work = Matching(first, second, settings or MatchSettings())
    answers = work.answers(keep=keep, workers=workers, label=label)
    return _matches(answers, work.engine, len(first) * len(second))


def _matches(answers: Sequence[Answer], engine: Engine, considered: int) -> Matches:
    pairs = _joined(answers, "pairs", np.empty((0, 2), np.int64))
    values = _joined(answers, "values", np.empty((0, VALUES)))
    statuses = sum((answer["statuses"] for answer in answers), np.zeros(STATUSES, np.int64))
    undecided = _joined(answers, "undecided", np.empty((0, 2), np.int64))
    anonymous = engine.settings.mode == "anonymous"
    maps = _joined(answers, "maps", np.empty((0, 256), np.int16))
    return Matches(
        first=pairs[:, 0],
        second=pairs[:, 1],
        rms=values[:, 0],
        rms_angstrom=values[:, 0] * values[:, 2],
        largest=values[:, 1],
        element_maps=maps if anonymous else None,
        counts=engine.counts(statuses, considered, undecided, values[:, 5]),
    )


def _joined(answers: Sequence[Answer], name: str, empty: np.ndarray) -> np.ndarray:
    return np.concatenate([empty, *(answer[name] for answer in answers)])


def match_pairs(
    first: StructureTable,
    second: StructureTable,
    rows: np.ndarray,
    settings: MatchSettings | None = None,
    *,
    workers: int | None = None,
    label: str = "",
    keep: str | Path | None = None,
) -> PairScores:
    """Match given pairs.

    Args:
        first: Crystals.
        second: Crystals.
        rows: Row of the first table and of the second, (p, 2).
        settings: How they are compared.
        workers: See the module's docstring, as for those below.
        label: For the progress display.
        keep: Where finished chunks are kept.
    """
    rows = np.ascontiguousarray(rows, np.int64).reshape(-1, 2)
    work = Matching(first, second, settings or MatchSettings(), rows)
    answers = work.answers(keep=keep, workers=workers, label=label)
    status = _joined(answers, "status", np.empty(0, np.int8))
    values = _joined(answers, "values", np.empty((0, VALUES)))
    matched = status == MATCH
    return PairScores(
        matched=matched,
        rms=values[:, 0],
        rms_angstrom=values[:, 0] * values[:, 2],
        largest=values[:, 1],
        cost=values[:, 6],
        undecided=status == TOO_LARGE,
        counts=work.engine.counts(
            tally(status), len(rows), rows[status == TOO_LARGE], values[matched, 5]
        ),
    )


def find(
    first: StructureTable,
    second: StructureTable,
    settings: MatchSettings | None = None,
    *,
    workers: int | None = None,
    label: str = "",
    keep: str | Path | None = None,
) -> tuple[np.ndarray, np.ndarray, Counts]:
    """For each crystal of one table the best match in another.

    Args:
        first: Crystals.
        second: Crystals; of those that match equally well, the first.
        settings: How they are compared.
        workers: See the module's docstring, as for those below.
        label: For the progress display.
        keep: Where finished chunks are kept.

    Returns:
        Row of the second table or -1, (N,); its rms, NaN without a match, (N,); counts.
    """
    matches = match(first, second, settings, workers=workers, label=label, keep=keep)
    best = np.full(len(first), -1, np.int64)
    rms = np.full(len(first), np.nan)
    for pair in np.lexsort((matches.second, settled(matches.rms))):
        row = matches.first[pair]
        if best[row] < 0:
            best[row], rms[row] = matches.second[pair], matches.rms[pair]
    return best, rms, matches.counts


def group(
    table: StructureTable,
    settings: MatchSettings | None = None,
    *,
    workers: int | None = None,
    label: str = "",
    keep: str | Path | None = None,
) -> tuple[np.ndarray, Counts]:
    """Group crystals as ``StructureMatcher.group_structures`` does.

    A crystal joins the first earlier crystal that stands for a group and that it matches, or
    stands for a new one. The criterion is always "largest", as in ``fit``.

    Groups therefore depend on the order of the crystals, as pymatgen's do: matching within
    tolerances is not transitive. Where b matches a and c, but a does not match c, the order
    a, b, c gives the groups ab and c, the order b, a, c the one group bac.

    Args:
        table: Crystals.
        settings: How they are compared.
        workers: See the module's docstring, as for those below.
        label: For the progress display.
        keep: Where finished chunks are kept.

    Returns:
        Row of each crystal's representative, its own where it stands for itself, -1 where it has
        no reduced cell, (N,); counts.
    """
    settings = replace(settings or MatchSettings(), criterion="largest", keep_first=True)
    return Grouping(table, settings, workers, keep).run(label)
