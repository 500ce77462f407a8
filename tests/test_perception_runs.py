"""The perception task from end to end: inspect-ai asks a server on loopback, or its own mock."""

import io
import itertools
import json
import logging
import os
import re
import signal
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from figure_samples import CAPTIONS, choice, small_set
from matscale.cli import app
from matscale.figures.folder import write_figures
from matscale.figures.synthetic.build import build
from matscale.report.page import write_report
from matscale.results.store import load_all
from matscale.runtime.errors import UserError
from matscale.tasks.perception import measures
from matscale.tasks.perception.questions import Reply
from matscale.tasks.perception.score import score_perception
from openai_server import OpenAIServer, Say
from perception_models import JUDGE, KEY, MODEL, troubled, truthful

# --- from end to end ---------------------------------------------------------------------


@pytest.fixture
def inspect(monkeypatch, tmp_path):
    """inspect-ai with a cache, traces and a home of its own, and a key that must not leak."""
    module = pytest.importorskip("inspect_ai", reason="the perception extra is not installed")
    pytest.importorskip("openai", reason="the perception extra is not installed")
    monkeypatch.setenv("INSPECT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    return module


@pytest.fixture
def quick(monkeypatch):
    """One try and six seconds."""
    from matscale.tasks.perception import engine

    monkeypatch.setattr(engine.Patience, "__init__", _impatient)


def _impatient(self):
    object.__setattr__(self, "retries", 0)
    object.__setattr__(self, "attempt_s", 6)


@pytest.fixture
def folder(tmp_path):
    write_figures(tmp_path / "set", small_set())
    return tmp_path / "set"


def everything_under(path: Path) -> bytes:
    """All bytes of all files, archives and compressed columns opened."""
    import zipfile

    import pyarrow.parquet as pq

    found = b""
    for file in sorted(one for one in path.rglob("*") if one.is_file()):
        found += file.read_bytes()
        if file.suffix == ".parquet":
            found += json.dumps(pq.read_table(file).to_pylist(), default=repr).encode()
        if file.suffix == ".eval":
            from inspect_ai.log import read_eval_log

            found += read_eval_log(str(file)).model_dump_json().encode()
            assert zipfile.is_zipfile(io.BytesIO(file.read_bytes()))
    # One trace file a process, wherever the first test that asked a model had put it.
    handlers = logging.getLogger("inspect_ai").handlers
    traces = [getattr(one, "trace_logger", None) for one in handlers]
    return found + b"".join(Path(one.baseFilename).read_bytes() for one in traces if one)


@pytest.fixture
def scored(inspect, quick, monkeypatch, folder, tmp_path):
    with OpenAIServer(truthful) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        card = score_perception(MODEL, data=folder, judge=JUDGE, out=tmp_path / "out", orders=2)
        yield server, card


def test_a_whole_run(scored, folder, tmp_path, inspect):
    server, card = scored
    assert not server.errors
    pictures = {
        __import__("hashlib").sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*.png")
    }
    seen = [one for one in server.asked if one.pictures]
    assert {one.pictures[0] for one in seen} == pictures
    # Sound: 8 x 2 orders, 4 open, 4 numbers; published: 8 and 4. The same again, blind, one order.
    assert len(seen) == 24 + 12
    model = [one for one in server.asked if one.model == "gpt-4o"]
    assert len(model) == 36 + 16 + 12
    assert {one.max_tokens for one in seen if "Only the letter" in one.text} == {64}
    assert all(one.key == KEY for one in server.asked)

    sound = card["gpt-4o.sound"]
    assert sound.metrics["accuracy"].value == 1.0
    assert sound.metrics["accuracy"].floor == 1.0  # the medoid gives this set away
    assert sound.metrics["accuracy"].floor_name == "medoid"
    assert card["gpt-4o blind.sound"].metrics["accuracy"].value == pytest.approx(0.25, abs=0.25)
    assert sound.metrics["within_10"].value == 0.75  # truths 10, 11, 12, 13
    score = sound.metrics["judge_score"]
    assert (score.value, score.floor, score.ceiling) == (5.0, 1.0, 10.0)
    assert score.skill == pytest.approx(4 / 9)
    assert sound.metrics["judge_spread"].value == 0.0
    assert card["foreign.sound"].metrics["judge_score"].value == 1.0
    published = card["gpt-4o.published"]
    assert published.metrics["accuracy"].value == 1.0
    assert "within_10" not in published.metrics and published.defects
    assert {group.by for group in sound.groups} >= {"scale", measures.DISTRACTORS}

    loaded, place = load_all([tmp_path / "out"])
    page = write_report(loaded, place, tmp_path / "page").read_text()
    assert "Can the judge be trusted?" in page and "data:image/jpeg;base64," in page
    assert "right in 2 of 2 orders" in page and "It is round." in page
    assert (tmp_path / "out" / "logs").is_dir()
    log = next((tmp_path / "out/logs").glob("*mcq-sound_*.eval"), None)
    assert log is not None
    assert inspect.log.read_eval_log(str(log)).results.scores[0].metrics["accuracy"].value == 1.0

    before = len(server.asked)
    again = score_perception(MODEL, data=folder, judge=JUDGE, out=tmp_path / "out", orders=2)
    assert len(server.asked) == before, "a repeated run asks nothing"
    assert again["gpt-4o.sound"].metrics == sound.metrics

    assert KEY.encode() not in everything_under(tmp_path)


def test_drawn_figures_have_what_image_processing_reads_as_their_ceiling(
    inspect, quick, monkeypatch, tmp_path
):
    """A model that always says B and 1, on 8 figures; the judge's ceiling is the truth's."""
    build(tmp_path / "drawn", 8, seed=3, workers=1)
    with OpenAIServer(lambda asked: "Score: 5" if "Grade" in asked.text else "Answer: B") as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        card = score_perception(MODEL, data=tmp_path / "drawn", judge=JUDGE, out=tmp_path / "out")
    for protocol in ("sound", "published"):
        image, model = card[f"image_processing.{protocol}"], card[f"gpt-4o.{protocol}"]
        assert (image.predictor.kind, card[f"truth.{protocol}"].predictor.kind) == ("ceiling",) * 2
        assert image.predictor.told == ("figure", "options", "question")
        line = image.metrics["accuracy"].value
        assert model.metrics["accuracy"].ceiling == line and line >= 0.75
        assert card[f"truth.{protocol}"].metrics["accuracy"].ceiling == 1.0
        truth = card[f"truth.{protocol}"].metrics["judge_score"]
        assert model.metrics["judge_score"].ceiling == truth.value is not None
        assert ("within_10" in image.metrics) == (protocol == "sound")
    sound = card["gpt-4o.sound"].metrics["within_10"]
    assert sound.ceiling == card["image_processing.sound"].metrics["within_10"].value
    loaded, place = load_all([tmp_path / "out"])
    assert "image_processing" in write_report(loaded, place, tmp_path / "page").read_text()


def test_trouble_is_told_apart_and_a_second_run_asks_only_what_is_missing(
    inspect, quick, monkeypatch, tmp_path
):
    items = [
        (choice(k, question=f"This is figure {k}."), data)
        for k, (_, data) in enumerate(small_set(8, 0, 0))
    ]
    write_figures(tmp_path / "set", items)
    with OpenAIServer(troubled) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        options = {"data": tmp_path / "set", "protocol": "sound", "orders": 1}
        card = score_perception(MODEL, out=tmp_path / "out", **options)
        result = card["gpt-4o.sound"]
        assert result.metrics["accuracy"].value == 2 / 8
        assert result.metrics["unparsable"].value == 1 / 8
        assert result.metrics["unanswered"].value == 5 / 8
        assert result.counts.read == 3
        assert result.counts.refused == {
            "rate limit": 1,
            "server error": 1,
            "time-out": 1,
            "no valid response": 1,
            "not authorised": 1,
        }
        assert len(result.refused) == 5
        server.asked.clear()
        server.script = truthful
        card = score_perception(MODEL, out=tmp_path / "out", **options)
    # Five with and five without the figure; the three that were answered are not asked again.
    assert len(server.asked) == 10
    asked_again = {int(re.search(r"figure (\d+)", one.text)[1]) for one in server.asked}
    assert asked_again == {3, 4, 5, 6, 7}
    assert card["gpt-4o.sound"].metrics["accuracy"].value == 7 / 8
    assert card["gpt-4o.sound"].metrics["unparsable"].value == 1 / 8
    card.report(tmp_path / "page")
    assert KEY.encode() not in everything_under(tmp_path)


def test_keys_in_ordinary_replies_are_written_nowhere(inspect, quick, monkeypatch, tmp_path):
    write_figures(tmp_path / "set", small_set(2, 1, 0))

    def echo(asked):
        return f"Your request said Bearer {asked.key}.\n{truthful(asked)}"

    with OpenAIServer(echo) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        options = {"protocol": "sound", "judge": JUDGE, "out": tmp_path / "out"}
        card = score_perception(MODEL, data=tmp_path / "set", **options)
    assert card["gpt-4o.sound"].metrics["accuracy"].value == 1.0
    card.report(tmp_path / "page")
    written = everything_under(tmp_path)
    assert b"Your request said Bearer [key]" in written and KEY.encode() not in written


def test_an_interrupted_run_says_so_leaves_no_key_and_goes_on(
    inspect, quick, monkeypatch, tmp_path
):
    write_figures(tmp_path / "set", small_set(6, 0, 0))
    count = itertools.count()

    def cached():
        return [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]

    def interrupted(asked):
        number = next(count)
        if number == 2:
            return Say("Incorrect API key provided: " + KEY, status=401)
        if number == 3:
            until = time.monotonic() + 300
            while len(cached()) < 2 and time.monotonic() < until:
                time.sleep(0.02)
            os.kill(os.getpid(), signal.SIGINT)
        return truthful(asked) if number < 3 else Say(pause_s=300)

    words = f"score perception --model {MODEL} --data {tmp_path / 'set'} --protocol sound"
    words += f" --orders 1 --out {tmp_path / 'out'}"
    with OpenAIServer(interrupted) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        done = CliRunner().invoke(app, words.split())
        assert done.exit_code == 130 and not list((tmp_path / "out").glob("*.json"))
        assert "the same command resumes where it stopped" in done.stderr
        assert "Traceback" not in done.output
        assert list((tmp_path / "out/logs").glob("*.eval"))
        assert KEY.encode() not in everything_under(tmp_path)
        server.asked.clear()
        server.script = truthful
        assert CliRunner().invoke(app, words.split()).exit_code == 0
    assert len(server.asked) == 12 - 2, "the two answers are remembered"


@pytest.mark.parametrize("secret", ["", "someone:a-password-of-mine@"])
def test_one_name_at_two_addresses_is_two_models(inspect, monkeypatch, tmp_path, secret):
    from matscale.tasks.perception.engine import ask
    from matscale.tasks.perception.questions import Batch, FigureQuestion

    batch = Batch("two", MODEL, "sound", (FigureQuestion("q", "mcq", "Which?", target="B"),))
    with OpenAIServer(lambda asked: "Answer: B") as one, OpenAIServer(lambda asked: "no") as two:
        for server, said in ((one, "Answer: B"), (two, "no"), (one, "Answer: B"), (two, "no")):
            monkeypatch.setenv("OPENAI_BASE_URL", server.url.replace("//", f"//{secret}"))
            assert ask([batch], logs=tmp_path / "logs")["two"]["q"].text == said
        assert (len(one.asked), len(two.asked)) == (1, 1)
    names = "".join(str(path) for path in (tmp_path / "cache").rglob("*"))
    cached = b"".join(
        path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file()
    )
    assert "password" not in names
    assert b"a-password-of-mine" not in cached


def test_addresses_in_the_environment_are_told_apart_and_not_written(inspect, monkeypatch):
    from inspect_ai.model import get_model

    from matscale.tasks.perception.keys import endpoint

    found = []
    for address in ("http://one:secret-word@host", "http://two:secret-word@host"):
        monkeypatch.setenv("SOME_BASE_URL", address)
        found += [endpoint(get_model("mockllm/model", memoize=False)) for _ in range(2)]
    assert found[0] == found[1] != found[2] == found[3]
    assert "secret" not in "".join(found)


def test_a_busy_server_is_asked_again(inspect, monkeypatch, tmp_path):
    from matscale.tasks.perception.engine import Patience, ask
    from matscale.tasks.perception.questions import Batch, FigureQuestion

    tries = []

    def busy(asked):
        tries.append(asked)
        return Say("busy", status=429) if len(tries) == 1 else "Answer: B"

    with OpenAIServer(busy) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        batch = Batch("busy", MODEL, "sound", (FigureQuestion("q", "mcq", "Which?", target="B"),))
        found = ask([batch], logs=tmp_path / "logs", patience=Patience(retries=3, attempt_s=10))
    assert found["busy"]["q"] == Reply("Answer: B")
    assert len(tries) == 2


def test_the_command(inspect, quick, monkeypatch, folder, tmp_path):
    with OpenAIServer(truthful) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        words = f"score perception --model {MODEL} --data {folder} --protocol sound --limit 3"
        out = str(tmp_path / "out")
        done = CliRunner().invoke(app, [*words.split(), "--orders", "1", "--out", out, "--json"])
    assert done.exit_code == 0, done.output
    results = json.loads(done.stdout[done.stdout.index("[") :])
    model = next(one for one in results if one["predictor"]["kind"] == "model")
    assert model["dataset"]["size"] == 9  # three of each kind
    assert any("name a judge" in note for note in model["notes"])
    assert model["counts"]["submitted"] == 6
    assert model["metrics"]["accuracy"]["value"] == 1.0


def test_a_model_that_cannot_be_used_is_said_in_a_sentence(inspect, quick, monkeypatch, folder):
    with pytest.raises(UserError, match="'nobody/x' cannot be asked"):
        score_perception("nobody/x", data=folder)
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(UserError, match="OPENAI_API_KEY"):
        score_perception(MODEL, data=folder)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (Say("Incorrect API key provided", status=401), "not authorised: Error code: 401"),
        (Say(raw=b"<html>a page"), "no valid response"),
        (Say(raw=b'{"choices": []}'), "no valid response"),
        # The code says what it is, whatever words the server chooses.
        (Say("only 500 pixels on this server", status=400), "request refused: Error code: 400"),
        (Say("unsupported parameter: timeout", status=400), "request refused"),
        (Say("no rate limit for this model", status=403), "not authorised"),
        (Say(""), "empty reply"),
    ],
)
def test_a_model_that_answers_nothing_is_not_scored(
    inspect, quick, monkeypatch, folder, tmp_path, said, why
):
    with OpenAIServer(lambda asked: said) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        with pytest.raises(UserError, match=rf"none of 1 questions was answered \({why}"):
            options = {"limit": 1, "orders": 1, "protocol": "sound"}
            score_perception(MODEL, data=folder, out=tmp_path / "out", **options)
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["logs"]


