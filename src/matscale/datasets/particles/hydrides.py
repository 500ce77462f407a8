"""Cubic hydride perovskites ABH3, enumerated: which ions balance three H-, and fit each other."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from matscale.runtime.exact import in_basis, settled
from matscale.structures.table import StructureTable

if TYPE_CHECKING:
    from pymatgen.core import Species

Coordination = Literal["XII", "VIII", "VI"]


class Pair(NamedTuple):
    """Two ions to try; sorted, those that fit best come first.

    Attributes:
        miss: Distance of the tolerance factor from :data:`IDEAL_TOLERANCE`.
        a: Element on the large site.
        b: Element inside the octahedron.
        charge: Of A; that of B is what is left of three.
        radius: Of B in Å.
        factor: Goldschmidt's tolerance factor.
    """

    miss: float
    a: str
    b: str
    charge: int
    radius: float
    factor: float


COUNT = 100
CANDIDATES = 130
"""More than needed, for those that do not relax."""

HYDRIDE_RADIUS = 1.40
"""Å, taken for H- between six cations; it decides which pairs are tried, and where they start."""

IDEAL_TOLERANCE = 0.95
"""Goldschmidt factor (1 where ions touch) about which cubic perovskites are to lie."""

STRAIGHT = 0.01
"""Å by which relaxation may move a lattice vector or a site from cubic symmetry."""

FRACTIONS = np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
"""Of A, B and three H in the cubic cell, space group 221."""

RADIOACTIVE = ("Fr", "Ra", "Po", "Tc", "Pm", "No", "Md", "Fm", "Es", "Cf", "Bk", "Cm", "Am", "Pu",
               "Np", "Pa", "Ac", "At")  # fmt: skip


def hydride_perovskites(count: int = CANDIDATES) -> StructureTable:
    """The pairs of ions of charges +1 and +2 that fit best, before relaxation.

    Charges are pymatgen's common oxidation states, radii Shannon's (A twelvefold, B sixfold
    coordinated, where tabulated). The lattice constant is twice the distance of touching B and H.

    Args:
        count: How many, by rising distance of the tolerance factor from :data:`IDEAL_TOLERANCE`.

    Returns:
        Crystals called by their formulas, with the columns ``tolerance_factor``, ``charge_a`` and
        ``charge_b``.
    """
    compounds = [
        _pair(a, b, charge, radius_a, radius_b)
        for charge in (1, 2)
        for a, radius_a in _cations(charge, "XII")
        for b, radius_b in _cations(3 - charge, "VI")
        if a != b
    ]
    return _table(sorted(compounds)[:count])


def _pair(a: str, b: str, charge: int, radius_a: float, radius_b: float) -> Pair:
    factor = (radius_a + HYDRIDE_RADIUS) / (2**0.5 * (radius_b + HYDRIDE_RADIUS))
    # Rounded, so that ties are broken by name on every machine.
    return Pair(round(abs(factor - IDEAL_TOLERANCE), 9), a, b, charge, radius_b, factor)


def chosen(table: StructureTable, converged: np.ndarray | None = None) -> StructureTable:
    """The first :data:`COUNT` candidates that relaxed and stayed cubic perovskites.

    Cells are made cubic exactly, of the relaxed volume, and atoms put on their sites exactly;
    relaxation moves both by rounding only, for symmetry holds them.

    Args:
        table: Candidates, relaxed or not.
        converged: Which ones relaxed, (N,); None for all.

    Returns:
        Crystals with a further column ``lattice_constant`` in Å.
    """
    sides = settled(table.volumes ** (1 / 3))
    cubes = sides[:, None, None] * np.eye(3)
    straight = np.abs(table.lattices - cubes).max(axis=(1, 2)) < STRAIGHT
    sites = np.concatenate([in_basis(FRACTIONS, cube) for cube in cubes])
    in_place = np.abs(sites - table.positions).reshape(len(table), -1).max(axis=1) < STRAIGHT
    kept = straight & in_place if converged is None else straight & in_place & converged
    exact = replace(table, positions=sites, cells=cubes).with_columns(lattice_constant=sides)
    return exact[np.flatnonzero(kept)[:COUNT]]


def _cations(charge: int, coordination: Coordination) -> list[tuple[str, float]]:
    """Metals with a common oxidation state and Shannon's radius of them in Å."""
    from pymatgen.core import Element, Species

    numerals: tuple[Coordination, ...] = (coordination, "VIII", "VI")
    cations = []
    for element in Element:
        if element.symbol in RADIOACTIVE or not (element.is_metal or element.is_metalloid):
            continue
        if charge not in element.common_oxidation_states:
            continue
        radius = next(
            (
                value
                for numeral in numerals
                if (value := _shannon(Species(element.symbol, charge), numeral)) is not None
            ),
            None,
        )
        if radius is not None:
            cations.append((element.symbol, radius))
    return cations


def _shannon(species: Species, coordination: Coordination) -> float | None:
    try:
        with warnings.catch_warnings():
            # Of several spins the one that is tabulated, or the high one, is taken.
            warnings.simplefilter("ignore")
            return float(species.get_shannon_radius(coordination))
    except KeyError:
        return None


def _table(pairs: list[Pair]) -> StructureTable:
    from ase.data import atomic_numbers

    cells = [2 * (pair.radius + HYDRIDE_RADIUS) * np.eye(3) for pair in pairs]
    charges = np.array([pair.charge for pair in pairs])
    return StructureTable.from_parts(
        [f"{pair.a}{pair.b}H3" for pair in pairs],
        [np.array([atomic_numbers[pair.a], atomic_numbers[pair.b], 1, 1, 1]) for pair in pairs],
        [in_basis(FRACTIONS, cell) for cell in cells],
        cells,
        {
            "tolerance_factor": np.array([pair.factor for pair in pairs]),
            "charge_a": charges,
            "charge_b": 3 - charges,
        },
    )
