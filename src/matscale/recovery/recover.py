"""From a particle to the crystal that it was cut from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from matscale.errors import Refused
from matscale.execution import run
from matscale.recovery.ball import outside
from matscale.recovery.fit import Fit, description_length, fit_lattice, plain_length
from matscale.recovery.lattices import Candidate, candidates_of, reduced
from matscale.recovery.particle import Particle, particle_of
from matscale.recovery.symmetry import Symmetric, symmetries
from matscale.recovery.tidy import tidied, with_longer_period
from matscale.recovery.translations import Translations, translations_of
from matscale.structures.table import StructureTable

Described = TypeVar("Described", "Candidate", "Explanation")

DETERMINED, NOT_DETERMINED = "determined", "not determined"

SCHEDULE = (
    (500, 0.03),
    (500, 0.1),
    (500, 0.25),
    (2000, 0.03),
    (2000, 0.25),
    (8000, 0.03),
    (500, 0.5),
    (2000, 0.5),
    (500, 0.8),
)
"""Atoms of the core that is searched, and tolerance in Å, in the order in which they are tried."""

EXPLAINED = 0.97
"""Share of the atoms that must stand on the places of a crystal."""

MOST_MISSING = 0.45
"""Share of the places that may be empty."""

MARGIN_BITS = 12.0
"""By how much the best lattice must be shorter to describe than any other."""

UNEVEN = 1e-3
"""Probability of as uneven vacancies, below which they are none."""

OUTSIDE_BITS = 12.0
"""Bits that an empty place costs within any sphere that holds the atoms."""

LEAST_LINKS = 3
"""Atoms that must repeat along each lattice vector."""

COMPRESSED = 0.3
"""Share of the bits without a lattice that a crystal may take at most."""

SHARP = 0.2
"""Share of the tolerance below which atoms repeat exactly."""

ROUNDING = 3e-4
"""Å; noise that rounded coordinates may have."""

LEAST_SHARE = 1e-3
"""Confidence, relative to the best answer, from which another is named."""

RIVALS = 8
"""Lattices that are compared on the whole particle."""


@dataclass(frozen=True)
class Answer:
    """A crystal that may be the one.

    Attributes:
        cell: One row: the primitive, Niggli-reduced crystal.
        space_group: Number, 1 to 230.
        confidence: Between 0 and 1, among the answers found.
    """

    cell: StructureTable
    space_group: int
    confidence: float


@dataclass(frozen=True)
class Recovered:
    """What a particle says about its crystal.

    Attributes:
        status: :data:`DETERMINED` or :data:`NOT_DETERMINED`.
        reason: Why it is not determined, in words; "" where it is.
        cell: One row: the primitive, Niggli-reduced crystal; None where it is not determined.
        space_group: Number, 1 to 230; 0 where it is not determined.
        confidence: Of the answer, between 0 and 1; 0 where it is not determined.
        noise: Standard deviation of the atoms from their places along an axis, in Å; NaN where no
            lattice was found.
        vacancies: Share of the places within the particle that hold no atom; NaN likewise.
        strays: Atoms that stand on no place of the crystal.
        candidates: Answers that were considered, the best first; where there is an answer, it is
            the first of them.
    """

    status: str
    reason: str
    cell: StructureTable | None
    space_group: int
    confidence: float
    noise: float
    vacancies: float
    strays: int
    candidates: tuple[Answer, ...] = field(default=())


def recover(numbers: np.ndarray, positions: np.ndarray) -> Recovered:
    """The primitive cell, sites and space group of the crystal that a particle was cut from.

    Args:
        numbers: Atomic numbers, (n,).
        positions: Cartesian, in Å, in any orientation, place and order, (n, 3).

    Returns:
        The crystal, or why it is not determined and what it may be. A particle narrower than the
        cell, atoms without order, and lattices that describe the particle equally well are not
        determined.
    """
    try:
        particle = particle_of(numbers, positions)
    except Refused as refusal:
        return _nothing(str(refusal))
    failed: list[Explanation] = []
    finest = 0.0
    for core, tolerance in _schedule(particle):
        if finest and tolerance > finest:
            continue
        translations = translations_of(core, tolerance)
        if _is_sharp(translations, tolerance):
            finest = tolerance
        rivals = explanations(particle, core, translations, tolerance)
        most = _most_noise(translations)
        good = [one for one in rivals if one.is_good and one.fit.noise <= most]
        if good:
            return _answer(good)
        failed = rivals or failed
    if failed:
        return _nothing("no lattice explains the particle", failed)
    return _nothing("no lattice repeats within the particle")


def recover_all(
    particles: StructureTable, *, workers: int | None = None, label: str = ""
) -> Iterator[Recovered]:
    """The crystal of each particle of a table, in order; see :func:`recover`.

    Args:
        particles: Without cells.
        workers: As for :func:`matscale.execution.run`.
        label: For the progress display; "" shows none.
    """
    items = [
        (particles.row_numbers(row), particles.row_positions(row)) for row in range(len(particles))
    ]
    return run(_recover_one, items, workers=workers, label=label)


def _recover_one(atoms: tuple[np.ndarray, np.ndarray]) -> Recovered:
    return recover(*atoms)


def _is_sharp(translations: Translations, tolerance: float) -> bool:
    """Whether atoms repeat so exactly that a larger tolerance could only mislead."""
    sharp = (translations.spread < SHARP * tolerance) & translations.strict
    return bool((translations.matched[sharp] >= 8).any())


def _most_noise(translations: Translations) -> float:
    """The largest noise that a fit may leave, in Å, by how exactly atoms repeat.

    Two atoms with noise s along each axis differ by sqrt(6) s in all. A lattice that leaves more
    passes over displacements that are part of the crystal.
    """
    sure = translations.spread[translations.strict]
    return 3 * float(np.quantile(sure, 0.25)) / np.sqrt(6) + ROUNDING if len(sure) else np.inf


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

    def bits_within(self, symmetric: Symmetric) -> float:
        """The same, where symmetry says most of it, and the sphere is asked for."""
        return self._bits(symmetric.parameters) + OUTSIDE_BITS * outside(self.particle, self.fit)

    @property
    def links(self) -> tuple[int, int]:
        """Atoms that repeat another along the lattice vector along which fewest do; their sites."""
        found = []
        for axis in range(3):
            rows = np.delete(self.fit.points, axis, axis=1)
            lines, counts = np.unique(
                np.column_stack([self.fit.which, rows]), axis=0, return_counts=True
            )
            sites = len(np.unique(lines[counts > 1, 0]))
            found.append((len(self.particle) - len(lines), sites))
        return min(found)

    @property
    def is_wide(self) -> bool:
        """Whether the particle repeats in each direction.

        One site that repeats proves little: layers of one kind are stacked in many ways.
        """
        atoms, sites = self.links
        return atoms >= LEAST_LINKS and sites >= min(2, self.fit.n_sites)

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


def _schedule(particle: Particle) -> Iterator[tuple[Particle, float]]:
    seen = set()
    for atoms, tolerance in SCHEDULE:
        core = particle.core(atoms)
        if (len(core), tolerance) not in seen:
            seen.add((len(core), tolerance))
            yield core, tolerance


def explanations(
    particle: Particle, core: Particle, translations: Translations, tolerance: float
) -> list[Explanation]:
    """Lattices found in the core, fitted to the whole particle, the best first."""
    found = candidates_of(core, translations, tolerance)
    fitted = [_explanation(particle, one.fit.basis, tolerance) for one in _distinct(found)[:RIVALS]]
    return _distinct(sorted((one for one in fitted if one), key=lambda one: one.bits))


def _distinct(found: list[Described]) -> list[Described]:
    """Those that do not only repeat a better one in cells as large or larger."""
    kept: list[Described] = []
    for one in found:
        if not any(_repeats(one.fit, better.fit) for better in kept):
            kept.append(one)
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


def _answer(good: list[Explanation]) -> Recovered:
    """The crystal that describes the particle in least bits, symmetry included."""
    crystals = [(one, symmetries(one.fit, one.numbers)) for one in good]
    ranked = sorted(
        ((one.bits_within(found[0]), one, found) for one, found in crystals if found),
        key=lambda entry: entry[0],
    )
    if not ranked:
        return _nothing("no symmetry could be found", good)
    ranked = [
        entry
        for place, entry in enumerate(ranked)
        if not any(_is_same(entry[2][0], better[2][0]) for better in ranked[:place])
    ]
    bits, best, found = ranked[0]
    shares = [2.0 ** max((bits - other) / 4, -900) for other, _, _ in ranked[1:]]
    confidence = best.explained / (1 + sum(shares))
    answers = [_named(one, confidence) for one in found]
    answers += [
        _named(others[0], confidence * share)
        for share, (_, _, others) in zip(shares, ranked[1:], strict=True)
        if share > LEAST_SHARE
    ]
    if not best.is_wide:
        return _nothing("the particle is hardly wider than the cell", [best], answers)
    if bits > COMPRESSED * plain_length(best.particle, best.tolerance / 3):
        return _nothing("the best lattice explains too little", [best], answers)
    if len(ranked) > 1 and ranked[1][0] - bits < MARGIN_BITS:
        return _nothing("two lattices describe the particle equally well", [best], answers)
    return Recovered(
        status=DETERMINED,
        reason="",
        cell=answers[0].cell,
        space_group=answers[0].space_group,
        confidence=confidence,
        noise=best.fit.noise,
        vacancies=best.missing,
        strays=best.strays,
        candidates=tuple(answers),
    )


def _is_same(one: Symmetric, other: Symmetric) -> bool:
    """Whether two answers are one: the same space group, atoms, and Niggli cell within 1 %."""
    if one.space_group != other.space_group:
        return False
    if not np.array_equal(np.sort(one.numbers), np.sort(other.numbers)):
        return False
    metrics = [found.cell @ found.cell.T for found in (one, other)]
    return bool(np.abs(metrics[0] - metrics[1]).max() < 0.02 * metrics[0].max())


def _named(found: Symmetric, confidence: float) -> Answer:
    table = StructureTable.from_parts(
        ids=["crystal"], numbers=[found.numbers], positions=[found.positions], cells=[found.cell]
    )
    return Answer(table, found.space_group, float(confidence))


def _nothing(
    reason: str, rivals: list[Explanation] | None = None, answers: list[Answer] | None = None
) -> Recovered:
    best = rivals[0] if rivals else None
    return Recovered(
        status=NOT_DETERMINED,
        reason=reason,
        cell=None,
        space_group=0,
        confidence=0.0,
        noise=best.fit.noise if best else float("nan"),
        vacancies=best.missing if best else float("nan"),
        strays=best.strays if best else 0,
        candidates=tuple(answers or ()),
    )
