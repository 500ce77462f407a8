"""The perception task: questions, rows and measures by hand, options, what is said of a run."""

import io
import json
import math
import re
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from figure_samples import CAPTIONS, choice, number_of, opened
from matscale.figures.folder import read_figures
from matscale.figures.items import Figure
from matscale.figures.synthetic.build import build
from matscale.predictors.floors.captions import Chance, Longest, Medoid
from matscale.runtime.errors import UserError
from matscale.tasks.perception import drawn, measures, rows
from matscale.tasks.perception.questions import Reply, foreign, order_of, question_of
from matscale.tasks.perception.score import limited, score_perception
from perception_models import KEY, MODEL


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
    assert measures.metrics(rows.floor_rows(some, Chance()), "sound", 0)["accuracy"].value == 0.25
    medoid = measures.metrics(rows.floor_rows(some, Medoid()), "sound", 0)
    assert medoid["accuracy"].value == 1.0 and set(medoid) == {"accuracy"}
    truth = measures.metrics(rows.true_rows(some), "sound", 0)
    assert (truth["accuracy"].value, truth["within_10"].value) == (1.0, 1.0)
    assert truth["relative_error"].value == 0.0


# --- drawn figures, read by image processing ---------------------------------------------

DRAWN, DRAWN_SEED = 100, 77


@pytest.fixture(scope="module")
def drawn_figures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn") / "set"
    build(folder, DRAWN, seed=DRAWN_SEED)
    return read_figures(folder).figures


@pytest.fixture(scope="module")
def image_rows(drawn_figures):
    return drawn.image_rows(drawn_figures)


def test_image_processing_beats_the_blind_floors_by_far(drawn_figures, image_rows):
    """Guessing gets 9 of 10 right among 100 with a chance of 1e-40, and so does the rest."""
    read = measures.metrics(image_rows, "sound", 0)
    assert read["accuracy"].n == DRAWN and read["accuracy"].value >= 0.9
    for rule in (Chance(), Medoid(), Longest()):
        floor = measures.metrics(rows.floor_rows(drawn_figures, rule), "sound", 0)["accuracy"]
        assert floor.high < 0.4 < read["accuracy"].low - 0.4, rule.name
    numbers = sum(figure.kind == "numeric" for figure in drawn_figures)
    assert read["within_10"].n == numbers and read["within_10"].value >= 0.9
    assert read["relative_error"].value < 0.02
    assert "judge_score" not in read


def test_image_processing_is_not_told_the_truth(drawn_figures, image_rows):
    """Answers stay what they were when everything that knows the truth is wrong in the items."""
    turned = {label: "ABCD"[(k + 1) % 4] for k, label in enumerate("ABCD")}
    lied = []
    for figure in drawn_figures[:60]:
        false = {"seed": 1, "index": 1, "parameters": {}, "difficulty": 1}
        if figure.kind == "mcq":
            false["correct_answer"] = turned[figure.item.correct_answer]
        if figure.kind == "numeric":
            false["truth"] = 7.0
        lied.append(replace(figure, item=figure.item.model_copy(update=false)))
    for true, false in zip(image_rows, drawn.image_rows(lied), strict=False):
        assert false.picks == true.picks
        assert false.value == true.value or math.isnan(true.value)


def test_what_image_processing_cannot_read_is_wrong_and_stays(drawn_figures, monkeypatch):
    some = [figure for figure in drawn_figures if figure.kind != "open"][:20]
    monkeypatch.setattr(drawn, "_readings", lambda files: dict.fromkeys(dict(files)))
    found = measures.metrics(drawn.image_rows(some), "sound", 0)
    for name, kind in (("accuracy", "mcq"), ("within_10", "numeric")):
        count = sum(figure.kind == kind for figure in some)
        assert count == 0 or (found[name].value, found[name].n) == (0.0, count)
    assert found["unparsable"].value == 1.0


def test_only_sets_that_matscale_drew_are_read(drawn_figures):
    assert drawn.can_be_read(drawn_figures)
    assert not drawn.can_be_read([*drawn_figures, *CHOICES])
    assert not drawn.can_be_read([one for one in drawn_figures if one.kind == "open"])
    (first, *_) = (one for one in drawn_figures if one.kind == "mcq")
    borrowed = replace(first, item=first.item.model_copy(update={"source": "someone else"}))
    assert not drawn.can_be_read([borrowed])


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
    made = rows.table(rows.floor_rows(CHOICES, Chance()), {})
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
    for name in ("truth", "chance", "image_processing", ".hidden", "gpt-4o blind"):
        with pytest.raises(UserError, match=r"a name of matscale's own"):
            score_perception(f"mockllm/{name}", data=tmp_path)
    for options in ({"orders": 0}, {"orders": 9}, {"limit": -1}, {"limit": 0}):
        (name,) = options
        with pytest.raises(UserError, match=f"{name} {options[name]}"):
            score_perception(MODEL, data=tmp_path, **options)


# --- what is said of a run ---------------------------------------------------------------


def test_a_busy_model_is_scored_as_not_answering_and_markup_is_taken_out():
    from matscale.tasks.perception.questions import Batch, FigureQuestion
    from matscale.tasks.perception.replies import check_usable, plain

    batch = Batch(
        "b", MODEL, "sound", (FigureQuestion("q", "mcq", "?"), FigureQuestion("r", "mcq", "?"))
    )
    busy, dead = Reply(None, "rate limit", "429"), Reply(None, "failed", "no vllm")
    for found in ([busy, busy], [busy, dead], [dead, Reply("A")], [dead, Reply("")]):
        check_usable(batch, dict(zip("qr", found, strict=True)))
    with pytest.raises(UserError, match=r"none of 2 questions was answered \(failed: no vllm"):
        check_usable(batch, {"q": dead, "r": dead})
    said = "[bold red]ERROR[/bold red]: [link=x]vLLM[/] needs\n vllm[audio]==0.5 \x1b[1mnow\x1b[0m"
    assert plain(said) == "vLLM needs vllm[audio]==0.5 now"


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
    told = ""
    with one.told():
        until = time.monotonic() + 300
        while not told and time.monotonic() < until:
            time.sleep(0.02)
            told = capsys.readouterr().err
    said = told.splitlines()
    capsys.readouterr()
    assert said and set(said) == {"asking x: 3 of 7 done"}
    time.sleep(0.05)
    assert not capsys.readouterr().err


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
