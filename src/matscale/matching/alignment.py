"""Which sites a match pairs, for matches already found."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from matscale.matching.engine import CODES, Engine
from matscale.matching.kernels.alignment import align_row
from matscale.matching.kernels.strict import MATCH
from matscale.matching.kernels.workspace import MAX_POINTS
from matscale.matching.outcomes import MatchSettings
from matscale.runtime.execution import run
from matscale.structures.table import StructureTable

CHUNK = 64
"""Pairs that a thread aligns at a time: the hardest take seconds each."""


@dataclass(frozen=True)
class Alignments:
    """Pairs of sites of pairs of crystals.

    Attributes:
        offsets: The pairs of sites of match i are ``offsets[i]:offsets[i + 1]``, (m + 1,); as many
            as the larger crystal has sites, none where the crystals do not match.
        sites: Site of the first crystal and of the second, in the cells compared, (total, 2). A
            site of a crystal that is repeated in a supercell occurs more than once.
        numbers: Their atomic numbers, (total, 2) uint8.
        shifts: The cell of the repeated crystal in which each pair lies, in its lattice vectors,
            (total, 3); zeros where neither is repeated.
        supercells: Supercell of the repeated crystal, in the same, (m, 3, 3): its vectors lie on
            those of the other crystal.
    """

    offsets: np.ndarray
    sites: np.ndarray
    numbers: np.ndarray
    shifts: np.ndarray
    supercells: np.ndarray

    def row(self, match: int) -> np.ndarray:
        """Atomic numbers at the paired sites of a match, (n, 2)."""
        return self.numbers[self.offsets[match] : self.offsets[match + 1]]


def align(
    first: StructureTable,
    second: StructureTable,
    rows: np.ndarray,
    settings: MatchSettings,
    *,
    workers: int | None = None,
    label: str = "",
) -> Alignments:
    """The pairs of sites of crystals that match; each pair is searched again.

    Args:
        first: Crystals.
        second: Crystals.
        rows: Row of the first table and of the second, (m, 2).
        settings: As for the match itself; "direct" or "framework". With ``reduce`` the sites are
            those of the reduced cells, else those of the tables, in their order.
        workers: Threads; see :func:`matscale.runtime.execution.run`.
        label: For the progress display.

    Raises:
        ValueError: If the mode is "anonymous", which tries many pairings by element.
    """
    if settings.mode == "anonymous":
        raise ValueError("sites are aligned in the modes 'direct' and 'framework'")
    engine = Engine(first, second, settings)
    rows = np.asarray(rows, np.int64).reshape(-1, 2)
    chunks = [rows[start : start + CHUNK] for start in range(0, max(len(rows), 1), CHUNK)]
    parts = list(run(partial(_aligned, engine), chunks, workers=workers, threads=True, label=label))
    lengths, *columns = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Alignments(np.concatenate([[0], np.cumsum(lengths)]), *columns)


def _aligned(engine: Engine, rows: np.ndarray) -> tuple[np.ndarray, ...]:
    """Pairs of sites of each match, (m,), then what :class:`Alignments` has beside its offsets."""
    first, second = engine.first, engine.second
    sizes = np.maximum(first.sizes[rows[:, 0]], second.sizes[rows[:, 1]])
    starts = np.concatenate([[0], np.cumsum(sizes)])
    sites, shifts = np.empty((starts[-1], 2), np.int64), np.empty((starts[-1], 3), np.int64)
    numbers = np.empty((starts[-1], 2), np.uint8)
    supercells = np.tile(np.eye(3, dtype=np.int64), (len(rows), 1, 1))
    matched = np.zeros(len(rows), bool)
    with engine.space(MAX_POINTS) as space:
        for match, (i, j) in enumerate(rows):
            part = slice(starts[match], starts[match + 1])
            status = align_row(
                engine.held[0],
                i,
                engine.held[1],
                j,
                CODES[engine.settings.mode],
                engine.settings.scale,
                engine.settings.supercell,
                engine.settings.numbers,
                engine.settings.criterion == "rms",
                engine.settings.keep_first,
                space,
                sites[part],
                shifts[part],
                supercells[match],
            )
            matched[match] = status == MATCH
            if matched[match]:
                numbers[part, 0] = first.codes[first.offsets[i] + sites[part, 0]]
                numbers[part, 1] = second.codes[second.offsets[j] + sites[part, 1]]
    kept = np.repeat(matched, sizes)
    return sizes * matched, sites[kept], numbers[kept], shifts[kept], supercells
