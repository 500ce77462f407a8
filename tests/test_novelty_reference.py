"""The novelty task on real crystals, against the published workflow's matches."""

import json
from pathlib import Path

import numpy as np
import pytest
from ase.data import covalent_radii
from pymatgen.analysis.structure_matcher import FrameworkComparator, StructureMatcher
from pymatgen.core import Lattice
from scipy.optimize import linprog
from scipy.stats import wasserstein_distance

from crystals import held_out, rock_salt, training
from matscale.matching import batch
from matscale.matching.wyckoff.matches import wyckoff_matches
from matscale.matching.wyckoff.positions import symmetry_of
from matscale.predictors.floors.generation import (
    CLOSEST,
    FEWEST_ATOMS,
    random_atoms,
    random_substitution,
)
from matscale.runtime.memory import Memory
from matscale.structures import cells
from matscale.structures.chemistry import PETTIFOR, pettifor_distance
from matscale.structures.formats import read
from matscale.structures.table import StructureTable
from matscale.tasks.novelty.distances import element_distances, element_profiles, nearest
from matscale.tasks.novelty.search import find_candidates
from matscale.tasks.novelty.search.anonymous import cheapest_matches, substituted
from matscale.tasks.novelty.search.cheapest import cheapest
from matscale.tasks.novelty.search.site_maps import site_maps
from matscale.tasks.novelty.search.substitution import swaps_of
from matscale.tasks.novelty.search.wyckoff import cheapest_wyckoff
from matscale.tasks.novelty.settings import NoveltySettings
from matscale.tasks.novelty.valid import charge_balanced, validity

SETTINGS = NoveltySettings()


@pytest.fixture(scope="module")
def novelty(data_dir: Path):
    folder = data_dir / "novelty"
    tables = [read(folder / f"{name}.jsonl.gz", workers=1).table for name in ("generated", "train")]
    return (*tables, json.loads((folder / "reference_matches.json").read_text()))


@pytest.fixture(scope="module")
def anonymous(novelty):
    generated, train, _ = novelty
    found = batch.match(generated, train, SETTINGS.framework, workers=1)
    return np.column_stack([found.first, found.second])


def test_duplicates_are_those_of_the_reference(novelty):
    generated, train, reference = novelty
    found = batch.match(generated, train, SETTINGS.duplicate, workers=1)
    assert reference["direct"] == [] and len(found) == 0


def test_anonymous_pairs_and_costs_are_those_of_the_reference(novelty, anonymous):
    generated, train, reference = novelty
    expected = {(one, other): cost for one, other, _, _, cost in reference["anonymous"]}
    assert len(expected) == 861
    assert {tuple(pair) for pair in anonymous.tolist()} == expected.keys()
    cost = batch.match_pairs(generated, train, anonymous, SETTINGS.framework, workers=1).cost
    np.testing.assert_allclose(cost, [expected[tuple(pair)] for pair in anonymous.tolist()])


def test_candidates_are_the_cheapest_of_the_reference(novelty):
    generated, train, reference = novelty
    rows = np.arange(40)
    sides = [symmetry_of(table, workers=1) for table in (generated[rows], train)]
    found = find_candidates(
        *sides, SETTINGS, Memory(workers=1), keep=None, workers=1, name="generated"
    )
    for kind in ("anonymous", "wyckoff"):
        for row in rows.tolist():
            known = sorted(one[-1] for one in reference[kind] if one[0] == row)[:3]
            own = sorted(found.cost[(found.kind == kind) & (found.generated == row)])
            if kind == "anonymous":  # moyopy's space groups are not always spglib's
                assert own == pytest.approx(known)
    assert found.pairs["wyckoff"] > 0


@pytest.mark.parametrize("top", [1, 3])
def test_the_cheapest_are_found_without_matching_all(novelty, anonymous, top):
    generated, train, _ = novelty
    cost = batch.match_pairs(generated, train, anonymous, SETTINGS.framework, workers=1).cost
    expected = cheapest(anonymous, cost, top)
    found = cheapest_matches(generated, train, SETTINGS.framework, top, workers=1)
    np.testing.assert_array_equal(found.rows, anonymous[expected])
    np.testing.assert_array_equal(found.cost, cost[expected])
    assert found.tested < 0.9 * found.pairs and found.undecided == 0


