"""The page of the particle tasks: curves, diagnostics, surface, particles in 3D, the paper's."""

import base64
import csv
import io
import json
import math
import re
from itertools import pairwise

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

import particle_report_samples as made
import report_samples
from matscale.datasets.particles import C2NP
from matscale.report import particle_figures as figures
from matscale.report import particle_view as view
from matscale.report.page import write_report
from matscale.report.particle_profiles import Curve, Radii, curve_of, metric_of, radii_of
from matscale.report.particle_splits import memory
from matscale.report.particle_tables import Grid, grid_to_csv, grid_to_latex, shown
from matscale.report.particles import particles
from matscale.report.published_particles import CELLS, PARTICLES, beside_published
from matscale.report.samples import Samples, read_samples
from matscale.results.result import Result

FORWARD_PARTS = ("radius", "diagnostics", "surface", "particles", "paper")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("particles")
    results = [
        *made.write_results(folder, made.FORWARD, largest=9.0),
        *made.write_results(folder, made.BACK),
    ]
    return folder, results, write_report(results, folder, folder / "report").read_text("utf-8")


def find(results: list[Result], task: str, name: str, protocol: str = "sound") -> Result:
    return next(
        one
        for one in results
        if (one.task, one.predictor.name, one.protocol) == (task, name, protocol)
    )


def samples_of(**columns: list) -> Samples:
    return Samples({name: np.array(values, dtype=object) for name, values in columns.items()})


def table(folder, ending: str) -> list[dict[str, str]]:
    (path,) = (folder / "report" / "tables").glob(f"crystal-to-particle-*-{ending}")
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))


# --- what is shown ---------------------------------------------------------------------------


def test_every_part_is_there_and_linked(written):
    _, _, page = written
    for part in FORWARD_PARTS:
        assert f'id="s0-{part}"' in page and f'href="#s0-{part}"' in page
    for part in ("radius", "diagnostics", "paper"):
        assert f'id="s1-{part}"' in page
    for part in ("surface", "particles"):
        assert f'id="s1-{part}"' not in page
    # The viewer of crystals and the dots by radius give way to these.
    assert 'id="s0-cases"' not in page and "<h4>By radius</h4>" not in page


def test_other_tasks_have_none_of_them(tmp_path):
    results = report_samples.write_results(tmp_path, 12)
    page = write_report(results, tmp_path, tmp_path / "report").read_text("utf-8")
    for part in FORWARD_PARTS:
        assert f'id="s0-{part}"' not in page
    assert 'id="s0-cases"' in page


def test_what_was_submitted_cannot_run(written):
    folder, _, page = written
    assert report_samples.HOSTILE not in page and made.HOSTILE_NAME not in page
    assert "<svg/onload" not in page and "<img src=x" not in page
    data = re.search(r'id="s0-clouds">(.*?)</script>', page, re.S)[1]
    assert json.loads(data)["models"]
    # Nothing in the data can end its element; the hostile id is in it all the same.
    assert "<" not in data and "alert('id')" in data
    for path in (folder / "report" / "tables").glob("*.tex"):
        assert "<script>" not in path.read_text("utf-8")
    for path in (folder / "report" / "figures").glob("*.svg"):
        assert "<script>" not in path.read_text("utf-8")


def test_files_that_are_gone_leave_parts_out(tmp_path):
    results = made.write_results(tmp_path, largest=7.0)
    for path in tmp_path.glob("*.parquet"):
        path.unlink()
    page = write_report(results, tmp_path, tmp_path / "report").read_text("utf-8")
    for part in ("radius", "surface", "particles"):
        assert f'id="s0-{part}"' not in page
    assert "is not in the folder of results" in page
    assert 'id="s0-paper"' in page


def test_damaged_particles_are_said(tmp_path):
    results = made.write_results(tmp_path, largest=7.0)
    own = find(results, made.FORWARD, "matter-net")
    (tmp_path / own.predictions).write_bytes(b"PAR1 no more")
    page = write_report(results, tmp_path, tmp_path / "report").read_text("utf-8")
    assert "matter-net: The predicted particles do not read" in page
    assert 'id="s0-particles"' in page


