"""Chemical symbols."""

from __future__ import annotations

import re

from matscale.errors import Refused

_SYMBOLS = (
    "X H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As "
    "Se Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd "
    "Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am "
    "Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og"
)
SYMBOLS = _SYMBOLS.split()
"""Symbol of each atomic number, 0 being no element."""

NUMBER_OF = {symbol: number for number, symbol in enumerate(SYMBOLS) if number} | {"D": 1, "T": 1}
"""Atomic number of each symbol; deuterium and tritium are hydrogen."""

_CHARGED = re.compile(r"([A-Z][a-z]?)(?:\d*\.?\d*[+-]|[+-]\d+)$")


def atomic_number(symbol: str) -> int:
    """Atomic number of a symbol, which may carry a charge such as ``Fe3+``.

    Raises:
        Refused: If it is no element.
    """
    number = NUMBER_OF.get(symbol)
    if number is None:
        charged = _CHARGED.match(symbol)
        number = NUMBER_OF.get(charged[1]) if charged else None
    if number is None:
        raise Refused("unknown element", repr(symbol[:40]))
    return number
