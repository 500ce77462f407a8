"""What this installation has and what it lacks."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from matscale.datasets import list_datasets
from matscale.datasets.locate import cache_folder
from matscale.results.provenance import PACKAGES, installed_version
from matscale.runtime.execution import available_cores
from matscale.runtime.version import __version__


class Extra(NamedTuple):
    """An optional part of the installation.

    Attributes:
        modules: What it brings, as matscale imports it.
        purpose: What it is for.
    """

    modules: tuple[str, ...]
    purpose: str


EXTRAS: Mapping[str, Extra] = MappingProxyType(
    {
        "energy": Extra(("torch", "chgnet.model"), "relaxing crystals, energies above the hull"),
        "models": Extra(
            ("torch", "lightning.pytorch", "safetensors", "sklearn"), "training and sampling models"
        ),
        "cluster": Extra(("distributed",), "sending work to a dask scheduler"),
        "perception": Extra(
            ("huggingface_hub", "inspect_ai", "openai"), "asking models about figures"
        ),
    }
)
"""Every extra of pyproject.toml by its name; ``all`` is all of them."""

READY, MISSING, BROKEN = "ready", "missing", "broken"

PATIENCE_S = 60.0
"""After which imports that have not ended count as broken."""

TOGETHER = (
    ("torch", "chgnet.model", "lightning.pytorch", "safetensors", "sklearn"),
    ("distributed", "huggingface_hub", "inspect_ai", "openai"),
)
"""Modules that are imported one after the other, in a process each beside the other."""

_TRY = """
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except BaseException as error:
        print(name, type(error).__name__ + ":", " ".join(str(error).split())[:300], flush=True)
    else:
        print(name, "ready", flush=True)
if "torch" in sys.modules:
    import torch
    print("gpu", torch.cuda.get_device_name(0) if torch.cuda.is_available() else "")
"""
"""Imports the modules that it is given; a line each says whether that went well, and why not."""


def examine() -> dict[str, Any]:
    """Versions, extras, cores, GPU, cache and datasets, as plain values."""
    trials = [_trial(modules) for modules in TOGETHER]
    found: dict[str, Any] = {
        "matscale": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: installed_version(name) for name in (*PACKAGES, "numba", "gemmi")},
        "cores": available_cores(),
        "cache": str(cache_folder()),
        "cache_free_bytes": _free_bytes(cache_folder()),
        "MATSCALE_DATA": os.environ.get("MATSCALE_DATA"),
        "datasets": {item["name"]: item["path"] for item in list_datasets()},
    }
    said = {name: line for trial in trials for name, line in _outcome(trial).items()}
    found["gpu"] = said.pop("gpu", None) or None
    found["extras"] = {name: _verdict(extra, said) for name, extra in EXTRAS.items()}
    return found


def _trial(modules: Sequence[str]) -> subprocess.Popen[str]:
    """Begin to import modules in a process of its own, from which a crash takes nothing along."""
    return subprocess.Popen(
        [sys.executable, "-P", "-c", _TRY, *filter(_is_there, modules)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _is_there(module: str) -> bool:
    return importlib.util.find_spec(module.partition(".")[0]) is not None


def _outcome(trial: subprocess.Popen[str]) -> dict[str, str]:
    """What the trial says of each module, and of the GPU."""
    late = ""
    try:
        out, _ = trial.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        trial.kill()
        out, _ = trial.communicate()
        late = f"the import has not ended after {PATIENCE_S:.0f} s"
    said = {name: rest for name, _, rest in (line.partition(" ") for line in out.splitlines())}
    asked = list(trial.args)[4:]  # type: ignore[arg-type]
    ended = late or f"the import ends Python with code {trial.returncode}"
    unsaid = [str(name) for name in asked if name not in said]
    return said | dict.fromkeys(unsaid, ended)


def _verdict(extra: Extra, said: Mapping[str, str]) -> dict[str, str]:
    """Whether an extra's modules can be imported, and why not."""
    for module in extra.modules:
        if not _is_there(module):
            return {"verdict": MISSING, "reason": f"no package {module.partition('.')[0]}"}
    for module in extra.modules:
        if said[module] != READY:
            return {"verdict": BROKEN, "reason": f"{module}: {said[module]}"}
    return {"verdict": READY, "reason": ""}


def _free_bytes(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def print_findings(findings: dict[str, Any]) -> None:
    """The findings as lines, and what to do about what is missing."""
    for name in ("matscale", "python", "platform", "cores"):
        print(f"{name:<16}{findings[name]}")
    print(f"{'gpu':<16}{findings['gpu'] or 'none seen (not needed for scoring)'}")
    for package, version in findings["packages"].items():
        print(f"{package:<26}{version or 'MISSING: pip install ' + package}")
    for extra, found in findings["extras"].items():
        print(f"{'extra ' + extra:<26}{_advice(extra, found['verdict'], found['reason'])}")
    free = findings["cache_free_bytes"] / 2**30
    print(f"{'cache':<16}{findings['cache']} ({free:.0f} GiB free)")
    print(f"{'MATSCALE_DATA':<16}{findings['MATSCALE_DATA'] or 'not set'}")
    for name, path in findings["datasets"].items():
        print(f"{'data ' + name:<26}{path or f'not here: matscale data fetch {name}'}")


def _advice(extra: str, verdict: str, reason: str) -> str:
    """The verdict, and what to do about it."""
    command = f"pip install 'matscale[{extra}]'"
    if verdict == MISSING:
        return f"missing: {command} ({EXTRAS[extra].purpose})"
    if verdict == BROKEN:
        return f"broken: {reason} (mend it, or {command})"
    return verdict
