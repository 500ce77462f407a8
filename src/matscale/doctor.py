"""What this installation has and what it lacks."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from pathlib import Path
from typing import Any

import matscale
from matscale.datasets import list_datasets
from matscale.datasets.locate import cache_folder
from matscale.execution import available_cores
from matscale.results.provenance import PACKAGES, installed_version

EXTRAS = {"models": ("torch", "reading .pt results of CDVAE and DiffCSP")}
"""Extra to the package that it brings and what that is for."""


def examine() -> dict[str, Any]:
    """Versions, extras, cores, GPU, cache and datasets, as plain values."""
    return {
        "matscale": matscale.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: installed_version(name) for name in (*PACKAGES, "numba", "gemmi")},
        "extras": {
            extra: importlib.util.find_spec(module) is not None
            for extra, (module, _) in EXTRAS.items()
        },
        "cores": available_cores(),
        "gpu": _gpu(),
        "cache": str(cache_folder()),
        "cache_free_bytes": _free_bytes(cache_folder()),
        "MATSCALE_DATA": os.environ.get("MATSCALE_DATA"),
        "datasets": {item["name"]: item["path"] for item in list_datasets()},
    }


def _gpu() -> str | None:
    """Name of the first GPU that torch sees; None without torch or GPU."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else None


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
    for extra, here in findings["extras"].items():
        purpose = EXTRAS[extra][1]
        state = "installed" if here else f"missing: pip install 'matscale[{extra}]' ({purpose})"
        print(f"{'extra ' + extra:<26}{state}")
    free = findings["cache_free_bytes"] / 2**30
    print(f"{'cache':<16}{findings['cache']} ({free:.0f} GiB free)")
    print(f"{'MATSCALE_DATA':<16}{findings['MATSCALE_DATA'] or 'not set'}")
    for name, path in findings["datasets"].items():
        print(f"{'data ' + name:<26}{path or f'not here: matscale data fetch {name}'}")
