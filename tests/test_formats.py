"""Reading and writing: every format against pymatgen or against numbers known beforehand."""

import gzip
import io
import json
import random
import tarfile
import time
import warnings
import zipfile
from pathlib import Path

import ase.io
import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.vasp import Poscar
from pymatgen.symmetry.groups import SpaceGroup

import matscale.structures.formats as formats
from matscale.errors import Refused, UserError
from matscale.structures.table import StructureTable

SAMPLE = 60

ROCK_SALT = Structure.from_spacegroup(
    "Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0] * 3, [0.5] * 3]
)
QUARTZ = Structure.from_spacegroup(
    "P3_221",
    Lattice.hexagonal(4.913, 5.405),
    ["Si", "O"],
    [[0.4697, 0, 2 / 3], [0.4135, 0.2669, 0.7858]],
)
SKEWED = Structure(Lattice.from_parameters(3.1, 4.7, 9.3, 72, 101, 115), ["Li", "Fe", "O"],
                   [[0.01, 0.2, 0.3], [0.47, 0.88, 0.61], [0.999, 0.5, 0.12]])  # fmt: skip
STRUCTURES = {"rock-salt": ROCK_SALT, "quartz": QUARTZ, "skewed": SKEWED}


@pytest.fixture(scope="module")
def table():
    return StructureTable.from_pymatgen(STRUCTURES.values(), ids=list(STRUCTURES)).with_columns(
        energy=np.array([-1.5, 2.25, 0.1]), label=np.array(["x", "y z", None], dtype=object)
    )


def assert_same_crystal(table, row, expected, *, turned=False, ordered=True):
    """Lattice, species and sites of one row equal those of a pymatgen structure."""
    if turned:
        found = Lattice(table.cells[row]).parameters
        assert found == pytest.approx(expected.lattice.parameters, abs=1e-8)
    else:
        np.testing.assert_allclose(table.cells[row], expected.lattice.matrix, atol=1e-9)
    assert table.row_numbers(row).tolist() == list(expected.atomic_numbers)
    fractions = np.linalg.solve(table.cells[row].T, table.row_positions(row).T).T
    if not ordered:
        gaps = fractions[:, None] - expected.frac_coords
        same = (np.abs(gaps - np.round(gaps)) < 1e-9).all(axis=2)
        same &= table.row_numbers(row)[:, None] == np.array(expected.atomic_numbers)
        assert (same.sum(axis=0) == 1).all()
        assert (same.sum(axis=1) == 1).all()
        return
    gap = fractions - expected.frac_coords
    np.testing.assert_allclose(gap - np.round(gap), 0, atol=1e-9)


def one(path, **options):
    reading = formats.read(path, **options)
    assert not reading.refusals
    assert len(reading.table) == 1
    return reading.table


