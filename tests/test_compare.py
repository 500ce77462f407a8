"""Two results compared: the right numbers, paired or not, in words; or why not."""

import json
import math
from importlib import import_module
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import matscale as ms
from crystals import described_otherwise, held_out, training
from figure_samples import choice
from matscale.api import score
from matscale.figures.items import Figure
from matscale.metrics import statistics
from matscale.predictors.floors.captions import Chance
from matscale.results import store
from matscale.results.differences import paired, unpaired, values_of
from matscale.results.metric import STATISTICS, error, share
from matscale.results.result import Metric, definitions_of
from matscale.runtime.errors import UserError
from matscale.structures.formats import write
from matscale.structures.table import StructureTable
from matscale.tasks.perception import measures, rows
from matscale.tasks.perception.specs import SPECS as FIGURE_SPECS
from matscale.tasks.task import TASKS, find_task
from particle_tasks import Constant
from test_cli import matscale

RATE = share("match_rate", "match rate", "", verb="matches", column="matched")
LENGTH = error("length", "length", "Å", "", where="in length", column="matched")


def table(values, ids=None, **columns):
    names = [str(k) for k in range(len(values))] if ids is None else ids
    return pa.table({"id": names, "matched": pa.array(values, from_pandas=True), **columns})


# --- the numbers -------------------------------------------------------------------------


def test_the_paired_interval_is_that_of_a_difference_of_proportions():
    """Var(a - b) = (p10 + p01 - (p10 - p01)^2) / n, whatever both have in common (McNemar)."""
    n, p10, p01 = 1000, 0.2, 0.08
    kinds = np.repeat([0, 1, 2, 3], [int(p10 * n), int(p01 * n), 300, 420])
    a, b = np.isin(kinds, (0, 2)).astype(float), np.isin(kinds, (1, 2)).astype(float)
    found = paired(RATE, table(a), table(b), "", 0)
    error = math.sqrt((p10 + p01 - (p10 - p01) ** 2) / n)
    assert found.values[0] - found.values[1] == pytest.approx(p10 - p01)
    assert found.interval[0] == pytest.approx(p10 - p01 - 1.96 * error, abs=0.15 * error)
    assert found.interval[1] == pytest.approx(p10 - p01 + 1.96 * error, abs=0.15 * error)
    # The same shares without pairing: the variances of both add up.
    known = (
        Metric(value=a.mean(), better="higher", n=n),
        Metric(value=b.mean(), better="higher", n=n),
    )
    apart = unpaired(RATE, known, (None, None), 0)
    wider = math.sqrt(sum(side.mean() * (1 - side.mean()) / n for side in (a, b)))
    assert wider > 1.25 * error
    assert apart.interval[0] == pytest.approx(p10 - p01 - 1.96 * wider, abs=0.15 * wider)
    assert apart.interval[1] == pytest.approx(p10 - p01 + 1.96 * wider, abs=0.15 * wider)


def test_unpaired_means_have_the_interval_of_welch():
    rng = np.random.default_rng(2)
    a, b = rng.normal(1.0, 0.5, 400), rng.normal(0.8, 1.0, 150)
    known = Metric(value=1.0, better="lower", n=1)
    found = unpaired(LENGTH, (known, known), (table(a), table(b)), 0)
    error = math.sqrt(a.var() / len(a) + b.var() / len(b))
    assert found.sizes == (400, 150)
    middle = a.mean() - b.mean()
    assert found.values[0] - found.values[1] == pytest.approx(middle)
    assert found.interval == pytest.approx(
        (middle - 1.96 * error, middle + 1.96 * error), abs=0.15 * error
    )


def test_shares_of_nothing_and_of_all_leave_room_for_doubt():
    """A resample of 0 of 8 is 0 of 8: the exact limits of both sides stand in for the spread."""
    sides = [Metric(value=value, better="higher", n=8) for value in (0.0, 1.0)]
    low, high = unpaired(RATE, (sides[0], sides[0]), (None, None), 0).interval
    assert low == pytest.approx(-high)
    assert high == pytest.approx(statistics.unanimous_interval(0, 8)[1])
    low, high = unpaired(RATE, (sides[1], sides[0]), (None, None), 0).interval
    assert 0 < low < 0.9
    assert high == 1.0
    assert paired(RATE, table(np.ones(8)), table(np.zeros(8)), "", 0).interval == pytest.approx(
        statistics.unanimous_interval(8, 8)
    )


