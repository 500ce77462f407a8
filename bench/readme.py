"""The picture and the table of the README, from results: ``make readme``.

Usage: python bench/readme.py RESULTS

``RESULTS`` holds a folder of results per task, as ``make readme`` scores them. Writes
``docs/images/report.png``, the top of the page of the reconstruction results as chromium shows it,
with the numbers that it shows in its text, and the rows of the table in ``README.md``; figures are
drawn and read here, for no model was asked about them.
"""

import argparse
import io
import re
import subprocess
import tempfile
from pathlib import Path

from PIL import Image, PngImagePlugin

from matscale.figures.blind import FLOORS
from matscale.figures.folder import read_figures
from matscale.figures.synthetic.build import build
from matscale.report.page import write_report
from matscale.results.result import Metric, Result
from matscale.results.rounding import interval_decimals, show
from matscale.results.store import load_all
from matscale.tasks.perception import drawn, measures, rows

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs/images/report.png"
README = ROOT / "README.md"
SIZE = (1280, 1000)
FIGURES, SEED = 1000, 0
BEGIN, END = "<!-- table: make readme -->", "<!-- end of table -->"
HEAD = """
| task | question | headline | best model | floor | ceiling |
| --- | --- | --- | --- | --- | --- |"""
TASKS = {
    "reconstruction": ("Does a model rebuild held-out crystals?", "match rate", "match_rate"),
    "novelty": (
        "Is what a model generates a copy, a copy with elements swapped, or neither?",
        "share that is neither",
        "unmatched",
    ),
    "crystal-to-particle": (
        "Can a model cut a sphere of a given radius from a crystal?",
        "particles rebuilt",
        "rebuilt",
    ),
    "particle-to-crystal": (
        "Does a model find the crystal that a particle was cut from?",
        "crystals found",
        "joint_rate",
    ),
    "perception": ("Does a multimodal model read materials figures?", "accuracy", "accuracy"),
}


def percent(metric: Metric) -> str:
    """A share with its interval, such as ``39 % (30–49)``."""
    value, low, high = (100 * end for end in (metric.value, metric.low, metric.high))
    digits = interval_decimals(low, high)
    ends = f" ({show(low, digits)}–{show(high, digits)})" if high > low else ""
    return f"{show(value, digits)} %{ends}"


def line(task: str, model: str, floor: str, ceiling: str) -> str:
    question, headline, _ = TASKS[task]
    page = f"[{task.replace('-', ' ')}](docs/tasks/{task}.md)"
    return f"| {page} | {question} | {headline} | {model} | {floor} | {ceiling} |"


def row(task: str, results: list[Result]) -> str:
    """The best model, the floor that it is held against (else the best), and the ceiling."""
    name = TASKS[task][2]
    shown = {
        kind: [
            (one.predictor.name, one.metrics[name])
            for one in results
            if one.protocol == "sound" and one.predictor.kind == kind and name in one.metrics
        ]
        for kind in ("model", "floor", "ceiling")
    }
    best = {
        kind: max(pairs, key=lambda pair: pair[1].value) for kind, pairs in shown.items() if pairs
    }
    cells = {kind: f"`{predictor}` {percent(one)}" for kind, (predictor, one) in best.items()}
    return line(task, cells.get("model", "none at hand"), cells["floor"], cells["ceiling"])


def perception_row() -> str:
    with tempfile.TemporaryDirectory() as scratch:
        build(Path(scratch, "figures"), FIGURES, seed=SEED)
        figures = read_figures(Path(scratch, "figures")).of("mcq")
        found = {"image_processing": drawn.image_rows(figures)}
        found |= {rule: rows.floor_rows(figures, rule) for rule in FLOORS}
    accuracy = {
        name: measures.metrics(part, "sound", SEED)["accuracy"] for name, part in found.items()
    }
    ceiling = accuracy.pop("image_processing")
    floor = max(accuracy, key=lambda name: accuracy[name].value)
    return line(
        "perception",
        "none asked",
        f"`{floor}` {percent(accuracy[floor])}",
        f"`image_processing` {percent(ceiling)}",
    )


def numbers(results: list[Result]) -> str:
    """What the picture shows of each model: name, match rate, interval and floor."""
    lines = [
        f"{one.predictor.name} {rate.value:.4f} {rate.low:.4f} {rate.high:.4f} {rate.floor:.4f}"
        for one in results
        if one.protocol == "sound" and one.predictor.kind == "model"
        for rate in [one.metrics["match_rate"]]
    ]
    return "\n".join(lines)


def take_picture(results: list[Result], folder: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        page, shot = write_report(results, folder, Path(scratch, "page")), Path(scratch, "shot.png")
        subprocess.run(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             f"--window-size={SIZE[0]},{SIZE[1]}", f"--screenshot={shot}", page.as_uri()],
            check=True, capture_output=True,
        )  # fmt: skip
        image = Image.open(io.BytesIO(shot.read_bytes())).convert("RGB").crop((0, 0, *SIZE))
    told = PngImagePlugin.PngInfo()
    told.add_text("numbers", numbers(results))
    image.quantize(256, dither=Image.Dither.NONE).save(PICTURE, pnginfo=told, optimize=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    folder = parser.parse_args().results
    lines = []
    for task in TASKS:
        if task == "perception":
            lines.append(perception_row())
            continue
        results, place = load_all([folder / task])
        if task == "reconstruction":
            take_picture(results, place)
        lines.append(row(task, results))
    text = README.read_text(encoding="utf-8")
    made = "\n".join([BEGIN, *HEAD.splitlines(), *lines, "", END])
    README.write_text(
        re.sub(f"{BEGIN}.*{END}", lambda _: made, text, flags=re.DOTALL), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
