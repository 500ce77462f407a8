"""The Python interface: objects in place of files, one scorer for many calls, typed options."""

import inspect
import os
import subprocess
import sys
import typing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import DummySpecies, Lattice, Structure

import matscale as ms
from crystals import held_out, training
from matscale import api, datasets
from matscale.predictors.predictor import parse_told
from matscale.predictors.submissions.crystals import Submission
from matscale.predictors.submissions.given import submissions_of
from matscale.runtime.errors import did_you_mean
from matscale.structures.formats import read_objects, write
from matscale.structures.table import StructureTable
from matscale.tasks.reconstruction.by_order import aligned
from matscale.tasks.task import TASKS, find_task


def plain(card):
    """The results without what differs from run to run."""
    return [
        one.model_dump(
            exclude={
                "samples": True,
                "predictions": True,
                "targets": True,
                "provenance": {"created", "seconds"},
                "predictor": {"source"},
                "refused": {"__all__": {"source"}},
            }
        )
        for one in card.results
    ]


def rattled(seed: int = 0) -> dict[str, Structure]:
    found = {}
    for name, structure in zip(held_out().ids, held_out().iter_pymatgen(), strict=True):
        structure.perturb(0.1, seed=seed)
        found[name] = structure
    return found


def atoms(structures) -> dict[str, Atoms]:
    return {name: one.to_ase_atoms() for name, one in structures.items()}


SIX = list(rattled().values())[:6]
ASKED = {"train": training(), "targets": held_out(), "workers": 1}


# --- objects ---------------------------------------------------------------------------------


def test_objects_score_as_their_file_does(tmp_path):
    made = rattled()
    table = StructureTable.from_pymatgen(made.values(), list(made))
    write(table, tmp_path / "mine.parquet")
    write(training(), tmp_path / "training set.parquet")
    write(held_out(), tmp_path / "targets.parquet")
    from_file = ms.score(
        "reconstruction",
        tmp_path / "mine.parquet",
        train=tmp_path / "training set.parquet",
        targets=tmp_path / "targets.parquet",
        told="composition",
        workers=1,
    )
    # ASE keeps positions, pymatgen fractions of the cell: equal to the last bits only.
    for objects in (made, atoms(made), table, ms.read(tmp_path / "mine.parquet")):
        card = ms.score("reconstruction", objects, **ASKED, name="mine", told=["composition"])
        for one, other in zip(card, from_file, strict=True):
            assert one.counts == other.counts
            for name, metric in one.metrics.items():
                assert metric.value == pytest.approx(other.metrics[name].value, abs=1e-6), name


def test_a_list_is_taken_in_the_targets_order_and_said_to_be():
    by_id = ms.score("reconstruction", rattled(), **ASKED)["model"]
    in_turn = ms.score("reconstruction", list(rattled().values()), **ASKED)["model"]
    assert in_turn.metrics == by_id.metrics
    assert any("which have no ids" in note for note in in_turn.notes)
    assert not any("which have no ids" in note for note in by_id.notes)


@settings(deadline=None, max_examples=25)
@given(st.permutations([f"t{k}" for k in range(6)]), st.sets(st.integers(0, 5), max_size=5))
def test_answers_without_ids_keep_their_places(ids, broken):
    answers = [None if k in broken else one for k, one in enumerate(SIX)]
    (submission,) = aligned([Submission("mine", "Python", read_objects(answers))], ids)
    found = submission.predictions
    assert found.table.ids.tolist() == [name for k, name in enumerate(ids) if k not in broken]
    assert [one.id for one in found.refusals] == [ids[k] for k in sorted(broken)]


@pytest.mark.parametrize("number", [11, 13])
def test_a_list_of_another_length_is_a_mistake(number):
    answers = (list(rattled().values()) * 2)[:number]
    with pytest.raises(ms.UserError, match=f"{number} answers without ids and 12 targets"):
        ms.score("reconstruction", answers, **ASKED)


