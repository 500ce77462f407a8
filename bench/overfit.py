"""The first test of each process: ten crystals are learnt by heart and made again.

Usage: python bench/overfit.py [PROCESS ...] [--steps 4000] [--set NAME=VALUE ...] [--quick]

Ten training crystals of Supercon-3D, drawn by lot ($MATSCALE_DATA, else ../shared/data), are all
that a model learns from; then it is told their compositions and makes eight crystals of each. The
table has the share of all draws, and of the most frequent ones, that match at three tolerances of
sites, and the mean distance of sites of the most frequent ones, over the cube root of the volume
per site. One thread; seconds are of the processor. --quick learns for a few steps, to see that the
bench runs. Prints a table and writes JSON beside this file.
"""

import argparse
import json
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

HERE = Path(__file__).resolve().parent
os.environ.setdefault("MATSCALE_DATA", str(HERE.parent.parent / "shared/data"))

import numpy as np  # noqa: E402 - after the threads are set

CRYSTALS, DRAWS = 10, 8
TOLERANCES = (0.5, 0.3, 0.1)
QUICK = {"training.steps": 40, "network.width": 16, "network.layers": 1}


def ten_crystals(lot):
    """Crystals of the training split, in its order."""
    from matscale import datasets

    table = datasets.load("supercon3d").table("train")
    rows = np.random.default_rng(lot).permutation(len(table))[:CRYSTALS]
    return table[np.sort(rows)]


def matched(made, targets):
    """Tolerance of sites to whether each pair matches, and distances at the last, NaN where not."""
    from matscale.matching.batch import match_pairs
    from matscale.matching.outcomes import MatchSettings
    from matscale.matching.tolerances import STRUCTURE_PREDICTION

    pairs = np.stack([np.arange(len(made))] * 2, axis=1)
    found = {}
    for tolerance in TOLERANCES:
        settings = MatchSettings(tolerances=replace(STRUCTURE_PREDICTION, site=tolerance))
        result = match_pairs(made, targets, pairs, settings, workers=1)
        found[tolerance] = np.asarray(result.matched)
    return found, np.where(found[TOLERANCES[-1]], result.rms, np.nan)


def measured(process, table, settings):
    """A row of the table."""
    from matscale.models.entry import train
    from matscale.predictors.predictor import Told
    from matscale.predictors.training import crystal_fields
    from matscale.structures.table import StructureTable

    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        model = train(process, table, out=Path(folder) / "run", settings=settings)
        learning = time.process_time() - start
    fields = ("composition",)
    told = [crystal_fields(table, row, fields, {}) for row in range(len(table))]
    start = time.process_time()
    answers = model.predict(Told.of(told, fields), candidates=DRAWS, seed=0)
    sampling = time.process_time() - start
    made = StructureTable.concatenate([crystal for draws in answers for crystal in draws])
    found, distances = matched(made, table[np.repeat(np.arange(len(table)), DRAWS)])
    first = slice(None, None, DRAWS)
    return {
        "process": process,
        "parameters": model.record.learning.parameters,
        "steps": model.record.learning.steps,
        "learning_s": round(learning, 1),
        "sampling_s_per_crystal": round(sampling / len(made), 4),
        "draws": {str(at): round(100 * float(own.mean()), 1) for at, own in found.items()},
        "first": {str(at): round(100 * float(own[first].mean())) for at, own in found.items()},
        "first_by_crystal": {str(at): own[first].tolist() for at, own in found.items()},
        "distance": float(np.round(np.nanmean(distances[first]), 4))
        if found[TOLERANCES[-1]][first].any()
        else None,
        "settings": settings,
    }


def nested(assignments):
    """Settings of names with dots."""
    from matscale.models.config import merged

    return merged(None, [f"{name}={value}" for name, value in assignments.items()])


def main():
    from matscale.models.process import Process
    from matscale.models.registry import PROCESSES, process_class

    networks = [name for name in PROCESSES if issubclass(process_class(name), Process)]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("processes", nargs="*", default=networks, metavar="PROCESS")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--lot", type=int, default=0, help="seed of the choice of crystals")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    values = {"training.steps": given.steps, "training.batch": 40, "training.check_every": 250}
    values |= dict(each.split("=", 1) for each in given.set)
    settings = nested(values | (QUICK if given.quick else {}))
    table = ten_crystals(given.lot)
    measured(given.processes[0], table, nested(QUICK))  # compiles what is compiled
    print(f"{'process':10} {'CPU s':>6} {'ms/draw':>8}   draws at 0.5/0.3/0.1   first   distance")
    rows = []
    for process in given.processes:
        row = measured(process, table, settings)
        rows.append(row)
        shares = " / ".join(f"{share:5.1f}" for share in row["draws"].values())
        firsts = " / ".join(f"{share:3.0f}" for share in row["first"].values())
        print(
            f"{process:10} {row['learning_s']:6.0f} {1000 * row['sampling_s_per_crystal']:8.1f}   "
            f"{shares}   {firsts}   {row['distance']}",
            flush=True,
        )
    (HERE / "overfit.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
