"""Made-up but plausible results of the particle tasks, for the tests of the report.

Nothing here is a measurement. ``python tests/particle_report_samples.py OUT`` writes a report.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from crystals import perovskite
from matscale.datasets.particles import C2NP
from matscale.metrics.particles import PAIRED, PUBLISHED, SOUND
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
from matscale.structures import formats
from matscale.structures.carving import carve_sphere
from matscale.structures.table import StructureTable
from matscale.tasks.definitions import with_definitions
from matscale.tasks.particles.crystal_to_particle import specs as to_particle
from matscale.tasks.particles.particle_to_crystal import specs as to_crystal
from report_samples import HOSTILE, HOSTILE_DETAIL, HOSTILE_SOURCE

FORWARD, BACK = "crystal-to-particle", "particle-to-crystal"
HOSTILE_NAME = '"><script>alert(3)</script>'
MATERIALS = ("CsCaH3", "RbCaH3", "BaLiH3", "SrLiH3", "KMgH3", "NaMgH3", HOSTILE)
TEST = {"id": C2NP["id"], "ood": C2NP["ood"]}

# Error in Å at 10 Å, its power of the radius, share that fails, kind.
FORWARD_PREDICTORS = {
    "matter-net": (0.30, 1.2, 0.02, "model"),
    HOSTILE_NAME: (1.40, 0.3, 0.10, "model"),
    "bulk_density_gas": (1.10, 0.1, 0.0, "floor"),
    "nearest_training_particle": (0.22, 0.9, 0.0, "floor"),
    "predict_zero_noise": (2.0, 1.0, 0.0, "floor"),
    "return_input": (0.0, 0.0, 0.0, "floor"),
    "carve": (0.0, 0.0, 0.0, "ceiling"),
}
BACK_PREDICTORS = {
    "lattice-net": (0.08, 0.9, 0.03, "model"),
    "zeros": (4.0, 0.0, 0.0, "floor"),
    "mean_lattice": (0.35, 0.0, 0.0, "floor"),
    "lookup": (0.01, 0.0, 0.0, "floor"),
    "lattice_recovery": (0.0, 0.0, 0.0, "ceiling"),
}
SHARES = (
    "rebuilt", "space_group_accuracy", "joint_rate", "space_group_published", "joint_published"
)  # fmt: skip
BACK_METRICS = {
    "sound": ("joint_rate", "length_mae", "angle_mae", "volume_error", "space_group_accuracy"),
    "published": ("rmse", "space_group_published", "joint_published"),
}


def rows() -> list[tuple[str, str, float, int]]:
    """Split, material, radius and rotation of every sample."""
    return [
        (split, material, float(radius), rotation)
        for split, radii in TEST.items()
        for radius in radii
        for material in MATERIALS
        for rotation in (1, 2)
    ]


def columns(task: str, name: str, protocol: str) -> dict[str, list]:
    """Per-sample columns as the tasks write them."""
    chosen = FORWARD_PREDICTORS if task == FORWARD else BACK_PREDICTORS
    error, power, failing, _ = chosen[name]
    rng = np.random.default_rng(len(name))
    samples = rows()
    fails = rng.random(len(samples)) < failing
    made: dict[str, list] = {
        "id": [f"{m}_R{r:g}_rot{k}" for _, m, r, k in samples],
        "status": ["missing" if one else "scored" for one in fails],
        "reason": ["missing" if one else "" for one in fails],
        "material": [one[1] for one in samples],
        "radius": [one[2] for one in samples],
        "rotation": [one[3] for one in samples],
        "split": [one[0] for one in samples],
    }
    radius = np.array(made["radius"])
    for metric in metrics_of(task, protocol):
        spread = error * (radius / 10) ** power * rng.gamma(20, 0.05, len(samples))
        if metric in SHARES:
            values = (rng.random(len(samples)) < np.clip(1 - spread, 0, 1)).astype(float)
            made[metric] = np.where(fails, 0.0, values).tolist()
            continue
        factor = 1.0
        if metric.endswith("_surface"):
            factor = 1.8
        if metric in ("delta_hull_volume", "rdf_energy"):
            factor = 900.0
        if metric == "angle_mae":
            factor = 6.0
        values = factor * spread
        if metric == "coordination_correlation":
            values = 1 - np.clip(spread, 0, 1)
        made[metric] = [None if bad else float(v) for bad, v in zip(fails, values, strict=True)]
    return made


def metrics_of(task: str, protocol: str) -> tuple[str, ...]:
    if task == BACK:
        return BACK_METRICS[protocol]
    return ("rebuilt", *SOUND) if protocol == "sound" else (*PUBLISHED, *PAIRED)


def _metric(task: str, name: str, values: np.ndarray, others: dict[str, float]) -> Metric:
    known = values[np.isfinite(values)]
    module = to_particle if task == FORWARD else to_crystal
    spec = next(specs[name] for specs in module.SPECS.values() if name in specs)
    value = float(known.mean()) if len(known) else None
    half = 1.96 * float(known.std()) / max(len(known), 1) ** 0.5 if len(known) else 0.0
    ends = {} if value is None else {"low": value - 0.98 * half, "high": value + 1.03 * half}
    return Metric(value=value, unit=spec.unit, better=spec.better, n=len(known), **ends, **others)


def _numbers(values: list) -> np.ndarray:
    return np.array([np.nan if one is None else one for one in values], float)


def write_results(
    folder: Path, task: str = FORWARD, largest: float = 30.0, dataset: str = "perov-h3"
) -> list[Result]:
    """Results of all predictors of a task under both protocols with their files in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    results = []
    chosen = FORWARD_PREDICTORS if task == FORWARD else BACK_PREDICTORS
    for k, name in enumerate(chosen):
        files: dict[str, str] = {}
        if task == FORWARD:
            files = _write_particles(folder, k, name, largest)
        for protocol in ("sound", "published"):
            made = columns(task, name, protocol)
            samples = f"{task}-{k}.{protocol}.samples.parquet"
            pq.write_table(pa.table(made), folder / samples)
            results.append(_result(task, name, protocol, made, samples, files, dataset))
    return results


