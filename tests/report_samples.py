"""Made-up but plausible results of the reconstruction task, for the tests of the report.

Nothing here is a measurement. ``python tests/report_samples.py OUT`` writes a report of them.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pymatgen.core import Lattice, Structure

from matscale.results.result import (
    Counts,
    Dataset,
    Group,
    Metric,
    Predictor,
    Provenance,
    RefusedItem,
    Result,
)
from matscale.structures.table import StructureTable
from matscale.tasks.definitions import with_definitions

HOSTILE = "<script>alert('id')</script>"
HOSTILE_SOURCE = 'evil"><img src=x onerror=alert(1)>.csv'
HOSTILE_DETAIL = "</script><svg/onload=alert(2)> & {{ 7 * 7 }} \u2028"
PARAMETERS = ("a", "b", "c", "alpha", "beta", "gamma")
SYSTEMS = ("cubic", "hexagonal", "tetragonal", "orthorhombic", "trigonal", "monoclinic")

# Share matched, spread of the lattice error (Å, degrees), share refused, told.
MODELS = {
    "atomgpt": (0.38, 0.5, 6.0, 0.04, ("composition", "tc"), "model"),
    "cdvae": (0.0, 1.9, 22.0, 0.10, ("composition", "positions", "cell"), "model"),
    "substitution": (0.62, 0.35, 4.0, 0.01, ("composition",), "floor"),
    "random_training": (0.02, 1.6, 15.0, 0.0, ("composition",), "floor"),
    "mean_cell": (0.0, 1.2, 14.0, 0.0, ("composition",), "floor"),
    "target": (1.0, 0.0, 0.0, 0.0, ("positions", "cell"), "ceiling"),
}
DEFECTS = (
    "Rows that fail are left out of numerator and denominator.",
    "“KLD” compares paired values, not distributions: a constant multiple of every target scores "
    "a perfect 0.",
    "“RMSD (Å)” is a dimensionless rms, and the normalised column divides it by a length again.",
    "A match rate without compositions hides models that predict another compound.",
)


def crystals(count: int, seed: int = 1) -> list[Structure]:
    """Small prototype crystals with varied elements and cells."""
    rng = np.random.default_rng(seed)
    pairs = [("Nb", "Sn"), ("Mg", "B"), ("Na", "Cl"), ("Fe", "Se"), ("La", "H"), ("Ti", "O")]
    found = []
    for k in range(count):
        first, second = pairs[k % len(pairs)]
        a = 3.2 + 2.4 * rng.random()
        c = a * (1 if k % 3 == 0 else 0.8 + rng.random())
        kind = k % 4
        if kind == 0:
            lattice = Lattice.cubic(a)
            parts = ([first, second], [[0, 0, 0], [0.5, 0.5, 0.5]])
        elif kind == 1:
            lattice = Lattice.hexagonal(a, c)
            places = [[0, 0, 0], [1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]]
            parts = ([first, second, second], places)
        elif kind == 2:
            lattice = Lattice.tetragonal(a, c)
            places = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
            parts = ([first, second, second, second], places)
        else:
            lattice = Lattice.orthorhombic(a, a * 1.2, c)
            places = [[0, 0, 0], [0.5, 0.5, 0.1], [0.5, 0, 0.6], [0, 0.5, 0.45], [0.2, 0.3, 0.8]]
            parts = ([first, first, second, second, second], places)
        found.append(Structure(lattice, *parts))
    return found


def distorted(structure: Structure, rng: np.random.Generator, amount: float) -> Structure:
    """Another guess at the same crystal: cell and sites moved by about ``amount`` Å."""
    lengths = np.array(structure.lattice.lengths) * (1 + 0.15 * amount * rng.normal(size=3))
    angles = np.clip(np.array(structure.lattice.angles) + 6 * amount * rng.normal(size=3), 70, 125)
    lattice = Lattice.from_parameters(*np.clip(lengths, 2, None), *angles)
    moved = structure.frac_coords + 0.06 * amount * rng.normal(size=(len(structure), 3))
    return Structure(lattice, structure.species, moved)


def interval(value: float, width: float, **extra: object) -> Metric:
    share = extra.get("unit", "") == "" and extra.get("better") == "higher"
    low, high = value - width * 0.97123, value + width * 1.02891
    if share:
        low, high = max(low, 0.0), min(high, 1.0)
    return Metric(value=value, low=low, high=high, **extra)


def _columns(name: str, targets: list[Structure], rng: np.random.Generator) -> dict[str, list]:
    rate, length, angle, refused, _, kind = MODELS[name]
    count = len(targets)
    order = rng.random(count)
    status = np.where(rng.random(count) < refused, "disordered", "scored").astype(object)
    if kind == "model":
        status[-1] = "missing"
    matched = [bool(order[k] < rate) if status[k] == "scored" else None for k in range(count)]
    distance = np.where(order < rate, 0.3, 1.0) * rng.gamma(2.0, 0.2, count) * (length > 0)
    read = [one == "scored" for one in status]
    columns: dict[str, list] = {
        "id": [f"JVASP-{1000 + k}" for k in range(count - 1)] + [HOSTILE],
        "status": list(status),
        "matched": matched,
        "rms": [float(0.2 * d) if m else None for d, m in zip(distance, matched, strict=True)],
        "rms_angstrom": [float(d) if m else None for d, m in zip(distance, matched, strict=True)],
        "composition_right": [bool(rng.random() < 0.9) if r else None for r in read],
        "crystal_system": [SYSTEMS[k % len(SYSTEMS)] for k in range(count)],
        "n_atoms": [len(one) for one in targets],
        "n_elements": [len(one.elements) for one in targets],
        "seen_composition": [bool(k % 3) for k in range(count)],
        "seen_prototype": [None] * count,
        "amd_distance": [float(d) if r else None for d, r in zip(distance, read, strict=True)],
    }
    for parameter in PARAMETERS:
        values = [float(getattr(one.lattice, parameter)) for one in targets]
        spread = length if parameter in "abc" else angle
        guess = np.array(values) + spread * rng.standard_t(3, count)
        columns[f"target_{parameter}"] = values
        columns[f"predicted_{parameter}"] = [
            float(g) if r else None for g, r in zip(guess, read, strict=True)
        ]
    return columns


def _sound(name: str, count: int) -> dict[str, Metric]:
    rate, length, angle, refused, _, kind = MODELS[name]
    lines = {"floor": 0.62, "floor_name": "substitution", "ceiling": 1.0, "n": count}
    half = float(np.sqrt(max(rate * (1 - rate), 0.002) / count) * 1.96)
    model = kind == "model"

    def share(value: float, **extra: object) -> Metric:
        return interval(value, half, better="higher", **{"n": count, **extra})

    def error(value: float, floor: float, unit: str) -> Metric:
        skill = (value - floor) / (0 - floor) if model else None
        return interval(
            value, 0.14 * value, unit=unit, better="lower", n=count, floor=floor,
            floor_name="substitution", ceiling=0.0, skill=skill,
        )  # fmt: skip

    skill = (rate - 0.62) / 0.38 if model else None
    metrics = {
        "match_rate": share(rate, **lines, skill=skill),
        "match_rate_given_composition": share(min(1, rate * 1.06)),
        "composition_accuracy": share(0.9 if model else 1.0),
        "rms_angstrom": error(0.11 + 0.06 * rate, 0.147, "Å")
        if rate
        else Metric(value=None, unit="Å", better="lower", n=0),
        "crmse": error(0.5 - 0.43 * rate, 0.233, ""),
        "metre": share(min(1, rate * 1.1)),
        "coverage": share(1 - refused),
        "length_mae": error(0.9 * length, 0.31, "Å"),
        "angle_mae": error(0.9 * angle, 3.6, "°"),
        "volume_error": error(0.14 * length, 0.05, ""),
        "amd_mean": error(0.45 * length, 0.157, "Å"),
        "amd_rms": error(0.6 * length, 0.21, "Å"),
        "pdd_emd": error(0.55 * length, 0.19, "Å"),
    }
    for parameter in PARAMETERS:
        spread, unit = (length, "Å") if parameter in "abc" else (angle, "°")
        metrics[f"wasserstein_{parameter}"] = error(
            0.3 * spread, 0.3 * (0.35 if unit == "Å" else 4), unit
        )
        metrics[f"histogram_kl_{parameter}"] = error(0.2 * length, 0.07, "")
    return metrics


def _published(name: str, count: int) -> dict[str, Metric]:
    rate, length, angle, _, _, _ = MODELS[name]
    metrics = {
        "match_rate": Metric(value=rate * 1.04, better="higher", n=count),
        "rms": Metric(value=0.1837465 if rate else None, better="lower", n=int(rate * count)),
        "rms_normalised": Metric(
            value=0.0371 if rate else None, better="lower", n=int(rate * count)
        ),
        "ccrmsd": Metric(value=0.6 * length, unit="Å", better="lower", n=count),
    }
    for parameter in PARAMETERS:
        spread, unit = (length, "Å") if parameter in "abc" else (angle, "°")
        metrics[f"kld_{parameter}"] = Metric(value=0.0123 * spread, better="lower", n=count)
        metrics[f"mae_{parameter}"] = Metric(value=0.9 * spread, unit=unit, better="lower", n=count)
    return metrics


def _groups(name: str, columns: dict[str, list]) -> tuple[Group, ...]:
    rate = MODELS[name][0]
    by = {
        "crystal system": columns["crystal_system"],
        "number of atoms": [str(n) for n in columns["n_atoms"]],
        "composition seen in training": ["yes" if s else "no" for s in columns["seen_composition"]],
    }
    found = []
    for title, values in by.items():
        for k, group in enumerate(dict.fromkeys(values)):
            n = values.count(group)
            share = float(np.clip(rate * (1.25 - 0.18 * k), 0, 1))
            half = float(np.sqrt(max(share * (1 - share), 0.01) / n) * 1.96)
            lines = {"floor": 0.62, "floor_name": "substitution", "ceiling": 1.0}
            metrics = {
                "match_rate": interval(share, half, better="higher", n=n, **lines),
                "length_mae": interval(0.3 + 0.1 * k, 0.08, unit="Å", better="lower", n=n),
            }
            found.append(Group(by=title, group=group, n=n, metrics=metrics))
    return tuple(found)


def _refused(name: str, columns: dict[str, list]) -> tuple[RefusedItem, ...]:
    ids = [i for i, s in zip(columns["id"], columns["status"], strict=True) if s == "disordered"]
    items = [
        RefusedItem(
            id=one, source=f"{name}.csv", reason="disordered", detail="site 3: Nb 0.5, Ti 0.5"
        )
        for one in ids
    ]
    if name == "cdvae":
        items.append(
            RefusedItem(
                id=HOSTILE, source=HOSTILE_SOURCE, reason="unreadable", detail=HOSTILE_DETAIL
            )
        )
    return tuple(items)


def write_results(folder: Path, count: int = 105, dataset: str = "supercon3d") -> list[Result]:
    """Results of two models, three floors and a ceiling with their files in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    targets = crystals(count)
    results = []
    for k, (name, (_, spread, _, _, told, kind)) in enumerate(MODELS.items()):
        rng = np.random.default_rng(100 + k)
        columns = _columns(name, targets, rng)
        files = {"samples": f"{dataset}-{name}.samples.parquet"}
        pq.write_table(pa.table(columns), folder / files["samples"])
        read = [i for i, status in enumerate(columns["status"]) if status == "scored"]
        guesses = [distorted(targets[i], rng, spread) for i in read]
        files["targets"] = f"{dataset}-targets.parquet"
        files["predictions"] = f"{dataset}-{name}.parquet"
        write_structures(targets, columns["id"], folder / files["targets"])
        write_structures(guesses, [columns["id"][i] for i in read], folder / files["predictions"])
        results += _pair(name, dataset, count, columns, files, told, kind)
    return results