def test_objects_that_are_no_crystals_are_refused_items():
    made = dict(rattled())
    names = list(made)
    made[names[0]] = None
    made[names[1]] = Structure(Lattice.cubic(4), [{"Na": 0.5, "K": 0.5}], [[0, 0, 0]])
    made[names[2]] = 5
    made[names[3]] = Atoms("Cu")
    made[names[4]] = Atoms("Cu", cell=[3, 3, 3])
    made[names[5]] = Atoms("X", cell=[3, 3, 3], pbc=True)
    made[names[6]] = Structure(Lattice.cubic(4), [DummySpecies("Xa")], [[0, 0, 0]])
    made[names[7]] = Structure(Lattice.cubic(4), ["Na"], [[np.nan, 0, 0]])
    made[names[8]] = Structure(Lattice.cubic(4), ["Na", "Cl"], [[0, 0, 0], [0, 0, 0.001]])
    result = ms.score("reconstruction", made, **ASKED)["model"]
    assert result.counts.submitted == 12
    assert (result.counts.read, result.counts.missing) == (3, 1)
    assert result.counts.refused == {
        "unknown element": 2, "no cell": 2, "disordered": 1, "unreadable": 1,
        "not finite": 1, "atoms too close": 1,
    }  # fmt: skip
    assert {one.id: one.reason for one in result.refused}[names[0]] == "missing"
    assert "set atoms.pbc" in {one.id: one.detail for one in result.refused}[names[4]]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "empty dict"),
        ([], "empty list"),
        (StructureTable.empty(), "empty StructureTable"),
        ({"a": 1, "b": 2}, "hold no crystals: the first of 2 is a int"),
        ([1.5], "the first of 1 is a float"),
        (17, "single int"),
        (next(held_out().iter_pymatgen()), "single Structure"),
        (next(held_out().iter_ase()), "single Atoms"),
        ([Atoms("Cu", cell=[3, 3, 3])], "none of the predictions is a crystal: .*set atoms.pbc"),
        (["a.cif", next(held_out().iter_pymatgen())], "paths and other things .a Structure"),
        ({"a": "a.cif", "b": next(held_out().iter_pymatgen())}, "either id to crystal or model"),
        (StructureTable.from_ase([Atoms("Cu")]), "of particles"),
    ],
)
def test_what_is_no_prediction_is_a_sentence(wrong, said):
    with pytest.raises(ms.UserError, match=said):
        ms.score("reconstruction", wrong, **ASKED)


def test_several_models_are_a_dict_of_names(tmp_path):
    write(held_out(), tmp_path / "other.parquet")
    card = ms.score(
        "reconstruction",
        {
            "epoch 1": rattled(),
            "best": list(rattled(1).values()),
            "file": tmp_path / "other.parquet",
        },
        **ASKED,
        told={"best": "composition", "file": ["cell", "positions"]},
        protocol="sound",
    )
    told = {one.predictor.name: one.predictor.told for one in card if one.predictor.kind == "model"}
    assert told == {"epoch_1": None, "best": ("composition",), "file": ("cell", "positions")}
    with pytest.raises(ms.UserError, match="is for one model, and there are 2"):
        submissions_of({"a": rattled(), "b": rattled()}, name="c")
    with pytest.raises(ms.UserError, match="'substitution' is the name of a floor"):
        ms.score("reconstruction", rattled(), **ASKED, name="substitution")


def test_a_loaded_dataset_serves_as_targets_and_training():
    dataset = datasets.Dataset(
        "mine", {"train": read_objects(training()), "test": read_objects(held_out())}
    )
    result = ms.score("reconstruction", rattled(), train=dataset, workers=1)["model"]
    assert (result.dataset.name, result.dataset.split, result.dataset.size) == ("mine", "test", 12)
    assert result.dataset.train_size == len(training())


def test_declarations_are_texts_or_lists():
    assert parse_told(["composition", "tc"]) == parse_told("composition,tc")
    assert parse_told([]) == parse_told("nothing") == parse_told(["nothing"]) == ()
    for wrong in (["colour"], [1], 3, ""):
        with pytest.raises(ms.UserError, match="told"):
            parse_told(wrong)


def test_novelty_takes_objects_without_ids():
    card = ms.score("novelty", list(rattled().values()), train=training(), workers=1, name="net")
    assert card["net"].counts.submitted == card["net"].counts.read == 12
    assert card["net"].dataset.name == "training set"


# --- one scorer for many calls -----------------------------------------------------------------


def test_a_scorer_gives_what_score_gives():
    scorer = ms.Scorer("reconstruction", **ASKED)
    for seed in (3, 1, 2):
        card = scorer.score(rattled(seed), name="net", told="composition")
        whole = ms.score("reconstruction", rattled(seed), **ASKED, name="net", told="composition")
        assert plain(card) == plain(whole)


def test_a_scorer_of_novelty_gives_what_score_gives():
    asked = {"train": training(), "held_out": held_out(), "workers": 1}
    scorer = ms.Scorer("novelty", **asked)
    for made in (list(rattled(1).values()), list(rattled(2).values())[:7], rattled(3)):
        card = scorer.score(made, name="net", told="nothing")
        assert plain(card) == plain(ms.score("novelty", made, **asked, name="net"))
    with pytest.raises(ms.UserError, match="tells models nothing"):
        scorer.score(made, told="composition")


