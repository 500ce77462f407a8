"""`matscale match`, `group` and `reduce` on files: what they write agrees with pymatgen."""

import csv
import json
from pathlib import Path

import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure

from crystals import described_otherwise, held_out, rock_salt
from matscale.structures.formats import read, write
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
