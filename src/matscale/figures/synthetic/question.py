"""What a synthetic figure asks: the quantity, the four values to choose from, who draws it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from matscale.figures.synthetic.appearance import Difficulty, Style

Value = float | str
SIGNIFICANT_DIGITS = 3


@dataclass(frozen=True)
class Numbers:
    """Four numbers in geometric progression, in a random place of a range.

    The true one is drawn with equal chances after the four, so that neither its rank nor its
    distance from the others says anything. All four are written with the same decimals.

    Attributes:
        low: Smallest value that is ever offered, in ``unit``.
        high: Largest.
        unit: Written after the number; "" for none.
        steps: Ratio of neighbouring options by difficulty.
    """

    low: float
    high: float
    unit: str
    steps: Mapping[str, float] = field(
        default_factory=lambda: {"easy": 1.6, "medium": 1.4, "hard": 1.25}
    )

    def offer(self, difficulty: Difficulty, rng: np.random.Generator) -> tuple[float, ...]:
        """Four rising numbers, rounded as they will be written."""
        step = self.steps[difficulty]
        first = math.exp(rng.uniform(math.log(self.low), math.log(self.high / step**3)))
        # Rounded before its digits are counted: 9.996 is written as 10.0.
        first = float(f"{first:.{SIGNIFICANT_DIGITS}g}")
        decimals = _decimals(first)
        return tuple(round(first * step**power, decimals) for power in range(4))

    def texts(self, offered: tuple[Value, ...]) -> list[str]:
        """The four as they stand in the options, with the unit."""
        decimals = _decimals(float(min(offered)))
        return [f"{value:.{decimals}f} {self.unit}".rstrip() for value in offered]


def _decimals(smallest: float) -> int:
    """Decimals that give the smallest of some numbers three significant digits."""
    return max(0, SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(smallest)))


@dataclass(frozen=True)
class Names:
    """Four words to choose from, such as phases or zone axes.

    Attributes:
        names: At least four; where there are more, four are drawn for each item.
    """

    names: tuple[str, ...]
    unit: str = ""

    def offer(self, difficulty: Difficulty, rng: np.random.Generator) -> tuple[str, ...]:
        """Four different names, in random order."""
        return tuple(str(name) for name in rng.permutation(self.names)[:4])

    def texts(self, offered: tuple[Value, ...]) -> list[str]:
        """The four as they stand in the options."""
        return [str(name) for name in offered]


@dataclass(frozen=True)
class Drawing:
    """A figure and what it shows.

    Attributes:
        image: Pixels (height, width, 3), uint8.
        value: The truth as drawn: a number in the question's unit, within 1 % of what was asked
            for, or a name.
        details: What else is known about the figure, for whoever studies failures.
    """

    image: np.ndarray
    value: Value
    details: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """One quantity of one kind of figure.

    Attributes:
        generator: The kind of figure, the name of the module that draws it.
        quantity: What is asked, such as ``"mean_diameter"``.
        scale: One of the four scales of CSMBench.
        answers: Values that are offered.
        captions: What the figure is, said in several ways; none of them gives the answer away.
        clause: How the quantity is stated after a caption, with ``{}`` for the value.
        ask: The open question, without the unit.
        draw: Makes the figure that shows a value: ``draw(value, style, rng)``.
        skill: What it takes: ``"measurement"`` against a scale bar, ``"fraction"`` of a picture,
            ``"recognition"``, ``"curve"`` on axes; or nothing but reading the ``"scale bar"``.
    """

    generator: str
    quantity: str
    scale: str
    answers: Numbers | Names
    captions: tuple[str, ...]
    clause: str
    ask: str
    draw: Callable[[Value, Style, np.random.Generator], Drawing]
    skill: str = "measurement"

    @property
    def name(self) -> str:
        """Such as ``"precipitates.mean_diameter"``."""
        return f"{self.generator}.{self.quantity}"