def written(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# --- CIF --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("symprec", [None, 0.01])
def test_cif_equals_pymatgen(tmp_path, name, symprec):
    path = tmp_path / "x.cif"
    STRUCTURES[name].to(str(path), symprec=symprec)
    assert_same_crystal(one(path), 0, Structure.from_file(str(path)))


@pytest.mark.parametrize(
    "number", [2, 14, 62, 88, 139, 141, 148, 166, 194, 216, 225, 227, 229, 230]
)
@pytest.mark.parametrize("given", ["operations", "number", "name"])
def test_cif_symmetry_expands_as_pymatgen_expands_it(tmp_path, number, given):
    group = SpaceGroup.from_int_number(number)
    lattice = {
        "triclinic": Lattice.from_parameters(7, 8, 9, 80, 95, 105),
        "monoclinic": Lattice.monoclinic(7, 8, 9, 105),
        "orthorhombic": Lattice.orthorhombic(7, 8, 9),
        "tetragonal": Lattice.tetragonal(7, 9),
        "trigonal": Lattice.hexagonal(7, 9),
        "hexagonal": Lattice.hexagonal(7, 9),
        "cubic": Lattice.cubic(9),
    }[group.crystal_system]
    operations = "\n".join(f"'{op.as_xyz_str()}'" for op in group.symmetry_ops)
    symmetry = {
        "operations": f"loop_\n_space_group_symop_operation_xyz\n{operations}",
        "number": f"_space_group_IT_number {number}",
        "name": f"_symmetry_space_group_name_H-M '{group.symbol}'",
    }[given]
    # One atom in general position, one on the origin, and one near 1/3 that is snapped to it.
    text = (
        "data_test\n"
        + "".join(f"_cell_length_{k} {v}\n" for k, v in zip("abc", lattice.abc, strict=True))
        + "_cell_angle_alpha {}\n_cell_angle_beta {}\n_cell_angle_gamma {}\n".format(
            *lattice.angles
        )
        + symmetry
        + "\nloop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
        "Fe1 0 0 0\nO1 0.123(4) 0.0791 0.2113\nS1 0.3333 0.6667 0.07\n"
    )
    path = written(tmp_path / "x.cif", text)
    # pymatgen keeps the operations of a space group in a set, whose order is chance.
    ordered = given == "operations"
    assert_same_crystal(one(path), 0, Structure.from_file(str(path)), ordered=ordered)


def test_cif_blocks_are_items_and_blocks_without_sites_are_not(tmp_path):
    blocks = [
        f"data_{name}\n" + s.to(fmt="cif").split("\n", 2)[2] for name, s in STRUCTURES.items()
    ]
    path = written(tmp_path / "x.cif", "data_global\n_journal_year 2020\n" + "\n".join(blocks))
    reading = formats.read(path)
    assert reading.table.ids.tolist() == list(STRUCTURES)
    assert reading.submitted == 3


def test_left_handed_cell_keeps_its_hand_in_cif(tmp_path):
    left = Structure(
        SKEWED.lattice.matrix[[1, 0, 2]], SKEWED.species, SKEWED.frac_coords[:, [1, 0, 2]]
    )
    assert np.linalg.det(left.lattice.matrix) < 0
    formats.write(StructureTable.from_pymatgen([left], ids=["left"]), tmp_path / "x.zip")
    back = formats.read(tmp_path / "x.zip").table

    # The crystal may come back turned, and must not come back as its mirror image.
    turn = np.linalg.solve(-left.lattice.matrix, back.cells[0])
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(turn) == pytest.approx(1)
    assert back.numbers.tolist() == list(left.atomic_numbers)
    gap = np.linalg.solve(back.cells[0].T, (back.positions - left.cart_coords @ turn).T).T
    np.testing.assert_allclose(gap - np.round(gap), 0, atol=1e-9)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("Cl1 0.5 0.5 0.5 1", "Cl1 0.5 0.5 0.5 0.5"), "disordered"),
        (("Cl1 0.5 0.5 0.5 1", "Cl1 0.5 0.5 nan 1"), "not finite"),
        (("Cl1 0.5 0.5 0.5 1", "Cl1 0.5 0.5 ? 1"), "unreadable"),
        (("Cl1 0.5 0.5 0.5 1", "Na2 0.001 0 0 1"), "atoms too close"),
        (("Cl1", "X1"), "unknown element"),
        (("Cl1", "Wat1"), "unknown element"),
        (("_cell_length_a 5.64\n", ""), "no cell"),
        (("_cell_length_a 5.64", "_cell_length_a inf"), "not finite"),
        (("_cell_length_a 5.64", "_cell_length_a 0"), "degenerate cell"),
        (("_cell_angle_gamma 90", "_cell_angle_gamma 179.999999"), "degenerate cell"),
        (("_atom_site_fract_z", "_atom_site_other"), "unreadable"),
    ],
)
def test_cif_that_cannot_be_used_is_refused(tmp_path, change, reason):
    text = (
        "data_x\n_cell_length_a 5.64\n_cell_length_b 5.64\n_cell_length_c 5.64\n"
        "_cell_angle_alpha 90\n_cell_angle_beta 90\n_cell_angle_gamma 90\n"
        "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
        "_atom_site_occupancy\nNa1 0 0 0 1\nCl1 0.5 0.5 0.5 1\n"
    )
    assert one(written(tmp_path / "fine.cif", text)).n_atoms.tolist() == [2]
    assert change[0] in text
    reading = formats.read(written(tmp_path / "x.cif", text.replace(*change)))
    assert reading.refused_by_reason == {reason: 1}


def test_deuterium_is_hydrogen(tmp_path):
    text = "ice\n1.0\n3 0 0\n0 3 0\n0 0 3\nD T\n1 1\ndirect\n0 0 0\n.5 .5 .5\n"
    assert one(written(tmp_path / "POSCAR", text)).numbers.tolist() == [1, 1]


