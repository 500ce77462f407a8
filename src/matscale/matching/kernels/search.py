"""Matching of prepared crystals, pair by pair, cheap tests first."""

from __future__ import annotations

import numpy as np
from numba import types

from matscale.matching.kernels.bounds import lengths_possible
from matscale.matching.kernels.compiling import Routine, allocating, kernel
from matscale.matching.kernels.pairing import BEST_PAIRS
from matscale.matching.kernels.placements import (
    EQUAL,
    FOUND,
    LARGEST,
    LENGTH,
    MAPPINGS,
    MATCHES,
    PAIRINGS,
    RMS,
    SWAPPED,
)
from matscale.matching.kernels.strict import (
    MATCH,
    NO_MATCH,
    TOO_LARGE,
    match_cells,
    supercell_sizes,
)
from matscale.matching.kernels.workspace import MAX_SITES, SPACE
from matscale.structures.chemistry import UNKNOWN_ELEMENT_DISTANCE

COMPOSITION, SITES, VOLUME, LATTICE = 3, 4, 5, 6
"""Why a pair was refused without a search; NO_MATCH, MATCH and TOO_LARGE come from the kernel."""
STATUSES = 7

DIRECT, FRAMEWORK, ANONYMOUS = 0, 1, 2
MAXIMUM_CODES = 256


@kernel
def _refused(first, i, second, j, scale, supercell, ltol):
    """Why a pair cannot match, or NO_MATCH if it must be searched.

    Sites: a supercell of the base must have as many sites as the target. Volume and lattice: see
    ``bounds.py``; without scaling the base's supercell has ``fu`` times its volume.
    """
    n_1, n_2 = first.sizes[i], second.sizes[j]
    if n_1 == 0 or n_2 == 0:
        return SITES
    if max(n_1, n_2) > MAX_SITES:
        return TOO_LARGE
    fu, base_is_1 = supercell_sizes(n_1, n_2) if supercell else (1, True)
    if (n_1 * fu != n_2) if base_is_1 else (n_2 * fu != n_1):
        return SITES
    base, target = (first.volumes[i], second.volumes[j])
    if not base_is_1:
        base, target = target, base
    bounds = second.bounds[j] if base_is_1 else first.bounds[i]
    if not scale and not bounds[0] <= base * fu <= bounds[1]:
        return VOLUME
    ratio = (target / (base * fu)) ** (1 / 3) if scale else 1.0
    minima = first.minima[i] if base_is_1 else second.minima[j]
    parameters = second.parameters[j] if base_is_1 else first.parameters[i]
    if not lengths_possible(minima, parameters, ltol, ratio):
        return LATTICE
    return NO_MATCH


@kernel
def _same_composition(codes_1, codes_2, counts):
    """Whether two lists of species have the same reduced composition; ``counts`` is scratch."""
    for code in codes_1:
        counts[code] = 0
    for code in codes_2:
        counts[code] = 0
    for code in codes_1:
        counts[code] += len(codes_2)
    for code in codes_2:
        counts[code] -= len(codes_1)
    for code in codes_1:
        if counts[code] != 0:
            return False
    different = 0
    for code in codes_2:
        different += counts[code] != 0
    return different == 0


@kernel
def _species(codes, species, counts):
    """Species in the order of their first site and how many sites each has; their number."""
    known = 0
    for code in codes:
        kind = 0
        while kind < known and species[kind] != code:
            kind += 1
        if kind == known:
            species[known], counts[known] = code, 0
            known += 1
        counts[kind] += 1
    return known


