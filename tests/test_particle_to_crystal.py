"""Particle to crystal: floors, submissions, and what a predictor can see."""

import csv
import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from matscale.api import score
from matscale.datasets.particles.hard import TRACKS
from matscale.datasets.particles.template import CELL_COLUMNS, KEY_COLUMNS, write_template
from matscale.predictors.floors.cells import NearestRdf
from matscale.report.console import print_scores
from matscale.report.tables.score import score_tables
from matscale.runtime.errors import Refused, UserError
from matscale.structures.formats import write
from matscale.structures.table import StructureTable
from matscale.tasks.asking import entrant
from matscale.tasks.particles import question as asking
from matscale.tasks.particles.asking import tell, telling
from matscale.tasks.particles.particle_to_crystal.measuring import check, sound_scores, targets_of
from matscale.tasks.particles.particle_to_crystal.notes import defects
from matscale.tasks.particles.training import training_samples
from particle_tasks import Constant

COLUMNS = [*KEY_COLUMNS, *CELL_COLUMNS]


# --- what the order of atoms tells -----------------------------------------------------------


def read_off(positions):
    """A cell from the order of atoms alone: steps from one to the next that are commonest."""
    steps = np.diff(positions, axis=0)
    first = commonest(steps)
    starts = positions[np.r_[0, np.flatnonzero(np.abs(steps - first).max(axis=1) > 1e-3) + 1]]
    rows = np.diff(starts, axis=0)
    rows -= np.round(rows @ first / (first @ first))[:, None] * first
    second = commonest(rows)
    heights = np.round(np.abs(rows @ np.cross(first, second)), 2)
    if not (heights > 0.3).any():
        return np.zeros(6), 1
    third = rows[heights == Counter(heights[heights > 0.3]).most_common(1)[0][0]][0]
    return np.array([third, second, first]), 1


def commonest(vectors):
    return np.array(Counter(map(tuple, np.round(vectors, 4))).most_common(1)[0][0])


def test_the_order_of_atoms_does_not_tell_the_cell(particles):
    question = asking.ask(particles)
    targets = targets_of(particles.materials)

    def right(positions, row):
        try:
            answer = check(read_off(positions))
        except Refused:
            return 0.0
        material = int(question.samples.material[row])
        return sound_scores(answer, targets, material).get("lattice_match", 0.0)

    rows = range(len(question))
    told = [tell(question, row, ("numbers", "positions"), cell=False) for row in rows]
    cut = [right(question.particle(row)[1], row) for row in rows]
    assert np.mean(cut) > 0.5  # so it did, in the order of carving
    # In a particle of a dozen atoms some two of them are the right vectors by chance.
    assert np.mean([right(told[row]["positions"], row) for row in rows]) <= 0.1
    for row in rows:
        assert same_atoms((told[row]["numbers"], told[row]["positions"]), question.particle(row))
        again = tell(question, row, ("positions", "particle_numbers"), cell=False)
        assert np.array_equal(again["positions"], told[row]["positions"])
        assert np.array_equal(again["particle_numbers"], told[row]["numbers"])


def test_atoms_of_training_examples_come_as_those_that_are_asked_about(particles):
    groups = targets_of(particles.materials).groups
    kept, shuffled = (training_samples(particles, "radius", groups, seed) for seed in (None, 3))
    for at in (0, 700, -1):
        assert not np.array_equal(kept[at].positions, shuffled[at].positions)
        atoms = [(one.numbers, one.positions) for one in (kept[at], shuffled[at])]
        assert same_atoms(*atoms)
    assert np.array_equal(shuffled[len(shuffled) - 1].positions, shuffled[-1].positions)


def same_atoms(first, second):
    """Whether two particles are the same atoms, in whatever order."""
    rows = [np.column_stack(one)[np.lexsort(np.column_stack(one).T)] for one in (first, second)]
    return np.array_equal(*rows)


# --- floors and the ceiling ------------------------------------------------------------------


@pytest.fixture(scope="module")
def cards(particles):
    return {
        split: score("particle-to-crystal", [], data=particles, split=split, workers=1)
        for split in ("radius", "material")
    }


def test_lookup_knows_what_it_has_seen_and_nothing_else(cards):
    assert cards["radius"]["lookup"].metrics["joint_rate"].value == 1.0
    assert cards["material"]["lookup"].metrics["joint_rate"].value == 0.0
    for split in cards:
        assert cards[split]["lattice_recovery"].metrics["joint_rate"].value >= 0.7


