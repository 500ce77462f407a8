"""CIF as matscale writes it: all sites of the cell, no symmetry, full precision."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import numpy as np

from matscale.structures.formats.elements import SYMBOLS

_LOOP = """loop_
 _symmetry_equiv_pos_site_id
 _symmetry_equiv_pos_as_xyz
  1 'x, y, z'
loop_
 _atom_site_type_symbol
 _atom_site_label
 _atom_site_fract_x
 _atom_site_fract_y
 _atom_site_fract_z
 _atom_site_occupancy
"""


def build(name: str, numbers: np.ndarray, positions: np.ndarray, cell: np.ndarray) -> str:
    """One structure as a CIF block.

    A CIF holds lengths and angles, so the crystal comes back rotated. A left-handed cell is
    written with all vectors reversed, for else it would come back as its mirror image.

    Args:
        name: The block's name; blanks become underscores.
        numbers: Atomic numbers, (n,).
        positions: Cartesian, in Å, (n, 3).
        cell: Lattice vectors as rows, in Å, (3, 3).
    """
    if np.linalg.det(cell) < 0:
        cell = -cell
    fractions = np.linalg.solve(cell.T, positions.T).T
    lengths = np.linalg.norm(cell, axis=1)
    angles = [
        np.degrees(np.arctan2(np.linalg.norm(np.cross(cell[i], cell[j])), cell[i] @ cell[j]))
        for i, j in ((1, 2), (0, 2), (0, 1))
    ]
    lines = [f"data_{re.sub(r'[^!-~]+', '_', name) or 'structure'}"]
    lines += [f"_cell_length_{k} {v:.15g}" for k, v in zip("abc", lengths, strict=True)]
    names = ("alpha", "beta", "gamma")
    lines += [f"_cell_angle_{k} {v:.15g}" for k, v in zip(names, angles, strict=True)]
    text = "\n".join(lines) + "\n_symmetry_space_group_name_H-M 'P 1'\n" + _LOOP
    rows = []
    for index, (number, (x, y, z)) in enumerate(
        zip(numbers.tolist(), fractions.tolist(), strict=True)
    ):
        symbol = SYMBOLS[number]
        rows.append(f" {symbol} {symbol}{index} {x:.16f} {y:.16f} {z:.16f} 1\n")
    return text + "".join(rows)


def member_names(ids: Iterable[str]) -> list[str]:
    """A distinct, safe file name for each id, from which the id is read back where it is safe."""
    names = [re.sub(r"[/\\:\0]+", "_", name).lstrip(".") or "structure" for name in ids]
    times = Counter(name.lower() for name in names)
    seen: Counter[str] = Counter()
    distinct = []
    for name in names:
        key = name.lower()
        distinct.append(f"{name}.cif" if times[key] == 1 else f"{name}-{seen[key]}.cif")
        seen[key] += 1
    return distinct
