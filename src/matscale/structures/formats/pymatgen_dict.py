"""The dictionary form of pymatgen's ``Structure``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from matscale.runtime.errors import Refused
from matscale.runtime.exact import in_basis
from matscale.structures.formats.cif import cell_from_parameters
from matscale.structures.formats.elements import NUMBER_OF, SYMBOLS, atomic_number
from matscale.structures.formats.vocabulary import Parsed

OCCUPANCY_TOLERANCE = 1e-6

FRACTION_DECIMALS = 10
"""Of coordinates that are written: 1e-8 Å in a cell of 100 Å."""


def parse(content: Any) -> Parsed:
    """The structure that ``Structure.as_dict`` wrote.

    Raises:
        Refused: If it is broken or disordered.
    """
    if not isinstance(content, Mapping) or "sites" not in content:
        raise Refused("unreadable", f"no pymatgen structure: {str(content)[:40]!r}")
    if not isinstance(content.get("lattice"), Mapping):
        raise Refused("no cell", "pymatgen dictionary without a lattice")
    sites = content["sites"]
    if not isinstance(sites, list):
        raise Refused("unreadable", "pymatgen dictionary whose sites are not a list")
    if not sites:
        raise Refused("no atoms", "pymatgen dictionary without sites")
    try:
        cell = _cell(content["lattice"])
        numbers = np.array([_number(site["species"]) for site in sites], dtype=np.uint8)
        if all("abc" in site for site in sites):
            positions = in_basis(_vectors([site["abc"] for site in sites]), cell)
        else:
            positions = _vectors([site["xyz"] for site in sites])
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        detail = f"pymatgen dictionary: {type(error).__name__}: {error}"
        raise Refused("unreadable", detail[:200]) from error
    return Parsed(numbers, positions, cell)


def _cell(lattice: Mapping[str, Any]) -> np.ndarray:
    if "matrix" in lattice:
        return _vectors(lattice["matrix"], count=3)
    return cell_from_parameters(
        *(float(lattice[key]) for key in ("a", "b", "c", "alpha", "beta", "gamma"))
    )


def _vectors(rows: Any, count: int | None = None) -> np.ndarray:
    """(n, 3) floats; their number is checked first because input may be hostile."""
    if not isinstance(rows, list) or (count is not None and len(rows) != count):
        raise ValueError("expected three lattice vectors")
    return np.array([[float(x), float(y), float(z)] for x, y, z in rows])


def _number(species: Any) -> int:
    if len(species) != 1:
        raise Refused("disordered", f"a site with {len(species)} species")
    (only,) = species
    if not isinstance(only, Mapping):
        raise ValueError(f"expected a species, found {str(only)[:40]!r}")
    occupancy = float(only.get("occu", 1))
    if not abs(occupancy - 1) <= OCCUPANCY_TOLERANCE:
        raise Refused("disordered", f"a site with occupancy {occupancy:g}")
    symbol = only["element"]
    return NUMBER_OF.get(symbol) or atomic_number(str(symbol))


def build(numbers: np.ndarray, positions: np.ndarray, cell: np.ndarray) -> dict[str, Any]:
    """The dictionary that ``pymatgen.core.Structure.from_dict`` takes.

    Args:
        numbers: Atomic numbers, (n,).
        positions: Cartesian, in Å, (n, 3).
        cell: Lattice vectors as rows, in Å, (3, 3).
    """
    # The digits after these are rounding, which differs between processors.
    fractions = np.linalg.solve(cell.T, positions.T).T.round(FRACTION_DECIMALS) + 0.0
    return {
        "@module": "pymatgen.core.structure",
        "@class": "Structure",
        "charge": 0,
        "lattice": {"matrix": cell.tolist(), "pbc": [True, True, True]},
        "properties": {},
        "sites": [
            {
                "species": [{"element": SYMBOLS[number], "occu": 1}],
                "abc": abc,
                "xyz": xyz,
                "label": SYMBOLS[number],
                "properties": {},
            }
            for number, abc, xyz in zip(
                numbers.tolist(), fractions.tolist(), positions.tolist(), strict=True
            )
        ],
    }