def test_zeros_are_the_norm_of_the_targets(cards, particles):
    question = asking.ask(particles)
    given = targets_of(particles.materials).given[question.samples.material]
    result = cards["radius"]["zeros.published"]
    assert result.metrics["rmse"].value == pytest.approx(math.sqrt((given**2).mean()))
    assert result.counts.read == len(question)
    sound = cards["radius"]["zeros.sound"]
    assert sound.counts.refused == {"degenerate cell": len(question)}
    assert sound.metrics["joint_rate"].value == 0 and sound.metrics["length_mae"].value is None


def test_published_numbers_of_cubic_hydrides(hydrides):
    card = score("particle-to-crystal", [], data=hydrides, protocol="published", workers=1)
    assert card["zeros"].metrics["rmse"].value == pytest.approx(63.7, abs=0.1)
    assert card["zeros"].metrics["space_group_published"].value == 1
    notes = " ".join(card["zeros"].notes)
    for published in ("63.71", "0.980", "0.000"):
        assert published in notes
    assert {result.protocol for result in card} == {"published"}


def test_groups_and_lines(cards):
    result = cards["radius"]["lattice_recovery"]
    assert [(one.by, one.group) for one in result.groups] == [
        ("radius", "6"),
        ("radius", "10"),
        ("split", "id"),
        ("split", "ood"),
    ]
    joint = result.metrics["joint_rate"]
    assert joint.floor_name == "lookup"
    # At 6 Å looking up beats the ceiling: then there is no scale to give a skill on.
    assert joint.ceiling < joint.floor and joint.skill is None
    assert joint.ceiling == joint.value
    # What was told nothing is held against what was told nothing.
    assert cards["radius"]["mean_lattice"].metrics["joint_rate"].floor_name == "zeros"


LOOKED_UP = "in training at other radii"
ONE_GROUP = "One space group is most of the set"


def test_defects_of_a_split_are_said_of_that_split_alone(cards, particles, hydrides):
    """Ten crystals of several space groups by radius and by material; five of one group."""
    for by, wanted in (("radius", True), ("material", False)):
        published = " ".join(cards[by]["zeros.published"].defects)
        assert (LOOKED_UP in published) == wanted
        assert "Å and degrees are mixed" in published
        assert not cards[by]["zeros.sound"].defects
    for made in (particles, hydrides):
        question, targets = asking.ask(made), targets_of(made.materials)
        groups = targets.published_groups[question.samples.material].tolist()
        most = Counter(groups).most_common(1)[0][1] / len(groups) > 0.5
        assert (ONE_GROUP in " ".join(defects(question, targets))) == most
    assert ONE_GROUP in " ".join(defects(question, targets))


def test_who_is_told_nothing_cannot_find_every_crystal(tmp_path, hydrides):
    path = write_csv(tmp_path / "mine.csv", rows_of(asking.ask(hydrides)))
    for told, refuted in (("nothing", True), ("numbers,positions", False), (None, False)):
        card = score("particle-to-crystal", path, data=hydrides, told=told, workers=1)
        said = card["mine"].predictor.refuted
        assert bool(said) == refuted and bool(card["mine.published"].predictor.refuted) == refuted
        if refuted:
            assert said.startswith(
                "Declared to be told nothing, yet 100 % of its answers are right"
            )
            # Then every floor counts that was not told the answer.
            assert card["mine"].metrics["joint_rate"].floor_name == "lookup"
    assert card["mean_lattice"].predictor.refuted is None


# --- submissions -----------------------------------------------------------------------------


def rows_of(question, change=lambda place, row: [row]):
    given = targets_of(question.particles.materials)
    rows = []
    for place in range(len(question)):
        material, radius, rotation = question.key(place)
        name = question.particles.materials.ids[material]
        cell = given.given[material].tolist()
        row = [name, f"{radius:g}", rotation, *cell, given.groups[material]]
        rows += change(place, row)
    return rows


def write_csv(path, rows, header=COLUMNS):
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *rows])
    return path


def test_a_perfect_file(tmp_path, hydrides):
    question = asking.ask(hydrides)
    path = write_csv(tmp_path / "mine.csv", rows_of(question))
    out = tmp_path / "out"
    card = score("particle-to-crystal", path, data=hydrides, out=out, workers=1)
    assert card["mine"].metrics["joint_rate"].value == 1
    assert card["mine.published"].metrics["rmse"].value == pytest.approx(0, abs=1e-6)
    table = pq.read_table(out / card["mine"].samples)
    assert table.column_names[:7] == [
        *("id", "status", "reason", "material", "radius", "rotation", "split")
    ]
    assert set(card["mine"].metrics) - {"space_group_balanced"} <= set(table.column_names)
    assert set(table["split"].to_pylist()) == {"id", "ood"}
    assert table["radius"].type == "double" and table["rotation"].type == "int64"
    assert not (out / ".partial").exists()


