"""Damaged and malicious input: each item gets a reason, and no traceback comes out."""

import gzip
import io
import json
import os
import pickle
import random
import time
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import matscale.structures.formats as formats
from hostile_samples import CIF, outcome, tar_of, write, zip_of
from matscale.runtime.errors import Refused, UserError
from matscale.structures.formats import pymatgen_dict
from matscale.structures.table import StructureTable

POSCAR = (
    "c\n1.0\n4 0 0\n0 4 0\n0 0 4\nC O\n2 1\nSelective dynamics\ndirect\n"
    "0 0 0 T T T\n.25 .25 .25 T F T\n.5 .5 .5 T T T\n"
)
XSF = """ANIMSTEPS 2
CRYSTAL
PRIMVEC
4 0 0
0 4 0
0 0 4
PRIMCOORD 1
1 1
6 0 0 0
PRIMCOORD 2
1 1
C 0 0 1
"""
TABLE = StructureTable.from_parts(
    ["a", "b"],
    [np.array([11, 17]), np.array([14])],
    [np.array([[0, 0, 0], [2.8, 2.8, 2.8]]), np.zeros((1, 3))],
    [np.eye(3) * 5.6, np.eye(3) * 2.7],
    {"energy": np.array([1.0, 2.0])},
)
NASTY = (
    b"\0", b"\xff\xfe", b"1e999", b"nan", b"-", b"9" * 20, b'"', b"\n", b"{", b"[", b" ", b"inf",
    b"_", b"\\n", b"\r", b"data_", b"loop_", b"\x80\x04", b"1000000000000", b"\xe9", b",", b"*",
)  # fmt: skip


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """A small sound file of every format."""
    torch = pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("samples")
    found = {}
    for suffix in ("parquet", "extxyz", "jsonl", "zip"):
        formats.write(TABLE, folder / f"x.{suffix}")
        found[suffix] = (folder / f"x.{suffix}").read_bytes()
    found["jsonl.gz"] = gzip.compress(found["jsonl"])
    structure = pymatgen_dict.build(TABLE.row_numbers(0), TABLE.row_positions(0), TABLE.cells[0])
    found["cif"] = CIF.encode()
    found["two.cif"] = (CIF + CIF.replace("data_salt", "data_more")).encode()
    found["vasp"] = POSCAR.encode()
    found["xsf"] = XSF.encode()
    found["json"] = json.dumps({"train": {"a": structure}, "test": {"b": POSCAR}}).encode()
    found["list.json"] = json.dumps([{"structure": structure, "entry_id": "e"}]).encode()
    escaped = POSCAR.replace("\n", "\\n")
    found["csv"] = f'id,target,prediction\nx,"{POSCAR}",{escaped}\ny,,"{CIF}"\n'.encode()
    found["tar"] = tar_of({"x.vasp": found["vasp"], "y.cif": found["cif"]})
    found["tar.gz"] = gzip.compress(found["tar"])
    saved = io.BytesIO()
    tensors = {
        "frac_coords": torch.tensor([[0, 0, 0], [0.5, 0.5, 0.5], [0, 0, 0]]),
        "atom_types": torch.tensor([11, 17, 14]),
        "num_atoms": torch.tensor([2, 1]),
        "lengths": torch.full((2, 3), 4.0),
        "angles": torch.full((2, 3), 90.0),
    }
    torch.save(tensors, saved)
    found["pt"] = saved.getvalue()
    return found


SUFFIXES = (
    "parquet", "extxyz", "jsonl", "zip", "jsonl.gz", "cif", "two.cif", "vasp", "xsf", "json",
    "list.json", "csv", "tar", "tar.gz", "pt",
)  # fmt: skip


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_samples_are_sound(tmp_path, samples, suffix):
    reading = outcome(write(tmp_path / f"x.{suffix}", samples[suffix]))
    assert not reading.refusals or suffix == "csv"
    assert len(reading.table) >= 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_truncation_anywhere(tmp_path, samples, suffix):
    data = samples[suffix]
    path = tmp_path / f"x.{suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for cut in range(0, len(data), max(1, len(data) // 60)):
            outcome(write(path, data[:cut]))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_mutation_anywhere(tmp_path, samples, suffix):
    rng = random.Random(suffix)
    path = tmp_path / f"x.{suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(80):
            data = bytearray(samples[suffix])
            for _ in range(rng.randint(1, 5)):
                at = rng.randrange(len(data))
                kind = rng.random()
                if kind < 0.5:
                    data[at] = rng.randrange(256)
                elif kind < 0.65:
                    del data[at : at + rng.randint(1, min(20, len(data) - 1))]
                elif kind < 0.85:
                    data[at:at] = rng.choice(NASTY)
                else:
                    start = rng.randrange(len(data))
                    data[at:at] = data[start : start + 40]
            outcome(write(path, bytes(data)))


