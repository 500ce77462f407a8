"""Datasets: the registry, finding and loading them, hygiene, leaks; real files if present."""

import hashlib
import json
import os
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest

from matscale import datasets
from matscale.datasets import dataset as dataset_module
from matscale.datasets import registry
from matscale.datasets.dataset import id_fingerprint
from matscale.datasets.hygiene import clean, ids_in_order
from matscale.datasets.readers import Content, read_csv_splits, read_jarvis_records, read_json
from matscale.datasets.registry import Entry, RemoteFile
from matscale.runtime.errors import UserError
from matscale.structures.reading import Reading, Refusal
from matscale.structures.table import StructureTable

SIZES = {
    "supercon3d": {"train": 846, "val": 105, "test": 105},
    "carbon24": {"train": 6091, "val": 2032, "test": 2030},
    "perov5": {"train": 11356, "val": 3787, "test": 3785},
}
CUBE = np.eye(3) * 4.0
POSCAR = "NaCl\n1.0\n4 0 0\n0 4 0\n0 0 4\nNa Cl\n1 1\ndirect\n0 0 0\n0.5 0.5 0.5\n"


def crystals(ids, numbers=(11, 17), positions=((0, 0, 0), (2, 2, 2)), cell=CUBE):
    count = len(ids)
    return StructureTable.from_parts(
        ids, [np.array(numbers)] * count, [np.array(positions, float)] * count, [cell] * count
    )


def reading(*ids, refused=()):
    """A reading whose refused ids stand between the others where ``refused`` puts them."""
    table = crystals([name for name in ids if name not in refused])
    items = np.array([item for item, name in enumerate(ids) if name not in refused], dtype=np.int64)
    refusals = [
        Refusal(item, name, "here", "disordered")
        for item, name in enumerate(ids)
        if name in refused
    ]
    return Reading(table, items, tuple(refusals))


# --- the registry --------------------------------------------------------------------------


def test_the_datasets_of_the_issue_are_registered():
    assert list(datasets.DATASETS) == [
        "supercon3d",
        "carbon24",
        "perov5",
        "alexandria-dsab",
        "mp20",
    ]


@pytest.mark.parametrize("name", datasets.DATASETS)
def test_an_entry_is_complete(name):
    entry = datasets.DATASETS[name]
    assert entry.name == name
    assert all("doi:" in paper.text or "arXiv:" in paper.text for paper in entry.citation)
    assert entry.licence
    assert entry.split_rule
    assert set(entry.splits) == {"train", "val", "test"}
    for file in entry.files:
        assert all(url.startswith("https://") for url in file.urls)
        assert file.sha256 is None or len(file.sha256) == 64
        assert not set(file.name) & set("/\\")
    assert len({file.name for file in entry.files}) == len(entry.files)
    # What has no hash must say that it was not checked.
    assert entry.unverified or all(file.sha256 for file in entry.files)


def test_unknown_names_list_the_known_ones(tmp_path):
    for call in (datasets.find, datasets.describe, datasets.fetch):
        with pytest.raises(UserError, match=r"no dataset 'mp21'.*mp20"):
            call("mp21")
    with pytest.raises(UserError, match=r"no dataset and no file.*mp20"):
        datasets.load("mp21")


