"""Parts of the page of the particle tasks by themselves: curves, packed particles, tables."""

import base64
import csv
import io
import json
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import particle_report_samples as made
from matscale.datasets.particles import C2NP
from matscale.report.parts.particles import figures, view
from matscale.report.parts.particles.profiles import Curve, Radii, curve_of, metric_of, radii_of
from matscale.report.tables.grid import Grid, grid_to_csv, grid_to_latex, shown
from matscale.results.metric import error, share
from matscale.results.result import Result
from matscale.results.samples import Samples
from matscale.tasks.particles.crystal_to_particle.specs import SPECS


def samples_of(**columns: list) -> Samples:
    return Samples({name: np.array(values, dtype=object) for name, values in columns.items()})


# --- over the radius -------------------------------------------------------------------------


def result_with(name: str, **groups: float) -> Result:
    from matscale.results.result import Group, Metric

    base = made._result(
        made.BACK, "lattice-net", "published", made.columns(made.BACK, "lattice-net", "published"),
        "x.parquet", {}, "d",
    )  # fmt: skip
    own = tuple(
        Group(
            by="radius", group=radius.removeprefix("r"), n=2,
            metrics={name: Metric(value=value, better="lower", n=2, low=value, high=value + 1)},
        )
        for radius, value in groups.items()
    )  # fmt: skip
    return base.model_copy(update={"groups": own})


RADII = Radii(tuple(map(float, C2NP["id"])), tuple(map(float, C2NP["ood"])), ())


def by_radius(result: Result, samples: Samples, name: str):
    return curve_of(result, samples, name, RADII).profile


def test_orientations_do_not_narrow_an_interval():
    """Ten turns of each particle that score alike say no more than one."""
    once = {"radius": [10.0] * 6, "material": list("abcdef"), "rmse": [1, 2, 3, 4, 5, 9.0]}
    often = {name: values * 10 for name, values in once.items()}
    result = result_with("rmse")
    one, ten = (by_radius(result, samples_of(**c), "rmse") for c in (once, often))
    assert float(one.mean[0]) == pytest.approx(4.0) == float(ten.mean[0])
    assert [*ten.low, *ten.high] == pytest.approx([*one.low, *one.high])
    # Drawn by sample it would be narrower by the square root of ten.
    alone = {**often, "material": [str(k) for k in range(60)]}
    narrow = by_radius(result, samples_of(**alone), "rmse")
    assert (one.high - one.low) / (narrow.high - narrow.low) == pytest.approx(10**0.5, rel=0.15)


def test_a_root_mean_square_comes_from_the_groups():
    samples = samples_of(radius=[6.0, 6.0, 7.0, 7.0], material=list("abab"), rmse=[3, 4, 6, 8.0])
    rms = {"r6": math.sqrt(12.5), "r7": math.sqrt(50)}
    found = by_radius(result_with("rmse", **rms), samples, "rmse")
    assert found.mean == pytest.approx(list(rms.values()))
    assert found.high == pytest.approx([value + 1 for value in rms.values()])
    same = by_radius(result_with("rmse", r6=3.5, r7=7.0), samples, "rmse")
    assert same.mean == pytest.approx([3.5, 7.0]) and same.high != pytest.approx([4.5, 8.0])


def test_its_degradation_comes_from_the_groups_too():
    samples = samples_of(radius=[6.0, 6.0, 10.0, 10.0], material=list("abab"), rmse=[3, 4, 6, 8.0])
    result = result_with("rmse", r6=math.sqrt(12.5), r10=math.sqrt(50))
    base, split = result.groups[0], []
    for name, value in (("id", 8.0), ("ood", 2.0)):
        metric = base.metrics["rmse"].model_copy(update={"value": value})
        change = {"by": "split", "group": name, "metrics": {"rmse": metric}}
        split.append(base.model_copy(update=change))
    both = result.model_copy(update={"groups": (*result.groups, *split)})
    assert curve_of(both, samples, "rmse", RADII).degradation == pytest.approx(0.25)
    # Without groups it is the ratio of the means, as for any metric.
    assert curve_of(result_with("x"), samples, "rmse", RADII).degradation == pytest.approx(0.5)
    uneven = samples_of(radius=[6.0, 10.0, 10.0], material=list("aab"), rmse=[2, 1, 7.0])
    assert curve_of(result_with("x"), uneven, "rmse", RADII).degradation == pytest.approx(2 / 4)


