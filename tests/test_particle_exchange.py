"""Particles out and in: the authors' tree and archives, submissions' templates, the commands."""

import csv
import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from matscale.cli import app
from matscale.datasets.particles import (
    SPLITS,
    build_particles,
    leakage,
    load_particles,
    material_set,
    save_particles,
)
from matscale.datasets.particles.exporting import export_particles, only
from matscale.datasets.particles.importing import import_particles, parse_particle, regrouped
from matscale.datasets.particles.template import write_template
from matscale.matching.batch import group
from matscale.runtime.errors import Refused, UserError
from matscale.structures.formats import read_parquet, write
from matscale.structures.formats.vocabulary import Limits
from matscale.structures.table import StructureTable
from particle_samples import a_few_materials


@pytest.fixture(scope="module")
def few():
    return build_particles(a_few_materials(), name="few")


# --- out and in --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tree(few, tmp_path_factory):
    out = tmp_path_factory.mktemp("tree")
    small = replace(few, radii={"train": (8,), "id": (10,), "ood": (6,)})
    assert export_particles(only(small, ["ZnO", "NaCl"]), "authors", out, workers=1) == 2 * 317
    return out


def test_the_authors_tree(few, tree):
    from ase.io import read as read_with_ase
    from pymatgen.core import Structure

    assert {path.name for path in (tree / "cifs").iterdir()} == {"ZnO.cif", "NaCl.cif"}
    assert len(Structure.from_file(str(tree / "cifs" / "ZnO.cif"))) == 4
    folder = tree / "quaternions" / "ZnO" / "R6" / "xyz"
    assert {path.name for path in folder.iterdir()} == {f"rot_{turn}.xyz" for turn in range(164)}
    for turn in (0, 1, 163):
        atoms = read_with_ase(folder / f"rot_{turn}.xyz")
        numbers, positions = few.particle("ZnO", 6, turn)
        assert atoms.numbers.tolist() == numbers.tolist()
        assert np.abs(atoms.positions - positions).max() <= 0.5e-8 + 1e-12


def test_a_tree_comes_back(few, tree):
    found = import_particles(tree)
    assert found.submitted == 2 + 2 * 3 * 2 and not found.refusals
    assert (found.rotated, found.agreeing) == (6, 6)
    assert found.particles.materials.ids.tolist() == ["NaCl", "ZnO"]
    for radius in (6, 8, 10):
        ours = few.particle("ZnO", radius, 30)[1]
        assert np.abs(found.particles.particle("ZnO", radius, 30)[1] - ours).max() < 2e-8
    assert [len(found.particles.samples(split)) for split in SPLITS] == [118, 184, 326]
    same, _ = group(found.particles.materials)
    assert not leakage(regrouped(found.particles, same), same).found


def test_rotations_of_others_are_noticed(few, tree, tmp_path):
    folder = tmp_path / "crystals" / "ZnO" / "R8" / "xyz"
    folder.mkdir(parents=True)
    (tmp_path / "unit_cells").mkdir()
    (tmp_path / "unit_cells" / "ZnO.cif").write_text((tree / "cifs" / "ZnO.cif").read_text())
    source = tree / "quaternions" / "ZnO" / "R8" / "xyz"
    (folder / "rot_0.xyz").write_text((source / "rot_0.xyz").read_text())
    (folder / "rot_1.xyz").write_text((source / "rot_2.xyz").read_text())
    found = import_particles(tmp_path, split="radii")
    assert (found.rotated, found.agreeing) == (1, 0)


