"""How fast each process learns and makes crystals, on one thread and, if there is one, a GPU.

    python bench/training.py [--data supercon3d] [--steps 300] [--quick] [--out training.json]

Prints crystals per second of learning (a crystal that is seen once), milliseconds of sampling per
crystal, parameters and memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from matscale import datasets
from matscale.models.entry import train
from matscale.models.process import Process
from matscale.models.registry import PROCESSES, process_class
from matscale.predictors.predictor import Told
from matscale.predictors.training import crystal_fields

SAMPLED = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="supercon3d")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--quick", action="store_true", help="twenty steps")
    parser.add_argument("--out", type=Path, default=Path("training.json"))
    given = parser.parse_args()
    dataset = datasets.load(given.data)
    steps = 20 if given.quick else given.steps
    networks = [name for name in PROCESSES if issubclass(process_class(name), Process)]
    rows = [measured(name, dataset, steps) for name in networks]
    print(f"{'process':12}{'parameters':>12}{'crystals/s':>12}{'ms/sample':>12}{'peak MiB':>10}")
    for row in rows:
        print(
            f"{row['process']:12}{row['parameters']:12,}{row['learnt_per_s']:12.0f}"
            f"{row['sampling_ms']:12.1f}{row['peak_mib']:10.0f}"
        )
    given.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def measured(process: str, dataset: datasets.Dataset, steps: int) -> dict[str, float | str]:
    """One process: CPU seconds, as the machine may be busy."""
    table = dataset.table(next(iter(dataset.splits)))
    settings = {"training": {"steps": steps, "check_every": steps}, "draws": 1}
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        model = train(process, table, out=Path(folder) / "run", settings=settings)
        learnt = time.process_time() - began
    rows = np.linspace(0, len(table) - 1, SAMPLED).astype(int).tolist()
    told = Told.of([crystal_fields(table, row, model.told, {}) for row in rows], model.told)
    model.predict(told[:2])
    began = time.process_time()
    model.predict(told)
    return {
        "process": process,
        "device": model.record.learning.device,
        "parameters": model.record.learning.parameters,
        "learnt_per_s": steps * model.settings.training.batch / learnt,
        "sampling_ms": 1000 * (time.process_time() - began) / SAMPLED,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    main()
