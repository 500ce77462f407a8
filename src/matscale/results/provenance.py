"""How a result was made: versions, command, seed, machine."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from matscale.results.result import Provenance
from matscale.runtime.execution import available_cores
from matscale.runtime.version import __version__

PACKAGES = ("pymatgen", "moyopy", "spglib", "average-minimum-distance", "numpy", "scipy")


@cache
def installed_version(package: str) -> str | None:
    """Version of an installed package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def provenance(command: str, seed: int, seconds: float, packages: Sequence[str] = ()) -> Provenance:
    """The provenance of a result that was just made.

    Args:
        command: As typed.
        seed: Of all that was random.
        seconds: Wall time.
        packages: Whose versions are named too, where they are installed.
    """
    versions = {package: installed_version(package) for package in (*PACKAGES, *packages)}
    return Provenance(
        matscale=__version__,
        command=command,
        seed=seed,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(seconds, 3),
        machine=f"{platform.system()} {platform.machine()}, {available_cores()} cores, "
        f"Python {platform.python_version()}",
        packages={package: found for package, found in versions.items() if found},
    )
