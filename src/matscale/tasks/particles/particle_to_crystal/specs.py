"""What the metrics of the particle-to-crystal task are, and how its results are compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matscale.results.compared import ComparedTask
from matscale.results.metric import MAIN, ComparedWords, MetricSpec, by_name, share
from matscale.results.result import Protocol
from matscale.tasks import cells
from matscale.tasks.particles.labels import PUBLISHED_SYMPREC, SYMPREC
from matscale.tasks.particles.particle_to_crystal.equivalent import (
    ANGLE_TOLERANCE,
    LENGTH_TOLERANCE,
)

JOINT_TOLERANCE = 0.5
"""Largest difference of each parameter, in Å or degrees, in the published joint accuracy."""

_WITHIN = f"{100 * LENGTH_TOLERANCE:g} %", f"{ANGLE_TOLERANCE:g}°"
_SYMMETRY = "symmetry"
_SPGLIB = f"{PUBLISHED_SYMPREC:g}".replace("e-0", "e-")


def _share(name: str, label: str, definition: str, verb: str = "", **more: Any) -> MetricSpec:
    own = {"column": name, "missing": "no samples", "group": _SYMMETRY}
    return share(name, label, definition, verb=verb, **(own | more))


_COVERAGE = share(
    "coverage",
    "coverage",
    "Share of the particles asked for with a cell that can be scored.",
    verb="gives a cell that can be scored",
    column="coverage",
)

_SOUND = (
    _share(
        "joint_rate",
        "crystal found",
        f"Share of the particles asked for whose primitive cell is found within {_WITHIN[0]} and "
        f"{_WITHIN[1]}, and whose space group is right.",
        "finds the crystal",
        headline=("finds the crystal of", "of {n} particles"),
    ),
    _share(
        "lattice_match",
        "lattice right",
        f"Share whose primitive cell has all lengths within {_WITHIN[0]} and all angles within "
        f"{_WITHIN[1]}.",
        "has the lattice right",
        group=cells.GROUP,
    ),
    _share(
        "space_group_accuracy",
        "space group right",
        f"Share whose space group is that of the crystal at a tolerance of {SYMPREC:g} Å.",
        "has the space group right",
    ),
    _share(
        "crystal_system_accuracy",
        "crystal system right",
        "Share whose space group is of the right crystal system.",
        "has the crystal system right",
    ),
    cells.length_mae(),
    cells.angle_mae(),
    cells.volume_error("volume", "Mean of |predicted - target| / target of the volume per cell."),
    _COVERAGE,
    _share(
        "space_group_balanced",
        "space group right, balanced",
        "Mean, over the space groups asked about, of the share that is right in each.",
        share=False,
        column="",
    ),
)

_PUBLISHED = (
    MetricSpec(
        name="rmse",
        label="RMSE as published",
        shown_unit="Å and °",
        better="lower",
        range=(0, None),
        definition="Root mean square over samples and all six lattice parameters, Å and degrees "
        "mixed.",
        missing="no answer",
        statistic="root mean square",
        column="rmse",
        compared=ComparedWords(
            verb="has an RMSE, as published,",
            unit="",
            factor=1,
            more="larger",
            less="smaller",
            same="as large as",
        ),
        headline=("has an RMSE, as published, of", "over {n} particles"),
        group=MAIN,
    ),
    _share(
        "space_group_published",
        "space group as published",
        f"Share whose space group is that of spglib at {_SPGLIB} Å on the cell as it is written.",
        "has the space group right, as published,",
    ),
    _share(
        "joint_published",
        "joint accuracy as published",
        "Share whose space group is right and all of whose parameters are within "
        f"{JOINT_TOLERANCE:g}, of Å or degrees.",
        "has space group and lattice right, as published,",
    ),
    _COVERAGE.model_copy(update={"compared": None}),
)

_LEADING = (
    "joint_rate", "lattice_match", "space_group_accuracy", "crystal_system_accuracy",
    "volume_error", "coverage",
)  # fmt: skip

SPECS: Mapping[Protocol, Mapping[str, MetricSpec]] = {
    "sound": by_name(_SOUND, _LEADING),
    "published": by_name(_PUBLISHED, _LEADING),
}

COMPARED = ComparedTask(samples="particles")
"""Errors are over the particles on which both have a cell."""
