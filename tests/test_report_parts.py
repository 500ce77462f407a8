"""Results of tasks that the report has never seen, and a part that joins by being registered."""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from matscale.report.console import print_scores
from matscale.report.page import write_report
from matscale.report.parts.registry import PARTS, find_part
from matscale.report.scorecard import Scorecard
from matscale.report.tables.paper import paper_table
from matscale.report.tables.score import column_groups, score_tables
from matscale.results import store
from matscale.results.compare import compare
from matscale.results.compared import ComparedTask
from matscale.results.metric import Family, MetricSpec, by_name, error, share
from matscale.results.result import Counts, Dataset, Metric, Predictor, Provenance, Result
from matscale.tasks.task import TASKS

WIDTHS = Family(name="width", label="Width error", definition="Error of the width of each peak.")
SPECS = by_name(
    (
        share(
            "hit", "peaks found", "Share of peaks that are found within 0.25°.", verb="finds peaks",
            column="found", headline=("finds", "of {n} peaks"),
        ),
        error(
            "shift", "peak shift", "°", "Mean shift of a peak.", where="in peak positions",
            column="there", minus="here", group="positions",
        ),
        error("width_k1", "Kα1", "°", "Error of the width of Kα1.", family=WIDTHS),
        error("width_k2", "Kα2", "°", "Error of the width of Kα2.", family=WIDTHS),
        error("offset_total", "offset_total", "°", "Offset.", group="positions", ranked=False),
    ),
    leading=("hit",),
)  # fmt: skip


def result(name: str, kind: str, hit: float, folder) -> Result:
    """A made-up result of a task that matscale does not have."""
    found = np.arange(40) < round(40 * hit)
    shifts = np.where(found, 0.1, 1.5)
    columns = {
        "id": [f"p{k}" for k in range(40)], "status": ["scored"] * 40, "found": found,
        "here": np.zeros(40), "there": -shifts,
    }  # fmt: skip
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), folder / f"{name}.samples.parquet")
    metrics = {
        "width_k1": Metric(value=0.5, unit="°", better="lower", n=40),
        "width_k2": Metric(value=0.25, unit="°", better="lower", n=40),
        "shift": Metric(value=float(shifts.mean()), unit="°", better="lower", n=40),
        "offset_total": Metric(value=None, unit="°", better="lower", n=0),
        "hit": Metric(value=hit, low=hit / 2, high=(1 + hit) / 2, better="higher", n=40),
        "odd_one": Metric(value=7.0, unit="K", better="higher", n=40),
    }
    return Result(
        task="diffraction", protocol="sound",
        predictor=Predictor(name=name, kind=kind, told=("pattern",)),
        dataset=Dataset(name="patterns", sha256="ab" * 32, size=40),
        headline="hit", metrics=metrics, definitions=SPECS,
        counts=Counts(submitted=40, read=40, refused={}), samples=f"{name}.samples.parquet",
        settings={"window": 0.25, "seed_of": name},
        provenance=Provenance(
            matscale="0.2.0", command="matscale score diffraction", seed=0,
            created="2026-01-01T00:00:00Z", seconds=1.0, machine="a machine",
        ),
    )  # fmt: skip


@pytest.fixture
def results(tmp_path) -> list[Result]:
    made = [
        result("peak_reader", "model", 0.75, tmp_path / "r"),
        result("other_model", "model", 0.5, tmp_path / "r"),
        result("blind_floor", "floor", 0.25, tmp_path / "r"),
    ]
    for one in made:
        store.save(one, tmp_path / "r")
    return made


def test_definitions_survive_the_file(results, tmp_path):
    again = store.load(tmp_path / "r" / "peak_reader.sound.result.json")
    assert again.definitions == SPECS
    text = (tmp_path / "r" / "peak_reader.sound.result.json").read_text("utf-8")
    assert '"division"' not in text and '"only_scored"' not in text  # as by default


def test_tables_say_what_a_task_never_seen_says_of_itself(results):
    main, widths = score_tables(results)
    assert [column.heading for column in main.columns] == [
        "peaks found (%)", "peak shift (°)", "offset_total (°)", "odd one (K)",
    ]  # fmt: skip
    assert (main.columns[0].factor, main.columns[1].factor) == (100.0, 1.0)
    assert (widths.title, [column.label for column in widths.columns]) == (
        "Width error", ["Kα1", "Kα2"],
    )  # fmt: skip
    groups = [(group.title, group.columns) for group in column_groups(main)]
    assert groups == [("main metrics", (0,)), ("positions", (1, 2)), ("", (3,))]
    first = next(row for row in Scorecard(results).to_markdown().splitlines() if "peak" in row[:9])
    assert first.startswith(r"| peak\_reader | model | pattern | **75** (38 to 88)")
    assert "Width error of Kα1 (°)" in [
        column.long_heading for column in paper_table(results, metrics=["width_k1"]).columns
    ]


