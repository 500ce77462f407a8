"""Relaxation of generated crystals with CHGNet: matscale's batches against the package's own.

Usage: python bench/relaxation.py [--crystals 64] [--fmax 0.05] [--optimiser fire]
                                  [--device cuda] [--on-device 1024]

Both relax the same crystals of data/generated in this process, on one thread, in turns of a few
crystals, so that another program's work on the machine falls on both alike. Where torch finds an
accelerator, or --device names one, matscale then relaxes crystals there in batches of several
sizes; the table gives relaxations per second beside those of one core. The data folder is
$MATSCALE_DATA, else ../shared/data. Prints tables and writes JSON beside this file.
"""

import argparse
import json
import os
import platform
import time
import warnings
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402 - after the threads are set

HERE = Path(__file__).resolve().parent
TURN = 16
"""Crystals that one of the two relaxes before it is the other's turn."""

BATCHES = (1000, 2000, 4000, 8000, 16000, 32000)
"""Atoms that an accelerator is given at once."""

AGREE_EV = 1e-3
"""Difference of final energies in eV an atom up to which they count as equal."""


def timed(function):
    wall, cpu = time.perf_counter(), time.process_time()
    answer = function()
    return answer, time.perf_counter() - wall, time.process_time() - cpu


def crystals(count):
    """A random sample of the generated crystals, the same every time."""
    from matscale.structures.formats import read

    folder = Path(os.environ.get("MATSCALE_DATA", HERE.parent.parent / "shared/data"))
    table = read(folder / "generated/mattergen_release.cif.zip", workers=1).table
    chosen = np.sort(np.random.default_rng(0).choice(len(table), count, replace=False))
    return table[chosen]


def package_relaxation(optimiser, structures, fmax, steps):
    """Energy an atom in eV, steps, and volume in Å^3 of each, by chgnet's StructOptimizer."""
    answers = []
    for structure in structures:
        answer = optimiser.relax(structure, fmax=fmax, steps=steps, verbose=False)
        final, path = answer["final_structure"], answer["trajectory"]
        answers.append((path.energies[-1] / len(final), len(path) - 2, final.volume))
    return answers


def compare(table, settings):
    from chgnet.model import StructOptimizer

    from matscale.energy.potentials import potential
    from matscale.energy.relax import relax

    ours, theirs = potential("chgnet"), StructOptimizer(use_device="cpu")
    warm = table[np.argsort(table.n_atoms)[:2]]
    relax(warm, ours, settings)
    theirs.relax(warm.to_pymatgen(0), fmax=settings.fmax, steps=3, verbose=False)
    relaxed, reference = [], []
    seconds = {"matscale": np.zeros(2), "chgnet": np.zeros(2)}
    order = np.random.default_rng(1).permutation(len(table))
    for start in range(0, len(table), TURN):
        part = table[order[start : start + TURN]]
        answer, wall, cpu = timed(lambda part=part: relax(part, ours, settings))
        seconds["matscale"] += wall, cpu
        relaxed.append(answer)
        structures = list(part.iter_pymatgen())
        answer, wall, cpu = timed(
            lambda structures=structures: package_relaxation(
                theirs, structures, settings.fmax, settings.max_steps
            )
        )
        seconds["chgnet"] += wall, cpu
        reference += answer
        print(f"{min(start + TURN, len(table))} of {len(table)}", flush=True)
    return summary(relaxed, reference, seconds)


def summary(relaxed, reference, seconds):
    ids = np.concatenate([part.table.ids for part in relaxed])
    per_atom = np.concatenate([part.energies / part.table.n_atoms for part in relaxed])
    statuses = np.concatenate([part.statuses for part in relaxed])
    steps = np.concatenate([part.steps for part in relaxed])
    difference = per_atom - np.array([energy for energy, *_ in reference])
    apart = ~(np.abs(difference) <= AGREE_EV)
    count = len(ids)
    (our_wall, our_cpu), (their_wall, their_cpu) = seconds["matscale"], seconds["chgnet"]
    return {
        "crystals": count,
        "atoms": int(sum(part.table.n_atoms.sum() for part in relaxed)),
        "matscale_cpu_s_each": our_cpu / count,
        "chgnet_cpu_s_each": their_cpu / count,
        "cpu_ratio": their_cpu / our_cpu,
        "matscale_wall_s_each": our_wall / count,
        "chgnet_wall_s_each": their_wall / count,
        "wall_ratio": their_wall / our_wall,
        "matscale_steps": int(steps.sum()),
        "chgnet_steps": int(sum(steps for _, steps, _ in reference)),
        "statuses": {name: int((statuses == name).sum()) for name in np.unique(statuses)},
        "equal_within_1_meV_per_atom": float(1 - apart.mean()),
        "apart": [
            {
                "id": str(ids[row]),
                "meV_per_atom": round(1e3 * float(difference[row]), 2),
                "status": statuses[row],
                "steps": [int(steps[row]), int(reference[row][1])],
            }
            for row in np.flatnonzero(apart)
        ],
    }


