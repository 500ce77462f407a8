"""Published particle metrics by formula and by kernel: the same values, how much sooner, how small.

Usage: python bench/particles.py [--radii 6 10 ... 60] [--largest-formula 30]

RDF energy and Hausdorff distance of spheres of a cubic perovskite (a = 3.9 Å) against a copy that
is rattled by 0.1 Å, and at R = 30 Å against predictions in another order, far off or degenerate.
The formulas are the published ones: scipy's pdist into a histogram, and directed_hausdorff both
ways. Each run is a process of its own, on one thread, which measures its processor time (best of
three, compiled before) and how much its peak memory rises above what it had before. Prints a table
and writes JSON beside this file.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402 - after the threads are set

HERE = Path(__file__).resolve().parent
EDGE_A = 3.9
OTHERS = ("shuffled", "far", "collapsed", "collapsed_far", "line")


def perovskite(radius):
    """Positions of ABX3 within a radius of an A atom in Å, (n, 3)."""
    reach = int(radius / EDGE_A) + 2
    corners = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 3), axis=-1).reshape(-1, 1, 3)
    basis = np.array([[0, 0, 0], [1, 1, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]]) / 2
    points = ((corners + basis) * EDGE_A).reshape(-1, 3)
    return points[(points**2).sum(axis=1) <= radius**2 + 1e-9]


def predicted(truth, kind):
    noise = np.random.default_rng(0).normal(size=truth.shape)
    return {
        "rattled": truth + 0.1 * noise,
        "shuffled": np.random.default_rng(1).permutation(truth + 0.1 * noise),
        "collapsed": 1e-3 * noise,
        "far": truth + 0.1 * noise + np.array([90.0, 0.0, 0.0]),
        "collapsed_far": 1e-3 * noise + np.array([50.0, 50.0, 50.0]),
        "line": truth * np.array([1.0, 0.0, 0.0]),
    }[kind]


def by_formula(truth, prediction):
    from scipy.spatial.distance import directed_hausdorff, pdist

    densities = []
    for points in (prediction, truth):
        distances = pdist(points)
        near = distances[distances < 10.0]
        densities.append(np.histogram(near, bins=128, range=(0, 10), density=True)[0])
    both = directed_hausdorff(truth, prediction)[0], directed_hausdorff(prediction, truth)[0]
    return float(((densities[0] - densities[1]) ** 2).sum()), max(both)


def by_kernel(truth, prediction):
    from matscale.metrics.particles.boxes import box_tree, hausdorff
    from matscale.metrics.particles.published import rdf_energy

    return rdf_energy(prediction, truth), hausdorff(box_tree(prediction), box_tree(truth))


def measured(method, radius, kind):
    """What a process of its own prints: values, seconds, MB, atoms."""
    function = {"formula": by_formula, "kernel": by_kernel}[method]
    small = perovskite(8.0)
    function(small, predicted(small, "rattled"))  # compiles
    truth = perovskite(radius)
    prediction = predicted(truth, kind)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = []
    for _ in range(3):
        start = time.process_time()
        values = function(truth, prediction)
        seconds.append(time.process_time() - start)
    rise = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {"values": values, "seconds": min(seconds), "MB": rise, "atoms": len(truth)}


def apart(method, radius, kind):
    command = [sys.executable, __file__, "--one", method, str(radius), kind]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def compared(radius, kind, formula):
    row = {"radius": radius, "prediction": kind}
    kernel = apart("kernel", radius, kind)
    row |= {"atoms": kernel["atoms"], "kernel_s": kernel["seconds"], "kernel_MB": kernel["MB"]}
    if formula:
        theirs = apart("formula", radius, kind)
        gaps = np.abs(np.subtract(theirs["values"], kernel["values"]))
        row |= {
            "formula_s": theirs["seconds"],
            "formula_MB": theirs["MB"],
            "ratio": theirs["seconds"] / kernel["seconds"],
            "largest_gap": float(gaps.max()),
        }
    return row


def shown(row):
    line = f"{row['radius']:4.0f} {row['prediction']:14s} {row['atoms']:7d} "
    line += f"{1e3 * row['kernel_s']:9.1f} {row['kernel_MB']:8.1f}"
    if "ratio" not in row:
        return line + "         -        -      -"
    line += f" {1e3 * row['formula_s']:9.1f} {row['formula_MB']:8.1f} {row['ratio']:6.1f}"
    return line + f" {row['largest_gap']:8.1e}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--radii", type=float, nargs="+", default=[6, 10, 15, 20, 25, 30, 40, 60])
    parser.add_argument("--largest-formula", type=float, default=30.0)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        method, radius, kind = chosen.one
        print(json.dumps(measured(method, float(radius), kind)))
        return
    print("   R prediction       atoms kernel ms       MB formula ms      MB  ratio      gap")
    rows = []
    cases = [(radius, "rattled") for radius in chosen.radii]
    for radius, kind in cases + [(30.0, kind) for kind in OTHERS]:
        rows.append(compared(radius, kind, radius <= chosen.largest_formula))
        print(shown(rows[-1]), flush=True)
    answer = {"machine": platform.processor() or platform.machine(), "rows": rows}
    (HERE / "particles.json").write_text(json.dumps(answer, indent=1) + "\n")


if __name__ == "__main__":
    main()
