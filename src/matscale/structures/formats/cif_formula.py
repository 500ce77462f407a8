"""What a CIF says that its cell holds: a formula and a number of formula units."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from matscale.structures.formats.cif_tags import Tags
from matscale.structures.formats.elements import NUMBER_OF, SYMBOLS

TOLERANCE = 0.01
"""Of a count; formulas are written to two digits."""

_FORMULA = "_chemical_formula_sum"
_UNITS = "_cell_formula_units_z"
_PART = re.compile(r"([A-Z][a-z]?)(\d+(?:\.\d*)?|\.\d+)?|(\S)")


@dataclass(frozen=True)
class Content:
    """What a block states.

    Attributes:
        formula: Count of each atomic number in the formula sum; empty if there is none.
        units: Formula units in the cell, or None.
    """

    formula: Mapping[int, float]
    units: float | None

    def __bool__(self) -> bool:
        return bool(self.formula) or self.units is not None

    def agrees(self, numbers: np.ndarray) -> bool:
        """Whether a cell of these atoms, (n,), can be meant.

        It holds the formula ``units`` times; or once, for many programs, pymatgen among them,
        write the content of the whole cell as the formula and count the units in that.
        """
        counts = Counter(numbers.tolist())
        times = self._times(counts) if self.formula else 1
        if times is None or self.units is None or times == self.units:
            return times is not None
        return times == 1 and all(_whole(count / self.units) for count in counts.values())

    def _times(self, counts: Mapping[int, int]) -> int | None:
        """How many of the formula a cell holds, or None if it is not a whole number of times."""
        if self.formula == counts:
            return 1
        times = round(sum(counts.values()) / sum(self.formula.values()))
        if times < 1 or self.formula.keys() != counts.keys():
            return None
        gaps = [abs(times * self.formula[element] - count) for element, count in counts.items()]
        return times if max(gaps) <= TOLERANCE * times else None

    def contradiction(self, numbers: np.ndarray) -> tuple[tuple[str, str], ...]:
        """The kind and detail of a warning, nothing if the cell holds what is stated."""
        if self.agrees(numbers):
            return ()
        counts = Counter(numbers.tolist())
        if self.formula and self._times(counts) is None:
            return (("formula", f"{written(self.formula)} against {written(counts)}"),)
        stated = f"{written(self.formula)} with " if self.formula else ""
        return (("units", f"{stated}Z = {self.units:g} against {written(counts)}"),)


def _whole(value: float) -> bool:
    return value > 0.5 and abs(value - round(value)) <= TOLERANCE


def written(counts: Mapping[int, float]) -> str:
    """A formula as it is usually written, with its elements in the order given."""
    return "".join(
        SYMBOLS[number] + ("" if count == 1 else f"{count:g}") for number, count in counts.items()
    )


def content(tags: Tags) -> Content:
    """What a block states; what cannot be read counts as not stated."""
    formula, units = tags.text(_FORMULA), tags.text(_UNITS)
    return Content(_formula(formula) if formula else {}, _units(units) if units else None)


def _formula(text: str) -> dict[int, float]:
    counts: dict[int, float] = {}
    for symbol, count, other in _PART.findall(text):
        number = NUMBER_OF.get(symbol)
        if number is None or other:
            return {}
        counts[number] = counts.get(number, 0.0) + float(count or 1)
    return {number: count for number, count in counts.items() if count > 0}


def _units(text: str) -> float | None:
    try:
        units = float(text.partition("(")[0])
    except ValueError:
        return None
    return units if 0 < units < 1e6 else None
