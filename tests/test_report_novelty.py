"""The page of the novelty task: classes, swaps, the most novel crystals, cases, curves."""

import re
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest
from ase.data import atomic_numbers, chemical_symbols
from markupsafe import escape

import novelty_samples
import report_samples
from matscale.report.draw.crystals import formula
from matscale.report.headline import headline
from matscale.report.page import write_report
from matscale.report.parts.novelty import figures
from matscale.report.parts.novelty.gather import classes_of, farthest_from_training, novelty_cases
from matscale.results.result import Result
from matscale.results.samples import Samples, read_samples
from matscale.structures.formats import read_parquet, write_parquet

COUNT = 120


def samples_of(**columns: list) -> Samples:
    return Samples({name: np.array(values, dtype=object) for name, values in columns.items()})


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("novelty")
    results = novelty_samples.write_results(folder, COUNT)
    return folder, results, write_report(results, folder, folder / "report").read_text("utf-8")


def find(results: list[Result], name: str) -> Result:
    return next(one for one in results if one.predictor.name == name)


# --- what is shown ---------------------------------------------------------------------------


def test_every_section_is_there_and_linked(written):
    _, _, page = written
    for part in ("classes", "swaps", "novel", "curve", "cases"):
        assert f'id="s0-{part}"' in page and f'href="#s0-{part}"' in page
    assert "Are the generated crystals new" in page
    assert "nearest in training" in page


def test_other_tasks_have_none_of_them(tmp_path):
    results = report_samples.write_results(tmp_path, 12)
    page = write_report(results, tmp_path, tmp_path / "report").read_text("utf-8")
    for part in ("classes", "swaps", "novel", "curve"):
        assert f'id="s0-{part}"' not in page
    assert 'id="s0-cases"' in page


def test_files_that_are_gone_leave_sections_out(tmp_path):
    results = novelty_samples.write_results(tmp_path, 30)
    for path in tmp_path.glob("*.parquet"):
        path.unlink()
    page = write_report(results, tmp_path, tmp_path / "report").read_text("utf-8")
    assert 'id="s0-classes"' not in page and "is not in the folder of results" in page


def test_crystals_that_are_gone_leave_the_rest(tmp_path):
    results = novelty_samples.write_results(tmp_path, 30)
    (tmp_path / "matched_train.parquet").unlink()
    page = write_report(results, tmp_path, tmp_path / "report").read_text("utf-8")
    assert "The training crystals are not in the folder of results." in page
    assert 'id="s0-classes"' in page


def test_without_energies_stability_is_not_claimed(tmp_path):
    results = novelty_samples.write_results(tmp_path, COUNT, energies=False)
    page = write_report(results, tmp_path, tmp_path / "report").read_text("utf-8")
    assert "whether they are stable is not known" in page
    assert "Farthest from training, stability unknown" in page
    assert "most novel" not in page.lower()
    assert "<span>metastable</span>" not in page and "above hull <small>" not in page


def test_without_energies_shares_lead_beside_held_out_crystals(tmp_path):
    results = novelty_samples.write_results(tmp_path, COUNT, energies=False)
    said = headline(find(results, "cdvae"), results)
    shares = {name: find(results, "cdvae").metrics[name].value for name in SHARES}
    order = [said.text.index(words) for words in SHARES.values()]
    assert order == sorted(order), "copies, element swaps, neither, invalid"
    for name, words in SHARES.items():
        assert re.search(rf"\b{100 * shares[name]:.0f}(\.\d)?[ \u00a0]% {words}", said.text), name
    line = find(results, "held_out").metrics["substituted"].value
    assert f"Of {COUNT} held-out real crystals, " in said.floor
    assert f"{100 * line:.0f} % copies with elements swapped" in said.floor
    assert said.verdict == "" and "that floor" not in said.text and "skill" not in said.text
    alone = headline(find(results, "cdvae"), [find(results, "training_sample")])
    assert "--held-out" in alone.floor
    page = write_report(results, tmp_path, tmp_path / "report").read_text("utf-8")
    assert "that floor" not in page and "best first" not in page


SHARES = {
    "duplicate": "copies of training crystals",
    "substituted": "copies with elements swapped",
    "unmatched": "neither",
    "invalid": "invalid",
}