# --- POSCAR -----------------------------------------------------------------------------------

POSCARS = {
    "vasp5": "c\n1.1\n4 0 .1\n0 4 0\n0 .2 4\nC O\n2 1\ndirect\n0 0 0\n.25 .25 .25 C\n.5 .5 .5\n",
    "cartesian": "c\n1.1\n4 0 .1\n0 4 0\n0 .2 4\nC O\n2 1\nCart\n0 0 0\n1 1 1\n2 2 -2\n",
    "selective": (
        "c\n1\n4 0 0\n0 4 0\n0 0 4\nC O\n2 1\nSelective dynamics\ndirect\n"
        "0 0 0 T T T\n.25 .25 .25 T F T\n.5 .5 .5 T T T\n"
    ),
    "volume": "c\n-80\n4 0 0\n0 4 0\n0 0 4\nC O\n2 1\ndirect\n0 0 0\n.25 .25 .25\n.5 .5 .5\n",
    "vasp4": "c\n1\n4 0 0\n0 4 0\n0 0 4\n2 1\ndirect\n0 0 0 C\n.25 .25 .25 C\n.5 .5 .5 O\n",
    "potcar hash": (
        "c\n1\n4 0 0\n0 4 0\n0 0 4\nC_h/f474ac0d O/79d9\n2 1\ndirect\n0 0 0\n.25 0 .25\n.5 0 .5\n"
    ),
    "groups on two lines": (
        "c\n1\n4 0 0\n0 4 0\n0 0 4\nC O\nC\n1 1\n1\ndirect\n0 0 0\n.25 .25 .25\n.5 .5 .5\n"
    ),
    "velocities": (
        "c\n1\n4 0 0\n0 4 0\n0 0 4\nC O\n2 1\ndirect\n0 0 0\n.25 .25 .25\n.5 .5 .5\n"
        "\n1 1 1\n2 2 2\n3 3 3\n"
    ),
    "comments": "#c\n1 # Å\n4 0 0\n0 4 0\n0 0 4\nC\n1 # one\ndirect\n0 0 0 # here\n",
}


@pytest.mark.parametrize("name", POSCARS)
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\\n"])
def test_poscar_equals_pymatgen(name, ends):
    numbers, positions, cell = formats.parse_text(POSCARS[name].replace("\n", ends))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = Poscar.from_str(POSCARS[name]).structure
    np.testing.assert_allclose(cell, expected.lattice.matrix, atol=1e-12)
    assert numbers.tolist() == list(expected.atomic_numbers)
    np.testing.assert_allclose(positions, expected.cart_coords, atol=1e-12)


def test_poscar_with_three_scale_factors_scales_each_axis():
    _, positions, cell = formats.parse_text("c\n1 2 3\n1 1 0\n0 1 0\n0 0 1\nC\n1\ncart\n1 1 1\n")
    assert cell.tolist() == [[1, 2, 0], [0, 2, 0], [0, 0, 3]]
    assert positions.tolist() == [[1, 2, 3]]


def test_negative_scale_scales_cartesian_coordinates_as_the_cell():
    _, positions, cell = formats.parse_text("c\n-8\n1 0 0\n0 1 0\n0 0 1\nC\n1\ncart\n.5 .5 .5\n")
    np.testing.assert_allclose(cell, 2 * np.eye(3), atol=1e-12)
    np.testing.assert_allclose(positions, [[1, 1, 1]], atol=1e-12)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("c\n1\n4 0 0\n0 4 0\n0 0 4\n2 1\ndirect\n0 0 0\n.2 .2 .2\n.5 .5 .5\n", "unknown element"),
        ("c\n1\n4 0 0\n0 4 0\n0 0 4\nC\n1000000000000\ndirect\n0 0 0\n", "unreadable"),
        ("c\n1\n4 0 0\n0 4 0\n0 0 4\nC\n-1\ndirect\n0 0 0\n", "unreadable"),
        ("c\n1\n4 0 0\n0 4 0\n0 0 4\nC\n0\ndirect\n0 0 0\n", "no atoms"),
        ("c\n1\n4 0 0\n0 4 0\n0 0 4\nC\n2\ndirect\n0 0 0\n", "unreadable"),
        ("c\n1\n4 0 0\n0 4 0\n0 0 4\nQq\n1\ndirect\n0 0 0\n", "unknown element"),
        ("c\n1\n4 0 0\n0 4 0\n0 0 4\nC\n1\ndirect\n0 0\n", "unreadable"),
        ("c\n-1\n4 0 0\n4 0 0\n0 0 4\nC\n1\ndirect\n0 0 0\n", "degenerate cell"),
        ("nothing of the kind", "unreadable"),
        ("", "missing"),
    ],
)
def test_text_that_is_no_structure_is_refused(text, reason):
    with pytest.raises(Refused) as refusal:
        formats.parse_text(text)
    assert refusal.value.reason == reason


