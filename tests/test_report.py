import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ase.data.colors import jmol_colors

from matscale.report import wording
from matscale.report.draw import figures
from matscale.report.draw.cases import choose_cases
from matscale.report.draw.crystals import bonds, complete_boundary, elements, upright, view
from matscale.report.page import embedded_json, write_report
from matscale.report.scorecard import Scorecard
from matscale.report.tables.text import to_csv
from matscale.results.result import Metric, RefusedItem, Result
from matscale.results.samples import Samples, read_samples
from matscale.runtime.errors import UserError
from matscale.structures.table import StructureTable
from report_samples import (
    HOSTILE,
    HOSTILE_DETAIL,
    HOSTILE_SOURCE,
    MODELS,
    crystals,
    distorted,
    write_results,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def results(folder) -> list[Result]:
    return write_results(folder, count=24)


@pytest.fixture(scope="module")
def page(results, folder, tmp_path_factory) -> Path:
    return write_report(results, folder, tmp_path_factory.mktemp("report"))


def other_task(result: Result, metrics: dict[str, Metric], **changes) -> Result:
    plain = {"groups": (), "samples": None, "predictions": None, "targets": None, "defects": ()}
    return result.model_copy(
        update={"task": "novelty", "headline": next(iter(metrics)), "metrics": metrics}
        | plain
        | changes
    )


# --- the crystal that is drawn -----------------------------------------------------------


def test_a_corner_atom_is_drawn_on_all_eight_corners():
    cell = np.diag([3.0, 4.0, 5.0])
    numbers, positions = complete_boundary(
        np.array([11, 17, 8]), np.array([[1.0, 0, -1], [0.5, 0.5, 0.5], [0.5, 0.5, 0.999]]), cell
    )
    assert sorted(numbers.tolist()) == [8, 8] + [11] * 8 + [17]
    corners = {tuple(p) for p in np.round(positions[numbers == 11], 6)}
    assert corners == {(x, y, z) for x in (0, 3) for y in (0, 4) for z in (0, 5)}
    assert np.allclose(np.sort(positions[numbers == 8][:, 2]), [-0.005, 4.995])


def test_upright_keeps_the_metric_of_the_cell():
    rng = np.random.default_rng(4)
    for _ in range(20):
        cell = rng.normal(size=(3, 3)) * 4
        turned = upright(cell)
        assert np.allclose(turned @ turned.T, cell @ cell.T)
        assert np.allclose(turned[np.triu_indices(3, 1)], 0)
        assert (np.diag(turned) > 0).all()


def test_bonds_join_neighbours_only():
    positions = np.array([[0, 0, 0], [0.96, 0, 0], [5.0, 0, 0]])
    assert bonds(np.array([8, 1, 1]), positions) == [[0, 1]]
    assert bonds(np.array([8]), positions[:1]) == []


def test_equivalent_cells_are_drawn_alike():
    salt = crystals(3)[2]
    double = salt.copy()
    double.make_supercell([[1, 1, 0], [0, 1, 0], [0, 0, 2]])
    table = StructureTable.from_pymatgen([salt, double])
    first, second = view(table, 0), view(table, 1)
    assert first["formula"] == second["formula"]
    assert first["n"] == second["n"]
    assert first["lengths"] == pytest.approx(second["lengths"], abs=2e-3)
    assert first["volume"] == pytest.approx(second["volume"], abs=0.02)


def test_element_colours_are_jmols():
    drawn = view(StructureTable.from_pymatgen(crystals(1)), 0)
    symbol, colour, _ = elements([drawn])[41]
    assert symbol == "Nb"
    assert colour == "#" + "".join(f"{round(255 * part):02x}" for part in jmol_colors[41])


def test_worst_cases_come_first():
    samples = Samples(
        {
            "id": np.array(list("abcdefgh"), object),
            "status": np.array(["scored"] * 7 + ["disordered"], object),
            "matched": np.array([True, False, False, False, True, False, False, None], object),
            "amd_distance": np.array([0.1, 0.9, 0.5, 2.0, 0.3, 0.2, 1.0, None], object),
        }
    )
    chosen = [(samples.texts("id")[case.row], case.why) for case in choose_cases(samples)]
    assert chosen == [
        ("d", "worst"), ("g", "worst"), ("b", "worst"), ("c", "worst"), ("f", "near miss"),
        ("a", "typical match"),
    ]  # fmt: skip


# --- figures -----------------------------------------------------------------------------


def test_figures_are_well_formed(results, folder, page):
    files = sorted((page.parent / "figures").glob("*.svg"))
    assert len(files) >= 10
    for file in files:
        root = ElementTree.fromstring(file.read_text())
        assert root.tag.endswith("svg") and root.find(".//{*}path") is not None
        assert "http" not in file.read_text().replace("http://www.w3.org/2000/svg", "")


def test_a_figure_of_its_own_names_its_colours(results, page):
    for name in ("by-crystal-system", "errors-all"):
        (file,) = (page.parent / "figures").glob(f"*{name}.svg")
        words = {element.text for element in ElementTree.fromstring(file.read_text()).iter()}
        assert {"atomgpt", "cdvae", "substitution"} <= words


def test_a_line_of_errors_ends_at_the_share_that_was_read():
    count = 10
    columns = {f"target_{p}": np.array([4.0] * count, object) for p in ("a",)}
    columns["predicted_a"] = np.array([4.0] * 6 + [None] * 4, object)
    drawing = figures.error_curves([("s0", Samples(columns))], "a", 1.0)
    heights = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", drawing.split("ln st")[0])]
    top, bottom = 20, 192 - 34
    assert heights[-1] == pytest.approx(bottom + 0.6 * (top - bottom), abs=0.1)


def test_many_points_are_thinned(monkeypatch):
    monkeypatch.setattr(figures, "MOST_POINTS", 50)
    values = np.linspace(3, 9, 400).astype(object)
    samples = Samples({"target_a": values, "predicted_a": values})
    assert figures.parity_plot(samples, "a", "s0").count("h.01") == 50


# --- the page ----------------------------------------------------------------------------


class Reader(HTMLParser):
    """Tags, attributes, text, and whether every element is closed in order."""

    VOID = frozenset({"meta", "input", "br", "img", "link", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> inside {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data):
        self.words.append(data)


def test_the_page_is_whole_html(page):
    reader = Reader(page.read_text())
    assert reader.open == []
    ids = [attrs["id"] for _, attrs in reader.tags if attrs.get("id")]
    assert len(ids) == len(set(ids))
    links = [attrs["href"] for tag, attrs in reader.tags if tag == "a"]
    assert all(link.startswith("#") and link[1:] in ids for link in links)


def test_the_page_needs_nothing_from_outside(page):
    text = page.read_text()
    reader = Reader(text)
    assert not [tag for tag, _ in reader.tags if tag in ("link", "img", "iframe", "object", "base")]
    assert not [attrs for _, attrs in reader.tags if "src" in attrs]
    assert "url(" not in text and "@import" not in text and "fetch(" not in text
    outside = set(re.findall(r"https?://[^\s\"'<)]+", text)) - {"http://www.w3.org/2000/svg"}
    assert not outside
    policy = next(
        attrs["content"]
        for tag, attrs in reader.tags
        if attrs.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'") and "unsafe-eval" not in policy
    assert page.stat().st_size < 3_000_000


def test_hostile_text_stays_text(page):
    text = page.read_text()
    reader = Reader(text)
    for hostile in (HOSTILE, HOSTILE_SOURCE, HOSTILE_DETAIL):
        assert hostile not in text
        assert any(" ".join(hostile.split()) in " ".join(w.split()) for w in reader.words), hostile
    handlers = {name for _, attrs in reader.tags for name in attrs if name.startswith("on")}
    assert not handlers
    assert "49 " not in HOSTILE_DETAIL and "{{ 7 * 7 }}" in text


def test_every_refused_item_is_on_the_page(results, page):
    words = Reader(page.read_text()).words
    for result in results:
        for item in result.refused:
            assert item.id in words and item.reason in words and item.detail in words


def test_a_long_list_is_folded_and_complete(results, folder, tmp_path):
    items = tuple(
        RefusedItem(id=f"id-{k}", source="x.csv", reason="unreadable") for k in range(500)
    )
    first = results[0]
    counts = first.counts.model_copy(update={"refused": {"unreadable": 510}})
    changed = first.model_copy(update={"refused": items, "counts": counts})
    reader = Reader(write_report([changed], folder, tmp_path).read_text())
    assert {item.id for item in items} <= set(reader.words)
    assert any("10 more were counted" in word for word in reader.words)
    folded = [attrs for tag, attrs in reader.tags if tag == "details"]
    assert not any("open" in attrs for attrs in folded)


def test_embedded_json_cannot_end_its_element():
    value = {"id": "</script><!--<script>&\u2028"}
    text = str(embedded_json(value))
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == value


def test_defects_stand_with_the_published_numbers(results, page):
    text = page.read_text()
    section = text[text.index('<section class="published"') :]
    defect = results[1].defects[0]
    assert 0 < section.index(defect) < section.index("<table")


def test_one_result_is_enough(results, tmp_path, folder):
    for result in results[:2]:
        reader = Reader(write_report([result], folder, tmp_path).read_text())
        assert "atomgpt" in reader.words


def test_results_without_files_say_what_is_missing(results, tmp_path):
    text = write_report(results, tmp_path / "nowhere", tmp_path / "a").read_text()
    assert "is not in the folder of results" in text
    Reader(write_report(results, None, tmp_path / "b").read_text())
    bare = [
        result.model_copy(update={"samples": None, "predictions": None, "targets": None})
        for result in results
    ]
    text = write_report(bare, tmp_path, tmp_path / "c").read_text()
    assert "This result has no per-sample scores." in text
    assert "<canvas" not in text


def test_a_file_outside_the_folder_is_not_read(results, folder, tmp_path):
    sneaky = results[0].model_copy(update={"samples": f"../{folder.name}/{results[0].samples}"})
    inside = tmp_path / "inside"
    inside.mkdir()
    assert read_samples(sneaky, inside).problem
    damaged = inside / "x.parquet"
    damaged.write_bytes(b"PAR1 nonsense")
    broken = results[0].model_copy(update={"samples": "x.parquet"})
    assert "does not read" in read_samples(broken, inside).problem


def test_other_tasks_and_datasets_get_their_own_section(results, folder, tmp_path):
    metric = Metric(value=0.7, low=0.6, high=0.8, better="higher", n=50, unit="eV")
    data = results[0].dataset.model_copy(update={"name": "<b>mp20</b>", "split": None})
    other = other_task(results[0], {"stable_fraction": metric}, dataset=data)
    text = write_report([*results, other], folder, tmp_path).read_text()
    reader = Reader(text)
    assert sum(attrs.get("class") == "dataset" for _, attrs in reader.tags) == 2
    assert "<b>mp20</b>" not in text
    assert wording.GENERAL_QUESTION in text
    assert "stable fraction" in "".join(reader.words)
    assert len(list((tmp_path / "tables").glob("*.csv"))) == 3


def test_the_same_floors_of_two_runs_are_shown_once(results, folder, page, tmp_path):
    twice = write_report([*results, *results], folder, tmp_path)
    assert twice.read_bytes() == page.read_bytes()


def test_many_samples_stay_a_small_page(results, folder, tmp_path):
    rng = np.random.default_rng(2)
    count = 20_000
    columns = {"id": [str(k) for k in range(count)], "status": ["scored"] * count}
    for name in figures.PARAMETERS:
        columns[f"target_{name}"] = rng.normal(6, 1, count)
        columns[f"predicted_{name}"] = rng.normal(6, 1, count)
    pq.write_table(pa.table(columns), folder / "many.parquet")
    many = [result.model_copy(update={"samples": "many.parquet"}) for result in results[:6]]
    page = write_report(many, folder, tmp_path)
    assert page.stat().st_size < 3_000_000
    assert "Each plot draws 3000 of 20000 points, chosen at random." in page.read_text()


def test_no_results_is_the_users_mistake(tmp_path):
    with pytest.raises(UserError, match="no results"):
        write_report([], tmp_path, tmp_path)


def test_two_reports_of_the_same_results_are_equal(results, folder, page, tmp_path):
    assert write_report(results, folder, tmp_path).read_bytes() == page.read_bytes()


# --- scorecard ---------------------------------------------------------------------------


def test_the_scorecard_is_a_data_frame(results, folder):
    card = Scorecard(results, folder)
    frame = card.table()
    assert frame.index.tolist() == list(MODELS)
    assert frame.loc["atomgpt", "match_rate"] == 0.38
    assert np.isnan(frame.loc["cdvae", "rms_angstrom"])
    wide = card.table("published", intervals=True)
    assert {"match_rate_low", "kld_a"} <= set(wide.columns)
    assert card["atomgpt"].protocol == "sound"
    assert card["atomgpt.published"].protocol == "published"
    with pytest.raises(KeyError, match="there are: atomgpt"):
        card["nobody"]
    with pytest.raises(UserError, match="published"):
        Scorecard(results[:1]).table("published")


def test_the_scorecard_reads_as_text_and_in_a_notebook(results):
    evil = results[0].predictor.model_copy(update={"name": HOSTILE})
    card = Scorecard([results[0].model_copy(update={"predictor": evil}), *results[2:]])
    assert "38 (" in repr(card) and "sound protocol" in repr(card)
    html = card._repr_html_()
    reader = Reader(html)
    assert reader.open == [] and HOSTILE not in html and HOSTILE in reader.words
    assert "floor 62" in html and "skill −0.63" in html and "http" not in html
    assert repr(Scorecard([])) == "Scorecard with no results"


def test_the_scorecard_writes_its_report(results, folder, tmp_path):
    card = Scorecard(results, folder)
    page = card.report(tmp_path / "out")
    assert page == tmp_path / "out" / "index.html"
    text = page.read_text("utf-8")
    best = card["atomgpt"].metrics["match_rate"]
    assert f'data-value="{best.value}"' in text
    tables = sorted(path.name for path in (tmp_path / "out" / "tables").iterdir())
    assert tables == [
        f"reconstruction-supercon3d-test-split-{protocol}.{kind}"
        for protocol in ("published", "sound")
        for kind in ("csv", "md", "tex")
    ]
    written = (tmp_path / "out" / "tables" / tables[3]).read_text("utf-8")
    assert written == to_csv([one for one in card if one.protocol == "sound"])
    ladder = tmp_path / "out" / "figures" / "reconstruction-supercon3d-test-split-ladder.svg"
    assert "atomgpt" in ladder.read_text("utf-8")


def test_distorted_crystals_differ():
    rng = np.random.default_rng(0)
    first = crystals(1)[0]
    assert distorted(first, rng, 1.0).volume != pytest.approx(first.volume)
