"""Lattices that may explain a whole particle, and what each of them takes to say."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np

from matscale.recovery.ball import outside
from matscale.recovery.fit import Fit, description_length, fit_lattice, plain_length
from matscale.recovery.lattices import Candidate, candidates_of, reduced
from matscale.recovery.particle import Particle
from matscale.recovery.stacking import Repeats, repeats
from matscale.recovery.symmetry import EXACT, Symmetric
from matscale.recovery.tidy import tidied, with_longer_period
from matscale.recovery.translations import Translations
from matscale.runtime.exact import settled

Described = TypeVar("Described", "Candidate", "Explanation")

EXPLAINED = 0.97
"""Share of the atoms that must stand on the places of a crystal."""

MOST_MISSING = 0.45
"""Share of the places that may be empty."""

UNEVEN = 1e-3
"""Probability of as uneven vacancies, below which they are none."""

OUTSIDE_BITS = 12.0
"""Bits that an empty place costs within any sphere that holds the atoms."""

LEAST_LINKS = 3
"""Atoms that must repeat along each lattice vector."""

SEVERAL_LINKS = 6
"""So many atoms may be of two sites only; fewer must be of three."""

LEAST_BITS = 2.0
"""Bits that must speak for each period where there are both noise and empty places."""

TOO_WHOLE = 0.5
"""Share of the translations that may hold without exception beyond what vacancies let hold."""

FEWEST_PARAMETERS = 7
"""Numbers that a cubic crystal without free coordinates takes: place, orientation, length."""

RIVALS = 8
"""Lattices that are compared on the whole particle."""


@dataclass(frozen=True)
class Explanation:
    """A lattice fitted to a whole particle.

    Attributes:
        particle: The atoms that stand on the lattice.
        fit: Their fit.
        strays: Atoms that do not.
        tolerance: Within which atoms were assigned, in Å.
    """

    particle: Particle
    fit: Fit
    strays: int
    tolerance: float

    @property
    def bits(self) -> float:
        """What it takes to describe the particle so."""
        return self._bits(None)

    def least_bits(self) -> float:
        """The same, if the highest symmetry said all of it."""
        return self._bits(FEWEST_PARAMETERS)

    def bits_within(self, symmetric: Symmetric) -> float:
        """The same, where symmetry says most of it, and the sphere is asked for."""
        return self._bits(symmetric.parameters) + OUTSIDE_BITS * outside(self.particle, self.fit)

    def bits_more(self, symmetric: Symmetric, other: Symmetric) -> float:
        """By how much a space group of this lattice takes more to say than another one."""
        return self._bits(symmetric.parameters) - self._bits(other.parameters)

    @property
    def links(self) -> tuple[int, int]:
        """Atoms that repeat another along the lattice vector along which fewest do; their sites."""
        linked = []
        for axis in range(3):
            rows = np.delete(self.fit.points, axis, axis=1)
            lines, counts = np.unique(
                np.column_stack([self.fit.which, rows]), axis=0, return_counts=True
            )
            sites = len(np.unique(lines[counts > 1, 0]))
            linked.append((len(self.particle) - len(lines), sites))
        return min(linked)

    @property
    def is_wide(self) -> bool:
        """Whether the particle repeats in each direction.

        A few atoms of one or two sites prove little: layers of one kind are stacked in many ways,
        and the first layer that comes twice fits any of them.
        """
        atoms, sites = self.links
        kinds = 2 if atoms >= SEVERAL_LINKS else 3
        return atoms >= LEAST_LINKS and sites >= min(kinds, self.fit.n_sites)

    @cached_property
    def repeats(self) -> tuple[Repeats, ...]:
        """How far the layers across each lattice vector come again."""
        return tuple(repeats(self.fit, axis) for axis in range(3))

    @property
    def is_settled(self) -> bool:
        """Whether the layers come again often enough to tell their order from others.

        Where atoms are displaced and places are empty, a wrong period finds a step that fits more
        easily.
        """
        if self.fit.missing and self.fit.noise >= EXACT:
            return all(repeat.is_sure and repeat.bits >= LEAST_BITS for repeat in self.repeats)
        return all(repeat.is_sure for repeat in self.repeats)

    def is_whole(self, translations: Translations) -> bool:
        """Whether the vacancies that the lattice calls for agree with what repeats.

        Where a share p of the atoms is missing at random, a translation holds for n atoms without
        exception with probability (1 - p)^n. If most translations do, the gaps are not vacancies:
        they belong to a period that is longer than the particle shows.
        """
        if not self.fit.missing or not len(translations.vectors):
            return True
        many = translations.matched >= translations.matched.max() / 2
        expected = (1 - self.missing) ** translations.matched[many].astype(float)
        return bool((translations.whole[many] - expected).mean() <= TOO_WHOLE)

    def _bits(self, parameters: int | None) -> float:
        resolution = self.tolerance / 3
        bits = description_length(self.fit, self.particle, resolution, parameters)
        return bits + self.strays * plain_length(self.particle, resolution) / len(self.particle)

    @property
    def explained(self) -> float:
        """Share of the atoms that have a place of their own."""
        alone = len(self.particle) - self.fit.doubled
        return alone / (len(self.particle) + self.strays)

    @property
    def missing(self) -> float:
        """Share of the places well within the particle that are empty."""
        return self.fit.missing / max(self.fit.well_within, 1)

    @property
    def is_good(self) -> bool:
        """Whether the lattice accounts for the particle, noise and vacancies included."""
        return (
            self.explained >= EXPLAINED
            and self.missing <= MOST_MISSING
            and self.fit.noise * 3.2 <= self.tolerance
            and self.fit.chance >= UNEVEN
        )

    @property
    def numbers(self) -> np.ndarray:
        """Atomic number of each site, (m,)."""
        _, first = np.unique(self.fit.which, return_index=True)
        return self.particle.numbers[first]


def explanations(
    particle: Particle, core: Particle, translations: Translations, tolerance: float
) -> list[Explanation]:
    """Lattices found in the core, fitted to the whole particle, the best first."""
    candidates = candidates_of(core, translations, tolerance)
    fitted = [
        _explanation(particle, explanation.fit.basis, tolerance)
        for explanation in _distinct(candidates)[:RIVALS]
    ]
    return _distinct(
        sorted(
            (explanation for explanation in fitted if explanation),
            key=lambda explanation: settled(explanation.bits),
        )
    )


def _distinct(described: list[Described]) -> list[Described]:
    """Those that do not only repeat a better one in cells as large or larger."""
    kept: list[Described] = []
    for candidate in described:
        if not any(_repeats(candidate.fit, better.fit) for better in kept):
            kept.append(candidate)
    return kept


def _repeats(fit: Fit, better: Fit) -> bool:
    """Whether a fit is another one in a larger cell, and lacks as many atoms."""
    integers = fit.basis @ np.linalg.inv(better.basis)
    if np.abs(integers - np.rint(integers)).max() > 0.1 or fit.missing < better.missing:
        return False
    return fit.n_sites >= better.n_sites * round(abs(np.linalg.det(integers)))


def _explanation(particle: Particle, basis: np.ndarray, tolerance: float) -> Explanation | None:
    fit = fit_lattice(particle, reduced(basis), tolerance)
    if fit is None:
        return None
    rest, fit = tidied(particle, fit, tolerance)
    fit = with_longer_period(rest, fit)
    return Explanation(rest, fit, len(particle) - len(rest), tolerance)
