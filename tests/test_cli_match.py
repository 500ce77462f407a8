"""`matscale match`, `group` and `reduce` on files: what they write agrees with pymatgen."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure

from crystals import described_otherwise, held_out, rock_salt
from matscale.cli.match import _say
from matscale.matching.outcomes import Counts
from matscale.structures.formats import read, write
from matscale.structures.reading import Reading
from matscale.structures.table import StructureTable
from test_cli import matscale


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Twelve crystals; the same described otherwise and strained, with a damaged line."""
    path = tmp_path_factory.mktemp("match")
    write(held_out(), path / "first.parquet")
    others = [
        described_otherwise(structure, seed).apply_strain(0.01, inplace=False)
        for seed, structure in enumerate(held_out().iter_pymatgen())
    ]
    others.append(rock_salt(6.3, "K", "Br"))
    write(StructureTable.from_pymatgen(others), path / "second.jsonl")
    with (path / "second.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"id": "cut", "structure": {')
    return path


def test_matches_are_pymatgens(folder):
    done = matscale("match", "first.parquet", "second.jsonl", "--out", "pairs.csv", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "refused: " in done.stderr
    first, second = (
        list(read(folder / n).table.iter_pymatgen()) for n in ("first.parquet", "second.jsonl")
    )
    fits = StructureMatcher().fit
    expected = {
        (f"crystal-{i}", str(j))
        for i, a in enumerate(first)
        for j, b in enumerate(second)
        if fits(a, b)
    }
    assert {(row["first"], row["second"]) for row in rows(folder / "pairs.csv")} == expected
    assert len(expected) == 12
    assert {row["status"] for row in rows(folder / "pairs.csv")} == {"match"}
    assert not list(folder.glob(".*"))


def test_the_criterion_decides_as_in_fit_or_get_rms_dist(folder):
    """One atom of a loose copy moves more than ``stol`` allows, while the rms stays below it."""
    cell = Structure.from_spacegroup("Pnma", np.diag([5.1, 7.3, 4.7]), ["Si"], [[0.13, 0.21, 0.4]])
    moved = cell.copy()
    moved.translate_sites([3], [1.1, 0.0, 0.0], frac_coords=False)
    for name, structure in (("cell", cell), ("moved", moved)):
        write(StructureTable.from_pymatgen([structure]), folder / f"{name}.parquet")
    matcher = StructureMatcher()
    rms, largest = matcher.get_rms_dist(cell, moved)
    assert rms < 0.3 < largest
    assert not matcher.fit(cell, moved)
    for options, found in (((), 0), (("--criterion", "rms"), 1)):
        arguments = ("cell.parquet", "moved.parquet", "--out", "criterion.csv", *options)
        done = matscale("match", *arguments, cwd=folder)
        said = "rms" if options else "largest"
        assert f"{found} pairs match (criterion {said}, best match of each pair)" in done.stdout
        assert len(rows(folder / "criterion.csv")) == found
    (row,) = rows(folder / "criterion.csv")
    assert float(row["rms"]) == pytest.approx(rms, abs=1e-9)
    assert float(row["largest"]) == pytest.approx(largest, abs=1e-9)


def test_the_first_match_may_be_kept(folder):
    base = ("first.parquet", "second.jsonl", "--mode", "framework", "--stol", "0.5")
    kept = {}
    for name, options in (("best", ()), ("first", ("--first",))):
        arguments = (*base, "--criterion", "rms", "--out", f"{name}.csv", *options, "--json")
        counts = json.loads(matscale("match", *arguments, cwd=folder).stdout)
        assert (counts["criterion"], counts["kept"]) == ("rms", name)
        kept[name] = {
            (r["first"], r["second"]): float(r["rms"]) for r in rows(folder / f"{name}.csv")
        }
    assert kept["best"].keys() == kept["first"].keys()
    assert all(kept["best"][pair] <= rms + 1e-12 for pair, rms in kept["first"].items())
    assert any(kept["best"][pair] < rms - 1e-6 for pair, rms in kept["first"].items())


def test_anonymous_pairs_name_the_elements_and_the_cost(folder):
    options = ("--mode", "anonymous", "--out", "anonymous.csv", "--json")
    counts = json.loads(
        matscale("match", "first.parquet", "second.jsonl", *options, cwd=folder).stdout
    )
    assert counts["considered"] == 12 * 13
    assert counts["considered"] == sum(counts["refused"].values()) + counts["tested"]
    assert counts["unreadable"][1]
    found = {(row["first"], row["second"]): row for row in rows(folder / "anonymous.csv")}
    swap = found["crystal-0", "12"]  # NaCl and KBr
    assert swap["element_map"] == "Na>K Cl>Br"
    assert float(swap["cost"]) == 1.0  # one step each on the modified Pettifor scale
    assert counts["matched"] == len(found)


def test_groups_name_their_first_member(folder):
    options = ("--stol", "0.3", "--out", "groups.csv", "--json")
    counts = json.loads(matscale("group", "second.jsonl", *options, cwd=folder).stdout)
    assert counts["groups"] == 13
    assert {row["id"]: row["group"] for row in rows(folder / "groups.csv")} == {
        str(k): str(k) for k in range(13)
    }


def test_groups_of_repeated_ids_are_told_apart_by_rows(folder):
    table = read(folder / "second.jsonl").table[[0, 1, 1, 0]].with_ids(["x", "x", "y", "z"])
    write(table, folder / "twice.parquet")
    matscale("group", "twice.parquet", "--out", "twice.csv", cwd=folder)
    found = [(row["row"], row["group_row"]) for row in rows(folder / "twice.csv")]
    assert found == [("0", "0"), ("1", "1"), ("2", "1"), ("3", "0")]


def test_reduced_cells_are_pymatgens(folder):
    done = matscale("reduce", "second.jsonl", "--out", "reduced.jsonl", "--json", cwd=folder)
    assert json.loads(done.stdout)["reduced"] == 13
    reduced = read(folder / "reduced.jsonl").table
    for given, ours in zip(
        read(folder / "second.jsonl").table.iter_pymatgen(), reduced.iter_pymatgen(), strict=True
    ):
        theirs: Structure = given.get_primitive_structure().get_reduced_structure()
        assert ours.lattice.parameters == pytest.approx(theirs.lattice.parameters, abs=1e-6)
        assert len(ours) == len(theirs)


def test_wyckoff_pairs_name_group_elements_and_costs(folder):
    options = ("--mode", "wyckoff", "--symprec", "0.1", "--out", "wyckoff.csv", "--json")
    done = matscale("match", "first.parquet", "second.jsonl", *options, cwd=folder)
    counts = json.loads(done.stdout)
    found = {(row["first"], row["second"]): row for row in rows(folder / "wyckoff.csv")}
    assert counts["considered"] == 12 * 13
    assert counts["matched"] == len(found)
    assert sum(counts["unreadable"][1].values()) == 1
    swap = found["crystal-0", "12"]  # NaCl and KBr
    assert swap == {
        **{"first": "crystal-0", "second": "12", "space_group": "225"},
        **{"element_map": "Na>K Cl>Br", "cost": "1.0", "uniform_cost": "1.0"},
        **{"first_row": "0", "second_row": "12"},
    }
    printed = matscale("match", "first.parquet", "first.parquet", *options[:-1], cwd=folder).stdout
    assert "36 the same Wyckoff positions" in printed  # three of each of four prototypes
    assert all(
        float(row["cost"]) == 0
        for row in rows(folder / "wyckoff.csv")
        if row["first"] == row["second"]
    )


def test_options_of_both_commands_are_the_same():
    import typer

    from matscale.cli import app

    commands = typer.main.get_command(app).commands
    options = [
        {name for one in commands[command].params for name in one.opts}
        for command in ("match", "group")
    ]
    assert options[0] - options[1] == {"first", "second", "--symprec", "--criterion", "--first"}
    assert options[1] - options[0] == {"crystals", "--symmetric"}
    assert {"--ltol", "--stol", "--angle-tol", "--scale", "--primitive", "--supercell"} <= options[
        1
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("first.parquet", "absent.cif"), "there is no file or folder 'absent.cif'"),
        (
            ("first.parquet", "empty.jsonl"),
            "empty.jsonl holds no crystal that can be read (1 empty)",
        ),
        (("first.parquet", "hollow"), "holds no files"),
        (("particle.parquet", "first.parquet"), "holds no crystal that can be read (1 no cell)"),
        (("first.parquet", "first.parquet", "--out", "no/pairs.csv"), "there is no folder no"),
        (("first.parquet", "first.parquet", "--out", "hollow"), "hollow is a folder"),
        (("first.parquet", "first.parquet", "--ltol", "inf"), "--ltol is inf"),
        (("first.parquet", "first.parquet", "--symprec", "0.1"), "--mode direct has no use for it"),
        (
            (
                "first.parquet",
                "first.parquet",
                "--mode",
                "wyckoff",
                "--criterion",
                "rms",
                "--first",
            ),
            "no use for --criterion, --first; its one tolerance is --symprec",
        ),
        (
            (
                "first.parquet",
                "first.parquet",
                "--mode",
                "wyckoff",
                "--no-scale",
                "--angle-tol",
                "3",
            ),
            "no use for --angle-tol, --scale; its one tolerance is --symprec",
        ),
    ],
)
def test_a_mistake_is_one_sentence(folder, arguments, words):
    (folder / "hollow").mkdir(exist_ok=True)
    (folder / "empty.jsonl").touch()
    particle = StructureTable.from_parts(["p"], [np.array([79])], [np.zeros((1, 3))], None)
    write(particle, folder / "particle.parquet")
    done = matscale("match", *arguments, cwd=folder)
    assert done.returncode == 2
    assert done.stderr.startswith("matscale: "), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert words in done.stderr
    assert not done.stdout