@pytest.mark.parametrize("top", [1, 3])
def test_the_cheapest_of_a_sequence_are_those_of_all(novelty, top):
    """Also where most of training is of one sequence, with many equal costs."""
    rng = np.random.default_rng(top)
    numbers = [rng.choice(np.arange(3, 84), 3, replace=False)[[0, 1, 2, 2, 2]] for _ in range(90)]
    sites = np.array([[0.5] * 3, [0.0] * 3, [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]]) * 4.0
    cubic = StructureTable.from_parts(
        [f"p{k}" for k in range(90)], numbers, [sites] * 90, np.tile(np.eye(3) * 4.0, (90, 1, 1))
    )
    generated, train, _ = novelty
    first = symmetry_of(StructureTable.concatenate([generated, cubic[:9]]), workers=1)
    second = symmetry_of(StructureTable.concatenate([train, cubic[5:]]), workers=1)
    found = cheapest_wyckoff(first, second, top, workers=1)
    matches = wyckoff_matches(first, second, workers=1)
    rows = np.column_stack([matches.generated, matches.train])
    chosen = cheapest(rows, matches.pettifor, top)
    np.testing.assert_array_equal(found.rows, rows[chosen])
    np.testing.assert_array_equal(found.cost, matches.pettifor[chosen])
    assert found.pairs == len(rows) and found.tested < len(rows)


def test_cells_of_any_sizes_are_pairs_of_a_sequence():
    """Twice a cell against three times one: neither is a supercell of the other."""
    doubled, tripled = rock_salt(5.6, "Na", "Cl"), rock_salt(6.3, "K", "Cl")
    doubled.make_supercell([2, 1, 1])
    tripled.make_supercell([3, 1, 1])
    sets = StructureTable.from_pymatgen([doubled]), StructureTable.from_pymatgen([tripled])
    described = [symmetry_of(table, workers=1) for table in sets]
    found = cheapest_wyckoff(*described, 1, workers=1)
    matches = wyckoff_matches(*described, workers=1)
    assert found.pairs == len(matches) == 1
    np.testing.assert_array_equal(found.cost, matches.pettifor)


def test_substituted_crystals_hold_the_generated_elements(novelty, anonymous):
    """Repeated training cells among them: as many atoms as the larger, volume in proportion."""
    generated, train, _ = novelty
    larger = generated.n_atoms[anonymous[:, 0]] > train.n_atoms[anonymous[:, 1]]
    pairs = np.concatenate([anonymous[larger][:6], anonymous[~larger][:30:3]])
    maps = site_maps(generated, train, pairs, SETTINGS.framework, Memory(workers=1))
    matcher = StructureMatcher(
        primitive_cell=False, scale=False, attempt_supercell=True, comparator=FrameworkComparator()
    )
    for place, (one, other) in enumerate(pairs.tolist()):
        crystal = substituted(generated, train, pairs[place], maps, place)
        mine = generated.to_pymatgen(one)
        made = crystal.to_pymatgen(0)
        assert made.composition.reduced_formula == mine.composition.reduced_formula
        assert made.volume / len(made) == pytest.approx(train.volumes[other] / train.n_atoms[other])
        # Whatever its elements, it is the training crystal.
        assert matcher.fit(made, train.to_pymatgen(other))
    scores = batch.match_pairs(
        generated,
        StructureTable.concatenate(
            [substituted(generated, train, pair, maps, k) for k, pair in enumerate(pairs)]
        ),
        np.column_stack([pairs[:, 0], np.arange(len(pairs))]),
        SETTINGS.verification,
    )
    # Anonymous candidates match by their rms from the start; by the largest distance most do.
    assert scores.matched.mean() > 0.5


