"""Floors and ceilings of the particle tasks: each against what it says that it does."""

import math

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from matscale.datasets.particles import build_particles
from matscale.predictors.ceilings import Carve, CarveInPose, LatticeRecovery
from matscale.predictors.floors.cells import Lookup, MeanLattice, NearestRdf, Zeros, commonest_group
from matscale.predictors.floors.particles import (
    BulkDensityGas,
    NearestTrainingParticle,
    PredictZeroNoise,
    ReturnInput,
)
from matscale.predictors.predictor import Told
from matscale.runtime.memory import Memory
from matscale.structures.cells import lattice_parameters
from matscale.structures.table import StructureTable
from matscale.tasks.particles.asking import tell
from matscale.tasks.particles.question import ask
from matscale.tasks.particles.training import training_samples
from particle_tasks import SMALL

CAESIUM_CHLORIDE = [[0, 0, 0], [0.5, 0.5, 0.5]]


def salt(first, second, edge):
    return Structure(Lattice.cubic(edge), [first, second], CAESIUM_CHLORIDE)


MATERIALS = {
    "CsCl": salt("Cs", "Cl", 4.12),
    "CsBr": salt("Cs", "Br", 4.29),
    "CsI": salt("Cs", "I", 4.57),
    "tetragonal": Structure(
        Lattice.tetragonal(3.9, 4.3), ["Sr", "Ti"], [[0, 0, 0], [0.5, 0.5, 0.45]]
    ),
}


@pytest.fixture(scope="module")
def particles():
    from dataclasses import replace

    table = StructureTable.from_pymatgen(MATERIALS.values(), list(MATERIALS))
    built = build_particles(table, name="salts")
    own = {key: value for key, value in built.quaternions.items() if key[1] in SMALL[key[0]]}
    materials = built.materials.with_columns(held_out=np.array([False, False, True, False]))
    return replace(built, radii=SMALL, quaternions=own, materials=materials)


GROUPS = np.array([221, 221, 221, 99])


@pytest.fixture(scope="module")
def seen(particles):
    return training_samples(particles, "radius", GROUPS)


@pytest.fixture(scope="module")
def unseen(particles):
    return training_samples(particles, "material", GROUPS)


FIELDS = ("numbers", "fractional", "lattice", "radius", "positions", "particle_numbers", "rotation")


def told(*samples):
    return Told.of(samples, tuple(samples[0]))


def told_of(particles, material, radius, cell):
    question = ask(particles)
    row = int(np.flatnonzero((question.names == material) & (question.samples.radius == radius))[0])
    return tell(question, row, FIELDS, cell), question.particle(row)


def test_gas_has_the_density_and_composition_of_the_crystal(particles):
    sample, _ = told_of(particles, "CsCl", 10.0, True)
    numbers, positions = BulkDensityGas().predict(told(sample), seed=1)[0]
    assert len(numbers) == round(4 / 3 * math.pi * 1000 * 2 / 4.12**3)
    assert abs((numbers == 55).sum() - (numbers == 17).sum()) <= 1
    distances = np.linalg.norm(positions, axis=1)
    assert distances.max() <= 10
    # Uniform in the sphere: half of the atoms within the radius over the cube root of 2.
    assert (distances < 10 / 2 ** (1 / 3)).mean() == pytest.approx(0.5, abs=0.12)
    again = BulkDensityGas().predict(told(sample), seed=1)[0]
    assert np.array_equal(again[1], positions)


def test_nearest_training_particle_is_rescaled_with_swapped_elements(particles, unseen):
    floor = NearestTrainingParticle()
    floor.fit(unseen)
    sample, _ = told_of(particles, "CsI", 10.0, True)
    numbers, positions = floor.predict(told(sample))[0]
    base = particles.base("CsBr", 9)
    assert np.allclose(positions, base.positions * 4.57 / 4.29)
    assert set(numbers.tolist()) == {55, 53}
    assert len(numbers) == len(base.numbers)


def test_carve_is_the_particle_in_both_poses(particles):
    sample, (numbers, positions) = told_of(particles, "tetragonal", 6.0, True)
    for floor, turn in ((Carve(), sample["rotation"]), (CarveInPose(), np.eye(3))):
        own, sphere = floor.predict(told(sample))[0]
        assert np.array_equal(own, numbers)
        assert np.allclose(sphere @ turn.T, positions)


def test_degenerate_predictors(particles):
    sample, (numbers, positions) = told_of(particles, "CsI", 10.0, True)
    zero = PredictZeroNoise()
    assert math.isnan(zero.loss)
    own, collapsed = zero.predict(told(sample))[0]
    assert np.array_equal(own, numbers) and not collapsed.any()
    # Variance of 3 n normal draws of deviation 0.1, within five standard errors.
    spread = 0.01 * math.sqrt(2 / positions.size)
    assert zero.loss == pytest.approx(0.01, abs=5 * spread)
    assert np.array_equal(ReturnInput().predict(told(sample))[0][1], positions)


def test_constant_answers(seen):
    for floor in (Zeros(), MeanLattice()):
        floor.fit(seen)
    mean, group = _fitted(MeanLattice(), seen).predict(Told({}, 1))[0]
    edges = [(4.12, 4.12, 4.12), (4.29, 4.29, 4.29), (4.57, 4.57, 4.57), (3.9, 3.9, 4.3)]
    assert mean[:3] == pytest.approx(np.mean(edges, axis=0))
    assert mean[3:] == pytest.approx([90, 90, 90])
    assert group == commonest_group(seen) == 221
    zero, group = _fitted(Zeros(), seen).predict(Told({}, 1))[0]
    assert not np.any(zero) and group == 221


def _fitted(floor, training):
    floor.fit(training)
    return floor


@pytest.mark.parametrize("floor", [Lookup, NearestRdf])
@pytest.mark.parametrize("radius", [6.0, 10.0])
def test_looking_up_finds_what_is_in_training_and_not_what_is_not(
    particles, seen, unseen, floor, radius
):
    sample, _ = told_of(particles, "CsI", radius, False)
    cell, group = _fitted(floor(), seen).predict(told(sample))[0]
    assert lattice_parameters(cell[None])[0][0] == pytest.approx(4.57) and group == 221
    cell, _ = _fitted(floor(), unseen).predict(told(sample))[0]
    assert lattice_parameters(cell[None])[0][0] < 4.5


def test_lattice_recovery_needs_no_training(particles):
    sample, _ = told_of(particles, "CsI", 10.0, False)
    cell, group = LatticeRecovery(Memory(workers=1)).predict(told(sample))[0]
    assert lattice_parameters(cell[None])[0] == pytest.approx([4.57] * 3 + [90] * 3, abs=1e-3)
    assert group == 221


def test_training_holds_no_test_material_radius_or_rotation(particles, unseen):
    assert unseen.particles.materials.ids.tolist() == ["CsCl", "CsBr", "tetragonal"]
    assert set(unseen.samples.radius.tolist()) == {8.0, 9.0}
    assert len(unseen) == 3 * 2 * 59
    example = unseen[5]
    material = int(unseen.samples.material[5])
    rotation = int(unseen.samples.rotation[5])
    numbers, positions = particles.particle("CsCl", 8.0, rotation)
    assert material == 0 and example.radius == 8.0 and example.space_group == 221
    assert np.allclose(example.positions, positions) and np.array_equal(example.numbers, numbers)
    assert np.allclose(example.fractional @ example.lattice, MATERIALS["CsCl"].cart_coords)
    assert len(unseen[2:5]) == 3
    with pytest.raises(IndexError):
        unseen[len(unseen)]