def test_workers_change_nothing(folder):
    for workers in ("1", "2"):
        options = ("--workers", workers, "--out", f"pairs-{workers}.csv")
        assert matscale("match", *["first.parquet"] * 2, *options, cwd=folder).returncode == 0
    assert (folder / "pairs-1.csv").read_bytes() == (folder / "pairs-2.csv").read_bytes()


TOO_LARGE = """
import sys
from matscale.matching import engine
engine.POINTS = engine.MAX_POINTS = 64
sys.argv = ["matscale", "match", "first.parquet", "first.parquet", "--ltol", "4",
            "--angle-tol", "80", "--out", "large.csv"] + sys.argv[1:]
from matscale.cli import main
main()
"""


TOO_LARGE_GROUPS = TOO_LARGE.replace(
    '"match", "first.parquet", "first.parquet"', '"group", "first.parquet", "--mode", "anonymous"'
)


def test_the_undecided_are_told_why(capsys):
    """Pairs of cells that are too large, and pairs of two crystals that take too long."""
    reading = Reading(held_out(), np.arange(12))
    refused = {"composition": 7, "too large": 3}
    counts = Counts(10, refused, 0, 0, 0, 0.1, undecided=((0, 1), (0, 2), (3, 4)), oversized=2)
    _say(counts, [reading], "said", as_json=False)
    said = capsys.readouterr()
    assert "2 pairs are undecided: a cell has more than 8192 sites" in said.out
    assert "1 pairs are undecided: within these tolerances" in said.out
    assert "crystal-3 and crystal-4: undecided" in said.err
    _say(replace(counts, oversized=3), [reading], "said", as_json=False)
    assert "smaller tolerances" not in capsys.readouterr().out


