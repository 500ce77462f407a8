"""Passing over equivalent mappings: against exhaustive search, spglib and brute force."""

import itertools

import numpy as np
import pytest
import spglib
from pymatgen.analysis.structure_matcher import FrameworkComparator, StructureMatcher
from pymatgen.core import Lattice, Structure
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from matscale.matching import alignment, batch
from matscale.matching.alignment import align
from matscale.matching.batch import MatchSettings
from matscale.matching.kernels.partners import all_can_pair
from matscale.matching.kernels.rotations import ROTATIONS, find_rotations, unpack
from matscale.matching.kernels.workspace import MAX_SITES, workspace
from matscale.structures.table import StructureTable

FRAMEWORK = MatchSettings(mode="framework", scale=False, reduce=False, supercell=True)

CRYSTALS = {
    "copper": Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.6), ["Cu"], [[0, 0, 0]]),
    "salt": Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.6), ["Na", "Cl"], [[0, 0, 0], [0.5, 0, 0]]
    ),
    "diamond": Structure.from_spacegroup("Fd-3m", Lattice.cubic(3.57), ["C"], [[0, 0, 0]]),
    "magnesium": Structure.from_spacegroup(
        "P6_3/mmc", Lattice.hexagonal(3.2, 5.2), ["Mg"], [[1 / 3, 2 / 3, 0.25]]
    ),
    "perovskite": Structure.from_spacegroup(
        "Pm-3m",
        Lattice.cubic(3.9),
        ["Sr", "Ti", "O"],
        [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0]],
    ),
    "quartz": Structure.from_spacegroup(
        "P3_121",
        Lattice.hexagonal(4.91, 5.41),
        ["Si", "O"],
        [[0.47, 0, 1 / 3], [0.41, 0.27, 0.12]],
    ),
}


def reduced_cell(structure):
    return structure.get_primitive_structure().get_reduced_structure()


@pytest.mark.parametrize("name", CRYSTALS)
def test_rotations_are_spglibs(name):
    structure = reduced_cell(CRYSTALS[name])
    codes = np.array(structure.atomic_numbers, np.int64)
    marks, errors = np.zeros(ROTATIONS, np.int16), np.zeros(2)
    space = workspace(len(codes), 64)
    find_rotations(structure.lattice.matrix, structure.frac_coords, codes, space, marks, errors)
    found = np.empty((marks[0], 3, 3), np.int64)
    for place, matrix in enumerate(found):
        unpack(int(marks[2 + place]), matrix)
    cell = structure.lattice.matrix, structure.frac_coords, codes
    # spglib's rotations act on columns of fractional coordinates, these on rows.
    theirs = {rotation.T.tobytes() for rotation in spglib.get_symmetry(cell)["rotations"]}
    assert {matrix.astype(np.intc).tobytes() for matrix in found} == theirs
    assert errors.max() < 1e-6


def supercell_questions():
    """Rattled supercells and strangers of the same size, where mappings have many equivalents."""
    rng = np.random.default_rng(5)
    pairs = []
    for (_, one), (_, other) in itertools.product(CRYSTALS.items(), repeat=2):
        base, target = reduced_cell(one), reduced_cell(other)
        for times in ([2, 1, 1], [2, 2, 1], [3, 1, 1], [[1, 1, 0], [0, 1, 1], [1, 0, 1]]):
            large = (target * times if isinstance(times[0], int) else target.copy()).copy()
            if not isinstance(times[0], int):
                large.make_supercell(times)
            if len(large) % len(base):
                continue
            fitted = large.copy()
            fitted.scale_lattice(len(large) * base.volume / len(base))
            fitted.perturb(float(rng.choice([0.01, 0.3, 0.6])), seed=len(pairs))
            pairs.append((base, fitted) if rng.random() < 0.5 else (fitted, base))
    return pairs


@pytest.mark.parametrize("criterion", ["rms", "largest"])
def test_nothing_is_lost_by_passing_over_equivalent_mappings(criterion):
    pairs = supercell_questions()
    first = StructureTable.from_pymatgen([pair[0] for pair in pairs])
    second = StructureTable.from_pymatgen([pair[1] for pair in pairs])
    matcher = StructureMatcher(
        primitive_cell=False,
        scale=False,
        attempt_supercell=True,
        supercell_size="num_sites",
        comparator=FrameworkComparator(),
    )
    settings = MatchSettings(
        mode="framework", scale=False, reduce=False, supercell=True, criterion=criterion
    )
    rows = np.repeat(np.arange(len(pairs))[:, None], 2, axis=1)
    scores = batch.match_pairs(first, second, rows, settings)
    theirs = []
    for one, other in pairs:
        matcher_pair = matcher._preprocess(one, other, skip_structure_reduction=True)
        match = matcher._match(*matcher_pair, use_rms=criterion == "rms", break_on_match=False)
        theirs.append(np.nan if match is None or match[0] > matcher.stol else match[0])
    theirs = np.array(theirs)
    assert len(pairs) > 60
    assert 10 < np.isfinite(theirs).sum() < len(pairs) - 10
    np.testing.assert_array_equal(scores.matched, np.isfinite(theirs))
    ours = scores.rms if criterion == "rms" else scores.largest
    np.testing.assert_allclose(ours[scores.matched], theirs[scores.matched], atol=1e-6)


