"""Matching of two crystals: the search of pymatgen's ``StructureMatcher._strict_match``.

The base crystal, as a supercell of ``fu`` of its cells, is laid onto the cell of the target in
every way that the tolerances of lengths and angles allow; each time an atom of the rarest species
is laid onto every atom of its kind; sites are paired at the smallest sum of squared distances, and
the mean displacement is taken off. What is left, in units of (V/n)^(1/3), must be below ``stol``.
"""

from __future__ import annotations

import math

import numpy as np

from matscale.matching.algebra import (
    copy_rows,
    each_row_times,
    parameters,
    reciprocal_lengths,
    volume,
)
from matscale.matching.compiling import kernel
from matscale.matching.lattices import (
    LIMITS,
    SHELLS,
    angle_agrees,
    candidates,
    choose,
    cosine_limits,
    directions,
    gather_steps,
    mark_supercells,
)
from matscale.matching.pairing import (
    ALIGNED,
    AVERAGE,
    BASE,
    BEST_PAIRS,
    BEST_STEPS,
    PAIRS,
    S1,
    S2,
    VECTORS,
    average_cell,
    lay_base,
    pair_sites,
    reduce_average,
    sort_by_species,
)
from matscale.matching.periodic import first_unpaired

NO_MATCH, MATCH, TOO_LARGE = 0, 1, 2

STEPS, SHIFT = 17, 18
"""Matrices of the workspace's ``small`` that are used here; 20 and 21 hold scaled cells."""

# What a search reports, by place in its ``found`` array.
VALUE, RMS, LARGEST, LENGTH, MAPPINGS, PAIRINGS, MATCHES = 0, 1, 2, 3, 4, 5, 6
FOUND = 7


@kernel
def _keep_better(n, shift, use_rms, normalization, steps, space, found):
    """Note the pairing just made if it is the best so far. True if it is."""
    total, largest = 0.0, 0.0
    for i in range(n):
        d = space.distances[0, i]
        total += d * d
        largest = max(largest, d)
    rms = math.sqrt(total) / math.sqrt(n)
    value = rms if use_rms else largest
    if not value < found[VALUE]:
        return False
    found[VALUE], found[RMS], found[LARGEST] = value, rms, largest
    found[LENGTH] = 1.0 / normalization
    for i in range(n):
        space.integers[BEST_PAIRS, i] = space.integers[PAIRS, i]
    copy_rows(steps, 3, space.small[BEST_STEPS])
    for x in range(3):
        space.small[VECTORS, 2, x] = shift[x]
    return True


@kernel
def _try_translations(n, pivot, stride, stol, use_rms, first, steps, starts, space, found):
    """Lay the pivot onto every site of its kind; True if the search may end."""
    sites, small = space.sites, space.small
    normalization = (n / volume(small[AVERAGE])) ** (1 / 3)
    tolerance = small[VECTORS, 1]
    if not reciprocal_lengths(small[AVERAGE], small[0], small[1], tolerance):
        return False
    for x in range(3):
        tolerance[x] = tolerance[x] * stol / (math.pi * normalization)
    order = space.codes[2]
    for place in range(n):
        for x in range(3):
            space.columns[x, place] = sites[S1, order[place], x]
    reduced = False
    suspect = 0
    shift = small[SHIFT, 0]
    code = space.codes[1, pivot]
    for place in range(starts[code], starts[code + 1], stride):
        j = order[place]
        for x in range(3):
            shift[x] = sites[S1, j, x] - sites[S2, pivot, x]
        alone = first_unpaired(
            sites[S2], shift, space.codes[1], starts, space.columns, n, tolerance, suspect
        )
        if alone >= 0:
            suspect = alone
            continue
        if not reduced:
            reduce_average(n, stol, normalization, space)
            reduced = True
        found[PAIRINGS] += 1
        if not pair_sites(n, shift, normalization, min(stol, found[VALUE]), space):
            continue
        if _keep_better(n, shift, use_rms, normalization, steps, space, found):
            value = found[VALUE]
            if value < stol:
                found[MATCHES] += 1
                if first or value < 1e-5:
                    return True
    return False


