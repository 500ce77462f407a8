"""Particle to crystal: answers that are one cell, tolerances, labels, answers that are none."""

import math
from dataclasses import replace

import moyopy
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as random_arrays
from pymatgen.core import Lattice, Structure
from sklearn.metrics import balanced_accuracy_score

from matscale.datasets.particles import build_particles, material_set
from matscale.recovery import recover
from matscale.runtime.errors import Refused
from matscale.structures.cells import lattice_parameters
from matscale.structures.table import StructureTable
from matscale.tasks.particles import labels
from matscale.tasks.particles.particle_to_crystal import equivalent
from matscale.tasks.particles.particle_to_crystal.measuring import (
    CellAnswer,
    balanced,
    check,
    published_scores,
    sound_scores,
    targets_of,
)


def fcc():
    return StructureTable.from_pymatgen([CRYSTALS["fcc"]], ["Al"])


CRYSTALS = {
    "fcc": Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.05), ["Al"], [[0, 0, 0]]),
    "bcc": Structure.from_spacegroup("Im-3m", Lattice.cubic(2.87), ["Fe"], [[0, 0, 0]]),
    "c": Structure.from_spacegroup(
        "C2/m", Lattice.monoclinic(9.1, 3.2, 5.3, 104), ["Na", "Cl"], [[0, 0, 0], [0.2, 0, 0.3]]
    ),
    "r": Structure.from_spacegroup(
        "R-3m", Lattice.hexagonal(3.9, 15.4), ["Bi", "Te"], [[0, 0, 0.4], [0, 0, 0.21]]
    ),
    "cubic": Structure.from_spacegroup("Pm-3m", Lattice.cubic(3.9), ["Cs"], [[0, 0, 0]]),
}


@pytest.mark.parametrize("name", CRYSTALS)
def test_conventional_and_primitive_answers_are_the_same_answer(name):
    conventional = CRYSTALS[name]
    group = conventional.get_space_group_info()[1]
    primitive = conventional.get_primitive_structure()
    for target in (conventional, primitive):
        targets = targets_of(StructureTable.from_pymatgen([target]))
        for answer in (conventional, primitive, primitive.get_reduced_structure()):
            cell = check((np.array(answer.lattice.parameters), group))
            scores = {**published_scores(cell, targets, 0), **sound_scores(cell, targets, 0)}
            assert scores["rmse"] == pytest.approx(0, abs=1e-4)
            assert scores["joint_published"] == scores["joint_rate"] == 1
            assert scores["length_mae"] == pytest.approx(0, abs=1e-5)
            assert scores["volume_error"] == pytest.approx(0, abs=1e-6)


def test_a_primitive_cell_is_not_taken_for_a_simple_cubic_one():
    targets = targets_of(fcc())
    simple = sound_scores(check((np.array([4.05, 4.05, 4.05, 90, 90, 90]), 221)), targets, 0)
    assert simple["lattice_match"] == 0
    assert simple["crystal_system_accuracy"] == 1
    assert simple["volume_error"] == pytest.approx(3)


@settings(max_examples=40, deadline=None)
@given(random_arrays(float, (3, 3), elements=st.floats(-1, 1)), st.integers(0, 3479))
@example(np.array([[0, 0, 0], [0, 0, 0], [2**-9, 0, 0]]), 0)  # 0.02° off a right angle
def test_any_basis_of_a_triclinic_lattice_is_found(noise, which):
    lattice = np.diag([4.0, 5.0, 6.5]) + noise
    reduced = equivalent.niggli(lattice)
    target = lattice_parameters(reduced[None])[0]
    other = equivalent.changes_of_basis()[which] @ lattice
    parameters = lattice_parameters(other[None])[0]
    again = equivalent.niggli(equivalent.lattice_of(parameters))
    found = equivalent.nearest(equivalent.all_parameters(again, np.eye(3)), target)
    assert found == pytest.approx(target, abs=1e-4)


def test_changes_of_basis_are_all_of_them():
    matrices = equivalent.changes_of_basis()
    assert len(np.unique(matrices, axis=0)) == len(matrices) == 3480
    assert np.allclose(np.linalg.det(matrices), 1)


def test_match_tolerances():
    target = np.array([4.0, 5, 6, 80, 90, 100])
    assert equivalent.lattices_match(target * [1.019, 1, 1, 1, 1, 1] + [0, 0, 0, 0, 0, 1.9], target)
    assert not equivalent.lattices_match(target * [1.021, 1, 1, 1, 1, 1], target)
    assert not equivalent.lattices_match(np.add(target, [0, 0, 0, 2.1, 0, 0]), target)


def test_published_joint_tolerance_is_a_half():
    targets = targets_of(StructureTable.from_pymatgen([CRYSTALS["cubic"]]))
    for gap, joint in ((0.49, 1), (0.51, 0)):
        answer = check((np.array([3.9 + gap, 3.9, 3.9, 90, 90, 90]), 221))
        scores = published_scores(answer, targets, 0)
        assert scores["joint_published"] == joint
        assert scores["rmse"] == pytest.approx(gap / math.sqrt(6))


