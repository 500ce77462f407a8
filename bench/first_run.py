"""The first run after an installation, which compiles, and the second, which does not.

Usage: python bench/first_run.py                       this installation
       python bench/first_run.py --before PYTHON       and another one, by its interpreter

Each command runs with an empty folder for compiled code, then once more with another output; CPU
seconds are those of its processes together. `match` and `score` follow `demo`: what one command has
compiled, the others find. With $MATSCALE_DATA, `score reconstruction` answers 105 crystals of
JARVIS Supercon-3D. Prints a table and writes JSON beside this file.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = os.environ.get("MATSCALE_DATA", "")
MATSCALE = "import sys; from matscale.cli import main; sys.argv[0] = 'matscale'; main()"


def commands():
    """What is run, by name, in order; each writes to the folder that it runs in."""
    known = {
        "demo": ["demo", "--out", "demo"],
        "match": ["match", "demo/targets.parquet", "demo/train.parquet", "--out", "matches.csv"],
    }
    submission = Path(DATA) / "supercon3d/atomgpt.csv.zip"
    if DATA and submission.is_file():
        known["score reconstruction, 105"] = [
            "score", "reconstruction", str(submission), "--train", "supercon3d", "--out", "results",
        ]  # fmt: skip
    return known


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(python, words, folder, cache):
    """CPU and wall seconds of a command."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    cpu, start = cpu_seconds(), time.perf_counter()
    subprocess.run(
        [python, "-c", MATSCALE, *words], cwd=folder, env=environment, check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return {
        "cpu_s": round(cpu_seconds() - cpu, 2),
        "wall_s": round(time.perf_counter() - start, 2),
    }


def measure(python):
    """First and second run of each command."""
    with tempfile.TemporaryDirectory() as place:
        cache, turns = Path(place) / "compiled", ("first", "second")
        for turn in turns:
            (Path(place) / turn).mkdir()
        return {
            name: {turn: run(python, words, Path(place) / turn, cache) for turn in turns}
            for name, words in commands().items()
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", metavar="PYTHON", help="interpreter of another installation")
    options = parser.parse_args()
    results = {"before": measure(options.before)} if options.before else {}
    results["this"] = measure(sys.executable)
    print(f"{'':8} {'command':28} {'first run':>24} {'second run':>24}")
    for which, by_command in results.items():
        for name, turns in by_command.items():
            said = [f"{t['cpu_s']:6.1f} CPU s {t['wall_s']:6.1f} s" for t in turns.values()]
            print(f"{which:8} {name:28} {said[0]:>24} {said[1]:>24}")
    machine = {"processor": platform.processor(), "cores": os.cpu_count()}
    path = HERE / "first_run.json"
    path.write_text(json.dumps({"machine": machine, **results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