@kernel
def _search(
    base_is_1, n_base, fu, frac, target, pivot, tolerances, use_rms, first, starts, space, found
):
    """Go through the lattice mappings in pymatgen's order; False if there are too many points."""
    ltol, stol, atol = tolerances
    small, shells = space.small, space.shells
    n = n_base * fu
    counts, limits = space.tally[SHELLS], small[LIMITS]
    for s in range(3):
        cosine_limits(target[3 + s], atol, limits[s])
    if not candidates(small[14], small[15, 0], target, ltol, space, counts):
        return False
    if min(counts[0], counts[1], counts[2]) == 0:
        return True
    directions(space, counts)
    steps = small[STEPS]
    laid = space.sites[S1] if base_is_1 else space.sites[S2]
    stride = fu if base_is_1 else 1
    for i in range(counts[0]):
        a = shells[0, i]
        n_b = choose(space, 1, counts[1], i, limits[2], target[5], atol, 3)
        if n_b == 0:
            continue
        n_c = choose(space, 2, counts[2], i, limits[1], target[4], atol, 4)
        gather_steps(space, 4, n_c)
        for j in range(n_b):
            b = shells[3, j]
            if mark_supercells(space, a, b, n_c, float(fu)) == 0:
                continue
            for k in range(n_c):
                if not space.hits[k]:
                    continue
                c = shells[4, k]
                if not angle_agrees(space, b, c, limits[0], target[3], atol):
                    continue
                found[MAPPINGS] += 1
                for x in range(3):
                    small[ALIGNED, 0, x] = space.points[a, x]
                    small[ALIGNED, 1, x] = space.points[b, x]
                    small[ALIGNED, 2, x] = space.points[c, x]
                    steps[0, x] = space.steps[a, x]
                    steps[1, x] = space.steps[b, x]
                    steps[2, x] = space.steps[c, x]
                if not lay_base(n_base, fu, frac, steps, small[ALIGNED], space, laid):
                    continue
                average_cell(small[ALIGNED], target, space)
                if _try_translations(
                    n, pivot, stride, stol, use_rms, first, steps, starts, space, found
                ):
                    return True
    return True


@kernel
def _same_species(n, space, starts):
    """Whether both crystals hold as many sites of each species, and the pivot: else -1.

    The pivot is the first site of crystal 2 whose species is rarest.
    """
    counts = space.tally[1]
    counts[:] = 0
    for i in range(n):
        counts[space.codes[1, i]] += 1
    pivot, rarest = -1, n + 1
    for i in range(n):
        code = space.codes[1, i]
        if counts[code] != starts[code + 1] - starts[code]:
            return -1
        if counts[code] < rarest:
            pivot, rarest = i, counts[code]
    return pivot


