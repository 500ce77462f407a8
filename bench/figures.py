"""Synthetic figures: how long a set takes, what text gives away, what pixels give.

Usage: python bench/figures.py [--count 1000] [--read 1000] [--seed 0] [--workers 2]

Builds a set in a temporary folder, audits its text, and lets the image floors answer the first
`--read` multiple-choice items from the written PNGs. Prints tables and writes JSON beside this
file.
"""

import argparse
import json
import platform
import tempfile
import time
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np

from matscale.runtime import execution

HERE = Path(__file__).resolve().parent


def answer(task):
    """Whether the image floor is right about one item, and its relative error for a number."""
    from PIL import Image

    from matscale.figures.synthetic.making import ask
    from matscale.figures.synthetic.readers.registry import choose, read

    path, seed, index, truth = task
    asking = ask(seed, index)
    with warnings.catch_warnings(), Image.open(path) as image:
        warnings.simplefilter("ignore")
        reading = read(asking.question.name, np.asarray(image.convert("RGB")))
    chosen = choose(reading, asking.offered)
    error = None
    if isinstance(reading, float) and not isinstance(truth, str):
        error = abs(reading / truth - 1)
    return asking.question.name, asking.difficulty, chosen == asking.truth, chosen is None, error


def blind(figures):
    """Expected accuracy of each rule that sees captions only, by scale."""
    from matscale.figures.audit import RULES
    from matscale.figures.items import LABELS

    reached = defaultdict(list)
    for figure in figures:
        captions = [option.caption for option in figure.item.options]
        place = LABELS.index(figure.item.correct_answer)
        for name, rule in RULES.items():
            share = float(rule(captions)[place])
            reached[name, "all"].append(share)
            reached[name, figure.item.scale].append(share)
    return {
        f"{rule}, {scale}": {
            "accuracy": float(np.mean(values)),
            "half width": float(1.96 * np.std(values) / np.sqrt(len(values))),
            "items": len(values),
        }
        for (rule, scale), values in sorted(reached.items())
    }


def summary(rows):
    errors = np.array([np.inf if row[4] is None else row[4] for row in rows])
    numeric = np.isfinite(errors).any()
    return {
        "items": len(rows),
        "right": float(np.mean([row[2] for row in rows])),
        "unanswered": int(sum(row[3] for row in rows)),
        "within 10 %": float((errors < 0.1).mean()) if numeric else None,
        "median error": float(np.median(errors)) if numeric else None,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="figures to draw")
    parser.add_argument("--read", type=int, default=1000, help="items for the image floors")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()

    from matscale.figures.folder import read_figures
    from matscale.figures.synthetic.build import build

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "figures")
        start = time.perf_counter()
        written = build(folder, options.count, seed=options.seed, workers=options.workers)
        seconds = time.perf_counter() - start
        size = sum(path.stat().st_size for path in folder.rglob("*.png"))
        print(f"{options.count} figures on {options.workers} workers: {seconds:.0f} s, "
              f"{size / 2**20:.0f} MiB, items {written}")  # fmt: skip
        reading = read_figures(folder)
        choices = reading.of("mcq")
        text = blind(choices)
        for name, row in text.items():
            print(f"blind {name:24}{row['accuracy']:.3f} ± {row['half width']:.3f}")
        tasks = [
            (figure.image, options.seed, figure.item.index, figure.item.parameters["value"])
            for figure in choices[: options.read]
        ]
        start = time.perf_counter()
        answers = list(execution.run(answer, tasks, workers=options.workers, label="reading"))
        looking = time.perf_counter() - start

    groups = defaultdict(list)
    for row in answers:
        for key in ("all", f"difficulty {row[1]}", row[0]):
            groups[key].append(row)
    pixels = {name: summary(rows) for name, rows in groups.items()}
    for name, row in pixels.items():
        extra = ""
        if row["within 10 %"] is not None and " " not in name and name != "all":
            extra = f"  within 10 % {row['within 10 %']:.2f}, median {row['median error']:.3f}"
        print(f"image {name:40}{row['right']:.3f} of {row['items']:4d}, "
              f"unanswered {row['unanswered']}{extra}")  # fmt: skip
    document = {
        "count": options.count, "seed": options.seed, "workers": options.workers,
        "build s": seconds, "MiB": size / 2**20, "items": written,
        "refused": reading.refused_by_reason, "reading s": looking, "blind": text,
        "image": pixels, "machine": platform.platform(), "cores": execution.available_cores(),
    }  # fmt: skip
    (HERE / "figures.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
