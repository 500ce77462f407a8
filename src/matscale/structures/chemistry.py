"""Compositions, anonymous formulas and how alike two elements are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cache, reduce
from math import gcd
from string import ascii_uppercase

import numpy as np
from ase.data import chemical_symbols

Composition = tuple[tuple[int, int], ...]
"""Atomic number and count of each element, by rising atomic number."""

# The modified Pettifor scale: elements that replace one another in known crystals stand side by
# side. Glawe, Sanna, Gross and Marques, New J. Phys. 18, 093011 (2016), figure 4; numbered from
# He = 0 to H = 102. Elements beyond 103 have no place on it.
_PETTIFOR_ORDER = """
He Ne Ar Kr Xe Rn Fr Cs Rb K Na Li Ra Ba Sr Ca Eu Yb Lu Tm Y Er Ho Dy Tb Gd Sm Pm Nd Pr Ce La Ac
Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr Sc Zr Hf Ti Ta Nb V Cr Mo W Re Tc Os Ru Ir Rh Pt Pd Au
Ag Cu Ni Co Fe Mn Mg Zn Cd Hg Be Al Ga In Tl Pb Sn Ge Si B C N P As Sb Bi Po Te Se S O At I Br Cl
F H
"""

UNKNOWN_ELEMENT_DISTANCE = 102
"""Distance of an element that the scale does not hold from any other: the scale's whole length."""

PETTIFOR = np.full(256, -1, dtype=np.int64)
"""Modified Pettifor number by atomic number, (256,); -1 where there is none."""
for _place, _symbol in enumerate(_PETTIFOR_ORDER.split()):
    PETTIFOR[chemical_symbols.index(_symbol)] = _place


def pettifor_distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Distance of elements on the modified Pettifor scale, 0 to 102; atomic numbers, broadcast."""
    a, b = PETTIFOR[first], PETTIFOR[second]
    known = (a >= 0) & (b >= 0)
    unknown = np.where(np.equal(first, second), 0, UNKNOWN_ELEMENT_DISTANCE)
    return np.where(known, np.abs(a - b), unknown)


def composition(numbers: np.ndarray) -> Composition:
    """Element counts of a cell from its atomic numbers (n,)."""
    # Sooner than numpy for as few atoms as a cell has.
    return tuple(sorted(Counter(numbers.tolist()).items()))


def reduced(cell: Composition) -> Composition:
    """The composition of one formula unit: counts divided by their greatest common divisor."""
    divisor = reduce(gcd, (count for _, count in cell))
    return tuple((element, count // divisor) for element, count in cell)


def anonymous(cell: Composition) -> tuple[int, ...]:
    """Counts of the reduced formula, rising, without the elements: MgB2 and AlB2 give (1, 2)."""
    return tuple(sorted(count for _, count in reduced(cell)))


def anonymous_formula(cell: Composition) -> str:
    """The anonymous formula as usually written: SrTiO3 gives ABC3."""
    counts = anonymous(cell)
    letters = [ascii_uppercase[rank % 26] * (1 + rank // 26) for rank in range(len(counts))]
    return "".join(
        letter + (str(count) if count > 1 else "")
        for letter, count in zip(letters, counts, strict=True)
    )


@cache
def formula(cell: Composition) -> str:
    """Reduced chemical formula as pymatgen writes it, such as ``"SrTiO3"``."""
    from pymatgen.core import Composition as PymatgenComposition

    counts: Mapping[str, int] = {chemical_symbols[element]: count for element, count in cell}
    return PymatgenComposition(counts).reduced_formula
