"""A crystal as the page's viewer draws it: canonical cell, whole boundary, bonds, colours."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from matscale.runtime.errors import Refused
from matscale.structures import chemistry
from matscale.structures.cells import canonical_cell, lattice_parameters
from matscale.structures.table import StructureTable

BOUNDARY = 0.1
"""Atoms nearer than this to a face of the cell (Å) are repeated on the opposite face."""
BOND = 1.15
"""Two atoms are joined when closer than this times the sum of their covalent radii."""
MOST_ATOMS = 400
MOST_BONDS = 1500
_CANONICAL_LIMIT = 200
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def view(table: StructureTable, index: int) -> dict[str, Any]:
    """One crystal or cluster of atoms as plain numbers for the viewer.

    Returns:
        ``formula``, ``atoms`` as (Z, x, y, z), ``bonds`` as pairs of indices, ``cell`` as three
        vectors or None, ``lengths`` and ``angles`` of the cell, ``volume`` per atom in Å^3.
    """
    structure = _canonical(table, index)
    numbers, cell = structure.numbers, None
    positions = structure.positions
    if structure.cells is not None:
        fractional = positions @ np.linalg.inv(structure.cells[0])
        cell = upright(structure.cells[0])
        numbers, positions = complete_boundary(numbers, fractional, cell)
    else:
        positions = positions - positions.mean(axis=0)
    atoms = [
        [int(z), *(round(float(v), 3) for v in xyz)]
        for z, xyz in zip(numbers, positions, strict=True)
    ]
    found: dict[str, Any] = {
        "formula": formula(structure.numbers),
        "n": len(structure.numbers),
        "atoms": atoms,
        "bonds": bonds(numbers, positions),
        "cell": None if cell is None else np.round(cell, 3).tolist(),
    }
    if cell is not None:
        lengths, angles = np.split(lattice_parameters(cell[None])[0], 2)
        found["lengths"] = np.round(lengths, 3).tolist()
        found["angles"] = np.round(angles, 1).tolist()
        volume = float(np.abs(np.linalg.det(cell))) / max(len(structure.numbers), 1)
        found["volume"] = round(volume, 2)
    return found


def _canonical(table: StructureTable, index: int) -> StructureTable:
    """Primitive Niggli cell of a crystal; the structure as it is where that does not work."""
    row = table[index]
    if row.cells is None or len(row.numbers) > _CANONICAL_LIMIT:
        return row
    try:
        reduced = canonical_cell(row.to_pymatgen(0))
    except Refused:
        return row
    return StructureTable.from_pymatgen([reduced], ids=list(row.ids))


def upright(cell: np.ndarray) -> np.ndarray:
    """The same cell turned so that a lies along x and b in the xy plane, (3, 3) in Å.

    Two crystals with equal cell parameters are then drawn alike, whatever frame they came in.
    """
    # cell = L Q with L lower triangular: the transpose of the QR decomposition of cell^T.
    _, upper = np.linalg.qr(cell.T)
    lower = upper.T
    return lower * np.sign(np.diag(lower))[None, :]


def complete_boundary(
    numbers: np.ndarray, fractional: np.ndarray, cell: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Atoms of one cell and their images on its far faces, edges and corners.

    Args:
        numbers: Atomic numbers, (n,).
        fractional: Fractional coordinates, (n, 3), any integers added.
        cell: Lattice vectors as rows in Å, (3, 3).

    Returns:
        Numbers (m,) and Cartesian positions (m, 3) in Å; no images beyond ``MOST_ATOMS`` atoms.
    """
    # Height of the cell over each face: near means near to the face, not along the edge.
    heights = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    near = np.minimum(BOUNDARY / heights, 0.05)
    wrapped = fractional - np.floor(fractional)
    wrapped = np.where(wrapped > 1 - near, wrapped - 1, wrapped)
    out_numbers, out_fractional = [], []
    for z, place in zip(numbers, wrapped, strict=True):
        shifts = [(0, 1) if low else (0,) for low in place < near]
        for shift in product(*shifts):
            out_numbers.append(z)
            out_fractional.append(place + shift)
    if len(out_numbers) > MOST_ATOMS:
        out_numbers, out_fractional = list(numbers), list(wrapped)
    return np.array(out_numbers), np.array(out_fractional).reshape(-1, 3) @ cell


def bonds(numbers: np.ndarray, positions: np.ndarray) -> list[list[int]]:
    """Pairs of drawn atoms closer than ``BOND`` times the sum of covalent radii."""
    from ase.data import covalent_radii
    from scipy.spatial import cKDTree

    if len(numbers) < 2:
        return []
    radii = covalent_radii[numbers]
    pairs = cKDTree(positions).query_pairs(2 * BOND * float(radii.max()), output_type="ndarray")
    distance = np.linalg.norm(positions[pairs[:, 0]] - positions[pairs[:, 1]], axis=1)
    limit = BOND * (radii[pairs[:, 0]] + radii[pairs[:, 1]])
    kept = (distance < limit) & (distance > 0.1)
    order = np.argsort((distance / limit)[kept], kind="stable")[:MOST_BONDS]
    return np.sort(pairs[kept][order], axis=1).tolist()


def elements(views: list[dict[str, Any]]) -> dict[int, list[Any]]:
    """Symbol, Jmol colour and covalent radius (Å) of the elements that are drawn."""
    from ase.data import chemical_symbols, covalent_radii
    from ase.data.colors import jmol_colors

    found = sorted({atom[0] for drawn in views for atom in drawn["atoms"]})
    return {
        z: [chemical_symbols[z], _hex(jmol_colors[z]), round(float(covalent_radii[z]), 2)]
        for z in found
    }


def _hex(colour: np.ndarray) -> str:
    return "#" + "".join(f"{round(float(part) * 255):02x}" for part in colour)


def formula(numbers: np.ndarray) -> str:
    """Reduced formula with subscripts."""
    return chemistry.formula(chemistry.composition(numbers)).translate(_SUBSCRIPTS)