def test_a_floor_under_one_protocol_may_be_a_ceiling_under_the_other(tmp_path):
    results = made.write_results(tmp_path, largest=7.0)
    changed = [
        one.model_copy(update={"predictor": one.predictor.model_copy(update={"kind": "ceiling"})})
        if one.predictor.name == "return_input" and one.protocol == "published"
        else one
        for one in results
    ]
    assert write_report(changed, tmp_path, tmp_path / "report").is_file()


def test_figures_lie_beside_the_page(written):
    folder, _, _ = written
    (path,) = (folder / "report" / "figures").glob("crystal*-radius-sound-chamfer.svg")
    text = path.read_text("utf-8")
    assert "stroke-dasharray:7 3" in text and "OOD" in text
    assert list((folder / "report" / "figures").glob("crystal*-surface-chamfer.svg"))


# --- over the radius -------------------------------------------------------------------------


def test_the_table_by_radius_has_the_means_of_the_samples(written):
    folder, results, _ = written
    own = find(results, made.FORWARD, "matter-net")
    columns = pq.read_table(folder / own.samples).to_pydict()
    lines = [
        line
        for line in table(folder, "radius-sound.csv")
        if (line["predictor"], line["metric"]) == ("matter-net", "chamfer")
    ]
    assert [float(line["radius"]) for line in lines] == sorted({*C2NP["id"], *C2NP["ood"]})
    for line in lines:
        radius = float(line["radius"])
        values = [
            value
            for value, one in zip(columns["chamfer"], columns["radius"], strict=True)
            if one == radius
        ]
        known = [value for value in values if value is not None]
        assert float(line["mean"]) == pytest.approx(sum(known) / len(known), rel=1e-12)
        assert (int(line["n"]), int(line["failed"])) == (len(known), len(values) - len(known))
        assert float(line["low"]) <= float(line["mean"]) <= float(line["high"])
        assert line["split"] == ("id" if radius in C2NP["id"] else "ood")


def test_diagnostics_agree_with_numpy_and_scipy(written):
    folder, _, _ = written
    lines = [
        line
        for line in table(folder, "radius-sound.csv")
        if (line["predictor"], line["metric"]) == ("matter-net", "bond_length_error")
    ]
    radius = np.array([float(line["radius"]) for line in lines])
    mean = np.array([float(line["mean"]) for line in lines])
    (found,) = (
        line
        for line in table(folder, "diagnostics.csv")
        if line["predictor"] == "matter-net"
        and line["metric"] == "bond length error (Å), sound protocol"
    )
    steps = [abs(b - a) for a, b in pairwise(mean)]
    fine = [r for r, m in zip(radius, mean, strict=True) if m <= 0.5]
    inside = np.isin(radius, C2NP["id"])
    slope, start = (
        np.polynomial.Polynomial.fit(np.log(radius[inside]), np.log(mean[inside]), 1)
        .convert()
        .coef[::-1]
    )
    law = np.exp(start) * radius[~inside] ** slope
    expected = {
        "smoothness": spearmanr(radius, mean).statistic,
        "jump ratio": max(steps) / (sum(steps) / len(steps)),
        "frontier (Å)": max(fine),
        "radii inside (%)": 100 * len(fine) / len(radius),
        "mean beyond": np.mean(mean[radius > max(fine)]),
        "power law: exponent": slope,
        "its error at OOD (%)": 100 * np.mean(np.abs(law - mean[~inside]) / mean[~inside]),
    }
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(value, rel=1e-9), name


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
    result = result.model_copy(update={"metrics": {"found": metric}})
    samples = samples_of(
        radius=[6.0] * 4 + [7.0] * 4, material=list("abca") * 2, found=[0.0] * 4 + [1.0] * 4
    )
    found = by_radius(result, samples, "found")
    end = 0.05 ** (1 / 3)
    assert [*found.low, *found.high] == pytest.approx([0, end, 1 - end, 1])
    # Errors of exactly zero are no rate.
    error = metric.model_copy(update={"better": "lower"})
    exact = result.model_copy(update={"metrics": {"found": error}})
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
    drawn = figures.radius_curves([curve], metric_of("chamfer", None), radii_of([samples]), lines)
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
    told = metric_of("hausdorff", None)
    small, zero = made_curve("a", [0.02, 0.02]), made_curve("c", [0.0, 1e-15])
    large = made_curve("b", [80.0, 90.0])
    axis = figures.Upright([small, large, zero], told)
    assert axis.logarithmic
    assert axis(0.0) == axis(1e-15) == axis.axis.start > axis(0.02) > axis(0.2) > axis(90.0)
    # A decade is a decade everywhere.
    assert axis(0.1) - axis(1.0) == pytest.approx(axis(1.0) - axis(10.0))
    assert not figures.Upright([large, zero], told).logarithmic


