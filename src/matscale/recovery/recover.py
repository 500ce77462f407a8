"""From a particle to the crystal that it was cut from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from matscale.recovery.explanation import Explanation, explanations
from matscale.recovery.fit import plain_length
from matscale.recovery.particle import Particle, particle_of
from matscale.recovery.symmetry import Symmetric, symmetries
from matscale.recovery.translations import Translations, translations_of
from matscale.runtime.errors import Refused
from matscale.runtime.exact import settled
from matscale.runtime.execution import run
from matscale.structures.table import StructureTable

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

MARGIN_BITS = 12.0
"""By how much the best lattice must be shorter to describe than any other."""

COMPRESSED = 0.3
"""Share of the bits without a lattice that a crystal may take at most."""

SHARP = 0.2
"""Share of the tolerance below which atoms repeat exactly."""

SPREAD = 4.0
"""How many times the noise of the most exact translation a fit may leave."""

FINEST = 1e-7
"""Å; noise that arithmetic may leave in coordinates that are not rounded."""

HOPELESS_BITS = 40.0
"""Beyond the best by so many bits a lattice is not looked at further."""

LEAST_SHARE = 1e-3
"""Confidence, relative to the best answer, from which another is named."""


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
    rounding = _rounding(np.asarray(positions, dtype=np.float64))
    failed: list[Explanation] = []
    finest = 0.0
    for core, tolerance in _schedule(particle):
        if finest and tolerance > finest:
            continue
        translations = translations_of(core, tolerance)
        if _is_sharp(translations, tolerance):
            finest = tolerance
        rivals = explanations(particle, core, translations, tolerance)
        most = _most_noise(translations, rounding)
        good = [rival for rival in rivals if rival.is_good and rival.fit.noise <= most]
        if good:
            return _answer(good, translations)
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
        workers: As for :func:`matscale.runtime.execution.run`.
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


def _most_noise(translations: Translations, rounding: float) -> float:
    """The largest noise that a fit may leave, in Å, by how exactly atoms repeat.

    Two atoms with noise s along each axis differ by sqrt(6) s in all. A lattice that leaves more
    passes over displacements that are part of the crystal. Coordinates that are rounded along the
    axes of the crystal repeat exactly within layers, and to their last digit across.
    """
    sure = np.flatnonzero(translations.strict)
    if not len(sure):
        return np.inf
    matched = translations.matched[sure]
    many = sure[matched >= matched.max() / 2]
    return SPREAD * float(translations.spread[many].min()) / np.sqrt(6) + rounding


def _rounding(positions: np.ndarray) -> float:
    """The last decimal of coordinates (n, 3) in Å that are written with up to seven, in Å."""
    steps = positions - positions[0]
    for decimals in range(8):
        if np.abs(steps - np.round(steps, decimals)).max() < 1e-10:
            return max(10.0**-decimals, FINEST)
    return FINEST


def _schedule(particle: Particle) -> Iterator[tuple[Particle, float]]:
    seen = set()
    for atoms, tolerance in SCHEDULE:
        core = particle.core(atoms)
        if (len(core), tolerance) not in seen:
            seen.add((len(core), tolerance))
            yield core, tolerance


def _answer(good: list[Explanation], translations: Translations) -> Recovered:
    """The crystal that describes the particle in least bits, symmetry included."""
    ranked: list[tuple[float, Explanation, list[Symmetric]]] = []
    least = np.inf
    for explanation in sorted(good, key=lambda explanation: settled(explanation.least_bits())):
        if explanation.least_bits() > least + HOPELESS_BITS:
            break
        symmetric = symmetries(explanation.fit, explanation.numbers)
        if symmetric:
            ranked.append((explanation.bits_within(symmetric[0]), explanation, symmetric))
            least = min(least, ranked[-1][0])
    ranked.sort(key=lambda entry: settled(entry[0]))
    if not ranked:
        return _nothing("no symmetry could be found", good)
    ranked = [
        entry
        for rank, entry in enumerate(ranked)
        if not any(_is_same(entry[2][0], better[2][0]) for better in ranked[:rank])
    ]
    bits, best, symmetric = ranked[0]
    answers = _answers(ranked)
    if not best.is_wide:
        return _nothing("the particle is hardly wider than the cell", [best], answers)
    if not best.is_settled:
        return _nothing("too few layers come again to tell their order", [best], answers)
    if not best.is_whole(translations):
        return _nothing("it would need vacancies that the particle does not show", [best], answers)
    if bits > COMPRESSED * plain_length(best.particle, best.tolerance / 3):
        return _nothing("the best lattice explains too little", [best], answers)
    if len(ranked) > 1 and ranked[1][0] - bits < MARGIN_BITS:
        return _nothing("two lattices describe the particle equally well", [best], answers)
    return Recovered(
        status=DETERMINED,
        reason="",
        cell=answers[0].cell,
        space_group=answers[0].space_group,
        confidence=answers[0].confidence,
        noise=best.fit.noise,
        vacancies=best.missing,
        strays=best.strays,
        candidates=tuple(answers),
    )


def _answers(ranked: list[tuple[float, Explanation, list[Symmetric]]]) -> list[Answer]:
    """Alternatives, the best first: all groups of the best lattice, and the best of the others.

    Each is half as likely as another for each four bits more that it takes; so is an order of the
    layers that the particle does not show, for each bit that speaks for the one it shows.
    """
    bits, best, crystals = ranked[0]
    groups = [best.bits_more(bits_of_one, crystals[0]) / 4 for bits_of_one in crystals]
    others = [(other - bits) / 4 for other, _, _ in ranked[1:]]
    shares = [2.0 ** -min(bits_of_one, 900.0) for bits_of_one in [*groups, *others]]
    total = sum(shares) + 2.0 ** -min(bits_of_one.bits for bits_of_one in best.repeats)
    named = [*crystals, *(symmetric[0] for _, _, symmetric in ranked[1:])]
    return [
        _named(bits_of_one, best.explained * share / total)
        for rank, (bits_of_one, share) in enumerate(zip(named, shares, strict=True))
        if rank < len(crystals) or share > LEAST_SHARE
    ]


def _is_same(first: Symmetric, second: Symmetric) -> bool:
    """Whether two answers are one: the same space group, atoms, and Niggli cell within 1 %."""
    if first.space_group != second.space_group:
        return False
    if not np.array_equal(np.sort(first.numbers), np.sort(second.numbers)):
        return False
    metrics = [crystal.cell @ crystal.cell.T for crystal in (first, second)]
    return bool(np.abs(metrics[0] - metrics[1]).max() < 0.02 * metrics[0].max())


def _named(crystal: Symmetric, confidence: float) -> Answer:
    table = StructureTable.from_parts(
        ids=["crystal"],
        numbers=[crystal.numbers],
        positions=[crystal.positions],
        cells=[crystal.cell],
    )
    return Answer(table, crystal.space_group, float(confidence))


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