def laid_rms(mine: StructureTable, built: StructureTable) -> float:
    """RMS distance of crystals whose sites pair in order and whose cells lie on each other.

    In units of (V/n)^(1/3) of the cell with their mean lengths and angles, mean displacement off.
    """
    fractions = [
        table.row_positions(0) @ np.linalg.inv(table.lattices[0]) for table in (mine, built)
    ]
    parameters = cells.lattice_parameters(np.stack([mine.lattices[0], built.lattices[0]]))
    average = Lattice.from_parameters(*parameters.mean(axis=0))
    gaps = fractions[1] - fractions[0]
    gaps -= np.round(gaps - gaps[0])
    gaps -= gaps.mean(axis=0)
    square = (gaps @ average.matrix) ** 2
    return float(np.sqrt(square.sum(axis=1).mean()) * (len(gaps) / average.volume) ** (1 / 3))


def test_the_crystal_that_is_built_is_the_one_that_was_matched(novelty, anonymous):
    """All candidates that are tried: cost and rms of what is built are those that were ranked."""
    generated, train, _ = novelty
    cost = batch.match_pairs(generated, train, anonymous, SETTINGS.framework, workers=1).cost
    chosen = cheapest(anonymous, cost, SETTINGS.top)
    pairs, cost = anonymous[chosen], cost[chosen]
    maps = site_maps(generated, train, pairs, SETTINGS.framework, Memory(workers=1))
    matched = batch.match_pairs(generated, train, pairs, SETTINGS.framework, workers=1)
    assert matched.matched.all()
    repeated = generated.n_atoms[pairs[:, 0]] > train.n_atoms[pairs[:, 1]]
    kept = generated.n_atoms[pairs[:, 0]] == train.n_atoms[pairs[:, 1]]
    assert repeated.sum() > 30 and kept.sum() > 30
    for place, (one, other) in enumerate(pairs.tolist()):
        part = maps.part(place)
        old = train.row_numbers(other)[maps.train[part]]
        crystal = substituted(generated, train, pairs[place], maps, place)
        assert pettifor_distance(crystal.numbers, old).mean() == cost[place]
        # Each site of the larger crystal once, with its own element.
        mine = generated[np.array([one])]
        order = np.argsort(maps.generated[part])
        if repeated[place]:
            assert maps.generated[part][order].tolist() == list(range(len(mine.numbers)))
            built = StructureTable.from_parts(
                ["x"], [crystal.numbers[order]], [crystal.positions[order]], crystal.lattices
            )
            assert (built.numbers == mine.numbers).all()
            assert laid_rms(mine, built) == pytest.approx(matched.rms[place], abs=1e-7)
        volume = train.volumes[other] / train.n_atoms[other]
        assert crystal.volumes[0] / len(crystal.numbers) == pytest.approx(volume)


# --- pieces ----------------------------------------------------------------------------------


def test_cheapest_takes_the_first_of_equal_ones():
    rows = np.array([[1, 5], [0, 3], [0, 1], [0, 2], [1, 4], [0, 0]])
    cost = np.array([2.0, 1.0, 1.0, 0.5, np.nan, 9.0])
    assert rows[cheapest(rows, cost, 2)].tolist() == [[0, 2], [0, 1], [1, 5]]
    assert cheapest(np.empty((0, 2), np.int64), np.empty(0), 3).tolist() == []


def test_swaps_are_named_once():
    assert swaps_of(np.array([11, 11, 17]), np.array([19, 19, 35])) == "Na>K Cl>Br"
    assert swaps_of(np.array([8, 22]), np.array([8, 22])) == ""


def test_element_movers_distance_is_scipys():
    tables = held_out(), training()
    gaps = element_distances(*(element_profiles(table) for table in tables))
    for row in range(12):
        for other in range(6):
            sides = [PETTIFOR[t.row_numbers(k)] for t, k in zip(tables, (row, other), strict=True)]
            assert gaps[row, other] == pytest.approx(wasserstein_distance(*sides))


