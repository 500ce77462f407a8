"""JSON in all its shapes, lines of JSON, CSV and torch files: each item is found and named."""

import gzip
import io
import json
import zipfile

import numpy as np
import pytest
from pymatgen.io.vasp import Poscar

import matscale.structures.formats as formats
from format_samples import QUARTZ, ROCK_SALT, SKEWED, assert_same_crystal, written
from matscale.runtime.errors import UserError

# --- JSON and lines of JSON -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        (ROCK_SALT.as_dict(), ["x"]),
        ([ROCK_SALT.as_dict(), QUARTZ.as_dict()], ["x-0", "x-1"]),
        ({"a": ROCK_SALT.as_dict(), "b": QUARTZ.as_dict()}, ["a", "b"]),
        ([{"entry_id": "mp-1", "structure": ROCK_SALT.as_dict(), "energy": -3}], ["mp-1"]),
        ({"id": "one", "structure": ROCK_SALT.as_dict()}, ["x"]),
        ({"a": Poscar(ROCK_SALT).get_str(), "b": Poscar(QUARTZ).get_str()}, ["a", "b"]),
        ({"train": {"a": ROCK_SALT.as_dict()}, "test": {"b": QUARTZ.as_dict()}}, ["a", "b"]),
    ],
)
def test_json_in_all_its_shapes(tmp_path, content, ids):
    read = formats.read(written(tmp_path / "x.json", json.dumps(content))).table
    assert read.ids.tolist() == ids
    assert_same_crystal(read, 0, ROCK_SALT)
    if len(ids) == 2:
        assert_same_crystal(read, 1, QUARTZ)


def test_splits_are_kept_apart_or_named_in_a_column(tmp_path):
    poscar = Poscar(QUARTZ).get_str(significant_figures=16).replace("\n", "\\n")
    content = {"train": {"a": poscar, "c": "rubbish\n"}, "val": {}, "test": {"b": poscar}}
    path = written(tmp_path / "x.json", json.dumps(content))
    splits = formats.read_json_splits(path)
    assert {name: part.submitted for name, part in splits.items()} == {
        "train": 2,
        "val": 0,
        "test": 1,
    }
    assert splits["train"].refused_by_reason == {"unreadable": 1}
    assert_same_crystal(splits["test"].table, 0, QUARTZ)
    whole = formats.read(path)
    assert whole.table.columns["split"].tolist() == ["train", "test"]
    assert whole.items.tolist() == [0, 2]
    with pytest.raises(UserError, match="splits"):
        formats.read_json_splits(written(tmp_path / "y.json", '{"a": 1}'))


def test_jsonl_lines_are_items_and_a_broken_line_is_one(tmp_path):
    lines = [
        json.dumps({"id": "mp-3", "structure": QUARTZ.as_dict(), "gap": 5.5}),
        json.dumps(ROCK_SALT.as_dict()),
        "{broken",
    ]
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    reading = formats.read(path)
    assert reading.table.ids.tolist() == ["mp-3", "x-1"]
    assert reading.table.columns["gap"][0] == 5.5
    assert reading.refused_by_reason == {"unreadable": 1}


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz", "x.ndjson", "x.data", "no_suffix"])
@pytest.mark.parametrize("length", [16000, 16368, 16369, 16384, 16385, 40001])
def test_jsonl_is_told_by_a_first_line_of_any_length(tmp_path, name, length):
    """Lengths around the end of what is looked at; UTF-8 and line ends of Windows."""
    entry = {"id": "long", "structure": ROCK_SALT.as_dict(), "note": ""}
    entry["note"] = "é" + "a" * (length - len(json.dumps(entry)) - 1)
    first = json.dumps(entry, ensure_ascii=False)
    lines = [first, json.dumps({"id": "short", "structure": QUARTZ.as_dict()})]
    assert len(first) == length
    for newline in ("\n", "\r\n", "\n\n"):
        content = newline.join(lines).encode()
        path = tmp_path / name
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        reading = formats.read(path, workers=1)
        assert reading.table.ids.tolist() == ["long", "short"]
        assert reading.submitted == 2


def test_a_broken_first_line_is_refused_alone(tmp_path):
    lines = ['{"structure": {"lattice"', *[json.dumps(QUARTZ.as_dict())] * 2]
    reading = formats.read(written(tmp_path / "x.jsonl", "\n".join(lines)), workers=1)
    assert (reading.submitted, len(reading.table)) == (3, 2)


def test_json_over_many_lines_is_no_json_lines(tmp_path):
    path = written(tmp_path / "x.jsonl", json.dumps(QUARTZ.as_dict(), indent=1))
    assert len(formats.read(path, workers=1).table) == 1


# --- CSV and torch ----------------------------------------------------------------------------


def atombench(tmp_path, name="preds.csv"):
    poscar = Poscar(ROCK_SALT).get_str(significant_figures=16)
    QUARTZ.to(str(tmp_path / "quartz.cif"))
    rows = [
        ("a", poscar, poscar.replace("\n", "\\n")),
        ("b", ROCK_SALT.to(fmt="cif"), ROCK_SALT.to(fmt="json")),
        ("c", ROCK_SALT.to(fmt="xsf"), ROCK_SALT.to(fmt="yaml")),
        ("d", "quartz.cif", ""),
        ("e", "../outside.cif", "absent.cif"),
        ("f", "/etc/passwd", "failed"),
        ("g", poscar),
    ]
    text = io.StringIO()
    import csv

    csv.writer(text).writerows([("id", "target", "prediction"), *rows])
    return written(tmp_path / name, text.getvalue())


