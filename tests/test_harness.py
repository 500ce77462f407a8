"""The harness, on a task of its own: add two numbers. What it takes to add a task stands here."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from matscale import UserError
from matscale.results import result as schema
from matscale.results.measure import all_measured, measures_of
from matscale.results.metric import MetricSpec
from matscale.results.samples import MISSING, SCORED
from matscale.results.store import load
from matscale.runtime.memory import PARTIAL
from matscale.structures.reading import Refusal
from matscale.tasks.entrant import Answer, Entrant
from matscale.tasks.harness import (
    Outcome,
    Rules,
    Scored,
    counted,
    measured,
    protocols_of,
    scorecard,
    scored_by,
    start_run,
)
from matscale.tasks.refuted import MOST_GUESSED, refutation

# --- a task ------------------------------------------------------------------------------

SPECS = {
    "right": MetricSpec(name="right", label="right", better="higher", share=True),
    "error": MetricSpec(name="error", label="mean error", better="lower"),
    "coverage": MetricSpec(name="coverage", label="answered", better="higher", share=True),
    "unheard": MetricSpec(name="unheard", label="in no result", better="higher"),
}
NUMBERS = np.array([[1, 2], [3, 4], [5, 5], [0, 9]])


@dataclass(frozen=True)
class SumScores:
    statuses: list[str]
    details: list[str]
    errors: np.ndarray


def distance(pair):
    return {"error": np.array(abs(pair[0] - pair[1]))}


def score_sum(entrant, memory):
    answers = entrant.answer(range(len(NUMBERS)))
    rows = [row for row, answer in enumerate(answers) if not answer.reason]
    pairs = [(answers[row].value, int(NUMBERS[row].sum())) for row in rows]
    errors = np.full(len(NUMBERS), np.nan)
    errors[rows] = [found["error"] for found in memory.map(distance, pairs)]
    statuses = [answer.reason or SCORED for answer in answers]
    return Scored(entrant, SumScores(statuses, [answer.detail for answer in answers], errors))


class Sums(Rules[SumScores]):
    task = "sums"
    specs = {"sound": SPECS}  # noqa: RUF012
    diagnostics = frozenset({"coverage"})

    def headline(self, protocol):
        return "right"

    def metrics(self, scored, protocol, seed):
        errors = scored.samples.errors
        values = {
            "right": 1.0 * (errors == 0),
            "error": errors,
            "coverage": np.isfinite(errors) * 1.0,
        }
        return all_measured(measures_of(SPECS, values), seed=seed)

    def groups(self, scored, protocol, seed):
        even = NUMBERS.sum(axis=1) % 2 == 0
        right = {"right": 1.0 * (scored.samples.errors[even] == 0)}
        found = all_measured(measures_of(SPECS, right), seed=seed)
        return (schema.Group(by="sum", group="even", n=int(even.sum()), metrics=found),)

    def outcome(self, scored, protocol):
        samples = scored.samples
        refused = [
            Refusal(row, f"sum{row}", scored.name, status, samples.details[row])
            for row, status in enumerate(samples.statuses)
            if status not in (SCORED, MISSING)
        ]
        return Outcome(samples.statuses, refused, {"never": 0, "answers": len(NUMBERS)})

    def notes(self, scored, protocol, metrics):
        return (f"{metrics['right'].n} sums.",)

    def settings(self, protocol):
        return {"base": 10}

    def defects(self):
        return ("Sums are small.",)

    def tables(self, scored):
        columns = {"id": [f"sum{row}" for row in range(4)], "error": scored.samples.errors}
        shared = pa.table({"sum": NUMBERS.sum(axis=1)})
        return {
            "samples": (f"{scored.name}.samples.parquet", pa.table(columns)),
            "targets": ("targets.parquet", shared),
        }


def entrant(name, kind, answer, protocols=("sound", "published")):
    source = "net.csv" if kind == "model" else None
    predictor = schema.Predictor(name=name, kind="model", told=("numbers",), source=source)
    answers = lambda rows: [answer(NUMBERS[row]) for row in rows]  # noqa: E731
    return Entrant(predictor, answers, dict.fromkeys(protocols, kind))


def baselines():
    return [
        entrant("truth", "ceiling", lambda pair: Answer(int(pair.sum()))),
        entrant("ten", "floor", lambda pair: Answer(10)),
        entrant("zero", "floor", lambda pair: Answer(0), ("published",)),
    ]


def model(pair):
    """Right once, off by one once, silent once, and once no number at all."""
    answers = {3: Answer(3), 7: Answer(8), 10: Answer(None, MISSING)}
    return answers.get(int(pair.sum()), Answer(None, "not a number", "nine"))


def score_sums(answer=model, *, out=None, protocol="both", targets="abc", rules=None):
    dataset = schema.Dataset(name="sums", sha256=targets, size=len(NUMBERS))
    run = start_run(
        dataset, protocols_of(protocol), out=out, workers=1, seed=0, command="test of the harness"
    )
    rules = rules or Sums()
    scored = scored_by(
        lambda one: score_sum(one, run.memory), baselines(), [entrant("net", "model", answer)]
    )
    return scorecard(rules, run, [measured(rules, run, one) for one in scored])


# --- what the harness makes of it --------------------------------------------------------


@pytest.fixture(scope="module")
def card():
    return score_sums()


def named(card, name, protocol="sound"):
    (found,) = [
        one for one in card.results if (one.predictor.name, one.protocol) == (name, protocol)
    ]
    return found


def test_ceilings_and_floors_come_first_in_the_protocols_that_they_take_part_in(card):
    assert [(one.predictor.name, one.protocol) for one in card.results] == [
        ("truth", "sound"),
        ("ten", "sound"),
        ("net", "sound"),
        ("truth", "published"),
        ("ten", "published"),
        ("zero", "published"),
        ("net", "published"),
    ]
    assert [one.predictor.kind for one in card.results[3:]] == [
        "ceiling",
        "floor",
        "floor",
        "model",
    ]


def test_a_metric_stands_between_the_best_floor_and_the_ceiling(card):
    right, error = (named(card, "net").metrics[name] for name in ("right", "error"))
    assert (right.value, right.floor, right.floor_name, right.ceiling) == (0.25, 0.25, "ten", 1.0)
    assert right.skill == 0.0
    # |10 - s| of 3, 7, 10 and 9 is 7, 3, 0 and 1; the model is off by 0 and 1 where it answers.
    assert (error.value, error.n, error.floor) == (0.5, 2, 2.75)
    assert error.skill == pytest.approx((0.5 - 2.75) / (0 - 2.75))
    assert named(card, "net").groups[0].metrics["right"].ceiling == 1.0


def test_diagnostics_stand_between_no_lines(card):
    coverage = named(card, "net").metrics["coverage"]
    assert coverage.value == 0.5
    assert (coverage.floor, coverage.ceiling, coverage.skill) == (None, None, None)


def test_what_is_refused_and_missing_is_counted_once_and_listed(card):
    for protocol in ("sound", "published"):
        result = named(card, "net", protocol)
        assert result.counts == schema.Counts(
            submitted=4, read=2, missing=1, refused={"not a number": 1}, warnings={"answers": 4}
        )
        (refused,) = result.refused
        assert (refused.id, refused.source, refused.detail) == ("sum3", "net", "nine")


def test_an_item_that_says_missing_is_refused_where_nothing_was_asked():
    outcome = Outcome([SCORED, MISSING, MISSING], asked=False)
    assert counted(outcome).missing == 0
    assert counted(outcome).refused == {"missing": 2}


def test_defects_are_the_published_protocols(card):
    assert named(card, "net").defects == ()
    assert named(card, "net", "published").defects == ("Sums are small.",)
    assert named(card, "net").notes == ("4 sums.",)
    assert named(card, "net").settings == {"base": 10}


def test_a_reversed_line_gives_no_skill():
    class Reversed(Sums):
        def metrics(self, scored, protocol, seed):
            found = super().metrics(scored, protocol, seed)
            if scored.name == "truth":
                found["right"] = found["right"].model_copy(update={"value": 0.0})
            return found

    card = score_sums(rules=Reversed())
    right = named(card, "net").metrics["right"]
    assert (right.floor, right.ceiling, right.skill) == (0.25, 0.0, None)


def test_declarations_of_models_are_held_against_their_answers():
    class Refuting(Sums):
        def refuted(self, scored):
            return "It peeked."

    assert {one.predictor.refuted for one in score_sums().results} == {None}
    said = {
        one.predictor.kind: one.predictor.refuted for one in score_sums(rules=Refuting()).results
    }
    assert said == {"ceiling": None, "floor": None, "model": "It peeked."}
    # Four of four may be luck: the lower end of the exact interval, 40 %, is not above half.
    assert refutation((), np.ones(4), MOST_GUESSED, answers="", beside="", leak="") is None
    assert refutation((), np.ones(30), 0.5, answers="sums", beside=", by luck", leak="peeking") == (
        "Declared to be told nothing, yet 100 % of its sums are right, by luck: it was told more, "
        "or peeking."
    )
    assert refutation((), np.ones(0), 0.5, answers="", beside="", leak="") is None


def test_results_say_what_their_metrics_are(card):
    assert set(named(card, "net").definitions) == {"right", "error", "coverage"}
    assert named(card, "net").definitions["error"].label == "mean error"
    assert named(card, "net", "published").definitions == {}


# --- protocols, folders, files -----------------------------------------------------------


def test_a_choice_of_protocols_that_there_is_not():
    assert protocols_of("published") == ("published",)
    with pytest.raises(UserError, match="'loud' is not one of both, sound, published"):
        score_sums(protocol="loud")


def test_what_is_written(tmp_path):
    card = score_sums(out=tmp_path)
    files = sorted(path.name for path in tmp_path.iterdir())
    assert len([name for name in files if name.endswith(".result.json")]) == len(card.results)
    assert "net.samples.parquet" in files and files.count("targets.parquet") == 1
    result = load(tmp_path / "net.sound.result.json")
    assert (result.samples, result.targets) == ("net.samples.parquet", "targets.parquet")
    assert result.predictions is None
    errors = pq.read_table(tmp_path / result.samples)["error"].to_pylist()
    assert errors[:2] == [0.0, 1.0] and np.isnan(errors[2:]).all()
    assert not (tmp_path / PARTIAL).exists()


def test_results_on_another_question_are_not_mixed(tmp_path):
    score_sums(out=tmp_path)
    with pytest.raises(UserError, match="results on other targets"):
        score_sums(out=tmp_path, targets="def")


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    def stopped(rows):
        raise KeyboardInterrupt

    floors = baselines()
    floors[-1].answer = stopped
    with monkeypatch.context() as patch:
        patch.setitem(globals(), "baselines", lambda: floors)
        with pytest.raises(KeyboardInterrupt):
            score_sums(out=tmp_path)
    kept = list((tmp_path / PARTIAL).glob("*.npz"))
    assert kept and not list(tmp_path.glob("*.json"))
    calls = []

    def counting(pair):
        calls.append(pair)
        return {"error": np.array(abs(pair[0] - pair[1]))}

    counting.__module__, counting.__qualname__ = distance.__module__, distance.__qualname__
    monkeypatch.setitem(globals(), "distance", counting)
    card = score_sums(out=tmp_path)
    # Of all pairs only those of the floor that was stopped are new.
    assert sorted(calls) == [(0, 3), (0, 7), (0, 9), (0, 10)]
    assert named(card, "net").metrics["error"].value == 0.5
    assert not (tmp_path / PARTIAL).exists()


def test_names_are_not_used_twice():
    def nobody(entrant):
        raise AssertionError("asked")

    net = entrant("net", "model", model)
    with pytest.raises(UserError, match="'ten' is the name of a floor"):
        scored_by(nobody, baselines(), [entrant("ten", "model", model)])
    with pytest.raises(UserError, match="two submissions are called 'net'"):
        scored_by(nobody, baselines(), [net, net])


def test_models_are_asked_before_floors():
    asked = []
    scored = scored_by(
        lambda one: asked.append(one.predictor.name) or Scored(one, None),
        baselines(),
        [entrant("net", "model", model)],
    )
    assert asked == ["net", "truth", "ten", "zero"]
    assert [one.name for one in scored] == ["truth", "ten", "zero", "net"]