def test_an_axis_holds_a_threshold_that_is_near():
    told = metric_of("bond_length_error", None)
    assert told.threshold == 0.5
    assert figures.Upright([made_curve("a", [0.3, 0.4])], told).holds(0.5)


def test_the_frontier_is_flagged_on_the_line_of_the_threshold():
    told = metric_of("bond_length_error", None)
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
    told = metric_of("chamfer", None)
    empty = radii_of([])
    for values in ([math.nan, math.nan], [0.0, 0.0], [-1.0, 2.0]):
        drawn = figures.radius_curves([made_curve("x", values)], told, empty, lines)
        assert drawn.startswith("<svg") and "nan" not in drawn


# --- surface and interior --------------------------------------------------------------------


def test_surface_and_interior_are_means_of_their_columns(written):
    folder, results, _ = written
    own = find(results, made.FORWARD, "matter-net")
    columns = pq.read_table(folder / own.samples).to_pydict()
    for line in table(folder, "surface.csv"):
        if (line["predictor"], line["metric"]) != ("matter-net", "Chamfer (Å)"):
            continue
        for side in ("surface", "interior"):
            values = [
                value
                for value, split in zip(columns[f"chamfer_{side}"], columns["split"], strict=True)
                if split == line["split"] and value is not None
            ]
            assert float(line[side]) == pytest.approx(np.mean(values), rel=1e-12)


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


def test_the_page_says_how_many_atoms_are_shown(written, monkeypatch):
    folder, results, page = written
    assert re.search(r"(\d[\d,]*) of \1 atoms shown", page)
    own = [one for one in results if one.task == made.FORWARD and one.protocol == "sound"]
    samples = {one.predictor.name: read_samples(one, folder) for one in own}
    monkeypatch.setattr(view, "BUDGET", 500)
    small = view.gallery(own, samples, folder)
    sides = [s for p in small.predictors for v in p.views for s in (v.target, v.predicted)]
    assert sum(one["n"] for one in small.particles) <= 500
    assert any(0 < side.drawn < side.atoms for side in sides)


def test_a_particle_of_several_views_is_kept_once(written):
    folder, results, _ = written
    own = [one for one in results if one.task == made.FORWARD and one.protocol == "sound"]
    samples = {one.predictor.name: read_samples(one, folder) for one in own}
    found = view.gallery(own, samples, folder)
    # carve returns the truth: both sides are one particle.
    (carved,) = (one for one in found.predictors if one.name == "carve")
    assert all(one.target.key == one.predicted.key for one in carved.views)


# --- the paper's numbers ---------------------------------------------------------------------


def sphere(radius: float) -> float:
    return 4 / 3 * math.pi * radius**3


