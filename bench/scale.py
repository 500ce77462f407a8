"""How long does the search for duplicates and candidates take, and where do its pairs go?

Usage: python bench/scale.py [--generated 10000] [--train 0] [--without perov5] [--workers 2];
the data folder is $MATSCALE_DATA, else ../shared/data. --train takes that many crystals, evenly
spread; 0 takes all, about 34,000. Prints a table and writes bench/scale.json.

Generated-like crystals are, in thirds, rattled and strained copies of the training crystals, copies
with swapped elements, and the training crystals themselves. All are reduced once. Each search runs
in a process of its own, so that its peak memory is its own; kernels are compiled before the clock
starts.
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
from dataclasses import replace
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parent.parent
SEED = 7
ALL = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
WARM = 40
GOAL = (100_000, 5_000_000)
SEARCHES = ("duplicates", "framework candidates", "symmetry", "Wyckoff candidates")


def training(data, count, without):
    """The crystals of the data folders, reduced and thinned, and their number by source."""
    from symmetry import sources

    from matscale.matching.reduced import reduced_table
    from matscale.structures.table import StructureTable

    tables, counts = [], {}
    for name, table, _ in sources(data):
        if name.lower().replace("-", "") not in without:
            counts[name] = len(table)
            tables.append(replace(table, columns={}))
    table, _ = reduced_table(StructureTable.concatenate(tables))
    if count:
        table = table[np.linspace(0, len(table) - 1, count).astype(int)]
    return table, counts


def generated(train, count):
    """Copies of training crystals: rattled, with swapped elements, and as they are."""
    from matscale.matching.reduced import reduced_table
    from matscale.structures.table import StructureTable

    rng = np.random.default_rng(SEED)
    rows = rng.choice(len(train), count, replace=len(train) < count)
    numbers, positions, cells = [], [], []
    for place, row in enumerate(rows):
        elements, sites, cell = train.row_numbers(row), train.row_positions(row), train.cells[row]
        if place % 3 == 0:
            bent = np.eye(3) + rng.normal(0, 0.01, (3, 3))
            sites = (sites + rng.normal(0, 0.05, sites.shape)) @ bent
            cell = cell @ bent
        elif place % 3 == 1:
            elements = swapped(elements, rng)
        numbers.append(elements)
        positions.append(sites)
        cells.append(cell)
    names = [f"g{place}" for place in range(count)]
    made = StructureTable.from_parts(names, numbers, positions, np.array(cells))
    return reduced_table(made)[0]


def swapped(numbers, rng):
    """Each element for another, one to one."""
    old = np.unique(numbers)
    new = rng.choice(np.arange(3, 84), len(old), replace=False).astype(np.uint8)
    return new[np.searchsorted(old, numbers)]


# --- searches, each in its own process ---------------------------------------------------------


def search(name, folder, workers):
    """One search on the tables of a folder: counts, seconds and peak memory."""
    from joblib.externals.loky import get_reusable_executor

    from matscale.structures import formats

    tables = [formats.read_parquet(folder / f"{one}.parquet") for one in ("generated", "train")]
    _search(name, [table[np.arange(min(WARM, len(table)))] for table in tables], 1)
    before, start, cores = _peak_mib(), time.perf_counter(), _core_seconds()
    found = _search(name, tables, workers)
    found["seconds"] = round(time.perf_counter() - start, 2)
    # Only processes that have ended are on the books.
    get_reusable_executor().shutdown(wait=True)
    found["core_seconds"] = round(_core_seconds() - cores, 2)
    found["peak_mib"], found["peak_mib_before"] = _peak_mib(), before
    return found


def _search(name, tables, workers):
    from matscale.matching.batch import NOVELTY, match
    from matscale.matching.wyckoff.positions import symmetry_of
    from matscale.tasks.novelty.search.wyckoff import cheapest_wyckoff
    from matscale.tasks.novelty.settings import NoveltySettings

    if name == "duplicates":
        return _books(match(*tables, NOVELTY, workers=workers))
    if name == "framework candidates":
        return _candidates(*tables, workers)
    symmetry = [symmetry_of(table, workers=workers) for table in tables]
    if name == "symmetry":
        return {
            "crystals": sum(map(len, tables)),
            "failed": sum(int(s.failed.sum()) for s in symmetry),
        }
    start = time.perf_counter()
    found = cheapest_wyckoff(*symmetry, NoveltySettings().top, workers=workers)
    return {
        "considered": len(tables[0]) * len(tables[1]), "of one sequence": found.pairs,
        "passed over: bound to cost more": found.pairs - found.tested, "tested": found.tested,
        "candidates": len(found.rows), "search_seconds": round(time.perf_counter() - start, 2),
    }  # fmt: skip


def _candidates(made, train, workers):
    """The three cheapest of each, as the novelty task finds them."""
    from matscale.tasks.novelty.search.anonymous import cheapest_matches
    from matscale.tasks.novelty.settings import NoveltySettings

    settings = NoveltySettings()
    found = cheapest_matches(made, train, settings.framework, settings.top, workers=workers)
    considered = len(made) * len(train)
    searched = found.tested - sum(found.refused.values())
    return {
        "considered": considered, "refused: sites do not divide": considered - found.pairs,
        "passed over: bound to cost more": found.pairs - found.tested,
        **{f"refused: {name}": count for name, count in found.refused.items()},
        "tested": searched, "candidates": len(found.rows), "undecided": found.undecided,
    }  # fmt: skip


def _books(found):
    counts = found.counts
    refused = {f"refused: {name}": count for name, count in counts.refused.items()}
    return {
        "considered": counts.considered, **refused, "tested": counts.tested,
        "matched": counts.matched,
    }  # fmt: skip


def _peak_mib():
    """Largest memory of this process, and of the largest of its workers, in MiB."""
    return round(sum(resource.getrusage(one).ru_maxrss for one in ALL) / 1024)


def _core_seconds():
    """Time that cores worked for this process and its workers: others on the machine add none."""
    used = [resource.getrusage(one) for one in ALL]
    return sum(one.ru_utime + one.ru_stime for one in used)


# --- what it means for more --------------------------------------------------------------------


def extrapolated(found, pairs):
    """Seconds for the goal, if time grows as the pairs that a search looks at."""
    factor = GOAL[0] * GOAL[1] / pairs
    seconds = found.get("search_seconds", found["seconds"])
    return round(seconds * factor)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--generated", type=int, default=10_000)
    arguments.add_argument("--train", type=int, default=0)
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--without", nargs="*", default=[], help="such as perov5 carbon24")
    arguments.add_argument("--searches", nargs="*", default=SEARCHES, choices=SEARCHES)
    arguments.add_argument("--out", type=Path, default=REPOSITORY / "bench" / "scale.json")
    # What the process of one search is called with.
    arguments.add_argument("--search", choices=SEARCHES, help=argparse.SUPPRESS)
    arguments.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.search:
        print(json.dumps(search(given.search, given.folder, given.workers)))
        return
    data = Path(os.environ.get("MATSCALE_DATA", REPOSITORY.parent / "shared" / "data"))
    report = run(given, data)
    runs = json.loads(given.out.read_text()) if given.out.exists() else []
    given.out.write_text(json.dumps([*runs, report], indent=1) + "\n")


def run(given, data):
    """All searches at one size; prints as it goes."""
    from matscale.structures import formats

    start = time.perf_counter()
    train, counts = training(data, given.train, set(given.without))
    made = generated(train, given.generated)
    seconds = round(time.perf_counter() - start, 1)
    print(f"{len(made)} generated, {len(train)} training crystals; read, reduced: {seconds} s")
    report = {
        "generated": len(made), "train": len(train), "sources": counts, "prepare_seconds": seconds,
        "workers": given.workers, "machine": platform.platform(), "searches": {},
    }  # fmt: skip
    pairs = len(made) * len(train)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        formats.write_parquet(made, folder / "generated.parquet")
        formats.write_parquet(train, folder / "train.parquet")
        for name in given.searches:
            words = [sys.executable, __file__, "--search", name, "--folder", temporary]
            words += ["--workers", str(given.workers)]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            found = json.loads(done.stdout)
            if name != "symmetry":
                found["goal_seconds_by_pairs"] = extrapolated(found, pairs)
            report["searches"][name] = found
            print(f"{name}:", *(f"{key} {value:,}" for key, value in found.items()), sep="\n  ")
    return report


if __name__ == "__main__":
    main()
