"""Candidate lattices from translations, and the one that describes the particle in least bits."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from matscale.recovery import lattice_kernels
from matscale.recovery.fit import Fit, description_length, fit_lattice, plain_length
from matscale.recovery.particle import Particle
from matscale.recovery.translations import Translations
from matscale.runtime.exact import settled

MOST_TRANSLATIONS = 200
"""Translations that are looked at, from short to long."""

GENERATORS = 13
"""Translations from which lattices are made, three at a time."""

MOST_LATTICES = 50
"""Lattices that are fitted, of the translations that hold best and again of all."""

SEVERAL = 5
"""Atoms that hardly fit by chance."""

PATIENCE = 2.0
"""How many times as many bits a lattice may take as the best one, before its symmetry is known."""

LEAST_VOLUME = 4.0
"""Å^3; no cell of a crystal is smaller (hydrogen in metals aside, which is never alone)."""


@dataclass(frozen=True)
class Candidate:
    """A lattice fitted to a core.

    Attributes:
        fit: The lattice and its sites.
        bits: What it takes to describe the particle so.
    """

    fit: Fit
    bits: float


def candidates_of(
    particle: Particle, translations: Translations, tolerance: float
) -> list[Candidate]:
    """Lattices that the translations span, best first.

    Args:
        particle: Or its core.
        translations: Of it.
        tolerance: Within which an atom belongs to a place, in Å.
    """
    candidates = []
    resolution = tolerance / 3
    limit = plain_length(particle, resolution)
    best = limit
    for basis in _bases(translations, tolerance):
        # More sites than this cost more bits than the best lattice so far takes in all, unless
        # symmetry relates them.
        most = int(PATIENCE * best / (3 * np.log2(2 * particle.radius / resolution)))
        fit = fit_lattice(particle, basis, tolerance, max(12, most))
        if fit is None:
            continue
        bits = description_length(fit, particle, resolution)
        if bits < limit:
            candidates.append(Candidate(fit, bits))
            best = min(best, bits)
    return sorted(candidates, key=lambda candidate: settled(candidate.bits))


def _generators(vectors: np.ndarray, tolerance: float) -> np.ndarray:
    """Translations that are not the sum of two shorter ones, then the shortest others, (g, 3)."""
    vectors = np.ascontiguousarray(vectors[:MOST_TRANSLATIONS])
    alone = lattice_kernels.irreducible(vectors, np.linalg.norm(vectors, axis=1), tolerance)
    order = np.concatenate([np.flatnonzero(alone), np.flatnonzero(~alone)])
    return vectors[order[:GENERATORS]]


def _bases(translations: Translations, tolerance: float) -> list[np.ndarray]:
    """Reduced bases of the lattices that three translations span, each once.

    First those of translations that hold for all of several atoms, for then others that hold for
    most are false; then those that hold as well as any, be it for a few atoms only; then all.
    """
    kept: list[np.ndarray] = []
    strict = translations.strict
    several = translations.matched >= SEVERAL
    for chosen in (translations.whole & several, strict & several, strict, slice(None)):
        vectors = _generators(translations.vectors[chosen], tolerance)
        _add_bases(kept, vectors[_triples(len(vectors))], tolerance)
    _add_bases(kept, _with_long_axis(translations), tolerance)
    return kept


def _triples(count: int) -> np.ndarray:
    """All choices of three of so many, (t, 3)."""
    return np.array(list(combinations(range(count), 3)), dtype=np.int64).reshape(-1, 3)


def _with_long_axis(translations: Translations) -> np.ndarray:
    """The plane of the two shortest sure translations, with each other one, (t, 3, 3).

    A cell that is nearly as long as the particle is wide repeats in few atoms along its axis.
    """
    sure = translations.vectors[translations.strict & (translations.matched >= SEVERAL)]
    if len(sure) < 2:
        return np.empty((0, 3, 3))
    across = np.linalg.norm(np.cross(sure, sure[0]), axis=1)
    second = int(np.argmax(across > 0.2 * np.linalg.norm(sure, axis=1) * np.linalg.norm(sure[0])))
    others = translations.vectors[translations.strict]
    plane = np.broadcast_to(sure[[0, second]], (len(others), 2, 3))
    return np.concatenate([plane, others[:, None]], axis=1)


def _add_bases(kept: list[np.ndarray], triples: np.ndarray, tolerance: float) -> None:
    """Add the lattices of triples (t, 3, 3) that are not yet known, small cells first."""
    volumes = np.abs(np.linalg.det(triples))
    lengths = np.linalg.norm(triples, axis=2).prod(axis=1)
    usable = np.flatnonzero((volumes > LEAST_VOLUME) & (volumes > 0.05 * lengths))
    chosen = triples[usable[np.argsort(settled(volumes[usable]), kind="stable")]]
    known = np.array(kept).reshape(-1, 3, 3)
    rows = lattice_kernels.distinct_lattices(chosen, known, MOST_LATTICES, tolerance)
    kept += [reduced(chosen[row]) for row in rows]


def reduced(basis: np.ndarray) -> np.ndarray:
    """Minkowski-reduced, right-handed basis of the same lattice (moyopy), (3, 3) in Å."""
    import moyopy

    if np.linalg.det(basis) < 0:
        basis = -basis
    return np.array(moyopy.minkowski_reduce(basis.tolist())[0])