@kernel
def _anonymous_match(
    cell_1, frac_1, codes_1, marks_1, errors_1, cell_2, frac_2, codes_2, marks_2, errors_2, scale,
    supercell, tolerances, use_rms, first, space, outcome, element_map,
):  # fmt: skip
    """Try every one-to-one map of elements that makes the compositions agree.

    As ``StructureMatcher._anonymous_match``: elements of crystal 1 in the order of their first
    sites, permutations of those of crystal 2 in lexicographic order. The best map is kept, or the
    first if ``first``.
    """
    outcome[:] = 0.0
    outcome[0] = np.inf
    species_1, counts_1 = space.species[0], space.species[1]
    species_2, counts_2 = space.species[2], space.species[3]
    chosen, used, to_code = space.species[4], space.species[5], space.species[6]
    current, mapped = space.current[:FOUND], space.mapped[: len(codes_1)]
    k = _species(codes_1, species_1, counts_1)
    if k != _species(codes_2, species_2, counts_2):
        return COMPOSITION
    chosen[:k], used[:k] = -1, 0
    status = COMPOSITION
    depth = 0
    while depth >= 0:
        if depth == k:
            for entry in range(k):
                to_code[species_1[entry]] = species_2[chosen[entry]]
            for site in range(len(codes_1)):
                mapped[site] = to_code[codes_1[site]]
            answer = match_cells(
                cell_1, frac_1, mapped, marks_1, errors_1, cell_2, frac_2, codes_2, marks_2,
                errors_2, scale, supercell, tolerances, use_rms, first, space, current,
            )  # fmt: skip
            if answer < 0:
                return answer
            if answer == TOO_LARGE:
                # So are all further maps. Under an earlier one the crystals may match.
                return MATCH if status == MATCH else TOO_LARGE
            status = answer if status == COMPOSITION else max(status, answer)
            better = answer == MATCH and current[0] < outcome[0] - EQUAL
            if better:
                for entry in range(MAPPINGS):
                    outcome[entry] = current[entry]
                element_map[:] = -1
                for entry in range(k):
                    element_map[species_1[entry]] = species_2[chosen[entry]]
            for entry in range(MAPPINGS, FOUND):
                outcome[entry] += current[entry]
            if answer == MATCH and first:
                return MATCH
            depth -= 1
            continue
        if chosen[depth] >= 0:
            used[chosen[depth]] = 0
        candidate = chosen[depth] + 1
        while candidate < k and (
            used[candidate] or counts_1[depth] * len(codes_2) != counts_2[candidate] * len(codes_1)
        ):
            candidate += 1
        if candidate == k:
            chosen[depth] = -1
            depth -= 1
            continue
        chosen[depth] = candidate
        used[candidate] = 1
        depth += 1
    return status


def _status_from_one(
    cell_1, frac_1, codes_1, marks_1, errors_1, cell_2, frac_2, codes_2, marks_2, errors_2, scale,
    supercell, tolerances, use_rms, first, space, outcome, element_map,
):  # fmt: skip
    """The status plus one: a routine that fails returns 0."""
    return 1 + _anonymous_match(
        cell_1, frac_1, codes_1, marks_1, errors_1, cell_2, frac_2, codes_2, marks_2, errors_2,
        scale, supercell, tolerances, use_rms, first, space, outcome, element_map,
    )  # fmt: skip


_MATRIX, _CODES = types.float64[:, ::1], types.int64[::1]
_CRYSTAL = (_MATRIX, _MATRIX, _CODES, types.int16[::1], types.float64[::1])
ANONYMOUS_MATCH = Routine(
    "the search over maps of elements",
    1,
    types.int64(
        *_CRYSTAL, *_CRYSTAL, types.boolean, types.boolean, types.UniTuple(types.float64, 3),
        types.boolean, types.boolean, SPACE, types.float64[::1], _CODES,
    ),
    _status_from_one,
    on_demand=True,
    _nrt=False,
)  # fmt: skip
_call_anonymous_match = ANONYMOUS_MATCH.call


@kernel
def plain_pair(
    first, i, second, j, mode, scale, supercell, tolerances, use_rms, keep_first, space, outcome
):
    """Match crystal ``i`` of the first set with ``j`` of the second by elements or without."""
    a, b = first.offsets[i], second.offsets[j]
    n_1, n_2 = first.sizes[i], second.sizes[j]
    codes_1, codes_2 = first.codes[a : a + n_1], second.codes[b : b + n_2]
    if mode == DIRECT and n_1 and n_2 and not _same_composition(codes_1, codes_2, space.tally[0]):
        return COMPOSITION
    refused = _refused(first, i, second, j, scale, supercell, tolerances[0])
    if refused != NO_MATCH:
        return refused
    if mode == FRAMEWORK:
        codes_1, codes_2 = space.zeros[:n_1], space.zeros[:n_2]
    frac_1, frac_2 = first.frac[a : a + n_1], second.frac[b : b + n_2]
    return match_cells(
        first.cells[i], frac_1, codes_1, first.rotations[i], first.errors[i], second.cells[j],
        frac_2, codes_2, second.rotations[j], second.errors[j], scale, supercell, tolerances,
        use_rms, keep_first, space, outcome,
    )  # fmt: skip


