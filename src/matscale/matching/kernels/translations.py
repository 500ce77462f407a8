"""Whether any translation can lay one crystal onto another: a bound over all pairings of sites."""

from __future__ import annotations

import math

from matscale.matching.kernels.algebra import inverse
from matscale.matching.kernels.compiling import kernel
from matscale.matching.kernels.pairing import AVERAGE, MAXIMUM_CODES, S1, STEPS
from matscale.matching.kernels.periodic import FOLDED_BEGINS, Columns, first_unpaired
from matscale.matching.kernels.placements import ROWS

DEPTH = 4
"""How often the box of a translation is cut into eight before it counts as possible."""
SLACK = 1 + 1e-6
"""Far above rounding errors. A box too many costs time, one too few would cost a match."""

HALVES = 22
"""The workspace's ``small`` matrix that is used here, beside 0 and 1 as scratch."""
BASE_STARTS, CHILD, SUSPECT = 2, 5, 6
"""Rows of the workspace's ``tally`` that are used here."""


@kernel
def translation_possible(question, limit, space):
    """Whether some translation brings each site of the target near a site of the base.

    If there is none, no pairing of the sites can match. Proof. Let a pairing have displacements
    v_i, and let c be their mean. It matches if all |v_i - c| < limit. Then the translation c on
    top of the one that was tried brings each site of the target within ``limit`` of a site of its
    species: for the pivot that is one of the few sites of the base. A displacement d changes the
    fractional coordinate k by d.b_k, which is at most |d| |b_k| with the reciprocal vector b_k; so
    the translation lies in a box around one that lays the pivot onto a site of the base, and in
    that box all coordinates of each site agree with a partner's within the same tolerance. A box
    in which some site has no partner within tolerance plus half the box's edge holds no such
    translation; others are cut into eight, ``DEPTH`` times.

    Sites are compared in fractions of the base's cell, in the average lattice. Its supercell need
    not be laid out for that.

    Args:
        question: What is to be matched, see :class:`matscale.matching.kernels.placements.Question`.
        limit: Distance in Å that is too far.
        space: Workspace with the average cell, the steps from the base to it, the target's sites,
            and the base's fractional coordinates in ``folded`` as from
            :func:`matscale.matching.kernels.periodic.lay_columns`; ``laid`` receives the target in
            the base's fractions.
    """
    n, steps, average = question.n, space.small[STEPS], space.small[AVERAGE]
    crystal = 1 if question.base_is_1 else 0
    target, codes = space.sites[S1 + crystal], space.codes[crystal]
    pivot = question.pivot
    while codes[pivot] != space.codes[1, question.pivot]:
        pivot = (pivot + 1) % n
    small, laid = space.small, space.laid
    if not inverse(average, small[0], small[1]):
        return True
    halves = small[HALVES, 0]
    for k in range(3):
        square = 0.0
        for x in range(3):
            component = 0.0
            for y in range(3):
                component += small[1, x, y] * steps[y, k]
            square += component * component
        halves[k] = math.sqrt(square) * limit * SLACK
    for i in range(n):
        for k in range(3):
            laid[i, k] = (
                target[i, 0] * steps[0, k] + target[i, 1] * steps[1, k] + target[i, 2] * steps[2, k]
            )
    starts, folded, shift = space.tally[BASE_STARTS], space.folded, small[HALVES, 1]
    space.tally[SUSPECT, : DEPTH + 1] = 0
    code = codes[pivot]
    begin = space.tally[FOLDED_BEGINS, code]
    for j in range(begin, begin + starts[code + 1] - starts[code]):
        for x in range(3):
            shift[x] = folded[x, j] - laid[pivot, x]
        if _possible_near(n, codes, starts, space):
            return True
    return False


@kernel
def _possible_near(n, codes, starts, space):
    """Whether the box around ``small[HALVES, 1]`` may hold a translation; depth first."""
    halves, shift, centre = space.small[HALVES, 0], space.small[HALVES, 1], space.small[HALVES, 2]
    tolerance = space.small[1, 0]
    child, suspect = space.tally[CHILD], space.tally[SUSPECT]
    others = Columns(codes, starts, space.tally[FOLDED_BEGINS], space.folded, tolerance)
    child[0] = 6
    depth = 0
    while depth >= 0:
        child[depth] += 1
        if child[depth] > 7:
            depth -= 1
            continue
        for x in range(3):
            centre[x] = shift[x]
        half = 1.0
        for level in range(1, depth + 1):
            half /= 2
            for x in range(3):
                centre[x] += halves[x] * (half if child[level] >> x & 1 else -half)
        for x in range(3):
            tolerance[x] = (1 + half) * halves[x]
        alone = first_unpaired(space.laid, centre, others, n, suspect[depth])
        # Sites are looked at one after another until one has no partner.
        space.work[1] += (n if alone < 0 else 1.0) * (1 + starts[MAXIMUM_CODES] / ROWS)
        if space.work[1] > space.work[0]:
            return True
        if alone >= 0:
            suspect[depth] = alone
        elif depth == DEPTH:
            return True
        else:
            depth += 1
            child[depth] = -1
    return False
