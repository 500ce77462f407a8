"""Answers meet their targets by id, or by order; where neither holds, an error says so."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

import matscale as ms
from crystals import held_out
from matscale.predictors.submissions.crystals import read_submissions
from matscale.runtime.errors import UserError
from matscale.tasks.reconstruction.by_order import aligned
from test_cli import matscale

CASES = Path(__file__).parent / "cases"
CRYSTALS = list(held_out().iter_pymatgen())


def scored(predictions, targets, **options):
    """The model's result under the sound protocol."""
    card = ms.score(
        "reconstruction", predictions, targets=targets, protocol="sound", workers=1, **options
    )
    return next(one for one in card.results if one.predictor.kind == "model")


IDS = [f"target-{row}" for row in range(11)]


def answers(path: Path, **options) -> dict[str, str]:
    """The formula of the answer to each target; targets are the first eleven crystals, in order."""
    (submission,) = read_submissions([path], workers=1)
    (found,) = aligned([submission], IDS, **options)
    table = found.predictions.table
    return {name: table.to_pymatgen(row).formula for row, name in enumerate(table.ids)}


RIGHT = {name: CRYSTALS[row].formula for row, name in enumerate(IDS)}


def turned(count: int = 11) -> list[int]:
    """An order that no sorting gives."""
    return np.random.default_rng(3).permutation(count).tolist()


@pytest.mark.parametrize("name", ["t_real_diff.pt", "eval_diff.pt"])
def test_the_field_s_tensors_are_scored_by_order(name):
    result = scored(CASES / name, CASES / "pt_targets.json")
    assert result.metrics["match_rate"].value == 1.0
    stem = name.removesuffix(".pt")
    assert any(f"{stem}-0 is the answer to mp-1" in note for note in result.notes)


def test_row_numbers_are_an_error_that_says_how_to_score_by_order(tmp_path):
    shutil.copytree(CASES, tmp_path / "cases")
    arguments = ("score", "reconstruction", "cases/r_pred_index.csv", "--targets")
    done = matscale(*arguments, "cases/r_targets.csv", cwd=tmp_path)
    assert done.returncode == 2
    for words in ("'0', '1', '2', ...", "'00123', '7', 'mp,2', ...", "--by-order", "score novelty"):
        assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    done = matscale(*arguments, "cases/r_targets.csv", "--by-order", cwd=tmp_path)
    assert done.returncode == 0
    assert "rebuilds 100\N{NO-BREAK SPACE}% of 5" in done.stdout
    assert "0 is the answer to 00123" in " ".join(done.stdout.split())


def test_no_overlap_and_other_counts():
    with pytest.raises(UserError, match=r"'a', 'b'.*'00123', '7', 'mp,2'.*2 answers and 5 targets"):
        scored(CASES / "r_pred_none.csv", CASES / "r_targets.csv")
    with pytest.raises(UserError, match="holds 2 answers and 5 targets are asked for"):
        scored(CASES / "r_pred_none.csv", CASES / "r_targets.csv", by_order=True)


def test_generated_crystals_are_sent_to_novelty():
    with pytest.raises(UserError, match=r"4 answers without ids and 2 targets.*score novelty"):
        scored(CASES / "mattergen_results", CASES / "pt_targets.json")


def without_ids(path: Path, rows: list[int]) -> Path:
    """The crystals of some rows, called by their places in a file."""
    lines = [json.dumps(CRYSTALS[row].as_dict()) for row in rows]
    path.write_text("\n".join(lines))
    return path


def test_one_column_and_lines_without_ids(tmp_path):
    path = without_ids(tmp_path / "model.jsonl", list(range(11)))
    assert answers(path) == RIGHT
    texts = [json.dumps(CRYSTALS[row].to(fmt="poscar")) for row in range(11)]
    (tmp_path / "model.csv").write_text("mine\n" + "\n".join(texts))
    assert answers(tmp_path / "model.csv") == RIGHT
    without_ids(path, turned())
    assert answers(path) != RIGHT


def test_a_row_that_is_refused_keeps_its_place(tmp_path):
    path = without_ids(tmp_path / "model.jsonl", list(range(11)))
    lines = path.read_text().splitlines()
    lines[3] = lines[3][:50]
    path.write_text("\n".join(lines))
    assert answers(path) == {name: RIGHT[name] for name in IDS if name != "target-3"}


