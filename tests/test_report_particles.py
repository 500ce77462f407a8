"""The page of the particle tasks as written: its parts, its tables, the paper's, two splits."""

import csv
import io
import json
import math
import re
from itertools import pairwise

import numpy as np
import pyarrow.parquet as pq
import pytest
from markupsafe import escape
from scipy.stats import spearmanr

import particle_report_samples as made
import report_samples
from matscale.datasets.particles import C2NP
from matscale.report.page import write_report
from matscale.report.parts.particles import view
from matscale.report.parts.particles.profiles import by_split, metric_of
from matscale.report.parts.particles.published import (
    CELLS,
    PARTICLES,
    PRINTED_CELLS,
    beside_published,
)
from matscale.report.tables.grid import shown
from matscale.report.tables.score import specs_of
from matscale.results.result import Result
from matscale.results.samples import read_samples

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


def table(folder, ending: str) -> list[dict[str, str]]:
    (path,) = (folder / "report" / "tables").glob(f"crystal-to-particle-*-{ending}")
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))


# --- what is shown ---------------------------------------------------------------------------


def part_of(page: str, anchor: str) -> str:
    """The HTML of a part: from its section's start to the next section's."""
    return re.search(rf'<section aria-labelledby="{anchor}">.*?</section>', page, re.S)[0]


def test_every_part_is_there_and_linked(written):
    _, _, page = written
    linked = re.findall(r'href="#(s[01]-[a-z0-9-]+)"', page)
    ids = re.findall(r'id="(s[01]-[a-z0-9-]+)"', page)
    assert set(linked) <= set(ids) and len(set(ids)) == len(ids)
    parts = [anchor.removeprefix("s0-") for anchor in linked if anchor.startswith("s0-")]
    assert [part for part in parts if part in FORWARD_PARTS] == list(FORWARD_PARTS)
    back = [anchor.removeprefix("s1-") for anchor in linked if anchor.startswith("s1-")]
    assert [part for part in back if part in FORWARD_PARTS] == ["radius", "diagnostics", "paper"]
    # A curve for each predictor in each chart, its numbers below it.
    radius = part_of(page, "s0-radius")
    charts = re.findall(r"<figure><h5>(.*?) <small>", radius)
    assert charts[0] == "rebuilt (%)" and "Chamfer (Å)" in charts
    assert radius.count("<summary>Numbers</summary>") == len(charts) == len(set(charts))
    for name in made.FORWARD_PREDICTORS:
        shown_name = str(escape(name))
        assert shown_name in radius and shown_name in part_of(page, "s0-diagnostics")
    surface = part_of(page, "s0-surface")
    assert re.findall(r"<figure><h5>(.*?)</h5>", surface) == [
        "bond length error (Å)", "coordination error (neighbours)", "PDD distance (Å)",
        "Chamfer (Å)",
    ]  # fmt: skip
    assert surface.count("<svg") == 4
    particles = part_of(page, "s0-particles")
    assert particles.count("<canvas") == 2 * particles.count('class="cloud"') > 0
    for anchor, printed in (("s0-paper", "40.6 / 40.8"), ("s1-paper", "63.7 / 63.7")):
        assert printed in part_of(page, anchor)
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


def test_the_page_says_how_many_atoms_are_shown(written, monkeypatch):
    folder, results, page = written
    assert re.search(r"(\d[\d,]*) of \1 atoms shown", page)
    own = [one for one in results if one.task == made.FORWARD and one.protocol == "sound"]
    samples = {one.predictor.name: read_samples(one, folder) for one in own}
    monkeypatch.setattr(view, "BUDGET", 500)
    small = view.gallery(own, samples, folder, specs_of(own))
    sides = [s for p in small.predictors for v in p.views for s in (v.target, v.predicted)]
    assert sum(one["n"] for one in small.particles) <= 500
    assert any(0 < side.drawn < side.atoms for side in sides)


def test_a_particle_of_several_views_is_kept_once(written):
    folder, results, _ = written
    own = [one for one in results if one.task == made.FORWARD and one.protocol == "sound"]
    samples = {one.predictor.name: read_samples(one, folder) for one in own}
    found = view.gallery(own, samples, folder, specs_of(own))
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
    found = beside_published(own, PRINTED_CELLS)
    first = [row[0] for row in found.grid.rows]
    assert first[:5] == ["ADiT", "CDVAE", "DiffCSP", "FlowMM", "MatterGen"]
    assert set(first[5:]) == set(made.BACK_PREDICTORS)
    zeros = find(results, made.BACK, "zeros", "published")
    groups = {one.group: one.metrics["rmse"].value for one in zeros.groups if one.by == "split"}
    row = next(row for row in found.data.rows if row[0] == "zeros")
    assert row[2:4] == (groups["id"], groups["ood"])
    said = " ".join(one.ours for one in found.explanations)
    assert f"{shown(groups['id'])} (ID) and {shown(groups['ood'])} (OOD)" in said
    assert "arXiv 2601.19076" in page


# --- two splits ------------------------------------------------------------------------------


def test_two_splits_stand_beside_each_other(tmp_path):
    results = made.write_results(tmp_path, made.BACK)
    others = [
        one.model_copy(update={"dataset": one.dataset.model_copy(update={"split": "material"})})
        for one in results
    ]
    found = by_split(others, [*others, *results])
    assert [name.rpartition(" ")[2] for name in found.columns[2:]] == ["radius", "material"]
    row = next(row for row in found.rows if row[0] == "lookup")
    factor = metric_of(results[0].spec("joint_rate")).factor
    value = find(results, made.BACK, "lookup").metrics["joint_rate"].value
    assert row[2:] == pytest.approx((factor * value, factor * value))
    assert by_split(results, results) is None
    page = write_report([*others, *results], tmp_path, tmp_path / "r").read_text("utf-8")
    assert len(list((tmp_path / "r" / "tables").glob("*-splits.csv"))) == 2
    assert 'id="s0-splits"' in page and 'href="#s1-splits"' in page