@kernel
def _anonymous_pair(
    first, i, second, j, scale, supercell, tolerances, use_rms, keep_first, space, outcome,
    element_map,
):  # fmt: skip
    """Match crystal ``i`` of the first set with ``j`` of the second under any element map."""
    refused = _refused(first, i, second, j, scale, supercell, tolerances[0])
    if refused != NO_MATCH:
        return refused
    a, b = first.offsets[i], second.offsets[j]
    n_1, n_2 = first.sizes[i], second.sizes[j]
    return -1 + _call_anonymous_match(
        space.addresses[1],
        (
            first.cells[i], first.frac[a : a + n_1], first.codes[a : a + n_1], first.rotations[i],
            first.errors[i], second.cells[j], second.frac[b : b + n_2], second.codes[b : b + n_2],
            second.rotations[j], second.errors[j], scale, supercell, tolerances, use_rms,
            keep_first, space, outcome, element_map,
        ),
    )  # fmt: skip


@kernel
def _one_way(
    first, i, second, j, mode, scale, supercell, tolerances, use_rms, keep_first, space, outcome,
    element_map,
):  # fmt: skip
    if mode == ANONYMOUS:
        return _anonymous_pair(
            first, i, second, j, scale, supercell, tolerances, use_rms, keep_first, space, outcome,
            element_map,
        )  # fmt: skip
    return plain_pair(
        first, i, second, j, mode, scale, supercell, tolerances, use_rms, keep_first, space, outcome
    )


@kernel
def _pair(
    first, i, second, j, mode, scale, supercell, tolerances, use_rms, keep_first, symmetric, space,
    outcome, element_map,
):  # fmt: skip
    """Match two crystals; with ``symmetric`` only if the second also matches the first."""
    outcome[:] = 0.0
    space.work[1] = 0.0
    if symmetric:
        status = _one_way(
            second, j, first, i, mode, scale, supercell, tolerances, use_rms, symmetric, space,
            outcome, element_map,
        )  # fmt: skip
        if status != MATCH:
            return status
        outcome[:] = 0.0
    return _one_way(
        first, i, second, j, mode, scale, supercell, tolerances, use_rms, keep_first, space,
        outcome, element_map,
    )  # fmt: skip


