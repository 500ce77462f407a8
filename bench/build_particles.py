"""How fast and how small sets of particles are, against the published generator's arithmetic.

Usage: python bench/build_particles.py [--repeat 5]; the data folder is $MATSCALE_DATA, else
../shared/data. Prints a table and writes bench/build_particles.json. Compilation is timed apart.
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
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
LARGE = 30.0


def median_ms(function, repeat):
    """Median process time of a call in ms, and what the last one returned."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        answer = function()
        times.append(time.process_time() - start)
    return 1e3 * statistics.median(times), answer


def built(name, folder):
    """Wall and processor seconds of the whole command in a fresh process, and the folder's size."""
    before = os.times()
    start = time.perf_counter()
    command = [sys.executable, "-m", "matscale", "data", "build", "c2np", "--materials", name]
    done = subprocess.run([*command, "--out", folder], check=True, capture_output=True, text=True)
    after = os.times()
    processor = sum(after[2:4]) - sum(before[2:4])
    size = sum(path.stat().st_size for path in Path(folder).iterdir())
    return {
        "wall s": time.perf_counter() - start,
        "processor s": processor,
        "bytes": size,
        "says": done.stdout,
    }


def carving(repeat):
    """SrTiO3 at 30 Å and 31.6 Å: ours, a numpy supercell, pymatgen and ASE; all must agree."""
    import numpy as np

    from matscale.datasets.particles import material_set
    from matscale.structures.carving import carve_sphere

    table = material_set("radii-10")
    row = table.ids.tolist().index("SrTiO3")
    numbers, positions = table.row_numbers(row), table.row_positions(row)
    cell, structure = table.cells[row], table.to_pymatgen(row)

    def with_numpy():
        grid = np.arange(-9, 10)
        images = np.stack(np.meshgrid(grid, grid, grid, indexing="ij"), -1).reshape(-1, 3) @ cell
        every = (positions[:, None] + images[None]).reshape(-1, 3)
        return every[(every**2).sum(axis=1) <= (LARGE + 1e-6) ** 2]

    def with_ase():
        large = table.to_ase(row).repeat(18)
        distances = np.linalg.norm(large.positions - 9 * cell.sum(axis=0), axis=1)
        return large.positions[distances <= LARGE + 1e-6]

    ways = {
        "matscale": lambda: carve_sphere(numbers, positions, cell, LARGE)[1],
        "numpy supercell": with_numpy,
        "ASE repeat": with_ase,
        "pymatgen get_sites_in_sphere": lambda: structure.get_sites_in_sphere(
            [0, 0, 0], LARGE + 1e-6
        ),
    }
    found = {name: median_ms(way, repeat) for name, way in ways.items()}
    assert len({len(atoms) for _, atoms in found.values()}) == 1
    eleven = median_ms(lambda: carve_sphere(numbers, positions, cell, 31.6), repeat)
    return {
        "ms at 30 Å": {name: ms for name, (ms, _) in found.items()},
        "atoms at 30 Å": len(found["matscale"][1]),
        "ms for 11,053 atoms": eleven[0],
        "atoms": len(eleven[1][0]),
    }


def sampling(folder, repeat):
    """Time in ms of one rotated particle of each radius, over materials and rotations."""
    from matscale.datasets.particles import load_particles

    particles = load_particles(folder)
    particles.particle(0, 8, 1)
    loading, _ = median_ms(lambda: load_particles(folder), 3)
    turns = iter(range(10**9))

    def one(radius):
        turn = next(turns)
        return particles.particle(turn % len(particles.materials), radius, 1 + turn % 59)

    found = {
        radius: median_ms(lambda r=radius: one(r), 20 * repeat)[0] for radius in (6, 17, 29, 30)
    }
    most = max(len(particles.particle(row, 30)[0]) for row in range(len(particles.materials)))
    return {"ms": found, "load ms": loading, "most atoms": most}


def agreement(data):
    """Largest difference from the published rotations, and the counts."""
    import numpy as np

    from matscale.structures.rotations import draw, published_grid

    path = data / "c2np" / "reference_rotations.json"
    if not path.exists():
        return None
    reference = json.loads(path.read_text())
    training = draw(published_grid("train", 8))
    gaps = {"train": float(np.abs(training - reference["train"]).max())}
    for key in ("ID_R10", "ID_R26", "OOD_R6", "OOD_R30"):
        split, radius = key.lower().split("_r")
        rotations = draw(published_grid(split, int(radius)), training)
        gaps[key] = float(np.abs(rotations - reference[key]).max())
    return gaps


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5, help="runs of which the median is given")
    repeat = parser.parse_args().repeat
    os.environ.update(dict.fromkeys(THREADS, "1"))  # before numpy is imported, below
    data = Path(os.environ.get("MATSCALE_DATA") or REPOSITORY.parent / "shared" / "data")
    answer = {"python": platform.python_version(), "rotations": agreement(data)}
    answer["carving"] = carving(repeat)
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("perov-h3", "diverse", "radii-10"):
            folder = Path(scratch, name)
            answer[name] = built(name, folder) | {"sampling": sampling(folder, repeat)}
    for name, gap in (answer["rotations"] or {}).items():
        print(f"{name:10} largest difference from the published quaternions {gap:.1e}")
    for name, ms in answer["carving"]["ms at 30 Å"].items():
        print(f"{name:30}{ms:9.2f} ms for {answer['carving']['atoms at 30 Å']} atoms")
    print(f"{'matscale':30}{answer['carving']['ms for 11,053 atoms']:9.2f} ms for "
          f"{answer['carving']['atoms']} atoms")  # fmt: skip
    for name in ("perov-h3", "diverse", "radii-10"):
        one = answer[name]
        times = ", ".join(f"{radius} Å {ms:.3f} ms" for radius, ms in one["sampling"]["ms"].items())
        print(
            f"{name}: {one['wall s']:.1f} s wall, {one['processor s']:.1f} s processor, "
            f"{one['bytes'] / 1e6:.2f} MB; a sample: {times}; largest "
            f"{one['sampling']['most atoms']} atoms"
        )
        print(one["says"])
    (REPOSITORY / "bench" / "build_particles.json").write_text(json.dumps(answer, indent=1) + "\n")


if __name__ == "__main__":
    main()
