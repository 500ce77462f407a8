"""Made-up but plausible results of the novelty task, for the tests of the report.

Nothing here is a measurement. ``python tests/novelty_samples.py OUT`` writes a report of them.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from matscale.report.parts.novelty.gather import SYSTEMS
from matscale.results.result import Counts, Dataset, Predictor, Provenance, RefusedItem, Result
from matscale.tasks.definitions import with_definitions
from report_samples import (
    HOSTILE,
    HOSTILE_DETAIL,
    HOSTILE_SOURCE,
    crystals,
    distorted,
    interval,
    write_structures,
)

CLASSES = ("duplicate", "substituted", "unmatched", "failed", "invalid")

# Share of each class, kind of predictor.
PREDICTORS = {
    "mattergen": ((0.10, 0.52, 0.30, 0.03, 0.05), "model"),
    "cdvae": ((0.05, 0.35, 0.35, 0.05, 0.20), "model"),
    "training_sample": ((1.0, 0.0, 0.0, 0.0, 0.0), "floor"),
    "random_substitution": ((0.0, 0.95, 0.0, 0.0, 0.05), "floor"),
    "held_out": ((0.02, 0.60, 0.38, 0.0, 0.0), "ceiling"),
}
SWAPS = ("Na>K", "Cl>Br", "Na>K Cl>Br", "Ti>Zr O>S", "La>Ce", "La>Lu Fe>Co", "Sn>Pb", "O>S", "U>Th")
GROUPS = {"cubic": 225, "hexagonal": 194, "tetragonal": 139, "orthorhombic": 62}


def columns(name: str, count: int, energies: bool) -> dict[str, list]:
    """Per-sample columns as ``matscale.tasks.novelty.samples`` describes them."""
    rng = np.random.default_rng(len(name))
    classes = rng.choice(CLASSES, count, p=PREDICTORS[name][0]).tolist()
    good = [one not in ("failed", "invalid") for one in classes]
    swapped = [one == "substituted" for one in classes]
    distance = {"duplicate": 0.02, "substituted": 0.15, "unmatched": 0.6}
    systems = [SYSTEMS[k % len(SYSTEMS)] if good[k] else "unknown" for k in range(count)]

    def only(which: list[bool], values: list) -> list:
        return [value if one else None for one, value in zip(which, values, strict=True)]

    kinds = rng.choice(["both", "anonymous", "wyckoff"], count, p=[0.6, 0.3, 0.1]).tolist()
    return {
        "id": [f"{name}-{k}" for k in range(count - 1)] + [HOSTILE],
        "status": ["disordered" if one == "failed" else "scored" for one in classes],
        "class": classes,
        "reason": ["" if one else "disordered" for one in good],
        "kind": [kinds[k] if swapped[k] else "" for k in range(count)],
        "valid": good,
        "unique": [g and k % 9 != 0 for k, g in enumerate(good)],
        "space_group": only(good, [GROUPS.get(one, 2) for one in systems]),
        "crystal_system": systems,
        "train_id": [f"mp-{k % 24}" if g else "" for k, g in enumerate(good)],
        "train_row": only(good, [k % 24 for k in range(count)]),
        "generated_row": only(good, (np.cumsum(good) - 1).tolist()),
        "swaps": [SWAPS[k % len(SWAPS)] if swapped[k] else "" for k in range(count)],
        "cost": only(swapped, rng.gamma(2, 3, count).tolist()),
        "rms": only(good, rng.gamma(2, 0.03, count).tolist()),
        "amd_distance": only(
            good, [distance.get(one, 0.1) * float(rng.gamma(3, 0.33)) for one in classes]
        ),
        "element_distance": only(good, rng.gamma(2, 4, count).tolist()),
        "energy_above_hull": only(
            [g and energies for g in good], rng.gamma(1.5, 0.08, count).tolist()
        ),
    }


def write_results(folder: Path, count: int = 300, energies: bool = True) -> list[Result]:
    """Results of two models, two floors and the held-out line with their files in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    train = crystals(24, seed=3)
    write_structures(train, [f"mp-{k}" for k in range(24)], folder / "matched_train.parquet")
    results = []
    for name in PREDICTORS:
        made = columns(name, count, energies)
        pq.write_table(pa.table(made), folder / f"{name}.samples.parquet")
        rng = np.random.default_rng(9)
        good = [k for k in range(count) if made["valid"][k]]
        structures = [distorted(train[k % 24], rng, 0.8) for k in good]
        path = folder / f"{name}.generated.parquet"
        write_structures(structures, [made["id"][k] for k in good], path)
        results.append(_result(name, count, made, energies))
    return results


def _result(name: str, count: int, made: dict[str, list], energies: bool) -> Result:
    kind = PREDICTORS[name][1]
    shares = {one: made["class"].count(one) / count for one in CLASSES}
    metrics = {
        one: interval(
            shares[one], 0.04, better="higher" if one == "unmatched" else "lower", n=count
        )
        for one in ("unmatched", "substituted", "duplicate", "failed", "invalid")
    }
    if energies:
        metrics["sun"] = interval(0.05, 0.02, better="higher", n=count)
    refused = tuple(
        RefusedItem(id=i, source=HOSTILE_SOURCE, reason="disordered", detail=HOSTILE_DETAIL)
        for i, status in zip(made["id"], made["status"], strict=True)
        if status != "scored"
    )
    result = Result(
        task="novelty",
        protocol="sound",
        predictor=Predictor(name=name, kind=kind, told=(), source=f"{name}.cif.zip"),
        dataset=Dataset(
            name="mp20", sha256="ab" * 32, size=count, train_name="mp20 train",
            train_sha256="cd" * 32, train_size=27136,
        ),
        headline="unmatched",
        metrics=metrics,
        counts=Counts(
            submitted=count,
            read=count - len(refused),
            refused={"disordered": len(refused)} if refused else {},
        ),
        refused=refused,
        samples=f"{name}.samples.parquet",
        predictions=f"{name}.generated.parquet",
        targets="matched_train.parquet",
        provenance=Provenance(
            matscale="0.1.0", command="matscale score novelty", seed=0,
            created="2026-11-02T10:11:12Z", seconds=12.3, machine="Linux x86_64, 2 cores",
        ),
    )  # fmt: skip
    return with_definitions(result)


if __name__ == "__main__":
    from matscale.report.page import write_report

    place = Path(sys.argv[1])
    found = write_results(place / "results", energies=len(sys.argv) < 3)
    print(write_report(found, place / "results", place / "report"))
