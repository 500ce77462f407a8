"""Numbers with units in text: what a reply says a quantity is, in the unit that was asked for."""

from __future__ import annotations

import math
import re

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
    "°": ("°", 1.0),
    "rad": ("°", 180 / math.pi),
    "K": ("K", 1.0),
    "°C": ("°C", 1.0),
    "eV": ("eV", 1.0),
    "keV": ("eV", 1e3),
}
"""Unit to its dimension and its size there."""

_SPELLINGS = {
    "angstroms": "Å", "angstrom": "Å", "ångström": "Å", "Angstrom": "Å", "Å": "Å", "A": "Å",
    "nanometers": "nm", "nanometres": "nm", "nanometer": "nm", "nanometre": "nm",
    "micrometers": "µm", "micrometres": "µm", "micrometer": "µm", "micrometre": "µm",
    "microns": "µm", "micron": "µm", "um": "µm", "μm": "µm", "millimeters": "mm",
    "millimetres": "mm", "percent": "%", "per cent": "%", "pct": "%", "degrees": "°",
    "degree": "°", "deg": "°", "deg.": "°", "º": "°", "° 2θ": "°", "°2θ": "°",
    "radians": "rad", "kelvin": "K", "degrees Celsius": "°C", "° C": "°C", "℃": "°C",
    "gigapascal": "GPa", "gigapascals": "GPa", "megapascal": "MPa", "megapascals": "MPa",
    "N/mm²": "MPa", "N/mm^2": "MPa",
}  # fmt: skip

_NUMBER = r"[-+\N{MINUS SIGN}]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|[-+\N{MINUS SIGN}]?\.\d+"
_POWER = (
    r"(?:\s*(?:[eE]|[×x*]\s*10\s*\^?\s*\{?)\s*([-+\N{MINUS SIGN}]?\d+)\}?"
    r"|\s*[×x]\s*10([⁻⁰¹²³⁴-⁹]+))?"
)
_SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def canonical_unit(text: str) -> str:
    """A unit as :mod:`matscale.figures.quantities` spells it; unknown ones stay as they are."""
    unit = text.strip().strip("*_`$\\ ").rstrip(".,;:")
    unit = _SPELLINGS.get(unit, unit)
    unit = unit.replace("μ", "µ").replace("Å", "Å")
    per = re.fullmatch(r"(?:1\s*/|/|per\s+)\s*(.+)", unit)
    if per:
        inner = canonical_unit(per[1])
        return f"{inner[:-1]}⁻²" if inner.endswith("²") else f"{inner}⁻¹"
    power = re.fullmatch(r"(\D+?)\s*\^?\s*\{?(-?[12]|⁻[¹²])\}?", unit)
    if power:
        exponent = power[2].translate(_SUPERSCRIPTS)
        raised = {"1": "", "2": "²", "-1": "⁻¹", "-2": "⁻²"}.get(exponent, "")
        return canonical_unit(power[1]) + raised
    return _SPELLINGS.get(unit, unit)


def is_unit(unit: str) -> bool:
    """Whether a unit can be converted."""
    return canonical_unit(unit) in _FACTORS


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
    names = {*_FACTORS, *_SPELLINGS, *(f"{unit}^-2" for unit in _LENGTHS)} - {""}
    names |= {f"{unit}{power}" for unit in _LENGTHS for power in ("^2", "^{-2}", "^{-1}", "^-1")}
    names |= {name.replace("µ", micro) for name in names for micro in ("μ", "u")}
    ordered = "|".join(re.escape(name) for name in sorted(names, key=lambda name: -len(name)))
    return rf"(?:(?:1\s*/\s*|/\s*|per\s+)?(?:{ordered}))(?![A-Za-z²⁻])"


_QUANTITY = re.compile(
    rf"(?<![\w.])({_NUMBER}){_POWER}(?:\s*(?:±|\\pm|\+/-)\s*\d+(?:\.\d+)?)?"
    rf"\s*[*_`$\\]*\s*({_unit_pattern()})?"
)
_STATED = re.compile(r"\banswers?\b[*_]*\s*(?:is|:|=)([^\n]*)", re.IGNORECASE)
_BOXED = re.compile(r"\\boxed\{([^}]*)\}")
_RANGE = re.compile(r"^\s*(?:-|–|—|to|or)\s*\d")
_THOUGHT = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)


def stated_number(reply: str, unit: str) -> float | None:
    """The number that a reply says is the answer, in the unit that was asked for.

    In this order: after the last "answer:"; in a box; the one quantity of the last line; the one
    quantity of all. A number without a unit is taken in the unit asked for; one whose unit
    measures something else, and a range, are none.
    """
    text = _THOUGHT.sub("", reply).strip()
    for found in (_STATED.findall(text), _BOXED.findall(text)):
        if found:
            return _one(found[-1], unit, first=True)
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    last = _one(lines[-1], unit)
    return last if last is not None or len(lines) == 1 else _one(text, unit)


def _one(text: str, unit: str, *, first: bool = False) -> float | None:
    """The only quantity in a text, or its first; None if there is none or it is a range."""
    values = []
    for match in _QUANTITY.finditer(text):
        if _RANGE.match(text[match.end() :]):
            return None
        value = in_unit(_value(match), match[4] or unit, unit)
        if value is not None or first:
            values.append(value)
    if not values:
        return None
    return values[0] if first or len(set(values)) == 1 else None


def _value(match: re.Match[str]) -> float:
    mantissa = match[1].replace(",", "").replace("\N{MINUS SIGN}", "-")
    exponent = match[2] or (match[3] or "0").translate(_SUPERSCRIPTS)
    try:
        return float(mantissa) * 10.0 ** int(exponent.replace("\N{MINUS SIGN}", "-"))
    except OverflowError:
        return math.inf


def relative_error(value: float, truth: float) -> float:
    """|value - truth| / |truth|; against a truth of 0, 0 if it is met and infinite if not."""
    if truth == 0:
        return 0.0 if value == 0 else math.inf
    return abs(value - truth) / abs(truth)