def test_what_is_wrong_with_rows_is_counted(tmp_path, hydrides):
    question = asking.ask(hydrides)

    def change(place, row):
        match place:
            case 0:
                return []
            case 1:
                return [[*row[:3], "nan", *row[4:]]]
            case 2:
                return [[*row[:3], "four", *row[4:]]]
            case 3:
                return [row, [*row[:3], 9, 9, 9, 90, 90, 90, 1]]
            case 4:
                return [[*row[:3], *(math.radians(v) if v > 10 else v for v in row[3:9]), row[9]]]
            case 5:
                return [[*row[:3], *(v / 10 if v < 10 else v for v in row[3:9]), row[9]]]
            case 6:
                return [[*row[:9], 300]]
            case 7:
                return [[*row[:3], *[""] * 7]]
        return [row]

    rows = rows_of(question, change)
    rows += [["Unobtainium", "10", 1, *rows[-1][3:]], ["", "", "", *rows[-1][3:]]]
    path = write_csv(tmp_path / "mine.csv", rows)
    result = score("particle-to-crystal", path, data=hydrides, workers=1)["mine"]
    assert result.counts.submitted == len(question)
    assert result.counts.missing == 2
    assert result.counts.refused == {
        "not finite": 1,
        "unreadable": 1,
        "other unit": 2,
        "no space group": 1,
    }
    assert result.counts.warnings == {
        "to a sample that was answered before": 1,
        "that do not say which sample they answer": 1,
        "to samples that there are not": 1,
    }
    right = len(question) - 7
    assert result.metrics["joint_rate"].value == pytest.approx(right / len(question))
    assert result.metrics["length_mae"].n == right


def test_one_answer_of_many_is_no_better_than_all_of_them(tmp_path, hydrides, capsys):
    """Its published RMSE leaves out what it did not answer."""
    rows = rows_of(asking.ask(hydrides))
    path = write_csv(tmp_path / "onerow.csv", rows[:1])
    card = score("particle-to-crystal", path, data=hydrides, workers=1)
    coverage = {one.predictor.name: one.metrics["coverage"] for one in card.results[-6:]}
    assert coverage["onerow"].value == pytest.approx(1 / len(rows)) and coverage["zeros"].value == 1
    assert card["onerow.published"].metrics["rmse"].value == pytest.approx(0, abs=1e-6)
    published = next(one for one in score_tables(card.results) if one.protocol == "published")
    best = {row.predictor.name: row.cells[0].best for row in published.rows}
    assert published.columns[0].name == "rmse" and not any(best.values())
    print_scores(card.results)
    fate = "counted as failures in every share of samples, left out of every other metric"
    printed = " ".join(capsys.readouterr().out.split())
    assert f"onerow: {len(rows) - 1} missing; {fate}" in printed


@pytest.mark.parametrize(("unit", "factor"), [("nm", 0.1), ("radians", math.pi / 180)])
def test_a_file_in_other_units_is_one_sentence(tmp_path, hydrides, unit, factor):
    def change(_, row):
        lengths, angles = row[3:6], row[6:9]
        if unit == "nm":
            lengths = [value * factor for value in lengths]
        else:
            angles = [value * factor for value in angles]
        return [[*row[:3], *lengths, *angles, row[9]]]

    path = write_csv(tmp_path / "mine.csv", rows_of(asking.ask(hydrides), change))
    with pytest.raises(UserError, match=unit):
        score("particle-to-crystal", path, data=hydrides)


@pytest.mark.parametrize(
    ("rows", "header", "said"),
    [
        ([["A", 6, 1]], COLUMNS[:3], "no column 'a'"),
        ([["Unobtainium", 6, 1, 4, 4, 4, 90, 90, 90, 1]], COLUMNS, "none of its 1 answers"),
        ([["", 6, 1, 4, 4, 4, 90, 90, 90, 1]], COLUMNS, "says which sample"),
        (
            [["A", "10.0000001", 1, 4, 4, 4, 90, 90, 90, 1]],
            COLUMNS,
            r"radius 10\.0000001, .*, 10, ",
        ),
    ],
)
def test_files_that_are_none(tmp_path, hydrides, rows, header, said):
    path = write_csv(tmp_path / "mine.csv", rows, header)
    with pytest.raises(UserError, match=said):
        score("particle-to-crystal", path, data=hydrides)


