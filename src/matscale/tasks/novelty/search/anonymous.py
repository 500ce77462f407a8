"""Candidates that match a generated crystal in framework mode, whatever the elements."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from matscale.matching import batch
from matscale.matching.outcomes import MatchSettings
from matscale.runtime.memory import Memory
from matscale.structures.table import StructureTable
from matscale.tasks.novelty.search.cheapest import Bounds, Ranking, ranked
from matscale.tasks.novelty.search.site_maps import SiteMaps, site_maps
from matscale.tasks.novelty.search.substitution import Candidate, candidate


@dataclass(frozen=True)
class AnonymousRanking(Ranking):
    """The cheapest matches, and what became of the pairs that were looked at.

    Attributes:
        refused: Pairs that were not searched, by reason, as in
            :class:`matscale.matching.outcomes.Counts`.
        undecided: Pairs whose search would not fit.
    """

    refused: dict[str, int]
    undecided: int


def cheapest_matches(
    generated: StructureTable,
    train: StructureTable,
    settings: MatchSettings,
    top: int,
    *,
    keep: Path | None = None,
    workers: int | None = None,
    label: str = "",
) -> AnonymousRanking:
    """The ``top`` cheapest training crystals that each generated one matches.

    Of equal costs the first training rows are taken.

    Args:
        generated: Reduced crystals.
        train: Likewise.
        settings: In framework mode, with supercells.
        top: How many of each.
        keep: Where matches are kept.
        workers: As for :func:`matscale.matching.batch.match_pairs`.
        label: For the progress display.
    """
    bounds = Bounds(train)
    undecided = 0
    refused: Counter[str] = Counter()

    def order_of(row: int) -> tuple[np.ndarray, np.ndarray]:
        return bounds.order(generated.row_numbers(row), supercells=True)

    def cost_of(pairs: np.ndarray) -> np.ndarray:
        nonlocal undecided
        scores = batch.match_pairs(
            generated, train, pairs, settings, keep=keep, workers=workers, label=label
        )
        undecided += len(scores.counts.undecided)
        refused.update(scores.counts.refused)
        return scores.cost

    ranking = ranked(len(generated), order_of, cost_of, top)
    return AnonymousRanking(
        ranking.rows, ranking.cost, ranking.pairs, ranking.tested,
        dict(refused), undecided,
    )  # fmt: skip


def anonymous_candidates(
    generated: StructureTable,
    train: StructureTable,
    settings: MatchSettings,
    memory: Memory,
    top: int,
    *,
    keep: Path | None,
    workers: int | None,
    label: str,
) -> tuple[list[Candidate], AnonymousRanking]:
    """The cheapest matches as candidates, and how they were found.

    Arguments are those of :func:`cheapest_matches`; the memory keeps site maps.
    """
    ranking = cheapest_matches(
        generated, train, settings, top, keep=keep, workers=workers, label=label
    )
    rows = ranking.rows
    maps = site_maps(generated, train, rows, settings, memory, label=f"sites of {label}")
    candidates = []
    for pair, (mine, template) in enumerate(rows.tolist()):
        crystal = substituted(generated, train, rows[pair], maps, pair)
        old = train.row_numbers(template)[maps.train[maps.part(pair)]]
        candidates.append(candidate(mine, template, float(ranking.cost[pair]), old, crystal))
    return candidates, ranking


def substituted(
    generated: StructureTable,
    train: StructureTable,
    rows: np.ndarray,
    maps: SiteMaps,
    pair: int,
) -> StructureTable:
    """The training crystal of a pair with the generated elements on its sites, one row.

    Args:
        generated: Crystals.
        train: Crystals.
        rows: Row of the generated and of the training crystal, (2,).
        maps: Site maps of pairs.
        pair: Which of them is this one.
    """
    mine, template = rows.tolist()
    part = maps.part(pair)
    cell = train.lattices[template]
    return StructureTable.from_parts(
        [train.ids[template]],
        [generated.row_numbers(mine)[maps.generated[part]]],
        [train.row_positions(template)[maps.train[part]] + maps.shifts[part] @ cell],
        (maps.supercells[pair] @ cell)[None],
    )
