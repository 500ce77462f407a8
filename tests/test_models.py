"""Training a model, stopping it, opening it, asking it: small networks on made-up crystals."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import matscale as ms
from crystals import held_out, training
from matscale.models import run_folder
from matscale.models.entry import sample, train
from matscale.models.process import Process
from matscale.models.registry import PROCESSES, process_class
from matscale.models.trained import open_model
from matscale.predictors.predictor import Told
from matscale.predictors.training import crystal_fields
from matscale.predictors.validate import validate_predictor
from matscale.runtime.errors import Refused, UserError
from matscale.structures.formats import write

SMALL = {
    "draws": 2,
    "network": {"width": 16, "layers": 1, "harmonics": 1},
    "training": {"steps": 40, "batch": 4, "check_every": 20},
}
OPTIONS = {
    "adapter": {"sampling_steps": 5},
    "diffusion": {"sampling_steps": 5},
    "vae": {"noise_levels": 10},
}


def small(process):
    """Settings with which a process is learnt and asked in no time."""
    return SMALL | {"options": OPTIONS.get(process, {})}


NETWORKS = [name for name in PROCESSES if issubclass(process_class(name), Process)]


@pytest.fixture(scope="module", params=NETWORKS)
def process(request):
    return request.param


@pytest.fixture(scope="module")
def model(process, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / process
    data = folder.parent / "data.parquet"
    write(training(), data)
    return train(process, data, out=folder, settings=small(process)), folder


def told(fields=("composition",)):
    table = held_out()
    rows = range(len(table))
    return Told.of([crystal_fields(table, row, fields, {}) for row in rows], fields)


def bits(answers):
    return [answer.bits_sha256() for answer in answers]


def test_a_run_folder_says_what_was_trained_and_holds_it(model):
    trained, folder = model
    assert {file.name for file in folder.iterdir()} == {
        "config.json",
        "run.json",
        "weights.safetensors",
        "log.csv",
        "curve.svg",
    }
    record = json.loads((folder / "run.json").read_text())
    assert record["data"]["crystals"] == len(training())
    assert record["data"]["sha256"] == ms.read(folder.parent / "data.parquet").table.sha256()
    assert record["told"] == ["composition"]
    assert record["learning"]["steps"] == 40
    again = open_model(folder)
    assert bits(again.predict(told())) == bits(trained.predict(told()))


def test_a_model_is_a_predictor(model):
    trained, _ = model
    validate_predictor(trained, "reconstruction", told=told())


def test_a_model_makes_what_it_is_told_to(model):
    trained, _ = model
    for answer, sample_told in zip(trained.predict(told()), told(), strict=True):
        numbers, counts = np.unique(answer.numbers, return_counts=True)
        assert tuple(zip(numbers, counts, strict=True)) == sample_told["composition"]


def test_candidates_are_draws_and_a_seed_repeats_them(model):
    trained, _ = model
    answers = trained.predict(told(), candidates=3, seed=5)
    assert all(len(set(bits(draws))) == 3 for draws in answers)
    assert [bits(draws) for draws in answers] == [
        bits(draws) for draws in trained.predict(told(), candidates=3, seed=5)
    ]


def test_an_element_that_there_is_not_is_refused_alone(model):
    trained, _ = model
    asked = Told({"composition": [((1, 1), (9, 1)), ((130, 1),)]})
    first, second = trained.predict(asked)
    assert len(first) == 1
    assert isinstance(second, Refused)
    assert "atomic number 130" in str(second)


def test_the_same_seed_trains_the_same_model_and_a_killed_training_goes_on_to_it(
    process, model, tmp_path
):
    trained, folder = model
    data, out = folder.parent / "data.parquet", tmp_path / "run"
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(small(process)))
    command = [sys.executable, "-m", "matscale", "train", process, "--data", str(data)]
    command += ["--out", str(out), "--config", str(file)]
    running = subprocess.Popen(command, stderr=subprocess.PIPE)
    while not (out / "checkpoint.ckpt").exists() and running.poll() is None:
        time.sleep(0.002)
    running.send_signal(signal.SIGKILL)
    running.wait()
    with pytest.raises(UserError, match="is not finished"):
        open_model(out) if not (out / "run.json").exists() else _not_finished()
    resumed = train(process, data, out=out, settings=small(process))
    assert resumed.record.learning.steps == 40
    assert bits(resumed.predict(told())) == bits(trained.predict(told()))
    assert not (out / "checkpoint.ckpt").exists()


def _not_finished():
    raise UserError("is not finished: it was over before it could be killed")


def test_what_is_not_told_changes_nothing(process, tmp_path):
    """Targets with the same compositions and other cells, sites and temperatures get the same."""
    out = tmp_path / "run"
    train(process, training(), out=out, settings=small(process))
    table = held_out()
    random = np.random.default_rng(0)
    poisoned = type(table)(
        table.ids,
        table.offsets,
        table.numbers,
        2 * table.positions + random.normal(size=table.positions.shape),
        3 * table.lattices,
        {"tc": np.full(len(table), 1e9)},
    )
    honest, blind = (sample(out, crystals).table for crystals in (table, poisoned))
    assert honest.bits_sha256() == blind.bits_sha256()


def test_told_fields_are_used_and_can_be_held_back(process, tmp_path):
    out = tmp_path / "run"
    fields = ("composition", "volume", "space_group", "cell")
    train(process, training(), out=out, told=fields, settings=small(process))
    trained, blind = open_model(out), open_model(out, nulls=["volume", "space_group", "cell"])
    asked = told(fields)
    assert bits(trained.predict(asked)) != bits(blind.predict(asked))
    with pytest.raises(UserError, match="is not told tc"):
        open_model(out, nulls=["tc"])


def test_a_ranking_of_templates_has_a_run_folder_too(tmp_path):
    trained = train("prototype", training(), out=tmp_path / "run")
    again = open_model(tmp_path / "run")
    answers = trained.predict(told(), candidates=2)
    for first, second in zip(answers, again.predict(told(), candidates=2), strict=True):
        assert bits(first) == bits(second)
    assert {file.name for file in (tmp_path / "run").iterdir()} == {
        "config.json",
        "run.json",
        "templates.parquet",
        "weights.safetensors",
    }
    with pytest.raises(UserError, match="is told the composition alone, not volume"):
        train("prototype", training(), out=tmp_path / "other", told="composition,volume")


def test_score_takes_run_folders(model, tmp_path):
    _, folder = model
    card = ms.score(
        "reconstruction", [folder], train=training(), targets=held_out(), protocol="sound"
    )
    result = card[folder.name]
    assert result.predictor.told == ("composition",)
    assert result.counts.submitted == 12


def test_what_is_wrong_is_said_in_a_sentence(process, model, tmp_path):
    _, folder = model
    one = training()[[0]]
    cases = [
        ({"data": one, "out": tmp_path / "a"}, "has 1 crystals to learn from; give at least 2"),
        ({"data": training(), "out": tmp_path / "b", "told": "tc"}, "must be told the composition"),
        (
            {"data": training(), "out": tmp_path / "c", "told": "composition,positions"},
            "cannot be told",
        ),
        (
            {"data": folder.parent / "data.parquet", "out": folder, "seed": 1},
            "holds another training",
        ),
        ({"data": tmp_path / "none.cif", "out": tmp_path / "d"}, "no dataset and no file"),
    ]
    for arguments, said in cases:
        arguments = {"settings": small(process), **arguments}
        with pytest.raises(UserError, match=said):
            train(process, arguments.pop("data"), **arguments)


def test_a_folder_of_crystals_with_a_config_is_no_run(tmp_path):
    for content in ("{}", '{"settings": 1}', "[]", "not JSON"):
        (tmp_path / "config.json").write_text(content)
        assert not run_folder.is_run(tmp_path)


def test_a_run_of_another_version_is_not_read(model, tmp_path):
    _, folder = model
    copy = tmp_path / "old"
    copy.mkdir()
    for file in folder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    record = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps(record | {"format": 0, "matscale": "0.0.1"}))
    with pytest.raises(UserError, match=r"written by matscale 0\.0\.1, whose run folders"):
        open_model(copy)
    (copy / "run.json").write_text(json.dumps(record))
    (copy / "weights.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(UserError, match=r"weights in .* cannot be read"):
        open_model(copy)
    assert run_folder.is_run(copy)


def test_a_loss_that_is_no_number_ends_in_a_sentence(tmp_path):
    settings = {**SMALL, "training": {**SMALL["training"], "learning_rate": 1e30, "clip": 1e30}}
    with pytest.raises(UserError, match=r"the loss of step .* nothing more can be learnt"):
        train("flow", training(), out=tmp_path / "run", settings=settings)


def test_memory_that_runs_out_is_said_and_the_checkpoint_stays(tmp_path, monkeypatch):
    from matscale.models.processes.flow import Flow

    own = Flow.loss

    def loss(self, crystals, batch, random):
        if (tmp_path / "run" / "checkpoint.ckpt").exists():
            raise RuntimeError("CUDA out of memory. Tried to allocate 20 GiB")
        return own(self, crystals, batch, random)

    monkeypatch.setattr(Flow, "loss", loss)
    with pytest.raises(UserError, match=r"memory ran out in a step of 4 crystals.*is kept"):
        train("flow", training(), out=tmp_path / "run", settings=SMALL)
    monkeypatch.undo()
    assert (
        train("flow", training(), out=tmp_path / "run", settings=SMALL).record.learning.steps == 40
    )


def test_the_commands_train_and_sample(tmp_path):
    data, run, out = tmp_path / "data.parquet", tmp_path / "run", tmp_path / "made.parquet"
    write(training(), data)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def said(*arguments):
        command = [sys.executable, "-m", "matscale", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    sets = ["--set", "training.steps=10", "--set", "network.width=16", "--set", "training.batch=4"]
    assert "10 steps" in said("train", "flow", "--data", data, "--out", run, *sets)
    assert f"{2 * len(training())} crystals" in said(
        "sample", run, "--data", data, "--candidates", 2, "--out", out
    )
    assert len(ms.read(out).table) == 2 * len(training())


def test_the_example_of_the_docs_runs(tmp_path):
    text = (Path(__file__).parent.parent / "docs" / "models.md").read_text(encoding="utf-8")
    code = re.search(r'```python title="my_model.py"\n(.*?)```', text, re.DOTALL).group(1)
    assert len(code.splitlines()) <= 40
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
    assert re.findall(r"^(\w+) +match rate \d", done.stdout, re.M) == ["mean_cell", "run", "target"]