def test_element_movers_distance_is_the_least_work():
    """As a transport problem: SrTiO3 to BaZrO3."""
    left, right = np.array([14, 46, 98]), np.array([13, 44, 98])
    table = StructureTable.from_parts(
        ["a", "b"],
        [np.array([38, 22, 8, 8, 8]), np.array([56, 40, 8, 8, 8])],
        [np.arange(15.0).reshape(5, 3)] * 2,
        np.stack([9 * np.eye(3)] * 2),
    )
    left, right = (np.unique(PETTIFOR[table.row_numbers(k)]) for k in (0, 1))
    shares = [0.2, 0.2, 0.6]
    gaps = np.abs(left[:, None] - right).ravel()
    rows = np.concatenate([np.kron(np.eye(3), np.ones(3)), np.kron(np.ones(3), np.eye(3))])
    solved = linprog(gaps, A_eq=rows, b_eq=[*shares, *shares])
    profiles = element_profiles(table)
    assert element_distances(profiles[:1], profiles[1:])[0, 0] == pytest.approx(solved.fun)


def test_elements_off_the_scale_have_no_distance():
    heavy = StructureTable.from_parts(["x"], [np.array([110])], [np.zeros((1, 3))], [3 * np.eye(3)])
    profiles = element_profiles(heavy)
    assert np.isnan(profiles).all()
    rows, gaps = nearest(profiles, element_profiles(training()), elements=True)
    assert rows.tolist() == [-1] and np.isnan(gaps).all()
    rows, _ = nearest(element_profiles(training()), profiles, elements=True)
    assert (rows == -1).all()


def test_distances_of_sites_and_own_images():
    cells = np.stack([np.diag([0.3, 9, 9]), 5 * np.eye(3), np.diag([0.4, 0.4, 0.4])])
    table = StructureTable.from_parts(
        ["image", "pair", "tiny"],
        [np.array([11]), np.array([11, 17]), np.array([11])],
        [np.zeros((1, 3)), np.array([[0, 0, 0], [4.8, 0, 0]]), np.zeros((1, 3))],
        cells,
    )
    found = validity(table, Memory(workers=1))
    assert found.closest.tolist() == pytest.approx([np.inf, 0.2, np.inf])
    assert found.closest_image.tolist() == pytest.approx([0.3, np.inf, 0.4])
    assert found.published.tolist() == [True, False, False]
    assert found.sound.tolist() == [False, False, False]
    assert "own image" in found.reason(0) and "0.20 Å apart" in found.reason(1)


def test_charge_balance_by_each_rule():
    """NaCl and an alloy pass both; NaCl2 passes neither."""
    salt = rock_salt(5.6, "Na", "Cl")
    alloy = rock_salt(4.0, "Fe", "Ni")
    odd = salt.copy()
    odd.append("Cl", [0.25, 0.25, 0.25])
    table = StructureTable.from_pymatgen([salt, alloy, odd])
    for rule in ("cdvae", "paper"):
        assert charge_balanced(table, rule, Memory(workers=1)).tolist() == [True, True, False]


def test_random_substitution_swaps_every_element():
    train = training()
    made = random_substitution(train, train, 0)
    assert (made.numbers != train.numbers).all()
    for row in range(len(train)):
        old, new = train.row_numbers(row), made.row_numbers(row)
        assert len(np.unique(old)) == len(np.unique(new))
    again = random_substitution(train, train, 0)
    assert again.sha256() == made.sha256()


def test_random_atoms_have_room_and_the_volume_of_training():
    train = training()
    made = random_atoms(train, train, 0)
    assert made.sha256() == random_atoms(train, train, 0).sha256()
    assert made.sha256() != random_atoms(train, train, 1).sha256()
    assert set(made.numbers.tolist()) <= set(train.numbers.tolist())
    assert validity(made, Memory(workers=1)).sound.all()
    for row, crystal in enumerate(made.iter_pymatgen()):
        old = train.row_numbers(row)
        assert len(crystal) >= FEWEST_ATOMS and len(crystal) % len(old) == 0
        assert len(set(crystal.species)) == len(set(old.tolist()))
        gaps = crystal.distance_matrix[np.triu_indices(len(crystal), 1)]
        assert gaps.min() > 0.5 * CLOSEST
        # Volumes go with the covalent volumes of the elements.
        sizes = [(covalent_radii[numbers] ** 3).mean() for numbers in (made.row_numbers(row), old)]
        expected = train.volumes[row] / len(old) * sizes[0] / sizes[1]
        assert crystal.volume / len(crystal) == pytest.approx(expected)
