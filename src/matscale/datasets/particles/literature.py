"""The ten materials of RADII, with measured cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from matscale.structures.table import StructureTable

if TYPE_CHECKING:
    from pymatgen.core import Structure


class Measured(NamedTuple):
    """A crystal as papers give it.

    Attributes:
        group: Space group, as pymatgen takes it.
        lattice: a, b, c in Å and alpha, beta, gamma in degrees.
        sites: Element and fractional coordinates of each inequivalent site.
        source: Who measured it.
    """

    group: str
    lattice: tuple[float, float, float, float, float, float]
    sites: tuple[tuple[str, tuple[float, float, float]], ...]
    source: str


def _cubic(a: float) -> tuple[float, float, float, float, float, float]:
    return (a, a, a, 90.0, 90.0, 90.0)


def _tetragonal(a: float, c: float) -> tuple[float, float, float, float, float, float]:
    return (a, a, c, 90.0, 90.0, 90.0)


def _hexagonal(a: float, c: float) -> tuple[float, float, float, float, float, float]:
    return (a, a, c, 90.0, 90.0, 120.0)


ORIGIN = (0.0, 0.0, 0.0)
THIRD = (1 / 3, 2 / 3)

MEASURED: dict[str, Measured] = {
    "Ag": Measured(
        "Fm-3m", _cubic(4.0862), (("Ag", ORIGIN),),
        "Swanson and Tatge, NBS Circular 539 I, 23 (1953)",
    ),
    "Au": Measured(
        "Fm-3m", _cubic(4.0786), (("Au", ORIGIN),),
        "Swanson and Tatge, NBS Circular 539 I, 33 (1953)",
    ),
    "Fe2O3": Measured(
        "R-3c", _hexagonal(5.038, 13.772),
        (("Fe", (0.0, 0.0, 0.3553)), ("O", (0.3059, 0.0, 0.25))),
        "Blake et al., Am. Mineral. 51, 123 (1966), hematite",
    ),
    "MoS2": Measured(
        "P6_3/mmc", _hexagonal(3.1604, 12.295),
        (("Mo", (*THIRD, 0.25)), ("S", (*THIRD, 0.621))),
        "2H; cell of Schönfeld, Huang and Moss, Acta Cryst. B39, 404 (1983), z of Dickinson and "
        "Pauling, J. Am. Chem. Soc. 45, 1466 (1923)",
    ),
    "PbS": Measured(
        "Fm-3m", _cubic(5.9362), (("Pb", ORIGIN), ("S", (0.5, 0.5, 0.5))),
        "Swanson and Fuyat, NBS Circular 539 II, 18 (1953), galena",
    ),
    "SnO2": Measured(
        "P4_2/mnm", _tetragonal(4.737, 3.186),
        (("Sn", ORIGIN), ("O", (0.307, 0.307, 0.0))),
        "Baur, Acta Cryst. 9, 515 (1956), cassiterite",
    ),
    "SrTiO3": Measured(
        "Pm-3m", _cubic(3.905),
        (("Sr", ORIGIN), ("Ti", (0.5, 0.5, 0.5)), ("O", (0.5, 0.5, 0.0))),
        "Okazaki and Kawaminami, Mater. Res. Bull. 8, 545 (1973)",
    ),
    "TiO2": Measured(
        "P4_2/mnm", _tetragonal(4.593, 2.959),
        (("Ti", ORIGIN), ("O", (0.3048, 0.3048, 0.0))),
        "rutile; Burdett et al., J. Am. Chem. Soc. 109, 3639 (1987)",
    ),
    "ZnO": Measured(
        "P6_3mc", _hexagonal(3.2498, 5.2066),
        (("Zn", (*THIRD, 0.0)), ("O", (*THIRD, 0.3821))),
        "Kihara and Donnay, Can. Mineral. 23, 647 (1985), zincite",
    ),
}  # fmt: skip

MAPI_A = 6.3285
MAPI_SOURCE = (
    "lattice constant of the cubic phase, Poglitsch and Weber, J. Chem. Phys. 87, 6373 (1987); "
    "the disordered cation is ordered here along [111] with ideal bond lengths"
)
C_N, C_H, N_H = 1.49, 1.09, 1.03
"""Bond lengths of the methylammonium ion in Å."""

TETRAHEDRAL = np.arccos(-1 / 3)


def measured_materials() -> StructureTable:
    """The ten crystals as conventional cells, in alphabetical order, with a column ``source``."""
    from pymatgen.core import Lattice, Structure

    structures: dict[str, Structure] = {
        name: Structure.from_spacegroup(
            material.group,
            Lattice.from_parameters(*material.lattice),
            [element for element, _ in material.sites],
            [site for _, site in material.sites],
            tol=1e-3,
        )
        for name, material in MEASURED.items()
    }
    structures["CH3NH3PbI3"] = methylammonium_lead_iodide()
    sources = {name: material.source for name, material in MEASURED.items()} | {
        "CH3NH3PbI3": MAPI_SOURCE
    }
    names = sorted(structures)
    table = StructureTable.from_pymatgen([structures[name] for name in names], names)
    return table.with_columns(source=np.array([sources[name] for name in names], dtype=object))


def methylammonium_lead_iodide() -> Structure:
    """The cubic framework with one staggered ion CH3NH3+ along the diagonal: space group 160."""
    from pymatgen.core import Lattice, Structure

    axis = np.ones(3) / 3**0.5
    first = np.array([1, -1, 0]) / 2**0.5
    second = np.cross(axis, first)
    # The mirror planes of the framework contain the diagonal and a cube edge, so do the bonds.
    edge = np.array([2, -1, -1]) / 6**0.5
    start = np.arctan2(edge @ second, edge @ first)
    centre = np.full(3, MAPI_A / 2)
    carbon, nitrogen = centre - C_N / 2 * axis, centre + C_N / 2 * axis
    hydrogens = []
    for atom, bond, along, turn in ((carbon, C_H, 1, 0.0), (nitrogen, N_H, -1, np.pi / 3)):
        for third in range(3):
            phase = start + turn + third * 2 * np.pi / 3
            around = np.cos(phase) * first + np.sin(phase) * second
            lean = along * np.cos(TETRAHEDRAL)
            hydrogens.append(atom + bond * (lean * axis + np.sin(TETRAHEDRAL) * around))
    half = MAPI_A / 2
    iodines = [[half, 0, 0], [0, half, 0], [0, 0, half]]
    return Structure(
        Lattice.cubic(MAPI_A),
        ["Pb", "I", "I", "I", "C", "N", *["H"] * 6],
        [np.zeros(3), *np.array(iodines), carbon, nitrogen, *hydrogens],
        coords_are_cartesian=True,
    )
