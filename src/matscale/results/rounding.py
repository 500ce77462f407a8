"""How many digits a number may show: never more than its interval supports."""

from __future__ import annotations

import math

MINUS = "\N{MINUS SIGN}"
ABSENT = "\N{EN DASH}"
_PLAIN_DECIMALS = 4
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def interval_decimals(low: float | None, high: float | None) -> int | None:
    """Decimals that the interval [low, high] supports; whole numbers stay whole.

    The half width counts as the uncertainty and is kept to two digits while they are below 35,
    else to one (Particle Data Group, "Review of Particle Physics", introduction, section 5.3).
    Digits before the point always stay: 1 of 3 is 33 %, not 30 %, however wide its interval.

    Returns:
        The number of decimals, or None where there is no interval or it has no width.
    """
    if low is None or high is None or not math.isfinite(high - low) or high <= low:
        return None
    half = (high - low) / 2
    exponent = math.floor(math.log10(half))
    return max(0, 1 - exponent if half / 10**exponent < 3.55 else -exponent)


def plain_decimals(value: float, digits: int = 3) -> int:
    """Decimals for a number without an interval: so many significant digits, none for 0 or 1."""
    if value == round(value) or not math.isfinite(value):
        return 0
    return max(0, digits - 1 - math.floor(math.log10(abs(value))))


def show(value: float | None, decimals: int | None = None) -> str:
    """A number as text with a real minus sign, or a dash where there is none.

    Args:
        value: The number.
        decimals: From :func:`interval_decimals`; None for three significant digits.
    """
    if value is None or not math.isfinite(value):
        return ABSENT
    places = plain_decimals(value) if decimals is None else decimals
    if places > _PLAIN_DECIMALS and value != 0:
        return _scientific(value, places)
    text = f"{value:.{places}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def _scientific(value: float, places: int) -> str:
    exponent = math.floor(math.log10(abs(value)))
    if exponent >= -3:
        return f"{value:.{_PLAIN_DECIMALS}f}".replace("-", MINUS)
    mantissa = f"{value / 10**exponent:.{min(max(places + exponent, 0), 2)}f}"
    return f"{mantissa}×10{str(exponent).translate(_SUPERSCRIPT)}".replace("-", MINUS)


def show_signed(value: float | None, decimals: int = 2) -> str:
    """A number with its sign, for skills and differences."""
    text = show(value, decimals)
    positive = value is not None and math.isfinite(value) and float(f"{value:.{decimals}f}") > 0
    return f"+{text}" if positive else text
