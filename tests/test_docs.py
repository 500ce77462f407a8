"""The README and the documentation say what is there: commands, names, links, words."""

import ast
import os
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name

import pytest
import typer

import matscale
from matscale.cli import app
from matscale.datasets import DATASETS, HYGIENE
from matscale.predictors.predictor import CRYSTAL_FIELDS
from matscale.predictors.registry import FLOORS
from matscale.results.result import Metric, Result
from matscale.structures.formats import REASONS
from matscale.structures.formats.registry import FORMATS
from matscale.tasks.task import TASKS
from test_layering import FLOOR, room_of, sources

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
COMMANDS = ROOT / "docs" / "commands.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHELL = {"console", "sh", "bash"}


def blocks(page: Path, languages: set[str]) -> list[str]:
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [body for language, body in found if language in languages]


def shell_lines(body: str) -> list[str]:
    """What is typed in a block: lines after a prompt, or all where there is none."""
    lines = body.replace("\\\n", " ").splitlines()
    if any(line.startswith("$ ") for line in lines):
        return [line[2:] for line in lines if line.startswith("$ ")]
    return lines


def typed_commands(page: Path) -> list[list[str]]:
    """The arguments of each `matscale` command in the page's blocks."""
    lines = [line for body in blocks(page, SHELL) for line in shell_lines(body)]
    words = [shlex.split(line, comments=True) for line in lines]
    return [line[1:] for line in words if line[:1] == ["matscale"]]


def named_commands(page: Path) -> list[list[str]]:
    """Commands named inside sentences, such as `matscale data fetch NAME`, without `...`."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    spans = [shlex.split(span) for span in re.findall(r"`(matscale [^`]+)`", text)]
    return [[word for word in span[1:] if word != "..."] for span in spans]


def options_of(command) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts}


def find_command(words: list[str]):
    """The command that the words name, and what is left of them."""
    command, rest = typer.main.get_command(app), list(words)
    while hasattr(command, "commands"):
        while rest and rest[0].startswith("--"):
            assert rest[0] in options_of(command) | {"--help"}, f"{command.name}: {rest[0]}"
            rest.pop(0)
        if not rest or rest[0].isupper():
            return command, []
        name = rest.pop(0)
        assert name in command.commands, f"no command {name!r} in: matscale {' '.join(words)}"
        command = command.commands[name]
    return command, rest


def check_parses(words: list[str]) -> None:
    command, rest = find_command(words)
    command.make_context(command.name, rest)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist(page):
    for words in typed_commands(page):
        check_parses(words)
    for words in named_commands(page):
        command, rest = find_command(words)
        unknown = {word for word in rest if word.startswith("--")} - options_of(command)
        assert unknown <= {"--help"}, f"{page.name}: matscale {' '.join(words)}"


def test_a_wrong_command_would_be_found():
    for line in ("data gather supercon3d", "report --colour red x", "compare one.json"):
        with pytest.raises(Exception, match=r"gather|colour|second"):
            check_parses(line.split())


def test_the_page_of_commands_shows_every_command():
    shown = {tuple(word for word in words[:2]) for words in typed_commands(COMMANDS)}
    for name, command in typer.main.get_command(app).commands.items():
        for part in getattr(command, "commands", [""]):
            assert any(words[0] == name and (not part or words[1] == part) for words in shown), (
                f"docs/commands.md has no example of: matscale {name} {part}"
            )


def test_the_readme_is_one_screen_and_has_every_task():
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 130
    table = text.split("<!-- table: make readme -->")[1].split("<!-- end of table -->")[0]
    rows = [line.split("|")[1:-1] for line in table.splitlines() if line.startswith("| [")]
    named = [re.search(r"docs/tasks/(.+)\.md", row[0])[1] for row in rows]
    assert sorted(named) == sorted(TASKS)
    for row in rows:
        assert len(row) == 6 and all(cell.strip() for cell in row)
        assert re.search(r"`\w+` [\d.]+ %", row[4]) and re.search(r"`\w+` [\d.]+ %", row[5]), row


def picture_numbers() -> dict[str, list[float]]:
    """Match rate, interval and floor of each model that the README's picture shows."""
    from PIL import Image

    with Image.open(ROOT / "docs" / "images" / "report.png") as picture:
        lines = picture.text["numbers"].splitlines()
    return {name: [float(one) for one in rest] for name, *rest in map(str.split, lines)}


def test_the_readme_says_what_its_picture_shows():
    rate, low, high, floor = (round(100 * one) for one in picture_numbers()["atomgpt"])
    text = " ".join(README.read_text(encoding="utf-8").split())
    assert f"rebuilds {rate} % of 105" in text and f"and rebuilds {floor} %" in text
    assert f"`atomgpt` {rate} % ({low}–{high})" in text


def test_the_picture_is_of_todays_numbers(data_dir, monkeypatch):
    """If this fails: `make readme`."""
    from matscale.tasks.reconstruction.score import score_reconstruction

    monkeypatch.setenv("MATSCALE_DATA", str(data_dir))
    files = [data_dir / "supercon3d" / f"{name}.csv.zip" for name in ("atomgpt", "cdvae")]
    told = {"atomgpt": "composition,tc", "cdvae": "composition,positions,cell"}
    card = score_reconstruction(files, train="supercon3d", told=told, protocol="sound")
    shown = picture_numbers()
    assert set(shown) == {"atomgpt", "cdvae"}
    for name, numbers in shown.items():
        rate = card[name].metrics["match_rate"]
        assert numbers == pytest.approx([rate.value, rate.low, rate.high, rate.floor], abs=1e-4)