def _write_particles(folder: Path, k: int, name: str, largest: float) -> dict[str, str]:
    """Truth and prediction of a few samples; each prediction in a pose of its own."""
    error, power, _, _ = FORWARD_PREDICTORS[name]
    rng = np.random.default_rng(k)
    made = columns(FORWARD, name, "sound")
    order = np.argsort(_numbers(made["chamfer"]))
    order = [row for row in order if made["status"][row] == "scored"]
    by_radius = [row for row in order if made["radius"][row] == largest]
    kept = dict.fromkeys([order[-1], order[len(order) // 2], order[0], *by_radius[:1]])
    crystal = StructureTable.from_pymatgen([perovskite(4.6, "Cs", "Ca", "H")], ["x"])
    truths, guesses, ids = [], [], []
    for row in kept:
        radius = min(made["radius"][row], largest)
        numbers, positions = carve_sphere(
            crystal.numbers, crystal.positions, crystal.cells[0], radius
        )
        moved = positions + error * (radius / 10) ** power * rng.normal(size=positions.shape)
        if name == "predict_zero_noise":
            moved = 1e-4 * rng.normal(size=positions.shape)
        truths.append((numbers, positions))
        guesses.append((numbers, moved))
        ids.append(made["id"][row])
    files = {"targets": f"targets-{k}.parquet", "predictions": f"predictions-{k}.parquet"}
    for file, particles in zip(files.values(), (truths, guesses), strict=True):
        formats.write_parquet(_table(ids, particles), folder / file)
    return files


def _table(ids: list[str], particles: list[tuple[np.ndarray, np.ndarray]]) -> StructureTable:
    sizes = [len(numbers) for numbers, _ in particles]
    return StructureTable(
        ids=np.array(ids, dtype=object),
        offsets=np.concatenate([[0], np.cumsum(sizes)]),
        numbers=np.concatenate([numbers for numbers, _ in particles]),
        positions=np.concatenate([positions for _, positions in particles]),
    )


def _result(task, name, protocol, made, samples, files, dataset) -> Result:
    chosen = FORWARD_PREDICTORS if task == FORWARD else BACK_PREDICTORS
    kind = chosen[name][3]
    names = metrics_of(task, protocol)
    radius, split = np.array(made["radius"]), np.array(made["split"])
    values = {metric: _numbers(made[metric]) for metric in names}
    groups = []
    for by, labels in (("radius", radius), ("split", split)):
        for one in dict.fromkeys(labels.tolist()):
            inside = labels == one
            metrics = {m: _metric(task, m, v[inside], {}) for m, v in values.items()}
            group = f"{one:g}" if by == "radius" else one
            groups.append(Group(by=by, group=group, n=int(inside.sum()), metrics=metrics))
    missing = made["status"].count("missing")
    headline = {
        (FORWARD, "sound"): "rebuilt", (FORWARD, "published"): "rmsd",
        (BACK, "sound"): "joint_rate", (BACK, "published"): "rmse",
    }[task, protocol]  # fmt: skip
    refused = ()
    if kind == "model":
        refused = (
            RefusedItem(
                id=HOSTILE, source=HOSTILE_SOURCE, reason="unreadable", detail=HOSTILE_DETAIL
            ),
        )
    result = Result(
        task=task,
        protocol=protocol,
        predictor=Predictor(name=name, kind=kind, told=("cell", "radius")),
        dataset=Dataset(name=dataset, split="radius", sha256="ab" * 32, size=len(made["id"])),
        headline=headline,
        metrics={metric: _metric(task, metric, v, {}) for metric, v in values.items()},
        groups=tuple(groups),
        counts=Counts(
            submitted=len(made["id"]), read=len(made["id"]) - missing, missing=missing
        ),
        refused=refused,
        samples=samples,
        **files,
        provenance=Provenance(
            matscale="0.1.0", command=f"matscale score {task} x.parquet", seed=0,
            created="2025-11-02T10:11:12Z", seconds=12.3, machine="Linux x86_64, 2 cores",
        ),
    )  # fmt: skip
    return with_definitions(result)


if __name__ == "__main__":
    from matscale.report.page import write_report

    place = Path(sys.argv[1])
    made = [
        *write_results(place / "results", FORWARD),
        *write_results(place / "results", BACK),
    ]
    print(write_report(made, place / "results", place / "report"))
