"""Which reader answers which question."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from matscale.figures.synthetic.question import Value
from matscale.figures.synthetic.readers import curves, lattices, micrographs

Reading = float | dict[str, float]

READERS: dict[str, Callable[[np.ndarray], Reading]] = {
    "fringes.lattice_spacing": lattices.fringe_spacing,
    "diffraction.lattice_spacing": lattices.ringed_spacing,
    "diffraction.zone_axis": lattices.zone_scores,
    "nanoparticle.diameter": micrographs.particle_diameter,
    "crystal_view.element_count": lattices.element_scores,
    "crystal_view.cell_edge": lattices.cell_edge,
    "precipitates.mean_diameter": micrographs.mean_diameter,
    "precipitates.number_density": micrographs.number_density,
    "precipitates.area_fraction": micrographs.area_fraction,
    "grain_size.mean_intercept": micrographs.grain_intercept,
    "boundaries.high_angle_share": micrographs.high_angle_share,
    "texture.fibre": micrographs.texture_scores,
    "stress_strain.modulus": curves.modulus,
    "stress_strain.yield_strength": curves.yield_strength,
    "xrd.peak_position": curves.peak_position,
    "xrd.phase": curves.phase_scores,
    "tga.mass_loss": curves.mass_loss,
    "tga.midpoint": curves.midpoint,
    "marked_distance.distance_atomscale": partial(micrographs.cross_distance, unit="nm"),
    "marked_distance.distance_microscale": partial(micrographs.cross_distance, unit="nm"),
    "marked_distance.distance_mesoscale": partial(micrographs.cross_distance, unit="µm"),
}


def read(name: str, pixels: np.ndarray) -> Reading | None:
    """What a question's reader finds in a figure (H, W, 3); None where it cannot answer.

    Args:
        name: Of the question, such as ``"xrd.phase"``.
        pixels: The figure.
    """
    try:
        found = READERS[name](pixels)
    except (ValueError, IndexError, ZeroDivisionError):
        return None
    return found if isinstance(found, dict) or math.isfinite(found) else None


def choose(reading: Reading | None, offered: Sequence[Value]) -> int | None:
    """Which of the offered values a reading speaks for: the nearest, or the best score."""
    if reading is None:
        return None
    if isinstance(reading, dict):
        return int(np.argmax([reading[str(value)] for value in offered]))
    if reading <= 0:
        return None
    return int(np.argmin([abs(math.log(reading / float(value))) for value in offered]))