# --- other formats ----------------------------------------------------------------------------


def test_extended_xyz_of_ase_is_read(tmp_path, table):
    frames = list(table.iter_ase())
    frames[1].info["id"] = 'has "quotes"'
    frames[2].info.update(material_id="mp-7", energy=2.5)
    ase.io.write(tmp_path / "x.extxyz", frames, format="extxyz")
    read = formats.read(tmp_path / "x.extxyz").table
    assert read.ids.tolist() == ["x-0", 'has "quotes"', "mp-7"]
    assert read.columns["energy"][2] == 2.5
    np.testing.assert_array_equal(read.numbers, table.numbers)
    np.testing.assert_allclose(read.positions, table.positions, atol=1e-8)
    np.testing.assert_allclose(read.cells, table.cells, atol=1e-12)


def test_plain_xyz_has_no_cell(tmp_path):
    path = written(tmp_path / "x.xyz", "1\ncomment\nC 0 0 0\n1\nanother\nO 0 0 0\n")
    reading = formats.read(path)
    assert reading.refused_by_reason == {"no cell": 2}
    assert [refusal.id for refusal in reading.refusals] == ["x-0", "x-1"]


def test_xsf_of_ase_is_read(tmp_path, table):
    ase.io.write(tmp_path / "x.xsf", table.to_ase(1), format="xsf")
    assert_same_crystal(one(tmp_path / "x.xsf"), 0, QUARTZ)
    wide = SKEWED.copy().scale_lattice(200)
    steps = StructureTable.from_pymatgen([SKEWED, wide])
    ase.io.write(tmp_path / "y.xsf", list(steps.iter_ase()), format="xsf")
    read = formats.read(tmp_path / "y.xsf").table
    assert read.ids.tolist() == ["y-0", "y-1"]
    assert_same_crystal(read, 0, SKEWED)
    assert_same_crystal(read, 1, wide)


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


# --- folders, globs, archives -----------------------------------------------------------------


