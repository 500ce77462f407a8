"""What goes into a paper: a table that fits a page and compiles, and what to cite."""

import csv
import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import typer.testing

import matscale as ms
from matscale.cli import app
from matscale.datasets import DATASETS, papers
from matscale.datasets.papers import Paper
from matscale.report.cite import bibtex, to_cite
from matscale.report.tables.choices import Format, Interval
from matscale.report.tables.latex_width import TEXT_WIDTH, text_width
from matscale.report.tables.paper import MOST_METRICS, on_a_page, paper_table
from matscale.report.tables.paper_formats import render, to_latex
from matscale.report.tables.score import score_tables
from matscale.results.store import save
from report_samples import write_results

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return write_results(tmp_path_factory.mktemp("results"), count=30)


@pytest.fixture
def folder(results, tmp_path):
    for one in results:
        save(one, tmp_path / "results")
    return tmp_path / "results"


def command(*words):
    done = typer.testing.CliRunner().invoke(app, [str(word) for word in words])
    return done


# --- the table -----------------------------------------------------------------------------


def test_a_table_has_models_floors_and_ceiling_in_their_parts(results):
    table = paper_table(results)
    kinds = [row.predictor.kind for row in table.rows]
    assert kinds == ["model"] * 2 + ["floor"] * 3 + ["ceiling"]
    assert len(table.columns) <= MOST_METRICS
    text = to_latex(table)
    assert text.count(r"\midrule") == 3
    assert r"\label{tab:reconstruction-supercon3d-sound}" in text
    assert "n = 30" in table.caption and "sound protocol" in table.caption
    assert "Told: atomgpt: composition, tc" in table.caption


def test_bold_and_the_strongest_floor_are_those_of_the_score_tables(results):
    """The rule has one home; here only the metrics are others."""
    main = score_tables([one for one in results if one.protocol == "sound"])[0]
    names = [column.name for column in main.columns]
    table = paper_table(results, metrics=names)
    for row, other in zip(table.rows, main.rows, strict=True):
        assert row.predictor == other.predictor
        assert [c.best for c in row.cells] == [c.best for c in other.cells]
        assert [c.strongest for c in row.cells] == [c.strongest for c in other.cells]


def test_models_and_metrics_are_chosen_by_name(results):
    table = paper_table(results, metrics=["crmse", "match_rate"], models=["atomgpt"])
    assert [column.name for column in table.columns] == ["crmse", "match_rate"]
    assert [r.predictor.name for r in table.rows if r.predictor.kind == "model"] == ["atomgpt"]
    for wrong, said in (
        ({"metrics": ["match_rat"]}, "did you mean 'match_rate'"),
        ({"models": ["atomgtp"]}, "did you mean 'atomgpt'"),
    ):
        with pytest.raises(ms.UserError, match=said):
            paper_table(results, **wrong)


def test_results_of_two_datasets_are_no_table(results, tmp_path):
    others = [
        one.model_copy(update={"dataset": one.dataset.model_copy(update={"sha256": "ef" * 32})})
        for one in results
    ]
    with pytest.raises(ms.UserError, match="of one task and dataset"):
        paper_table([*results, *others])


def test_intervals_are_even_uneven_in_brackets_or_left_out(results):
    (row,) = [
        r
        for r in paper_table(results, metrics=["match_rate"]).rows
        if r.predictor.name == "atomgpt"
    ]
    cell = row.cells[0]
    up = float(cell.high) - float(cell.value)
    down = float(cell.value) - float(cell.low)
    texts = {
        kind: render(paper_table(results, metrics=["match_rate"], interval=kind), Format.markdown)
        for kind in Interval
    }
    even = f"± {up:.0f}" if up == down else f"(+{up:.0f}/\N{MINUS SIGN}{down:.0f})"
    assert even in texts[Interval.plus_minus]
    assert f"[{cell.low}, {cell.high}]" in texts[Interval.brackets]
    assert "[" not in texts[Interval.none] and "±" not in texts[Interval.none]


def test_csv_keeps_every_digit(results):
    text = render(paper_table(results, metrics=["match_rate", "crmse"]), Format.csv)
    rows = {row["predictor"]: row for row in csv.DictReader(io.StringIO(text))}
    own = next(r for r in results if r.name == "atomgpt.sound").metrics
    assert float(rows["atomgpt"]["match_rate"]) == own["match_rate"].value
    assert float(rows["atomgpt"]["crmse_low"]) == own["crmse"].low
    assert rows["atomgpt"]["n"] == "30"