@given(st.binary(max_size=300), st.sampled_from((*SUFFIXES, "txt", "")))
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(b"\x1f\x8b\x08\x00", "gz")
@example(b"PK\x05\x06" + bytes(18), "zip")
@example(b"[" * 100_000, "json")
@example(b'{"a":' * 100_000, "jsonl")
@example(b"PAR1PAR1", "parquet")
def test_rubbish(tmp_path, data, suffix):
    outcome(write(tmp_path / f"x.{suffix}", data))


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
@example("c\n1\n1 0 0\n0 1 0\n0 0 1\nC\n" + "9" * 5000 + "\ndirect\n0 0 0\n")
@example("c\n1e308\n1e308 0 0\n0 1e308 0\n0 0 1\nC\n1\ndirect\n1e308 0 0\n")
@example("c\n1_0\n1 0 0\n0 1 0\n0 0 1\n\u0661\n\u0661\ndirect\n0 0 0\n")
@example("lattice: &a [*a, *a, *a]\nsites: [1]")
@example("lattice: {matrix: !!python/object/apply:os.system ['false']}\nsites: []")
@example('{"lattice": {"matrix": [[1,0,0],[0,1,0]]}, "sites": [{"species": null}]}')
def test_parse_text_refuses_or_parses(text):
    try:
        numbers, positions, cell = formats.parse_text(text)
    except Refused as refusal:
        assert refusal.reason in formats.REASONS
    else:
        assert positions.shape == (len(numbers), 3)
        assert cell.shape == (3, 3)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.vasp", POSCAR.replace("2 1\n", "1000000000000 1\n")),
        ("x.vasp", POSCAR.replace("2 1\n", "9" * 400 + " 1\n")),
        ("x.xyz", '1000000000000\nLattice="1 0 0 0 1 0 0 0 1"\nC 0 0 0\n'),
        ("x.xyz", "9" * 5000 + '\nLattice="1 0 0 0 1 0 0 0 1"\nC 0 0 0\n'),
        ("x.xsf", XSF.replace("1 1\n", "1000000000000 1\n")),
        ("x.cif", CIF.replace("Na1 0 0 0 1.0", "Na1 1e400 0 0 1.0")),
        ("x.cif", CIF.replace("_cell_length_a 5.6", "_cell_length_a 1e300")),
        ("x.cif", CIF.replace("'F m -3 m'", "'F m -3 m") + "\0"),
        ("x.cif", CIF.replace("_symmetry_space_group_name_H-M 'F m -3 m'",
                              "loop_\n_symmetry_equiv_pos_as_xyz\n" + "'x,y,z'\n" * 1_000_000)),
        ("x.json", "[" * 1_000_000 + "]" * 1_000_000),
        ("x.json", '{"sites": [], "lattice": ' * 50_000),
        ("x.json", '{"a": "c\\n' + "1" * 1_000_000 + '"}'),
    ],
)  # fmt: skip
def test_absurd_numbers_are_refused_at_once(tmp_path, name, data):
    start = time.process_time()
    reading = outcome(write(tmp_path / name, data))
    assert reading is None or not len(reading.table) or reading.refusals
    assert time.process_time() - start < 60  # of the processor: what else runs does not count


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: (
            ("# Å é\n" + text).encode("latin-1")
            if text.startswith("data_")
            else text.replace("c\n", "Å é\n", 1).encode("latin-1")
        ),
    ],
    ids=["crlf", "cr", "bom", "utf-16", "latin-1"],
)
@pytest.mark.parametrize(("name", "text", "atoms"), [("x.cif", CIF, 8), ("x.vasp", POSCAR, 3)])
def test_encodings_and_line_ends(tmp_path, change, name, text, atoms):
    reading = outcome(write(tmp_path / name, change(text)))
    assert reading.table.n_atoms.tolist() == [atoms]