def test_folder_glob_list_and_archives_hold_the_same(tmp_path):
    folder = tmp_path / "set"
    (folder / "deep").mkdir(parents=True)
    ROCK_SALT.to(str(folder / "b.cif"))
    QUARTZ.to(str(folder / "deep" / "a.vasp"), fmt="poscar")
    SKEWED.to(str(folder / "deep" / "b.cif"))
    written(folder / "README.md", "# nothing")
    written(folder / "metadata.csv", "id,gap\nb,1\n")
    written(folder / ".DS_Store", b"\0\0\0\1Bud1")
    expected = ["b", "a", "deep/b"]
    reading = formats.read(folder)
    assert reading.table.ids.tolist() == expected
    assert sorted(reading.ignored) == [".DS_Store", "README.md", "metadata.csv"]
    with zipfile.ZipFile(tmp_path / "set.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    with tarfile.open(tmp_path / "set.tar.gz", "w:gz") as archive:
        archive.add(folder, "set")
    packed = formats.read(tmp_path / "set.zip")
    assert sorted(packed.table.ids) == sorted(expected)
    assert sorted(packed.ignored) == sorted(reading.ignored)
    assert packed.submitted == 3
    tar = formats.read(tmp_path / "set.tar.gz")
    assert sorted(tar.table.ids) == ["a", "set/b", "set/deep/b"]
    assert formats.read(f"{folder}/**/*.cif").table.ids.tolist() == ["b", "b"]
    listed = formats.read([folder / "b.cif", str(folder / "deep")])
    assert listed.table.ids.tolist()[1] == "a"
    assert len(listed.table) == 3


def test_equal_file_names_become_paths_for_refused_items_too(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    ROCK_SALT.to(str(tmp_path / "a" / "POSCAR"), fmt="poscar")
    written(tmp_path / "b" / "POSCAR", "rubbish")
    reading = formats.read(tmp_path)
    assert reading.table.ids.tolist() == ["a/POSCAR"]
    assert [refusal.id for refusal in reading.refusals] == ["b/POSCAR"]


def test_mattergen_output_is_read(tmp_path, table):
    with zipfile.ZipFile(tmp_path / "generated_crystals_cif.zip", "w") as archive:
        for index, structure in enumerate(STRUCTURES.values()):
            archive.writestr(f"gen_{index}.cif", structure.to(fmt="cif"))
    ase.io.write(tmp_path / "generated_crystals.extxyz", list(table.iter_ase()), format="extxyz")
    read = formats.read(tmp_path / "generated_crystals_cif.zip").table
    assert read.ids.tolist() == ["gen_0", "gen_1", "gen_2"]
    read = formats.read(tmp_path / "generated_crystals.extxyz").table
    assert read.ids.tolist() == [f"generated_crystals-{index}" for index in range(3)]


def test_content_wins_over_a_wrong_name(tmp_path):
    text = ROCK_SALT.to(fmt="cif")
    assert len(one(written(tmp_path / "x.vasp", text))) == 1
    assert len(one(written(tmp_path / "no_suffix", text))) == 1
    assert len(one(written(tmp_path / "y.cif", Poscar(QUARTZ).get_str()))) == 1
    packed = written(tmp_path / "really_gzip.cif", gzip.compress(text.encode()))
    assert len(one(packed)) == 1


def test_several_processes_give_the_same(tmp_path, table):
    many = StructureTable.concatenate([table] * 40)
    formats.write(many, tmp_path / "x.jsonl")
    alone = formats.read(tmp_path / "x.jsonl", workers=1)
    shared = formats.read(tmp_path / "x.jsonl", workers=2)
    assert alone.table.sha256() == shared.table.sha256()


# --- writing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["parquet", "extxyz", "xyz", "jsonl", "jsonl.gz", "zip"])
def test_what_is_written_reads_back(tmp_path, table, suffix):
    path = tmp_path / f"out.{suffix}"
    formats.write(table, path)
    back = formats.read(path).table
    assert back.ids.tolist() == table.ids.tolist()
    assert [item.name for item in tmp_path.iterdir()] == [path.name]
    if suffix == "zip":
        for row, structure in enumerate(STRUCTURES.values()):
            assert_same_crystal(back, row, structure.get_sorted_structure(), turned=True)
        return
    np.testing.assert_array_equal(back.numbers, table.numbers)
    np.testing.assert_allclose(back.positions, table.positions, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(back.cells, table.cells)
    assert back.columns["energy"].tolist() == table.columns["energy"].tolist()
    assert back.columns["label"].tolist() == table.columns["label"].tolist()


def test_written_files_are_read_by_other_libraries(tmp_path, table):
    formats.write(table, tmp_path / "x.extxyz")
    for frame, structure in zip(
        ase.io.read(tmp_path / "x.extxyz", ":"), STRUCTURES.values(), strict=True
    ):
        np.testing.assert_allclose(frame.positions, structure.cart_coords, atol=1e-12)
        np.testing.assert_allclose(frame.cell.array, structure.lattice.matrix, atol=1e-12)
    formats.write(table, tmp_path / "x.jsonl")
    for line, structure in zip((tmp_path / "x.jsonl").open(), STRUCTURES.values(), strict=True):
        assert Structure.from_dict(json.loads(line)["structure"]) == structure
    formats.write(table, tmp_path / "x.zip")
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        for name, structure in STRUCTURES.items():
            read = Structure.from_str(archive.read(f"{name}.cif").decode(), fmt="cif")
            assert read.lattice.parameters == pytest.approx(structure.lattice.parameters)
            assert read.composition == structure.composition


def test_parquet_is_exact_and_shares_memory(tmp_path, table):
    formats.write_parquet(table, tmp_path / "x.parquet")
    back = formats.read_parquet(tmp_path / "x.parquet")
    assert back.sha256() == table.sha256()
    assert not back.positions.flags.owndata
    assert not back.positions.flags.writeable


def test_particles_round_trip_in_parquet(tmp_path, table):
    particles = StructureTable(table.ids, table.offsets, table.numbers, table.positions)
    formats.write(particles, tmp_path / "p.parquet")
    back = formats.read_parquet(tmp_path / "p.parquet")
    assert back.cells is None
    assert back.sha256() == particles.sha256()
    assert formats.read(tmp_path / "p.parquet").refused_by_reason == {"no cell": 3}
    with pytest.raises(UserError, match="no cells"):
        formats.write(particles, tmp_path / "p.zip")


def test_empty_table_round_trips(tmp_path):
    formats.write(StructureTable.empty(), tmp_path / "x.parquet")
    assert len(formats.read_parquet(tmp_path / "x.parquet")) == 0


def test_a_failed_write_leaves_the_old_file(tmp_path, table):
    path = tmp_path / "x.parquet"
    path.write_text("old")
    broken = table.with_columns(bad=np.array([1, "x", object()], dtype=object))
    with pytest.raises(UserError, match="cannot store"):
        formats.write(broken, path)
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["x.parquet"]


def test_writing_needs_a_known_ending_and_a_folder(tmp_path, table):
    with pytest.raises(UserError, match=r"\.parquet"):
        formats.write(table, tmp_path / "x.docx")
    with pytest.raises(UserError, match="cannot write"):
        formats.write(table, tmp_path / "absent" / "x.parquet")


def test_equal_ids_become_distinct_members(tmp_path, table):
    formats.write(table.with_ids(["a/b", "A_b", "../c"]), tmp_path / "x.zip")
    reading = formats.read(tmp_path / "x.zip")
    assert reading.submitted == len(reading.table) == 3
    assert len(set(reading.table.ids)) == 3


# --- real data --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "archive",
    [
        "crystals/mp_2474.cif.zip",
        "crystals/jarvis_2501.cif.zip",
        "generated/mattergen_release.cif.zip",
    ],
)
def test_real_cifs_equal_pymatgen(data_dir, tmp_path, archive):
    with zipfile.ZipFile(data_dir / archive) as packed:
        names = [name for name in packed.namelist() if name.endswith(".cif")]
        chosen = random.Random(0).sample(names, SAMPLE)
        texts = [packed.read(name) for name in chosen]
    for index, text in enumerate(texts):
        path = written(tmp_path / f"{index}.cif", text)
        expected = Structure.from_file(str(path))
        reading = formats.read(path)
        if expected.is_ordered:
            assert_same_crystal(reading.table, 0, expected)
        else:
            assert reading.refused_by_reason == {"disordered": 1}


def test_real_archives_lose_nothing(data_dir):
    reading = formats.read(data_dir / "generated/mattergen_release.cif.zip")
    assert reading.submitted == 274
    assert reading.refused_by_reason == {"disordered": 2}
    assert sorted(reading.ignored) == ["LICENSE.md", "README.md"]
    assert len(set(reading.table.ids)) == 272
    reading = formats.read(data_dir / "crystals/mp_2474.cif.zip")
    assert (reading.submitted, len(reading.table)) == (2473, 2473)


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("supercon3d", [846, 105, 105]),
        ("carbon24", [6091, 2032, 2030]),
        ("perov5", [11356, 3787, 3785]),
    ],
)
def test_real_poscars_equal_pymatgen(data_dir, name, counts):
    path = data_dir / name / "structures.json.zip"
    splits = formats.read_json_splits(path)
    assert [len(splits[split].table) for split in ("train", "val", "test")] == counts
    with zipfile.ZipFile(path) as packed:
        texts = json.loads(packed.read(packed.namelist()[0]))
    rng = random.Random(0)
    for split, reading in splits.items():
        for row in rng.sample(range(len(reading.table)), 100):
            text = texts[split][reading.table.ids[row]].replace("\\n", "\n")
            assert_same_crystal(reading.table, row, Poscar.from_str(text).structure)


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


def test_import_is_light():
    import subprocess
    import sys

    code = (
        "import sys, matscale.structures.formats\n"
        "heavy = {'gemmi', 'numba', 'torch', 'ase', 'pymatgen', 'pyarrow', 'scipy'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    start = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True)
    assert time.monotonic() - start < 5
    assert Path(formats.__file__).exists()