def on_device(table, few, settings, device):
    """Relaxations per second by size of batch, and how many of a few energies are the CPU's."""
    from matscale.energy.potentials import potential
    from matscale.energy.relax import relax

    here, there = potential("chgnet"), potential("chgnet", device=device)
    known = relax(few, here, settings)
    relax(few[:2], there, settings)
    found = relax(few, there, settings)
    apart = np.abs(found.energies - known.energies) / few.n_atoms > AGREE_EV
    rows = []
    for atoms in BATCHES:
        relaxed, wall, _ = timed(
            lambda atoms=atoms: relax(table, there, settings, batch_atoms=atoms, workers=1)
        )
        rows.append(
            {
                "batch_atoms": atoms,
                "relaxations_per_s": len(table) / wall,
                "wall_s": wall,
                "peak_memory_GB": peak_memory(device),
                "statuses": relaxed.counts,
            }
        )
        print_row(rows[-1])
    return {
        "device": name_of(device),
        "crystals": len(table),
        "atoms": int(table.n_atoms.sum()),
        "equal_within_1_meV_per_atom": float(1 - apart.mean()),
        "compared": len(few),
        "batches": rows,
    }


def peak_memory(device):
    """GB since it was last asked for; NaN where torch does not count."""
    import torch

    if not device.startswith("cuda"):
        return float("nan")
    peak = torch.cuda.max_memory_allocated(device) / 1e9
    torch.cuda.reset_peak_memory_stats(device)
    return peak


def name_of(device):
    import torch

    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def print_row(row):
    done = ", ".join(f"{count} {name}" for name, count in row["statuses"].items() if count)
    print(
        f"{row['batch_atoms']:>8} atoms per batch: {row['relaxations_per_s']:8.2f} relaxations/s, "
        f"{row['peak_memory_GB']:.1f} GB; {done}",
        flush=True,
    )


def print_rates(answer):
    """Relaxations per second of each, and how many cores' worth that is."""
    one_core = 1 / answer["matscale_cpu_s_each"]
    rates = {
        "chgnet, one core": 1 / answer["chgnet_cpu_s_each"],
        "matscale, one core": one_core,
        **{
            f"matscale, {answer['on_device']['device']}, {row['batch_atoms']} atoms per batch": row[
                "relaxations_per_s"
            ]
            for row in answer.get("on_device", {}).get("batches", [])
        },
    }
    print(f"\n{'':50s} relaxations/s   of one core")
    for name, rate in rates.items():
        print(f"{name:50s} {rate:13.3f} {rate / one_core:12.1f}x")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crystals", type=int, default=64)
    parser.add_argument("--fmax", type=float, default=0.05, help="eV/Å")
    parser.add_argument("--optimiser", default="fire")
    parser.add_argument("--device", help="as torch calls it; an accelerator, if there is one")
    parser.add_argument("--on-device", type=int, default=1024, help="crystals relaxed there")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    import torch

    from matscale.energy.relax import RelaxSettings

    torch.set_num_threads(1)
    settings = RelaxSettings(fmax=options.fmax, max_steps=500, optimiser=options.optimiser)
    few = crystals(options.crystals)
    answer = compare(few, settings)
    device = options.device or ("cuda" if torch.cuda.is_available() else None)
    if device:
        answer["on_device"] = on_device(crystals(options.on_device), few, settings, device)
    else:
        print("torch finds no accelerator: the table of batches there is left out")
    answer = {
        "fmax_eV_per_A": options.fmax,
        "optimiser": options.optimiser,
        **answer,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, one thread",
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
    }
    for name, value in answer.items():
        print(f"{name:30s} {value:.3f}" if isinstance(value, float) else f"{name:30s} {value}")
    print_rates(answer)
    path = HERE / "relaxation.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    known[f"{options.optimiser} {options.fmax}"] = answer
    path.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