def test_a_scorer_does_its_work_once(monkeypatch):
    from matscale.tasks.reconstruction import scorer as module

    calls = []
    counted = module.target_facts
    monkeypatch.setattr(
        module, "target_facts", lambda *given: calls.append(given) or counted(*given)
    )
    scorer = ms.Scorer("reconstruction", **ASKED)
    for seed in range(3):
        scorer.score(rattled(seed))
    assert len(calls) == 1


def test_a_scorer_writes_what_score_writes(tmp_path):
    scorer = ms.Scorer("reconstruction", **ASKED)
    scorer.score(rattled(), name="first", out=tmp_path)
    scorer.score(rattled(1), name="second", out=tmp_path)
    loaded = ms.load_results(tmp_path)
    assert {"first", "second", "substitution", "target"} <= {r.predictor.name for r in loaded}
    assert (tmp_path / "second.samples.parquet").exists()
    assert not (tmp_path / ".partial").exists()


def test_what_cannot_be_prepared_is_said():
    with pytest.raises(ms.UserError, match="before there are predictions"):
        ms.Scorer("reconstruction", train=training())
    with pytest.raises(ms.UserError, match="before there are predictions"):
        ms.Scorer("reconstruction", targets="submitted")
    with pytest.raises(ms.UserError, match="reconstruction, novelty do"):
        ms.Scorer("perception")


# --- a flat dict -------------------------------------------------------------------------------


def test_a_flat_dict_for_a_logger():
    card = ms.score("reconstruction", rattled(), **ASKED, told="composition")
    flat = card.flat()
    metric = card["model"].metrics["match_rate"]
    assert flat["reconstruction/match_rate"] == metric.value
    assert flat["reconstruction/match_rate/floor"] == metric.floor
    assert metric.skill is None and "reconstruction/match_rate/skill" not in flat  # floor is 1
    volume = card["model"].metrics["volume_error"]
    assert flat["reconstruction/volume_error/skill"] == volume.skill
    assert flat["reconstruction/counts/submitted"] == 12
    assert all(type(value) is float and np.isfinite(value) for value in flat.values())
    assert not any("substitution" in key for key in flat)
    floors = card.flat(kinds=("floor",), protocol="published")
    assert "reconstruction/substitution/match_rate" in floors
    with pytest.raises(ms.UserError, match="no model"):
        ms.Scorecard([one for one in card if one.predictor.kind == "floor"]).flat()


# --- names and types ---------------------------------------------------------------------------


def test_dir_shows_the_public_names_only():
    assert dir(ms) == sorted([*ms.__all__, "__version__"])
    assert all(getattr(ms, name) for name in dir(ms))


def options_of(function) -> dict[str, object]:
    parameters = inspect.signature(function).parameters.values()
    return {one.name: one.default for one in parameters if one.kind is one.KEYWORD_ONLY}


def test_typed_signatures_are_those_of_the_tasks():
    typed = {
        typing.get_args(typing.get_type_hints(one, vars(typing), vars(api))["task"])[0]: one
        for one in map(without_lazy_types, typing.get_overloads(api.score))
    }
    assert set(typed) == set(TASKS)
    for name, overload in typed.items():
        assert options_of(overload) == options_of(find_task(name).score), name
    prepared = {name: find_task(name).scorer for name in TASKS if find_task(name).scorer}
    overloads = typing.get_overloads(api.Scorer.__init__)
    for overload in overloads:
        (name,) = [
            one
            for one in prepared
            if f"'{one}'" in str(overload.__annotations__["task"]).replace('"', "'")
        ]
        assert options_of(overload) == options_of(prepared[name]), name
    assert len(overloads) == len(prepared)


def without_lazy_types(function):
    function.__annotations__ = {"task": function.__annotations__["task"]}
    return function


def test_an_unknown_option_is_named_with_what_is_like_it():
    with pytest.raises(TypeError, match=r"no option 'trian'; did you mean 'train'.*its options"):
        ms.score("reconstruction", rattled(), trian=training())
    with pytest.raises(TypeError, match="needs the option 'data'"):
        ms.score("particle-to-crystal", {})
    with pytest.raises(TypeError, match=r"Scorer\('novelty', ...\) has no option 'told'"):
        ms.Scorer("novelty", train=training(), told="nothing")
    with pytest.raises(
        ms.UserError, match="no task 'reconstructoin'; did you mean 'reconstruction'"
    ):
        ms.score("reconstructoin", rattled())