def test_atombench_csv_takes_any_structure_in_a_cell(tmp_path):
    path = atombench(tmp_path)
    assert formats.csv_header(path) == ["id", "target", "prediction"]
    columns = formats.read_columns(path, ["target", "prediction"])
    target, prediction = columns["target"], columns["prediction"]
    assert target.submitted == prediction.submitted == 7
    assert target.items.tolist() == [0, 1, 2, 3, 6]
    for row in range(3):
        assert_same_crystal(target.table, row, ROCK_SALT)
        assert_same_crystal(prediction.table, row, ROCK_SALT)
    assert target.table.ids.tolist() == ["a", "b", "c", "d", "g"]
    assert [(refusal.item, refusal.reason) for refusal in target.refusals] == [
        (4, "unsafe path"),
        (5, "unsafe path"),
    ]
    assert [(refusal.id, refusal.reason) for refusal in prediction.refusals] == [
        ("d", "missing"),
        ("e", "missing"),
        ("f", "unreadable"),
        ("g", "missing"),
    ]
    assert formats.read(path).items.tolist() == prediction.items.tolist()
    with pytest.raises(UserError, match="'id', 'target', 'prediction'"):
        formats.read_columns(path, ["answer"])


@pytest.mark.parametrize("packing", ["zip", "gz"])
def test_csv_header_looks_into_archives(tmp_path, packing):
    plain = atombench(tmp_path)
    if packing == "zip":
        path = tmp_path / "p.csv.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(plain, "inner.csv")
    else:
        path = tmp_path / "p.csv.gz"
        path.write_bytes(gzip.compress(plain.read_bytes()))
    assert formats.csv_header(path) == ["id", "target", "prediction"]
    assert formats.read_columns(path, ["target"])["target"].submitted == 7


def test_csv_header_of_another_file_is_none(tmp_path):
    ROCK_SALT.to(str(tmp_path / "x.cif"))
    assert formats.csv_header(tmp_path / "x.cif") is None
    with pytest.raises(UserError, match="no file"):
        formats.csv_header(tmp_path / "absent.csv")


def test_cdvae_csv_has_cif_and_material_id_columns(tmp_path):
    cif = ROCK_SALT.to(fmt="cif")
    text = f',material_id,cif,gap\n0,mp-1,"{cif}",1.5\n1,mp-2,"{cif}",\n'
    read = formats.read(written(tmp_path / "x.csv", text)).table
    assert read.ids.tolist() == ["mp-1", "mp-2"]
    assert read.columns["gap"][0] == 1.5


def test_torch_results_of_cdvae_and_diffcsp(tmp_path):
    torch = pytest.importorskip("torch")
    parts = [QUARTZ, SKEWED]
    content = {
        "frac_coords": torch.tensor(np.concatenate([s.frac_coords for s in parts])),
        "atom_types": torch.tensor([z for s in parts for z in s.atomic_numbers]),
        "num_atoms": torch.tensor([len(s) for s in parts]),
        "lengths": torch.tensor([s.lattice.abc for s in parts], dtype=torch.float64),
        "angles": torch.tensor([s.lattice.angles for s in parts], dtype=torch.float64),
    }
    two = {key: torch.stack([value, value]) for key, value in content.items()}
    batches = {key: [value, value] for key, value in content.items()}
    matrix = {key: content[key] for key in ("frac_coords", "atom_types", "num_atoms")}
    matrix["lattices"] = torch.tensor(np.array([s.lattice.matrix for s in parts]))
    for name, saved, ids in (
        ("flat", content, ["0", "1"]),
        ("two", two, ["0", "1", "0", "1"]),
        ("batches", batches, ["0", "1", "2", "3"]),
        ("matrix", matrix, ["0", "1"]),
    ):
        torch.save(saved, tmp_path / f"{name}.pt")
        read = formats.read(tmp_path / f"{name}.pt").table
        assert read.ids.tolist() == [f"{name}-{index}" for index in ids]
        for row in range(len(read)):
            assert_same_crystal(read, row, parts[row % 2], turned=True)
    assert formats.read(tmp_path / "two.pt").table.columns["evaluation"].tolist() == [0, 0, 1, 1]


# --- real data --------------------------------------------------------------------------------


def test_real_predictions_have_their_rows(data_dir):
    columns = formats.read_columns(
        data_dir / "supercon3d/atomgpt.csv.zip", ["target", "prediction"]
    )
    assert columns["target"].submitted == columns["prediction"].submitted == 105
    assert columns["prediction"].refused_by_reason == {"atoms too close": 2}
    tolerant = formats.read_columns(
        data_dir / "supercon3d/atomgpt.csv.zip", ["prediction"], tolerate=["atoms too close"]
    )
    assert len(tolerant["prediction"].table) == 105