@pytest.mark.parametrize("seed", range(40))
def test_all_can_pair_is_scipys_perfect_matching(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 30))
    allowed = rng.random((n, n)) < rng.uniform(0.03, 0.3)
    allowed[np.arange(n), rng.integers(n, size=n)] = True
    partners, degrees = np.full((n, n), -1, np.int32), allowed.sum(1)
    for i, row in enumerate(allowed):
        partners[i, : degrees[i]] = np.flatnonzero(row)
    perfect = (maximum_bipartite_matching(csr_array(allowed)) >= 0).all()
    scratch = np.empty((5, n), np.int64), np.empty(n, np.bool_)
    assert all_can_pair(n, partners, degrees, *scratch, np.array([np.inf, 0.0])) == perfect


def test_symmetric_asks_both_ways_of_crystals_reduced_once():
    """As ``group_structures``; ``fit`` reduces the reduced and scaled crystals again."""
    rng = np.random.default_rng(0)
    structures = []
    for structure in CRYSTALS.values():
        for _ in range(12):
            copy = structure.copy()
            copy.perturb(float(rng.uniform(0.1, 0.9)), seed=len(structures))
            structures.append(copy)
    table = StructureTable.from_pymatgen(structures)
    rows = np.array([(i, j) for i in range(72) for j in range(72) if i // 12 == j // 12 and i < j])
    matcher = StructureMatcher()
    options = {"criterion": "largest", "keep_first": True}
    once = batch.match_pairs(table, table, rows, MatchSettings(**options)).matched
    both = batch.match_pairs(table, table, rows, MatchSettings(**options, symmetric=True)).matched
    assert 0 < both.sum() < len(rows)
    assert not (both & ~once).any()
    for row in np.flatnonzero(once)[:40]:
        i, j = rows[row]
        pair = [matcher._get_reduced_structure(structures[k], True, True) for k in (i, j)]
        fits = matcher.fit(*pair, symmetric=True, skip_structure_reduction=True)
        assert fits == both[row]


def test_aligned_sites_are_those_of_pymatgens_mapping():
    base = reduced_cell(CRYSTALS["salt"])
    target = base * [2, 1, 1]
    target.replace_species({"Na": "K", "Cl": "Br"})
    target.scale_lattice(2 * base.volume)
    first = StructureTable.from_pymatgen([target])
    second = StructureTable.from_pymatgen([base])
    aligned = align(first, second, np.array([[0, 0]]), FRAMEWORK)
    assert aligned.offsets.tolist() == [0, 4]
    assert sorted(aligned.sites[:, 0]) == [0, 1, 2, 3]
    assert sorted(aligned.sites[:, 1]) == [0, 0, 1, 1]
    # Without regard to elements salt is simple cubic: either sublattice may be laid onto either,
    # but each of the target's elements onto one element throughout.
    assert len({tuple(pair) for pair in aligned.row(0).tolist()}) == 2


def test_alignments_do_not_depend_on_chunks_and_threads(monkeypatch):
    """Strangers among them too, whose rooms stay empty."""
    table = StructureTable.from_pymatgen(list(CRYSTALS.values()))
    rows = np.argwhere(np.ones((len(table), len(table)), bool))
    monkeypatch.setattr(alignment, "CHUNK", 3)
    found = align(table, table, rows, FRAMEWORK, workers=2)
    for place, pair in enumerate(rows):
        alone = align(table, table, pair[None], FRAMEWORK)
        part = slice(found.offsets[place], found.offsets[place + 1])
        for name in ("sites", "numbers", "shifts"):
            np.testing.assert_array_equal(getattr(found, name)[part], getattr(alone, name))
        np.testing.assert_array_equal(found.supercells[place], alone.supercells[0])
    assert found.offsets[-1] > 0 and (np.diff(found.offsets) == 0).any()


def test_alignments_of_strangers_are_empty():
    one = StructureTable.from_pymatgen([CRYSTALS["copper"]])
    other = StructureTable.from_pymatgen([CRYSTALS["quartz"]])
    aligned = align(one, other, np.array([[0, 0]]), FRAMEWORK)
    assert aligned.offsets.tolist() == [0, 0]
    with pytest.raises(ValueError, match="direct"):
        align(one, other, np.array([[0, 0]]), MatchSettings(mode="anonymous"))


def crystal(n, cell, seed=0):
    positions = np.random.default_rng(seed).random((n, 3)) @ cell
    return StructureTable.from_parts(["x"], [np.full(n, 6)], [positions], np.array([cell]))


def test_a_crystal_beyond_the_limit_of_sites_is_undecided():
    huge = crystal(MAX_SITES + 1, np.eye(3) * 50.0)
    scores = batch.match_pairs(huge, huge, np.array([[0, 0]]), MatchSettings(reduce=False))
    assert scores.undecided.all()
    assert scores.counts.refused["too large"] == 1


def test_a_needle_with_countless_mappings_ends():
    needle = crystal(2, np.diag([40.0, 0.3, 0.3]))
    settings = MatchSettings(reduce=False)
    scores = batch.match_pairs(needle, needle, np.array([[0, 0]]), settings)
    assert scores.matched.all() or scores.undecided.all()
