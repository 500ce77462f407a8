"""Matching of two crystals: the search of pymatgen's ``StructureMatcher._strict_match``.

The base crystal, as a supercell of ``fu`` of its cells, is laid onto the cell of the target in
every way that the tolerances of lengths and angles allow; each time an atom of the rarest species
is laid onto every atom of its kind; sites are paired at the smallest sum of squared distances, and
the mean displacement is taken off. What is left, in units of (V/n)^(1/3), must be below ``stol``.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

from matscale.matching.kernels.algebra import (
    copy_rows,
    each_row_times,
    parameters,
    reciprocal_lengths,
    volume,
)
from matscale.matching.kernels.compiling import Routine, kernel
from matscale.matching.kernels.mapped import BASE_CELL, search_mappings
from matscale.matching.kernels.pairing import BASE, S1, S2, sort_by_species
from matscale.matching.kernels.periodic import FOLDED_BEGINS, lay_columns
from matscale.matching.kernels.placements import SWAPPED, VALUE, Question
from matscale.matching.kernels.translations import BASE_STARTS
from matscale.matching.kernels.workspace import SPACE

NO_MATCH, MATCH, TOO_LARGE = 0, 1, 2
FAILED = -1
"""What a search returns that raised an error; nobody but a fault of the program brings it about."""


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
def _strict_match(
    cell_1, frac_1, codes_1, marks_1, errors_1, cell_2, frac_2, codes_2, marks_2, errors_2, fu,
    base_is_1, tolerances, use_rms, first, space, outcome,
):  # fmt: skip
    """Match crystal 2 onto crystal 1, as ``StructureMatcher._strict_match``.

    Args:
        cell_1: Lattice vectors as rows, (3, 3) in Å.
        frac_1: Fractional coordinates, (n1, 3).
        codes_1: Species as integers from 0 to 255, (n1,); sites match if these are equal.
        marks_1: Rotations that leave the crystal unchanged, see ``rotations.py``; found if needed.
        errors_1: Their errors, likewise.
        cell_2: As for crystal 1.
        frac_2: As for crystal 1, (n2, 3).
        codes_2: As for crystal 1, (n2,).
        marks_2: As for crystal 1.
        errors_2: As for crystal 1.
        fu: Cells of the base that make up one cell of the target.
        base_is_1: Whether crystal 1 is the base, else crystal 2.
        tolerances: ``ltol``, ``stol``, ``angle_tol``.
        use_rms: Whether the rms decides, else the largest distance.
        first: Whether to keep the first match instead of the best.
        space: Workspace for n1 and n2 sites.
        outcome: Receives what was found, (8,): the deciding value, rms and largest distance in
            units of (V/n)^(1/3), that length in Å, and the numbers of mappings, of pairings made
            and of matches that were the best so far, and whether :func:`match_cells` has swapped
            the crystals.

    Returns:
        NO_MATCH, MATCH or TOO_LARGE (more lattice points than the workspace holds, more work for
        the pair than ``workspace.MOST_WORK``). After a match
        ``space.integers[BEST_PAIRS]`` holds the site of crystal 1 for each of crystal 2,
        ``space.small[BEST_STEPS]`` the supercell of the base.
    """
    outcome[:] = 0.0
    outcome[VALUE] = np.inf
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
    copy_rows(base_cell, 3, small[BASE_CELL])
    target = space.lattices[0]
    parameters(target_cell, target)
    if not reciprocal_lengths(base_cell, small[0], small[1], small[BASE_CELL + 1, 0]):
        return NO_MATCH
    for x in range(3):
        small[BASE_CELL + 1, 0, x] = 2 * math.pi / small[BASE_CELL + 1, 0, x]
    each_row_times(base, n_base, base_cell, space.sites[BASE])
    base_codes = codes_1 if base_is_1 else codes_2
    other = space.sites[S2] if base_is_1 else space.sites[S1]
    copy_rows(laid, n, other)
    if fu > 1 and not use_rms:
        order = space.integers[0]
        sort_by_species(base_codes, n_base, space.tally[BASE_STARTS], space.tally[1], order)
        lay_columns(base, order, base_codes, n_base, space.tally[FOLDED_BEGINS], space.folded)
    question = Question(
        n, n_base, fu, base_is_1, base, target, pivot, starts, tolerances, use_rms, first, 1, 0.0,
        0.0,
    )  # fmt: skip
    marks, errors = (marks_1, errors_1) if base_is_1 else (marks_2, errors_2)
    searched = search_mappings(question, base_codes, marks, errors, space, outcome)
    if outcome[VALUE] < tolerances[1]:
        return MATCH
    return NO_MATCH if searched else TOO_LARGE


def _status_from_one(
    cell_1, frac_1, codes_1, marks_1, errors_1, cell_2, frac_2, codes_2, marks_2, errors_2, fu,
    base_is_1, tolerances, use_rms, first, space, outcome,
):  # fmt: skip
    """The status plus one: a routine that fails returns 0."""
    return 1 + _strict_match(
        cell_1, frac_1, codes_1, marks_1, errors_1, cell_2, frac_2, codes_2, marks_2, errors_2, fu,
        base_is_1, tolerances, use_rms, first, space, outcome,
    )  # fmt: skip


_MATRIX, _CODES = types.float64[:, ::1], types.int64[::1]
_CRYSTAL = (_MATRIX, _MATRIX, _CODES, types.int16[::1], types.float64[::1])
STRICT_MATCH = Routine(
    "the search for a match",
    0,
    types.int64(
        *_CRYSTAL, *_CRYSTAL, types.int64, types.boolean, types.UniTuple(types.float64, 3),
        types.boolean, types.boolean, SPACE, types.float64[::1],
    ),
    _status_from_one,
    _nrt=False,
)  # fmt: skip
_call_strict_match = STRICT_MATCH.call


@kernel
def strict_match(
    cell_1, frac_1, codes_1, marks_1, errors_1, cell_2, frac_2, codes_2, marks_2, errors_2, fu,
    base_is_1, tolerances, use_rms, first, space, outcome,
):  # fmt: skip
    """Match crystal 2 onto crystal 1: calls :data:`STRICT_MATCH`; FAILED if that raises."""
    return -1 + _call_strict_match(
        space.addresses[0],
        (
            cell_1, frac_1, codes_1, marks_1, errors_1, cell_2, frac_2, codes_2, marks_2, errors_2,
            fu, base_is_1, tolerances, use_rms, first, space, outcome,
        ),
    )  # fmt: skip


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
    cell_1, frac_1, codes_1, marks_1, errors_1, cell_2, frac_2, codes_2, marks_2, errors_2, scale,
    supercell, tolerances, use_rms, first, space, outcome,
):  # fmt: skip
    """Match two crystals in the cells given, as ``StructureMatcher._preprocess`` and ``_match``.

    Args:
        cell_1: As for :func:`strict_match`.
        frac_1: Likewise.
        codes_1: Likewise.
        marks_1: Likewise.
        errors_1: Likewise.
        cell_2: Likewise.
        frac_2: Likewise.
        codes_2: Likewise.
        marks_2: Likewise.
        errors_2: Likewise.
        scale: Whether to bring both to the same volume first.
        supercell: Whether one may be a supercell of the other.
        tolerances: As for :func:`strict_match`.
        use_rms: Likewise.
        first: Likewise.
        space: Likewise.
        outcome: Likewise.

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
            cell_1, frac_1, codes_1, marks_1, errors_1, cell_2, frac_2, codes_2, marks_2, errors_2,
            fu, base_is_1, tolerances, use_rms, first, space, outcome,
        )  # fmt: skip
    status = strict_match(
        cell_2, frac_2, codes_2, marks_2, errors_2, cell_1, frac_1, codes_1, marks_1, errors_1,
        fu, not base_is_1, tolerances, use_rms, first, space, outcome,
    )  # fmt: skip
    outcome[SWAPPED] = 1.0
    return status
