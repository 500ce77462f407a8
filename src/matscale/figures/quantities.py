"""Numbers with units in text: what a reply says a quantity is, in the unit that was asked for."""

from __future__ import annotations

import math
import re

from matscale.figures.answers import without_thoughts
from matscale.figures.units import UNIT, in_unit

_MANY = "[,'’\u00a0\u2009\u202f]"  # what stands between thousands: 1,200
_GROUPED = rf"[1-9]\d{{0,2}}(?:{_MANY}\d{{3}})+(?:\.\d+)?"
_DIGITS = rf"(?:0,\d+|{_GROUPED}|\d+,(?:\d{{1,2}}|\d{{4,}})|\d+(?:\.\d+)?|\.\d+)"
_NUMBER = rf"[-+\N{{MINUS SIGN}}]?{_DIGITS}(?!\d|\.\d)"
_POWER = (
    r"(?:\s*(?:[eE]|[×x*·]\s*10\s*\^?\s*\{?)\s*([-+\N{MINUS SIGN}]?\d+)\}?"
    r"|\s*[×x·]\s*10([⁻⁰¹²³⁴-⁹]+))?"
)
_SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


_PASSED = """
a about above according across after along and any apart approx approximately are as assuming at
based because before below between but by due each estimated for from given i if in is it long
measured mol most obtained of on or per read roughly so since than that the then there therefore
this thus total unit units using value vol was were when where which while wide with within wt
"""
"""Words that may follow a number without a unit; any other says what the number counts."""
# A digit that a letter follows at once is none where the letter is not a unit, as in 2θ and 3D.
_QUANTITY = re.compile(rf"(?<![\w.,√^])({_NUMBER}){_POWER}(?:\s*[*_`$]*\s*({UNIT})|(?![^\W\d_]))")
_WORD = re.compile(r"^[\s*_`$]*([^\W\d_]+)")
_ERROR = re.compile(rf"(?:±|\+/-)\s*{_DIGITS}\s*%?")
_STATED = re.compile(r"\banswers?\b[*_\"'`]*\s*(?:is|:|=)[\s:]*([^\n]*)", re.IGNORECASE)
_BOXED = re.compile(r"\\boxed\{([^}]*)\}")
_GOES_ON = re.compile(
    r"^[\s*_`$]*(?:[-–—~…/×x*·+^]|\N{MINUS SIGN}|\.{2,3}|to\b|or\b|and\b)[\s*_`$({]*\.?\d"
)
"""What makes a range or a sum of a number."""
_LIST = re.compile(r"^\s*[,;]?\s*[-+]?\d")
_REMARK = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_UNIT_APART = re.compile(rf"[(\[]\s*({UNIT})\s*[)\]]")
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
    (r"\bsqrt\s*(?=\(?\s*\d)", "√"),
    (r"√\s*\(?\s*(?=\d)", "√"),
    (r"(?<=\b10)\*\*(?=[-+]?\d)", "^"),
)
_POWER_ALONE = re.compile(
    r"(?<![\w.,×*·^])(?<![×x*·] )10(?:\s*\^\s*\{?([-+\N{MINUS SIGN}]?\d+)\}?|([⁻⁰¹²³⁴-⁹]+))"
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
    text = _POWER_ALONE.sub(
        lambda power: f"1e{power[1] or power[2].translate(_SUPERSCRIPTS)}", text
    )
    for statements in (_STATED.findall(text), _BOXED.findall(text)):
        if statements:
            with_number = [statement for statement in statements if re.search(r"\d", statement)]
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
        if not match[4] and _counts_something(rest, unit):
            continue
        if value is not None:
            (measured if match[4] else bare).append(value)
    values = measured if prefer_units and measured else bare + measured
    same = all(math.isclose(stated, values[0], rel_tol=1e-6) for stated in values)
    return values[0] if values and same else None


def _counts_something(rest: str, unit: str) -> bool:
    """Whether the text after a number without a unit says what it counts, such as pixels."""
    word = _WORD.match(rest)
    if not word or not unit:
        return False
    # The unit itself stands here where it is unknown, or part of another, as in nm/pixel.
    own = unit.lstrip("°") if unit.startswith("°") or not re.fullmatch(UNIT, unit) else ""
    return word[1].lower() not in _PASSED.split() and word[1] != own


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