@pytest.mark.parametrize("name", ["x.cif", "x.vasp", "x.csv", "x.json", "x.jsonl", "x.parquet",
                                  "x.xyz", "x.xsf", "x.pt"])  # fmt: skip
@pytest.mark.parametrize("data", [b"", b"\n\n", b"\0" * 100])
def test_empty_files_are_refused_as_empty(tmp_path, name, data):
    assert outcome(write(tmp_path / name, data)).refused_by_reason == {"empty": 1}


# --- sources ----------------------------------------------------------------------------------


def test_what_is_not_there_is_a_user_error(tmp_path):
    (tmp_path / "empty").mkdir()
    for source, words in (
        (tmp_path / "absent.cif", "there is no file"),
        (f"{tmp_path}/*.cif", "no file matches"),
        (tmp_path / "empty", "holds no files"),
        ("bad\0name", "check the path"),
        ("x" * 5000, "check the path"),
        ([], "no files were given"),
        (write(tmp_path / "README.md", "# hello"), "holds no structures"),
        (write(tmp_path / "table.csv", "a,b\n1,2\n"), "its columns: a, b"),
        (write(tmp_path / "settings.json", '{"a": 1}'), "holds no structures"),
        (write(tmp_path / "only.zip", zip_of({"README.md": "x"})), "README.md"),
    ):
        with pytest.raises(UserError, match=words) as error:
            formats.read(source)
        assert "\n" not in str(error.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file_is_a_user_error(tmp_path):
    path = write(tmp_path / "x.cif", CIF)
    path.chmod(0)
    with pytest.raises(UserError, match="permissions"):
        formats.read(path)


def test_special_files_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.cif")
    write(tmp_path / "x.cif", CIF)
    (tmp_path / "dangling.cif").symlink_to(tmp_path / "absent")
    (tmp_path / "loop").symlink_to(tmp_path)
    reading = formats.read(tmp_path)
    assert reading.table.ids.tolist() == ["x"]
    assert reading.refused_by_reason == {"unreadable": 2}


def test_one_damaged_item_does_not_stop_the_rest(tmp_path):
    write(tmp_path / "a.cif", CIF)
    write(tmp_path / "b.cif", CIF[:100])
    write(tmp_path / "c.cif", b"\x80\x81" * 100)
    write(tmp_path / "d.vasp", POSCAR)
    reading = formats.read(tmp_path)
    assert reading.table.ids.tolist() == ["a", "d"]
    assert reading.items.tolist() == [0, 3]
    assert [refusal.id for refusal in reading.refusals] == ["b", "c"]


# --- pickles ----------------------------------------------------------------------------------


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", ["x.pkl", "x.pickle", "x.PKL"])
def test_pickles_are_refused_unread(tmp_path, name):
    path = write(tmp_path / name, pickle.dumps(Bomb(tmp_path / "ran")))
    with pytest.raises(UserError, match="nothing is ever unpickled"):
        formats.read(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["x.pt", "x.pth", "x.cif", "x"])
def test_pickles_under_another_name_do_not_run(tmp_path, name):
    torch = pytest.importorskip("torch")
    outcome(write(tmp_path / name, pickle.dumps(Bomb(tmp_path / "ran"))))
    torch.save({"frac_coords": Bomb(tmp_path / "ran")}, tmp_path / name)
    reading = outcome(tmp_path / name)
    assert reading.refused_by_reason == {"unreadable": 1}
    assert "mkdir" in reading.refusals[0].detail
    assert not (tmp_path / "ran").exists()


def test_pickles_in_a_folder_are_mentioned(tmp_path):
    write(tmp_path / "x.cif", CIF)
    write(tmp_path / "y.pkl", pickle.dumps(Bomb(tmp_path / "ran")))
    reading = formats.read(tmp_path)
    assert reading.ignored == ("y.pkl",)
    assert reading.submitted == 1


def test_torch_tensors_larger_than_their_bytes(tmp_path):
    torch = pytest.importorskip("torch")
    wide = torch.zeros(1).expand(1 << 40, 3)
    torch.save(
        {"frac_coords": wide, "atom_types": wide[:, 0], "num_atoms": torch.tensor([1 << 40]),
         "lengths": torch.ones(1, 3), "angles": torch.ones(1, 3)},
        tmp_path / "x.pt",
    )  # fmt: skip
    assert outcome(tmp_path / "x.pt").refused_by_reason == {"unreadable": 1}
