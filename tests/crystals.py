"""Small crystals that tests make themselves."""

from functools import cache

import numpy as np
from pymatgen.core import Lattice, Structure

from matscale.structures.table import StructureTable


def rock_salt(a: float, first: str, second: str) -> Structure:
    return Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(a), [first, second], [[0, 0, 0], [0.5, 0.5, 0.5]]
    ).get_primitive_structure()


def perovskite(a: float, first: str, second: str, third: str) -> Structure:
    return Structure.from_spacegroup(
        "Pm-3m",
        Lattice.cubic(a),
        [first, second, third],
        [[0.5, 0.5, 0.5], [0, 0, 0], [0.5, 0, 0]],
    )


def rutile(a: float, c: float, first: str, second: str) -> Structure:
    return Structure.from_spacegroup(
        "P4_2/mnm", Lattice.tetragonal(a, c), [first, second], [[0, 0, 0], [0.305, 0.305, 0]]
    )


def wurtzite(a: float, c: float, first: str, second: str) -> Structure:
    return Structure.from_spacegroup(
        "P6_3mc",
        Lattice.hexagonal(a, c),
        [first, second],
        [[1 / 3, 2 / 3, 0.0], [1 / 3, 2 / 3, 0.375]],
    )


@cache  # pymatgen takes a second for a space group
def held_out() -> StructureTable:
    """Twelve crystals of four prototypes, three crystal systems."""
    structures = [
        rock_salt(5.6, "Na", "Cl"),
        rock_salt(4.2, "Mg", "O"),
        rock_salt(5.1, "Ca", "S"),
        perovskite(3.9, "Sr", "Ti", "O"),
        perovskite(4.0, "Ba", "Ti", "O"),
        perovskite(3.8, "La", "Al", "O"),
        rutile(4.6, 2.95, "Ti", "O"),
        rutile(4.7, 3.2, "Sn", "O"),
        rutile(4.9, 3.3, "Pb", "O"),
        wurtzite(3.25, 5.2, "Zn", "O"),
        wurtzite(3.8, 6.26, "Zn", "S"),
        wurtzite(3.1, 5.0, "Al", "N"),
    ]
    return StructureTable.from_pymatgen(structures, [f"crystal-{k}" for k in range(12)])


@cache
def training() -> StructureTable:
    """Relatives of the held-out crystals, and one composition that is among them."""
    structures = [
        rock_salt(6.3, "K", "Cl"),
        rock_salt(4.8, "Ca", "O"),
        rock_salt(5.55, "Na", "Cl"),
        perovskite(4.1, "Ba", "Zr", "O"),
        rutile(4.4, 2.9, "V", "O"),
        wurtzite(3.2, 5.2, "Ga", "N"),
    ]
    return StructureTable.from_pymatgen(structures, [f"train-{k}" for k in range(6)])


def described_otherwise(structure: Structure, seed: int) -> Structure:
    """The same crystal: another cell, origin, orientation and order of atoms."""
    generator = np.random.default_rng(seed)
    other = structure.copy()
    other.make_supercell([[1, 1, 0], [0, 1, 0], [0, -1, 1]], to_unit_cell=False)
    other.translate_sites(range(len(other)), generator.random(3), to_unit_cell=bool(seed % 2))
    rotation, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    sites = [other[k] for k in generator.permutation(len(other))]
    return Structure(
        Lattice(other.lattice.matrix @ rotation),
        [site.specie for site in sites],
        [site.frac_coords for site in sites],
    )
