"""The perception task: rows and measures by hand, then inspect-ai from end to end on loopback."""

import io
import itertools
import json
import logging
import math
import os
import re
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from figure_samples import CAPTIONS, choice, number_of, opened, small_set
from matscale.cli import app
from matscale.errors import UserError
from matscale.figures.folder import write_figures
from matscale.figures.items import Figure
from matscale.report.page import write_report
from matscale.results.store import load_all
from matscale.tasks.perception import measures, rows
from matscale.tasks.perception.questions import Reply, foreign, order_of, question_of
from matscale.tasks.perception.score import limited, score_perception
from openai_server import OpenAIServer, Say

KEY = "sk-test-0123456789-never-to-be-seen"
MODEL, JUDGE = "openai/gpt-4o", "openai/gpt-4o-mini"


def figures(*items):
    kinds = {"choice": "mcq", "open": "open", "number": "numeric"}
    return [
        Figure(f"{kind}/{one.file_name}", one, kind)
        for one in items
        for kind in [kinds[one.file_name.split("-")[0]]]
    ]


# --- questions ---------------------------------------------------------------------------


def test_orders_put_every_option_in_every_place():
    (figure,) = figures(choice(1))
    orders = [order_of(figure, k, "sound", 7) for k in range(4)]
    assert all(sorted(order) == [0, 1, 2, 3] for order in orders)
    assert all(sorted(places) == [0, 1, 2, 3] for places in zip(*orders, strict=True))
    assert orders == [order_of(figure, k, "sound", 7) for k in range(4)]
    assert {order_of(figure, 0, "sound", seed) for seed in range(20)} != {orders[0]}
    assert order_of(figure, 3, "published", 7) == (0, 1, 2, 3)


@pytest.mark.parametrize("protocol", ["sound", "published"])
@pytest.mark.parametrize("order", range(4))
def test_the_target_is_where_the_true_caption_is_shown(protocol, order):
    (figure,) = figures(choice(2))
    question = question_of(figure, protocol, order=order, seed=3)
    (shown,) = re.findall(r"^([A-D])\. " + re.escape(CAPTIONS[0]) + "$", question.prompt, re.M)
    assert question.target == shown


@pytest.mark.parametrize("protocol", ["sound", "published"])
@pytest.mark.parametrize("item", [choice(0), opened(0), number_of(0)])
def test_a_blind_model_is_told_that_it_sees_nothing(protocol, item):
    (figure,) = figures(item)
    blind = question_of(figure, protocol, seen=False)
    assert "not shown to you" in blind.prompt and "You see" not in blind.prompt
    assert "not shown" not in question_of(figure, protocol, seen=True).prompt
    assert blind.image is None


def test_foreign_paragraphs_are_of_another_paper():
    some = figures(*(opened(k, paper_folder_name=f"paper-{k // 2}") for k in range(8)))
    found = foreign(some, 0)
    papers = {one.id: one.paper for one in some}
    assert all(other.paper != papers[name] for name, other in found.items())
    assert foreign(figures(opened(0)), 0) == {}


def test_a_limit_is_of_each_kind_and_by_seed():
    some = figures(*(choice(k) for k in range(9)), *(opened(k) for k in range(9)))
    kept = limited(some, 3, 0)
    assert [one.kind for one in kept] == ["mcq"] * 3 + ["open"] * 3
    assert kept == limited(some, 3, 0) != limited(some, 3, 1)
    assert limited(some, None, 0) == tuple(some)


def test_a_limit_takes_of_each_scale_its_share():
    # Of 40: 20 atoms, 12 grains, 8 parts, in a scrambled order.
    scales = ["AtomScale"] * 20 + ["Microscale"] * 12 + ["Macroscale"] * 8
    scales = [scales[k] for k in np.random.default_rng(0).permutation(40)]
    some = figures(*(choice(k, scale=scale) for k, scale in enumerate(scales)))
    drawn = [limited(some, 10, seed) for seed in range(200)]
    for kept in drawn:
        assert len(kept) == 10
        for scale, share in (("AtomScale", 5), ("Microscale", 3), ("Macroscale", 2)):
            assert abs(sum(one.item.scale == scale for one in kept) - share) <= 1
    # Every figure is as likely as any other: 200 draws of a quarter, 5 standard deviations.
    often = [sum(one in kept for kept in drawn) for one in some]
    assert max(abs(count - 50) for count in often) < 5 * math.sqrt(200 * 0.25 * 0.75)


# --- rows and measures -------------------------------------------------------------------


