"""The novelty task: verdicts on crystals made by hand, denominators, resuming."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from pymatgen.core import Lattice, Structure

from crystals import described_otherwise, held_out, perovskite, rock_salt, rutile, training
from matscale.matching.tolerances import Tolerances
from matscale.report.headline import headline
from matscale.runtime.errors import UserError
from matscale.structures.formats import read, read_parquet, write
from matscale.structures.reading import Reading
from matscale.structures.table import StructureTable
from matscale.tasks.novelty import classify as classifying
from matscale.tasks.novelty.floors import random_atoms
from matscale.tasks.novelty.samples import unread_samples, without_own_images
from matscale.tasks.novelty.score import WORK, score_novelty
from matscale.tasks.novelty.settings import NoveltySettings
from novelty_runs import score


@pytest.fixture
def train(tmp_path: Path) -> Path:
    write(training(), tmp_path / "train.parquet")
    return tmp_path / "train.parquet"


def rattled(structure: Structure, seed: int = 0) -> Structure:
    other = structure.copy()
    other.perturb(0.02, seed=seed)
    return other


def distorted_supercell() -> Structure:
    """A crystal with nothing in common with the training ones."""
    return Structure(
        Lattice.from_parameters(4.1, 5.3, 6.7, 81, 97, 104),
        ["Fe", "S", "S", "B"],
        [[0, 0, 0], [0.31, 0.42, 0.17], [0.62, 0.13, 0.71], [0.85, 0.77, 0.38]],
    )


CASES = {
    "copy": rock_salt(6.3, "K", "Cl"),
    "supercell": rock_salt(6.3, "K", "Cl").make_supercell([2, 1, 1]),
    "otherwise": described_otherwise(perovskite(4.1, "Ba", "Zr", "O"), 7),
    "swapped": rock_salt(5.6, "Na", "Br"),
    "swapped otherwise": described_otherwise(perovskite(3.95, "Sr", "Hf", "O"), 3),
    "strange": distorted_supercell(),
    "overlap": Structure(Lattice.cubic(5), ["Na", "Cl"], [[0, 0, 0], [0.06, 0, 0]]),
    "coincident": Structure(Lattice.cubic(5), ["Na", "Cl"], [[0, 0, 0], [0.01, 0, 0]]),
    "own image": Structure(Lattice.orthorhombic(0.4, 5, 5), ["Na"], [[0, 0, 0]]),
}


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    write(training(), folder / "train.parquet")
    return (*score(list(CASES.values()), folder / "train.parquet", list(CASES)), folder)


@pytest.mark.parametrize(
    ("name", "verdict", "kind", "train_id", "swaps"),
    [
        ("copy", "duplicate", "", "train-0", ""),
        ("supercell", "duplicate", "", "train-0", ""),
        ("otherwise", "duplicate", "", "train-3", ""),
        # On the scale K 9, Na 10; Cl 100, Br 99.
        ("swapped", "substituted", "both", "train-2", "Cl>Br"),
        ("swapped otherwise", "substituted", "both", "train-3", "Zr>Hf Ba>Sr"),
        ("strange", "unmatched", "", None, ""),
        ("overlap", "invalid", "", "", ""),
        ("coincident", "invalid", "", "", ""),
        ("own image", "invalid", "", "", ""),
    ],
)
def test_verdicts_by_hand(cases, name, verdict, kind, train_id, swaps):
    row = cases[1][name]
    assert (row["class"], row["kind"], row["swaps"]) == (verdict, kind, swaps)
    if train_id is not None:
        assert row["train_id"] == train_id
    assert bool(row["reason"]) == (verdict == "invalid")


def test_costs_by_hand(cases):
    rows = cases[1]
    assert rows["copy"]["cost"] == 0
    assert rows["swapped"]["cost"] == pytest.approx(0.5)
    # Ba 13, Sr 14; Zr 44, Hf 45: two of five sites change by one place.
    assert rows["swapped otherwise"]["cost"] == pytest.approx(0.4)
    assert rows["strange"]["cost"] is None
    assert rows["copy"]["amd_distance"] == pytest.approx(0, abs=1e-6)
    assert rows["copy"]["element_distance"] == 0
    # NaBr from NaCl: half of the atoms move by one place.
    assert rows["swapped"]["element_distance"] == pytest.approx(0.5)


def test_twins_are_not_unique(cases):
    rows = cases[1]
    assert rows["copy"]["unique"] and not rows["supercell"]["unique"]
    assert rows["supercell"]["representative"] == "copy"
    assert not rows["overlap"]["unique"]


def test_symmetry_and_prototypes(cases):
    rows = cases[1]
    assert (rows["swapped"]["space_group"], rows["swapped"]["crystal_system"]) == (225, "cubic")
    assert rows["swapped"]["prototype"] == "225 ab" and rows["swapped"]["prototype_known"]
    assert rows["strange"]["crystal_system"] == "triclinic"
    assert not rows["strange"]["prototype_known"]
    assert rows["overlap"]["space_group"] is None


def test_own_images_count_in_sound_only(cases):
    row = cases[1]["own image"]
    assert row["valid_published"] and not row["valid"]
    card = cases[0]
    assert card["model.sound"].metrics["valid"].value == pytest.approx(6 / 9)
    # One of the nine is refused by the reader, and the published protocol leaves it out.
    assert card["model.published"].metrics["valid"].value == pytest.approx(7 / 8)


def test_an_invalid_crystal_is_not_the_first_of_its_kind(train):
    """Sound: what is invalid by its own images leaves the place of the first to an equal one."""
    samples = unread_samples(Reading(training()[[0, 1, 2]], np.arange(3)))
    samples.valid_published[:] = True
    samples.valid[1:] = True
    samples.classes[:] = "unmatched"
    samples.representative[:] = 0
    samples.unique[0] = True
    sound = without_own_images(samples)
    assert sound.unique.tolist() == [False, True, False]
    assert sound.representative.tolist() == [-1, 1, 1]
    assert sound.classes.tolist() == ["invalid", "unmatched", "unmatched"]
    assert samples.unique.tolist() == [True, False, False]


def test_searches_that_are_given_up_are_counted_one_by_one(train, monkeypatch):
    """With room for no pair at all, each search says how many pairs it gave up."""
    monkeypatch.setattr("matscale.matching.engine.MAX_POINTS", 1)
    monkeypatch.setattr("matscale.matching.engine.POINTS", 1)
    card, _ = score(held_out()[[0]], train)
    notes = " ".join(card["model"].notes)
    assert "given up as too large" in notes
    assert "for duplicates" in notes and "for anonymous candidates" in notes
    assert "for the novelty curve" in notes


def test_rows_of_repeated_ids_are_told_apart(train):
    score(held_out()[[0, 1, 2]], train, ["same"] * 3)
    folder = train.parent / "results"
    columns = pq.read_table(folder / "model.samples.parquet").to_pydict()
    assert columns["generated_row"] == [0, 1, 2]
    matched = read_parquet(folder / "model.matched_train.parquet")
    assert [matched.ids[k] for k in columns["train_row"]] == columns["train_id"]


def test_denominators(cases):
    card = cases[0]
    sound = {name: one.value for name, one in card["model.sound"].metrics.items()}
    parts = [sound[name] for name in classifying.CLASSES]
    assert parts == pytest.approx([3 / 9, 2 / 9, 1 / 9, 3 / 9, 0])
    assert sound["unique"] == pytest.approx(5 / 9)
    assert sound["unique_novel"] == pytest.approx(3 / 9)
    assert sound["substituted_both"] == pytest.approx(2 / 9)
    assert all(card["model.sound"].metrics[name].n == 9 for name in classifying.CLASSES)
    published = card["model.published"].metrics
    rows = cases[1].values()
    looked_at = [row for row in rows if row["balanced_paper"] and row["valid_published"]]
    # One of them is invalid only because an atom is too close to its own image.
    assert published["duplicate"].n == len(looked_at)
    assert sum(not row["valid"] for row in looked_at) == 1
    counts = card["model"].counts
    assert (counts.submitted, counts.read, counts.refused) == (9, 8, {"atoms too close": 1})


def test_classes_are_exported(cases):
    folder = cases[2] / "results"
    assert len(read(folder / "model.duplicate.cif.zip").table) == 3
    assert len(read(folder / "model.substituted.cif.zip").table) == 2
    assert (folder / "model.invalid.csv").read_text().count("\n") == 4
    assert not (folder / "model.failed.csv").exists()
    generated = read_parquet(folder / "model.generated.parquet")
    matched = read_parquet(folder / "model.matched_train.parquet")
    assert len(generated) == 8
    named = {row["train_id"] for row in cases[1].values() if row["train_id"]}
    assert set(matched.ids) == named


def test_unrelaxed_is_said(cases):
    notes = " ".join(cases[0]["model"].notes)
    assert "unrelaxed: substituted is a lower bound" in notes


def test_floors_are_what_they_are_called(train):
    # 12 crystals: enough for the floors to be worth a share.
    card, _ = score(held_out(), train)
    assert card["training_sample"].metrics["duplicate"].value == 1
    assert card["random_substitution"].metrics["substituted"].value == 1
    assert card["training_sample"].metrics["unmatched"].floor == 1


def test_being_unmatched_like_random_atoms_proves_nothing(train, tmp_path):
    """There is no being above a floor of 100 %, so no verdict; the page says why."""
    write(random_atoms(training(), training(), 5), tmp_path / "gas.parquet")
    write(held_out(), tmp_path / "held.parquet")
    card = score_novelty(
        tmp_path / "gas.parquet", train=train, held_out=tmp_path / "held.parquet", workers=1
    )
    metric = card["gas"].metrics["unmatched"]
    assert card["random_atoms"].metrics["unmatched"].value == 1
    assert (metric.value, metric.floor, metric.floor_name) == (1, 1, "random_atoms")
    # Real crystals are less new than random atoms: between such lines there is no skill.
    assert metric.ceiling < metric.floor and metric.skill is None
    said = headline(card["gas"], card.results)
    assert said.verdict == "" and "that floor" not in said.text and "proves nothing" in said.text
    assert "Of 12 held-out real crystals, 8 % are copies of training crystals" in said.text


def test_held_out_line_and_memorisation(train, tmp_path):
    write(held_out(), tmp_path / "held.parquet")
    known = training()[[0, 1, 3]]
    card, _ = score(known, train, held_out=tmp_path / "held.parquet")
    line = card["held_out"].metrics
    # Of the twelve held-out crystals NaCl alone is in training too.
    assert line["duplicate"].value == pytest.approx(1 / 12)
    metric = card["model"].metrics["memorisation_ratio"]
    assert metric.value == pytest.approx(12.0)
    assert card["model"].metrics["unmatched"].ceiling == line["unmatched"].value
    assert card["held_out"].metrics.get("memorisation_ratio") is None


def test_memorisation_has_no_value_without_held_out_duplicates(train, tmp_path):
    write(StructureTable.from_pymatgen([distorted_supercell()]), tmp_path / "held.parquet")
    card, _ = score(training(), train, held_out=tmp_path / "held.parquet")
    metric = card["model"].metrics["memorisation_ratio"]
    # All six are duplicates and the one held-out crystal is not; with 95 % confidence the shares
    # are at least 0.05^(1/6) and at most 1 - 0.05.
    assert metric.value is None and metric.low == pytest.approx(0.05 ** (1 / 6) / 0.95)
    assert "memorisation ratio of model is above 0.64" in " ".join(card["model"].notes)


def test_the_curve_rises(train):
    rows = [rattled(one) for one in training().iter_pymatgen()]
    card, _ = score(rows, train)
    curve = [g.metrics["duplicate"].value for g in card["model"].groups if "stol" in g.by]
    assert curve == sorted(curve) and curve[-1] == 1


def test_a_single_wide_tolerance_changes_the_verdict(train):
    shifted = rutile(4.4, 2.9, "V", "O")
    shifted.translate_sites([0], [0.12, 0.0, 0.0])
    narrow = NoveltySettings(tolerances=Tolerances(site=0.02))
    _, rows = score([shifted], train, settings=narrow, out="narrow")
    _, wide = score([shifted], train, out="wide")
    assert rows["0"]["class"] == "unmatched" and wide["0"]["class"] == "duplicate"


def test_two_models(train, tmp_path):
    write(training(), tmp_path / "one.parquet")
    write(held_out(), tmp_path / "two.parquet")
    card = score_novelty([tmp_path / "one.parquet", tmp_path / "two.parquet"], train=train)
    assert card["one"].metrics["duplicate"].value == 1
    assert card["two"].metrics["duplicate"].value < 1
    assert card["one"].metrics["duplicate"].n == 6 and card["two"].metrics["duplicate"].n == 12


def test_mistakes_are_said(train, tmp_path):
    with pytest.raises(UserError, match="--train"):
        score_novelty(train)
    with pytest.raises(UserError, match="--hull needs energies"):
        score_novelty(train, train=train, hull=tmp_path / "x.json")
    with pytest.raises(UserError, match="at least one candidate"):
        score_novelty(train, train=train, top=0)
    with pytest.raises(UserError, match="protocol 'best'"):
        score_novelty(train, train=train, protocol="best")
    with pytest.raises(UserError, match="there is no potential"):
        score_novelty(train, train=train, relax="magic")
    write(training(), tmp_path / "held_out.parquet")
    with pytest.raises(UserError, match="name of a floor or line"):
        score_novelty(
            tmp_path / "held_out.parquet", train=train, held_out=tmp_path / "held_out.parquet"
        )


def test_a_submission_without_structures(train, tmp_path):
    (tmp_path / "empty.jsonl").write_text("not json\n")
    card = score_novelty(tmp_path / "empty.jsonl", train=train, out=tmp_path / "results")
    metrics = card["empty"].metrics
    assert metrics["failed"].value == 1 and metrics["unmatched"].value == 0
    assert metrics["amd_nearest"].value is None


# --- resuming --------------------------------------------------------------------------------


def test_second_run_computes_nothing_again(train, monkeypatch):
    first, _ = score(held_out(), train)
    work = train.parent / "results" / WORK
    before = {path: path.stat().st_mtime_ns for path in work.rglob("*.npz")}
    assert before
    second, _ = score(held_out(), train)
    assert {path: path.stat().st_mtime_ns for path in work.rglob("*.npz")} == before
    for one, other in zip(first, second, strict=True):
        assert one.metrics == other.metrics and one.groups == other.groups


def test_a_changed_threshold_computes_only_what_it_must(train, monkeypatch):
    """Validity, cells, symmetry and fingerprints do not hang on tolerances; matches do."""
    score(held_out(), train)
    work = train.parent / "results" / WORK
    before = {path.parent.name for path in work.rglob("*.npz")} | set(work.glob("*.npz"))

    def refuse(*_: object) -> None:
        raise AssertionError("computed again")

    for name in ("described.canonical_cells", "described.sites.average_minimum_distances"):
        monkeypatch.setattr(f"matscale.matching.{name}", refuse)
    monkeypatch.setattr("matscale.matching.wyckoff.positions._ENGINES", {"moyopy": refuse})
    monkeypatch.setattr("matscale.tasks.novelty.valid.primitive_neighbor_list", refuse)
    monkeypatch.setattr("smact.screening.smact_validity", refuse)
    narrow = NoveltySettings(tolerances=Tolerances(site=0.05))
    card, _ = score(held_out(), train, settings=narrow)
    assert card["model"].settings["stol"] == 0.05
    assert set(work.glob("*.npz")) > {path for path in before if isinstance(path, Path)}


SLOW = """
import sys, time
from pathlib import Path
from matscale.runtime import memory
keep = memory.Memory._keep
def slowly(self, key, answer):
    keep(self, key, answer)
    time.sleep(0.15)
