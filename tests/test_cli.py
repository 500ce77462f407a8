"""The command line as a stranger meets it: separate processes, exit codes, one-sentence errors."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from crystals import held_out, training
from matscale.structures.formats import write

HEAVY = (
    "numpy",
    "pymatgen",
    "ase",
    "numba",
    "pyarrow",
    "pandas",
    "matplotlib",
    "torch",
    "pydantic",
)


def matscale(*arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "matscale", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def scored(tmp_path_factory) -> Path:
    """A folder in which two submissions were scored; one of them misses three crystals."""
    folder = tmp_path_factory.mktemp("scored")
    write(held_out(), folder / "targets.parquet")
    write(training(), folder / "train.parquet")
    write(held_out(), folder / "good.extxyz")
    write(held_out()[:9], folder / "short.jsonl")
    done = matscale(
        *("score", "reconstruction", "good.extxyz", "short.jsonl"),
        *("--train", "train.parquet", "--targets", "targets.parquet", "--out", "results"),
        *("--told", "good=composition", "--told", "short=positions"),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    (folder / "printed.txt").write_text(done.stdout)
    return folder


def test_help_imports_nothing_heavy(tmp_path):
    code = (
        "import sys; sys.argv = ['matscale', '--help']\n"
        "from matscale.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stderr.strip() == "[]"
    assert "reconstruction" not in done.stdout
    for command in ("score", "compare", "report", "data", "demo", "doctor"):
        assert command in done.stdout


def test_score_prints_a_headline_and_says_what_is_missing(scored):
    printed = " ".join((scored / "printed.txt").read_text().split())
    assert "good rebuilds 100 % of 12 held-out crystals" in printed
    assert "short rebuilds 75 % of 12 held-out crystals" in printed
    assert "short: 3 missing; counted as failures" in printed
    assert "sound protocol" in printed
    assert "published protocol" in printed


def test_the_published_protocol_says_what_it_leaves_out(scored):
    done = matscale(
        *("score", "reconstruction", "short.jsonl", "--targets", "targets.parquet"),
        *("--protocol", "published", "--out", "published"),
        cwd=scored,
    )
    printed = " ".join(done.stdout.split())
    assert "short rebuilds 100 % of the 9 (of 12) that were read of the held-out" in printed
    assert "3 missing; left out, as published" in printed
    assert "There are no floors: name a training set with --train" in printed


def test_json_is_json_and_nothing_else(scored):
    done = matscale(
        *("score", "reconstruction", "short.jsonl", "--targets", "targets.parquet", "--json"),
        cwd=scored,
    )
    results = json.loads(done.stdout)
    assert {r["predictor"]["name"] for r in results} == {"short", "target"}
    assert results[0]["provenance"]["command"].startswith("matscale score reconstruction short")


def test_strict_exits_with_one_where_a_prediction_is_missing(scored):
    options = ("--targets", "targets.parquet", "--out", "strict", "--strict")
    assert matscale("score", "reconstruction", "short.jsonl", *options, cwd=scored).returncode == 1
    assert matscale("score", "reconstruction", "good.extxyz", *options, cwd=scored).returncode == 0


def test_compare_speaks(scored):
    results = ("results/good.sound.result.json", "results/short.sound.result.json")
    done = matscale("compare", *results, cwd=scored)
    assert done.returncode == 0
    assert "good matches 25 points more often than short (95 % interval" in done.stdout
    assert "short was told positions or cell" in done.stdout
    numbers = json.loads(matscale("compare", *results, "--json", cwd=scored).stdout)
    assert numbers[0]["difference"] == pytest.approx(0.25)


def test_report_writes_a_page(scored):
    done = matscale("report", "results", "--out", "page", cwd=scored)
    assert done.stdout.strip() == "page/index.html"
    page = (scored / "page/index.html").read_text()
    assert "short" in page
    assert "told the answer" in page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("score", "reconstruction", "absent.csv"), "absent.csv does not exist"),
        (("score", "reconstruction", "good.extxyz"), "--targets"),
        (("score", "reconstruction", "good.extxyz", "--train", "atlantis"), "atlantis"),
        (("score", "reconstruction", "good.extxyz", "--told", "a=b", "--told", "c"), "--told"),
        (
            (
                "score",
                "reconstruction",
                "good.extxyz",
                "--targets",
                "train.parquet",
                "--out",
                "results",
            ),
            "holds results on other targets",
        ),
        (("report", "targets.parquet"), "not a matscale result"),
        (("report", "."), "no results in"),
        (("score", "reconstruction", "good.extxyz", "--out", "good.extxyz"), "is a file; give"),
        (("score", "novelty", "good.extxyz", "--train", "x", "--out", "/proc/x"), "/proc/x"),
        (("report", "results", "--out", "good.extxyz"), "is a file; give"),
        (("report", "results", "--out", "good.extxyz/under"), "is a file; give"),
        (("compare", "a", "b"), "no result at a"),
        (("compare", ".", "."), "is a folder"),
        (("data", "path", "atlantis"), "atlantis"),
        (("data", "fetch", "mp20", "--sha256", "nonsense"), "FILE=HASH"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_two(scored, arguments, words):
    done = matscale(*arguments, cwd=scored)
    assert done.returncode == 2
    assert done.stderr.startswith("matscale: "), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert words in done.stderr
    assert not done.stdout
    assert "Traceback" in matscale("--debug", *arguments, cwd=scored).stderr


def test_an_interrupted_command_says_that_its_work_is_kept(scored):
    """Interrupted at the first chunk that it keeps, from inside the process."""
    code = (
        "import sys\n"
        "from matscale.runtime import memory\n"
        "def killed(*args): raise KeyboardInterrupt\n"
        "memory.Memory._keep = killed\n"
        "sys.argv = ['matscale', 'score', 'reconstruction', 'good.extxyz', "
        "'--targets', 'targets.parquet', '--out', 'killed']\n"
        "from matscale.cli import main\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=scored, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 130
    assert done.stderr.strip() == "matscale: interrupted; the same command resumes where it stopped"


def test_a_wrong_option_is_exit_code_two(tmp_path):
    assert (
        matscale("score", "reconstruction", "x", "--protocol", "loud", cwd=tmp_path).returncode == 2
    )
    assert matscale("nonsense", cwd=tmp_path).returncode == 2


def test_doctor_and_data_say_what_is_here(tmp_path):
    findings = json.loads(matscale("doctor", "--json", cwd=tmp_path).stdout)
    assert findings["packages"]["pymatgen"]
    assert findings["cores"] >= 1
    text = matscale("doctor", cwd=tmp_path).stdout
    assert "cache" in text
    known = json.loads(matscale("data", "list", "--json", cwd=tmp_path).stdout)
    assert {"supercon3d", "carbon24", "perov5", "alexandria-dsab", "mp20"} <= {
        d["name"] for d in known
    }
    assert "licence" in matscale("data", "info", "supercon3d", cwd=tmp_path).stdout


def test_a_dataset_is_taken_from_a_local_copy(data_dir, tmp_path):
    cache = {"MATSCALE_CACHE": str(tmp_path / "cache"), "MATSCALE_DATA": ""}
    fetched = matscale(
        "data", "fetch", "supercon3d", "--from", data_dir / "supercon3d", cwd=tmp_path, **cache
    )
    assert fetched.returncode == 0, fetched.stderr
    paths = matscale("data", "path", "supercon3d", cwd=tmp_path, **cache).stdout.split()
    assert all(Path(path).is_file() and str(tmp_path) in path for path in paths)


def test_the_demonstration_says_that_it_is_one(tmp_path):
    done = matscale("demo", "--out", "demo", cwd=tmp_path, MATSCALE_DATA="")
    assert done.returncode == 0, done.stderr
    assert "demonstration" in done.stdout
    page = (tmp_path / "demo/report/index.html").read_text()
    assert "This is a demonstration" in page
    assert "unreadable" in page


def test_the_python_interface_is_as_short_as_the_command(scored):
    import matscale as ms

    card = ms.score(
        "reconstruction", scored / "short.jsonl", targets=scored / "targets.parquet", workers=1
    )
    assert card.table().loc["short", "match_rate"] == 0.75
    assert "<table" in card._repr_html_()
    assert len(ms.read(scored / "good.extxyz").table) == 12
    assert len(ms.load_results(scored / "results").results) == 12
    with pytest.raises(ms.UserError, match="no task 'alchemy'"):
        ms.score("alchemy", scored / "short.jsonl")
    with pytest.raises(AttributeError, match="nonsense"):
        _ = ms.nonsense