def test_a_table_that_is_too_wide_says_how_much_fits(results):
    names = [c.name for c in score_tables(results)[0].columns]
    wide = paper_table(results, metrics=names)
    with pytest.raises(ms.UserError, match=rf"{len(names)} metrics .* the first (\d) fit") as error:
        on_a_page(wide, as_named=True)
    fitting = int(re.search(r"first (\d+) fit", str(error.value))[1])
    assert (
        on_a_page(paper_table(results, metrics=names[:fitting]), as_named=True).width < TEXT_WIDTH
    )
    assert len(on_a_page(wide, as_named=False).columns) == fitting


# --- as LaTeX sets it ----------------------------------------------------------------------

HOSTILE = r"µ_{model} 100% & β→γ #1 \input{x} ~^$"


@pytest.fixture(scope="module")
def latex(tmp_path_factory):
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex here: apt-get install texlive-latex-recommended")
    place = tmp_path_factory.mktemp("latex")

    def run(*lines: str) -> str:
        text = [r"\documentclass{article}\usepackage{booktabs,textcomp}", r"\begin{document}"]
        (place / "x.tex").write_text("\n".join([*text, *lines, r"\end{document}"]), "utf-8")
        done = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-no-shell-escape", "x.tex"],
            cwd=place, capture_output=True, text=True, errors="replace",
        )  # fmt: skip
        assert done.returncode == 0, re.findall(r"^!.*\n.*", done.stdout, re.MULTILINE)
        return done.stdout

    return run


@pytest.mark.parametrize("interval", list(Interval))
@pytest.mark.parametrize("protocol", ["sound", "published"])
def test_a_table_compiles_and_fits_the_page(results, latex, interval, protocol):
    named = [
        one.model_copy(update={"predictor": one.predictor.model_copy(update={"name": HOSTILE})})
        if one.predictor.name == "atomgpt" else one
        for one in results
    ]  # fmt: skip
    table = on_a_page(paper_table(named, protocol=protocol, interval=interval), as_named=False)
    text = to_latex(table)
    body = re.search(r"\\begin\{tabular\}.*\\end\{tabular\}", text, re.DOTALL)[0]
    said = latex(
        text,
        r"\newsavebox{\probe}{\small\setlength{\tabcolsep}{3pt}",
        rf"\sbox{{\probe}}{{{body}}}\typeout{{WIDTH \the\wd\probe}}}}",
    )
    width = float(re.search(r"WIDTH ([\d.]+)pt", said)[1])
    assert width <= TEXT_WIDTH
    assert 0.98 * width <= table.width <= 1.1 * width
    assert "Overfull" not in said


def test_widths_of_texts_are_those_of_computer_modern(latex):
    texts = ["composition right", "match rate", "0123456789", "atomgpt", "volume error"]
    said = latex(*(rf"\sbox0{{{text}}}\typeout{{WIDTH \the\wd0}}" for text in texts))
    for text, width in zip(texts, re.findall(r"WIDTH ([\d.]+)pt", said), strict=True):
        assert text_width(text) == pytest.approx(float(width), rel=0.02), text


# --- what to cite --------------------------------------------------------------------------


def entries(text: str) -> dict[str, dict[str, str]]:
    """A small BibTeX reader: one field a line, as the entries are written."""
    found = {}
    for body in re.findall(r"^@\w+\{(.*?)^\}", text, re.MULTILINE | re.DOTALL):
        key, rest = body.split(",", 1)
        fields = re.findall(r"^  (\w+) = \{(.*)\},$", rest, re.MULTILINE)
        assert len(fields) == len(rest.strip().splitlines()), key
        assert key not in found
        found[key] = dict(fields)
    return found


def test_results_cite_program_benchmark_data_and_methods(results):
    found = entries(bibtex(results))
    assert found["campbell2025atombench"]["eprint"] == "2510.16165"
    assert {"choudhary2022supercon", "choudhary2024leaderboard"} <= set(found)  # of the data
    assert {"ong2013pymatgen", "widdowson2022average"} <= set(found)  # of the methods
    assert found["matscale"]["note"] == "Version 0.1.0"
    assert "deng2023chgnet" not in found
    relaxed = [
        one.model_copy(update={"settings": {"potential": "chgnet 0.3.0"}}) for one in results
    ]
    assert "deng2023chgnet" in entries(bibtex(relaxed))
    assert [one.paper.key for one in to_cite(results)] == list(found)


