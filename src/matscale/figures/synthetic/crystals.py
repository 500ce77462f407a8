"""Prototype crystals, as a table of structures, and what an electron beam sees of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from matscale.structures.table import StructureTable

PROTOTYPES: dict[str, tuple[str, float, dict[str, list[list[float]]]]] = {
    "fcc": ("Fm-3m", 4.08, {"Au": [[0, 0, 0]]}),
    "bcc": ("Im-3m", 2.87, {"Fe": [[0, 0, 0]]}),
    "diamond": ("Fd-3m", 5.43, {"Si": [[0, 0, 0]]}),
    "rocksalt": ("Fm-3m", 5.64, {"Na": [[0, 0, 0]], "Cl": [[0.5, 0.5, 0.5]]}),
    "caesium chloride": ("Pm-3m", 4.12, {"Cs": [[0, 0, 0]], "Cl": [[0.5, 0.5, 0.5]]}),
    "zinc blende": ("F-43m", 5.41, {"Zn": [[0, 0, 0]], "S": [[0.25, 0.25, 0.25]]}),
    "perovskite": (
        "Pm-3m", 3.905, {"Sr": [[0, 0, 0]], "Ti": [[0.5, 0.5, 0.5]], "O": [[0.5, 0.5, 0]]},
    ),
    "half-Heusler": (
        "F-43m", 5.96, {"Sn": [[0, 0, 0]], "Ti": [[0.5, 0.5, 0.5]], "Ni": [[0.25, 0.25, 0.25]]},
    ),
    "quaternary Heusler": (
        "F-43m", 6.0,
        {"Li": [[0, 0, 0]], "Mg": [[0.5, 0.5, 0.5]], "Pd": [[0.25, 0.25, 0.25]],
         "Sn": [[0.75, 0.75, 0.75]]},
    ),
    "elpasolite": (
        "Fm-3m", 8.1,
        {"K": [[0.25, 0.25, 0.25]], "Na": [[0.5, 0.5, 0.5]], "Al": [[0, 0, 0]],
         "F": [[0.22, 0, 0]]},
    ),
}  # fmt: skip
"""Space group, edge of the cubic cell in Å, and sites of each element (textbook structures)."""


def cubic_crystal(group: str, edge: float, sites: dict[str, list[list[float]]]) -> Structure:
    """The conventional cell that a space group makes of some sites; the edge in Å."""
    from pymatgen.core import Lattice, Structure

    species = [element for element, places in sites.items() for _ in places]
    places = [position for group_of_places in sites.values() for position in group_of_places]
    return Structure.from_spacegroup(group, Lattice.cubic(edge), species, places)


@cache
def prototypes() -> StructureTable:
    """The conventional cubic cells of :data:`PROTOTYPES`, by name."""
    from matscale.structures.table import StructureTable

    cells = [cubic_crystal(*parts) for parts in PROTOTYPES.values()]
    return StructureTable.from_pymatgen(cells, list(PROTOTYPES))


def row_of(prototype: str) -> int:
    """Where a prototype stands in :func:`prototypes`."""
    return list(PROTOTYPES).index(prototype)


@dataclass(frozen=True)
class Zone:
    """Reflections of a crystal that lie in one zone.

    Attributes:
        vectors: Reciprocal vectors (n, 2) in the plane across the zone axis, in units of the
            reciprocal of the cell edge; without the origin.
        factors: Structure factors (n,), complex, with the atomic number as scattering power.
        shortest: Length of the shortest vector.
    """

    vectors: np.ndarray
    factors: np.ndarray
    shortest: float


@cache
def zone_reflections(prototype: str, axis: tuple[int, int, int], reach: float) -> Zone:
    """Allowed reflections of a cubic prototype along a zone axis.

    A reflection is allowed where its kinematic structure factor is over 5 % of the sum of all
    atomic numbers of the cell.

    Args:
        prototype: A key of :data:`PROTOTYPES`.
        axis: Indices [uvw] of the direction that the beam takes.
        reach: Longest vector as a multiple of the shortest.
    """
    table, row = prototypes(), row_of(prototype)
    numbers = table.row_numbers(row).astype(float)
    fractions = table.row_positions(row) @ np.linalg.inv(table.lattices[row])
    steps = np.arange(-12, 13)
    indices = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    indices = indices[(indices @ np.array(axis) == 0) & indices.any(axis=1)]
    factors = np.exp(2j * np.pi * indices @ fractions.T) @ numbers
    allowed = np.abs(factors) > 0.05 * numbers.sum()
    indices, factors = indices[allowed], factors[allowed]
    vectors = indices @ plane_basis(axis).T
    lengths = np.hypot(*vectors.T)
    near = lengths <= reach * lengths.min() * (1 + 1e-9)
    return Zone(vectors[near], factors[near], float(lengths.min()))


def plane_basis(axis: tuple[int, int, int]) -> np.ndarray:
    """Two unit vectors (2, 3) across a direction, at right angles to each other and to it."""
    normal = np.array(axis) / np.linalg.norm(axis)
    helper = np.eye(3)[np.argmin(np.abs(normal))]
    first = np.cross(normal, helper)
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(normal, first)])


def turned(vectors: np.ndarray, angle: float) -> np.ndarray:
    """Plane vectors (n, 2) turned by an angle in radians."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return vectors @ np.array([[cosine, sine], [-sine, cosine]])