def replies_of(some, protocol, say, orders=2, seed=0):
    """Replies of a model that says ``say(target, order)``."""
    found = {}
    for figure in some:
        for order in rows.orders_of(figure, protocol, orders):
            question = question_of(figure, protocol, order=order, seed=seed)
            found[question.id] = say(question.target, order)
    return found


def measured(some, say, protocol="sound", orders=2):
    replies = replies_of(some, protocol, say, orders)
    table = rows.rows_of(some, replies, protocol, orders=orders, seed=0)
    return measures.metrics(table, protocol, seed=0), table


CHOICES = figures(*(choice(k) for k in range(8)))


def test_a_model_that_sees_is_right_and_consistent():
    found, _ = measured(CHOICES, lambda target, order: Reply(f"Answer: {target}"))
    for name in ("accuracy", "consistency", "accuracy_every_order"):
        assert found[name].value == 1.0
    assert found["unparsable"].value == found["unanswered"].value == 0.0
    assert found["accuracy"].n == 8
    # Four papers agree: Clopper and Pearson's one-sided limit for 4 of 4, 0.05 ** (1 / 4).
    assert found["accuracy"].low == pytest.approx(0.05**0.25)


def test_a_model_that_likes_a_letter_is_at_chance_and_inconsistent():
    found, table = measured(CHOICES, lambda target, order: Reply("Answer: A"), orders=4)
    assert found["accuracy"].value == 0.25
    assert found["consistency"].value == 0.0
    assert all(np.allclose(row.picked, 0.25) for row in table)


def test_silence_refusal_and_prose_are_three_things():
    def say(target, order):
        if order == 0:
            return Reply(None, "rate limit", "429")
        return Reply("I cannot say")

    found, table = measured(CHOICES, say)
    assert found["accuracy"].value == 0.0 and found["accuracy"].n == 8
    assert found["unanswered"].value == 0.5
    assert found["unparsable"].value == 0.5
    assert {row.status for row in table} == {"scored"}
    _, silent = measured(CHOICES, lambda target, order: Reply(None, "time-out"))
    assert {row.status for row in silent} == {"time-out"}


def test_the_published_rule_is_the_authors():
    found, _ = measured(
        CHOICES, lambda target, order: Reply(f"Based on this: {target}"), "published"
    )
    # Every reply is read as B, which is right for two of the eight.
    assert found["accuracy"].value == 0.25
    assert "unparsable" not in found and "consistency" not in found


def test_numbers():
    some = figures(*(number_of(k) for k in range(4)))
    said = iter(["10.9 nm", "0.011 µm", "14 nm", "unclear"])  # truths 10, 11, 12, 13
    found, table = measured(some, lambda target, order: Reply(next(said)))
    assert found["within_10"].value == 0.5 and found["within_10"].n == 4
    errors = [row.relative_error for row in table]
    assert errors[:3] == pytest.approx([0.09, 0.0, 1 / 6]) and math.isnan(errors[3])
    assert found["relative_error"].value == pytest.approx(0.09) and found["relative_error"].n == 3
    assert found["unparsable"].value == 0.25


def test_floors_are_scored_as_models_are_and_truth_is_the_ceiling():
    some = [*CHOICES, *figures(number_of(0))]
    assert measures.metrics(rows.floor_rows(some, "chance"), "sound", 0)["accuracy"].value == 0.25
    medoid = measures.metrics(rows.floor_rows(some, "medoid"), "sound", 0)
    assert medoid["accuracy"].value == 1.0 and set(medoid) == {"accuracy"}
    truth = measures.metrics(rows.true_rows(some), "sound", 0)
    assert (truth["accuracy"].value, truth["within_10"].value) == (1.0, 1.0)
    assert truth["relative_error"].value == 0.0


def test_what_is_picked_by_kind_of_distractor():
    # Always the caption with the wrong technique.
    table = [
        rows.Row(one, picked=np.array([o.caption == CAPTIONS[1] for o in one.item.options], float))
        for one in CHOICES
    ]
    found = {g.group: g for g in measures.groups(table, "sound", 0) if g.by == measures.DISTRACTORS}
    assert {k: g.metrics["picked"].value for k, g in found.items()} == {
        "technique": 1.0,
        "element": 0.0,
        "number": 0.0,
    }
    assert found["technique"].n == 8


