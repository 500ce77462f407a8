"""Reading and writing: XYZ, XSF, folders, archives, what is written reads back, real data."""

import gzip
import json
import tarfile
import zipfile
from pathlib import Path

import ase.io
import numpy as np
import pytest
from pymatgen.core import Structure
from pymatgen.io.vasp import Poscar

import matscale.structures.formats as formats
from format_samples import QUARTZ, ROCK_SALT, SKEWED, STRUCTURES, assert_same_crystal, one, written
from matscale.runtime.errors import UserError
from matscale.structures.formats import registry
from matscale.structures.table import StructureTable


@pytest.fixture(scope="module")
def table():
    return StructureTable.from_pymatgen(STRUCTURES.values(), ids=list(STRUCTURES)).with_columns(
        energy=np.array([-1.5, 2.25, 0.1]), label=np.array(["x", "y z", None], dtype=object)
    )


# --- XYZ and XSF ------------------------------------------------------------------------------


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
    broken = table.with_columns(bad=np.array(["\ud800"] * len(table), dtype=object))
    with pytest.raises(UserError, match="cannot store"):
        formats.write(broken, path)
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["x.parquet"]


def test_any_column_of_a_file_can_be_stored(tmp_path, table):
    mixed = np.array([*[1.0, "P1", None] * len(table)][: len(table)], dtype=object)
    known = table.with_columns(label=mixed, cell=np.arange(len(table)), cell_=np.zeros(len(table)))
    formats.write(known, tmp_path / "x.parquet")
    back = formats.read_parquet(tmp_path / "x.parquet")
    assert list(back.columns["label"]) == [None if one is None else str(one) for one in mixed]
    np.testing.assert_array_equal(back.columns["cell__"], known.columns["cell"])
    np.testing.assert_array_equal(back.cells, table.cells)


def test_parquet_of_other_programs_may_name_rows_by_numbers_or_not_at_all(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "numbers": [[11, 17], [19, 17], [55, 17]],
        "positions": [[0.0, 0.0, 0.0, 2.8, 2.8, 2.8]] * 3,
        "cell": pa.array([(5.6 * np.eye(3)).ravel().tolist()] * 3, pa.list_(pa.float64(), 9)),
    }
    pq.write_table(pa.table({"id": [1, 2, None], **columns}), tmp_path / "x.parquet")
    assert formats.read(tmp_path / "x.parquet").table.ids.tolist() == ["1", "2", ""]
    columns["numbers"] = [[-245, 17], [300, 17], [55, 17]]
    pq.write_table(pa.table({"id": ["a", "b", "c"], **columns}), tmp_path / "y.parquet")
    with pytest.raises(UserError, match="an atomic number is not one of"):
        formats.read_parquet(tmp_path / "y.parquet")


@pytest.mark.parametrize("form", registry.FORMATS, ids=lambda form: form.name)
def test_a_name_loses_the_endings_of_every_format_and_archive(form):
    for suffix in form.suffixes:
        for packing in ("", ".zip", ".tar.gz", ".TGZ"):
            assert formats.without_endings(f"my.model{suffix}{packing}") == "my.model"
    assert formats.without_endings("my.model") == "my.model"


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


def test_real_archives_lose_nothing(data_dir):
    reading = formats.read(data_dir / "generated/mattergen_release.cif.zip")
    assert reading.submitted == 274
    assert reading.refused_by_reason == {"disordered": 2}
    assert sorted(reading.ignored) == ["LICENSE.md", "README.md"]
    assert len(set(reading.table.ids)) == 272
    reading = formats.read(data_dir / "crystals/mp_2474.cif.zip")
    assert (reading.submitted, len(reading.table)) == (2473, 2473)


def test_import_is_light():
    import subprocess
    import sys

    code = (
        "import sys, matscale.structures.formats\n"
        "heavy = {'gemmi', 'numba', 'torch', 'ase', 'pymatgen', 'pyarrow', 'scipy'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert Path(formats.__file__).exists()
