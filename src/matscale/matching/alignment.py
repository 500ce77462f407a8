"""Which sites a match pairs, for matches already found."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from matscale.matching.engine import CODES, Engine
from matscale.matching.kernels.algebra import inverse
from matscale.matching.kernels.compiling import allocating, kernel
from matscale.matching.kernels.pairing import BEST_PAIRS, BEST_STEPS, WRAPPED, supercell_points
from matscale.matching.kernels.placements import FOUND, SWAPPED
from matscale.matching.kernels.search import plain_pair
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
    one, other = engine.first, engine.second
    sizes = np.maximum(one.sizes[rows[:, 0]], other.sizes[rows[:, 1]])
    starts = np.concatenate([[0], np.cumsum(sizes)])
    sites, shifts = np.empty((starts[-1], 2), np.int64), np.empty((starts[-1], 3), np.int64)
    numbers = np.empty((starts[-1], 2), np.uint8)
    supercells = np.tile(np.eye(3, dtype=np.int64), (len(rows), 1, 1))
    matched = np.zeros(len(rows), bool)
    with engine.space(MAX_POINTS) as space:
        for place, (i, j) in enumerate(rows):
            part = slice(starts[place], starts[place + 1])
            status = _align_row(
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
                supercells[place],
            )
            matched[place] = status == MATCH
            if matched[place]:
                numbers[part, 0] = one.codes[one.offsets[i] + sites[part, 0]]
                numbers[part, 1] = other.codes[other.offsets[j] + sites[part, 1]]
    kept = np.repeat(matched, sizes)
    return sizes * matched, sites[kept], numbers[kept], shifts[kept], supercells


@allocating
def _align_row(
    first, i, second, j, mode, scale, supercell, tolerances, use_rms, keep_first, space, sites,
    shifts, steps,
):  # fmt: skip
    """Which sites of two crystals a match pairs.

    Args:
        first: As for :func:`matscale.matching.kernels.search.match_rows`, as are those up to
            ``space``.
        i: Row of the first set.
        second: Prepared crystals.
        j: Row of the second set.
        mode: DIRECT or FRAMEWORK.
        scale: Whether to bring crystals to the same volume first.
        supercell: Whether one may be a supercell of the other.
        tolerances: ``ltol``, ``stol``, ``angle_tol``.
        use_rms: Whether the rms decides, else the largest distance.
        keep_first: Whether to keep the first match instead of the best.
        space: Workspace for both crystals.
        sites: Receives the site of the first and of the second crystal, (n, 2) with n the number
            of sites of the larger.
        shifts: Receives the cell of the smaller crystal in which each pair lies, in its lattice
            vectors, (n, 3) int64; zeros where none is repeated.
        steps: Receives the supercell of the smaller one, whose vectors lie on those of the larger,
            in the same, (3, 3) int64; the unit matrix where none is repeated.

    Returns:
        MATCH or another status, in which case ``sites``, ``shifts`` and ``steps`` hold nothing.
    """
    found = np.zeros(FOUND)
    status = plain_pair(
        first, i, second, j, mode, scale, supercell, tolerances, use_rms, keep_first, space, found
    )
    if status != MATCH:
        return status
    n = len(sites)
    swapped = found[SWAPPED] > 0
    for k in range(n):
        one, other = space.integers[BEST_PAIRS, k], k
        if swapped:
            one, other = other, one
        sites[k, 0] = one // (n // first.sizes[i])
        sites[k, 1] = other // (n // second.sizes[j])
    base_is_1 = first.sizes[i] < second.sizes[j]
    _cells_of_pairs(n, n // min(first.sizes[i], second.sizes[j]), base_is_1 != swapped, space,
                    shifts, steps)  # fmt: skip
    return status


@kernel
def _cells_of_pairs(n, fu, base_is_1, space, shifts, steps):
    """The lattice points of the base in the supercell of the match just found, pair by pair.

    Sites are laid out as in ``pairing.lay_base``, the cells of a site one after the other.

    Args:
        n: Sites of either crystal in the supercell.
        fu: Cells of the base in it.
        base_is_1: Whether crystal 1 of the search is the base.
        space: Workspace of the search.
        shifts: See :func:`_align_row`.
        steps: Likewise.
    """
    shifts[:] = 0
    for row in range(3):
        for x in range(3):
            steps[row, x] = row == x
    if fu == 1:
        return
    best, points = space.small[BEST_STEPS], space.sites[WRAPPED]
    inverse(best, space.small[0], space.small[1])
    supercell_points(best, space.small[1], space.small[7:9], fu, points)
    for row in range(3):
        for x in range(3):
            steps[row, x] = int(np.rint(best[row, x]))
    for k in range(n):
        cell = (space.integers[BEST_PAIRS, k] if base_is_1 else k) % fu
        for x in range(3):
            value = 0.0
            for row in range(3):
                value += points[cell, row] * best[row, x]
            shifts[k, x] = int(np.rint(value))
