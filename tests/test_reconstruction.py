"""The reconstruction task keeps its promises: denominators, invariances, floors, resuming."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from crystals import described_otherwise, held_out, training
from matscale.report.headline import headline
from matscale.results.result import Predictor
from matscale.runtime import execution
from matscale.runtime.errors import UserError
from matscale.runtime.memory import PARTIAL
from matscale.structures.formats import write
from matscale.structures.table import StructureTable
from matscale.tasks.novelty import measures
from matscale.tasks.perception import measures as perception
from matscale.tasks.reconstruction.declared import refutation
from matscale.tasks.reconstruction.published import defects
from matscale.tasks.reconstruction.score import score_reconstruction


@pytest.fixture
def question(tmp_path: Path) -> dict[str, Path]:
    paths = {"targets": tmp_path / "targets.parquet", "train": tmp_path / "train.parquet"}
    write(held_out(), paths["targets"])
    write(training(), paths["train"])
    return paths


def score(table: StructureTable, question: dict[str, Path], name: str = "model", **options):
    path = question["targets"].parent / f"{name}.parquet"
    write(table, path)
    return score_reconstruction(path, **{**question, "workers": 1, **options})


def values(card, name="model", protocol="sound") -> dict[str, float | None]:
    return {key: metric.value for key, metric in card[f"{name}.{protocol}"].metrics.items()}


def test_perfect_predictions_reach_the_ceiling(question):
    card = score(held_out(), question)
    mine, ceiling = values(card), values(card, "target")
    assert mine == pytest.approx(ceiling, abs=1e-6, nan_ok=True)
    assert mine["match_rate"] == mine["composition_accuracy"] == mine["metre"] == 1
    assert mine["length_mae"] == mine["angle_mae"] == mine["volume_error"] == 0
    assert card["model"].metrics["volume_error"].skill == 1


def test_another_description_of_the_same_crystals_scores_the_same(question):
    others = [described_otherwise(s, seed) for seed, s in enumerate(held_out().iter_pymatgen())]
    card = score(StructureTable.from_pymatgen(others, list(held_out().ids)), question)
    mine = values(card)
    assert mine["match_rate"] == 1
    for name in ("rms_angstrom", "length_mae", "angle_mae", "volume_error", "amd_mean", "pdd_emd"):
        assert mine[name] == pytest.approx(0, abs=1e-5), name


def test_shuffled_predictions_fall_to_the_floor(question):
    table = held_out()
    card = score(table[np.roll(np.arange(12), 5)].with_ids(list(table.ids)), question)
    mine = values(card)
    assert mine["match_rate"] == mine["composition_accuracy"] == 0
    # As a set they are the targets: no distribution differs.
    assert mine["wasserstein_a"] == mine["histogram_kl_gamma"] == pytest.approx(0, abs=1e-12)
    # METRe asks whether any prediction matches, and compositions are distinct here.
    assert mine["metre"] == 1
    assert card["model"].metrics["volume_error"].skill < 0


def test_swapping_target_and_prediction_changes_no_symmetric_metric(tmp_path, question):
    strained = StructureTable.from_pymatgen(
        [
            s.copy().apply_strain([0.02, -0.01, 0.01], inplace=False)
            for s in held_out().iter_pymatgen()
        ],
        list(held_out().ids),
    )
    swapped = {**question, "targets": tmp_path / "other.parquet"}
    write(strained, swapped["targets"])
    forth, back = (
        values(score(strained, question)),
        values(score(held_out(), swapped, "back"), "back"),
    )
    for name in ("match_rate", "length_mae", "angle_mae", "amd_mean", "pdd_emd", "wasserstein_a"):
        assert forth[name] == pytest.approx(back[name], abs=1e-9), name
    assert forth["rms_angstrom"] == pytest.approx(back["rms_angstrom"], rel=1e-3, abs=1e-6)


def test_a_missing_id_lowers_every_rate_and_is_counted(question):
    whole = score(held_out(), question)
    card = score(held_out()[:9], question, "short")
    short = card["short"]
    assert short.counts.submitted == short.dataset.size == 12
    assert short.counts.missing == 3
    assert short.metrics["match_rate"].value == 9 / 12 < whole["model"].metrics["match_rate"].value
    assert short.metrics["metre"].value == short.metrics["coverage"].value == 9 / 12
    assert short.metrics["crmse"].value == pytest.approx(3 / 12 * 0.5, abs=1e-6)


def test_damaged_predictions_are_failures_with_reasons(question, tmp_path):
    table = held_out()
    path = tmp_path / "damaged.csv"
    rows = ["id,target,prediction"]
    for row in range(12):
        poscar = table.to_pymatgen(row).to(fmt="poscar").replace("\n", "\\n")
        prediction = {0: "", 1: "rubbish", 2: poscar[:40]}.get(row, poscar)
        rows.append(f"crystal-{row},{poscar},{prediction}")
    path.write_text("\n".join(rows))
    card = score_reconstruction(path, **question, workers=1)
    sound, published = card["damaged.sound"], card["damaged.published"]
    assert sound.counts.read == 9
    assert sum(sound.counts.refused.values()) + sound.counts.missing == 3
    assert len(sound.refused) == 3
    assert sound.metrics["match_rate"].value == 9 / 12
    # The published protocol leaves unreadable rows out of both sides of the fraction.
    assert published.metrics["match_rate"].value == 1
    assert published.metrics["match_rate"].n == 9
    assert any("denominator" in defect for defect in published.defects)


def test_defects_are_said_where_they_hold():
    """Of the table by crystal system only what it leaves out of these targets."""
    large = ["cubic"] * 10 + ["trigonal"] * 12
    assert defects(large)[-1].endswith("knows the system of the targets alone.")
    said = defects([*large, "triclinic", "triclinic", "hexagonal"])[-1]
    assert "the 2 targets that are triclinic" in said
    assert "fewer than 10 rows (hexagonal)" in said
    without = " ".join(measures.defects(has_energies=False))
    assert "hull" not in without and "relaxation" not in without
    assert "hull" in " ".join(measures.defects(has_energies=True))
    kinds = {kind: " ".join(perception.defects({kind})) for kind in ("mcq", "open")}
    assert "judge" not in kinds["mcq"] and "64 tokens" in kinds["mcq"]
    assert "64 tokens" not in kinds["open"] and "7 out of 10" in kinds["open"]


def test_duplicates_and_strangers_are_counted_and_not_scored(question):
    table = held_out()
    others = table[[3, 4]].with_ids(["crystal-0", "stranger"])
    card = score(StructureTable.concatenate([table, others]), question, candidates=1)
    assert values(card)["match_rate"] == 1
    assert card["model"].counts.warnings == {
        "with an id that came before": 1,
        "with an id that was not asked for": 1,
    }


def test_rms_in_angstrom_is_a_displacement(question):
    """One atom of rock salt moved by d: rms after the best common shift is d / 2."""
    table = held_out()[:1]
    moved = table.to_pymatgen(0)
    moved.translate_sites([0], [0.2, 0, 0], frac_coords=False)
    card = score(StructureTable.from_pymatgen([moved], ["crystal-0"]), question)
    assert values(card)["rms_angstrom"] == pytest.approx(0.1, rel=1e-6)


def test_groups_cover_every_sample_once(question):
    card = score(held_out()[:9], question)
    result = card["model"]
    sizes: dict[str, int] = {}
    for group in result.groups:
        sizes[group.by] = sizes.get(group.by, 0) + group.n
    assert set(sizes.values()) == {12}
    assert {"crystal system", "composition in training", "prototype in training"} <= set(sizes)
    by_name = {(group.by, group.group): group for group in result.groups}
    assert by_name["crystal system", "hexagonal"].metrics["match_rate"].value == 0
    assert by_name["crystal system", "cubic"].metrics["match_rate"].value == 1
    assert by_name["composition in training", "seen"].n == 1
    assert by_name["prototype in training", "seen"].n == 12


def test_fair_floors_stand_beside_each_model(question):
    told = score(held_out(), question, told="composition")["model"]
    ids = [f"crystal-{row}" for row in range(12)]
    shuffled = held_out()[np.roll(np.arange(12), 1)].with_ids(ids)
    blind = score(shuffled, question, told="nothing")["model"]
    answer = score(held_out(), question, told="composition,positions")["model"]
    assert told.metrics["match_rate"].floor_name == "substitution"
    assert told.metrics["match_rate"].floor >= 10 / 12
    assert blind.metrics["match_rate"].floor_name == "random_training"
    assert not told.predictor.told_the_answer
    assert answer.predictor.told_the_answer
    assert [one.predictor.refuted for one in (told, blind, answer)] == [None] * 3


def test_answers_refute_a_declaration_of_less(question):
    """Nobody who is told nothing has twelve of twelve compositions right."""
    card = score(held_out(), question, told="nothing")
    result = card["model"]
    said = headline(result, card.results)
    chance = 100 * card["random_training"].metrics["composition_accuracy"].value
    assert result.predictor.refuted == (
        "Declared to be told nothing, yet 100 % of its compositions are right, where random "
        f"training crystals get {chance:.0f} %: it was told more, or the ids leak."
    )
    assert result.predictor.refuted in said.text and "declaration refuted" in said.labels
    # Nobody knows then what it was told: every floor counts, as where nothing is declared.
    undeclared = score(held_out(), question)["model"]
    assert result.metrics == undeclared.metrics
    assert card["model.published"].predictor.refuted
    # A property may be enough to look a crystal up; half of the compositions right is not all.
    half = StructureTable.concatenate([held_out()[:6], held_out()[6:].with_ids(
        [f"crystal-{row}" for row in (7, 8, 9, 10, 11, 6)]
    )])  # fmt: skip
    assert score(half, question, told="tc")["model"].predictor.refuted is None


@pytest.mark.parametrize(
    ("right", "n", "told", "commonest", "refuted"),
    [
        (96, 105, (), 1 / 105, True),
        (96, 105, ("tc",), 1 / 105, True),
        (96, 105, ("composition",), 1 / 105, False),
        (96, 105, ("positions",), 1 / 105, False),
        (96, 105, None, 1 / 105, False),
        (1, 105, (), 1 / 105, False),
        (40, 105, ("tc",), 1 / 105, False),  # may be looked up
        (300, 1000, (), 0.3, False),  # always answering with the commonest
        (1000, 1000, (), 1.0, False),  # a set of carbon alone
        (2, 2, (), 0.5, False),  # chance
        (0, 0, (), 0.0, False),
    ],
)
def test_only_what_chance_cannot_explain_refutes(right, n, told, commonest, refuted):
    predictor = Predictor(name="m", kind="model", told=told)
    answers = np.arange(n) < right
    assert bool(refutation(predictor, answers, commonest, 0.0)) == refuted


def test_without_training_there_are_no_floors_but_a_ceiling(question):
    card = score(held_out(), {"targets": question["targets"]})
    assert {result.predictor.name for result in card.results} == {"target", "model"}
    assert card["model"].metrics["match_rate"].floor is None
    assert card["model"].metrics["match_rate"].ceiling == 1


def test_training_crystals_that_are_targets_are_taken_out(question):
    card = score(held_out(), {**question, "train": _mixed(question)})
    assert card["model"].dataset.train_size == 6
    assert any("same id" in note for note in card["model"].notes)


def test_targets_that_repeat_an_id_are_named(question):
    twice = StructureTable.concatenate([held_out(), training()[:1].with_ids([held_out().ids[0]])])
    path = question["targets"].parent / "twice.parquet"
    write(twice, path)
    card = score(held_out(), {"targets": path})
    assert card["model"].counts.submitted == len(held_out())
    assert any("1 target repeats the id" in note for note in card["model"].notes)


def _mixed(question) -> Path:
    path = question["targets"].parent / "mixed.parquet"
    write(StructureTable.concatenate([training(), held_out()[:4]]), path)
    return path


def test_two_runs_with_one_seed_are_identical_apart_from_times(question, tmp_path):
    def stripped(folder: Path) -> dict[str, dict]:
        results = {}
        for path in sorted(folder.glob("*.json")):
            content = json.loads(path.read_text())
            for field in ("created", "seconds"):
                del content["provenance"][field]
            results[path.name] = content
        return results

    for run in ("one", "two"):
        score(held_out()[::-1], question, out=tmp_path / run, seed=3)
    first, second = stripped(tmp_path / "one"), stripped(tmp_path / "two")
    assert len(first) == 10
    assert first == second
    assert (tmp_path / "one/model.samples.parquet").read_bytes() == (
        tmp_path / "two/model.samples.parquet"
    ).read_bytes()


def test_an_interrupted_run_goes_on_where_it_stopped(question, tmp_path, monkeypatch):
    out, asked = tmp_path / "out", []
    plain = execution.run

    def counted(function, items, **options):
        asked.append((function.__name__, len(items)))
        return plain(function, items, **options)

    def killed(function, items, **options):
        if function.__name__ == "_pair_chunk":
            raise KeyboardInterrupt
        return counted(function, items, **options)

    monkeypatch.setattr(execution, "run", killed)
    with pytest.raises(KeyboardInterrupt):
        score(held_out(), question, out=out)
    assert list((out / PARTIAL).glob("*.npz"))
    assert not list(out.glob("*.json"))
    done = sum(count for name, count in asked if name != "_pair_chunk")
    assert done > 0

    asked.clear()
    monkeypatch.setattr(execution, "run", counted)
    resumed = score(held_out(), question, out=out)
    again = [count for name, count in asked if name in ("_system_chunk", "_prototype_chunk")]
    assert sum(again) == 0
    assert not (out / PARTIAL).exists()
    assert values(resumed) == pytest.approx(values(score(held_out(), question)), nan_ok=True)


def test_per_sample_scores_stand_beside_the_result(question, tmp_path):
    card = score(held_out()[:9], question, out=tmp_path / "out")
    result = card["model"]
    table = pq.read_table(tmp_path / "out" / result.samples)
    assert table["id"].to_pylist() == list(held_out().ids)
    assert table["status"].to_pylist() == ["scored"] * 9 + ["missing"] * 3
    assert table["matched"].to_pylist() == [True] * 9 + [False] * 3
    assert table["predicted_a"].to_pylist()[9:] == [None] * 3
    assert np.isfinite(table["target_a"].to_pylist()).all()


def test_mistakes_end_in_a_sentence(question, tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        score_reconstruction(tmp_path / "nothing.csv", **question)
    with pytest.raises(UserError, match="--targets"):
        score_reconstruction(question["targets"], train=question["train"])
    with pytest.raises(UserError, match="tea"):
        score(held_out(), question, told="composition,tea")
    with pytest.raises(UserError, match="nobody"):
        score(held_out(), question, told={"nobody": "composition"})
    with pytest.raises(UserError, match="loud"):
        score(held_out(), question, protocol="loud")


def test_targets_that_a_file_changed_are_named(question, tmp_path):
    """A file whose targets lost an atom scores perfectly by its own targets only."""
    table = held_out()
    path = tmp_path / "altered.csv"
    rows = ["id,target,prediction"]
    for row in range(12):
        damaged = table.to_pymatgen(row)
        damaged.remove_sites([len(damaged) - 1])
        poscar = damaged.to(fmt="poscar").replace("\n", "\\n")
        rows.append(f"crystal-{row},{poscar},{poscar}")
    path.write_text("\n".join(rows))
    card = score_reconstruction(path, **question, workers=1)
    assert card["altered.published"].metrics["match_rate"].value == 1
    assert card["altered.sound"].metrics["match_rate"].value == 0
    assert any("12 of 12 targets that altered carries" in n for n in card["altered.sound"].notes)
    own = score_reconstruction(path, train=question["train"], targets="submitted", workers=1)
    assert own["altered.sound"].metrics["match_rate"].value == 1
