"""Ranking templates on Supercon-3D: floors and the model `prototype`, with paired intervals.

Usage: python bench/templates.py [--quick]

Five folds of the training set, grouped by reduced formula, whose choice of answers is what choices
of the model are made on; val and test are learnt from the whole training set and reported. Rates
are the share of targets that the first answer matches at stol 0.5, and with an rms of at most 0.3;
a target without an answer counts as not matched. The gain over the floor `substitution` has its
95 % interval by a paired bootstrap over targets. One core; the data folder is $MATSCALE_DATA, else
../shared/data. Prints a table and writes JSON beside this file. ``--quick`` takes two of the folds
and a fifth of the trees.
"""

import argparse
import json
import os
import resource
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

HERE = Path(__file__).resolve().parent
os.environ.setdefault("MATSCALE_DATA", str(HERE.parent.parent / "shared/data"))

import numpy as np  # noqa: E402 - after the threads are set

from matscale.datasets.dataset import load  # noqa: E402
from matscale.matching.batch import MatchSettings, match_pairs  # noqa: E402
from matscale.matching.tolerances import STRUCTURE_PREDICTION  # noqa: E402
from matscale.models.prototype import TemplateRanking  # noqa: E402
from matscale.predictors.floors.crystals import MeanCell  # noqa: E402
from matscale.predictors.floors.substitution import Substitution  # noqa: E402
from matscale.predictors.predictor import Told  # noqa: E402
from matscale.predictors.training import CrystalTraining  # noqa: E402
from matscale.runtime.errors import Refused  # noqa: E402
from matscale.structures import chemistry  # noqa: E402
from matscale.structures.table import StructureTable  # noqa: E402

FOLDS, RESAMPLES, STOLS = 5, 10_000, (0.5, 0.3)


def folds_of(table, seed=0):
    """Fold of each crystal; those of one reduced formula are in one."""
    units = [
        chemistry.reduced(chemistry.composition(table.row_numbers(k))) for k in range(len(table))
    ]
    places = {unit: place for place, unit in enumerate(dict.fromkeys(units))}
    order = np.random.default_rng(seed).permutation(len(places))
    return np.array([np.argsort(order)[places[unit]] % FOLDS for unit in units])


def rms_of(predictor, train, targets):
    """Rms of the first answer to each target, NaN without a match; seconds to fit and to answer."""
    start = time.process_time()
    predictor.fit(CrystalTraining(train))
    fitted = time.process_time()
    rows = range(len(targets))
    told = Told({"composition": [chemistry.composition(targets.row_numbers(row)) for row in rows]})
    answers = predictor.predict(told)
    seconds = fitted - start, time.process_time() - fitted
    answered = np.array([row for row in rows if not isinstance(answers[row], Refused)])
    made = StructureTable.concatenate([answers[row] for row in answered])
    pairs = np.stack([np.arange(len(made)), answered], axis=1)
    settings = MatchSettings(tolerances=STRUCTURE_PREDICTION)
    rms = np.full(len(targets), np.nan)
    rms[answered] = match_pairs(made, targets, pairs, settings, workers=1).rms
    return rms, seconds


def over_folds(make, train, folds, wanted):
    """Rms of all crystals of the wanted folds, each learnt from the other folds."""
    rms, seconds = np.full(len(train), np.nan), []
    for fold in wanted:
        rms[folds == fold], took = rms_of(make(), train[folds != fold], train[folds == fold])
        seconds.append(took)
    return rms[np.isin(folds, wanted)], np.sum(seconds, axis=0)


def gain(mine, floor, seed=0):
    """Difference of two rates in points, with the paired interval."""
    difference = mine.astype(float) - floor
    draws = np.random.default_rng(seed).integers(0, len(mine), (RESAMPLES, len(mine)))
    low, high = np.percentile(difference[draws].mean(axis=1), [2.5, 97.5])
    return [round(100 * float(value), 2) for value in (difference.mean(), low, high)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two folds, few trees")
    quick = parser.parse_args().quick
    trees = {"trees": 30, "rate": 0.2} if quick else {}
    makers = {
        "substitution": Substitution,
        "mean_cell": MeanCell,
        "prototype": lambda: TemplateRanking(**trees),
    }
    dataset = load("supercon3d")
    train = dataset.table("train")
    folds = folds_of(train)
    wanted = range(2 if quick else FOLDS)
    rows, floors = [], {}
    for name, make in makers.items():
        found = {"folds": over_folds(make, train, folds, wanted)}
        for split in ("val", "test"):
            found[split] = rms_of(make(), train, dataset.table(split))
        for where, (rms, (fitting, answering)) in found.items():
            row = {"predictor": name, "where": where, "n": len(rms)}
            row |= {"fit_cpu_s": round(float(fitting), 2)}
            row |= {"answer_ms": round(1000 * float(answering) / len(rms), 2)}
            for stol in STOLS:
                matched = np.nan_to_num(rms, nan=np.inf) <= stol
                floor = floors.setdefault((where, stol), matched)
                row[f"rate_{stol}"] = round(100 * float(matched.mean()), 2)
                row[f"gain_{stol}"] = gain(matched, floor)
            rows.append(row)
            said = "   ".join(
                "{:5.1f} ({:+5.1f}: {:+5.1f} to {:+5.1f})".format(
                    row[f"rate_{stol}"], *row[f"gain_{stol}"]
                )
                for stol in STOLS
            )
            print(
                f"{name:14s} {where:6s} n={len(rms):4d}  {said}  fit {fitting:6.1f} s", flush=True
            )
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"most memory {memory} MiB")
    answer = {"quick": quick, "folds": FOLDS, "memory_mib": memory, "rows": rows}
    (HERE / "templates.json").write_text(json.dumps(answer, indent=1) + "\n")


if __name__ == "__main__":
    main()
