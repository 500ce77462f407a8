"""Results hold no path of the machine that they were made on."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from crystals import held_out, training
from matscale.cli import app
from matscale.results.paths import shown_argument, shown_path, without_paths
from matscale.results.result import Predictor, Provenance, RefusedItem
from matscale.structures.formats import write

NAMES = st.text("abcXYZ019._-", min_size=1, max_size=8).filter(lambda one: one.strip("."))


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("model.csv", "model.csv"),
        ("runs/model.csv", "runs/model.csv"),
        ("/home/ada/runs/model.csv", "model.csv"),
        ("/home/ada/runs/", "runs"),
        ("/home/ada/preds.zip/a/b.cif", "preds.zip/a/b.cif"),
        ("/home/ada/table.csv#row 3", "table.csv#row 3"),
        ("~/runs/model.csv", "model.csv"),
        ("~ada/runs/model.csv", "model.csv"),
        ("../../home/ada/model.csv", "model.csv"),
        (r"C:\Users\ada\model.csv", "model.csv"),
        ("/", "."),
        ("mp/mp-1", "mp/mp-1"),
        ("composition,tc", "composition,tc"),
    ],
)
def test_what_is_shown_of_a_path(path, shown):
    assert shown_path(path) == shown


def test_what_lies_below_the_present_folder_is_given_from_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shown_path(tmp_path / "runs" / "model.csv") == "runs/model.csv"
    assert shown_path(tmp_path) == tmp_path.name
    monkeypatch.chdir("/")
    assert shown_path(tmp_path / "model.csv") == "model.csv", "below the root lies everything"


@given(st.lists(NAMES, min_size=2, max_size=6))
def test_no_absolute_path_is_left(parts):
    path = "/" + "/".join(parts)
    for text in (shown_path(path), without_paths(f"matscale score x {path} --out={path}")):
        assert "/" + parts[0] + "/" not in text and not text.startswith("/")
    assert without_paths(without_paths(path)) == without_paths(path)


@pytest.mark.parametrize(
    "text",
    [
        "rms / ∛V (1/Å)",
        "https://example.org/a/b and http://x/y/z",
        "ID / OOD, and/or, n/a, km/s/Mpc",
        "$MATSCALE_DATA/supercon3d/x.zip",
        "openai/gpt-4o",
        "runs/a/b.csv",
    ],
)
def test_what_is_no_absolute_path_stays(text):
    assert without_paths(text) == text


def test_words_of_a_command():
    words = ["--out=/home/ada/x", "--told", "atomgpt=composition,tc", "m=/home/ada/x/y.csv"]
    assert [*map(shown_argument, words)] == [
        "--out=x", "--told", "atomgpt=composition,tc", "m=y.csv",
    ]  # fmt: skip


def test_results_cannot_hold_one():
    assert Predictor(name="m", kind="model", source="/home/ada/m.csv").source == "m.csv"
    item = RefusedItem(id="x", source="/home/ada/m.zip/x.cif", reason="r", detail="no /home/ada/x")
    assert (item.source, item.detail) == ("m.zip/x.cif", "no x")
    made = Provenance(
        matscale="0", command="matscale score /home/ada/m.csv", seed=0, created="", seconds=0.0,
        machine="",
    )  # fmt: skip
    assert made.command == "matscale score m.csv"


def test_a_run_on_absolute_paths_leaves_none_behind(tmp_path, monkeypatch):
    """Neither in the results nor on the page nor in its tables."""
    secret = tmp_path / "home_of_ada"
    secret.mkdir()
    for name, table in (("train", training()), ("targets", held_out()), ("model", held_out())):
        write(table, secret / f"{name}.jsonl")
    with (secret / "model.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"id": "broken"\n')
    monkeypatch.chdir("/")
    arguments = [
        "score", "reconstruction", str(secret / "model.jsonl"), "--train",
        str(secret / "train.jsonl"), "--targets", str(secret / "targets.jsonl"), "--told",
        "composition", "--out", str(tmp_path / "out"), "--workers", "1",
    ]  # fmt: skip
    monkeypatch.setattr("sys.argv", ["matscale", *arguments])
    assert CliRunner().invoke(app, arguments).exit_code == 0
    pages = ["report", str(tmp_path / "out"), "--out", str(tmp_path / "page")]
    assert CliRunner().invoke(app, pages).exit_code == 0
    files = [
        path
        for folder in ("out", "page")
        for path in (tmp_path / folder).rglob("*")
        if path.suffix in (".json", ".html", ".md", ".tex", ".csv", ".svg")
    ]
    assert len(files) > 10
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert "home_of_ada" not in text and str(tmp_path) not in text, path.name
    page = Path(tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert "matscale score reconstruction model.jsonl --train train.jsonl" in page
    assert os.sep + "home" not in page
