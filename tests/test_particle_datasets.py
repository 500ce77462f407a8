"""Sets of particles: counts as published, particles as carved, leaks, folders in and out."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from crystals import described_otherwise
from matscale.datasets.particles import (
    C2NP,
    RADII,
    SPLITS,
    build_particles,
    leakage,
    load_particles,
    material_set,
    save_particles,
)
from matscale.datasets.particles.build import held_out
from matscale.datasets.particles.store import describe_particles, size_on_disk
from matscale.matching.batch import MatchSettings, group
from matscale.runtime.errors import UserError
from matscale.structures.carving import carve
from matscale.structures.formats import write
from matscale.structures.table import StructureTable
from particle_samples import a_few_materials


@pytest.fixture(scope="module")
def few():
    return build_particles(a_few_materials(), name="few")


# --- what is published -------------------------------------------------------------------------


def test_radii_as_published():
    """arXiv:2601.19076, appendix A.1; arXiv:2602.09309: every radius from 6 to 30 once."""
    assert C2NP["id"] == (10, 11, 17, 21, 24, 26) and RADII["id"] == (11, 13, 15, 17, 19, 21)
    for radii in (C2NP, RADII):
        assert radii["ood"] == (6, 7, 29, 30)
        assert sorted(sum(radii.values(), ())) == list(range(6, 31))


def test_counts_of_a_hundred_materials_as_published():
    particles = build_particles(material_set("perov-h3"))
    counts = [len(particles.samples(split)) for split in SPLITS]
    assert counts == [88_500, 55_200, 65_200]
    samples = particles.samples("ood")
    triples = np.column_stack([samples.material, samples.radius, samples.rotation])
    assert len(np.unique(triples, axis=0)) == len(samples)
    assert samples.rotation.min() == 1 and samples.rotation.max() == 163


# --- particles ---------------------------------------------------------------------------------


def test_a_base_particle_is_what_carving_gives(few):
    for row in range(len(few.materials)):
        for radius in (6, 17, 29, 30):
            expected = carve(few.materials[row], radius)
            found = few.base(row, radius)
            assert found.numbers.tolist() == expected.numbers.tolist()
            assert np.abs(found.positions - expected.positions).max() < 1e-12


@given(
    st.sampled_from(["SrTiO3", "ZnO"]),
    st.sampled_from([("train", 8), ("id", 10), ("ood", 29)]),
    st.integers(1, 59),
)
@settings(max_examples=20, deadline=None)
def test_a_particle_is_its_base_rotated(few, material, where, turn):
    split, radius = where
    rotation = Rotation.from_quat(few.rotations(split, radius)[turn - 1])
    numbers, positions = few.particle(material, radius, turn)
    base = few.base(material, radius)
    assert numbers.tolist() == base.numbers.tolist()
    assert positions == pytest.approx(rotation.apply(base.positions), abs=1e-10)


def test_a_sample_of_the_largest_particles_is_not_cut_anew():
    """Carving one of 29 Å takes some hundred times as long."""
    particles = build_particles(material_set("radii-10"), split="radii")
    times = []
    for turn in range(1, 31):
        start = time.process_time()
        particles.particle("PbS", 29, turn)
        times.append(time.process_time() - start)
    assert np.median(times) < 0.05


@pytest.mark.parametrize(
    "ask, words",
    [
        (lambda few: few.particle("MgO", 8, 1), "no material 'MgO'"),
        (lambda few: few.particle(5, 8, 1), "has 5 materials"),
        (lambda few: few.particle(0, 8, 60), "no rotation 60"),
        (lambda few: few.particle(0, 8, -1), "no rotation -1"),
        (lambda few: few.particle(0, 8.5, 1), "no radius 8.5"),
        (lambda few: few.particle(0, 31), "no particle of SrTiO3 with 31"),
        (lambda few: few.rotations("train", 6), "no rotations for train at 6"),
        (lambda few: few.samples("test"), "no split 'test'"),
        (lambda few: few.samples("id", by="rotation"), "by 'rotation'"),
    ],
)
def test_what_is_not_there_is_said(few, ask, words):
    with pytest.raises(UserError, match=words):
        ask(few)


def test_an_atom_alone_has_one_orientation():
    """In a cell wider than the particles, each of them is one atom, which no rotation moves."""
    lonely = StructureTable.from_parts(
        ["Xe"], [np.array([54])], [np.zeros((1, 3))], [64 * np.eye(3)]
    )
    particles = build_particles(lonely)
    assert [len(particles.samples(split)) for split in SPLITS] == [15, 6, 4]


# --- the split by material ---------------------------------------------------------------------


def test_no_test_material_has_a_twin_in_training(few):
    table = a_few_materials()
    copies = StructureTable.from_pymatgen(
        [described_otherwise(one, 7) for one in table.iter_pymatgen()],
        [f"{name} again" for name in table.ids],
    )
    both = StructureTable.concatenate([table, copies])
    same, _ = group(both, MatchSettings(scale=False))
    assert same.tolist() == [*range(5), *range(5)]
    chosen_ones = held_out(both, same)
    assert chosen_ones.sum() == 2 and (chosen_ones[:5] == chosen_ones[5:]).all()
    # Without the matcher, prototype and composition keep them together.
    assert (held_out(both) == chosen_ones).all()
    particles = build_particles(both, same=same)
    train, test = (set(particles.samples(split, "material").material) for split in ("train", "id"))
    assert len(train) == 8 and len(test) == 2 and not train & test
    assert len(particles.samples("train").material) == 10 * 885


# --- leaks -------------------------------------------------------------------------------------


def test_a_published_set_does_not_leak(few):
    found = leakage(few, np.arange(5))
    assert not found.found
    assert found.rotations == {"id": 6 * 92, "ood": 4 * 163}
    assert found.closest_rotation["id"] >= 6 and found.closest_rotation["ood"] >= 4.5
    # Cubic crystals have 24 orientations that look alike, so some test ones look like training.
    assert 0 < found.equivalent["ood"] < found.equivalent["id"] < 0.2


def test_planted_leaks_are_found(few):
    shared = replace(few, radii={**few.radii, "id": (10, 8)})
    shared.quaternions["id", 8.0] = few.rotations("id", 10)
    assert leakage(shared).shared_radii == (8.0,)
    del shared.quaternions["id", 8.0]

    near = few.rotations("train", 8)[5]
    turned = Rotation.from_rotvec([0, np.radians(5.9), 0]) * Rotation.from_quat(near)
    spoilt = few.rotations("id", 10).copy()
    spoilt[3] = turned.as_quat(canonical=True)
    close = leakage(replace(few, quaternions={**few.quaternions, ("id", 10.0): spoilt}))
    assert close.close_rotations == {"id": 1, "ood": 0}
    assert close.closest_rotation["id"] == pytest.approx(5.9)

    table = a_few_materials()
    twice = StructureTable.concatenate([table, table[:1].with_ids(["tausonite"])])
    same, _ = group(twice, MatchSettings(scale=False))
    particles = build_particles(twice, same=same)
    assert leakage(particles, same).duplicates == (("tausonite", "SrTiO3"),)
    assert not leakage(particles, same).straddling
    parted = particles.materials.with_columns(held_out=np.arange(6) == 5)
    found = leakage(replace(particles, materials=parted), same)
    assert found.straddling == ("tausonite",) and found.found
    assert any("tausonite = SrTiO3" in one for one in found.sentences())


# --- folders -----------------------------------------------------------------------------------


def test_a_folder_holds_all_of_a_set(few, tmp_path):
    save_particles(few, tmp_path / "few", leakage(few), command="as typed")
    again = load_particles(tmp_path / "few")
    assert again.sha256 == few.sha256 and again.name == "few"
    assert again.facts["command"] == "as typed"
    assert np.array_equal(again.particle("ZnO", 29, 100)[1], few.particle("ZnO", 29, 100)[1])


@pytest.mark.parametrize("damage", ["absent", "json", "kind", "rows", "lengths", "file"])
def test_a_damaged_folder_is_said(few, tmp_path, damage):
    save_particles(few, tmp_path, leakage(few))
    path = tmp_path / "particles.json"
    description = json.loads(path.read_text())
    if damage == "absent":
        path.unlink()
    elif damage == "json":
        path.write_text(path.read_text()[:-20])
    elif damage == "kind":
        path.write_text(json.dumps({**description, "kind": "something else"}))
    elif damage == "rows":
        write(few.particles.with_columns(material=np.arange(1, 6)), tmp_path / "particles.parquet")
    elif damage == "lengths":
        import pyarrow.parquet as pq

        table = pq.read_table(tmp_path / "rotations.parquet")
        pq.write_table(table.set_column(2, "x", [table["y"]]), tmp_path / "rotations.parquet")
    else:
        (tmp_path / "rotations.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"build (c2np|the set again|it again)"):
        load_particles(tmp_path)


@pytest.mark.parametrize(
    "field, value",
    [
        ("radii", {"id": [10.0], "ood": [30.0]}),
        ("radii", {"train": 7, "id": [10.0], "ood": [30.0]}),
        ("radii", {"train": ["seven"], "id": [10.0], "ood": [30.0]}),
        ("radii", [7.0]),
        ("facts", None),
        ("leakage", 3),
        ("leakage", {"found": False}),
        ("samples", {}),
        ("sha256", None),
    ],
)
def test_a_damaged_description_is_said(few, tmp_path, field, value):
    save_particles(few, tmp_path, leakage(few))
    path = tmp_path / "particles.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    for reader in (load_particles, describe_particles):
        with pytest.raises(UserError, match=rf"{field}.*build the set again"):
            reader(tmp_path)


def test_a_set_without_its_particles_is_said(few, tmp_path):
    save_particles(few, tmp_path, leakage(few))
    (tmp_path / "particles.parquet").unlink()
    with pytest.raises(UserError, match=r"particles\.parquet.*build the set again"):
        size_on_disk(tmp_path)


def test_empty_spheres_are_counted(tmp_path):
    """Atoms in the middle of a cube of 25 Å are 20.6 Å from the nearest of its corners."""
    lone = StructureTable.from_parts(
        ["lone"],
        [np.array([11, 17])],
        [np.array([[12.5, 12.5, 12.5], [14.5, 12.5, 12.5]])],
        [25 * np.eye(3)],
    )
    cut = build_particles(lone)
    every = sorted(float(radius) for radii in cut.radii.values() for radius in radii)
    nearest = np.sqrt(10.5**2 + 2 * 12.5**2)
    assert cut.empty() == {"lone": [radius for radius in every if radius < nearest]}
    assert not build_particles(lone, centre="centroid").empty()


@pytest.mark.parametrize(
    "names, words", [(["a", "A"], "two materials"), (["a", "../b"], "cannot be a file's name")]
)
def test_names_must_be_fit_for_files(names, words):
    with pytest.raises(UserError, match=words):
        build_particles(a_few_materials()[:2].with_ids(names))
