"""Crystals of pure elements, where the training data has none: simple prototypes, to be relaxed.

The lowest of these is an element's reference. For most metals it is the ground state. For
elements with large or odd cells (B, S, Mn, Pu) it lies above it, by tens of meV an atom up to
some hundred, and compounds of these seem as much more stable; whoever shows such a hull says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from ase.data import chemical_symbols, covalent_radii

from matscale.structures.table import StructureTable

METALLIC = 1.1
"""Distances in close packing by those of single bonds, roughly; relaxation does the rest."""


class Prototype(NamedTuple):
    """A crystal structure with one kind of atom.

    Attributes:
        name: As the field writes it.
        cell: Lattice vectors as rows, in any unit, (3, 3).
        fractions: Fractional positions, (n, 3).
        stretch: Shortest distance by the sum of two covalent radii.
    """

    name: str
    cell: np.ndarray
    fractions: np.ndarray
    stretch: float


def _prototypes() -> list[Prototype]:
    """Cells of the textbook (e.g. Donohue, The Structures of the Elements, Wiley 1974)."""
    face = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2
    body = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) / 2
    origin = np.zeros((1, 3))
    stacked = np.array([[1 / 3, 2 / 3, 1 / 4], [2 / 3, 1 / 3, 3 / 4]])
    return [
        Prototype("fcc", face, origin, METALLIC),
        Prototype("bcc", body, origin, METALLIC),
        Prototype("hcp", _hexagonal(1.633), stacked, METALLIC),
        Prototype("diamond", face, np.array([[0, 0, 0], [0.25, 0.25, 0.25]]), 1.0),
        Prototype("graphite", _hexagonal(2.724), _graphite(), 1.0),
        Prototype("grey arsenic", _rhombohedral(2.805), _pair(0.227), 1.0),
        Prototype("grey selenium", _hexagonal(1.135), _chain(0.225), 1.0),
        Prototype("black phosphorus", *_based(3.314, 10.478, 4.376, 0.1017, 0.0806), 1.0),
        Prototype("iodine", *_based(7.27, 4.79, 9.79, 0.154, 0.117), 1.0),
        Prototype("nitrogen", np.eye(3), _dimers(0.0556), 1.0),
        Prototype("hydrogen", np.eye(3), _dimers(0.0403), 1.0),
    ]


def _hexagonal(ratio: float) -> np.ndarray:
    return np.array([[1, 0, 0], [-0.5, np.sqrt(0.75), 0], [0, 0, ratio]])


def _rhombohedral(ratio: float) -> np.ndarray:
    """The primitive vectors of an R lattice with hexagonal axes of that c / a."""
    places = np.array([[2, 1, 1], [-1, 1, 1], [-1, -2, 1]]) / 3
    return places @ _hexagonal(ratio)


def _pair(z: float) -> np.ndarray:
    return np.array([[z, z, z], [-z, -z, -z]])


def _graphite() -> np.ndarray:
    return np.array([[0, 0, 1 / 4], [0, 0, 3 / 4], [1 / 3, 2 / 3, 1 / 4], [2 / 3, 1 / 3, 3 / 4]])


def _chain(x: float) -> np.ndarray:
    """Wyckoff position 3a of P3_121."""
    return np.array([[x, 0, 1 / 3], [0, x, 2 / 3], [-x, -x, 0]])


def _based(a: float, b: float, c: float, y: float, z: float) -> tuple[np.ndarray, np.ndarray]:
    """Primitive cell and Wyckoff position 8f of Cmce."""
    vectors = np.array([[a / 2, -b / 2, 0], [a / 2, b / 2, 0], [0, 0, c]])
    centred = np.array([[0, y, z], [0, -y, -z], [0, 0.5 - y, z + 0.5], [0, y + 0.5, 0.5 - z]])
    return vectors, centred * [a, b, c] @ np.linalg.inv(vectors)


def _dimers(x: float) -> np.ndarray:
    """Wyckoff position 8c of Pa-3."""
    signs = np.array([[1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1]])
    shifts = np.array([[0, 0, 0], [0.5, 0, 0.5], [0, 0.5, 0.5], [0.5, 0.5, 0]])
    half = signs * x + shifts
    return np.concatenate([half, -half])


def elemental_prototypes(elements: Iterable[int]) -> StructureTable:
    """Each prototype of each element, scaled to its covalent radius; ids are ``"Fe bcc"``.

    Args:
        elements: Atomic numbers.

    Returns:
        Crystals to be relaxed; radii are those of Cordero et al., Dalton Trans. 2832 (2008).
    """
    ids, numbers, positions, cells = [], [], [], []
    for element in elements:
        for prototype in _prototypes():
            unit = prototype.fractions @ prototype.cell
            scale = 2 * covalent_radii[element] * prototype.stretch
            scale /= _shortest(prototype.cell, unit)
            ids.append(f"{chemical_symbols[element]} {prototype.name}")
            numbers.append(np.full(len(unit), element))
            positions.append(unit * scale)
            cells.append(prototype.cell * scale)
    return StructureTable.from_parts(ids, numbers, positions, cells)


def _shortest(cell: np.ndarray, positions: np.ndarray) -> float:
    """Shortest distance between two atoms or an atom and its image."""
    steps = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3), axis=-1).reshape(-1, 3) @ cell
    apart = positions[:, None, None] - positions[None, :, None] + steps
    lengths = np.linalg.norm(apart, axis=-1)
    return float(lengths[lengths > 1e-6].min())
