"""From what a predictor is told to what a network takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from matscale.models import cells
from matscale.models.crystals import CONDITIONS, niggli
from matscale.models.elements import MOST
from matscale.predictors.predictor import Told
from matscale.runtime.errors import Refused, UserError
from matscale.structures.table import StructureTable

LEAST_TC = 1e-3
"""Lower critical temperatures in K are taken as this one: superconductors are told by their
logarithm."""

UNKNOWN_ELEMENT = "element unknown to the model"


def check_told(told: Sequence[str]) -> None:
    """Whether a model can be told these fields.

    Raises:
        UserError: If one is not for models, or the composition is not among them.
    """
    known = ("composition", *CONDITIONS)
    for name in told:
        if name not in known:
            raise UserError(f"a model cannot be told {name}; it can be told {', '.join(known)}")
    if "composition" not in told:
        raise UserError("a model must be told the composition: add it to --told")


def conditions_of(told: Told) -> dict[str, np.ndarray]:
    """Fields beside the composition as numbers, each (samples, size)."""
    makers = {"tc": _tc, "space_group": _space_group, "volume": _volume, "cell": _cell}
    return {name: makers[name](told) for name in told.fields if name in CONDITIONS}


def atoms_of(told: Told) -> np.ndarray:
    """Atoms of each sample's cell, (n,)."""
    return np.array([sum(count for _, count in unit) for unit in told.column("composition")])


def _tc(told: Told) -> np.ndarray:
    kelvin = np.array(told.column("tc"), dtype=np.float64)
    return np.log10(np.maximum(kelvin, LEAST_TC))[:, None]


def _space_group(told: Told) -> np.ndarray:
    return np.array(told.column("space_group"), dtype=np.float64)[:, None]


def _volume(told: Told) -> np.ndarray:
    volumes = np.array(told.column("volume"), dtype=np.float64)
    return np.log(volumes / atoms_of(told))[:, None]


def _cell(told: Told) -> np.ndarray:
    """Reduced lattices as six numbers; NaN where a lattice cannot be reduced."""
    lattices = np.array(told.column("cell"), dtype=np.float64)
    count = len(lattices)
    points = StructureTable.from_parts(
        ids=[str(row) for row in range(count)],
        numbers=[np.ones(1, np.uint8)] * count,
        positions=[np.zeros((1, 3))] * count,
        cells=lattices,
    )
    reduced, rows = niggli(points)
    values = np.full((count, cells.SIZE), np.nan)
    atoms = torch.tensor(atoms_of(told)[rows])
    values[rows] = cells.encode(torch.tensor(reduced.lattices), atoms).numpy()
    return values


def refusal_of(composition: Sequence[tuple[int, int]]) -> Refused | None:
    """Why a composition cannot be made; None where it can."""
    strange = [number for number, _ in composition if not 1 <= number <= MOST]
    if strange:
        return Refused(UNKNOWN_ELEMENT, f"atomic number {strange[0]}; models know 1 to {MOST}")
    return None