def test_the_python_of_the_readme_runs(data_dir, tmp_path):
    """All but the page; the first line that it prints is the hook's number."""
    (code,) = blocks(README, {"python"})
    (tmp_path / "atomgpt.csv.zip").symlink_to(data_dir / "supercon3d" / "atomgpt.csv.zip")
    done = subprocess.run(
        [sys.executable, "-c", code.replace('card.report("page")', "")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "MATSCALE_DATA": str(data_dir)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("0.39 (0.30 to 0.49), floor 0.70\n")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_resolve(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = [re.sub(r"[^\w\- ]", "", one).strip().lower() for one in headings]
            assert anchor in [slug.replace(" ", "-") for slug in slugs], f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_blocks_use_public_names(page):
    for body in blocks(page, {"python"}):
        for node in ast.walk(ast.parse(body)):
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "ms":
                assert node.attr in matscale.__all__, f"{page.name}: ms.{node.attr}"
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("matscale"):
                module = __import__(node.module, fromlist=[alias.name for alias in node.names])
                for alias in node.names:
                    assert hasattr(module, alias.name), f"{page.name}: {node.module}.{alias.name}"


@pytest.mark.parametrize("command", ["doctor", "data list"])
def test_shown_output_has_the_shape_of_the_real_one(command, tmp_path):
    """Values differ between machines; what each line is about does not."""
    body = next(body for body in blocks(COMMANDS, {"console"}) if f"$ matscale {command}\n" in body)
    shown = re.split(r"^\$ ", body.split(f"$ matscale {command}\n", 1)[1], flags=re.MULTILINE)[0]
    environment = {**os.environ, "MATSCALE_CACHE": str(tmp_path)}
    environment.pop("MATSCALE_DATA", None)
    done = subprocess.run(
        [sys.executable, "-m", "matscale", *command.split()],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    assert labels(shown) == labels(done.stdout)


def labels(output: str) -> list[str]:
    """The words before the first wide gap of each line that does not begin with a space."""
    return [re.split(r"\s{2,}", line)[0] for line in output.splitlines() if line[:1].strip()]


def mentioned(page: str) -> str:
    return (ROOT / "docs" / page).read_text(encoding="utf-8")


def test_submissions_page_has_the_whole_vocabulary():
    text = mentioned("submissions.md")
    for reason, meaning in REASONS.items():
        assert f"| `{reason}` | {meaning} |" in text
    for field, meaning in CRYSTAL_FIELDS.items():
        assert f"| `{field}` | {meaning} |" in text
    for form in FORMATS:
        for suffix in form.suffixes:
            assert f"`{suffix}`" in text, f"{form.name}: {suffix}"


def test_task_pages_define_every_metric():
    pages = sorted((ROOT / "docs" / "tasks").glob("*.md"))
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    for module in TASKS.values():
        for specs in import_module(f"{module}.specs").SPECS.values():
            for name, spec in specs.items():
                wanted = f"{spec.family.name}_a" if spec.family else name
                wanted = f"{spec.of_one}_at_k" if spec.of_one else wanted
                assert f"`{wanted}`" in text, name
    for floor in (factory() for factory in FLOORS["reconstruction"]):
        assert f"| `{floor.name}` | floor | {', '.join(floor.told) or 'nothing'} |" in text


def test_datasets_page_lists_the_registry():
    text = mentioned("datasets.md")
    for name, entry in DATASETS.items():
        assert f"| `{name}` | {entry.title}" in text
    for step, hygiene in HYGIENE.items():
        assert f"| `{step}` |" in text
        assert all(f"`{name}`" in text for name in (*hygiene.everywhere, *hygiene.test))


def test_results_page_explains_every_field():
    text = mentioned("results.md")
    for field in (*Result.model_fields, *Metric.model_fields):
        assert f"`{field}`" in text, field


def test_architecture_page_has_every_room_on_its_floor():
    drawn = re.findall(r"^  (\w+)(?:\.py|/) .* (\d)$", mentioned("architecture.md"), re.MULTILINE)
    rooms = {room_of(module) for module in sources()}
    assert dict(drawn) == {room: str(FLOOR[room]) for room in rooms if not room.startswith("__")}


def test_documented_names_exist():
    """What mkdocstrings is asked for; its own complaint comes only with `make docs`."""
    pages = [page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md")]
    named = {name for page in pages for name in re.findall(r"^::: ([\w.]+)", page, re.MULTILINE)}
    assert named
    for name in named:
        resolve_name(name)


def test_novelty_page_has_every_column_and_class():
    from matscale.tasks.novelty import classify, samples

    text = mentioned("tasks/novelty.md")
    table = (samples.__doc__ or "").split("=\ncolumn")[1]
    columns = re.findall(r"^(\w+) +(?:string|bool|int|double)  ", table, re.MULTILINE)
    assert len(columns) == 27
    for name in (*columns, *classify.CLASSES, *classify.KINDS):
        assert f"`{name}`" in text, name


def test_the_loop_of_the_tutorial_prints_what_it_says(data_dir, tmp_path):
    text = mentioned("tutorial.md")
    code, shown = re.search(
        r'```python title="loop.py"\n(.*?)```\n+```text\n(.*?)```', text, re.DOTALL
    ).groups()
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "MATSCALE_DATA": str(data_dir)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == shown
