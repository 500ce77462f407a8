"""CIF and POSCAR against pymatgen, on crystals made here and on real ones; what is refused."""

import json
import random
import warnings
import zipfile

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.vasp import Poscar
from pymatgen.symmetry.groups import SpaceGroup

import matscale.structures.formats as formats
from format_samples import SKEWED, STRUCTURES, assert_same_crystal, one, written
from matscale.runtime.errors import Refused
from matscale.structures.table import StructureTable

SAMPLE = 60


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