def test_each_button_names_the_crystal_that_it_opens(written):
    folder, results, page = written
    for name in ("mattergen", "cdvae"):
        result = find(results, name)
        views, _ = novelty_cases(result, read_samples(result, folder), folder)
        box = page[page.index(f'data-section="s0" data-model="{name}"') :]
        buttons = re.findall(r'<button type="button" data-case.*?</button>', box)[: len(views)]
        for view, button in zip(views, buttons, strict=True):
            assert view["predicted"]["formula"] in button and str(escape(view["id"])) in button


def test_what_was_submitted_cannot_run(written):
    _, _, page = written
    assert report_samples.HOSTILE not in page
    assert "<svg/onload" not in page and "<img src=x" not in page


def test_figures_lie_beside_the_page(written):
    folder, _, _ = written
    names = {path.name for path in (folder / "report" / "figures").glob("*.svg")}
    for ending in ("classes.svg", "classes-cdvae.svg", "swapped-in-cdvae.svg", "curve-1.svg"):
        assert any(name.endswith(ending) for name in names), ending
    assert "#8c2d04" in next((folder / "report" / "figures").glob("*-classes.svg")).read_text()


# --- numbers ---------------------------------------------------------------------------------


def test_bars_hold_every_submitted_crystal(written):
    folder, results, page = written
    for result in results:
        classes = Counter(pq.read_table(folder / result.samples)["class"].to_pylist())
        name = result.predictor.name
        duplicates = re.findall(rf"{name}: duplicate, (\d+) of {COUNT} ", page)
        assert duplicates == ([str(classes["duplicate"])] if classes["duplicate"] else [])
        new = re.findall(rf"{name}: unmatched, (\d+) of {COUNT} \(([\d.]+) %\)", page)
        if classes["unmatched"]:
            share = 100 * classes["unmatched"] / COUNT
            assert new == [(str(classes["unmatched"]), f"{share:.1f}")]


def test_bars_fill_their_width():
    bars = figures.stacked_bars([("cubic", {"duplicate": 1, "unmatched": 3})], "test")
    found = re.findall(r'<rect x="([\d.]+)" width="([\d.]+)"', bars)
    (x0, wide0), (x1, wide1) = [(float(x), float(wide)) for x, wide in found]
    # A hairline of 0.6 divides the parts.
    assert (wide1 + 0.6) / (wide0 + 0.6) == pytest.approx(3, abs=0.01)
    assert x1 == pytest.approx(x0 + wide0 + 0.6, abs=0.11)


def test_empty_rows_have_no_bar():
    bars = figures.stacked_bars([("cubic", {}), ("<b>", {"unmatched": 1})], "test")
    assert bars.count("<rect") == 1 and "&lt;b&gt;" in bars and "<b>" not in bars


def test_kinds_and_unknown_classes():
    samples = samples_of(
        **{"class": ["substituted"] * 4 + ["duplicate", "odd", None]},
        kind=["both", "anonymous", "wyckoff", "", "", "both", None],
    )
    assert classes_of(samples) == [
        "substituted, both ways",
        "substituted, anonymous only",
        "substituted, Wyckoff only",
        "substituted",
        "duplicate",
        "failed",
        "failed",
    ]


def test_the_farthest_from_training_are_stable_valid_unique_and_far():
    samples = samples_of(
        **{"class": ["unmatched"] * 6 + ["duplicate"]},
        energy_above_hull=[0.1, 0.11, 0.0, 0.0, 0.0, None, 0.0],
        valid=[True, True, False, True, True, True, True],
        unique=[True, True, True, False, True, True, True],
        amd_distance=[0.2, 9.0, 9.0, 9.0, 0.5, 9.0, 9.0],
    )
    assert farthest_from_training(samples) == ([4, 0], True)


def test_without_energies_all_valid_ones_are_listed():
    samples = samples_of(**{"class": ["unmatched"] * 3}, amd_distance=[0.2, None, 0.3])
    assert farthest_from_training(samples) == ([2, 0, 1], False)


def test_swaps_count_once_a_crystal(written):
    folder, results, page = written
    texts = pq.read_table(folder / find(results, "cdvae").samples)["swaps"].to_pylist()
    most, count = Counter(word for text in texts for word in set(text.split())).most_common(1)[0]
    out, into = most.split(">")
    listed = page[page.index('aria-label="Commonest swaps of cdvae"') :]
    pattern = rf"<li><b>{out} → {into}</b> <span>{count}</span></li>"
    assert re.search(pattern, listed[: listed.index("</ul>")])


