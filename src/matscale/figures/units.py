"""Units as people write them, and values in other units."""

from __future__ import annotations

import math
import re
from itertools import product

_LENGTHS = {
    "pm": 1e-12, "Å": 1e-10, "nm": 1e-9, "µm": 1e-6, "mm": 1e-3, "cm": 1e-2, "m": 1.0,
}  # fmt: skip
_FACTORS: dict[str, tuple[str, float]] = {
    "": ("", 1.0),
    "%": ("", 0.01),
    **{unit: ("m", factor) for unit, factor in _LENGTHS.items()},
    **{f"{unit}²": ("m²", factor**2) for unit, factor in _LENGTHS.items()},
    **{f"{unit}⁻¹": ("m⁻¹", 1 / factor) for unit, factor in _LENGTHS.items()},
    **{f"{unit}⁻²": ("m⁻²", factor**-2) for unit, factor in _LENGTHS.items()},
    "Pa": ("Pa", 1.0),
    "kPa": ("Pa", 1e3),
    "MPa": ("Pa", 1e6),
    "GPa": ("Pa", 1e9),
    "TPa": ("Pa", 1e12),
    "°": ("°", 1.0),
    "rad": ("°", 180 / math.pi),
    "K": ("K", 1.0),
    "°C": ("°C", 1.0),
    "°F": ("°F", 1.0),
    "eV": ("eV", 1.0),
    "keV": ("eV", 1e3),
}
"""Unit to its dimension and its size there."""

_PREFIXES = {"pico": "p", "nano": "n", "micro": "µ", "milli": "m", "centi": "c", "": ""}
_PRESSURES = {"": "", "kilo": "k", "mega": "M", "giga": "G", "tera": "T"}

_WORDS = {
    **{
        f"{long}{root}": f"{short}m"
        for (long, short), root in product(
            _PREFIXES.items(), ("meter", "metre", "meters", "metres")
        )
    },
    **{
        f"{long}{root}": f"{short}Pa"
        for (long, short), root in product(_PRESSURES.items(), ("pascal", "pascals"))
    },
    **dict.fromkeys(("angstrom", "angstroms", "ångström", "ångströms", "ångstrom"), "Å"),
    **dict.fromkeys(("micron", "microns"), "µm"),
    **dict.fromkeys(("percent", "per cent", "pct"), "%"),
    **dict.fromkeys(("degrees", "degree", "deg", "deg."), "°"),
    **dict.fromkeys(("radian", "radians"), "rad"),
    **dict.fromkeys(("kelvin", "kelvins"), "K"),
    **dict.fromkeys(("degrees celsius", "degree celsius", "deg c", "degrees c", "celsius"), "°C"),
    **dict.fromkeys(("degrees fahrenheit", "degrees f", "deg f", "fahrenheit"), "°F"),
    **dict.fromkeys(("electronvolt", "electronvolts", "electron volts"), "eV"),
}
"""Names in lower case; they may be written in any."""

_SPELLINGS = {
    "A": "Å", "Å": "Å", "NM": "nm", "um": "µm", "μm": "µm", "µ": "µm",
    "º": "°", "° 2θ": "°", "°2θ": "°", "° C": "°C",
    "℃": "°C", "° F": "°F", "℉": "°F", "N/mm²": "MPa", "N/mm^2": "MPa", "N/mm2": "MPa",
    "kN/mm²": "GPa", "kN/mm^2": "GPa", "kN/mm2": "GPa", "Mpa": "MPa", "Gpa": "GPa", "Kpa": "kPa",
    "Tpa": "TPa",
}  # fmt: skip
_SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹\N{MINUS SIGN}", "-0123456789-")
_PER = r"(?:1\s*/\s*|(?:[a-z]+\s*)?/\s*|(?:[a-z]+\s+)?per\s+)"
"""Before what is counted in: "500 per mm²", "500 particles/mm²"."""


def canonical_unit(text: str) -> str:
    """A unit as this module spells it; unknown ones stay as they are."""
    unit = text.strip().strip("*_`$\\ ").rstrip(".,;:")
    unit = _SPELLINGS.get(unit, _WORDS.get(unit.lower(), unit))
    unit = unit.replace("μ", "µ").replace("Å", "Å")
    per = re.fullmatch(rf"{_PER}(.+)", unit) if unit not in _FACTORS else None
    if per:
        inner = canonical_unit(per[1])
        return f"{inner[:-1]}⁻²" if inner.endswith("²") else f"{inner}⁻¹"
    squared = re.fullmatch(r"(?:square\s+(.+)|(.+?)\s+squared)", unit, re.IGNORECASE)
    if squared:
        return f"{canonical_unit(squared[1] or squared[2])}²"
    power = re.fullmatch(r"(\D+?)\s*\^?\s*\{?([-\N{MINUS SIGN}]?[12]|⁻[¹²])\}?", unit)
    if power:
        exponent = power[2].translate(_SUPERSCRIPTS)
        raised = {"1": "", "2": "²", "-1": "⁻¹", "-2": "⁻²"}[exponent]
        return canonical_unit(power[1]) + raised
    return unit


def in_unit(value: float, unit: str, wanted: str) -> float | None:
    """A value in another unit, or None where the two measure different things."""
    unit, wanted = canonical_unit(unit), canonical_unit(wanted)
    if unit == wanted:
        return value
    if unit not in _FACTORS or wanted not in _FACTORS:
        return None
    (dimension, factor), (other, divisor) = _FACTORS[unit], _FACTORS[wanted]
    return value * factor / divisor if dimension == other else None


def _unit_pattern() -> str:
    """What matches a unit that can be converted, and no part of another."""
    symbols = {*_FACTORS, *_SPELLINGS} - {""}
    symbols |= {
        f"{unit}{power}"
        for unit in _LENGTHS
        for power in ("2", "^2", "^{2}", "^-2", "^{-2}", "-2", "^-1", "^{-1}", "-1")
    }
    symbols |= {symbol.replace("µ", micro) for symbol in symbols for micro in ("μ", "u")}
    symbols |= {symbol.replace("-", "\N{MINUS SIGN}") for symbol in symbols}
    words = {re.sub(" ", r"\\s+", re.escape(word).replace(r"\ ", " ")) for word in _WORDS}
    ordered = [
        *(f"(?i:(?:square\\s+)?{word}(?:\\s+squared)?)" for word in sorted(words, key=_longest)),
        *(re.escape(symbol) for symbol in sorted(symbols, key=_longest)),
    ]
    return rf"(?:{_PER}?(?:{'|'.join(ordered)}))(?![A-Za-z²³⁻\d]|[.]\d|\s*/\s*[A-Za-z])"


def _longest(name: str) -> int:
    return -len(name)


UNIT = _unit_pattern()
"""A regular expression for a unit after a number."""