def test_labels_at_both_tolerances():
    crystal = CRYSTALS["cubic"].copy()
    shifted = Structure(
        Lattice.from_parameters(3.9, 3.9, 3.9004, 90, 90, 90), crystal.species, [[0, 0, 0]]
    )
    targets = targets_of(StructureTable.from_pymatgen([shifted]))
    assert targets.groups[0] == 221
    assert targets.published_groups[0] == 123


def test_the_label_is_the_group_whose_operations_hold_and_that_the_ceiling_finds():
    """Sn4Pt: spglib finds 41 at 0.01 Å; all operations of 68 hold to within 0.01 Å."""
    table = material_set("diverse")
    row = table.ids.tolist().index("Sn4Pt-AB4_oC20_41_a_2b")
    lattice, fractions, numbers = labels.basis(table, row)
    cell = moyopy.Cell(lattice.tolist(), fractions.tolist(), numbers.tolist())
    found = moyopy.MoyoDataset(cell, symprec=0.01).operations
    assert len(found) == 16 / 2  # Ccce in a primitive cell
    for turn, shift in zip(np.array(found.rotations), np.array(found.translations), strict=True):
        gaps = (fractions @ turn.T + shift)[:, None] - fractions
        gaps = np.linalg.norm((gaps - np.rint(gaps)) @ lattice, axis=2)
        gaps[numbers[:, None] != numbers] = np.inf
        assert gaps.min(axis=1).max() < labels.SYMPREC
    assert targets_of(table[row : row + 1]).groups.tolist() == [68]
    particle = build_particles(table[row : row + 1], name="Sn4Pt").particle(0, 10.0, 5)
    assert recover(*particle).space_group == 68


def test_balanced_accuracy_is_that_of_scikit_learn():
    generator = np.random.default_rng(1)
    truth, answer = generator.integers(1, 5, 200), generator.integers(1, 5, 200)
    measure = balanced((truth == answer).astype(float), truth)
    assert measure.metric(np.ones(200)) == pytest.approx(balanced_accuracy_score(truth, answer))
    drawn = generator.integers(0, 200, 200)
    weights = np.bincount(drawn, minlength=200).astype(float)
    expected = balanced_accuracy_score(truth[drawn], answer[drawn])
    assert measure.metric(weights) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("x", "unreadable"),
        ((np.ones(5), 1), "unreadable"),
        ((np.array([4, 4, 4, 90, 90, np.nan]), 1), "not finite"),
        ((np.array([4, 4, 4, 90, 90, 90]), 231), "no space group"),
        ((np.array([4, 4, 4, 90, 90, 90]), 2.5), "no space group"),
        ((np.zeros((3, 3)), 1), "degenerate cell"),
        ((np.array([-4.6, -4.6, -4.6, 90, 90, 90]), 221), "impossible cell"),
        ((np.array([4.6, 4.6, 4.6, 270, 270, 270]), 221), "impossible cell"),
        ((np.array([4.6, 4.6, 4.6, 90, 90, 0]), 221), "impossible cell"),
        ((np.array([4.6, 4.6, 4.6, 90, 90, 180]), 221), "impossible cell"),
        ((np.array([4.6, 4.6, 1e200, 90, 90, 90]), 221), "impossible cell"),
        ((np.diag([4.6, 4.6, 1e200]), 221), "impossible cell"),
        ((np.array([4, 4, 4, 90, 90, 90]), np.inf), "not finite"),
        ((np.array([4, 4, 4, 90, 90, 90]), -5), "no space group"),
        ((np.array([4, 4, 4, 90, 90, 90]), 10**400), "unreadable"),
    ],
)
def test_answers_that_are_none(answer, reason):
    with pytest.raises(Refused) as refusal:
        check(answer)
    assert refusal.value.reason == reason


@pytest.mark.parametrize(
    ("group", "reason"),
    [
        (np.inf, "not finite"),
        (999, "no space group"),
        (-5, "no space group"),
        (1.5, "no space group"),
    ],
)
def test_a_crystal_names_a_space_group_that_there_is(group, reason):
    with pytest.raises(Refused) as refusal:
        check((fcc(), group))
    assert refusal.value.reason == reason
    assert check((fcc(), np.nan)).group == check((fcc(), 225)).group == 225


def test_zeros_are_an_answer_and_no_group_is_no_right_one():
    assert not check((np.zeros(6), 1)).parameters.any()
    targets = targets_of(fcc())
    unknown = replace(targets, groups=np.zeros(1, int), published_groups=np.zeros(1, int))
    answer = check((np.array(CRYSTALS["fcc"].lattice.parameters), 0))
    found = {**sound_scores(answer, unknown, 0), **published_scores(answer, unknown, 0)}
    assert found["space_group_accuracy"] == found["space_group_published"] == 0
    assert found["crystal_system_accuracy"] == found["joint_published"] == 0


def test_impossible_angles_are_no_lattice():
    targets = targets_of(fcc())
    assert sound_scores(CellAnswer(np.array([4, 4, 4, 30, 30, 170.0]), 1), targets, 0) == {}