def test_a_set_of_numbers_alone_is_scored_where_it_can_be(inspect, quick, monkeypatch, tmp_path):
    write_figures(tmp_path / "set", small_set(0, 2, 2))
    with OpenAIServer(truthful) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        card = score_perception(MODEL, data=tmp_path / "set", out=tmp_path / "out")
        assert {one.protocol for one in card.results} == {"sound"}
        assert card["gpt-4o.sound"].metrics["within_10"].value == 1.0
        assert any("published protocol, which asks no" in one for one in card.results[0].notes)
        names = [one.name for one in (tmp_path / "out").iterdir() if one.is_file()]
        assert names and not any("published" in name for name in names)
        server.asked.clear()
        with pytest.raises(UserError, match="no figure that can be asked"):
            score_perception(MODEL, data=tmp_path / "set", protocol="published")
        with pytest.raises(UserError, match="give another folder with --out"):
            score_perception("azureai/gpt-4o", data=tmp_path / "set", out=tmp_path / "out")
        assert not server.asked


# --- inspect-ai's own command line -------------------------------------------------------


def mock(say):
    """inspect-ai's mock model, which says ``say(text, has_picture)``."""
    from inspect_ai.model import ModelOutput, ModelUsage, get_model

    def output(messages, tools, tool_choice, config):
        content = messages[-1].content
        pictured = not isinstance(content, str) and any(one.type == "image" for one in content)
        said = ModelOutput.from_content("mockllm", say(messages[-1].text, pictured))
        # With usage given, the mock model does not load a tokeniser from the network.
        said.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return said

    return get_model("mockllm/model", custom_outputs=output)