@pytest.mark.parametrize(
    ("task", "number"),
    [
        ("novelty", "2606.23166"),
        ("crystal-to-particle", "2601.19076"),
        ("particle-to-crystal", "2602.09309"),
        ("perception", "2603.19327"),
    ],
)
def test_every_task_has_its_benchmark(results, task, number):
    other = [one.model_copy(update={"task": task}) for one in results]
    assert number in {fields.get("eprint") for fields in entries(bibtex(other)).values()}


def test_every_paper_of_a_dataset_can_be_found():
    for entry in DATASETS.values():
        for paper in entry.citation:
            assert paper.doi or paper.arxiv, paper.key
            assert paper.text.count(paper.doi or paper.arxiv) == 1


def test_matscale_is_cited_as_the_citation_file_says():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    paper = papers.matscale(re.search(r"^version: (.+)$", text, re.MULTILINE)[1])
    assert f'title: "{paper.title}"' in text
    assert all(f'name: "{name}"' in text for name in paper.authors)
    assert re.search(rf"^date-released: {paper.year}-", text, re.MULTILINE)
    assert ms.__version__ == re.search(r"^version: (.+)$", text, re.MULTILINE)[1]


def test_entries_print_with_their_letters():
    paper = Paper("k", ("A. B. Höllmer", "others"), "50 % of Å & co", 2026, arxiv="2601.00001")
    fields = entries(paper.bibtex)["k"]
    assert fields["author"] == r"H{\"o}llmer, A. B. and others"
    assert fields["title"].startswith(r"{50 \%") and r"\&" in fields["title"]
    assert paper.text == "A. B. Höllmer et al., 50 % of Å & co (2026), arXiv:2601.00001"


def test_the_page_has_a_part_to_cite(results, tmp_path):
    page = ms.Scorecard(results).report(tmp_path).read_text(encoding="utf-8")
    part = page[page.index('id="cite"') :]
    assert "@misc{campbell2025atombench," in part
    assert "data-copy" in part[: part.index("</section>")]


# --- the commands --------------------------------------------------------------------------


def test_commands_print_or_write(folder, tmp_path):
    done = command("table", folder, "--metrics", "match_rate,crmse", "--format", "markdown")
    assert done.exit_code == 0 and done.output.startswith("| predictor | match rate (%)")
    done = command("table", folder, "--out", tmp_path / "t.tex")
    assert done.exit_code == 0 and done.output.split() == [str(tmp_path / "t.tex")]
    assert (tmp_path / "t.tex").read_text(encoding="utf-8").startswith("% needs")
    for name, begins in (("t.md", "| predictor |"), ("t.csv", "predictor,"), ("t.txt", "% needs")):
        assert command("table", folder, "--out", tmp_path / name).exit_code == 0
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(begins), name
    command("table", folder, "--out", tmp_path / "u.md", "--format", "latex")
    assert (tmp_path / "u.md").read_text(encoding="utf-8").startswith("% needs")
    done = command("cite", folder)
    assert done.exit_code == 0 and "ong2013pymatgen" in entries(done.output)
    for words, said in (
        (("table", folder, "--protocol", "both"), "of one protocol"),
        (("table", folder, "--out", tmp_path / "none" / "t.tex"), "there is no folder"),
        (("cite", tmp_path / "nothing"), "no result"),
    ):
        done = command(*words)
        assert isinstance(done.exception, ms.UserError) and said in str(done.exception), words


def test_report_opens_the_page_or_says_that_it_cannot(folder, tmp_path, monkeypatch):
    import webbrowser

    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or True)
    done = command("report", folder, "--out", tmp_path / "page", "--open")
    assert done.exit_code == 0
    assert opened == [(tmp_path / "page" / "index.html").resolve().as_uri()]
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    done = command("report", folder, "--out", tmp_path / "page", "--open")
    assert isinstance(done.exception, ms.UserError)
    assert "no browser" in str(done.exception) and "index.html" in str(done.exception)