def test_what_the_explanations_claim_is_so():
    rng = np.random.default_rng(0)
    assert np.mean(rng.normal(0, 0.1, 10**6) ** 2) == pytest.approx(0.0100, abs=5e-5)
    assert math.sqrt((3 * 4.0**2 + 3 * 90**2) / 6) == pytest.approx(CELLS["ADiT"][0][0], abs=0.05)
    means = {split: np.mean([sphere(r) for r in C2NP[split]]) for split in ("id", "ood")}
    assert means["id"] == pytest.approx(33_400, abs=100)
    assert means["ood"] == pytest.approx(54_400, abs=100)
    # The hulls lie within the spheres and leave some room.
    for printed, split in zip(PARTICLES["ADiT"][3], ("id", "ood"), strict=True):
        assert 0.9 < printed / means[split] < 1
    # All atoms at one point: RMSD per coordinate, Hausdorff to the far side.
    for k, split in enumerate(("id", "ood")):
        far = [math.sqrt((68.7**2 + 0.6 * radius**2) / 3) for radius in C2NP[split]]
        assert np.mean(far) == pytest.approx(PARTICLES["ADiT"][1][k], abs=0.05)
        reach = 68.7 + np.mean(C2NP[split])
        assert reach == pytest.approx((86.9, 86.7)[k], abs=0.06)
        assert reach == pytest.approx(PARTICLES["ADiT"][2][k], rel=0.01)
    # A ball of radius R has a mean square radius of 0.6 R^2.
    ball = rng.normal(size=(200_000, 3))
    ball *= (rng.random(200_000) ** (1 / 3) / np.linalg.norm(ball, axis=1))[:, None]
    assert (ball**2).sum(axis=1).mean() == pytest.approx(0.6, abs=0.005)
    cube = PARTICLES["ADiT"][3][0] - PARTICLES["MatterGen"][3][0]
    assert cube == pytest.approx(10.0**3, rel=1e-3)
    ratios = PARTICLES["MatterGen"][5]
    for split, printed, said in zip(("id", "ood"), ratios, (0.087, 0.455), strict=True):
        mean = np.mean([1000 / sphere(r) for r in C2NP[split]])
        assert mean == pytest.approx(said, abs=5e-4) and mean == pytest.approx(printed, rel=0.02)


def test_the_paper_stands_beside_our_predictors(written):
    _, results, page = written
    own = [one for one in results if one.task == made.BACK]
    found = beside_published(own)
    first = [row[0] for row in found.grid.rows]
    assert first[:5] == ["ADiT", "CDVAE", "DiffCSP", "FlowMM", "MatterGen"]
    assert set(first[5:]) == set(made.BACK_PREDICTORS)
    zeros = find(results, made.BACK, "zeros", "published")
    groups = {one.group: one.metrics["rmse"].value for one in zeros.groups if one.by == "split"}
    row = next(row for row in found.data.rows if row[0] == "zeros")
    assert row[2:4] == (groups["id"], groups["ood"])
    said = " ".join(one.ours for one in found.explanations)
    assert f"{shown(groups['id'])} (ID) and {shown(groups['ood'])} (OOD)" in said
    assert "arXiv 2601.19076" in page and beside_published([]) is None


# --- two splits ------------------------------------------------------------------------------


def test_two_splits_stand_beside_each_other(tmp_path):
    results = made.write_results(tmp_path, made.BACK)
    others = [
        one.model_copy(update={"dataset": one.dataset.model_copy(update={"split": "material"})})
        for one in results
    ]
    found = memory(others, [*others, *results])
    assert [name.rpartition(" ")[2] for name in found.columns[2:]] == ["radius", "material"]
    row = next(row for row in found.rows if row[0] == "lookup")
    factor = metric_of("joint_rate", None).factor
    value = find(results, made.BACK, "lookup").metrics["joint_rate"].value
    assert row[2:] == pytest.approx((factor * value, factor * value))
    assert memory(results, results) is None
    page = write_report([*others, *results], tmp_path, tmp_path / "r").read_text("utf-8")
    assert len(list((tmp_path / "r" / "tables").glob("*-splits.csv"))) == 2
    assert 'id="s0-splits"' in page and 'href="#s1-splits"' in page


# --- tables ----------------------------------------------------------------------------------


def test_tables_keep_digits_and_escape():
    grid = Grid("T & Δ", ("a_b", "x (Å³)"), ((made.HOSTILE_NAME, 1 / 3), ("–", math.nan)))
    lines = list(csv.reader(io.StringIO(grid_to_csv(grid))))
    assert float(lines[1][1]) == 1 / 3 and lines[1][0] == made.HOSTILE_NAME and lines[2][1] == ""
    tex = grid_to_latex(grid)
    assert r"a\_b" in tex and r"\AA{}$^{3}$" in tex and r"T \& $\Delta$" in tex
    assert r"\textless{}script\textgreater{}" in tex and "0.333" in tex
    assert shown(12345) == "12,345" and shown(math.nan) == "–"


def test_other_tasks_have_no_particles(tmp_path):
    results = report_samples.write_results(tmp_path, 6)
    assert particles(results, {}, {}, tmp_path) is None
    assert particles([], {}, {}, tmp_path) is None