def raw_archive(tree, members) -> bytes:
    """A raw archive of ZnO with further members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("c2np_raw/cifs/ZnO.cif", (tree / "cifs" / "ZnO.cif").read_text())
        for radius in (6, 8, 10):
            text = (tree / "quaternions" / "ZnO" / f"R{radius}" / "xyz" / "rot_0.xyz").read_text()
            archive.writestr(f"c2np_raw/materials/ZnO_R{radius}.xyz", text)
        for name, text in members.items():
            archive.writestr(name, text)
    return buffer.getvalue()


HOSTILE = {
    "../../escaped_R6.xyz": ("1\n\nZn 0 0 0\n", "unsafe path"),
    "/abs_R7.xyz": ("1\n\nZn 0 0 0\n", "unsafe path"),
    "materials/ZnO_R7.xyz": ("2\n\nZn 0 0 0\n", "unreadable"),
    "materials/ZnO_R12.xyz": ("1\n\nZn 0 nan 0\n", "not finite"),
    "materials/ZnO_R13.xyz": ("1\n\nQq 0 0 0\n", "unknown element"),
    "materials/ZnO_R14.xyz": ("many\n\nZn 0 0 0\n", "unreadable"),
    "materials/ZnO_R15.xyz": ("", "unreadable"),
    "materials/ZnO_R16.xyz": ("1\n\nZn 0 0\n", "unreadable"),
    "materials/ZnO_R99.xyz": ("1\n\nZn 0 0 0\n", "unreadable"),
    "again/ZnO_R6.xyz": ("1\n\nZn 0 0 0\n", "unreadable"),
    "materials/MgO_R6.xyz": ("1\n\nMg 0 0 0\n", "missing"),
    "cifs/broken.cif": ("data_x\n_cell_length_a 3\n", "no atoms"),
}


def test_a_raw_archive_and_what_is_wrong_in_it(few, tree, tmp_path):
    path = tmp_path / "c2np_raw.zip"
    path.write_bytes(raw_archive(tree, {name: text for name, (text, _) in HOSTILE.items()}))
    found = import_particles(path)
    assert found.submitted == 4 + len(HOSTILE)
    reasons = {
        refusal.source.removeprefix(f"{path}/"): refusal.reason for refusal in found.refusals
    }
    assert reasons == {name: reason for name, (_, reason) in HOSTILE.items()}
    assert sorted(set(found.particles.samples("train").radius)) == [8]
    ours = few.particle("ZnO", 10, 5)[1]
    assert np.abs(found.particles.particle("ZnO", 10, 5)[1] - ours).max() < 2e-8
    assert not (tmp_path.parent.parent / "escaped_R6.xyz").exists()


def test_a_bomb_is_refused(tree, tmp_path):
    path = tmp_path / "c2np_raw.zip"
    path.write_bytes(raw_archive(tree, {"materials/ZnO_R9.xyz": "0" * (1 << 20)}))
    found = import_particles(path, limits=Limits(member_bytes=1 << 19))
    assert [refusal.reason for refusal in found.refusals] == ["too large"]


def test_a_source_without_particles_is_said(tree, tmp_path):
    with pytest.raises(UserError, match=r"2 unit cells .* 0 particles"):
        import_particles(tree / "cifs")
    with pytest.raises(UserError, match="there is no file"):
        import_particles(tmp_path / "nowhere")


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_particle_or_refused(content):
    try:
        numbers, positions = parse_particle(content)
    except Refused:
        return
    assert positions.shape == (len(numbers), 3) and np.isfinite(positions).all()


def test_extended_xyz_and_the_hub_hold_every_sample(few, tmp_path):
    import pyarrow.parquet as pq
    from ase.io import iread

    small = only(replace(few, radii={"train": (8,), "id": (), "ood": (6,)}), ["NaCl"])
    assert export_particles(small, "extxyz", tmp_path / "xyz", workers=1) == 59 + 163
    frames = list(iread(tmp_path / "xyz" / "ood.extxyz"))
    assert [frame.info["rotation"] for frame in frames] == list(range(1, 164))
    assert frames[40].info["material"] == "NaCl" and frames[40].info["radius"] == 6
    assert np.array_equal(frames[40].positions, few.particle("NaCl", 6, 41)[1])

    assert export_particles(small, "huggingface", tmp_path / "hub", workers=1) == 59 + 163
    table = pq.read_table(tmp_path / "hub" / "data" / "ood_test-00000-of-00001.parquet")
    row = table.slice(40, 1).to_pylist()[0]
    assert row["rot_idx"] == 41 and row["material"] == "NaCl" and row["split"] == "ood_test"
    assert np.abs(np.array(row["pos"]) - few.particle("NaCl", 6, 41)[1]).max() < 1e-5
    assert row["z"] == few.particle("NaCl", 6)[0].tolist() and row["num_atoms"] == len(row["z"])
    card = (tmp_path / "hub" / "README.md").read_text()
    assert card.startswith("---\nconfigs:") and "data/ood_test-*.parquet" in card


def test_templates(few, tmp_path):
    asked = few.samples("id")
    cells = tmp_path / "cells.csv"
    assert write_template("particle-to-crystal", few, asked, cells) == len(asked) == 5 * 552
    with (tmp_path / "cells.csv").open() as file:
        rows = list(csv.DictReader(file))
    header = "material,radius,rotation,a,b,c,alpha,beta,gamma,space_group"
    assert list(rows[0]) == header.split(",")
    assert len({(row["material"], row["radius"], row["rotation"]) for row in rows}) == len(rows)
    for name in ("answers.extxyz", "answers.parquet"):
        assert write_template("crystal-to-particle", few, asked, tmp_path / name) == 3
    assert write_template("crystal-to-particle", few, asked, tmp_path / "asked.csv") == len(asked)
    assert (tmp_path / "asked.csv").read_text().startswith("material,radius,rotation\n")
    with pytest.raises(UserError, match=r"a \.csv"):
        write_template("particle-to-crystal", few, asked, tmp_path / "cells.json")
    with pytest.raises(UserError, match=r"end in \.extxyz"):
        write_template("crystal-to-particle", few, asked, tmp_path / "answers.cif")


# --- commands ----------------------------------------------------------------------------------


def run(*words) -> str:
    """What a command prints; its errors are raised."""
    done = CliRunner().invoke(app, ["data", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_commands_from_build_to_template(tmp_path):
    write(a_few_materials(), tmp_path / "cells.parquet")
    folder = tmp_path / "set"
    built = run("build", "c2np", "--materials", tmp_path / "cells.parquet", "--out", folder)
    assert "leakage       none" in built and "4425 particles" in built
    info = run("info", folder)
    assert "held-out materials with a twin" in info and "0 of 552" in info
    told = json.loads(run("info", folder, "--json"))
    assert told["samples"] == {"train": 4425, "id": 2760, "ood": 3260}
    raw = tmp_path / "raw"
    (raw / "cifs").mkdir(parents=True)
    particles = load_particles(folder)
    small = only(replace(particles, radii={"train": (8,), "id": (10,), "ood": (6,)}), ["NaCl"])
    export_particles(small, "authors", raw, workers=1)
    assert "3 of 3 agree" in run("import", raw, "--out", tmp_path / "back")
    run("template", "particle-to-crystal", "--data", folder, "--out", tmp_path / "cells.csv")
    assert len((tmp_path / "cells.csv").read_text().splitlines()) == 1 + 5 * (6 + 4)
    run("materials", "radii-10", "--out", tmp_path / "ten.parquet")
    assert read_parquet(tmp_path / "ten.parquet").sha256() == material_set("radii-10").sha256()


def test_a_set_is_not_exported_into_itself(few, tmp_path):
    folder = tmp_path / "set"
    save_particles(only(few, ["NaCl"]), folder, leakage(few))
    before = sorted(path.name for path in folder.iterdir())
    for layout in ("authors", "extxyz", "huggingface"):
        with pytest.raises(UserError, match="the folder of the set itself"):
            run("export", folder, "--layout", layout, "--out", tmp_path / "set" / ".." / "set")
    assert sorted(path.name for path in folder.iterdir()) == before


def test_building_says_what_is_refused_and_what_is_empty(tmp_path):
    """One rule with import: exit code 1 where an item was refused."""
    folder = tmp_path / "cells"
    folder.mkdir()
    (folder / "broken.cif").write_text("broken")
    nothing = CliRunner().invoke(
        app, ["data", "build", "c2np", "--materials", str(folder), "--out", str(tmp_path / "none")]
    )
    assert isinstance(nothing.exception, UserError) and "broken.cif: " in str(nothing.exception)
    lone = StructureTable.from_parts(
        ["lone"], [np.array([11])], [np.full((1, 3), 12.5)], [25 * np.eye(3)]
    )
    write(lone, folder / "lone.parquet")
    built = CliRunner().invoke(
        app, ["data", "build", "c2np", "--materials", str(folder), "--out", str(tmp_path / "set")]
    )
    assert built.exit_code == 1
    assert "refused: " in built.output
    assert "spheres hold no atom and give no particle: " in built.output
    assert json.loads((tmp_path / "set" / "particles.json").read_text())["facts"]["empty"]


@pytest.mark.parametrize(
    "words, message",
    [
        (["build", "c2np", "--materials", "nowhere", "--out", "x"], "is neither a set"),
        (["build", "c2np", "--centre", "middle", "--out", "x"], "no centre 'middle'"),
        (["export", "nowhere", "--layout", "extxyz", "--out", "x"], r"holds no particles\.json"),
        (["import", "nowhere", "--out", "x"], "there is no file or folder"),
        (["template", "particle-to-crystal", "--out", "x.xyz"], r"a \.csv"),
        (["materials", "radii-10", "--out", "nowhere/x.parquet"], "there is no folder"),
    ],
)
def test_mistakes_are_said(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        run(*words)
    assert not list(tmp_path.iterdir())
