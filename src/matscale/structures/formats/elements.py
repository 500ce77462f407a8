"""Chemical symbols: the one place that says what is an element and what stands for none."""

from __future__ import annotations

import re

from matscale.runtime.errors import Refused

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
        Refused: If it is not an element.
    """
    number = NUMBER_OF.get(symbol)
    if number is None:
        charged = _CHARGED.match(symbol)
        number = NUMBER_OF.get(charged[1]) if charged else None
    if number is None:
        raise Refused("unknown element", repr(symbol[:40]))
    return number


_LETTERS = re.compile(r"[A-Za-z]+")
_GROUPS = ("Wat", "wat", "WAT", "OH", "O-H", "NO3", "NH4", "ND4")
_WHOLE_GROUPS = ("H2O", "D2O", "H3O", "OH2")
_DUMMIES = frozenset(
    ("bq", "cen", "cent", "centroid", "cg", "cnt", "du", "dum", "dummy", "hole", "nan", "none",
     "null", "unk", "unknown", "va", "vac", "vacancy", "void", "vv", "xx")
)  # fmt: skip
"""What files call a site without an element and what begins with a symbol all the same."""


def labelled_number(text: str) -> int:
    """Atomic number from a CIF's type symbol or label: ``Fe``, ``Fe3+``, ``FE1``, ``O12A``.

    The letters at the start are the symbol, in any case; where they are none, the first two, then
    the first alone, as pymatgen takes them, so that ``OW1`` is oxygen. Names of dummies and
    vacancies (``Du``, ``X``, ``Va``, ``M``, ``Q``) and of groups of atoms (``Wat``, ``OH``,
    ``NH4``) are not elements.

    Raises:
        Refused: If it is not an element.
    """
    number = NUMBER_OF.get(text)
    if number is None:
        letters = _LETTERS.match(text)
        number = _of_letters(letters[0]) if letters and not _is_group(text) else None
    if number is None:
        raise Refused("unknown element", repr(text[:40]))
    return number


def _is_group(text: str) -> bool:
    return text.startswith(_GROUPS) or text.rstrip("+-") in _WHOLE_GROUPS


def _of_letters(run: str) -> int | None:
    """Atomic number by the letters at the start of a label."""
    if run.lower() in _DUMMIES:
        return None
    whole = NUMBER_OF.get(run.title()) or NUMBER_OF.get(run[:2].title())
    # D and T are hydrogen only by themselves.
    return whole or (None if run[0] in "DTdt" else NUMBER_OF.get(run[0].upper()))
