"""Choices of a paper's table, apart so that the command line knows them at once."""

from enum import StrEnum


class Interval(StrEnum):
    """How a value's 95 % interval is written."""

    plus_minus = "plus-minus"
    brackets = "brackets"
    none = "none"


class Format(StrEnum):
    """Of the file."""

    latex = "latex"
    markdown = "markdown"
    csv = "csv"