@kernel
def _exchange_cost(first, i, second, j, swapped, pettifor, space):
    """Mean distance of the elements that the last match pairs, on the modified Pettifor scale.

    Whole numbers are added, so equal costs are equal to the last bit.
    """
    a, b = first.offsets[i], second.offsets[j]
    n = max(first.sizes[i], second.sizes[j])
    total = 0
    for k in range(n):
        site_1, site_2 = space.integers[BEST_PAIRS, k], k
        if swapped:
            site_1, site_2 = site_2, site_1
        one = first.codes[a + site_1 // (n // first.sizes[i])]
        other = second.codes[b + site_2 // (n // second.sizes[j])]
        if pettifor[one] >= 0 and pettifor[other] >= 0:
            total += abs(pettifor[one] - pettifor[other])
        elif one != other:
            total += UNKNOWN_ELEMENT_DISTANCE
    return total / n


@allocating
def match_rows(
    first, rows_1, second, rows_2, mode, scale, supercell, tolerances, use_rms, keep_first,
    symmetric, pettifor, space, status, values, maps,
):  # fmt: skip
    """Match given pairs.

    Args:
        first: Prepared crystals.
        rows_1: Rows of the first set, (p,).
        second: Prepared crystals.
        rows_2: Rows of the second set, (p,).
        mode: DIRECT, FRAMEWORK or ANONYMOUS.
        scale: Whether to bring crystals to the same volume first.
        supercell: Whether one may be a supercell of the other.
        tolerances: ``ltol``, ``stol``, ``angle_tol``.
        use_rms: Whether the rms decides, else the largest distance.
        keep_first: Whether to keep the first match instead of the best.
        symmetric: Whether the second must match the first as well.
        pettifor: Modified Pettifor number by atomic number, -1 for none, (256,).
        space: Workspace for the largest crystal.
        status: Receives MATCH, NO_MATCH or why there was no search, (p,) int8.
        values: Receives rms and largest distance in units of (V/n)^(1/3), that length in Å, and
            numbers of mappings, pairings and of successive best matches, this one negative where
            the search was given up later, and in FRAMEWORK what the exchange of elements costs,
            (p, 7).
        maps: Receives the element map by atomic number, -1 where there is none, (p, 256) int16;
            (0, 256) outside of ANONYMOUS.
    """
    outcome = np.empty(FOUND)
    element_map = np.full(MAXIMUM_CODES, -1, np.int64)
    for p in range(len(rows_1)):
        status[p] = _pair(
            first, rows_1[p], second, rows_2[p], mode, scale, supercell, tolerances, use_rms,
            keep_first, symmetric, space, outcome, element_map,
        )  # fmt: skip
        if status[p] < 0:
            raise RuntimeError("a search for a match failed; see the error above")
        values[p, :] = np.nan
        if status[p] == MATCH:
            values[p, 0], values[p, 1] = outcome[RMS], outcome[LARGEST]
            values[p, 2] = outcome[LENGTH]
            if mode == FRAMEWORK:
                values[p, 6] = _exchange_cost(
                    first, rows_1[p], second, rows_2[p], outcome[SWAPPED] > 0, pettifor, space
                )
            if mode == ANONYMOUS:
                for code in range(MAXIMUM_CODES):
                    maps[p, code] = element_map[code]
        values[p, 3], values[p, 4] = outcome[MAPPINGS], outcome[PAIRINGS]
        cut = space.work[1] > space.work[0]
        values[p, 5] = -outcome[MATCHES] if cut else outcome[MATCHES]


@allocating
def group_rows(
    crystals, rows, mode, scale, supercell, tolerances, symmetric, space, label, representatives,
    known, counts, undecided,
):  # fmt: skip
    """Group crystals as ``StructureMatcher.group_structures``: by the first that they match.

    Args:
        crystals: Prepared crystals.
        rows: Rows to group, in order, (p,).
        mode: As for :func:`match_rows`, as are ``scale`` to ``space``.
        scale: Whether to bring crystals to the same volume first.
        supercell: Whether one may be a supercell of the other.
        tolerances: ``ltol``, ``stol``, ``angle_tol``.
        symmetric: Whether both must match each other.
        space: Workspace for the largest crystal.
        label: Receives the row of each crystal's representative, -1 for none, (p,).
        representatives: Rows of crystals that stand for groups, in order. Where there is room
            behind those that are known, a crystal that matches none is added, (known + p,);
            where there is none, (known,), it is not.
        known: Number of representatives at first.
        counts: Pairs by status are added to it, (7,).
        undecided: Receives which pairs were given up as too large, by the places of the
            representative and of the crystal, (known + p, p) or (known, p) bool; others stay.

    Returns:
        Number of representatives in the end.
    """
    outcome = np.empty(FOUND)
    element_map = np.full(MAXIMUM_CODES, -1, np.int64)
    for rank, row in enumerate(rows):
        label[rank] = -1
        for g in range(known):
            status = _pair(
                crystals, representatives[g], crystals, row, mode, scale, supercell, tolerances,
                False, True, symmetric, space, outcome, element_map,
            )  # fmt: skip
            if status < 0:
                raise RuntimeError("a search for a match failed; see the error above")
            counts[status] += 1
            if status == TOO_LARGE:
                undecided[g, rank] = True
            if status == MATCH:
                label[rank] = representatives[g]
                break
        if label[rank] < 0 and known < len(representatives):
            label[rank] = row
            representatives[known] = row
            known += 1
    return known