def test_row_numbers_are_not_taken_for_ids(tmp_path):
    """Targets called 0, 1, ...: rows without ids go by order nevertheless, or not at all."""
    texts = [json.dumps(CRYSTALS[row].to(fmt="poscar")) for row in range(5)]
    (tmp_path / "model.csv").write_text("structure\n" + "\n".join(texts))
    (submission,) = read_submissions([tmp_path / "model.csv"], workers=1)
    with pytest.raises(UserError, match="5 answers without ids and 11 targets"):
        aligned([submission], [str(number) for number in turned()])
    (found,) = aligned([submission], ["4", "3", "2", "1", "0"])
    assert found.predictions.table.ids.tolist() == ["4", "3", "2", "1", "0"]


@pytest.mark.parametrize("packed", [False, True])
def test_files_of_a_folder_are_in_the_order_of_their_numbers(tmp_path, packed):
    folder = tmp_path / "model"
    folder.mkdir()
    names = [f"gen_{row}.cif" for row in range(11)]
    for row, name in enumerate(names):
        CRYSTALS[row].to(str(folder / name))
    if packed:
        with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
            for name in turned_names(names):
                archive.write(folder / name, name)
        folder = tmp_path / "model.zip"
    with pytest.raises(UserError, match="no id in model"):
        answers(folder)
    assert answers(folder, by_order=True) == RIGHT


def turned_names(names: list[str]) -> list[str]:
    return [names[place] for place in turned(len(names))]


def test_targets_that_cannot_be_read_keep_their_places(tmp_path):
    rows = [json.dumps({"id": f"t{row}", "structure": CRYSTALS[row].as_dict()})
            for row in range(4)]  # fmt: skip
    rows[1] = json.dumps({"id": "t1", "structure": "broken\n"})
    (tmp_path / "targets.jsonl").write_text("\n".join(rows))
    path = without_ids(tmp_path / "model.jsonl", [0, 1, 2, 3])
    result = scored(path, tmp_path / "targets.jsonl")
    assert result.metrics["match_rate"].value == pytest.approx(3 / 4)
    assert result.counts.refused == {"target cannot be read": 1}


def test_several_evaluations_are_candidates(tmp_path):
    torch = pytest.importorskip("torch")
    saved = torch.load(CASES / "eval_diff.pt", weights_only=True)
    broken = {key: value.clone() for key, value in saved.items()}
    broken["atom_types"] += 1
    for order, rate in (((saved, broken, broken), 1.0), ((broken, saved, saved), 0.0)):
        stacked = {key: torch.cat([part[key] for part in order]) for key in saved}
        torch.save(stacked, tmp_path / "model.pt")
        result = scored(tmp_path / "model.pt", CASES / "pt_targets.json")
        assert result.metrics["match_rate"].value == rate
        said = "model has 3 candidates for each target, ranked by their order: metrics of the best"
        assert any(said in note for note in result.notes)
        assert result.metrics["match_rate_at_3"].value == 1.0
        assert result.counts.warnings == {}


def test_nothing_that_can_be_read_is_said(tmp_path):
    (tmp_path / "model.csv").write_text("id,cif\na,rubbish\nb,\n")
    with pytest.raises(UserError, match=r"nothing in model can be read \(1 unreadable, 1 missing"):
        answers(tmp_path / "model.csv")


def test_the_column_of_the_answers_and_of_the_targets(tmp_path):
    texts = [CRYSTALS[row].to(fmt="poscar").replace("\n", "\\n") for row in range(3)]
    answers = "\n".join(f"t{row},no,{text}" for row, text in enumerate(texts))
    (tmp_path / "model.csv").write_text(f"material_id,cif,mine\n{answers}\n")
    (tmp_path / "targets.csv").write_text(f"material_id,other,mine\n{answers}\n")
    (tmp_path / "usual.csv").write_text(f"material_id,other,cif\n{answers}\n")
    for name in ("targets.csv", "usual.csv"):
        result = scored(tmp_path / "model.csv", tmp_path / name, column="mine")
        assert result.metrics["match_rate"].value == 1.0
    with pytest.raises(UserError, match="no column 'theirs'; its columns: material_id, cif, mine"):
        scored(tmp_path / "model.csv", tmp_path / "usual.csv", column="theirs")


