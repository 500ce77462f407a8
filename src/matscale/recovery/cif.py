"""A recovered crystal as a standard CIF: conventional cell, operations, asymmetric unit."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from fractions import Fraction

import numpy as np

from matscale.structures.cells import lattice_parameters
from matscale.structures.formats.elements import SYMBOLS
from matscale.structures.table import StructureTable

SYMMETRISED = 1e-3
"""Å; within which the sites of a symmetrised crystal are equivalent."""


def standard_cif(name: str, crystal: StructureTable) -> str:
    """One CIF block in the standard setting of the crystal's space group (moyopy).

    Args:
        name: Of the block; see :func:`block_name`.
        crystal: One row, symmetrised.
    """
    import moyopy

    logging.getLogger("moyo").setLevel(logging.ERROR)
    cell = crystal.lattices[0]
    fractions = crystal.row_positions(0) @ np.linalg.inv(cell)
    dataset = moyopy.MoyoDataset(
        moyopy.Cell(cell.tolist(), fractions.tolist(), crystal.row_numbers(0).tolist()),
        symprec=SYMMETRISED,
    )
    standard = moyopy.MoyoDataset(dataset.std_cell, symprec=SYMMETRISED)
    numbers = np.array(dataset.std_cell.numbers)
    group = moyopy.SpaceGroupType(dataset.number)
    lines = [f"data_{block_name(name)}"]
    parameters = lattice_parameters(np.array([dataset.std_cell.basis]))[0]
    keys = [f"length_{k}" for k in "abc"] + [f"angle_{k}" for k in ("alpha", "beta", "gamma")]
    lines += [f"_cell_{key} {value:.8f}" for key, value in zip(keys, parameters, strict=True)]
    lines += [
        f"_chemical_formula_sum '{_formula(numbers)}'",
        f"_cell_formula_units_Z {np.gcd.reduce(np.unique(numbers, return_counts=True)[1])}",
        f"_space_group_name_H-M_alt '{group.hm_short}'",
        f"_space_group_IT_number {dataset.number}",
        "loop_",
        " _space_group_symop_id",
        " _space_group_symop_operation_xyz",
    ]
    operations = zip(standard.operations.rotations, standard.operations.translations, strict=True)
    lines += [
        f"  {position} '{_triplet(np.array(rotation), np.array(translation))}'"
        for position, (rotation, translation) in enumerate(operations, start=1)
    ]
    lines += [
        "loop_",
        " _atom_site_label",
        " _atom_site_type_symbol",
        " _atom_site_symmetry_multiplicity",
        " _atom_site_Wyckoff_symbol",
        " _atom_site_fract_x",
        " _atom_site_fract_y",
        " _atom_site_fract_z",
        " _atom_site_occupancy",
    ]
    orbits = np.array(standard.orbits)
    for count, site in enumerate(np.unique(orbits), start=1):
        symbol = SYMBOLS[numbers[site]]
        position = np.array(dataset.std_cell.positions[site])
        position = np.where(np.abs(position - np.rint(position)) < 5e-9, 0.0, position % 1.0)
        x, y, z = position
        lines.append(
            f"  {symbol}{count} {symbol} {int((orbits == site).sum())} {standard.wyckoffs[site]} "
            f"{x:.8f} {y:.8f} {z:.8f} 1"
        )
    return "\n".join(lines) + "\n"


def block_name(name: str) -> str:
    """A name as CIF allows it for a block: printable, without blanks."""
    return re.sub(r"[^!-~]+", "_", name) or "crystal"


def unique_names(names: Iterable[str]) -> list[str]:
    """Names of blocks, in order; one that comes again gets the first free number."""
    unique: list[str] = []
    # Readers of CIF take no account of case.
    taken: set[str] = set()
    for name in map(block_name, names):
        free = name
        count = 1
        while free.lower() in taken:
            count += 1
            free = f"{name}_{count}"
        taken.add(free.lower())
        unique.append(free)
    return unique


def _formula(numbers: np.ndarray) -> str:
    """Composition of a formula unit, such as ``O3 Sr1 Ti1``."""
    kinds, counts = np.unique(numbers, return_counts=True)
    unit = np.gcd.reduce(counts)
    parts = sorted(
        (SYMBOLS[kind], count // unit) for kind, count in zip(kinds, counts, strict=True)
    )
    return " ".join(f"{symbol}{count}" for symbol, count in parts)


def _triplet(rotation: np.ndarray, translation: np.ndarray) -> str:
    """An operation as CIF writes it, such as ``-y,x-y,z+1/3``."""
    parts = []
    for row, shift in zip(rotation, translation, strict=True):
        text = "".join(
            ("+" if factor > 0 else "-") + letter
            for factor, letter in zip(row, "xyz", strict=True)
            if factor
        ).removeprefix("+")
        part = Fraction(float(shift)).limit_denominator(24) % 1
        parts.append(f"{text}+{part}" if part else text)
    return ",".join(parts)