def test_the_table_beside_a_result_has_the_columns_that_its_docstring_names():
    named = re.findall(r"^ +(\w+) +(?:string|double|binary)  ", rows.table.__doc__, re.M)
    made = rows.table(rows.floor_rows(CHOICES, "chance"), {})
    assert sorted(named) == sorted(made.column_names)
    options = json.loads(made["options"][0].as_py())
    assert [one["kind"] for one in options] == ["right", "technique", "element", "number"]


# --- without the extra -------------------------------------------------------------------


def test_without_inspect_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "inspect_ai", None)
    with pytest.raises(UserError, match=r"pip install 'matscale\[perception\]'"):
        score_perception(MODEL, data=tmp_path)


def test_options_are_checked_first(tmp_path):
    with pytest.raises(UserError, match="names no provider"):
        score_perception("gpt-4o", data=tmp_path)
    with pytest.raises(UserError, match="protocol 'strict' is not one of"):
        score_perception(MODEL, data=tmp_path, protocol="strict")
    with pytest.raises(UserError, match="'gpt4' names no provider"):
        score_perception(MODEL, data=tmp_path, judge="gpt4")
    with pytest.raises(UserError, match="'mockllm/' names no model"):
        score_perception("mockllm/", data=tmp_path)
    for name in ("truth", "chance", ".hidden", "gpt-4o blind"):
        with pytest.raises(UserError, match=r"a name of matscale's own"):
            score_perception(f"mockllm/{name}", data=tmp_path)
    for options in ({"orders": 0}, {"orders": 9}, {"limit": -1}, {"limit": 0}):
        (name,) = options
        with pytest.raises(UserError, match=f"{name} {options[name]}"):
            score_perception(MODEL, data=tmp_path, **options)


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


def truthful(asked):
    """A model that reads its picture, and guesses A without one; a judge that knows the words."""
    if asked.text.startswith("Grade"):
        reference, answer = re.search(
            r"Reference:\n(.*)\n\nAnswer to grade:\n(.*)\n\n(?:First|Give)", asked.text, re.S
        ).groups()
        score = 10 if reference == answer else 5 if answer == "It is round." else 1
        return f"Some words.\nScore: {score}" if "Score: 4" in asked.text else str(score)
    if "Explain in detail" in asked.text:
        return "It is round." if asked.pictures else "I see no figure."
    if "mean diameter" in asked.text:
        return "Answer: 11 nm"
    shown = re.search(rf"^([A-D])\. {re.escape(CAPTIONS[0])}$", asked.text, re.M)[1]
    return f"Answer: {shown if asked.pictures else 'A'}" if "Answer: C" in asked.text else shown


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


TROUBLE = {
    0: "Answer: {}",
    1: "**{}**",
    2: "I am sorry, this I cannot help with.",
    3: Say("slow down, " + KEY, status=429),
    4: Say("out of order", status=500),
    5: Say(pause_s=9.0),
    6: Say(raw=b"<html>garbage"),
    7: Say("Incorrect API key provided: " + KEY, status=401),
}


def troubled(asked):
    number = int(re.search(r"figure (\d+)", asked.text)[1])
    said = TROUBLE[number]
    if isinstance(said, Say) or "{}" not in said:
        return said
    return said.format(re.search(rf"^([A-D])\. {re.escape(CAPTIONS[0])}$", asked.text, re.M)[1])


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

    def interrupted(asked):
        number = next(count)
        if number == 2:
            return Say("Incorrect API key provided: " + KEY, status=401)
        if number == 3:
            time.sleep(1.0)
            os.kill(os.getpid(), signal.SIGINT)
        return truthful(asked) if number < 3 else Say(pause_s=4)

    words = f"score perception --model {MODEL} --data {tmp_path / 'set'} --protocol sound"
    words += f" --orders 1 --out {tmp_path / 'out'}"
    with OpenAIServer(interrupted) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        done = CliRunner().invoke(app, words.split())
        assert done.exit_code == 130 and not list((tmp_path / "out").glob("*.json"))
        assert "the same command goes on where it stopped" in done.stderr
        assert "Traceback" not in done.output
        assert list((tmp_path / "out/logs").glob("*.eval"))
        assert KEY.encode() not in everything_under(tmp_path)
        server.asked.clear()
        server.script = truthful
        assert CliRunner().invoke(app, words.split()).exit_code == 0
    assert len(server.asked) == 12 - 2, "the two answers are remembered"


