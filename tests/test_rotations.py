"""Rotations: the published grids, and what scipy says."""

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from crystals import perovskite, rutile, wurtzite
from matscale.structures.rotations import (
    Grid,
    angles_between,
    distinct,
    draw,
    matrices,
    multiply,
    proper_rotations,
    published_grid,
    quaternions,
)


@pytest.fixture(scope="module")
def training() -> np.ndarray:
    return draw(published_grid("train", 8))


def spacings(rotations):
    """Least angle in degrees from each rotation to another one of the set, by scipy."""
    turns = Rotation.from_quat(rotations)
    angles = np.array([np.degrees((one.inv() * turns).magnitude()) for one in turns])
    return (angles + 360 * np.eye(len(angles))).min(axis=1)


def test_the_published_sets(data_dir, training):
    reference = json.loads((data_dir / "c2np" / "reference_rotations.json").read_text())
    assert np.abs(training - reference["train"]).max() < 1e-12
    for key in ("ID_R10", "ID_R26", "OOD_R6", "OOD_R30"):
        split, radius = key.lower().split("_r")
        rotations = draw(published_grid(split, int(radius)), training)
        assert rotations.shape == np.shape(reference[key])
        assert np.abs(rotations - reference[key]).max() < 1e-12, key


@pytest.mark.parametrize(
    "split, radius, count, spacing, margin",
    [("train", 8, 59, 15, 0), ("id", 10, 92, 12, 6), ("ood", 30, 163, 9, 4.5)],
)
def test_counts_spacings_and_margins(training, split, radius, count, spacing, margin):
    grid = published_grid(split, radius)
    rotations = draw(grid, None if split == "train" else training)
    assert grid.count == len(rotations) == count
    assert spacings(rotations).min() >= spacing - 1e-9
    assert (rotations[:, 3] >= 0).all()
    assert np.linalg.norm(rotations, axis=1) == pytest.approx(1)
    if margin:
        assert angles_between(rotations, training).min() >= margin


def test_test_sets_differ_by_radius_and_training_sets_do_not(training):
    assert np.array_equal(draw(published_grid("train", 28)), training)
    assert not np.allclose(draw(published_grid("id", 10)), draw(published_grid("id", 11)))


def test_a_grid_that_does_not_fit_is_said():
    everything = draw(Grid(20.0, 1))
    with pytest.raises(ValueError, match="only 0 of"):
        draw(Grid(90.0, 5, None, 179.0), everything)


def test_algebra_as_scipy_has_it():
    first, second = Rotation.random(40, rng=1), Rotation.random(30, rng=2)
    one, other = first.as_quat(canonical=True), second.as_quat(canonical=True)
    assert matrices(one) == pytest.approx(first.as_matrix(), abs=1e-14)
    assert matrices(one[3]) == pytest.approx(first[3].as_matrix(), abs=1e-14)
    assert quaternions(first.as_matrix()) == pytest.approx(one, abs=1e-12)
    products = (first[:30] * second).as_quat(canonical=True)
    assert multiply(one[:30], other) == pytest.approx(products, abs=1e-12)
    angles = [[(a.inv() * b).magnitude() for b in second] for a in first]
    assert angles_between(one, other) == pytest.approx(np.degrees(angles), abs=1e-9)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-6, 1e-3, 4.5, 179.999])
def test_small_angles_are_exact(angle):
    turn = Rotation.random(rng=3)
    turned = Rotation.from_rotvec([0, 0, np.radians(angle)]) * turn
    both = [one.as_quat(canonical=True)[None] for one in (turn, turned)]
    assert angles_between(*both)[0, 0] == pytest.approx(angle, rel=1e-5, abs=1e-13)


def test_only_particles_on_a_line_lose_rotations(training):
    line = np.outer(np.linspace(-3, 3, 7), [0.0, 0.0, 1.0])
    about_z = Rotation.from_euler("z", [[0], [20], [300]], degrees=True).as_quat(canonical=True)
    assert distinct(line, about_z).tolist() == [True, False, False]
    assert distinct(np.zeros((1, 3)), training).tolist() == [True] + [False] * 58
    assert distinct(line, training).all()
    assert distinct(np.vstack([line, [2.0, 0.0, 0.0]]), about_z).all()


@pytest.mark.parametrize(
    "structure, order",
    [
        (perovskite(3.905, "Sr", "Ti", "O"), 24),
        (rutile(4.594, 2.959, "Ti", "O"), 8),
        (wurtzite(3.25, 5.21, "Zn", "O"), 6),
    ],
    ids=["432", "422", "6"],
)
def test_a_crystals_own_rotations_bring_it_to_itself(structure, order):
    """Orders of the rotation subgroups of m-3m, 4/mmm and 6mm."""
    turned = structure.lattice.matrix @ Rotation.random(rng=4).as_matrix().T
    positions = structure.frac_coords @ turned
    numbers = np.array(structure.atomic_numbers)
    own = proper_rotations(numbers, positions, turned)
    assert len(own) == order
    assert np.linalg.det(own) == pytest.approx(1)
    metric = turned @ turned.T
    for one in own:
        whole = turned @ one.T @ np.linalg.inv(turned)
        assert np.abs(whole - np.round(whole)).max() < 1e-6
        assert (turned @ one.T) @ (turned @ one.T).T == pytest.approx(metric)
