"""Going through the lattice mappings of two crystals, equivalent ones once.

In pymatgen's order: points that may stand for a, for each of them b, for these c. Where the base
has rotations, a point that one of them turns into an earlier point poses the earlier one's
question again; if all that was tried there surely failed, it is passed over.
"""

from __future__ import annotations

import math

from matscale.matching.kernels.algebra import volume
from matscale.matching.kernels.averages import (
    NEVER,
    NOTHING_KEPT,
    average_possible,
    cost_of_averages,
)
from matscale.matching.kernels.compiling import kernel
from matscale.matching.kernels.lattices import (
    LIMITS,
    SHELLS,
    angle_agrees,
    angle_at_limit,
    any_at_limit,
    candidates,
    choose,
    cosine_limits,
    directions,
    gather_steps,
    mark_supercells,
)
from matscale.matching.kernels.pairing import (
    ALIGNED,
    AVERAGE,
    S1,
    S2,
    STEPS,
    average_cell,
    lay_base,
)
from matscale.matching.kernels.placements import (
    MAPPINGS,
    OVERHEAD,
    ROWS,
    VALUE,
    Question,
    try_translations,
)
from matscale.matching.kernels.rotations import (
    fence,
    find_rotations,
    keeping,
    note,
    turned_before,
    unpack,
)
from matscale.matching.kernels.translations import translation_possible
from matscale.matching.kernels.workspace import MAX_MASKED

BASE_CELL = 14
"""The workspace's ``small`` matrix that holds the cell of the base; the next, its spacings."""
TYPICAL = 0.45
"""Root mean square distance of any point to the nearest site of a crystal, about, in units of
(V/n)^(1/3): on average no crystals are farther apart."""
EARLY = 4.0
"""Pairs of sites that are compared for each pair of sites, about, before translations are ruled out
one by one where there is one for each site."""
ROUNDING = 1e-11
"""Far above errors of rounding in a distance, in units of (V/n)^(1/3), and far below what makes one
pairing better than another."""
WORTH_ROTATIONS = 8
"""Triples of points from which it is worth while to find out about rotations."""


@kernel
def _rotations(question, codes, marks, errors, space):
    """Rotations of the base under which mappings are equivalent, into ``space``; their number.

    With the base as crystal 1 the pivot of the target is laid onto each of its sites, so that all
    rotations do. With the base as crystal 2 its pivot must stay where it is.
    """
    if marks[0] == 0:
        find_rotations(space.small[BASE_CELL], question.base, codes, space, marks, errors)
    fence()
    if space.nearest[0] < 2 * errors[1]:
        return 1
    count = marks[0] if question.base_is_1 else marks[1]
    for turn in range(count):
        unpack(marks[2 + turn], space.rotations[turn])
        space.which[0, turn] = turn
    return count


@kernel
def _points_within(cell, spacings, lengths, ltol):
    """About as many lines and points of a lattice as a search for its candidates goes through."""
    reach = max(lengths[0], max(lengths[1], lengths[2])) * (1 + ltol) + 1
    lines = (reach / spacings[0] + 1) * (reach / spacings[1] + 1)
    return 2 * lines + 2 * math.pi / 3 * reach**3 / volume(cell)


@kernel
def search_mappings(question, codes, marks, errors, space, outcome):
    """Try all mappings of the base onto the target, or until a match if the first one will do.

    Args:
        question: What is to be matched; its last three fields are filled in here.
        codes: Species of the base, (n_base,).
        marks: Rotations of the base, see ``rotations.py``; found if they are not known yet.
        errors: Their errors, likewise.
        space: Workspace with the cell of the base and the target's sites.
        outcome: Receives what was found.

    Returns:
        False if there are more lattice points or pairings than the search can hold or wait for.
    """
    counts, limits = space.tally[SHELLS], space.small[LIMITS]
    ltol, _, atol = question.tolerances
    target, spacings = question.target, space.small[BASE_CELL + 1, 0]
    for s in range(3):
        cosine_limits(target[3 + s], atol, limits[s])
    space.work[1] += OVERHEAD + _points_within(space.small[BASE_CELL], spacings, target, ltol)
    # As it may not be a number.
    if not space.work[1] <= space.work[0]:
        return False
    if not candidates(space.small[BASE_CELL], spacings, target, ltol, space, counts):
        return False
    if min(counts[0], counts[1], counts[2]) == 0:
        return True
    directions(space, counts)
    space.vain[:] = 0
    space.grid[3] = NOTHING_KEPT
    turns, blur = 1, 0.0
    triples = counts[0] * counts[1] * counts[2]
    if triples > WORTH_ROTATIONS and question.n <= MAX_MASKED:
        turns = _rotations(question, codes, marks, errors, space)
        if turns > 1:
            edge = (volume(space.small[BASE_CELL]) / question.n_base) ** (1 / 3)
            blur = (3 * errors[0] + 8 * errors[1] + ROUNDING) * edge
    question = Question(
        question.n, question.n_base, question.fu, question.base_is_1, question.base, target,
        question.pivot, question.starts, question.tolerances, question.use_rms, question.first,
        turns, blur, 8 * errors[1] + 1e-9,
    )  # fmt: skip
    noted = 0
    for i in range(counts[0]):
        a = space.shells[0, i]
        space.work[1] += counts[1] + counts[2] + turns * noted / ROWS
        if space.work[1] > space.work[0]:
            break
        if turns > 1 and turned_before(space, a, 0, turns, noted):
            continue
        doubts = space.doubts[0]
        if _try_first(question, i, counts, space, outcome):
            break
        if turns > 1 and space.doubts[0] == doubts:
            noted = note(space, a, 0, noted)
    return space.work[1] <= space.work[0]


