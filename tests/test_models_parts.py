"""Cells as numbers, nearest images, batches: what networks stand on, against brute force."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from crystals import training
from matscale.models import cells
from matscale.models.config import RunSettings, checked, merged
from matscale.models.coupling import displacements, lattice_symmetries
from matscale.models.crystals import batch_of, crystals_of, joined, niggli
from matscale.models.elements import element_features
from matscale.models.training import rate_at, rows_of_step
from matscale.runtime.errors import UserError

SEEDS = st.integers(0, 10_000)


@given(SEEDS)
@settings(max_examples=30, deadline=None)
def test_cells_come_back_from_their_numbers_and_turning_them_changes_nothing(seed):
    random = np.random.default_rng(seed)
    lattice = 4 * np.eye(3) + random.normal(size=(3, 3))
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
    counts = torch.tensor([5, 5])
    numbers = cells.encode(torch.from_numpy(np.stack([lattice, lattice @ turn])), counts)
    assert np.allclose(numbers[0], numbers[1], atol=1e-5)
    assert numbers[0, 0] == pytest.approx(np.log(abs(np.linalg.det(lattice)) / 5), abs=1e-5)
    again = cells.decode(numbers, counts)[0].numpy()
    assert np.allclose(again @ again.T, lattice @ lattice.T, atol=1e-4)


def test_a_cube_has_no_shape():
    numbers = cells.encode(3 * torch.eye(3, dtype=torch.float64)[None], torch.tensor([1]))
    assert np.allclose(numbers, [[np.log(27), 0, 0, 0, 0, 0]], atol=1e-6)


@pytest.mark.parametrize(
    ("cell", "order"),
    [
        (np.eye(3), 48),
        ([[0, 1, 1], [1, 0, 1], [1, 1, 0]], 48),
        ([[1, 0, 0], [-0.5, 3**0.5 / 2, 0], [0, 0, 1.6]], 24),
        (np.diag([1, 1, 1.5]), 16),
        (np.diag([1, 1.2, 1.5]), 8),
        ([[1, 0, 0], [0.1, 1.2, 0], [0.2, 0.3, 1.5]], 2),
    ],
    ids=["cubic", "face-centred", "hexagonal", "tetragonal", "orthorhombic", "triclinic"],
)
def test_lattices_have_the_symmetries_of_their_holohedry(cell, order):
    metric = np.array(cell) @ np.transpose(cell)
    found = lattice_symmetries(np.array(cell, dtype=float))
    assert len(found) == order
    for matrix in np.linalg.inv(found):
        assert np.allclose(matrix @ metric @ matrix.T, metric)


@given(SEEDS)
@settings(max_examples=15, deadline=None)
def test_ways_lead_to_an_image_and_to_the_nearest_one_where_it_is_near(seed):
    random = np.random.default_rng(seed)
    image, groups = random.random((5, 3)), np.array([0, 2, 5])
    far = random.random((5, 3))
    ways = displacements(far, image, groups, np.eye(3)[None])
    assert np.allclose(ways.mean(axis=0), 0, atol=1e-9)
    assert _is_image(far + ways, image, groups)
    rattle = 0.01 * random.normal(size=(5, 3))
    near = (image + random.random(3) + rattle)[[1, 0, 3, 4, 2]]
    ways = displacements(near, image, groups, np.eye(3)[None])
    assert np.allclose(ways, (rattle.mean(axis=0) - rattle)[[1, 0, 3, 4, 2]], atol=1e-9)


def test_ways_are_as_short_as_the_shortest_over_a_grid_of_shifts_on_average():
    random = np.random.default_rng(0)
    groups, shifts = np.array([0, 2, 5]), list(itertools.product(np.arange(8) / 8, repeat=3))
    found, least = 0.0, 0.0
    for _ in range(10):
        noise, image = random.random((5, 3)), random.random((5, 3))
        found += (displacements(noise, image, groups, np.eye(3)[None]) ** 2).sum()
        least += min(_exchanged(noise, image + np.array(shift), groups) for shift in shifts)
    assert found < 1.05 * least


def _exchanged(noise, image, groups):
    """Smallest sum of squared displacements over exchanges of equal atoms."""
    total = 0.0
    for start, end in itertools.pairwise(groups):
        d = image[None, start:end] - noise[start:end, None]
        cost = ((d - np.round(d)) ** 2).sum(axis=2)
        total += cost[linear_sum_assignment(cost)].sum()
    return total


def _is_image(places, image, groups):
    """Whether places are the image after some shift and exchange."""
    return any(
        _exchanged(places, image + (places[0] - image[k]), groups) < 1e-9
        for k in range(groups[0], groups[1])
    )


@given(SEEDS)
@settings(max_examples=15, deadline=None)
def test_the_way_to_an_image_of_itself_is_none(seed):
    random = np.random.default_rng(seed)
    image = random.random((4, 3))
    symmetries = lattice_symmetries(np.eye(3))
    turn = symmetries[random.integers(48)]
    moved = (image @ turn + random.random(3))[[1, 0, 2, 3]] % 1
    ways = displacements(moved, image, np.array([0, 2, 4]), symmetries)
    assert np.abs(ways).max() < 1e-9


def test_crystals_stand_by_atomic_number_in_their_niggli_cell_and_keep_their_atoms():
    table = training()
    crystals = crystals_of(table, {})
    reduced, rows = niggli(table)
    assert [len(crystal.fractional) for crystal in crystals] == table.n_atoms[rows].tolist()
    for place, crystal in enumerate(crystals):
        assert np.isclose(abs(np.linalg.det(crystal.lattice)), table.volumes[rows[place]])
        theirs = reduced.to_pymatgen(place)
        assert {str(element.Z): count for element, count in theirs.composition.items()} == {
            str(number): count for number, count in crystal.composition
        }


def test_every_two_atoms_of_a_crystal_have_an_edge_each_way_and_no_others():
    batch = batch_of([((1, 2), (8, 1)), ((6, 1),), ((3, 1), (9, 1))], {})
    edges = set(zip(batch.receivers.tolist(), batch.senders.tolist(), strict=True))
    within = [(0, 1, 2), (4, 5)]
    assert edges == {pair for atoms in within for pair in itertools.permutations(atoms, 2)}
    assert batch.numbers.tolist() == [1, 1, 8, 6, 3, 9]
    means = batch.mean(torch.tensor([[1.0], [2.0], [3.0], [7.0], [0.0], [1.0]]))
    assert means[:, 0].tolist() == [2.0, 7.0, 0.5]


def test_an_element_beyond_those_known_is_refused_in_a_sentence():
    table = training()[[0]]
    table.numbers[0] = 130
    with pytest.raises(UserError, match="atomic number 130; models know the elements 1 to 118"):
        crystals_of(table, {})


def test_features_of_elements_are_standardised_numbers():
    features = element_features()
    assert np.isfinite(features).all()
    assert features[9, 0] == features[:, 0].max()  # fluorine is the most electronegative
    assert (features[[3, 11, 19, 37, 55], 4] == features[3, 4]).all()  # alkali metals: one group


def test_batches_go_through_all_crystals_before_one_comes_again():
    rows = [row for step in range(9) for row in rows_of_step(step, 4, 12, seed=3)]
    for turn in range(3):
        assert sorted(rows[12 * turn : 12 * turn + 12]) == list(range(12))
    assert rows[:12] != rows[12:24]
    assert rows_of_step(5, 4, 12, seed=3) == rows[20:24]
    assert sorted(rows_of_step(0, 10, 3, seed=0)[:9]) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_the_learning_rate_rises_and_falls():
    assert rate_at(0, 1000) < 0.02
    assert rate_at(100, 1000) > 0.9
    assert rate_at(1000, 1000) == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"training": {"stepz": 3}}, "there is no setting 'training.stepz'; did you mean 'steps'?"),
        ({"training": {"steps": 0}}, "training.steps: Input should be greater than or equal to 1"),
        ({"learning": 1}, "there is no setting 'learning'"),
    ],
)
def test_settings_that_there_are_not_are_refused(values, said):
    with pytest.raises(UserError) as error:
        checked(RunSettings, {"process": "flow", **values}, "settings")
    assert said in str(error.value)


def test_settings_come_from_a_file_and_are_changed_one_by_one(tmp_path):
    file = tmp_path / "small.yaml"
    file.write_text("network:\n  width: 32\ntraining:\n  steps: 10\n")
    values = merged(file, ["training.steps=20", "options.slope=2.5"])
    assert values == {
        "network": {"width": 32},
        "training": {"steps": 20},
        "options": {"slope": 2.5},
    }
    for wrong in ("steps", "=3"):
        with pytest.raises(UserError, match="give NAME=VALUE"):
            merged(None, [wrong])
    with pytest.raises(UserError, match=r"missing.yaml cannot be read"):
        merged(tmp_path / "missing.yaml", [])


def test_what_is_told_of_crystals_comes_with_them():
    crystals = crystals_of(training()[[0, 1]], {"tc": np.array([[1.0], [np.nan]])})
    batch = joined(crystals)
    assert batch.conditions["tc"][0, 0] == 1
    assert batch.conditions["tc"][1, 0].isnan()
