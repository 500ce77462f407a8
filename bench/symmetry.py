"""Do moyopy and spglib agree on space groups, and how fast is Wyckoff matching?

Usage: python bench/symmetry.py [--most 0]; the data folder is $MATSCALE_DATA, else
../shared/data. --most takes that many crystals of each source, evenly spread; 0 takes all.
Prints two tables and writes bench/symmetry.json. One core.

spglib is called as pymatgen calls it, with an angle tolerance of 5 degrees. Where the two differ,
spglib is asked again without that tolerance, which is how moyopy is called.
"""

import argparse
import json
import os
import platform
import statistics
import time
import warnings
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
TOLERANCES = (0.01, 0.1)
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
CENTRED = "ABCFIR"


def sources(data):
    """Name and crystals of each source, and how many items its reader refused."""
    from matscale.structures import formats
    from matscale.structures.table import StructureTable

    flat = {
        "Materials Project": "crystals/mp_2474.cif.zip",
        "JARVIS": "crystals/jarvis_2501.cif.zip",
        "generated": "generated/mattergen_release.cif.zip",
        "novelty, training": "novelty/train.jsonl.gz",
        "novelty, generated": "novelty/generated.jsonl.gz",
    }
    split = {"Supercon-3D": "supercon3d", "Carbon-24": "carbon24", "Perov-5": "perov5"}
    for name, path in flat.items():
        reading = formats.read(data / path, workers=1)
        yield name, reading.table, len(reading.refusals)
    for name, folder in split.items():
        readings = formats.read_json_splits(data / folder / "structures.json.zip").values()
        table = StructureTable.concatenate([reading.table for reading in readings])
        yield name, table, sum(len(reading.refusals) for reading in readings)


def without_angle(table, row, symprec):
    """Spglib's space group with its distance tolerance alone; 0 where it finds none."""
    import numpy as np
    import spglib

    points = np.linalg.solve(table.cells[row].T, table.row_positions(row).T).T
    found = spglib.get_symmetry_dataset(
        (table.cells[row], points, table.row_numbers(row)), symprec=symprec
    )
    return 0 if found is None else found.number


def comparison(table, symprec):
    """How often the two engines agree on one source at one tolerance, and their seconds."""
    import numpy as np

    from matscale.matching.wyckoff.positions import symmetry_of

    found, seconds = {}, {}
    for engine in ("moyopy", "spglib"):
        start = time.perf_counter()
        found[engine] = symmetry_of(table, symprec=symprec, engine=engine, workers=1)
        seconds[engine] = time.perf_counter() - start
    ours, theirs = found["moyopy"], found["spglib"]
    both = ~ours.failed & ~theirs.failed
    differ = np.flatnonzero(both & (ours.groups != theirs.groups))
    alone = np.array([without_angle(table, row, symprec) for row in differ], dtype=int)
    return {
        "crystals": len(table),
        "moyopy fails": int(ours.failed.sum()),
        "spglib fails": int(theirs.failed.sum()),
        "both fail": int((ours.failed & theirs.failed).sum()),
        "same group": int((both & (ours.groups == theirs.groups)).sum()),
        "same sequence": int((both & (ours.sequences == theirs.sequences)).sum()),
        "differ": len(differ),
        "same without angle": int((alone == ours.groups[differ]).sum()),
        "moyopy higher": int((order(ours, differ) > order(theirs, differ)).sum()),
        "moyopy s": seconds["moyopy"],
        "spglib s": seconds["spglib"],
        "differing": [
            [str(table.ids[row]), int(ours.groups[row]), int(theirs.groups[row]), int(single)]
            for row, single in zip(differ, alone, strict=True)
        ],
    }


def order(described, rows):
    """Order of the point group of some rows, (k,)."""
    from pymatgen.symmetry.groups import SpaceGroup

    groups = {}
    for group in {int(group) for group in described.groups[rows]}:
        known = SpaceGroup.from_int_number(group)
        centring = {"F": 4, "R": 3}.get(known.symbol[0], 2 if known.symbol[0] in CENTRED else 1)
        groups[group] = known.order // centring
    import numpy as np

    return np.array([groups[int(group)] for group in described.groups[rows]], dtype=int)


