"""What the ranking knows of a training crystal's geometry."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import product

import numpy as np
from ase.geometry import minkowski_reduce

from matscale.predictors.floors.templates import Families
from matscale.runtime.exact import settled
from matscale.structures.symmetry import prototype, space_group
from matscale.structures.table import StructureTable

NEAR = 1.25
"""Neighbours are atoms up to this many times as far away as the nearest one."""

NONE = -1.0
"""Of slots that a crystal does not have."""

_CELLS = np.array(list(product((-2, -1, 0, 1, 2), repeat=3)))


@dataclass(frozen=True, eq=False)
class Geometry:
    """Training crystals by row, N of at most k elements, in the order of their families.

    Attributes:
        groups: Number of the space group, (N,).
        frequencies: Training crystals that share the prototype, (N,).
        volumes: Å^3 for each atom, (N,).
        edges: Lengths of the reduced cell's vectors, rising, in cube roots of its volume, (N, 3).
        contacts: Shortest distance of two elements in cube roots of the volume for each atom,
            (N, k, k).
        neighbours: How many neighbours of the second element an atom of the first has, (N, k, k).
    """

    groups: np.ndarray
    frequencies: np.ndarray
    volumes: np.ndarray
    edges: np.ndarray
    contacts: np.ndarray
    neighbours: np.ndarray


def geometry_of(crystals: StructureTable, known: Families) -> Geometry:
    """Describe training crystals.

    Args:
        crystals: The training crystals.
        known: They by anonymous formula.
    """
    width = max((len(counts) for counts in known), default=1)
    contacts = np.full((len(crystals), width, width), NONE)
    neighbours = np.full((len(crystals), width, width), NONE)
    edges = np.empty((len(crystals), 3))
    for counts, family in known.items():
        inside = slice(len(counts))
        for row, elements in zip(family.rows.tolist(), family.elements, strict=True):
            found = _surroundings(crystals, row, elements)
            contacts[row, inside, inside], neighbours[row, inside, inside], edges[row] = found
    cells = [
        (crystals.row_numbers(row), crystals.row_positions(row), crystals.lattices[row])
        for row in range(len(crystals))
    ]
    labels = [prototype(*cell) for cell in cells]
    shared = Counter(labels)
    return Geometry(
        groups=np.array([space_group(*cell) for cell in cells]),
        frequencies=np.array([shared[label] for label in labels]),
        volumes=settled(crystals.volumes / crystals.n_atoms),
        edges=edges,
        contacts=contacts,
        neighbours=neighbours,
    )


def _surroundings(
    crystals: StructureTable, row: int, elements: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Contacts (k, k), neighbours (k, k) and edges (3,) of one crystal."""
    numbers = crystals.row_numbers(row)
    cell, _ = minkowski_reduce(crystals.lattices[row])
    fractional = crystals.row_positions(row) @ np.linalg.inv(cell)
    positions = (fractional - np.floor(settled(fractional))) @ cell
    images = positions[:, None] + _CELLS @ cell
    nearest, near = np.empty((2, len(numbers), len(numbers)))
    for atom, position in enumerate(positions):
        apart = settled(np.linalg.norm(images - position, axis=-1))
        apart[apart == 0] = np.inf
        nearest[atom] = apart.min(axis=1)
        near[atom] = (apart < NEAR * apart.min()).sum(axis=1)
    members = [numbers == element for element in elements]
    contacts = np.array([[nearest[a][:, b].min() for b in members] for a in members])
    neighbours = np.array([[near[a][:, b].sum(axis=1).mean() for b in members] for a in members])
    volume = crystals.volumes[row]
    edges = np.sort(np.linalg.norm(cell, axis=1)) / np.cbrt(volume)
    return (
        settled(contacts / np.cbrt(volume / len(numbers))),
        settled(neighbours),
        settled(edges),
    )