def test_a_busy_server_is_asked_again(inspect, monkeypatch, tmp_path):
    from matscale.tasks.perception.engine import Patience, ask
    from matscale.tasks.perception.questions import Batch, Question

    tries = []

    def busy(asked):
        tries.append(asked)
        return Say("busy", status=429) if len(tries) == 1 else "Answer: B"

    with OpenAIServer(busy) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        batch = Batch("busy", MODEL, "sound", (Question("q", "mcq", "Which?", target="B"),))
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


# --- inspect-ai's own command line -------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (Say("Incorrect API key provided", status=401), "not authorised: Error code: 401"),
        (Say(raw=b"<html>a page"), "no valid response"),
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


def test_a_busy_model_is_scored_as_not_answering_and_markup_is_taken_out():
    from matscale.tasks.perception.questions import Batch, Question
    from matscale.tasks.perception.replies import check_usable, plain

    batch = Batch("b", MODEL, "sound", (Question("q", "mcq", "?"), Question("r", "mcq", "?")))
    busy, dead = Reply(None, "rate limit", "429"), Reply(None, "failed", "no vllm")
    for found in ([busy, busy], [busy, dead], [dead, Reply("A")], [dead, Reply("")]):
        check_usable(batch, dict(zip("qr", found, strict=True)))
    with pytest.raises(UserError, match=r"none of 2 questions was answered \(failed: no vllm"):
        check_usable(batch, {"q": dead, "r": dead})
    said = "[bold red]ERROR[/bold red]: [link=x]vLLM[/] needs\n vllm[audio]==0.5 \x1b[1mnow\x1b[0m"
    assert plain(said) == "vLLM needs vllm[audio]==0.5 now"


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


def test_the_terminal_says_what_became_of_figures_that_were_not_answered():
    from rich.console import Console

    from matscale.report.console import print_scores
    from matscale.results.result import Counts, Dataset, Predictor, Provenance, Result

    def say(target, order):
        return Reply("I cannot say") if order else Reply(None, "rate limit")

    found, _ = measured(CHOICES, say, "published", orders=1)
    made = Provenance(matscale="0", command="", seed=0, created="", seconds=0.0, machine="")
    result = Result(
        task="perception",
        protocol="published",
        predictor=Predictor(name="m", kind="model", told=()),
        dataset=Dataset(name="d", sha256="0", size=8),
        headline="accuracy",
        metrics=found,
        counts=Counts(submitted=8, read=0, refused={"rate limit": 8}, warnings={"odd": 1}),
        provenance=made,
    )
    console = Console(record=True, width=200, file=io.StringIO())
    print_scores([result], console)
    said = console.export_text()
    assert "m: 8 rate limit; not answered: counted as wrong" in said
    assert "m: 1 odd\n" in said
    assert "left out, as published" not in said and "not scored" not in said


def test_a_silent_run_tells_how_far_it_is(monkeypatch, capsys):
    from matscale.tasks.perception import progress

    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.02)
    one = progress.Progress("asking x", 7, done=3)
    with one.told():
        time.sleep(0.1)
    said = capsys.readouterr().err.splitlines()
    assert said and set(said) == {"asking x: 3 of 7 done"}
    time.sleep(0.05)
    assert not capsys.readouterr().err


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


def test_inspect_finds_the_tasks_by_their_entry_point(inspect):
    from importlib.metadata import entry_points

    found = [one for one in entry_points(group="inspect_ai") if one.name == "matscale"]
    if not found:
        pytest.skip("this installation of matscale is older than its entry point")
    module = found[0].load()
    assert {"csmbench_mcq", "csmbench_open", "csmbench_numeric"} <= set(dir(module))


# --- keys --------------------------------------------------------------------------------


class Stubborn(Exception):  # noqa: N818 - a stand-in
    """An error whose text cannot be changed, as those of compiled libraries."""

    def __str__(self):
        return f"401 for {KEY}"


def test_errors_lose_their_keys_wherever_they_keep_them(monkeypatch):
    from matscale.tasks.perception.keys import cleaned_error

    monkeypatch.setenv("SOME_API_KEY", KEY)
    error = ValueError(f"bad key {KEY}")
    error.status_code, error.body = 401, {"error": [f"Bearer {KEY}", 7]}
    error.__cause__ = KeyError(KEY)
    assert cleaned_error(error) is error
    assert (error.status_code, error.body) == (401, {"error": ["Bearer [key]", 7]})
    assert str(error) == "bad key [key]" and error.__cause__.args == ("[key]",)
    other = cleaned_error(Stubborn())
    assert isinstance(other, RuntimeError) and str(other) == "Stubborn: 401 for [key]"
    error.__cause__.__cause__ = error
    assert cleaned_error(error) is error