def test_figures_of_one_paper_are_drawn_together():
    """Twenty figures in one paper that agree say no more than one: the interval is as wide."""
    rng = np.random.default_rng(0)
    few = rng.normal(size=(30, 2))
    many = np.repeat(few, 20, axis=0)
    papers = np.repeat([f"p{k}" for k in range(30)], 20)
    wide = paired(LENGTH, table(few[:, 0]), table(few[:, 1]), "", 0)
    found = paired(
        LENGTH, table(many[:, 0], paper=papers), table(many[:, 1], paper=papers), "paper", 0
    )
    assert (found.sizes, found.clusters) == ((600, 600), 30)
    assert found.interval == pytest.approx(wide.interval)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=40), st.integers(0, 9)
)
def test_the_other_way_round_is_the_opposite(pairs, seed):
    a, b = (np.array(side, float) for side in zip(*pairs, strict=True))
    one, other = (paired(RATE, table(x), table(y), "", seed) for x, y in ((a, b), (b, a)))
    assert one.interval == pytest.approx((-other.interval[1], -other.interval[0]))
    assert one.values == other.values[::-1]
    low, high = one.interval
    assert low <= one.values[0] - one.values[1] <= high


# --- every task --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("compare")


@pytest.fixture(scope="module")
def reconstruction(folder):
    write(held_out(), folder / "targets.parquet")
    write(training(), folder / "train.parquet")
    good = StructureTable.from_pymatgen(
        [described_otherwise(one, k) for k, one in enumerate(held_out().iter_pymatgen())],
        held_out().ids.tolist(),
    )
    write(good[np.arange(10)], folder / "good.parquet")
    strained = [one.apply_strain(0.03, inplace=False) for one in held_out().iter_pymatgen()]
    strained[1] = strained[0]
    write(StructureTable.from_pymatgen(strained, held_out().ids.tolist()), folder / "poor.parquet")
    return score(
        "reconstruction",
        [folder / "good.parquet", folder / "poor.parquet"],
        targets=folder / "targets.parquet",
        train=folder / "train.parquet",
        out=folder / "reconstruction",
        workers=1,
    )


@pytest.fixture(scope="module")
def novelty(folder):
    write(training(), folder / "train.parquet")
    some = [*held_out().iter_pymatgen(), *training().iter_pymatgen()]
    write(StructureTable.from_pymatgen(some[:9]), folder / "early.parquet")
    write(StructureTable.from_pymatgen(some[4:]), folder / "late.parquet")
    return score(
        "novelty",
        [folder / "early.parquet", folder / "late.parquet"],
        train=folder / "train.parquet",
        out=folder / "novelty",
        workers=1,
    )


@pytest.fixture(scope="module", params=["crystal-to-particle", "particle-to-crystal"])
def particles_card(request, folder, hydrides):
    answer = {
        "crystal-to-particle": (np.array([20, 1]), np.array([[0.0, 0, 0], [2.0, 0, 0]])),
        "particle-to-crystal": (np.array([4.5, 4.5, 4.5, 90, 90, 90]), 221),
    }[request.param]
    constant = Constant(answer)
    return score(request.param, constant, data=hydrides, out=folder / request.param, workers=1)


def check_values(result, folder):
    """Per-sample values give the metric that the result states; how many are compared."""
    samples = store.load_samples(result, folder)
    checked = 0
    for name, spec in result.definitions.items():
        stated = result.metrics.get(name)
        if spec.compared is None or stated is None or stated.value is None:
            continue
        values = values_of(spec, samples)
        if values is None:
            assert stated.value * stated.n == pytest.approx(round(stated.value * stated.n))
        else:
            values = values[np.isfinite(values)]
            statistic = STATISTICS[spec.statistic]
            assert statistic(values, np.ones(len(values))) == pytest.approx(stated.value)
            assert len(values) == stated.n
        checked += 1
    return checked


def test_what_is_compared_is_what_the_results_state(reconstruction, novelty, folder):
    for card, where in ((reconstruction, "reconstruction"), (novelty, "novelty")):
        for result in card.results:
            assert check_values(result, folder / where) >= 2, result.name


def test_particles_too(particles_card, folder):
    for result in particles_card.results:
        assert check_values(result, folder / result.task) >= 2, result.name


def saved(result, folder):
    return folder / f"{result.name}.result.json"


def by_name(comparisons):
    return {one.metric: one for one in comparisons if one.comparable}


def test_reconstruction_is_compared_by_id(reconstruction, folder):
    for protocol in ("sound", "published"):
        good, poor = (reconstruction[f"{name}.{protocol}"] for name in ("good", "poor"))
        found = ms.compare(*(saved(one, folder / "reconstruction") for one in (good, poor)))
        assert found[0].metric == good.headline == "match_rate"
        # The published protocol leaves out what was not answered, the sound one counts it.
        assert found[0].n == (12 if protocol == "sound" else 10)
        lost = {one.metric for one in found if not one.comparable}
        assert lost | by_name(found).keys() == good.metrics.keys()
        assert all("is not compared" in one.sentence for one in found if not one.comparable)