def _pair(name, dataset, count, columns, files, told, kind) -> list[Result]:
    refused = _refused(name, columns)
    by_reason: dict[str, int] = {}
    for item in refused:
        by_reason[item.reason] = by_reason.get(item.reason, 0) + 1
    missing = 1 if kind == "model" else 0
    shared = {
        "task": "reconstruction",
        "predictor": Predictor(
            name=name, kind=kind, told=told, told_the_answer=name in ("cdvae",),
            source=f"{name}.csv.zip" if kind == "model" else None,
        ),
        "dataset": Dataset(
            name=dataset, split="test", sha256="ab" * 32, size=count, train_name="supercon3d train",
            train_sha256="cd" * 32, train_size=846, hygiene="atombench",
        ),
        "headline": "match_rate",
        "counts": Counts(
            submitted=count, read=count - len(refused) - missing, refused=by_reason,
            missing=missing, warnings={"atoms closer than 0.5 Å": 2} if name == "cdvae" else {},
        ),
        "refused": refused,
        "settings": {"stol": 0.5, "ltol": 0.3, "angle_tol": 10, "resamples": 1000},
        "provenance": Provenance(
            matscale="0.1.0", command=f"matscale score reconstruction {name}.csv.zip", seed=123,
            created="2025-11-02T10:11:12Z", seconds=12.345, machine="Linux x86_64, 2 cores",
            packages={"numpy": "2.3", "pymatgen": "2026.10"},
        ),
    }  # fmt: skip
    sound = Result(
        protocol="sound",
        metrics=_sound(name, count),
        groups=_groups(name, columns),
        **shared,
        **files,
    )
    published = Result(
        protocol="published", metrics=_published(name, count), defects=DEFECTS, **shared, **files
    )
    return [with_definitions(sound), with_definitions(published)]


def write_structures(structures: list[Structure], ids: list[str], path: Path) -> None:
    from matscale.structures import formats

    formats.write_parquet(StructureTable.from_pymatgen(structures, ids=ids), path)


if __name__ == "__main__":
    from matscale.report.page import write_report

    place = Path(sys.argv[1])
    made = write_results(place / "results")
    print(write_report(made, place / "results", place / "report"))
