"""How often is the crystal recovered from a particle, and how long does it take?

Usage: python bench/recovery.py [--sets perov-h3 diverse] [--radii 6 7 10 14 20 30]
[--noise 0 0.05 0.2] [--vacancies 0 0.2] [--every 1] [--seed 0]. Noise is tried without vacancies,
and vacancies without noise. Prints a table and each failure with its reason, and writes
bench/recovery.json. One core; seconds are of the process.

Each particle is a sphere around a random point of the cell, turned at random, moved and shuffled.
An answer is right if its primitive lattice is that of the material within 1 % in lengths and 1
degree in angles after Niggli reduction (or in another reduced basis, where Niggli's is not
stable), and its space group is that of moyopy on the material at symprec 0.01 Å.
"""

import argparse
import json
import logging
import platform
import time
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parent.parent
SYMPREC = 0.01
LENGTH, ANGLE = 0.01, 1.0


def truths(name):
    """Id, atoms, primitive Niggli cell and space group of each material of a set."""
    import moyopy

    from matscale.datasets.particles import material_set

    logging.getLogger("moyo").setLevel(logging.ERROR)
    table = material_set(name)
    for row in range(len(table)):
        cell = table.lattices[row]
        fractions = table.row_positions(row) @ np.linalg.inv(cell)
        found = moyopy.MoyoDataset(
            moyopy.Cell(cell.tolist(), fractions.tolist(), table.row_numbers(row).tolist()),
            symprec=SYMPREC,
        )
        primitive = np.array(moyopy.niggli_reduce(found.prim_std_cell.basis)[0])
        yield table.ids[row], table[row], primitive, found.number


def particle(crystal, radius, noise, vacancies, generator):
    """Atomic numbers and positions of a sphere, as the module says."""
    from scipy.spatial.transform import Rotation

    from matscale.structures.carving import carve_sphere

    cell = crystal.lattices[0]
    numbers, positions = carve_sphere(
        crystal.row_numbers(0), crystal.row_positions(0), cell, radius, generator.random(3) @ cell
    )
    order = generator.permutation(len(numbers))
    order = order[generator.random(len(order)) >= vacancies]
    turn = Rotation.from_quat(generator.normal(size=4)).as_matrix()
    positions = positions[order] + generator.normal(0, noise, (len(order), 3))
    return numbers[order], positions @ turn.T + generator.uniform(-50, 50, 3)


def same_lattice(one, other):
    """Whether two Niggli cells agree."""
    from pymatgen.core import Lattice

    from matscale.structures.cells import lattice_parameters

    mine, its = lattice_parameters(np.stack([one, other]))
    lengths = np.abs(mine[:3] / its[:3] - 1) < LENGTH
    if lengths.all() and (np.abs(mine[3:] - its[3:]) < ANGLE).all():
        return True
    found = Lattice(other).find_mapping(Lattice(one), ltol=LENGTH, atol=ANGLE)
    return found is not None and round(abs(np.linalg.det(found[2]))) == 1


def failure(found, cell, group):
    """Why an answer is not right, in words; "" where it is."""
    if found.cell is None:
        return f"not determined: {found.reason}"
    answer = found.cell.lattices[0]
    if not same_lattice(answer, cell):
        volumes = [abs(float(np.linalg.det(one))) for one in (answer, cell)]
        return f"wrong lattice: {volumes[0]:.1f} Å^3 instead of {volumes[1]:.1f}"
    if found.space_group != group:
        return f"wrong space group: {found.space_group} instead of {group}"
    return ""


def tried(name, materials, radius, noise, vacancies, seed):
    """One row of the table, and its failures."""
    from matscale.recovery import recover

    seconds, atoms, failures = [], [], []
    for row, (label, crystal, cell, group) in enumerate(materials):
        generator = np.random.default_rng(
            [seed, row, int(radius), round(1000 * noise), round(1000 * vacancies)]
        )
        numbers, positions = particle(crystal, radius, noise, vacancies, generator)
        start = time.process_time()
        found = recover(numbers, positions)
        seconds.append(time.process_time() - start)
        atoms.append(len(numbers))
        why = failure(found, cell, group)
        if why:
            longest = float(np.linalg.norm(cell, axis=1).max())
            failures.append({"material": label, "longest": round(longest, 1), "reason": why})
    wrong = sum(not one["reason"].startswith("not") for one in failures)
    return {
        "set": name,
        "radius": radius,
        "noise": noise,
        "vacancies": vacancies,
        "materials": len(materials),
        "joint": round(1 - len(failures) / len(materials), 4),
        "wrong": wrong,
        "not_determined": len(failures) - wrong,
        "wider_than_particle": sum(
            np.linalg.norm(cell, axis=1).max() > 2 * radius for _, _, cell, _ in materials
        ),
        "atoms": round(float(np.mean(atoms))),
        "seconds": round(float(np.mean(seconds)), 3),
        "slowest": round(float(np.max(seconds)), 3),
        "failures": failures,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", default=["perov-h3", "diverse"])
    parser.add_argument("--radii", nargs="+", type=float, default=[6, 7, 10, 14, 20, 30])
    parser.add_argument("--noise", nargs="*", type=float, default=[0, 0.05, 0.2])
    parser.add_argument("--vacancies", nargs="*", type=float, default=[0.2])
    parser.add_argument("--every", type=int, default=1, help="take every so many materials")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "bench" / "recovery.json")
    options = parser.parse_args()
    levels = [(noise, 0.0) for noise in options.noise]
    levels += [(0.0, share) for share in options.vacancies if (0.0, share) not in levels]
    print(
        f"{'set':10s} {'R':>4s} {'noise':>6s} {'vac.':>5s} {'joint':>7s} {'wrong':>6s} "
        f"{'not det.':>8s} {'cell > 2R':>9s} {'atoms':>6s} {'s':>6s} {'slowest':>7s}"
    )
    rows = []
    for name in options.sets:
        materials = list(truths(name))[:: options.every]
        tried(name, materials[:1], 8.0, 0.0, 0.0, 0)  # compiles
        for noise, vacancies in levels:
            for radius in options.radii:
                row = tried(name, materials, radius, noise, vacancies, options.seed)
                row["wider_than_particle"] = int(row["wider_than_particle"])
                rows.append(row)
                print(
                    f"{name:10s} {radius:4g} {noise:6g} {vacancies:5g} {row['joint']:7.3f} "
                    f"{row['wrong']:6d} {row['not_determined']:8d} {row['wider_than_particle']:9d} "
                    f"{row['atoms']:6d} {row['seconds']:6.3f} {row['slowest']:7.3f}",
                    flush=True,
                )
    print("\nfailures")
    for row in rows:
        for one in row["failures"]:
            print(
                f"{row['set']} R={row['radius']:g} noise={row['noise']:g} "
                f"vacancies={row['vacancies']:g} {one['material']} (longest {one['longest']} Å): "
                f"{one['reason']}"
            )
    facts = {
        "seed": options.seed,
        "machine": platform.machine(),
        "python": platform.python_version(),
    }
    options.out.write_text(json.dumps({**facts, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