def test_novelty_is_not_paired(novelty, folder):
    """Ids agree by accident only; early and late have 9 and 9 crystals of 18."""
    early, late = novelty["early.sound"], novelty["late.sound"]
    found = ms.compare(saved(early, folder / "novelty"), saved(late, folder / "novelty"))
    assert found[0].metric == early.headline
    assert early.counts.submitted == 9
    assert late.counts.submitted == 14
    one = by_name(found)["duplicate"]
    assert (one.n, one.n_second) == (9, 14)
    values = early.metrics["duplicate"].value, late.metrics["duplicate"].value
    assert (one.first, one.second) == values
    assert one.difference == pytest.approx(values[0] - values[1])
    for side in (f" % of {one.n},", f" % of {one.n_second};"):
        assert side in one.sentence
    assert "unequal size" in one.caution
    again = ms.compare(saved(early, folder / "novelty"), saved(late, folder / "novelty"))
    assert again == found


def test_particles_lead_with_their_headline(particles_card, folder):
    sound = [one for one in particles_card.results if one.protocol == "sound"]
    model = next(one for one in sound if one.predictor.kind == "model")
    other = next(one for one in sound if one.predictor.kind == "ceiling")
    where = folder / model.task
    found = ms.compare(saved(model, where), saved(other, where))
    assert found[0].metric == model.headline
    assert found[0].n == model.counts.submitted
    assert (found[0].first, found[0].second) == (
        model.metrics[model.headline].value,
        other.metrics[model.headline].value,
    )


def test_perception_is_compared_figure_by_figure(folder, reconstruction):
    figures = [Figure(f"mcq/choice-{k}", choice(k), "mcq") for k in range(12)]
    made = {"chance": rows.floor_rows(figures, Chance()), "truth": rows.true_rows(figures)}
    where = folder / "perception"
    where.mkdir()
    template = reconstruction["good.sound"]
    for name, some in made.items():
        found = measures.metrics(some, "sound", 0)
        pq.write_table(rows.table(some, {}), where / f"{name}.parquet")
        result = template.model_copy(
            update={
                "task": "perception",
                "headline": "accuracy",
                "metrics": found,
                "definitions": definitions_of(FIGURE_SPECS["sound"], found),
                "groups": (),
                "predictor": template.predictor.model_copy(update={"name": name}),
                "samples": f"{name}.parquet",
                "predictions": None,
                "targets": None,
            }
        )
        store.save(result, where)
        assert check_values(result, where) >= 1
    (found, *_) = ms.compare(where / "truth.sound.result.json", where / "chance.sound.result.json")
    assert found.metric == "accuracy"
    assert (found.first, found.second, found.n) == (1.0, 0.25, 12)
    assert "picks the right caption 75 points more often than chance" in found.sentence
    assert "n = 12 in 6 papers" in found.sentence


HEADLINES = {
    ("reconstruction", "sound"): {"match_rate"},
    ("reconstruction", "published"): {"match_rate"},
    ("novelty", "sound"): {"sun", "unmatched"},
    ("novelty", "published"): {"sun", "unmatched"},
    ("perception", "sound"): {"accuracy", "judge_score", "within_10"},
    ("perception", "published"): {"accuracy", "judge_score", "within_10"},
    ("crystal-to-particle", "sound"): {"rebuilt"},
    ("crystal-to-particle", "published"): {"rmsd"},
    ("particle-to-crystal", "sound"): {"joint_rate"},
    ("particle-to-crystal", "published"): {"rmse"},
}
"""What a task's page may lead with can be compared."""


def test_every_task_says_how_it_is_compared():
    for name in TASKS:
        task = find_task(name).compared
        specs = import_module(f"{TASKS[name]}.specs").SPECS
        assert specs.keys() == {"sound", "published"}
        for protocol, metrics in specs.items():
            compared = {key: spec for key, spec in metrics.items() if spec.compared}
            assert compared.keys() >= HEADLINES[name, protocol]
            for spec in compared.values():
                # Per-sample values pair two predictors; apart from that a share knows its own.
                assert spec.column if task.paired else spec.column or spec.share
            assert all(key == spec.name for key, spec in metrics.items())


# --- words and refusals ------------------------------------------------------------------


def test_a_result_differs_in_nothing_from_itself(reconstruction, folder):
    path = saved(reconstruction["good.sound"], folder / "reconstruction")
    found = by_name(ms.compare(path, path))
    assert {one.difference for one in found.values()} == {0.0}
    assert found["match_rate"].sentence == (
        "good (first) matches as often as good (second), on each of 12 samples."
    )


def changed(result, where, name, **update):
    """A copy of a result under another name, in the same folder."""
    predictor = result.predictor.model_copy(update={"name": name})
    other = result.model_copy(update={"predictor": predictor, **update})
    store.save(other, where)
    return saved(other, where)


