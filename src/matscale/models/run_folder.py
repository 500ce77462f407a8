"""A run folder: what was trained, on what, told what, and the weights.

``config.json`` holds the settings as they were used, ``run.json`` what came of them,
``weights.safetensors`` the weights, ``log.csv`` a row per validation and ``curve.svg`` its picture.
"""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from matscale.models.config import RunSettings, Settings
from matscale.results.provenance import installed_version
from matscale.runtime.errors import UserError
from matscale.runtime.execution import available_cores
from matscale.runtime.files import replaced
from matscale.runtime.version import __version__

CONFIG, RECORD, WEIGHTS, CURVE = "config.json", "run.json", "weights.safetensors", "curve.svg"
FORMAT = 1
"""Raised when folders of before can no longer be read."""
PACKAGES = ("torch", "lightning", "numpy", "scikit-learn", "safetensors")


class TrainingData(Settings):
    """What a model learnt from.

    Attributes:
        name: Of the dataset.
        crystals: How many.
        sha256: Of their content.
        held_out: How many were validated on.
        held_out_sha256: Of their content; None where there are none.
    """

    name: str
    crystals: int
    sha256: str
    held_out: int = 0
    held_out_sha256: str | None = None


class Learning(Settings):
    """What learning took.

    Attributes:
        parameters: Numbers that were learnt.
        steps: Updates of them; 0 where they are not learnt step by step.
        seconds: Wall time, all attempts.
        device: On which.
    """

    parameters: int
    steps: int
    seconds: float
    device: str = "cpu"


class RunRecord(Settings):
    """What is known of a finished training.

    Attributes:
        format: Of the folder.
        matscale: Version that trained.
        process: Key of the registry.
        told: Fields that the model is told.
        seed: Of weights, batches and noise.
        data: What it learnt from.
        learning: What that took.
        environment: Versions and machine.
    """

    format: int
    matscale: str
    process: str
    told: tuple[str, ...]
    seed: int
    data: TrainingData
    learning: Learning
    environment: dict[str, str]


def environment() -> dict[str, str]:
    """Versions and machine."""
    versions = {name: installed_version(name) for name in PACKAGES}
    return {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {available_cores()} cores",
        **{name: version for name, version in versions.items() if version},
    }


def is_run(folder: str | Path) -> bool:
    """Whether a path is a folder of a training, finished or not.

    Other folders may hold a file of that name, such as those of generated crystals.
    """
    try:
        started = json.loads((Path(folder) / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(started, dict) and started.keys() == {"settings", "data"}


def begin(folder: Path, settings: RunSettings, data: TrainingData) -> bool:
    """Make a run folder, or see that this one is of the same training.

    Returns:
        Whether the training was finished before.

    Raises:
        UserError: If the folder holds another training, or something else.
    """
    started = {"settings": settings.model_dump(mode="json"), "data": data.model_dump(mode="json")}
    file = folder / CONFIG
    if file.exists():
        before = _json(file)
        changed = _difference(before, started)
        if changed:
            raise UserError(
                f"{folder} holds another training ({changed}): give another folder with --out, or "
                "remove that one"
            )
        return (folder / RECORD).exists()
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} holds files that are no training: give an empty folder as --out")
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(file, started)
    return False


def _difference(before: Any, now: Any, path: str = "") -> str:
    """The first thing in which two settings differ, in words; "" where they are equal."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted({*before, *now}):
            inner = f"{path}.{key}" if path else key
            said = _difference(before.get(key), now.get(key), inner)
            if said:
                return said
        return ""
    if before == now:
        return ""
    return f"its {path.split('.', 1)[-1]} is {json.dumps(before)}, not {json.dumps(now)}"


def finish(folder: Path, record: RunRecord) -> None:
    """Write the record, which says that the training is finished."""
    _write_json(folder / RECORD, record.model_dump(mode="json"))


def read(folder: str | Path) -> tuple[RunSettings, RunRecord]:
    """Settings and record of a finished training.

    Raises:
        UserError: If there is none, it is not finished, or it is of another version's form.
    """
    folder = Path(folder)
    if not (folder / CONFIG).is_file():
        raise UserError(f"{folder} holds no training: there is no {CONFIG} in it")
    if not (folder / RECORD).is_file():
        raise UserError(
            f"the training in {folder} is not finished: give the same `matscale train` command "
            "again, which resumes it"
        )
    settings, record = _json(folder / CONFIG), _json(folder / RECORD)
    if record.get("format") != FORMAT:
        raise UserError(
            f"{folder} was written by matscale {record.get('matscale', 'of another version')}, "
            f"whose run folders this one ({__version__}) does not read: train anew, or install "
            "that version"
        )
    try:
        return (
            RunSettings.model_validate(settings.get("settings")),
            RunRecord.model_validate(record),
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{folder} cannot be read: {where}: {first['msg']}") from None


def _json(file: Path) -> dict[str, Any]:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise UserError(f"{file} cannot be read: it holds no settings")
    return values


def _write_json(file: Path, values: dict[str, Any]) -> None:
    with replaced(file) as partial:
        partial.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
