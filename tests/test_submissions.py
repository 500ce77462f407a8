"""Submissions are found in files, folders of files, and one subfolder a model."""

import zipfile
from pathlib import Path

import pytest

from crystals import held_out
from matscale.predictors.submissions.crystals import read_submissions
from matscale.runtime.errors import UserError
from matscale.structures.formats import write


def pairs_csv() -> str:
    table = held_out()[:3]
    rows = ["id,target,prediction"]
    for row, name in enumerate(table.ids):
        poscar = table.to_pymatgen(row).to(fmt="poscar").replace("\n", "\\n")
        rows.append(f"{name},{poscar},{poscar}")
    return "\n".join(rows)


def names(*sources: Path) -> dict[str, int]:
    return {s.name: s.predictions.submitted for s in read_submissions(sources, workers=1)}


def test_a_csv_carries_its_targets_plain_or_zipped(tmp_path):
    (tmp_path / "plain.csv").write_text(pairs_csv())
    with zipfile.ZipFile(tmp_path / "packed.csv.zip", "w") as archive:
        archive.writestr("whatever.csv", pairs_csv())
    assert names(tmp_path / "plain.csv", tmp_path / "packed.csv.zip") == {"plain": 3, "packed": 3}
    (plain,) = read_submissions([tmp_path / "plain.csv"], workers=1)
    assert plain.targets is not None
    assert plain.targets.table.sha256() == plain.predictions.table.sha256()


def test_a_folder_of_csvs_is_one_model_each(tmp_path):
    for name in ("first", "second"):
        (tmp_path / f"{name}.csv").write_text(pairs_csv())
    (tmp_path / "notes.txt").write_text("nothing to read")
    assert names(tmp_path) == {"first": 3, "second": 3}


def test_a_folder_of_folders_is_one_model_each(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    (tmp_path / "first" / "results.csv").write_text(pairs_csv())
    write(held_out(), tmp_path / "second" / "generated.extxyz")
    assert names(tmp_path) == {"first": 3, "second": 12}


def test_a_folder_of_structures_is_one_model(tmp_path):
    folder = tmp_path / "my model"
    folder.mkdir()
    for row in range(4):
        held_out().to_pymatgen(row).to(str(folder / f"crystal-{row}.cif"))
    (submission,) = read_submissions([folder], workers=1)
    assert submission.name == "my_model"
    assert submission.targets is None
    assert sorted(submission.predictions.table.ids) == [f"crystal-{k}" for k in range(4)]


def test_a_folder_with_structures_and_subfolders_is_one_model(tmp_path):
    """MatterGen leaves its structures beside a folder of trajectories."""
    (tmp_path / "run" / "trajectories").mkdir(parents=True)
    (tmp_path / "run" / "trajectories" / "log.bin").write_bytes(b"\x00\x01")
    write(held_out(), tmp_path / "run" / "generated_crystals.extxyz")
    (submission,) = read_submissions([tmp_path / "run"], workers=1)
    assert (submission.name, submission.predictions.submitted) == ("run", 12)
    assert len(submission.predictions.ignored) == 1


def test_two_models_of_one_name_and_two_csvs_of_one_model_are_mistakes(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same.csv").write_text(pairs_csv())
    with pytest.raises(UserError, match="two submissions are called 'same'"):
        names(tmp_path / "one" / "same.csv", tmp_path / "two" / "same.csv")
    (tmp_path / "one" / "other.csv").write_text(pairs_csv())
    with pytest.raises(UserError, match="keep one per model"):
        names(tmp_path)
