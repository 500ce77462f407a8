"""``matscale recover``: what is printed, written and refused."""

import json

import ase.io
import numpy as np
import pytest
from ase import Atoms
from pymatgen.core import Structure
from typer.testing import CliRunner

from crystals import rutile
from matscale.cli import app, main
from matscale.recovery.cif import unique_names
from matscale.structures.formats import write_parquet
from matscale.structures.table import StructureTable
from test_recovery import cut

RUTILE = rutile(4.6, 2.95, "Ti", "O")


def particle(seed: int = 0) -> Atoms:
    numbers, positions = cut(RUTILE, 9, seed)
    return Atoms(numbers=numbers, positions=positions)


def run(*words: object):
    return CliRunner().invoke(app, ["recover", *map(str, words)])


def test_one_particle_in_words_and_cif(tmp_path):
    ase.io.write(tmp_path / "ball.xyz", particle(), format="xyz")
    done = run(tmp_path / "ball.xyz", "--out", tmp_path / "crystal.cif")
    assert done.exit_code == 0, done.output
    assert "ball: determined" in done.output
    assert "P4_2/mnm (136)" in done.output
    read = Structure.from_file(tmp_path / "crystal.cif")
    assert read.lattice.abc == pytest.approx((4.6, 4.6, 2.95), abs=1e-5)
    assert read.composition == RUTILE.composition


def test_many_particles_a_broken_one_and_a_crystal(tmp_path):
    frames = [particle(1), Atoms("H20", positions=np.random.default_rng(2).random((20, 3)) * 9)]
    crystal = Atoms(
        numbers=RUTILE.atomic_numbers,
        positions=RUTILE.cart_coords,
        cell=RUTILE.lattice.matrix,
        pbc=True,
    )
    ase.io.write(tmp_path / "some.extxyz", [*frames, crystal], format="extxyz")
    with (tmp_path / "some.extxyz").open("a") as file:
        file.write("2\nbroken\nH 0 0 x\nH 0 0 1\n")
    done = run(tmp_path / "some.extxyz", "--json")
    assert done.exit_code == 1
    said = json.loads(done.stdout)
    assert said["refused"] == {"a crystal": 1, "unreadable": 1}
    first, second = said["particles"]
    assert first["status"] == "determined"
    assert first["space_group"] == 136
    assert first["cell"]["a"] == pytest.approx(2.95, abs=1e-5)
    assert sorted(site[0] for site in first["cell"]["sites"]) == ["O"] * 4 + ["Ti"] * 2
    assert second["status"] == "not determined"
    assert second["space_group"] is None
    assert second["reason"]


def test_parquet_of_particles(tmp_path):
    table = StructureTable.from_ase([particle(3), particle(4)], ["x", "y"])
    write_parquet(table, tmp_path / "balls.parquet")
    said = json.loads(run(tmp_path / "balls.parquet", "--json").stdout)
    assert [(one["id"], one["space_group"]) for one in said["particles"]] == [
        ("x", 136),
        ("y", 136),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no file"),
        ("not a particle\n", "holds no particle that can be read"),
        ('1\nLattice="4 0 0 0 4 0 0 0 4" pbc="T T T"\nFe 0 0 0\n', "holds a crystal already"),
    ],
)
def test_mistakes_end_in_a_sentence(tmp_path, monkeypatch, capsys, content, said):
    path = tmp_path / "it.xyz"
    if content is not None:
        path.write_text(content)
    monkeypatch.setattr("sys.argv", ["matscale", "recover", str(path)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("matscale: ")
    assert said in error
    assert "Traceback" not in error


def test_the_particles_themselves_are_not_written_over(tmp_path, monkeypatch, capsys):
    path = tmp_path / "ball.xyz"
    ase.io.write(path, particle(), format="xyz")
    before = path.read_bytes()
    (tmp_path / "linked.xyz").symlink_to(path)
    for out in (path, tmp_path / "linked.xyz", tmp_path / ".." / tmp_path.name / "ball.xyz"):
        monkeypatch.setattr("sys.argv", ["matscale", "recover", str(path), "--out", str(out)])
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == 2
        assert "is what is read: give another file" in capsys.readouterr().err
        assert path.read_bytes() == before


def test_counts_that_lie_refuse_their_frame_and_leave_the_others(tmp_path):
    """A count that reading line by line would never end, and files without a frame."""
    ase.io.write(tmp_path / "good.xyz", particle(), format="xyz")
    for name, text in {
        "huge": "99999999999\nid=a\nCs 0 0 0\n",
        "none": "0\n\n",
        "bare": "1",
        "fields": "1\nProperties=pos:R:3\n0 0 0\n",
    }.items():
        (tmp_path / f"{name}.xyz").write_text(text)
    done = run(tmp_path, "--json")
    assert done.exit_code == 1
    said = json.loads(done.stdout)
    assert [(one["id"], one["space_group"]) for one in said["particles"]] == [("good", 136)]
    assert said["refused"] == {"unreadable": 3, "no atoms": 1}


def test_blocks_of_equal_names_are_told_apart(tmp_path):
    for folder in ("A", "a", "B"):
        (tmp_path / folder).mkdir()
        ase.io.write(tmp_path / folder / "rot_1.xyz", particle(), format="xyz")
    done = run(tmp_path, "--out", tmp_path / "all.cif", "--workers", 1)
    assert done.exit_code == 0, done.output
    blocks = [line for line in (tmp_path / "all.cif").read_text().split("\n") if "data_" in line]
    assert blocks == ["data_rot_1", "data_rot_1_2", "data_rot_1_3"]


def test_names_of_blocks_are_unique_in_any_case():
    names = unique_names(["a b", "A_b", "a_b_2", "", "crystal"])
    assert names == ["a_b", "A_b_2", "a_b_2_2", "crystal", "crystal_2"]


def test_nothing_to_write_is_said_and_nothing_written(tmp_path, monkeypatch, capsys):
    ase.io.write(tmp_path / "small.xyz", Atoms("H"), format="xyz")
    out = tmp_path / "none.cif"
    words = ["matscale", "recover", str(tmp_path / "small.xyz"), "--out", str(out)]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    said = capsys.readouterr()
    assert "no crystal is determined" in said.err
    assert said.out.startswith("small: not determined: too small")
    assert not out.exists()