@kernel
def _try_first(question, i, counts, space, outcome):
    """Try all mappings with point ``i`` of the first shell as a; True if the search may end."""
    limits, target, atol = space.small[LIMITS], question.target, question.tolerances[2]
    a, turns = space.shells[0, i], 1
    if question.turns > 1:
        turns = keeping(space, a, 0, question.turns)
        for s in range(1, 3):
            if any_at_limit(space, s, counts[s], i, limits[3 - s], question.slack):
                space.doubts[0] += 1
    n_b = choose(space, 1, counts[1], i, limits[2], target[5], atol, 3)
    if n_b == 0:
        return False
    n_c = choose(space, 2, counts[2], i, limits[1], target[4], atol, 4)
    gather_steps(space, 4, n_c)
    noted = 0
    for j in range(n_b):
        b = space.shells[3, j]
        space.work[1] += n_c + turns * noted / ROWS
        if space.work[1] > space.work[0]:
            return True
        if turns > 1 and turned_before(space, b, 1, turns, noted):
            continue
        if mark_supercells(space, a, b, n_c, float(question.fu)) == 0:
            continue
        doubts = space.doubts[0]
        if _try_second(question, a, b, n_c, turns, space, outcome):
            return True
        if turns > 1 and space.doubts[0] == doubts:
            noted = note(space, b, 1, noted)
    return False


@kernel
def _try_second(question, a, b, n_c, turns, space, outcome):
    """Try all mappings with points ``a`` and ``b``; True if the search may end."""
    limits, target = space.small[LIMITS, 0], question.target
    if turns > 1:
        turns = keeping(space, b, 1, turns)
    noted = 0
    for k in range(n_c):
        if not space.hits[k]:
            continue
        c = space.shells[4, k]
        if question.turns > 1 and angle_at_limit(space, b, c, limits, question.slack):
            space.doubts[0] += 1
        if not angle_agrees(space, b, c, limits, target[3], question.tolerances[2]):
            continue
        space.work[1] += turns * noted / ROWS
        if turns > 1 and turned_before(space, c, 2, turns, noted):
            continue
        doubts = space.doubts[0]
        outcome[MAPPINGS] += 1
        space.work[1] += OVERHEAD
        if _try_mapping(question, (a, b, c), space, outcome):
            return True
        if space.work[1] > space.work[0]:
            return True
        if turns > 1 and space.doubts[0] == doubts:
            noted = note(space, c, 2, noted)
    return False


@kernel
def _try_mapping(question, triple, space, outcome):
    """Lay the base into the cell that three points span; True if the search may end."""
    small, n = space.small, question.n
    aligned, steps = small[ALIGNED], small[STEPS]
    for row in range(3):
        for x in range(3):
            aligned[row, x] = space.points[triple[row], x]
            steps[row, x] = space.steps[triple[row], x]
    average_cell(aligned, question.target, space)
    # Without a supercell the bounds cost what they save.
    cost = NEVER
    if question.fu > 1:
        edge = (volume(small[AVERAGE]) / n) ** (1 / 3)
        stol = question.tolerances[1]
        if not question.use_rms:
            if not translation_possible(question, stol * edge + question.blur, space):
                return False
        elif stol < TYPICAL:
            cost = cost_of_averages(question, space) * (1 + space.vain[0])
            translations = question.n_base if question.base_is_1 else n
            if cost <= EARLY * n * translations:
                space.work[1] += cost
                cost = NEVER
                limit = min(stol, outcome[VALUE]) * edge
                if not average_possible(question, limit + 2 * question.blur, space):
                    return False
                space.vain[0] += 1
    laid = space.sites[S1] if question.base_is_1 else space.sites[S2]
    if not lay_base(question.n_base, question.fu, question.base, steps, aligned, space, laid):
        space.doubts[0] += 1
        return False
    return try_translations(question, cost, space, outcome)