def test_the_template_is_a_submission_without_answers(tmp_path, hydrides):
    samples = asking.ask(hydrides).samples
    write_template("particle-to-crystal", hydrides, samples, tmp_path / "empty.csv")
    result = score("particle-to-crystal", tmp_path / "empty.csv", data=hydrides, workers=1)["empty"]
    assert result.counts.missing == len(asking.ask(hydrides))
    assert result.metrics["joint_rate"].value == 0


def test_a_cell_a_row(tmp_path, hydrides):
    question = asking.ask(hydrides)
    material = question.samples.material
    table = hydrides.materials[material].with_ids(question.ids.tolist())
    write(
        StructureTable(table.ids, table.offsets, table.numbers, table.positions, table.cells),
        tmp_path / "cells.extxyz",
    )
    result = score("particle-to-crystal", tmp_path / "cells.extxyz", data=hydrides, workers=1)
    assert result["cells"].metrics["joint_rate"].value == 1


def test_an_interrupted_run_goes_on_from_what_the_ceiling_found(tmp_path, hydrides, monkeypatch):
    def score_into(out):
        return score("particle-to-crystal", [], data=hydrides, out=out, workers=1)

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(NearestRdf, "predict", interrupted)
        with pytest.raises(KeyboardInterrupt):
            score_into(tmp_path)
    assert len(list((tmp_path / ".partial").glob("*.npz"))) == len(asking.ask(hydrides))
    # What was found is not looked for again.
    monkeypatch.setattr("matscale.recovery.recover", interrupted)
    assert score_into(tmp_path)["lattice_recovery"].metrics["joint_rate"].value == 1
    assert not (tmp_path / ".partial").exists()


@pytest.mark.parametrize("track", TRACKS)
def test_hard_tracks_disturb_what_is_told_and_nothing_else(particles, track):
    plain = asking.ask(particles)
    question = asking.ask(particles, hard=f"{track}={TRACKS[track].levels[0]:g}")
    assert question.dataset.sha256 != plain.dataset.sha256
    assert question.ids.tolist() == plain.ids.tolist()
    assert any(f"({track}, " in note for note in question.notes())
    for row in (0, len(plain) - 1):
        assert same_atoms(question.particle(row), plain.particle(row))
        cut, told = (tell(one, row, ("positions",), cell=False) for one in (plain, question))
        again = tell(question, row, ("positions",), cell=False)
        assert np.array_equal(told["positions"], again["positions"])
        if track in ("vacancies", "hidden_species"):
            assert len(told["positions"]) < len(cut["positions"])
        else:
            moved = np.abs(told["positions"] - cut["positions"]).max()
            assert 0 < moved < 5 * TRACKS[track].levels[0] * (10 if track == "strain" else 1)


def test_a_sample_of_which_nothing_is_left_is_a_refused_answer(particles):
    question = asking.ask(particles, hard="hidden_species=1")
    groups = targets_of(particles.materials).groups
    one = entrant(
        Constant((np.array([4.0, 4, 4, 90, 90, 90]), 221)),
        telling(question, ("positions",), cell=False),
        training_samples(particles, "radius", groups),
        check=check,
        kinds={"sound": "model"},
    )
    pure = [len(set(question.particle(row)[0])) == 1 for row in range(len(question))]
    assert any(pure) and not all(pure)
    reasons = [answer.reason for answer in one.answer(range(len(question)))]
    assert reasons == ["nothing left" if alone else "" for alone in pure]


def test_a_set_that_is_all_held_out_has_nothing_to_train_on(hydrides):
    held = hydrides.materials.with_columns(held_out=np.ones(len(hydrides.materials), bool))
    with pytest.raises(UserError, match="all of its materials are held out"):
        asking.ask(replace(hydrides, materials=held), by="material")


def test_wrong_options_are_sentences(hydrides, tmp_path):
    taken = tmp_path / "cells.cif"
    taken.write_text("")
    for options, said in (
        ({"data": "nowhere"}, "nowhere"),
        ({"data": hydrides, "split": "size"}, "split"),
        ({"data": hydrides, "protocol": "loud"}, "protocol"),
        ({"data": hydrides, "limit": 0}, "limit"),
        ({"data": hydrides, "told": "secrets"}, "secrets"),
        ({"data": hydrides, "told": " "}, "names no field"),
        ({"data": hydrides, "seed": -1}, "seed"),
        ({"data": hydrides, "hard": "thermal"}, "thermal=0.02"),
        ({"data": hydrides, "hard": "heat=3"}, "thermal=0.02"),
        ({"data": hydrides, "out": taken}, "is a file"),
        ({"data": taken}, "is a file: give a folder"),
    ):
        with pytest.raises(UserError, match=said):
            score("particle-to-crystal", [], **options)