def run_task(task, tmp_path, say, **options):
    from inspect_ai import eval as inspect_eval

    (log,) = inspect_eval(
        task, model=mock(say), log_dir=str(tmp_path / "logs"), display="none", **options
    )
    assert log.status == "success", log.error
    return log


def test_inspect_tasks_with_its_mock_model(inspect, folder, tmp_path):
    from matscale.tasks.perception import inspect_tasks

    def say(text, pictured):
        shown = re.search(rf"^([A-D])\. {re.escape(CAPTIONS[0])}$", text, re.M)[1]
        return f"Answer: {shown}" if pictured else "no idea"

    log = run_task(inspect_tasks.csmbench_mcq(str(folder), orders=4), tmp_path, say)
    assert log.results.scores[0].metrics["accuracy"].value == 1.0
    assert len(log.samples) == 32
    log = run_task(inspect_tasks.csmbench_mcq(str(folder), blind=True), tmp_path, say)
    assert log.results.scores[0].metrics["accuracy"].value == 0.0
    # An empty reply is an error, and stays in the denominator.
    blind = inspect_tasks.csmbench_numeric(str(folder), blind=True)
    said = iter(["", "", "Answer: 11 nm", "Answer: 11 nm"])
    log = run_task(blind, tmp_path, lambda *_: next(said))
    assert sum(sample.error is not None for sample in log.samples) == 2
    assert log.results.scores[0].scored_samples == 4
    log = run_task(
        inspect_tasks.csmbench_numeric(str(folder)), tmp_path, lambda *_: "Answer: 11 nm"
    )
    assert log.results.scores[0].metrics["mean"].value == 0.75
    log = run_task(
        inspect_tasks.csmbench_open(str(folder)),
        tmp_path,
        lambda *_: "It is round.",
        model_roles={"grader": mock(lambda *_: "Fine.\nScore: 6")},
    )
    assert log.results.scores[0].metrics["mean"].value == 6.0


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"protocol": "foo"}, "protocol 'foo' is not one of"),
        ({"orders": 9}, "orders 9"),
        ({"orders": "x"}, "orders x"),
        ({"data": "/nowhere/at/all"}, "/nowhere/at/all"),
    ],
)
def test_inspect_says_what_is_wrong_in_a_sentence(inspect, folder, wrong, why):
    from inspect_ai._util.error import PrerequisiteError

    from matscale.tasks.perception import inspect_tasks

    with pytest.raises(PrerequisiteError, match=why):
        inspect_tasks.csmbench_mcq(**{"data": str(folder), **wrong})


