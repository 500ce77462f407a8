"""Laying one crystal onto another in one cell: each translation, the best pairing of sites."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from matscale.matching.kernels.algebra import copy_rows, reciprocal_lengths, volume
from matscale.matching.kernels.apart import WIDER, surely_apart, widen
from matscale.matching.kernels.averages import NEVER, average_possible
from matscale.matching.kernels.compiling import kernel
from matscale.matching.kernels.pairing import (
    AVERAGE,
    BEST_PAIRS,
    BEST_STEPS,
    PAIRS,
    S1,
    S2,
    STEPS,
    TIES,
    VECTORS,
    pair_sites,
    reduce_average,
)
from matscale.matching.kernels.periodic import (
    BEGINS,
    Columns,
    first_unpaired,
    lay_columns,
    next_translation,
)

SHIFT = 18
"""The workspace's ``small`` matrix that is used here."""

# What a search reports, by place in its ``found`` array.
VALUE, RMS, LARGEST, LENGTH, MAPPINGS, PAIRINGS, MATCHES, SWAPPED = 0, 1, 2, 3, 4, 5, 6, 7
FOUND = 8

EQUAL = 1e-9
"""By how much a pairing must be better than one before it: of those that symmetry makes equal the
first is kept, not the one that rounding favours."""

OVERHEAD = 400.0
"""Pairs of sites that take as long to compare as all else about a pairing."""
ROWS = 8
"""Sites that are looked at for a partner in the time that a pairing takes for a pair of sites."""


class Question(NamedTuple):
    """Two crystals to be matched, as the search takes them.

    Attributes:
        n: Sites of either, once the base is laid out as a supercell.
        n_base: Sites of the base.
        fu: Cells of the base in its supercell.
        base_is_1: Whether crystal 1 is the base, else crystal 2.
        base: Fractional coordinates of the base in its own cell, (n_base, 3).
        target: Lattice parameters of the target, (6,) in Å and degrees.
        pivot: The site of crystal 2 that is laid onto others.
        starts: Where the species start among the sorted sites of crystal 1, (257,).
        tolerances: ``ltol``, ``stol``, ``angle_tol``.
        use_rms: Whether the rms decides, else the largest distance.
        first: Whether the first match ends the search.
        turns: Rotations of the base under which mappings are equivalent.
        blur: Their error as a distance in Å; 0 if there is but one.
        slack: Their error as a cosine of an angle.
    """

    n: int
    n_base: int
    fu: int
    base_is_1: bool
    base: np.ndarray
    target: np.ndarray
    pivot: int
    starts: np.ndarray
    tolerances: tuple[float, float, float]
    use_rms: bool
    first: bool
    turns: int
    blur: float
    slack: float


@kernel
def _keep_better(n, shift, use_rms, normalization, space, outcome):
    """Note the pairing just made if it is the best so far. True if it is."""
    total, largest = 0.0, 0.0
    for i in range(n):
        d = space.distances[0, i]
        total += d * d
        largest = max(largest, d)
    rms = math.sqrt(total) / math.sqrt(n)
    value = rms if use_rms else largest
    if not value < outcome[VALUE] - EQUAL:
        return False
    outcome[VALUE], outcome[RMS], outcome[LARGEST] = value, rms, largest
    outcome[LENGTH] = 1.0 / normalization
    for i in range(n):
        space.integers[BEST_PAIRS, i] = space.integers[PAIRS, i]
    copy_rows(space.small[STEPS], 3, space.small[BEST_STEPS])
    for x in range(3):
        space.small[VECTORS, 2, x] = shift[x]
    return True


@kernel
def _surely_no_better(n, shift, stol, normalization, blur, space, outcome):
    """Whether no pairing at a shift is kept, nor at an equivalent one; see ``apart.py``."""
    limit = min(stol, outcome[VALUE] - EQUAL) / normalization
    return surely_apart(n, shift, limit, blur, space)


@kernel
def try_translations(question, cost, space, outcome):
    """Lay the pivot onto every site of its kind; True if the search may end.

    Args:
        question: See :class:`Question`.
        cost: What it costs to ask ``averages.py`` whether that is of any use; NEVER if it must not
            be asked.
        space: Workspace with both crystals in ``sites`` and their average cell.
        outcome: What was found so far; see the constants of this module.
    """
    n, pivot, starts, blur = question.n, question.pivot, question.starts, question.blur
    stol = question.tolerances[1]
    stride = question.fu if question.base_is_1 else 1
    sites, small = space.sites, space.small
    normalization = (n / volume(small[AVERAGE])) ** (1 / 3)
    tolerance = small[VECTORS, 1]
    if not reciprocal_lengths(small[AVERAGE], small[0], small[1], tolerance):
        return False
    wider = small[WIDER, 0]
    for x in range(3):
        wider[x] = tolerance[x] * (stol / normalization + blur / 2) / math.pi
        tolerance[x] = tolerance[x] * stol / (math.pi * normalization)
    order = space.codes[2]
    begins = space.tally[BEGINS]
    lay_columns(sites[S1], order, space.codes[0], n, begins, space.columns)
    space.work[1] += n
    others = Columns(space.codes[1], starts, begins, space.columns, wider)
    exact = Columns(space.codes[1], starts, begins, space.columns, tolerance)
    reduced, tried = False, 0
    shift = small[SHIFT, 0]
    code = space.codes[1, pivot]
    rank, suspect = starts[code] - stride, 0
    while True:
        ranks = rank + stride, starts[code + 1], stride
        rank, suspect = next_translation(
            sites[S2], sites[S1], order, ranks, pivot, others, n, suspect, shift
        )
        passed = (rank if rank >= 0 else starts[code + 1]) - ranks[0]
        space.work[1] += passed / stride * n / ROWS
        if rank < 0:
            return False
        if cost <= 2 * (n * n + OVERHEAD) * (1 + tried):
            space.work[1] += cost
            cost = NEVER
            limit = min(stol, outcome[VALUE]) / normalization
            if not average_possible(question, limit + 2 * blur, space):
                return False
            space.vain[0] += 1
        tried += 1
        if not reduced:
            reduce_average(n, stol, normalization, space)
            if blur > 0.0:
                widen(2 * stol / normalization + blur, space)
            reduced = True
        outcome[PAIRINGS] += 1
        space.work[1] += n * n + OVERHEAD
        if space.work[1] > space.work[0]:
            return True
        if blur > 0.0:
            if _surely_no_better(n, shift, stol, normalization, blur, space, outcome):
                continue
            space.doubts[0] += 1
            if first_unpaired(sites[S2], shift, exact, n, suspect) >= 0:
                continue
        known = blur > 0.0 and small[TIES, 0, 0] == 0.0
        if not pair_sites(n, shift, normalization, min(stol, outcome[VALUE]), known, space):
            continue
        if not _keep_better(n, shift, question.use_rms, normalization, space, outcome):
            continue
        value = outcome[VALUE]
        if value < stol:
            outcome[MATCHES] += 1
            if question.first or value < 1e-5:
                return True
            # What symmetry makes equal to the best is no better.
            if blur > 0.0 and _surely_no_better(
                n, shift, stol, normalization, blur, space, outcome
            ):
                space.doubts[0] -= 1