# --- finding -------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """No data of this machine: an empty cache and no $MATSCALE_DATA."""
    monkeypatch.delenv("MATSCALE_DATA", raising=False)
    monkeypatch.setenv("MATSCALE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def put(root, name, *files):
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        (folder / file).write_bytes(b"x")
    return folder


def test_find_says_how_to_get_it(elsewhere):
    with pytest.raises(UserError, match="matscale data fetch mp20"):
        datasets.find("mp20")


def test_data_folder_is_searched_before_the_cache(elsewhere, monkeypatch):
    cached = put(elsewhere / "cache" / "datasets", "carbon24", "structures.json.zip")
    assert datasets.find("carbon24") == [cached / "structures.json.zip"]
    held = put(elsewhere / "data", "carbon24", "structures.json.zip")
    monkeypatch.setenv("MATSCALE_DATA", str(elsewhere / "data"))
    assert datasets.find("carbon24") == [held / "structures.json.zip"]


def test_a_place_that_lacks_a_file_does_not_count(elsewhere, monkeypatch):
    put(elsewhere / "data", "mp20", "train.csv", "val.csv")
    monkeypatch.setenv("MATSCALE_DATA", str(elsewhere / "data"))
    with pytest.raises(UserError, match="mp20"):
        datasets.find("mp20")
    cached = put(elsewhere / "cache" / "datasets", "mp20", "train.csv", "val.csv", "test.csv")
    assert [path.name for path in datasets.find("mp20")] == ["train.csv", "val.csv", "test.csv"]
    assert {path.parent for path in datasets.find("mp20")} == {cached}


def test_optional_files_may_be_absent(elsewhere):
    put(elsewhere / "cache" / "datasets", "supercon3d", "structures.json.zip")
    assert len(datasets.find("supercon3d")) == 1


def test_data_folder_that_does_not_exist(elsewhere, monkeypatch):
    monkeypatch.setenv("MATSCALE_DATA", str(elsewhere / "nowhere"))
    for call in (datasets.find, datasets.describe, datasets.load):
        with pytest.raises(UserError, match=r"MATSCALE_DATA.*nowhere"):
            call("supercon3d")


def test_describe_is_plain_and_says_where(elsewhere):
    assert datasets.describe("carbon24")["path"] is None
    folder = put(elsewhere / "cache" / "datasets", "carbon24", "structures.json.zip")
    told = datasets.describe("carbon24")
    assert json.loads(json.dumps(told)) == told
    assert told["path"] == str(folder)
    assert told["files"][0]["path"] == str(folder / "structures.json.zip")
    assert told["splits"] == SIZES["carbon24"]
    assert [one["name"] for one in datasets.list_datasets()] == list(datasets.DATASETS)


# --- JSON ----------------------------------------------------------------------------------


def test_read_json_refuses_what_is_none(tmp_path):
    path = tmp_path / "x.json.zip"
    path.write_bytes(b"no archive")
    with pytest.raises(UserError, match="cannot be read as JSON"):
        read_json(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.json", "{}")
        archive.writestr("b.json", "{}")
    with pytest.raises(UserError, match="2 JSON files"):
        read_json(path)


def test_read_json_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("matscale.datasets.readers.MAX_JSON_BYTES", 1 << 20)
    path = tmp_path / "bomb.json.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", "0" * (2 << 20))
    with pytest.raises(UserError, match="unpacks to more than 1 MiB"):
        read_json(path)


# --- hygiene -------------------------------------------------------------------------------


def test_hygiene_removes_by_split_and_reports():
    readings = {
        "train": reading("JVASP-1", "JVASP-16080"),
        "val": reading("JVASP-19919", "JVASP-2"),
        "test": reading("JVASP-3", "JVASP-20425", "JVASP-4"),
    }
    cleaned, removed, notes = clean("atombench", readings)
    assert {split: list(part.table.ids) for split, part in cleaned.items()} == {
        "train": ["JVASP-1", "JVASP-16080"],
        "val": ["JVASP-2"],
        "test": ["JVASP-3", "JVASP-4"],
    }
    assert [(item.id, item.split) for item in removed] == [
        ("JVASP-19919", "val"),
        ("JVASP-20425", "test"),
    ]
    assert notes == (
        "hygiene 'atombench': JVASP-16080 is not in test but in train, where it stays",
    )


def test_hygiene_keeps_items_and_refusals_consistent():
    readings = {"test": reading("A", "JVASP-20425", "B", "C", "D", refused=("B", "D"))}
    cleaned, _, _ = clean("atombench", readings)
    part = cleaned["test"]
    assert ids_in_order(part) == ["A", "B", "C", "D"]
    assert part.items.tolist() == [0, 2]
    assert [refusal.item for refusal in part.refusals] == [1, 3]
    assert part.submitted == 4


def test_hygiene_also_removes_a_refused_item():
    cleaned, removed, _ = clean(
        "atombench", {"val": reading("A", "JVASP-19919", refused=("JVASP-19919",))}
    )
    assert cleaned["val"].submitted == 1
    assert len(removed) == 1


def test_unknown_hygiene():
    with pytest.raises(UserError, match=r"'soap'.*atombench"):
        clean("soap", {})


@pytest.mark.parametrize(
    ("count", "sizes"),
    [
        (1057, (847, 105, 105)),  # Supercon-3D as published, before two leave the test part
        (8253, (6603, 825, 825)),  # Alexandria DS-A/B as published
        (9, (9, 0, 0)),
        (0, (0, 0, 0)),
    ],
)
def test_atombench_split_sizes(count, sizes):
    split = datasets.atombench_split(count)
    assert tuple(len(split[part]) for part in ("train", "val", "test")) == sizes
    assert sorted(row for rows in split.values() for row in rows) == list(range(count))


def test_atombench_split_is_the_shuffle_of_the_global_generator():
    state = random.getstate()
    random.seed(123)
    rows = list(range(20))
    random.shuffle(rows)
    random.setstate(state)
    assert datasets.atombench_split(20) == {
        "train": rows[:16],
        "val": rows[16:18],
        "test": rows[18:],
    }
    assert random.getstate() == state, "the caller's generator is left alone"


def test_id_fingerprint():
    readings = {"test": reading("c"), "train": reading("a", "b", refused=("a",))}
    assert id_fingerprint(readings) == hashlib.sha256(b"a,b,c,").hexdigest()[:10]


# --- leaks ---------------------------------------------------------------------------------


def test_a_copy_is_seen_through_rotation_and_renumbering():
    turn = np.array([[0.0, 1, 0], [-0.6, 0, 0.8], [0.8, 0, 0.6]])
    copy = crystals(["copy"], (17, 11), np.array([[2, 2, 2], [4, 0, 0]]) @ turn, cell=CUBE @ turn)
    found = datasets.leaks(crystals(["original"]), copy)
    assert found.duplicates == (("copy", "original"),)
    assert found.same_cell == 1
    assert found.shared_ids == ()


@pytest.mark.parametrize(
    ("change", "same_cell"),
    [
        ({"cell": CUBE * 1.01, "positions": ((0, 0, 0), (2.02, 2.02, 2.02))}, 0),
        ({"numbers": (11, 35)}, 0),
        ({"positions": ((0, 0, 0), (2, 2, 1.9))}, 1),
    ],
)
def test_what_differs_is_no_duplicate(change, same_cell):
    found = datasets.leaks(crystals(["a"]), crystals(["a"], **change))
    assert found.duplicates == ()
    assert found.same_cell == same_cell
    assert found.shared_ids == ("a",)


def test_leaks_of_empty_splits():
    assert datasets.leaks(StructureTable.empty(), crystals(["a"])).duplicates == ()
    assert datasets.leaks(crystals(["a"]), StructureTable.empty()).same_cell == 0


def test_leaks_need_crystals():
    particle = StructureTable.from_parts(["p"], [np.array([6])], [np.zeros((1, 3))], None)
    with pytest.raises(ValueError, match="no cells"):
        datasets.leaks(particle, particle)


# --- loading -------------------------------------------------------------------------------


@pytest.fixture
def tiny(elsewhere, monkeypatch):
    """A registered dataset of one file, whose reader gives two splits."""
    content = Content(
        {"train": reading("a", "b"), "test": reading("JVASP-20425", "c", refused=("c",))},
        {"tc": {"a": 4.5}},
    )
    known = Entry(
        "tiny", "Tiny", "", (), "", (RemoteFile("f", ()),), {"train": 2, "test": 2}, "",
        reader=lambda paths: content,
    )  # fmt: skip
    known_datasets = {"tiny": known}
    monkeypatch.setattr(registry, "DATASETS", known_datasets)
    monkeypatch.setattr(dataset_module, "DATASETS", known_datasets)
    put(elsewhere / "cache" / "datasets", "tiny", "f")
    return known


def test_load_keeps_refusals_properties_and_hashes(tiny):
    loaded = datasets.load("tiny")
    assert {split: len(table) for split, table in loaded.splits.items()} == {"train": 2, "test": 1}
    assert [refusal.id for refusal in loaded.refusals["test"]] == ["c"]
    assert loaded.reading("test").submitted == 2
    np.testing.assert_array_equal(loaded.values("tc", "train"), [4.5, np.nan])
    assert list(loaded.files.values()) == [hashlib.sha256(b"x").hexdigest()]
    assert loaded.notes == ("no SHA-256 of f is on record: its content is not verified",)
    with pytest.raises(UserError, match=r"no split 'val'.*train, test"):
        loaded.table("val")
    with pytest.raises(UserError, match="no property 'gap'; it has tc"):
        loaded.values("gap", "train")


def test_the_hash_of_a_dataset_is_that_of_its_content(tiny):
    loaded = datasets.load("tiny")
    assert loaded.sha256 == datasets.load("tiny").sha256
    cleaned = datasets.load("tiny", hygiene="atombench")
    assert cleaned.sha256 != loaded.sha256
    assert cleaned.hygiene == "atombench"
    assert [item.id for item in cleaned.removed] == ["JVASP-20425"]
    assert len(cleaned.table("test")) == 0


def test_what_is_not_as_on_record_is_noted(tiny, monkeypatch):
    other = Entry(
        "tiny", "Tiny", "", (), "", (RemoteFile("f", (), "0" * 64),), {"train": 3, "test": 2}, "",
        reader=tiny.reader, id_fingerprint="0123456789",
    )  # fmt: skip
    monkeypatch.setitem(registry.DATASETS, "tiny", other)
    notes = datasets.load("tiny").notes
    assert notes[0].startswith("f is not the file on record")
    assert "split 'train' has 2 structures, 3 on record" in notes
    assert any("differ from the published ones" in note for note in notes)


def test_load_of_files(elsewhere):
    path = elsewhere / "x.vasp"
    path.write_text(POSCAR)
    assert list(datasets.load(path).splits) == ["all"]
    assert len(datasets.load(str(path)).table("all")) == 1
    path = elsewhere / "splits.json"
    path.write_text(json.dumps({"train": {"a": POSCAR}, "test": {"b": POSCAR, "c": "broken"}}))
    loaded = datasets.load(path)
    assert {split: len(table) for split, table in loaded.splits.items()} == {"train": 1, "test": 1}
    assert [refusal.id for refusal in loaded.refusals["test"]] == ["c"]
    path = elsewhere / "flat.json"
    path.write_text(json.dumps({"a": POSCAR, "b": POSCAR}))
    assert list(datasets.load(path).splits) == ["all"]


def test_csv_splits(elsewhere):
    rows = ["material_id,cif"]
    cif = (
        "data_x\n_cell_length_a 4\n_cell_length_b 4\n_cell_length_c 4\n_cell_angle_alpha 90\n"
        "_cell_angle_beta 90\n_cell_angle_gamma 90\n_symmetry_space_group_name_H-M 'P 1'\nloop_\n"
        "_atom_site_type_symbol\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n"
        "_atom_site_fract_z\nNa Na0 0 0 0\nCl Cl1 0.5 0.5 0.5\n"
    )
    rows += [f'mp-1,"{cif}"', 'mp-2,"rubbish"']
    for name in ("train.csv", "val.csv"):
        (elsewhere / name).write_text("\n".join(rows) + "\n")
    content = read_csv_splits({name: elsewhere / name for name in ("train.csv", "val.csv")})
    assert list(content.readings) == ["train", "val"]
    part = content.readings["val"]
    assert part.table.ids.tolist() == ["mp-1"]
    assert part.table.numbers.tolist() == [11, 17]
    assert [refusal.id for refusal in part.refusals] == ["mp-2"]


def record(name, **changes):
    atoms = {
        "lattice_mat": [[4, 0, 0], [0, 4, 0], [0.1, 0, 4]],
        "coords": [[0, 0, 0], [0.5, 0.5, 0.5], [0.25, 0.5, 0]],
        "elements": ["Mg ", "O", "Mg"],
        "cartesian": False,
    }
    return {"id": name, "Tc": 1.5, "atoms": atoms | changes}


def test_jarvis_records(elsewhere):
    """The split is drawn over the records with a Tc; broken ones are refused under their id."""
    records = [record(f"agm{row}") for row in range(20)] + [record("agm5") | {"Tc": None}]
    records[3] = record("agm3", elements=["Mg"])
    records[4] = record("agm4", elements=["Mg", "Qq", "Mg"])
    records[7] = record("agm7", coords=[[0, 0, 0], [2.05, 2, 2], [1, 2, 0]], cartesian=True)
    path = elsewhere / "alex_supercon.json.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("alex_supercon.json", json.dumps(records))
    content = read_jarvis_records({path.name: path})
    rows = datasets.atombench_split(20)
    for split, part in content.readings.items():
        assert ids_in_order(part) == [f"agm{row}" for row in rows[split]]
    refused = {item.id for part in content.readings.values() for item in part.refusals}
    assert refused == {"agm3", "agm4"}
    assert content.properties["tc"]["agm0"] == 1.5
    assert content.notes == ("1 of 21 records have no Tc and are in no split",)
    whole = StructureTable.concatenate([part.table for part in content.readings.values()])
    for name in ("agm0", "agm7"):  # fractional and Cartesian coordinates of one crystal
        row = whole.ids.tolist().index(name)
        assert whole.row_numbers(row).tolist() == [12, 8, 12]
        np.testing.assert_allclose(
            whole.row_positions(row), [[0, 0, 0], [2.05, 2, 2], [1, 2, 0]], atol=1e-12
        )


# --- real data -----------------------------------------------------------------------------

needs_data = pytest.mark.skipif(
    not os.environ.get("MATSCALE_DATA"), reason="MATSCALE_DATA is not set: no real data"
)


@needs_data
@pytest.mark.parametrize("name", SIZES)
def test_real_files_are_those_on_record(name):
    folder = Path(os.environ["MATSCALE_DATA"])
    for file in datasets.DATASETS[name].files:
        content = (folder / name / file.name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file.sha256


@needs_data
@pytest.mark.parametrize("name", SIZES)
def test_real_splits(name):
    loaded = datasets.load(name)
    assert {split: len(table) for split, table in loaded.splits.items()} == SIZES[name]
    assert not any(loaded.refusals.values())
    assert loaded.notes == ()
    assert SIZES[name] == dict(datasets.DATASETS[name].splits)


@needs_data
def test_real_critical_temperatures_and_hygiene():
    loaded = datasets.load("supercon3d", hygiene="atombench")
    tc = loaded.properties["tc"]
    assert len(tc) == 616
    assert tc["JVASP-16080"] == 22.9
    assert np.isfinite(loaded.values("tc", "test")).sum() == 63
    # In the leaderboard's own split two of the three ids do not stand where AtomBench found them.
    assert [(item.id, item.split) for item in loaded.removed] == [("JVASP-19919", "val")]
    assert len(loaded.table("val")) == 104
    assert len(loaded.notes) == 2
    assert all("but in train, where it stays" in note for note in loaded.notes)


@needs_data
def test_real_copies_are_copies_to_pymatgen_too():
    """Each copy that leaks() finds is one to a strict matcher, with another id in training."""
    from pymatgen.analysis.structure_matcher import StructureMatcher

    loaded = datasets.load("supercon3d")
    train, test = loaded.table("train"), loaded.table("test")
    found = datasets.leaks(train, test)
    assert found.shared_ids == ()
    assert found.duplicates
    strict = StructureMatcher(ltol=0.001, stol=0.001, angle_tol=0.1, scale=False)
    for copy, original in found.duplicates:
        pair = [
            table.to_pymatgen(table.ids.tolist().index(name))
            for table, name in ((test, copy), (train, original))
        ]
        assert strict.fit(*pair), (copy, original)


@needs_data
@pytest.mark.parametrize("name", ["JVASP-19919", "JVASP-20425", "JVASP-16080"])
def test_what_atombench_calls_a_duplicate_is_one(name):
    whole = StructureTable.concatenate(list(datasets.load("supercon3d").splits.values()))
    mine = whole.ids == name
    assert mine.sum() == 1
    assert len(datasets.leaks(whole[~mine], whole[mine]).duplicates) == 1