@pytest.mark.parametrize(
    ("name", "meant"),
    [("supercon-3d", "supercon3d"), ("MP20", "mp20"), ("mp_20", "mp20"), ("carbon_24", "carbon24")],
)
def test_a_misspelt_dataset_is_answered_with_the_right_name(name, meant):
    for ask in (datasets.load, datasets.find, datasets.fetch, datasets.describe):
        with pytest.raises(ms.UserError, match=f"did you mean '{meant}'"):
            ask(name)
    with pytest.raises(ms.UserError, match=f"did you mean '{meant}'"):
        ms.score("reconstruction", rattled(), train=name)


def test_what_is_like_nothing_is_answered_without_a_guess():
    assert did_you_mean("zzz", ["mp20", "perov5"]) == ""
    assert did_you_mean("CSMbench", ["csmbench"]) == "; did you mean 'csmbench'?"
    with pytest.raises(ms.UserError, match="csmbench"):
        datasets.describe("csm-bench")


TYPED = """
import matscale as ms
ms.score("reconstruction", {}, train="supercon3d", told=["composition"])
ms.score("reconstruction", {}, trian="supercon3d")  # wrong
ms.score("novelty", {}, train="x", told="composition")  # wrong
ms.score("alchemy", {})  # wrong
card = ms.Scorer("novelty", train="x", top=5).score([], name="net")
number: float = card.flat()["novelty/unmatched"]
ms.Scorer("novelty", out="x")  # wrong
"""


def test_a_type_checker_knows_the_options_of_each_task(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "use.py").write_text(TYPED)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--ignore-missing-imports", "--no-site-packages",
         "--follow-imports=silent", "--cache-dir", str(tmp_path / "cache"), "--no-error-summary",
         "use.py"],
        cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "MYPYPATH": str(Path(ms.__file__).parent.parent)},
    )  # fmt: skip
    lines = {int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line}
    wrong = {k for k, line in enumerate(TYPED.splitlines(), 1) if line.endswith("# wrong")}
    assert lines == wrong, done.stdout + done.stderr


# --- particles ---------------------------------------------------------------------------------


def test_particles_are_scored_by_sample(hydrides):
    from matscale.tasks.particles.question import ask

    question = ask(hydrides, by="radius", limit=1)
    truth = {}
    for row in range(0, len(question), 2):
        numbers, positions = question.particle(row)
        truth[question.ids[row]] = Atoms(numbers=numbers, positions=positions)
    truth[question.ids[1]] = "no particle"
    result = ms.score(
        "crystal-to-particle",
        truth,
        data=hydrides,
        limit=1,
        workers=1,
        name="net",
        protocol="sound",
        told=["lattice", "radius"],
    )["net"]
    assert result.counts.read == len(range(0, len(question), 2))
    assert result.counts.refused == {"unreadable": 1}
    assert result.predictor.told == ("lattice", "radius")
    assert result.metrics[result.headline].value == pytest.approx(
        result.counts.read / len(question)
    )
    with pytest.raises(ms.UserError, match="does not say which sample"):
        ms.score("crystal-to-particle", Atoms("Cu"), data=hydrides)


def test_cells_are_scored_by_sample(hydrides):
    from matscale.tasks.particles.question import ask

    question = ask(hydrides, by="radius", limit=1)
    cells = {
        question.key(row): hydrides.materials.to_pymatgen(int(question.samples.material[row]))
        for row in range(len(question))
    }
    keyed = {(str(name), *question.key(k)[1:]): cells[question.key(k)]
             for k, name in enumerate(question.names)}  # fmt: skip
    keyed[next(iter(keyed))] = Structure(Lattice.cubic(4), [{"Na": 0.5, "K": 0.5}], [[0, 0, 0]])
    result = ms.score("particle-to-crystal", keyed, data=hydrides, workers=1, protocol="sound")[
        "model"
    ]
    assert result.counts.refused == {"disordered": 1}
    assert result.metrics["joint_rate"].value == pytest.approx(1 - 1 / len(question))


def test_a_table_of_particles_is_an_answer(particles):
    from matscale.tasks.particles.question import ask

    question = ask(particles, by="radius", limit=None)
    made = [question.particle(row) for row in range(len(question))]
    table = StructureTable.from_parts(
        [str(name) for name in question.ids],
        [one[0] for one in made],
        [one[1] for one in made],
        None,
    )
    result = ms.score(
        "crystal-to-particle", replace(table), data=particles, workers=1, protocol="sound"
    )
    assert result["model"].counts.read == len(question)
