"""How fast CIFs and Parquet are read, against pymatgen on the same files in the same run.

Usage: python bench/reading.py [--repeat 3]; the data folder is $MATSCALE_DATA, else ../shared/data.
Prints a table and writes bench/reading.json. One core; compilation is timed apart.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
ARCHIVE = "crystals/mp_2474.cif.zip"
TOLERANCE = 1e-9

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

PEAK = """
import sys, warnings
warnings.simplefilter("ignore")
what, path = sys.argv[1:]
if what == "pymatgen":
    from pathlib import Path
    from pymatgen.core import Structure
    kept = [Structure.from_file(str(p)) for p in sorted(Path(path).rglob("*.cif"))]
elif what == "CIF":
    from matscale.structures.formats import read
    kept = read(path, workers=1)
elif what == "Parquet":
    from matscale.structures.formats import read_parquet
    kept = read_parquet(path)
else:
    import matscale.structures.checks, gemmi, pyarrow.parquet
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"):
        print(line.split()[1])
"""

COMPILE = """
import sys, time
from matscale.structures.formats import read
start = time.perf_counter()
read(sys.argv[1], workers=1)
print(time.perf_counter() - start)
"""


def median_seconds(function, repeat):
    """Median wall time of calls, and what the last one returned."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        answer = function()
        times.append(time.perf_counter() - start)
    return statistics.median(times), answer


def peak_mib(what, path):
    """Peak memory in MiB of a process of its own that reads and keeps everything (Linux)."""
    if not Path("/proc/self/status").exists():
        return float("nan")
    command = [sys.executable, "-c", PEAK, what, str(path)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(result.stdout.split()[-1]) / 1024


def first_call_seconds(path, cache):
    """A first call in a fresh process: imports, and compilation if the cache folder is empty."""
    result = subprocess.run(
        [sys.executable, "-c", COMPILE, str(path)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
    )
    return float(result.stdout)


def differences(structures, table):
    """Number of rows whose lattice, species (in order) or sites differ, and the largest gaps."""
    import numpy as np

    different, lattice_gap, site_gap = 0, 0.0, 0.0
    for row, structure in enumerate(structures):
        if structure.atomic_numbers != tuple(table.row_numbers(row).tolist()):
            different += 1
            continue
        cell = table.cells[row]
        fractions = np.linalg.solve(cell.T, table.row_positions(row).T).T
        gap = fractions - structure.frac_coords
        lattice_gap = max(lattice_gap, np.abs(cell - structure.lattice.matrix).max())
        gap = np.abs(gap - np.round(gap)).max()
        site_gap = max(site_gap, gap)
        different += gap > TOLERANCE or lattice_gap > TOLERANCE
    return {"rows that differ": int(different), "largest lattice gap (Å)": float(lattice_gap),
            "largest fractional gap": float(site_gap)}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=3, help="runs of which the median is given")
    repeat = parser.parse_args().repeat
    os.environ.update(dict.fromkeys(THREADS, "1"))  # before numpy is imported, below
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    warnings.simplefilter("ignore")
    data = Path(os.environ.get("MATSCALE_DATA") or REPOSITORY.parent / "shared" / "data")

    from pymatgen.core import Structure

    from matscale.structures.formats import read, read_parquet, write_parquet

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "cif")
        with zipfile.ZipFile(data / ARCHIVE) as archive:
            archive.extractall(folder)
        files = sorted(folder.rglob("*.cif"))
        compiling = first_call_seconds(files[0], Path(scratch, "numba"))
        compiled = first_call_seconds(files[0], Path(scratch, "numba"))
        read(files[0], workers=1)

        def with_pymatgen():
            return [Structure.from_file(str(path)) for path in files]

        Structure.from_file(str(files[0]))
        slow, structures = median_seconds(with_pymatgen, max(1, repeat // 2 + 1))
        fast, reading = median_seconds(lambda: read(folder, workers=1), 2 * repeat + 1)
        zipped, _ = median_seconds(lambda: read(data / ARCHIVE, workers=1), 2 * repeat + 1)
        parquet = Path(scratch, "x.parquet")
        write_parquet(reading.table, parquet)
        read_parquet(parquet)
        column, table = median_seconds(lambda: read_parquet(parquet), 4 * repeat + 1)
        checked, _ = median_seconds(lambda: read(parquet), 4 * repeat + 1)

        assert reading.table.ids.tolist() == [path.stem for path in files]
        assert not reading.refusals
        assert table.sha256() == reading.table.sha256()
        equality = differences(structures, table)
        rows = [
            ("pymatgen Structure.from_file", slow, peak_mib("pymatgen", folder)),
            ("matscale read, CIF files", fast, peak_mib("CIF", folder)),
            ("matscale read, CIFs in a zip", zipped, peak_mib("CIF", data / ARCHIVE)),
            ("matscale read, Parquet, checked", checked, None),
            ("matscale read_parquet", column, peak_mib("Parquet", parquet)),
        ]
        sizes = {
            "CIF": sum(path.stat().st_size for path in files),
            "Parquet": parquet.stat().st_size,
        }

    count, atoms = len(files), len(table.numbers)
    print(f"{count} CIFs, {atoms} atoms, one core of {platform.processor() or platform.machine()}")
    print(f"{'':34}{'seconds':>10}{'ms each':>10}{'times faster':>14}{'peak MiB':>10}")
    for name, seconds, memory in rows:
        peak = f"{memory:10.0f}" if memory else f"{'':>10}"
        print(f"{name:34}{seconds:10.4f}{1e3 * seconds / count:10.4f}{slow / seconds:14.1f}{peak}")
    print(
        f"first call ever, with imports and compilation: {compiling:.2f} s; "
        f"first call of later processes, with imports: {compiled:.2f} s"
    )
    print("; ".join(f"{key}: {value:.3g}" for key, value in equality.items()))
    answer = {
        "crystals": count,
        "atoms": atoms,
        "seconds": {name: seconds for name, seconds, _ in rows},
        "peak MiB": {name: memory for name, _, memory in rows if memory},
        "peak MiB of the imports alone": peak_mib("imports", ""),
        "first call ever, seconds": compiling,
        "first call of later processes, seconds": compiled,
        "bytes": sizes,
        "python": platform.python_version(),
        **equality,
    }
    (REPOSITORY / "bench" / "reading.json").write_text(json.dumps(answer, indent=2) + "\n")
    assert not equality["rows that differ"]


if __name__ == "__main__":
    main()