def test_a_rate_on_which_all_agree_is_not_certain():
    """0 of n has the exact upper end 1 - 0.05^(1/n), n of n the lower end 0.05^(1/n)."""
    result = result_with("found")
    from matscale.results.result import Metric

    metric = Metric(value=0.5, better="higher", n=4)
    result = result.model_copy(
        update={"metrics": {"found": metric}, "definitions": {"found": share("found", "found", "")}}
    )
    samples = samples_of(
        radius=[6.0] * 4 + [7.0] * 4, material=list("abca") * 2, found=[0.0] * 4 + [1.0] * 4
    )
    found = by_radius(result, samples, "found")
    end = 0.05 ** (1 / 3)
    assert [*found.low, *found.high] == pytest.approx([0, end, 1 - end, 1])
    # Errors of exactly zero are no rate.
    exact = result.model_copy(update={"definitions": {"found": error("found", "found", "", "")}})
    assert by_radius(exact, samples, "found").high.tolist() == [0.0, 1.0]


def test_failures_are_counted_and_a_lost_radius_is_a_gap():
    samples = samples_of(
        radius=[6.0, 6.0, 7.0, 10.0], material=list("abab"), split=["ood"] * 3 + ["id"],
        chamfer=[1.0, None, None, 2.0],
    )  # fmt: skip
    found = by_radius(result_with("chamfer"), samples, "chamfer")
    assert found.n.tolist() == [1, 0, 1] and found.failed.tolist() == [1, 1, 0]
    assert np.isnan(found.mean[1])
    curve = Curve("x", "model", found)
    lines = figures.line_styles({"x": "s0"})
    drawn = figures.radius_curves(
        [curve], metric_of(SPECS["sound"]["chamfer"]), radii_of([samples]), lines
    )
    assert "6 Å: 1 Å (n = 1, 1 failed)" in drawn and "7 Å:" not in drawn


def test_training_radii_are_those_of_the_published_split():
    found = radii_of([samples_of(radius=[10.0, 26.0, 6.0], split=["id", "id", "ood"])])
    assert found.train == tuple(map(float, C2NP["train"]))
    assert found.id == (10.0, 26.0) and found.ood == (6.0,)
    assert radii_of([samples_of(radius=[10.5], split=["id"])]).train == ()


def test_bands_join_radii_that_touch():
    assert figures.runs([10, 11, 17, 21]) == [(10, 11), (17, 17), (21, 21)]
    assert figures.runs([]) == []


def made_curve(name: str, values: list[float]) -> Curve:
    radius = np.arange(6.0, 6.0 + len(values))
    means = np.array(values)
    ones = np.ones(len(values), int)
    from matscale.metrics.scales import Profile

    return Curve(name, "model", Profile(radius, means, means, means, ones, 0 * ones))


def test_orders_of_size_apart_are_drawn_on_a_logarithmic_axis():
    told = metric_of(SPECS["published"]["hausdorff"])
    small, zero = made_curve("a", [0.02, 0.02]), made_curve("c", [0.0, 1e-15])
    large = made_curve("b", [80.0, 90.0])
    axis = figures.Upright([small, large, zero], told)
    assert axis.logarithmic
    assert axis(0.0) == axis(1e-15) == axis.axis.start > axis(0.02) > axis(0.2) > axis(90.0)
    # A decade is a decade everywhere.
    assert axis(0.1) - axis(1.0) == pytest.approx(axis(1.0) - axis(10.0))
    assert not figures.Upright([large, zero], told).logarithmic


def test_an_axis_holds_a_threshold_that_is_near():
    told = metric_of(SPECS["sound"]["bond_length_error"])
    assert told.threshold == 0.5
    assert figures.Upright([made_curve("a", [0.3, 0.4])], told).holds(0.5)


def test_the_frontier_is_flagged_on_the_line_of_the_threshold():
    told = metric_of(SPECS["sound"]["bond_length_error"])
    curves = [made_curve("a", [0.1, 0.4, 0.9]), made_curve("b", [0.7, 0.8, 0.9])]
    lines = figures.line_styles({"a": "s0", "b": "s1"})
    drawn = figures.radius_curves(curves, told, radii_of([]), lines)
    assert re.findall(r"(\w): frontier (\d+) Å", drawn) == [("a", "7")]
    axis = figures.Upright(curves, told)
    assert f" {axis(0.5):.1f}H{342 - 8}" in drawn
    # Of floors only those that stop short are flagged.
    floor = Curve("c", "floor", made_curve("c", [0.1, 0.1, 0.2]).profile)
    assert "c: frontier" not in figures.radius_curves(
        [floor], told, radii_of([]), {"c": ("s5", "")}
    )