memory.Memory._keep = slowly
from matscale.tasks.novelty.score import score_novelty
score_novelty(Path(sys.argv[1]), train=sys.argv[2], out=sys.argv[3], workers=1)
"""


def test_results_of_other_settings_do_not_stay_in_a_folder(train):
    score(training(), train, out="shared")
    with pytest.raises(UserError, match=r"model\.published\.result\.json: top 3 there, 2 here"):
        score(training(), train, out="shared", top=2, protocol="sound")
    write(training()[[0, 1]], train.parent / "other.parquet")
    with pytest.raises(UserError, match="training_sample_crystals 6 there, 2 here"):
        score_novelty(
            train.parent / "other.parquet", train=train, out=train.parent / "shared", workers=1
        )
    # All results are replaced: nothing of the old settings stays.
    card, _ = score(training(), train, out="shared", top=2)
    assert card["model"].settings["top"] == 2


def test_killed_anywhere_and_resumed(train, tmp_path):
    """A real process, killed with SIGKILL again and again, ends with what one run gives."""
    write(held_out(), tmp_path / "model.parquet")
    whole = score_novelty(
        tmp_path / "model.parquet", train=train, out=tmp_path / "whole", workers=1
    )
    out = tmp_path / "killed"
    command = [sys.executable, "-c", SLOW, tmp_path / "model.parquet", train, out]
    kept = kills = 0
    while kills < 40:
        process = subprocess.Popen(command, env={**os.environ}, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 600
        while process.poll() is None and time.monotonic() < deadline:
            found = len(list(out.rglob("*.npz")))
            if found >= kept + 6:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kept, kills = found, kills + 1
                break
            time.sleep(0.02)
        if process.wait() == 0:
            break
    assert 2 <= kills < 40
    for result in whole:
        other = json.loads((out / f"{result.name}.result.json").read_text())
        mine = result.model_dump(mode="json")
        assert other["metrics"] == mine["metrics"] and other["groups"] == mine["groups"]
    one, two = (folder / "model.samples.parquet" for folder in (tmp_path / "whole", out))
    assert pq.read_table(one).equals(pq.read_table(two))


def test_settings_are_frozen_together():
    settings = NoveltySettings(tolerances=Tolerances(0.1, 0.2, 3.0))
    assert settings.framework.tolerances == settings.verification.tolerances
    assert replace(settings, top=1).duplicate == settings.duplicate
    assert not settings.has_energies
