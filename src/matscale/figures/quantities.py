"""Numbers with units in text: what a reply says a quantity is, in the unit that was asked for."""

from __future__ import annotations

import math
import re

from matscale.figures.answers import without_thoughts

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

_MANY = "[,'\u00a0\u2009\u202f]"  # what stands between thousands: 1,200
_GROUPED = rf"[1-9]\d{{0,2}}(?:{_MANY}\d{{3}})+(?:\.\d+)?"
_DIGITS = rf"(?:0,\d+|{_GROUPED}|\d+,(?:\d{{1,2}}|\d{{4,}})|\d+(?:\.\d+)?|\.\d+)"
_NUMBER = rf"[-+\N{{MINUS SIGN}}]?{_DIGITS}(?!\d)"
_POWER = (
    r"(?:\s*(?:[eE]|[×x*·]\s*10\s*\^?\s*\{?)\s*([-+\N{MINUS SIGN}]?\d+)\}?"
    r"|\s*[×x·]\s*10([⁻⁰¹²³⁴-⁹]+))?"
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


_UNIT = _unit_pattern()
# A digit that a letter follows at once is none where the letter is no unit, as in 2θ and 3D.
_QUANTITY = re.compile(rf"(?<![\w.,])({_NUMBER}){_POWER}(?:\s*[*_`$]*\s*({_UNIT})|(?![^\W\d_]))")
_ERROR = re.compile(rf"(?:±|\+/-)\s*{_DIGITS}")
_STATED = re.compile(r"\banswers?\b[*_\"'`]*\s*(?:is|:|=)[\s:]*([^\n]*)", re.IGNORECASE)
_BOXED = re.compile(r"\\boxed\{([^}]*)\}")
_GOES_ON = re.compile(r"^[\s*_`$]*(?:-|–|—|to\b|or\b|and\b|/|×|x|\*|·|\+)[\s*_`$]*\.?\d")
"""What makes a range or a sum of a number."""
_LIST = re.compile(r"^\s*[,;]?\s*[-+]?\d")
_REMARK = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_UNIT_APART = re.compile(rf"[(\[]\s*({_UNIT})\s*[)\]]")
_EQUALS = re.compile(r"[=≈≃]")
_TEX = (
    (r"\\(?:text|mathrm|rm|mathbf)\s*\{([^{}]*)\}", r"\1"),
    (r"\^\s*\{?\s*\\circ\s*\}?", "°"),
    (r"\\(?:AA|r\s*A|mathring\{A\})", "Å"),
    (r"\\mu\s*", "µ"),
    (r"\\theta", "θ"),
    (r"\\times", "×"),
    (r"\\cdot", "·"),
    (r"\\pm", "±"),
    (r"\\approx", "≈"),
    (r"\\[,;:! ]|~", " "),
    (r"\\([%$])", r"\1"),
)


def stated_number(reply: str, unit: str) -> float | None:
    """The number that a reply says is the answer, in the unit that was asked for.

    In this order: after the last "answer:"; in a box; the one quantity of the last line; the one
    quantity of all. A number without a unit is taken in the unit asked for; one whose unit
    measures something else, a range, a sum and several different numbers are none.
    """
    text = without_thoughts(reply)
    for pattern, plain in _TEX:
        text = re.sub(pattern, plain, text)
    for found in (_STATED.findall(text), _BOXED.findall(text)):
        if found:
            with_number = [one for one in found if re.search(r"\d", one)]
            return _answer(with_number[-1], unit) if with_number else None
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    last = _one(lines[-1], unit)
    return last if last is not None or len(lines) == 1 else _one(text, unit)


def _answer(text: str, unit: str) -> float | None:
    """What an answer in so many words says: remarks and what it was worked out from left aside."""
    text = _UNIT_APART.sub(r"\1", text)
    without = _REMARK.sub(" ", text)
    said = without if re.search(r"\d", without) else text
    return _one(_EQUALS.split(said)[-1], unit, prefer_units=True)


def _one(text: str, unit: str, *, prefer_units: bool = False) -> float | None:
    """The only quantity in a text; None if there is none, or several, or a range.

    Args:
        text: What is read.
        unit: Of the value, and of numbers without one.
        prefer_units: Whether numbers without a unit are passed over beside one with a unit.
    """
    text = _ERROR.sub(" ", text)
    bare: list[float] = []
    measured: list[float] = []
    for match in _QUANTITY.finditer(text):
        rest = text[match.end() :]
        if _GOES_ON.match(rest) or (not match[4] and _LIST.match(rest)):
            return None
        value = in_unit(_value(match), match[4] or unit, unit)
        if value is not None:
            (measured if match[4] else bare).append(value)
    values = measured if prefer_units and measured else bare + measured
    same = all(math.isclose(one, values[0], rel_tol=1e-6) for one in values)
    return values[0] if values and same else None


def _value(match: re.Match[str]) -> float:
    mantissa = match[1].replace("\N{MINUS SIGN}", "-")
    grouped = re.fullmatch(rf"[-+]?{_GROUPED}", mantissa)
    mantissa = re.sub(_MANY, "", mantissa) if grouped else mantissa.replace(",", ".")
    exponent = match[2] or (match[3] or "0").translate(_SUPERSCRIPTS)
    try:
        return float(mantissa) * 10.0 ** int(exponent.replace("\N{MINUS SIGN}", "-"))
    except OverflowError:
        return math.inf


WITHIN = 0.1
"""Relative error up to which a number counts as read."""


def relative_error(value: float, truth: float) -> float:
    """|value - truth| / |truth|; against a truth of 0, 0 if it is met and infinite if not."""
    if truth == 0:
        return 0.0 if value == 0 else math.inf
    return abs(value - truth) / abs(truth)
