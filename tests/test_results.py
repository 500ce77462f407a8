"""Results: intervals, floors and skill, comparison, and the folder they are kept in."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from matscale import load_results
from matscale.results import store
from matscale.results.compare import compare as compare_results
from matscale.results.measure import (
    Measure,
    between_floor_and_ceiling,
    measure_of,
    measured,
    skill,
)
from matscale.results.metric import error, share
from matscale.results.result import Metric
from matscale.runtime.errors import UserError
from matscale.tasks.reconstruction.specs import COMPARED
from report_samples import write_results

SHARE = share("right", "right", "Share that is right.")
LENGTH = error("length", "length error", "Å", "Mean error.")


def compare(*results) -> list:
    return compare_results(*results, COMPARED)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for result in write_results(tmp_path):
        store.save(result, tmp_path)
    return tmp_path


def test_a_share_has_its_wilson_like_interval_and_an_exact_one_where_all_agree():
    verdicts = np.array([1.0] * 40 + [0.0] * 65)
    metric = measured(measure_of(SHARE, verdicts), seed=0)
    wilson = stats.binomtest(40, 105).proportion_ci(method="wilson")
    assert metric.value == pytest.approx(40 / 105)
    assert metric.low == pytest.approx(wilson.low, abs=0.02)
    assert metric.high == pytest.approx(wilson.high, abs=0.02)
    nothing = measured(measure_of(SHARE, np.zeros(105)), seed=0)
    assert (nothing.value, nothing.low) == (0, 0)
    assert nothing.high == pytest.approx(1 - 0.05 ** (1 / 105))


def test_an_undefined_metric_has_no_value_and_no_interval():
    metric = measured(measure_of(LENGTH, np.full(5, np.nan)), seed=0)
    assert (metric.value, metric.low, metric.high, metric.n) == (None, None, None, 0)


def test_the_interval_of_a_distance_holds_it():
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=(2, 60))

    def distance(weights: np.ndarray) -> np.ndarray:
        sides = [
            np.sort(np.repeat(x, w.astype(int)))
            for w in np.atleast_2d(weights)
            for x in (first, second)
        ]
        gaps = [np.abs(a - b).mean() for a, b in zip(sides[::2], sides[1::2], strict=True)]
        return np.array(gaps).reshape(weights.shape[:-1])

    metric = measured(Measure(LENGTH, distance, np.ones(60, bool), distance=True), seed=0)
    assert 0 <= metric.low <= metric.value <= metric.high


def test_skill_is_zero_at_the_floor_and_one_at_the_ceiling():
    assert skill(0.6, floor=0.6, ceiling=1.0) == 0
    assert skill(1.0, floor=0.6, ceiling=1.0) == 1
    assert skill(0.4, floor=0.6, ceiling=1.0) == pytest.approx(-0.5)
    assert skill(0.5, floor=1.0, ceiling=0.0) == 0.5  # an error: lower is better
    assert skill(0.5, floor=1.0, ceiling=1.0) is None


@pytest.mark.parametrize(
    ("value", "floor", "ceiling", "expected"),
    [
        (0.4, 1e-15, 3e-15, None),  # both lines are exact, in Å
        (50.0, 0.0, 2e-8, None),  # and in Å^3
        (30_000.0, 30_000.01, 30_000.0, None),
        (2e-15, 1e-15, 0.3, 0.0),
        (0.3 + 1e-12, 1e-15, 0.3, 1.0),
        (0.001, 0.0, 1.0, 0.001),  # one of a thousand samples is no rounding
    ],
)
def test_rounding_is_no_skill(value, floor, ceiling, expected):
    assert skill(value, floor, ceiling) == expected


def test_floors_that_were_told_the_answer_are_fair_to_who_says_that_it_was_too(folder):
    sound = [r for r in load_results(folder).results if r.protocol == "sound"]
    floor, model = (next(r for r in sound if r.predictor.kind == k) for k in ("floor", "model"))

    def told(result, fields, answer=False):
        update = {"told": fields, "told_the_answer": answer}
        return result.model_copy(update={"predictor": result.predictor.model_copy(update=update)})

    cheat = told(floor, ("particle_numbers", "positions"), answer=True)
    for fields, fair in (
        (None, False),
        (("numbers", "lattice"), False),
        (("numbers", "positions"), True),
        (("particle_numbers", "positions"), True),
    ):
        lined = between_floor_and_ceiling(told(model, fields), [cheat], None)
        assert (lined.metrics[model.headline].floor_name is not None) == fair


def test_the_best_floor_is_the_best_by_each_metric(folder):
    card = load_results(folder)
    sound = [r for r in card.results if r.protocol == "sound"]
    floors = [r for r in sound if r.predictor.kind == "floor"]
    ceiling = next(r for r in sound if r.predictor.kind == "ceiling")
    model = next(r for r in sound if r.predictor.kind == "model")
    lined = between_floor_and_ceiling(model, floors, ceiling)
    for name, metric in lined.metrics.items():
        candidates = [f.metrics[name].value for f in floors if f.metrics[name].value is not None]
        best = max(candidates) if metric.better == "higher" else min(candidates)
        assert metric.floor == best
        assert metric.ceiling == ceiling.metrics[name].value


def test_results_come_back_as_they_were_written(folder):
    written = {path.name: store.load(path) for path in store.find([folder])}
    for result in written.values():
        store.save(result, folder / "copy")
    copies = {path.name: store.load(path) for path in store.find([folder / "copy"])}
    assert copies == written


def test_results_of_several_folders_keep_their_tables(tmp_path):
    for name in ("one", "two"):
        for result in write_results(tmp_path / name, count=20, dataset=name):
            store.save(result, tmp_path / name)
    card = load_results(tmp_path / "one", tmp_path / "two")
    assert card.folder == tmp_path
    for result in card.results:
        assert (tmp_path / result.samples).exists()
        assert result.samples.startswith(result.dataset.name)


def test_what_is_no_result_is_said(tmp_path):
    with pytest.raises(UserError, match="is a folder"):
        store.load(tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UserError, match="no results"):
        store.find([empty])
    with pytest.raises(UserError, match="no result at"):
        store.load(tmp_path / "absent.result.json")
    for content in (b"{}", b"[1, 2", b"\xff\xfe\x00", b'{"schema_version": 9}'):
        path = tmp_path / "bad.result.json"
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"bad\.result\.json is not a matscale result"):
            store.load(path)


def test_unknown_fields_are_refused():
    with pytest.raises(ValueError, match="extra"):
        Metric(value=1, better="higher", n=1, colour="red")


def paired(folder: Path, first: np.ndarray, second: np.ndarray) -> list:
    """Compare two results whose samples were replaced by given verdicts."""
    results = [r for r in load_results(folder).results if r.protocol == "sound"]
    models = [r for r in results if r.predictor.kind == "model"][:2]
    for result, matched in zip(models, (first, second), strict=True):
        table = pa.table({"id": [str(k) for k in range(len(matched))], "matched": matched > 0})
        pq.write_table(table, folder / result.samples)
    return compare(models[0], folder, models[1], folder)


def test_comparison_is_a_paired_bootstrap_in_words(folder):
    generator = np.random.default_rng(1)
    second = (generator.random(200) < 0.3).astype(float)
    first = np.maximum(second, generator.random(200) < 0.2)
    (match,) = [one for one in paired(folder, first, second) if one.metric == "match_rate"]
    difference = first - second
    error = difference.std() / np.sqrt(200)
    assert match.difference == pytest.approx(difference.mean())
    assert match.low == pytest.approx(difference.mean() - 1.96 * error, abs=0.01)
    assert match.high == pytest.approx(difference.mean() + 1.96 * error, abs=0.01)
    points = round(100 * difference.mean())
    assert f"matches {points} points more often than" in match.sentence
    assert "significant" not in match.sentence


def test_a_comparison_that_may_be_chance_says_so(folder):
    verdicts = np.arange(60) % 3 == 0
    (match,) = [
        one for one in paired(folder, verdicts, verdicts[::-1]) if one.metric == "match_rate"
    ]
    assert match.low < 0 < match.high
    assert "the interval includes 0: not significant" in match.sentence


def test_a_tie_is_said_as_one(folder):
    verdicts = np.arange(60) % 3 == 0
    (match,) = [one for one in paired(folder, verdicts, verdicts) if one.metric == "match_rate"]
    assert (match.difference, match.low, match.high) == (0, 0, 0)
    assert "matches as often as" in match.sentence
    assert "on each of 60 samples" in match.sentence


def test_a_comparison_with_one_who_was_told_the_answer_says_so(folder):
    results = {r.predictor.name: r for r in load_results(folder) if r.protocol == "sound"}
    told = next(
        r for r in results.values() if r.predictor.told_the_answer and r.predictor.kind == "model"
    )
    other = next(r for r in results.values() if not r.predictor.told_the_answer)
    assert "told positions or cell" in compare(other, folder, told, folder)[0].caution


def test_results_do_not_go_into_a_file(folder, tmp_path):
    dataset = store.load(store.find([folder])[0]).dataset
    taken = tmp_path / "taken"
    taken.write_text("")
    for out in (taken, taken / "results"):
        with pytest.raises(UserError, match="taken is a file"):
            store.check_same_question(out, dataset)
    store.check_same_question(tmp_path / "new" / "results", dataset)


def test_one_folder_holds_results_on_one_question(folder):
    result = store.load(store.find([folder])[0])
    store.check_same_question(folder, result.dataset)
    with pytest.raises(UserError, match="--out"):
        store.check_same_question(folder, result.dataset.model_copy(update={"sha256": "other"}))


def test_results_on_other_targets_are_not_compared(tmp_path):
    for name, count in (("one", 20), ("two", 21)):
        for result in write_results(tmp_path / name, count=count):
            store.save(result, tmp_path / name)
    one, two = (store.load(sorted((tmp_path / n).glob("*sound*.json"))[0]) for n in ("one", "two"))
    two = two.model_copy(update={"dataset": two.dataset.model_copy(update={"sha256": "other"})})
    with pytest.raises(UserError, match="give two results of one task on one data set"):
        compare(one, tmp_path / "one", two, tmp_path / "two")


def test_the_json_is_plain(folder):
    path = store.find([folder])[0]
    content = json.loads(path.read_text())
    assert content["schema_version"] == 1
    assert set(content["metrics"]["match_rate"]) >= {
        "value",
        "low",
        "high",
        "floor",
        "ceiling",
        "skill",
    }