@pytest.mark.usefixtures("scored")
def test_a_page_of_two_runs_keeps_the_judge(folder, tmp_path):
    score_perception("openai/gpt-4-turbo", data=folder, out=tmp_path / "other", orders=2)
    results, place = load_all([tmp_path / "out", tmp_path / "other"])
    page = write_report(results, place, tmp_path / "page").read_text()
    assert f"Descriptions are scored by {JUDGE}, from 0 to 10" in page
    assert "the reference paragraph itself" in page and "scored by none" not in page


def test_a_judge_whose_ceiling_is_below_the_floor_gives_no_skill(
    inspect, quick, monkeypatch, tmp_path
):
    """It likes what was made up: 9 for other answers, 2 for the reference paragraph itself."""

    def upside_down(asked):
        said = truthful(asked)
        if not asked.text.startswith("Grade"):
            return said
        return said.replace("10", "2") if "10" in said else re.sub(r"\b[15]\b", "9", said)

    write_figures(tmp_path / "set", small_set(0, 4, 0))
    with OpenAIServer(upside_down) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        card = score_perception(MODEL, data=tmp_path / "set", judge=JUDGE, protocol="sound")
    score = card["gpt-4o.sound"].metrics["judge_score"]
    assert score.ceiling < score.floor and score.skill is None


def test_inspect_finds_the_tasks_by_their_entry_point(inspect):
    from importlib.metadata import entry_points

    found = [one for one in entry_points(group="inspect_ai") if one.name == "matscale"]
    if not found:
        pytest.skip("this installation of matscale is older than its entry point")
    module = found[0].load()
    assert {"csmbench_mcq", "csmbench_open", "csmbench_numeric"} <= set(dir(module))
