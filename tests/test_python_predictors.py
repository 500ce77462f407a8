"""Predictors of a user's own, scored as files are: what they are told, and what they may answer."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import matscale as ms
from crystals import held_out, training
from matscale.runtime.errors import Refused, UserError
from matscale.structures import chemistry
from matscale.structures.formats import write
from matscale.structures.reading import Reading, Refusal
from matscale.structures.table import StructureTable

TC = {name: 10.0 + row for row, name in enumerate(held_out().ids)}


def with_tc(table: StructureTable) -> StructureTable:
    return table.with_columns(tc=np.arange(10.0, 10.0 + len(table)))


ASKED = {
    "train": with_tc(training()),
    "targets": with_tc(held_out()),
    "protocol": "sound",
    "workers": 1,
}


class Recalls:
    """Rebuilds the target from its cell and positions, in one of the ways of giving a crystal."""

    name = "recalls"
    told = ("cell", "positions")

    def __init__(self, give=lambda table: table):
        self.give = give

    def predict(self, told):
        tables = [
            StructureTable.from_parts([""], [one["positions"][0]], [one["positions"][1]], [cell])
            for one, cell in zip(told, told.column("cell"), strict=True)
        ]
        return [self.give(table) for table in tables]


class Whole(Recalls):
    """All answers in one object."""

    def predict(self, told):
        return self.give(StructureTable.concatenate(Recalls().predict(told)))


def as_reading(table):
    return Reading(
        table[1:],
        np.arange(1, len(table)),
        (Refusal(0, "a name of its own", "nowhere", "too hard", "gave up"),),
    )


def test_six_fields_are_told_as_the_docs_say_and_nothing_else():
    class Spy:
        name = "spy"
        told = ("composition", "tc", "space_group", "volume", "cell", "positions")

        def fit(self, training):
            self.training = training

        def predict(self, told, candidates=1, seed=0):
            self.asked = told
            return [None] * len(told)

    spy = Spy()
    card = ms.score("reconstruction", spy, **ASKED)
    table = held_out()
    assert (len(spy.asked), spy.asked.fields) == (12, Spy.told)
    assert spy.asked.column("tc") == tuple(TC.values())
    groups = [225] * 3 + [221] * 3 + [136] * 3 + [186] * 3
    assert list(spy.asked.column("space_group")) == groups
    for row, sample in enumerate(spy.asked):
        numbers, positions = sample["positions"]
        assert np.array_equal(numbers, table.row_numbers(row))
        assert np.array_equal(positions, table.row_positions(row))
        assert np.array_equal(sample["cell"], table.lattices[row])
        assert sample["volume"] == pytest.approx(table.to_pymatgen(row).volume)
        formula = table.to_pymatgen(row).composition.get_el_amt_dict()
        assert {chemistry.chemical_symbols[z]: n for z, n in sample["composition"]} == formula
    # Examples are told of in the same words, and answered with the training crystals.
    assert spy.training.crystals.bits_sha256() == with_tc(training()).bits_sha256()
    assert set(spy.training[0].told) == set(Spy.told) and spy.training[2].told["tc"] == 12.0
    assert spy.training[1].answer.to_pymatgen(0) == training().to_pymatgen(1)
    predictor = card["spy"].predictor
    assert predictor.told == Spy.told and predictor.told_the_answer and predictor.kind == "model"
    assert card["spy"].metrics["match_rate"].value == 0


@pytest.mark.parametrize(
    "predictor",
    [
        Recalls(),
        Recalls(lambda table: table.to_pymatgen(0)),
        Recalls(lambda table: table.to_pymatgen(0).as_dict()),
        Recalls(lambda table: table.to_ase(0)),
        Whole(),
        Whole(lambda table: list(table.iter_ase())),
    ],
    ids=["table", "pymatgen", "dict", "ase", "whole table", "list"],
)
def test_a_crystal_may_be_given_in_every_usual_way(predictor):
    result = ms.score("reconstruction", predictor, **ASKED)["recalls"]
    assert result.counts.read == 12 and result.metrics["match_rate"].value == 1


def test_a_reading_keeps_its_refusals():
    result = ms.score("reconstruction", Whole(as_reading), **ASKED)["recalls"]
    assert result.counts.refused == {"too hard": 1}
    assert [(one.id, one.detail) for one in result.refused] == [("crystal-0", "gave up")]
    assert result.metrics["match_rate"].value == pytest.approx(11 / 12)


def test_what_cannot_be_scored_is_counted_with_its_reason():
    class Moody(Recalls):
        def predict(self, told):
            good = super().predict(told)
            if len(told) > 1:
                raise RuntimeError("one at a time")
            numbers = set(told[0]["positions"][0].tolist())
            bad = {
                11: None,
                12: "MgO",
                20: Refused("too hard", "gave up"),
                38: {"lattice": "none"},
                56: StructureTable.concatenate(good * 2),
            }
            if 57 in numbers:
                raise ValueError("no lanthanides")
            return [next((bad[z] for z in bad if z in numbers), good[0])]

    result = ms.score("reconstruction", Moody(), **ASKED)["recalls"]
    assert result.counts.refused == {
        "unreadable": 3,
        "too hard": 1,
        "predictor raised an error": 1,
    }
    assert (result.counts.submitted, result.counts.read, result.counts.missing) == (12, 6, 1)
    details = " | ".join(one.detail for one in result.refused)
    assert "no lanthanides" in details and "a table of 2 crystals" in details
    assert result.metrics["match_rate"].value == pytest.approx(6 / 12)


def test_mistakes_are_sentences():
    class NeedsTc(Recalls):
        told = ("tc",)

    class Learns(Recalls):
        def fit(self, training):
            pass

    without = {**ASKED, "targets": held_out()}
    with pytest.raises(UserError, match=r"is to be told tc, which .* does not have of its targets"):
        ms.score("reconstruction", NeedsTc(), **without)
    with pytest.raises(UserError, match="learns, and there is no training set"):
        ms.score("reconstruction", Learns(), **{**ASKED, "train": None})
    with pytest.raises(UserError, match=r"Recalls is a class.* give Recalls\(\)"):
        ms.score("reconstruction", Recalls, **ASKED)
    with pytest.raises(UserError, match="two submissions are called 'recalls'"):
        ms.score("reconstruction", [Recalls(), Recalls()], **ASKED)


def test_predictors_and_files_are_scored_together(tmp_path):
    write(held_out(), tmp_path / "copy.parquet")
    card = ms.score("reconstruction", [Recalls(), tmp_path / "copy.parquet"], **ASKED)
    named = ms.score("reconstruction", {"one": Recalls(), "other": held_out()}, **ASKED)
    rates = [card[name].metrics["match_rate"].value for name in ("recalls", "copy")]
    assert rates == [1, 1]
    assert [named[name].metrics["match_rate"].value for name in ("one", "other")] == rates
    assert named["one"].predictor.told == ("cell", "positions")
    assert named["other"].predictor.told is None


def test_a_seed_of_its_own_goes_to_each_batch_and_the_run_repeats():
    seeds = []

    class Draws:
        told = ()

        def predict(self, told, candidates=1, seed=0):
            seeds.append(seed)
            rows = np.random.default_rng(seed).integers(0, 6, len(told))
            return training()[rows]

    one, same, other = (
        ms.score("novelty", Draws(), train=training(), count=100, seed=seed, workers=1)
        for seed in (1, 1, 2)
    )
    first, second = seeds[:2]  # of 64 and of 36 crystals
    assert first != second and [first, second] == seeds[2:4] != seeds[4:6]
    assert one["Draws"].metrics == same["Draws"].metrics
    assert one["Draws"].counts.submitted == other["Draws"].counts.submitted == 100


def test_novelty_asks_a_predictor_for_so_many_crystals():
    class Generator:
        name = "generator"

        def fit(self, training):
            self.known = training.crystals

        def predict(self, told, candidates=1, seed=0):
            assert told.fields == ()
            return [None, *(self.known[k % 6] for k in range(1, len(told)))]

    result = ms.score("novelty", Generator(), train=training(), count=7, workers=1)["generator"]
    assert result.predictor.told == ()
    assert (result.counts.submitted, result.counts.read) == (7, 6)
    assert result.counts.refused == {"missing": 1}
    assert result.metrics["duplicate"].value == pytest.approx(6 / 7)
    with pytest.raises(UserError, match=r"count 0: .* at least one"):
        ms.score("novelty", Generator(), train=training(), count=0)


def test_the_example_of_the_docs_runs_and_prints_what_it_says(tmp_path):
    text = (Path(__file__).parent.parent / "docs" / "predictors.md").read_text(encoding="utf-8")
    code, shown = re.search(
        r'```python title="relabel.py"\n(.*?)```\n+```text\n(.*?)```', text, re.DOTALL
    ).groups()
    (tmp_path / "demo").mkdir()
    write(training(), tmp_path / "demo" / "train.parquet")
    write(held_out(), tmp_path / "demo" / "targets.parquet")
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "MATSCALE_WORKERS": "1"},
    )
    assert done.returncode == 0, done.stderr
    # These crystals are fewer than the demonstration's: the same lines with other numbers.
    printed, lines = (
        re.findall(r"^(\w+) +match rate (\S+)$", one, re.M) for one in (done.stdout, shown)
    )
    assert [name for name, _ in printed] == [name for name, _ in lines]
    rates = {name: float(rate) for name, rate in printed}
    assert rates["target"] == 1 and rates["relabel"] > rates["random_training"]
