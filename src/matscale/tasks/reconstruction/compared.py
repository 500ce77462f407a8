"""How two results of the reconstruction task are compared."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from matscale.metrics import lattice
from matscale.results.compared import ComparedTask, Values, column, error, scored, share


def _off(parameter: str) -> Values:
    """Absolute error of a lattice parameter, NaN without a prediction."""
    target, predicted = column(f"target_{parameter}"), column(f"predicted_{parameter}")

    def values(table: pa.Table) -> np.ndarray:
        return np.abs(target(table) - predicted(table))

    return values


COMPARED = ComparedTask(
    {
        "sound": {
            "match_rate": share("matches", column("matched")),
            "composition_accuracy": share("has the composition right", column("composition_right")),
            "amd_mean": error("in AMD distance", " Å", column("amd_distance")),
            "length_mae": error("in cell lengths", " Å", column("length_error")),
            "angle_mae": error("in cell angles", "°", column("angle_error")),
            "volume_error": error(
                "in volume per atom, as a fraction of it", "", column("volume_error")
            ),
        },
        "published": {
            "match_rate": share("matches", scored("matched")),
            "rms": error("in rms of matched sites, as published", "", column("rms")),
            **{
                f"mae_{name}": error(f"in {name}", "°" if unit == "°" else f" {unit}", _off(name))
                for name, unit in lattice.UNITS.items()
            },
        },
    }
)
"""Errors are over the samples on which both have a prediction that can be read."""
