"""Whether results are the same, byte by byte, on other processors.

Usage: python bench/processors.py [--parts reconstruction ...] [--environments haswell ...]

Runs what decides (matching, classes, candidates, floors, hashes, recovered crystals) in a process
for each environment. The environments stand for other processors, thread counts and hash seeds:
they choose BLAS kernels, the instructions that numpy, numba and the C library use, and so the last
bits of sums. Times and the provenance are left out of the comparison. Prints a table of
environments by parts, "identical" or the first difference, and exits with 1 if there is one.

What the machine cannot do is not tried: BLAS and numpy ignore names they do not know.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

NUMPY_PLAIN = "X86_V3 X86_V4 AVX512_ICL AVX512_SPR AVX2 FMA3 AVX512F AVX512_SKX"
BASE = {"OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_NUM_THREADS": "2", "PYTHONHASHSEED": "0"}
ENVIRONMENTS = {
    "haswell": {},
    "nehalem": {"OPENBLAS_CORETYPE": "Nehalem"},
    "prescott": {"OPENBLAS_CORETYPE": "Prescott"},
    "skylakex": {"OPENBLAS_CORETYPE": "SkylakeX"},
    "numpy-baseline": {"NPY_DISABLE_CPU_FEATURES": NUMPY_PLAIN},
    "libm-baseline": {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F"},
    "numba-generic": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
    "threads-1": {
        "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1",
        "MATSCALE_WORKERS": "1",
    },
    "hash-seed": {"PYTHONHASHSEED": "4711"},
    "oldest": {
        "OPENBLAS_CORETYPE": "Prescott", "NPY_DISABLE_CPU_FEATURES": NUMPY_PLAIN,
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F", "PYTHONHASHSEED": "1",
    },
}  # fmt: skip
"""Variables of each environment beside BASE; the first is what the others are compared with."""


# --- the parts ---------------------------------------------------------------------------------


def workers():
    return int(os.environ.get("MATSCALE_WORKERS", "2"))


def reconstruction(folder):
    """The demonstration: three submissions and the floors, under both protocols."""
    from matscale.demo import run_demo

    run_demo(folder)


def novelty(folder):
    """Prototypes and swapped, stretched and moved copies of them against half of the prototypes."""
    from matscale.demo import prototype_crystals
    from matscale.predictors.floors.generation import random_substitution
    from matscale.structures.formats import write
    from matscale.tasks.novelty.score import score_novelty

    crystals = prototype_crystals()
    crystals = crystals[crystals.n_atoms <= 10]
    train, rest = crystals[::2], crystals[1::2][:20]
    write(train, folder / "train.parquet")
    swapped = random_substitution(train[:20], train, 3)
    for name, table in (("swapped", swapped), ("other", rest)):
        write(table, folder / f"{name}.parquet")
    score_novelty(
        [folder / "swapped.parquet", folder / "other.parquet"],
        train=folder / "train.parquet", out=folder / "results", workers=workers(),
    )  # fmt: skip


def energies(folder):
    """Alloys that ASE's EMT relaxes, against a hull of their own."""
    from pymatgen.core import Lattice, Structure

    from matscale.structures.formats import write
    from matscale.structures.table import StructureTable
    from matscale.tasks.novelty.score import score_novelty

    faces = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    metals = [
        Structure(Lattice.cubic(a), [symbol] * 4, faces)
        for symbol, a in (("Cu", 3.61), ("Au", 4.08), ("Ag", 4.09))
    ]
    ordered = Structure(Lattice.cubic(3.75), ["Au", "Cu", "Cu", "Cu"], faces)
    train = StructureTable.from_pymatgen([*metals, ordered], ["Cu", "Au", "Ag", "AuCu3"])
    swapped, stretched = ordered.copy(), ordered.copy()
    swapped.replace_species({"Au": "Ag"})
    swapped.scale_lattice(swapped.volume * 1.05)
    stretched.scale_lattice(stretched.volume * 1.1)
    new = Structure(Lattice.cubic(3.2), ["Cu", "Pt"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    write(train, folder / "train.parquet")
    made = StructureTable.from_pymatgen([swapped, stretched, new], ["swapped", "copy", "new"])
    write(made, folder / "model.parquet")
    score_novelty(
        folder / "model.parquet", train=folder / "train.parquet", out=folder / "results",
        relax="ase.calculators.emt:EMT", workers=workers(),
    )  # fmt: skip


def materials(folder):
    """The material sets that matscale makes, and a set of particles with its hash and twins."""
    from matscale.datasets.particles import build_particles, leakage, save_particles
    from matscale.datasets.particles.hydrides import chosen, hydride_perovskites
    from matscale.datasets.particles.literature import measured_materials
    from matscale.datasets.particles.prototypes import prototype_crystals, spread_over_symmetry
    from matscale.matching.batch import group
    from matscale.matching.outcomes import MatchSettings

    measured = measured_materials()
    hydrides = chosen(hydride_perovskites())
    crystals = prototype_crystals()
    same, _ = group(crystals, MatchSettings(scale=False))
    spread = spread_over_symmetry(crystals, same)
    tables = {"measured": measured, "hydrides": hydrides, "prototypes": crystals, "spread": spread}
    found = {name: [table.sha256(), table.ids.tolist()] for name, table in tables.items()}
    (folder / "tables.json").write_text(json.dumps(found))
    built = build_particles(measured)
    save_particles(built, folder / "set", leakage(built))


def particles(folder):
    """Both particle tasks with their floors, on a few materials at small radii."""
    from dataclasses import replace

    from matscale import score
    from matscale.datasets.particles import build_particles, leakage, material_set, save_particles

    built = build_particles(material_set("diverse")[[0, 3, 17, 40, 41, 60, 80, 99]])
    small = {"train": (8.0, 9.0), "id": (10.0,), "ood": (6.0,)}
    built = replace(
        built, radii=small,
        quaternions={k: v for k, v in built.quaternions.items() if k[1] in small[k[0]]},
    )  # fmt: skip
    save_particles(built, folder / "set", leakage(built))
    for task in ("crystal-to-particle", "particle-to-crystal"):
        score(task, [], data=folder / "set", out=folder / task, workers=workers())


def recovery(folder):
    """Crystals recovered from spheres of a few materials, as they are and shaken."""
    import numpy as np

    from matscale.datasets.particles import material_set
    from matscale.recovery import recover
    from matscale.structures.carving import carve

    chosen = carve(material_set("diverse")[[0, 17, 60, 99]], 9.0)
    found = {}
    for row in range(len(chosen)):
        rng = np.random.default_rng(row)
        for noise in (0.0, 0.02):
            positions = chosen.row_positions(row)
            moved = positions + rng.normal(0, noise, positions.shape)
            answer = recover(chosen.row_numbers(row), moved)
            found[f"{chosen.ids[row]} {noise}"] = {
                "status": answer.status,
                "reason": answer.reason,
                "space_group": answer.space_group,
                "cell": answer.cell and answer.cell.sha256(),
                "candidates": [one.space_group for one in answer.candidates],
            }
    (folder / "recovered.json").write_text(json.dumps(found))


def grouping(folder):
    """Groups of equal and of alike crystals, and the matches of all pairs."""
    from matscale.demo import prototype_crystals
    from matscale.matching.batch import group, match
    from matscale.matching.outcomes import MatchSettings

    crystals = prototype_crystals()
    crystals = crystals[crystals.n_atoms <= 12]
    found = {}
    for mode in ("direct", "framework", "anonymous"):
        settings = MatchSettings(mode=mode)
        groups, _ = group(crystals, settings, workers=workers())
        pairs = match(crystals, crystals, settings, workers=workers())
        found[mode] = [groups.tolist(), pairs.first.tolist(), pairs.second.tolist()]
    (folder / "groups.json").write_text(json.dumps(found))


TRICLINIC = """data_x
_cell_length_a 5.123
_cell_length_b 6.247
_cell_length_c 7.351
_cell_angle_alpha 81.37
_cell_angle_beta 77.21
_cell_angle_gamma 101.83
loop_
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Si 0.1234 0.3333 0.7071
O 0.6181 0.2718 0.4142
"""


def decisions(folder):
    """One small case of each kind of decision: quick enough for every run of the tests."""
    import numpy as np
    from pymatgen.core import Lattice, Structure

    from matscale.datasets.particles import material_set
    from matscale.datasets.particles.hydrides import hydride_perovskites
    from matscale.datasets.particles.literature import measured_materials
    from matscale.metrics.particles.superposition import SpeciesTrees, superpose
    from matscale.predictors.predictor import Told
    from matscale.predictors.registry import FLOORS
    from matscale.predictors.training import CrystalTraining
    from matscale.recovery import recover
    from matscale.structures import chemistry
    from matscale.structures.carving import carve
    from matscale.structures.formats import write
    from matscale.structures.formats.cells_of_text import parse_text
    from matscale.structures.table import StructureTable
    from matscale.tasks.novelty.score import score_novelty

    parsed = parse_text(TRICLINIC)
    tables = {
        "measured": measured_materials(),
        "hydrides": hydride_perovskites(),
        "cif": StructureTable.from_parts(
            ["x"], [parsed.numbers], [parsed.positions], [parsed.cell]
        ),
        "spheres": carve(measured_materials(), 9.0),
    }
    train = material_set("diverse")[:40]
    units = [chemistry.composition(train.row_numbers(row)) for row in range(20)]
    for factory in FLOORS["reconstruction"]:
        floor = factory()
        floor.fit(CrystalTraining(train[20:]))
        told = Told({"composition": units}).only(floor.told)
        answers = dict(zip(train.ids[:20], floor.predict(told), strict=True))
        found = {name: own for name, own in answers.items() if isinstance(own, StructureTable)}
        tables[floor.name] = StructureTable.concatenate(list(found.values())).with_ids(list(found))
    found = {name: [table.sha256(), table.ids.tolist()] for name, table in tables.items()}

    sphere = carve(train[[0]], 9.0)
    answer = recover(sphere.numbers, sphere.positions)
    found["recovered"] = [answer.status, answer.space_group, answer.cell and answer.cell.sha256()]

    # A sphere of a cubic crystal has no principal axes, and a gas in it no best pose.
    ball = carve(tables["measured"][[0]], 6.0)
    gas = np.random.default_rng(0).normal(0, 3, ball.positions.shape)
    pose = superpose(
        SpeciesTrees.of(ball.numbers, ball.positions), SpeciesTrees.of(ball.numbers, gas), 12.0
    )
    found["pose"] = (np.rint(pose.rotation * 1e6) + 0.0).tolist()
    (folder / "found.json").write_text(json.dumps(found))

    # AgCu3 costs the same from AuCu3 as from Cu.
    faces = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    known = [Structure(Lattice.cubic(a), [x] * 4, faces) for x, a in (("Cu", 3.61), ("Ag", 4.09))]
    ordered = Structure(Lattice.cubic(3.75), ["Au", "Cu", "Cu", "Cu"], faces)
    swapped = Structure(Lattice.cubic(3.81), ["Ag", "Cu", "Cu", "Cu"], faces)
    table = StructureTable.from_pymatgen([*known, ordered], ["Cu", "Ag", "AuCu3"])
    write(table, folder / "train.parquet")
    write(StructureTable.from_pymatgen([swapped], ["AgCu3"]), folder / "model.parquet")
    score_novelty(
        folder / "model.parquet", train=folder / "train.parquet", out=folder / "results", workers=1
    )


def kernels(folder):
    """Kernels that decide, few enough to be compiled anew for another processor."""
    import numpy as np

    from matscale.metrics.distribution import wasserstein
    from matscale.metrics.particles.boxes import box_tree, nearest
    from matscale.structures.carving import carve_sphere

    cell = np.array([[3.9, 0, 0], [-1.95, 3.3775, 0], [0, 0, 6.3]])
    _, points = carve_sphere(np.array([22, 8]), np.array([[0, 0, 0], [1.95, 1.1, 2]]), cell, 11.0)
    moved = points + np.random.default_rng(0).normal(0, 0.3, points.shape)
    rows, distances = nearest(box_tree(points), moved)
    weights = np.random.default_rng(1).integers(0, 3, (50, len(rows))).astype(float)
    areas = wasserstein(distances, distances[::-1].copy(), weights)
    found = [points.tolist(), rows.tolist(), distances.tolist(), areas.tolist()]
    (folder / "found.json").write_text(json.dumps(found))


def digits(folder):
    """What does differ: sums as libraries add them. It shows that environments are others."""
    import numpy as np

    values = np.random.default_rng(0).normal(size=(300, 300))
    found = [(values @ values).ravel()[:99].tolist(), np.exp(values).sum(axis=0).tolist()]
    (folder / "found.json").write_text(json.dumps(found))


WHOLE = (reconstruction, novelty, energies, materials, particles, recovery, grouping)
PARTS = {one.__name__: one for one in (*WHOLE, decisions, kernels, digits)}


# --- the comparison ----------------------------------------------------------------------------


def content(folder):
    """What the files of a folder say, by their names, without times and provenance.

    Results, tables and per-sample scores to the last byte; structures to a millionth of an Å.
    """
    import pyarrow.parquet as pq

    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".json":
            read = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(read, dict):
                read.pop("provenance", None)
            found[name] = read
        elif path.suffix == ".parquet":
            columns = pq.read_table(path).to_pydict()
            exact = path.name.endswith(".samples.parquet")
            found[name] = columns if exact else _on_grid(columns)
        elif path.suffix in (".csv", ".md", ".tex"):
            found[name] = path.read_text(encoding="utf-8").splitlines()
    return found


def _on_grid(value):
    """Numbers of structures as places on the grid, to which hashes see them."""
    from matscale.runtime.exact import settled

    if isinstance(value, float):
        return float(settled(value))
    if isinstance(value, dict):
        return {key: _on_grid(one) for key, one in value.items()}
    return [_on_grid(one) for one in value] if isinstance(value, list) else value


def differences(one, other, where=""):
    """Where two values differ, as texts."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            if (key in one) != (key in other):
                yield f"{where}/{key} is in one only"
            else:
                yield from differences(one[key], other[key], f"{where}/{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for place, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from differences(a, b, f"{where}[{place}]")
    elif json.dumps(one, default=str) != json.dumps(other, default=str):
        yield f"{where}: {str(one)[:60]} | {str(other)[:60]}"


def supported(environment):
    """Whether this machine has the instructions that the environment asks OpenBLAS to use."""
    from numpy._core._multiarray_umath import __cpu_features__

    wants = ENVIRONMENTS[environment].get("OPENBLAS_CORETYPE")
    return wants != "SkylakeX" or bool(__cpu_features__.get("AVX512F"))


def run(environment, part, folder, cache):
    """Run a part in a process of its own; what it wrote."""
    folder.mkdir()
    variables = BASE | ENVIRONMENTS[environment]
    if any(name.startswith("NUMBA_CPU") for name in variables):
        variables["NUMBA_CACHE_DIR"] = str(cache)
    command = [sys.executable, __file__, "--one", part, str(folder)]
    done = subprocess.run(
        command, env=os.environ | variables, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(
            f"{part} under {environment} ended with {done.returncode}:\n{done.stderr[-3000:]}"
        )
    found = content(folder)
    shutil.rmtree(folder)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=[one.__name__ for one in WHOLE]
    )
    parser.add_argument(
        "--environments", nargs="+", choices=ENVIRONMENTS, default=list(ENVIRONMENTS)
    )
    parser.add_argument("--show", type=int, default=1, help="differences shown of each part")
    parser.add_argument("--one", nargs=2, metavar=("PART", "FOLDER"), help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.one:
        PARTS[told.one[0]](Path(told.one[1]))
        return
    first = next(iter(ENVIRONMENTS))
    differ = False
    print("| environment | part | compared with haswell |\n| --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        for part in told.parts:
            expected = run(first, part, work / "run", work / "numba")
            for environment in told.environments:
                if environment == first or not supported(environment):
                    continue
                found = run(environment, part, work / "run", work / "numba")
                unequal = list(differences(expected, found))
                differ |= bool(unequal)
                said = "; ".join(unequal[: told.show])
                said = f"{len(unequal)} differences: {said}" if unequal else "identical"
                print(f"| {environment} | {part} | {said} |", flush=True)
    sys.exit(differ)


if __name__ == "__main__":
    main()