def test_results_on_different_questions_are_refused_in_one_sentence(
    reconstruction, novelty, folder
):
    where = folder / "reconstruction"
    one = reconstruction["good.sound"]
    dataset = one.dataset.model_copy(update={"sha256": "f" * 64})
    others = {
        "of novelty on train.parquet": saved(novelty["early.sound"], folder / "novelty"),
        "(published protocol)": saved(reconstruction["poor.published"], where),
        "targets ffffffffffff)": changed(one, where, "elsewhere", dataset=dataset),
    }
    for words, path in others.items():
        for pair in ((saved(one, where), path), (path, saved(one, where))):
            with pytest.raises(UserError) as error:
                ms.compare(*pair)
            message = str(error.value)
            assert message.startswith("cannot compare: ")
            assert "good.sound is of reconstruction on targets.parquet" in message
            assert store.load(path).name in message
            assert words in message
            assert "\n" not in message
            assert ". " not in message


def test_results_with_no_id_in_common_are_refused(reconstruction, folder):
    where = folder / "reconstruction"
    one = reconstruction["good.sound"]
    pq.write_table(table(np.ones(3), ["x", "y", "z"]), where / "strange.parquet")
    path = changed(one, where, "strange", samples="strange.parquet")
    with pytest.raises(UserError, match=r"no id in common .*'crystal-0', and such as 'x'"):
        ms.compare(saved(one, where), path)


def test_ids_of_one_side_only_are_said(reconstruction, folder):
    where = folder / "reconstruction"
    one = reconstruction["good.sound"]
    samples = store.load_samples(one, where)
    pq.write_table(samples.take(np.arange(11, 3, -1)), where / "part.parquet")
    found = ms.compare(saved(one, where), changed(one, where, "part", samples="part.parquet"))
    assert found[0].n == 8
    assert "Only the 8 ids that both have are compared, of 12 and 8." in found[0].caution
    assert by_name(found)["match_rate"].difference == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "has no per-sample scores"),
        (b"PAR1 and then nothing", "damaged.parquet is damaged"),
        (b"", "damaged.parquet is damaged"),
    ],
)
def test_damaged_samples_end_in_a_sentence(reconstruction, folder, content, words):
    where = folder / "reconstruction"
    one = reconstruction["good.sound"]
    if content is not None:
        (where / "damaged.parquet").write_bytes(content)
    samples = None if content is None else "damaged.parquet"
    path = changed(one, where, "damaged", samples=samples)
    with pytest.raises(UserError, match=words):
        ms.compare(path, saved(one, where))


def test_a_table_of_other_columns_compares_what_it_has(reconstruction, folder):
    where = folder / "reconstruction"
    one = reconstruction["good.sound"]
    samples = store.load_samples(one, where)
    odd = samples.drop_columns(["amd_distance", "length_error"]).append_column(
        "length_error", pa.array(["much"] * 12)
    )
    pq.write_table(odd, where / "odd.parquet")
    found = ms.compare(saved(one, where), changed(one, where, "odd", samples="odd.parquet"))
    assert {"amd_mean", "length_mae"} <= {m.metric for m in found if not m.comparable}
    assert by_name(found)["match_rate"].n == 12


def test_one_sample_has_no_interval(reconstruction, folder):
    where = folder / "reconstruction"
    paths = []
    for name, distance in (("near", 0.1), ("far", 0.4)):
        columns = {"matched": [True], "amd_distance": [distance]}
        pq.write_table(pa.table({"id": ["a"], **columns}), where / f"{name}.parquet")
        one = reconstruction["good.sound"]
        paths.append(changed(one, where, name, samples=f"{name}.parquet"))
    amd = by_name(ms.compare(*paths))["amd_mean"]
    assert (amd.low, amd.high, amd.n) == (None, None, 1)
    assert "near is off by 0.300 Å less than far" in amd.sentence
    assert "too few for an interval, n = 1" in amd.sentence
    assert "not significant" not in amd.sentence


def test_other_settings_are_said(reconstruction, folder):
    where = folder / "reconstruction"
    one = reconstruction["good.sound"]
    path = changed(one, where, "looser", settings={**one.settings, "stol": 0.7})
    found = ms.compare(saved(one, where), path)
    assert "were scored with other settings: stol 0.5 and 0.7." in found[0].caution


def test_the_command_says_what_it_leaves_out(reconstruction, folder):
    where = folder / "reconstruction"
    paths = [str(saved(reconstruction[f"{name}.sound"], where)) for name in ("good", "poor")]
    done = matscale("compare", *paths, cwd=folder)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("good matches ")
    assert any(line.startswith("Not compared: ") and " more. " in line for line in lines)
    assert "chance" not in done.stdout
    entries = json.loads(matscale("compare", *paths, "--json", cwd=folder).stdout)
    assert next(one["metric"] for one in entries if one["comparable"]) == "match_rate"
    assert {one["metric"] for one in entries} == set(reconstruction["good.sound"].metrics)
