"""Files of answers to the particle tasks: what is read of them, and what is said of the rest."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from matscale.datasets.particles.template import CELL_COLUMNS, KEY_COLUMNS
from matscale.predictors.submissions.particles import read_cells, read_particles
from matscale.runtime.errors import UserError

HEADER = ",".join((*KEY_COLUMNS, *CELL_COLUMNS))
CUBE = "4,4,4,90,90,90,221"

# --- frames of extended XYZ ---------------------------------------------------------------------


def frames_of(path, text) -> dict[int, object]:
    """What a file of answers about one particle says, by rotation."""
    path.write_bytes(text.encode())
    return {rotation: one for (_, _, rotation), one in read_particles(path).answers.items()}


def one_frame(rotation: int, atoms=("Cs 0 0 0", "Cl 1 2 3"), count=None, properties="") -> str:
    count = len(atoms) if count is None else count
    lines = [f"{count}", f"{properties} material=a radius=8 rotation={rotation}", *atoms]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("properties", "atoms"),
    [
        ("", ["Cs 0 0 0", "Cl 1 2 3"]),
        ("Properties=species:S:1:pos:R:3", ["Cs 0 0 0", "Cl 1 2 3"]),
        ("Properties=species:S:1:pos:R:3:forces:R:3", ["Cs 0 0 0 7 8 9", "Cl 1 2 3 7 8 9"]),
        ("Properties=species:S:1:forces:R:3:pos:R:3", ["Cs 7 8 9 0 0 0", "Cl 7 8 9 1 2 3"]),
        ("Properties=Z:I:1:pos:R:3", ["55 0 0 0", "17 1 2 3"]),
        ("Properties=pos:R:3:species:S:1", ["0 0 0 Cs", "1 2 3 Cl"]),
        ("Properties=species:S:1:pos:R:3:label:S:1", ["Cs 0 0 0 a=1", "Cl 1 2 3 b=2"]),
    ],
)
def test_columns_of_a_submission_are_those_that_its_properties_say(tmp_path, properties, atoms):
    text = one_frame(1, atoms, properties=properties)
    numbers, positions = frames_of(tmp_path / "mine.xyz", text)[1]
    assert numbers.tolist() == [55, 17]
    assert positions.tolist() == [[0, 0, 0], [1, 2, 3]]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + one_frame(1) + one_frame(2),
        "\n\n" + one_frame(1) + "\n" + one_frame(2) + "\n\n",
        (one_frame(1) + one_frame(2)).replace("\n", "\r\n"),
        (one_frame(1) + one_frame(2)).rstrip(),
    ],
    ids=["mark", "blank lines", "Windows", "no last line end"],
)
def test_files_of_frames_begin_and_end_as_editors_write_them(tmp_path, text):
    found = frames_of(tmp_path / "mine.xyz", text)
    assert [found[one][0].tolist() for one in (1, 2)] == [[55, 17], [55, 17]]


@pytest.mark.parametrize("count", [0, 1, 3, 7, 99999999999999999999999999])
def test_a_count_that_lies_refuses_its_frame_and_no_other(tmp_path, count):
    text = one_frame(1) + one_frame(2, count=count) + one_frame(3)
    found = frames_of(tmp_path / "mine.xyz", text)
    assert [found[one][0].tolist() for one in (1, 3)] == [[55, 17], [55, 17]]
    assert found[2].reason == "unreadable"
    assert "frame 2, line 5: says" in found[2].detail and "has 2" in found[2].detail


def test_a_file_that_is_cut_says_so(tmp_path):
    whole = one_frame(1) + one_frame(2)
    found = frames_of(tmp_path / "mine.xyz", whole.removesuffix("Cl 1 2 3\n"))
    assert found[1][0].tolist() == [55, 17]
    assert found[2].reason == "truncated"
    assert found[2].detail == "frame 2, line 5: says 2 atoms, has 1 where the file ends"


def test_a_frame_without_a_count_is_named(tmp_path):
    text = one_frame(1) + one_frame(2, count="two") + one_frame(3)
    with pytest.raises(UserError, match=r"mine.xyz, line 5: 'two' .* atoms of frame 2 is expected"):
        frames_of(tmp_path / "mine.xyz", text)


def test_a_frame_of_no_atoms_and_a_broken_atom_name_their_frame(tmp_path):
    text = one_frame(1, []) + one_frame(2, ["Cs 0 0"]) + one_frame(3, ["Qq 0 0 0"]) + one_frame(4)
    found = frames_of(tmp_path / "mine.xyz", text)
    assert [found[one].reason for one in (1, 2, 3)] == [
        *("no atoms", "unreadable", "unknown element")
    ]
    assert found[2].detail.startswith("frame 2, line 3: ")
    assert found[4][0].tolist() == [55, 17]


# --- Parquet ------------------------------------------------------------------------------------


def test_parquet_of_the_columns_that_the_docs_name(tmp_path):
    """Written by other means than ours."""
    columns = {
        "id": pa.array(["0"]),
        "numbers": pa.array([[55, 17]], pa.list_(pa.uint8())),
        "positions": pa.array([[0.0, 0, 0, 1, 2, 3]], pa.list_(pa.float64())),
        "cell": pa.nulls(1),
        "material": pa.array(["a"]),
        "radius": pa.array([8.0]),
        "rotation": pa.array([1]),
    }
    pq.write_table(pa.table(columns), tmp_path / "mine.parquet")
    numbers, positions = read_particles(tmp_path / "mine.parquet").answers["a", 8.0, 1]
    assert numbers.tolist() == [55, 17] and positions.tolist() == [[0, 0, 0], [1, 2, 3]]
    del columns["id"]
    pq.write_table(pa.table(columns), tmp_path / "mine.parquet")
    with pytest.raises(UserError, match="no column 'id'"):
        read_particles(tmp_path / "mine.parquet")


# --- rows of CSV --------------------------------------------------------------------------------


def cells_of(path, *rows, header=HEADER):
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return read_cells(path)


def test_a_row_filled_in_below_its_empty_one_counts(tmp_path):
    empty = "," * len(CELL_COLUMNS)
    rows = [
        f"a,8,1{empty}",
        f"a,8,2{empty}",
        f"a,8,1,{CUBE}",
        f"a,8,1,5{CUBE[1:]}",
        f"a,8,1{empty}",
    ]
    found = cells_of(tmp_path / "mine.csv", *rows)
    assert found.answers["a", 8.0, 1][0][0] == 4
    assert found.answers["a", 8.0, 2] is None
    assert found.duplicates == 1


def test_spaces_around_values_are_none_of_them(tmp_path):
    found = cells_of(tmp_path / "mine.csv", f" a ,  8 ,1 , {CUBE.replace(',', '  ,  ')} ")
    assert found.answers["a", 8.0, 1][0].tolist() == [4, 4, 4, 90, 90, 90]


def test_a_row_of_more_fields_than_columns_is_refused_with_its_line(tmp_path):
    """As decimal commas make it."""
    rows = [f"a,8,1,{CUBE}", f"a,8,2,4,05,{CUBE[2:]}", f"a,8,3,{CUBE},,"]
    found = cells_of(tmp_path / "mine.csv", *rows)
    assert found.answers["a", 8.0, 2].detail == "line 3: 11 fields under 10 columns"
    assert [found.answers["a", 8.0, one][1] for one in (1, 3)] == [221, 221]


def test_an_underscore_is_in_no_number(tmp_path):
    rows = [f"a,8,1,{CUBE}", f"a,8,2,1_0{CUBE[1:]}", f"a,1_0,3,{CUBE}", f"a,8,1_0,{CUBE}"]
    found = cells_of(tmp_path / "mine.csv", *rows)
    assert set(found.answers) == {("a", 8.0, 1), ("a", 8.0, 2)}
    assert "1_0" in found.answers["a", 8.0, 2].detail
    assert found.nameless == 2


@pytest.mark.parametrize("mark", [";", "\t"])
def test_another_separator_is_said(tmp_path, mark):
    with pytest.raises(UserError, match=r"no column .material.* commas, not semicolons or tabs"):
        cells_of(tmp_path / "mine.csv", header=HEADER.replace(",", mark))


def test_a_column_twice_is_refused(tmp_path):
    with pytest.raises(UserError, match="2 columns 'a'"):
        cells_of(tmp_path / "mine.csv", f"a,8,1,{CUBE},1", header=f"{HEADER}, a ")
