"""Matching against pymatgen and ferrox: the same verdicts, and how much sooner.

Usage: python bench/matching.py            speed, one core (groups of all: all cores), minutes
       python bench/matching.py --carbon24   groups of all Carbon-24 crystals, on one core and two
       python bench/matching.py --parity N [--seed 0]   compare N real pairs; resumes where it was

The data folder is $MATSCALE_DATA, else ../shared/data. Prints tables and writes JSON beside this
file. Compilation is timed apart.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS", "NUMBA_NUM_THREADS")
for variable in THREADS:
    os.environ[variable] = "1"

HERE = Path(__file__).resolve().parent

import numpy as np  # noqa: E402 - after the threads are set

COMPILE = """
import time
import numpy as np
from matscale.matching import batch
from matscale.structures.table import StructureTable
cell = np.eye(3)[None] * 3.0
table = StructureTable.from_parts(["a"], [np.array([6])], [np.zeros((1, 3))], cell)
start = time.perf_counter()
batch.match(table, table)
batch.group(table)
print(time.perf_counter() - start)
"""


def data_folder():
    return Path(os.environ.get("MATSCALE_DATA", HERE.parent.parent / "shared/data")).resolve()


def timed(function, *arguments):
    start = time.perf_counter()
    answer = function(*arguments)
    return time.perf_counter() - start, answer


def one_thread(function, *arguments):
    return function(*arguments, workers=1)


def framework(folder, batch, read):
    """All compatible pairs of data/novelty; pymatgen on a random sample of them."""
    import matching_parity as parity
    from pymatgen.analysis.structure_matcher import FrameworkComparator, StructureMatcher

    generated = read(folder / "novelty/generated.jsonl.gz", workers=1).table
    train = read(folder / "novelty/train.jsonl.gz", workers=1).table
    settings = batch.MatchSettings(
        mode="framework", scale=False, reduce=False, supercell=True, keep_first=True
    )
    seconds, matches = timed(one_thread, batch.match, generated, train, settings)
    n = generated.n_atoms[:, None], train.n_atoms[None, :]
    compatible = np.argwhere(np.maximum(*n) % np.minimum(*n) == 0)
    sample = compatible[np.random.default_rng(0).choice(len(compatible), 1500, replace=False)]
    theirs, _ = timed(parity.pymatgen_answers, generated, train, sample, settings)
    verdicts = replace(settings, criterion="largest")
    sooner, fits = timed(one_thread, batch.match, generated, train, verdicts)
    matcher = StructureMatcher(
        primitive_cell=False,
        scale=False,
        attempt_supercell=True,
        comparator=FrameworkComparator(),
    )
    crystals = [(generated.to_pymatgen(i), train.to_pymatgen(j)) for i, j in sample.tolist()]
    later, fitting = timed(
        lambda: [matcher.fit(a, b, skip_structure_reduction=True) for a, b in crystals]
    )
    found = set(zip(fits.first.tolist(), fits.second.tolist(), strict=True))
    differ = sum(
        (tuple(pair) in found) != fit for pair, fit in zip(sample.tolist(), fitting, strict=True)
    )
    reference = json.loads((folder / "novelty/reference_matches.json").read_text())
    known = {(i, j): rms for i, j, rms, *_ in reference["anonymous"]}
    ours = dict(zip(zip(matches.first, matches.second, strict=True), matches.rms, strict=True))
    return {
        "what": "framework, data/novelty, per compatible pair",
        "pairs": len(compatible),
        "matscale_us": 1e6 * seconds / len(compatible),
        "pymatgen_us": 1e6 * theirs / len(sample),
        "verdicts_only": {
            "matscale_us": 1e6 * sooner / len(compatible),
            "pymatgen_us": 1e6 * later / len(sample),
            "verdict_differences": differ,
        },
        "reference_matches": len(known),
        "missing": len(known.keys() - ours.keys()),
        "extra": len(ours.keys() - known.keys()),
        "largest_rms_gap": max(abs(ours[key] - known[key]) for key in known if key in ours),
        "refused": matches.counts.refused,
    }


def direct(batch, carbon):
    """Raw carbon-24 crystals, reduction included: each crystal once."""
    from pymatgen.analysis.structure_matcher import StructureMatcher

    rows = np.random.default_rng(1).permutation(len(carbon))[:4000].reshape(-1, 2)
    seconds, scores = timed(one_thread, batch.match_pairs, carbon, carbon, rows[:1])
    first, second = carbon[rows[:, 0]], carbon[rows[:, 1]]
    pairs = np.repeat(np.arange(len(rows))[:, None], 2, axis=1)
    settings = batch.MatchSettings(criterion="largest", keep_first=True)
    seconds, scores = timed(one_thread, batch.match_pairs, first, second, pairs, settings)
    matcher = StructureMatcher()
    structures = [(first.to_pymatgen(i), second.to_pymatgen(i)) for i in range(400)]
    theirs, verdicts = timed(lambda: [matcher.fit(a, b) for a, b in structures])
    return {
        "what": "direct, raw carbon-24 crystals, per pair",
        "pairs": len(rows),
        "matscale_us": 1e6 * seconds / len(rows),
        "pymatgen_us": 1e6 * theirs / len(structures),
        "verdict_differences": int((scores.matched[:400] != np.array(verdicts)).sum()),
    }


def grouping(batch, carbon):
    """Groups of 2,000 carbon-24 crystals, against ferrox on one thread."""
    chosen = carbon[np.random.default_rng(2).permutation(len(carbon))[:2000]]
    seconds, (label, counts) = timed(one_thread, batch.group, chosen)
    answer = {
        "what": "grouping 2,000 carbon-24 crystals",
        "matscale_s": seconds,
        "groups": len(np.unique(label)),
        "pairs": counts.considered,
        "tested": counts.tested,
    }
    try:
        from ferrox import StructureMatcher
    except ImportError:
        return answer
    structures = [json.dumps(s.as_dict()) for s in chosen.iter_pymatgen()]
    theirs, groups = timed(StructureMatcher().group, structures)
    return answer | {"ferrox_s": theirs, "ferrox_groups": len(groups)}


def uniqueness(batch, carbon):
    """All carbon-24 crystals in groups, on all cores, at rising tolerances."""
    from matscale.matching.tolerances import Tolerances

    rows = []
    for numbers in ((0.1, 0.1, 2.0), (0.2, 0.2, 5.0), (0.2, 0.3, 5.0), (0.3, 0.5, 10.0)):
        settings = batch.MatchSettings(tolerances=Tolerances(*numbers))
        seconds, (label, counts) = timed(batch.group, carbon, settings)
        rows.append((numbers, len(np.unique(label)) / len(carbon), seconds, counts.tested))
    return rows


def on_cores(batch, carbon):
    """All carbon-24 crystals in groups on one core and on two, from the table to the labels.

    For comparison, on the same 10,153 crystals: 100 s on 12 CPUs for the hash of LeMaterial, 17 h
    on 64 CPUs for StructureMatcher (https://huggingface.co/blog/lematerial, 10 December 2024).
    Wall time is the least of the runs, since the machine may have other work.
    """
    from matscale.matching.tolerances import STRUCTURE_PREDICTION, Tolerances

    rows = []
    for tolerances, runs in ((Tolerances(), 5), (STRUCTURE_PREDICTION, 1)):
        settings = batch.MatchSettings(tolerances)
        for workers in (1, 2):
            walls, cores = [], []
            for _ in range(runs):
                before = time.process_time()
                wall, (label, counts) = timed(
                    lambda settings=settings, workers=workers: batch.group(
                        carbon, settings, workers=workers
                    )
                )
                walls.append(wall)
                cores.append(time.process_time() - before)
            rows.append(
                {
                    "tolerances": settings.numbers,
                    "workers": workers,
                    "wall_s": min(walls),
                    "core_s": min(cores),
                    "crystals": len(carbon),
                    "groups": len(np.unique(label)),
                    "searched": counts.tested,
                }
            )
    return rows


def by_size(batch):
    """Cost of a pair against the number of atoms: a random crystal and a rattled copy."""
    from matscale.structures.table import StructureTable

    rng = np.random.default_rng(3)
    pairs = 400
    rows = []
    for n in (2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 200):
        cells = np.array([np.eye(3) + rng.normal(size=(3, 3)) * 0.1 for _ in range(pairs)])
        cells *= (12.0 * n) ** (1 / 3)
        positions = [rng.random((n, 3)) @ cell for cell in cells]
        numbers = [np.resize([8, 22, 38], n)] * pairs
        one = StructureTable.from_parts([""] * pairs, numbers, positions, cells)
        moved = [p + rng.normal(size=p.shape) * 0.05 for p in positions]
        two = StructureTable.from_parts([""] * pairs, numbers, moved, cells)
        rows_of = np.repeat(np.arange(pairs)[:, None], 2, axis=1)
        settings = batch.MatchSettings(reduce=False)
        asked = batch.match_pairs, one, two, rows_of, settings
        seconds = min(timed(one_thread, *asked)[0] for _ in range(3))
        rows.append((n, 1e6 * seconds / pairs))
    return rows


def main():
    warnings.simplefilter("ignore")
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--parity", type=int, metavar="N")
    arguments.add_argument("--carbon24", action="store_true")
    arguments.add_argument("--seed", type=int, default=0)
    chosen = arguments.parse_args()
    folder = data_folder()
    if chosen.parity:
        import matching_parity as parity

        rows = parity.run(chosen.parity, chosen.seed, folder, HERE / "matching_parity.json")
        for what, row in sorted(rows.items()):
            print(f"{what:62s} {row[0]:7d} pairs {row[1]:6d} match", end="")
            print(f" {row[2]:3d} verdicts differ {row[3]:3d} values differ, by", f"{row[4]:.1e}")
        total = np.sum([row[:4] for row in rows.values()], axis=0)
        print(
            f"all: {total[0]} pairs, {total[1]} match, {total[2]} verdicts differ,",
            total[3],
            "values",
        )
        return
    from matscale.matching import batch
    from matscale.structures.formats import read

    if chosen.carbon24:
        carbon = read(folder / "carbon24/structures.json.zip", workers=1).table
        batch.group(carbon[:2])
        for row in on_cores(batch, carbon):
            print(row)
        return
    command = [sys.executable, "-c", COMPILE]
    starts = [float(subprocess.run(command, capture_output=True, text=True).stdout) for _ in "ab"]
    carbon = read(folder / "carbon24/structures.json.zip", workers=1).table
    batch.match(carbon[:2], carbon[:2])
    batch.group(carbon[:2])
    answer = {
        "machine": platform.processor() or platform.machine(),
        "first_call_s": starts[0],
        "first_call_cached_s": starts[1],
        "direct": direct(batch, carbon),
        "grouping": grouping(batch, carbon),
        "framework": framework(folder, batch, read),
        "uniqueness": uniqueness(batch, carbon),
        "on_cores": on_cores(batch, carbon),
        "us_by_atoms": by_size(batch),
        "peak_MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    for key, value in answer.items():
        print(key, value)
    (HERE / "matching.json").write_text(json.dumps(answer, indent=1, default=float))


if __name__ == "__main__":
    main()