def test_console_and_page_render_it(results, tmp_path):
    with (tmp_path / "said.txt").open("w") as file:
        print_scores(results, Console(file=file, width=100, highlight=False))
    said = (tmp_path / "said.txt").read_text("utf-8")
    assert "peak_reader finds 75 % of 40 peaks" in " ".join(said.split())
    assert "peaks found (%) ↑" in said
    page = write_report(results, tmp_path / "r", tmp_path / "page").read_text("utf-8")
    for definition in ("Share of peaks that are found within 0.25°.", WIDTHS.definition):
        assert f"<dd>{definition}</dd>" in page
    assert "Does the model understand structure, or does it remember it?" in page
    # Settings that all share stand once, those that differ with each predictor.
    assert page.count("<dt>window</dt><dd>0.25</dd>") == 1
    assert page.count("<dt>seed_of</dt>") == 3
    assert "blind_<wbr>floor" in page and "offset_<wbr>total" in page


def test_compare_takes_what_definitions_name(results, tmp_path):
    hit, shift, *rest = compare(results[0], tmp_path / "r", results[1], tmp_path / "r", TASK)
    assert hit.sentence.startswith("peak_reader finds peaks 25 points more often than other_model")
    # |there - here| is 0.1 for a hit and 1.5 for a miss: 10 of 40 samples differ by 1.4.
    assert shift.difference == pytest.approx(-0.35)
    assert "is off by 0.35° less than other_model in peak positions" in shift.sentence
    assert {one.metric for one in rest} == results[0].metrics.keys() - {"hit", "shift"}
    assert not any(one.comparable for one in rest)
    assert next(one.label for one in rest if one.metric == "width_k2") == "Width error of Kα2"


TASK = ComparedTask(samples="peaks")

TEMPLATE = """
{% macro contents(section, data) %}
<li><a href="#{{ section.key }}-peaks">Peaks</a></li>
{% endmacro %}
{% macro body(section, data) %}
<section id="{{ section.key }}-peaks">{{ data }} peaks</section>
{% endmacro %}
"""
MODULE = """
from matscale.report.parts.part import Block, Made, Part, TaskText

def make(gathered):
    names = [one.predictor.name for one in gathered.leading]
    drawing = "<svg xmlns='http://www.w3.org/2000/svg'></svg>"
    return Made(f"{len(names)} times 40", drawings={"peaks": drawing}, tables={"peaks.csv": "a,b"})

PART = Part(
    TaskText("Does the model see the peaks?", "patterns", floors={"blind_floor": "Looking away"}),
    blocks=(
        Block(make, "dummy_part:own.html.j2", ("dummy_part:own.css",), ("dummy_part:own.js",)),
    ),
)
"""


def test_a_part_joins_by_being_registered(results, tmp_path, monkeypatch):
    package = tmp_path / "dummy_part"
    package.mkdir()
    (package / "__init__.py").write_text(MODULE, encoding="utf-8")
    for name, text in {
        "own.html.j2": TEMPLATE, "own.css": ".peak-of-ours { color: red; }", "own.js": "/* ours */",
    }.items():  # fmt: skip
        (package / name).write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(PARTS, "diffraction", "dummy_part")
    page = write_report(results, tmp_path / "r", tmp_path / "page").read_text("utf-8")
    assert "<h1>Does the model see the peaks?</h1>" in page and "40 patterns" in page
    assert 'href="#s0-peaks"' in page and "3 times 40 peaks</section>" in page
    assert ".peak-of-ours" in page and "/* ours */" in page
    assert (tmp_path / "page" / "tables" / "diffraction-patterns-peaks.csv").read_text() == "a,b"
    assert (tmp_path / "page" / "figures" / "diffraction-patterns-peaks.svg").exists()
    sys.modules.pop("dummy_part")


def test_every_task_has_a_part_and_only_that():
    assert PARTS.keys() == TASKS.keys()
    texts = [find_part(task).text for task in PARTS]
    assert len({text.question for text in texts}) == len(texts)
    assert all(find_part(task).blocks and find_part(task).papers for task in PARTS)


def test_styles_and_scripts_are_those_of_the_parts_shown(results, tmp_path):
    page = write_report(results, tmp_path / "r", tmp_path / "page").read_text("utf-8")
    assert "class Turning" not in page and ".swaps" not in page


def test_a_metric_without_a_definition_is_called_by_its_name():
    assert MetricSpec(name="x", label="x", better="lower").long_label == "x"