def wyckoff_speed(data, repeat=3):
    """Seconds of symmetry and of matching on the novelty set, and the reference's."""
    from matscale.matching.wyckoff.matches import wyckoff_matches
    from matscale.matching.wyckoff.positions import symmetry_of
    from matscale.structures.formats import read

    reference = json.loads((data / "novelty" / "reference_matches.json").read_text())
    tables = [
        read(data / "novelty" / f"{name}.jsonl.gz", workers=1).table
        for name in ("generated", "train")
    ]
    rows = {}
    for engine in ("moyopy", "spglib"):
        times = []
        for _ in range(repeat):
            start = time.perf_counter()
            sides = [symmetry_of(table, engine=engine, workers=1) for table in tables]
            middle = time.perf_counter()
            matches = wyckoff_matches(*sides, workers=1)
            times.append((middle - start, time.perf_counter() - middle))
        symmetry, matching = (statistics.median(column) for column in zip(*times, strict=True))
        pairs = set(zip(matches.generated.tolist(), matches.train.tolist(), strict=True))
        rows[engine] = {
            "symmetry s": symmetry,
            "matching s": matching,
            "ms a match": 1e3 * matching / len(matches),
            "times faster": reference["seconds"]["wyckoff"] / (symmetry + matching),
            "matches": len(matches),
            "in the reference": len(pairs & {(row[0], row[1]) for row in reference["wyckoff"]}),
        }
    return rows, reference["seconds"]["wyckoff"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=int, default=0, help="crystals of each source; 0 for all")
    most = parser.parse_args().most
    os.environ.update(dict.fromkeys(THREADS, "1"))  # before numpy is imported, below
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    warnings.simplefilter("ignore")
    data = Path(os.environ.get("MATSCALE_DATA") or REPOSITORY.parent / "shared" / "data")

    import numpy as np

    rows = []
    head = ("crystals", "moyopy fails", "spglib fails", "same group", "same sequence", "differ",
            "same without angle", "moyopy higher", "moyopy s", "spglib s")  # fmt: skip
    labels = ("crystals", "m.fails", "s.fails", "group", "sequence", "differ", "no angle",
              "m.higher", "moyopy s", "spglib s")  # fmt: skip
    print(f"{'source':20}{'symprec':>8}" + "".join(f"{label:>10}" for label in labels))
    for name, table, refused in sources(data):
        if most and len(table) > most:
            table = table[np.linspace(0, len(table) - 1, most).astype(int)]
        for symprec in TOLERANCES:
            row = {"source": name, "symprec": symprec, "refused": refused}
            row.update(comparison(table, symprec))
            rows.append(row)
            cells = (f"{row[key]:10.2f}" if key.endswith(" s") else f"{row[key]:10d}"
                     for key in head)  # fmt: skip
            print(f"{name:20}{symprec:8}" + "".join(cells), flush=True)
    for symprec in TOLERANCES:
        chosen = [row for row in rows if row["symprec"] == symprec]
        total, same = (sum(row[key] for row in chosen) for key in ("crystals", "same group"))
        print(f"symprec {symprec}: {same} of {total} space groups equal ({same / total:.3%})")

    speed, published = wyckoff_speed(data)
    print(f"\nWyckoff matches of the novelty set, 150 x 2473; reference: {published:.1f} s")
    for engine, row in speed.items():
        print(f"{engine:10}" + ", ".join(f"{key} {value:.4g}" for key, value in row.items()))
    answer = {
        "agreement": rows,
        "wyckoff": speed,
        "reference s": published,
        "python": platform.python_version(),
    }
    (REPOSITORY / "bench" / "symmetry.json").write_text(json.dumps(answer, indent=2) + "\n")


if __name__ == "__main__":
    main()
