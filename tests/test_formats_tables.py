"""Tables as pandas and spreadsheets write them: JSON of every orient, and CSV of every kind."""

import io
import json
from pathlib import Path

import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.vasp import Poscar

import matscale.structures.formats as formats
from hostile_samples import outcome, write
from matscale.runtime.errors import UserError

CASES = Path(__file__).parent / "cases"
CRYSTALS = [
    Structure(Lattice.cubic(4.12), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
    Structure(Lattice.cubic(3.36), ["Po"], [[0, 0, 0]]),
]
WRITTEN = {
    "dictionary": lambda crystal: crystal.as_dict(),
    "JSON text": lambda crystal: crystal.to_json(),
    "CIF": lambda crystal: crystal.to(fmt="cif"),
    "POSCAR": lambda crystal: Poscar(crystal).get_str(),
}


def frame(kind: str, column: str = "structure", ids: str = "material_id") -> pd.DataFrame:
    made = [WRITTEN[kind](crystal) for crystal in CRYSTALS]
    return pd.DataFrame({ids: ["mp-1", "mp-2"], "energy": [-1.5, None], column: made})


def formulas(reading) -> list[str]:
    table = reading.table
    return [table.to_pymatgen(row).composition.reduced_formula for row in range(len(table))]


@pytest.mark.parametrize("kind", WRITTEN)
@pytest.mark.parametrize("orient", ["columns", "records", "index", "split", "table"])
@pytest.mark.parametrize("ids", ["material_id", "id", "jid", "index of the frame"])
def test_frames_of_every_orient(tmp_path, kind, orient, ids):
    made = frame(kind, ids="material_id" if " " in ids else ids)
    if " " in ids:
        made = made.set_index("material_id")
    path = write(tmp_path / "x.json", made.to_json(orient=orient))
    reading = outcome(path)
    assert not reading.refusals
    assert formulas(reading) == ["CsCl", "Po"]
    unnamed = " " in ids and orient == "records"
    assert reading.table.ids.tolist() == (["x-0", "x-1"] if unnamed else ["mp-1", "mp-2"])
    assert reading.unnamed == (2 if unnamed else 0)
    assert reading.table.columns["energy"][0] == -1.5


@pytest.mark.parametrize("kind", WRITTEN)
@pytest.mark.parametrize("name", ["x.jsonl", "x.json"])
def test_lines(tmp_path, kind, name):
    text = frame(kind).to_json(orient="records", lines=True)
    reading = outcome(write(tmp_path / name, text))
    assert reading.table.ids.tolist() == ["mp-1", "mp-2"]
    assert formulas(reading) == ["CsCl", "Po"]


@pytest.mark.parametrize("kind", WRITTEN)
@pytest.mark.parametrize("orient", ["index", "records", "split", "table"])
@pytest.mark.parametrize("name", ["structure", None, "of mine"])
def test_series_of_every_orient(tmp_path, kind, orient, name):
    series = frame(kind).set_index("material_id")["structure"].rename(name)
    path = write(tmp_path / "x.json", series.to_json(orient=orient))
    if orient == "table" and name != "structure":
        with pytest.raises(UserError, match=r"its columns: material_id, (values|of mine)"):
            formats.read(path)
        reading = formats.read(path, column=name or "values")
    else:
        reading = outcome(path)
    assert formulas(reading) == ["CsCl", "Po"]
    named = ["x-0", "x-1"] if orient == "records" else ["mp-1", "mp-2"]
    assert reading.table.ids.tolist() == named


def test_a_table_of_json_without_a_known_column_says_its_columns(tmp_path):
    made = frame("dictionary", column="relaxed")
    for orient in ("columns", "records", "split", "table", "index"):
        path = write(tmp_path / "x.json", made.to_json(orient=orient))
        with pytest.raises(UserError, match=r"its columns: .*material_id, energy, relaxed"):
            formats.read(path)
        assert formulas(formats.read(path, column="relaxed")) == ["CsCl", "Po"]
    path = write(tmp_path / "x.jsonl", made.to_json(orient="records", lines=True))
    with pytest.raises(UserError, match="its columns: material_id, energy, relaxed"):
        formats.read(path)
    assert formats.read(path, column="relaxed").table.ids.tolist() == ["mp-1", "mp-2"]


def test_values_alone_and_missing_structures(tmp_path):
    with pytest.raises(UserError, match="holds no structures"):
        formats.read(write(tmp_path / "x.json", frame("CIF").to_json(orient="values")))
    made = frame("dictionary")
    made.loc[1, "structure"] = None
    reading = outcome(write(tmp_path / "x.json", made.to_json()))
    assert reading.table.ids.tolist() == ["mp-1"]
    assert [(one.id, one.reason) for one in reading.refusals] == [("mp-2", "missing")]


def test_the_field_s_pandas_table_has_two_items():
    reading = formats.read(CASES / "j_pandas_columns.json")
    assert reading.submitted == 2
    assert reading.table.ids.tolist() == ["mp-1", "mp-2"]


def test_splits_are_no_columns(tmp_path):
    entry = WRITTEN["dictionary"](CRYSTALS[0])
    splits = {"train": {"a": entry}, "test": {"a": entry}}
    reading = outcome(write(tmp_path / "x.json", json.dumps(splits)))
    assert reading.table.columns["split"].tolist() == ["train", "test"]


# --- keys that stand twice ----------------------------------------------------------------------


def test_a_key_that_stands_twice_is_two_items_and_is_said():
    reading = formats.read(CASES / "j_dup.json")
    assert reading.table.ids.tolist() == ["a", "a"]
    assert "1 entry repeats an id of the same JSON object (such as 'a'" in reading.remarks[0]


def test_a_key_twice_in_splits_entries_and_structures(tmp_path):
    one, other = (json.dumps(crystal.as_dict()) for crystal in CRYSTALS)
    path = write(tmp_path / "x.json", f'{{"train": {{"a": {one}, "a": {other}, "b": {one}}}}}')
    reading = outcome(path)
    assert reading.table.ids.tolist() == ["a", "a", "b"]
    assert formulas(reading) == ["CsCl", "Po", "CsCl"]
    assert len(reading.remarks) == 1
    readings = formats.read_json_splits(path)
    assert readings["train"].table.ids.tolist() == ["a", "a", "b"]
    entries = f'{{"a": {{"structure": {one}}}, "a": {{"structure": {other}}}}}'
    assert outcome(write(tmp_path / "x.json", entries)).submitted == 2
    path = write(tmp_path / "x.json", f'{{"test": {{"a": {one}}}, "test": {{"b": {one}}}}}')
    assert outcome(path).refused_by_reason == {"unreadable": 1}
    with pytest.raises(UserError, match="the split 'test' stands twice"):
        formats.read_json_splits(path)
    twice = one[:-1] + ', "lattice": {"matrix": [[1,0,0],[0,1,0],[0,0,1]]}}'
    reading = outcome(write(tmp_path / "x.json", f'{{"a": {twice}, "b": {one}}}'))
    assert reading.table.ids.tolist() == ["b"]
    assert "the key 'lattice' stands twice" in reading.refusals[0].detail


# --- CSV ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["CIF", "POSCAR", "JSON text"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("index", [True, False])
def test_csv_of_every_kind(tmp_path, kind, delimiter, encoding, index):
    text = frame(kind).to_csv(sep=delimiter, index=index)
    reading = outcome(write(tmp_path / "x.csv", text.encode(encoding)))
    assert reading.table.ids.tolist() == ["mp-1", "mp-2"]
    assert formulas(reading) == ["CsCl", "Po"]
    windows = text.replace("\n", "\r\n").encode(encoding)
    assert formulas(outcome(write(tmp_path / "y.csv", windows))) == ["CsCl", "Po"]


@pytest.mark.parametrize("kind", ["CIF", "POSCAR", "JSON text"])
@pytest.mark.parametrize("column", ["cif", "structure", "mine", "0"])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("index", [True, False])
def test_one_column(tmp_path, kind, column, header, index):
    """``Series.to_csv`` writes row numbers, which are ids; without them only order is left."""
    text = frame(kind, column)[column].to_csv(header=header, index=index)
    reading = outcome(write(tmp_path / "x.csv", text))
    assert formulas(reading) == ["CsCl", "Po"]
    assert reading.table.ids.tolist() == ["0", "1"]
    assert reading.unnamed == (0 if index else 2)


def test_the_column_that_was_asked_for(tmp_path):
    made = frame("CIF", "relaxed")
    made["cif"] = made["relaxed"].iloc[0]
    path = write(tmp_path / "x.csv", made.to_csv(index=False))
    assert formulas(formats.read(path)) == ["CsCl", "CsCl"]
    assert formulas(formats.read(path, column="relaxed")) == ["CsCl", "Po"]
    with pytest.raises(UserError, match="no column 'mine'; its columns: material_id, energy, rel"):
        formats.read(path, column="mine")
    assert formulas(formats.read(path, column="mine", or_usual=True)) == ["CsCl", "CsCl"]


def test_an_unknown_column_is_listed_and_column_named(tmp_path):
    path = write(tmp_path / "x.csv", frame("CIF", "gen_cif").to_csv(index=False))
    with pytest.raises(UserError, match="its columns: material_id, energy, gen_cif; --column"):
        formats.read(path)


def test_unnamed_first_column_of_pandas(tmp_path):
    text = frame("CIF", "cif").drop(columns="material_id").to_csv()
    again = pd.read_csv(io.StringIO(text)).to_csv(index=False)
    assert again.startswith("Unnamed: 0,")
    for csv in (text, again):
        reading = outcome(write(tmp_path / "x.csv", csv))
        assert reading.table.ids.tolist() == ["0", "1"]
        assert formulas(reading) == ["CsCl", "Po"]


def test_the_field_s_folder_says_why_files_are_left_out():
    reading = formats.read(CASES / "mix")
    assert reading.table.ids.tolist() == ["nacl_short"]
    assert reading.ignored == ("c_cifs.csv", "j_optimade.json")
    assert "its columns: id, cifs" in reading.ignored_because[0]
    assert "no structures" in reading.ignored_because[1]