def test_no_two_predictors_of_a_colour_are_dashed_alike():
    styles = figures.line_styles({"a": "s5", "b": "s5", "c": "s6", "d": "s5"})
    assert len(set(styles.values())) == 4


def test_charts_of_nothing_known_do_not_break():
    lines = figures.line_styles({"x": "s0"})
    told = metric_of(SPECS["sound"]["chamfer"])
    empty = radii_of([])
    for values in ([math.nan, math.nan], [0.0, 0.0], [-1.0, 2.0]):
        drawn = figures.radius_curves([made_curve("x", values)], told, empty, lines)
        assert drawn.startswith("<svg") and "nan" not in drawn


# --- particles to look at --------------------------------------------------------------------


def unpacked(packed: dict) -> tuple[np.ndarray, np.ndarray]:
    """What the page's script makes of a packed particle, written once more with numpy."""
    raw = base64.b64decode(packed["xyz"])
    positions = np.frombuffer(raw, "<i2").reshape(-1, 3) * 0.01
    return np.repeat([z for z, _ in packed["z"]], [count for _, count in packed["z"]]), positions


def test_packed_atoms_come_back_within_half_a_step():
    rng = np.random.default_rng(1)
    numbers = rng.choice([1, 20, 55], 500)
    positions = rng.uniform(-30, 30, (500, 3))
    found, places = unpacked(view.pack(numbers, positions, cap=1000))
    centred = positions - np.median(positions, axis=0)
    for z in (1, 20, 55):
        assert np.abs(places[found == z] - centred[numbers == z]).max() <= 0.005 + 1e-9


def test_ten_thousand_atoms_take_80_kilobytes():
    rng = np.random.default_rng(1)
    packed = view.pack(np.ones(10_000, int), rng.uniform(-30, 30, (10_000, 3)), cap=10_000)
    assert len(json.dumps(packed)) < 81_000


def test_atoms_that_cannot_be_drawn_are_counted_out():
    positions = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1e9, 0, 0], [np.nan, 0, 0]])
    assert view.pack(np.full(5, 6), positions, cap=9)["n"] == 3
    assert view.pack(np.zeros(0, int), np.zeros((0, 3)), cap=9) == {"n": 0, "z": [], "xyz": ""}


def test_thinning_keeps_atoms_as_they_are():
    rng = np.random.default_rng(1)
    positions = rng.uniform(-30, 30, (400, 3))
    found, places = unpacked(view.pack(np.full(400, 29), positions, cap=50))
    assert len(found) == 50
    every = np.round(positions - np.median(positions, axis=0), 2)
    gaps = np.abs(every[None] - places[:, None]).max(axis=2).min(axis=1)
    assert gaps.max() < 0.011


@given(st.lists(st.integers(0, 120_000), max_size=20))
@settings(max_examples=60, deadline=None)
def test_the_cap_is_the_largest_within_the_budget(sizes):
    cap = view.cap_of(sizes)
    assert sum(min(size, cap) for size in sizes) <= view.BUDGET
    if sum(sizes) > view.BUDGET:
        assert sum(min(size, cap + 1) for size in sizes) > view.BUDGET


def test_the_worst_the_median_and_the_largest():
    samples = samples_of(
        id=list("abcdef"), radius=[6, 6, 10, 10, 30, 30.0], chamfer=[0.1, 9, 0.2, 0.3, 0.4, None]
    )
    assert view.ranked(samples, set("abcdef")) == [(1, "worst"), (3, "median"), (4, "largest kept")]
    assert view.ranked(samples, set("ac"))[0] == (2, "worst kept")
    assert view.ranked(samples, {"f"}) == [(5, "kept")]
    assert view.ranked(samples, set()) == []


# --- tables ----------------------------------------------------------------------------------


def test_tables_keep_digits_and_escape():
    grid = Grid("T & Δ", ("a_b", "x (Å³)"), ((made.HOSTILE_NAME, 1 / 3), ("–", math.nan)))
    lines = list(csv.reader(io.StringIO(grid_to_csv(grid))))
    assert float(lines[1][1]) == 1 / 3 and lines[1][0] == made.HOSTILE_NAME and lines[2][1] == ""
    tex = grid_to_latex(grid)
    assert r"a\_b" in tex and r"\AA{}$^{3}$" in tex and r"T \& $\Delta$" in tex
    assert r"\textless{}script\textgreater{}" in tex and "0.333" in tex
    assert shown(12345) == "12,345" and shown(math.nan) == "–"