def test_groups_name_the_undecided(folder):
    command = [sys.executable, "-c", TOO_LARGE_GROUPS, "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    counts = json.loads(done.stdout)
    assert len(counts["undecided"]) == counts["refused"]["too large"] > 0
    assert all(one.startswith("crystal-") for pair in counts["undecided"] for one in pair)


def test_pairs_that_are_too_large_are_named_everywhere(folder):
    command = [sys.executable, "-c", TOO_LARGE]
    text, machine = (
        subprocess.run([*command, *more], cwd=folder, capture_output=True, text=True, check=True)
        for more in ([], ["--json"])
    )
    undecided = [
        (row["first"], row["second"])
        for row in rows(folder / "large.csv")
        if row["status"] != "match"
    ]
    count = len(undecided)
    assert count
    assert {row["rms"] for row in rows(folder / "large.csv") if row["status"] == "too large"} == {
        ""
    }
    assert f"{count} given up as too large" in text.stdout
    assert f"{count} pairs are undecided" in text.stdout
    assert "smaller tolerances" in text.stdout
    assert "sites" not in text.stdout.split("pairs are undecided")[1]
    named = [f"{one} and {other}: undecided" for one, other in undecided]
    assert text.stderr.splitlines()[:20] == named[:20]
    counts = json.loads(machine.stdout)
    assert [tuple(pair) for pair in counts["undecided"]] == undecided
    assert counts["refused"]["too large"] == count


def test_the_folder_that_one_stands_in_is_called_by_its_name(tmp_path):
    (tmp_path / "crystals").mkdir()
    rock_salt(5.6, "Na", "Cl").to_file(str(tmp_path / "crystals/nacl.cif"))
    (tmp_path / "crystals/notes.cif").write_text("no crystal", encoding="utf-8")
    done = matscale("group", ".", "--out", "../groups.csv", cwd=tmp_path / "crystals")
    assert "1 of 2 crystals of crystals were refused" in done.stderr