def test_what_is_no_swap_is_counted(tmp_path):
    results = novelty_samples.write_results(tmp_path, 40)
    path = tmp_path / results[0].samples
    table = pq.read_table(path)
    swaps = ["Na>K <script>", "Xx>K", *table["swaps"].to_pylist()[2:]]
    place = table.column_names.index("swaps")
    pq.write_table(table.set_column(place, "swaps", [swaps]), path)
    page = write_report(results, tmp_path, tmp_path / "report").read_text("utf-8")
    assert "2 entries of the file cannot be read as swaps" in page


def test_cases_pair_the_unmatched_with_their_nearest(written):
    folder, results, _ = written
    result = find(results, "mattergen")
    samples = read_samples(result, folder)
    views, problem = novelty_cases(result, samples, folder)
    assert not problem and 0 < len(views) <= 12
    row = farthest_from_training(samples)[0][0]
    assert views[0]["id"] == samples.texts("id")[row]
    assert views[0]["why"] == "metastable"
    assert samples.texts("train_id")[row] in views[0]["facts"][0]
    assert views[0]["target"]["atoms"] and views[0]["predicted"]["atoms"]


def test_crystals_of_repeated_ids_are_drawn_by_their_row(written, tmp_path):
    """All ids alike, generated and training: every case still shows its own two crystals."""
    folder, results, _ = written
    result = find(results, "mattergen")
    for name in (result.predictions, result.targets):
        table = read_parquet(folder / name)
        write_parquet(table.with_ids(["same"] * len(table)), tmp_path / name)
    samples = read_samples(result, folder)
    names = [str(k) for k in range(len(samples))]
    columns = {**samples.columns, "id": np.array(names, object)}
    views, _ = novelty_cases(result, Samples(columns), tmp_path)
    assert len({view["id"] for view in views}) == len(views) > 1
    for view in views:
        row = int(view["id"])
        for side, name, column in (
            ("predicted", result.predictions, "generated_row"),
            ("target", result.targets, "train_row"),
        ):
            place = int(samples.columns[column][row])
            numbers = read_parquet(folder / name).row_numbers(place)
            assert view[side]["formula"] == formula(numbers)
    assert len({view["predicted"]["formula"] for view in views}) > 1


# --- the periodic table and the curve --------------------------------------------------------


@pytest.mark.parametrize(
    ("symbol", "group", "period"),
    [
        ("H", 1, 1), ("He", 18, 1), ("Li", 1, 2), ("Be", 2, 2), ("B", 13, 2), ("Ne", 18, 2),
        ("Mg", 2, 3), ("Al", 13, 3), ("Ar", 18, 3), ("K", 1, 4), ("Sc", 3, 4), ("Fe", 8, 4),
        ("Kr", 18, 4), ("Ag", 11, 5), ("I", 17, 5), ("Xe", 18, 5), ("Ba", 2, 6), ("Hf", 4, 6),
        ("Au", 11, 6), ("Rn", 18, 6), ("Ra", 2, 7),
    ],
)  # fmt: skip
def test_elements_stand_in_their_group_and_period(symbol, group, period):
    assert figures.place_of(atomic_numbers[symbol]) == (group - 1, period - 1)


def test_lanthanides_and_actinides_have_rows_of_their_own():
    assert [figures.place_of(z) for z in (57, 71, 89, 103)] == [(2, 8), (16, 8), (2, 9), (16, 9)]
    places = {figures.place_of(z) for z in range(1, 104)}
    assert len(places) == 103


def test_darker_means_more_often():
    drawn = figures.periodic_table({"Na": 4, "K": 16}, {"Na": "Na goes out 4 times: K 4"}, "t")
    depths = [float(value) for value in re.findall(r'fill-opacity="([\d.]+)"', drawn)]
    assert len(depths) == 2 and depths[0] < depths[1]
    assert "<title>Na goes out 4 times: K 4</title>" in drawn
    assert all(f">{symbol}</text>" in drawn for symbol in chemical_symbols[1:104])


def test_the_curve_counts_submitted_crystals():
    distance = np.array([0.0, 1.0, 2.0, np.nan])
    drawn = figures.novelty_curves([("s0", distance, 4)], "distance")
    path = re.search(r'<path d="M([^"]+)" class="ln st s0"', drawn)[1]
    heights = [float(point.split()[1]) for point in path.split("L")]
    bottom, top = 220 - 36, 12
    share = [(bottom - y) / (bottom - top) for y in heights]
    # Two of four are farther than 0; one farther than 1; the crystal without one never counts.
    assert share[0] == pytest.approx(0.5, abs=0.01)
    assert share[len(share) // 2 + 5] == pytest.approx(0.25, abs=0.01)