@kernel
def strict_match(
    cell_1, frac_1, codes_1, cell_2, frac_2, codes_2, fu, base_is_1, tolerances, use_rms, first,
    space, found,
):  # fmt: skip
    """Match crystal 2 onto crystal 1, as ``StructureMatcher._strict_match``.

    Args:
        cell_1: Lattice vectors as rows, (3, 3) in Å.
        frac_1: Fractional coordinates, (n1, 3).
        codes_1: Species as integers from 0 to 255, (n1,); sites match if these are equal.
        cell_2: As for crystal 1.
        frac_2: As for crystal 1, (n2, 3).
        codes_2: As for crystal 1, (n2,).
        fu: Cells of the base that make up one cell of the target.
        base_is_1: Whether crystal 1 is the base, else crystal 2.
        tolerances: ``ltol``, ``stol``, ``angle_tol``.
        use_rms: Whether the rms decides, else the largest distance.
        first: Whether to keep the first match instead of the best.
        space: Workspace for n1 and n2 sites.
        found: Receives what was found, (7,): the deciding value, rms and largest distance in
            units of (V/n)^(1/3), that length in Å, and the numbers of mappings, of pairings made
            and of matches that were the best so far.

    Returns:
        NO_MATCH, MATCH or TOO_LARGE (more lattice points than the workspace holds). After a match
        ``space.integers[BEST_PAIRS]`` holds the site of crystal 1 for each of crystal 2,
        ``space.small[BEST_STEPS]`` the supercell of the base.
    """
    found[:] = 0.0
    found[VALUE] = np.inf
    n_1, n_2 = len(frac_1), len(frac_2)
    n_base, n = (n_1, n_2) if base_is_1 else (n_2, n_1)
    if n_base * fu != n:
        return NO_MATCH
    repeat_1, repeat_2 = (fu, 1) if base_is_1 else (1, fu)
    for i in range(n):
        space.codes[0, i] = codes_1[i // repeat_1]
        space.codes[1, i] = codes_2[i // repeat_2]
    starts = space.tally[0]
    sort_by_species(space.codes[0], n, starts, space.tally[1], space.codes[2])
    pivot = _same_species(n, space, starts)
    if pivot < 0:
        return NO_MATCH
    small = space.small
    base_cell, target_cell = (cell_1, cell_2) if base_is_1 else (cell_2, cell_1)
    base, laid = (frac_1, frac_2) if base_is_1 else (frac_2, frac_1)
    copy_rows(base_cell, 3, small[14])
    target = space.lattices[0]
    parameters(target_cell, target)
    if not reciprocal_lengths(base_cell, small[0], small[1], small[15, 0]):
        return NO_MATCH
    for x in range(3):
        small[15, 0, x] = 2 * math.pi / small[15, 0, x]
    each_row_times(base, n_base, base_cell, space.sites[BASE])
    other = space.sites[S2] if base_is_1 else space.sites[S1]
    copy_rows(laid, n, other)
    if not _search(
        base_is_1, n_base, fu, base, target, pivot, tolerances, use_rms, first, starts, space,
        found,
    ):  # fmt: skip
        return TOO_LARGE
    return MATCH if found[VALUE] < tolerances[1] else NO_MATCH


@kernel
def supercell_sizes(n_1, n_2):
    """Cells of one crystal in a cell of the other by number of sites, and which is the base.

    As ``StructureMatcher._get_supercell_size`` with ``num_sites``.
    """
    fu = n_2 / n_1
    if fu < 2 / 3:
        return int(np.rint(1 / fu)), False
    return int(np.rint(fu)), True


@kernel
def match_cells(
    cell_1, frac_1, codes_1, cell_2, frac_2, codes_2, scale, supercell, tolerances, use_rms, first,
    space, found,
):  # fmt: skip
    """Match two crystals in the cells given, as ``StructureMatcher._preprocess`` and ``_match``.

    Args:
        cell_1: As for :func:`strict_match`.
        frac_1: Likewise.
        codes_1: Likewise.
        cell_2: Likewise.
        frac_2: Likewise.
        codes_2: Likewise.
        scale: Whether to bring both to the same volume first.
        supercell: Whether one may be a supercell of the other.
        tolerances: As for :func:`strict_match`.
        use_rms: Likewise.
        first: Likewise.
        space: Likewise.
        found: Likewise.

    Returns:
        As :func:`strict_match`.
    """
    n_1, n_2 = len(frac_1), len(frac_2)
    fu, base_is_1 = supercell_sizes(n_1, n_2) if supercell else (1, True)
    times = float(fu) if base_is_1 else 1 / fu
    if scale:
        ratio = (volume(cell_2) / (volume(cell_1) * times)) ** (1 / 6)
        scaled_1, scaled_2 = space.small[20], space.small[21]
        for i in range(3):
            for k in range(3):
                scaled_1[i, k] = cell_1[i, k] * ratio
                scaled_2[i, k] = cell_2[i, k] / ratio
        cell_1, cell_2 = scaled_1, scaled_2
    if n_1 * times >= n_2:
        return strict_match(
            cell_1, frac_1, codes_1, cell_2, frac_2, codes_2, fu, base_is_1, tolerances, use_rms,
            first, space, found,
        )  # fmt: skip
    return strict_match(
        cell_2, frac_2, codes_2, cell_1, frac_1, codes_1, fu, not base_is_1, tolerances, use_rms,
        first, space, found,
    )  # fmt: skip