# --- copies of the same crystals -----------------------------------------------------------


def test_a_folder_of_mattergen_counts_each_crystal_once(tmp_path):
    reading = ms.read(CASES / "mattergen_results")
    assert reading.submitted == 4
    (note,) = reading.notes("mattergen_results")
    assert "generated_crystals_cif.zip (the crystals of generated_crystals.extxyz again)" in note
    assert "generated_trajectories.zip (how the crystals of" in note
    card = ms.score(
        "novelty", CASES / "mattergen_results", train=CASES / "nov_train.jsonl", protocol="sound",
        workers=1,
    )  # fmt: skip
    result = next(one for one in card.results if one.predictor.kind == "model")
    assert result.counts.submitted == 4
    assert result.metrics["unique"].value == 1.0
    assert any("generated_crystals.extxyz again" in one for one in result.notes)


@pytest.mark.parametrize("inside", [False, True])
def test_mattergens_copies_in_subfolders_archives_and_alone(tmp_path, inside):
    run = tmp_path / "out" / "run1"
    shutil.copytree(CASES / "mattergen_results", run)
    source: Path = tmp_path / "out"
    if inside:
        source = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "out"))
    assert ms.read(source).submitted == 4
    (run / "generated_crystals.extxyz").unlink()
    reading = ms.read(tmp_path / "out")
    assert reading.table.ids.tolist() == ["gen_0", "gen_1", "gen_2", "gen_3"]
    assert "how the crystals of generated_crystals_cif came" in reading.notes("out")[0]
    assert ms.read(run / "generated_trajectories.zip").submitted == 4 * 5


def test_one_crystal_in_two_formats_counts_once(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for row in range(3):
        crystal = CRYSTALS[row]
        crystal.to(str(folder / f"x{row}.cif"))
        crystal.to(str(folder / f"x{row}.vasp"), fmt="poscar")
    (folder / "x0.json").write_text('{"energy": 1}')
    CRYSTALS[5].to(str(folder / "x1.xsf"), fmt="xsf")
    reading = ms.read(folder)
    assert sorted(reading.table.ids) == ["x0", "x1", "x1", "x2"]
    said = dict(zip(reading.ignored, reading.ignored_because, strict=True))
    assert said["x0.vasp"] == "the crystals of x0.cif again"
    assert set(said) == {"x0.json", "x0.vasp", "x1.vasp", "x2.vasp"}


# --- what is not read is said ----------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("match", "cases/mix", "cases/mix"),
        ("match", "cases/mix", "cases/mix", "--mode", "wyckoff"),
        ("group", "cases/mix"),
        ("reduce", "cases/mix"),
    ],
)
def test_match_group_and_reduce_say_what_they_leave_out(tmp_path, arguments):
    shutil.copytree(CASES, tmp_path / "cases")
    (tmp_path / "cases" / "mix" / "broken.cif").write_text("data_x\n_cell_length_a 3\n")
    out = "out.parquet" if arguments[0] == "reduce" else "out.csv"
    done = matscale(*arguments, "--out", out, cwd=tmp_path)
    assert done.returncode == 0
    assert "2 files of mix were not read: c_cifs.csv (CSV without a column" in done.stderr
    assert "j_optimade.json (JSON that holds no structures)" in done.stderr
    assert "1 of 2 crystals of mix were refused" in done.stderr
    done = matscale(*arguments, "--out", out, "--json", cwd=tmp_path)
    said = json.loads(done.stdout)["notes"]
    assert "c_cifs.csv" in (said[0] if isinstance(said[0], str) else said[0][0])


def test_the_column_of_match_group_and_reduce(tmp_path):
    shutil.copytree(CASES, tmp_path / "cases")
    path = "cases/mix/c_cifs.csv"
    done = matscale("match", path, "cases/mix/nacl_short.cif", "--column", "cifs", cwd=tmp_path)
    assert "1 pairs match" in done.stdout
    assert "1 groups" in matscale("group", path, "--column", "cifs", cwd=tmp_path).stdout
    done = matscale("reduce", path, "--column", "cifs", "--out", "x.parquet", cwd=tmp_path)
    assert "1 reduced" in done.stdout
    done = matscale("group", path, cwd=tmp_path)
    assert done.returncode == 2
    assert "its columns: id, cifs; --column" in done.stderr
