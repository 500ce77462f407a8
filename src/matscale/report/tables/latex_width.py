"""How wide LaTeX sets a text, about: advance widths of Computer Modern Roman at 10 points."""

from __future__ import annotations

TEXT_WIDTH = 345.0
"""``\\textwidth`` of article at 10 points, the narrowest page of one column in common use."""

_OTHER = 7.78
"""Of a character that is not listed: that of the widest common ones."""

_WIDTHS = {
    2.78: "ijl.,;:'!|[]",
    3.89: "rt()",
    3.06: "f_",
    3.33: "- ",
    3.94: "s",
    4.44: "cez†‡",
    5.0: "0123456789agqo–↑↓*~^${}",
    5.28: "kxyv",
    5.56: "bdhnpuS",
    6.25: "LF",
    6.53: "EP",
    6.81: "ABZ",
    7.22: "wCTVUXY",
    7.36: "R",
    7.5: "DHNG",
    7.64: "K",
    7.78: "OQ+±=×<>\N{MINUS SIGN}",
    8.33: "m%&",
    9.17: "M",
    10.28: "W",
    5.14: "J",
    3.61: "I",
    6.0: "αβγδμµσ#?",
    7.0: "Å°Δ/",
}
_OF = {character: width for width, characters in _WIDTHS.items() for character in characters}


def text_width(text: str, size: float = 10.0) -> float:
    """About how wide a line is, in points.

    Args:
        text: As it is read, not as it is written in LaTeX.
        size: Of the font in points.
    """
    return sum(_OF.get(character, _OTHER) for character in text) * size / 10
