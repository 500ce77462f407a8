"""Which translations carry the particle onto itself, as far as it reaches."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from matscale.recovery import kernels
from matscale.recovery.particle import Particle
from matscale.runtime.exact import settled

MOST_PAIRS = 6000
"""Differences of positions that are looked at."""

LONGEST = 1.9
"""In radii of the region; a longer translation leaves almost no overlap."""

LEAST_SHARE = 0.35
"""Share of images that must be met by an atom for a translation to be considered."""

LEAST_HITS = 2
"""Atoms that must meet an image."""

BEST = 6
"""Translations that set the standard for the others."""

DEVIATIONS = 4.0
"""How many standard deviations the share may lie below that of the best translations."""

SLACK = 0.02
"""What the share may lack besides: edges, and atoms at the end of the tolerance."""


class Translations(NamedTuple):
    """Translations that hold, one of each pair t and -t, from short to long.

    Attributes:
        vectors: In Å, (t, 3).
        matched: Atoms whose image is met by an atom of the same species, (t,).
        spread: Root mean square by which images miss the atoms that meet them, in Å, (t,).
        whole: Whether no image lacks its atom, (t,).
        strict: Whether it holds for as large a share of the atoms as the best ones, (t,).
    """

    vectors: np.ndarray
    matched: np.ndarray
    spread: np.ndarray
    whole: np.ndarray
    strict: np.ndarray


def translations_of(particle: Particle, tolerance: float) -> Translations:
    """Translations under which as many atoms as anywhere fall on atoms of their species.

    Args:
        particle: Or its core.
        tolerance: Within which an atom meets an image, in Å.
    """
    vectors = _differences(particle, tolerance)
    # A difference of two atoms carries the noise of both; the mean of what it leaves does not.
    for _ in range(2):
        eligible, matched, met, shift, spread = kernels.score_translations(
            vectors,
            particle.positions,
            particle.species,
            particle.n_species,
            particle.planes,
            particle.radius,
            particle.bins,
            tolerance,
            tolerance,
            LEAST_SHARE,
        )
        total, hits = eligible.sum(axis=1), matched.sum(axis=1)
        enough = (met >= LEAST_HITS) & (hits >= LEAST_SHARE * total)
        vectors, eligible, matched = (vectors + shift)[enough], eligible[enough], matched[enough]
        total, hits, met, spread = total[enough], hits[enough], met[enough], spread[enough]
    if not len(vectors):
        return Translations(vectors, met, spread, hits > 0, hits > 0)
    common = _common_share(hits, total)
    # A translation that holds for most atoms but for none of a rare species is none.
    holds = _consistent(matched, eligible, common, DEVIATIONS).all(axis=1)
    holds &= _consistent(hits, total, common, DEVIATIONS)
    kept = np.flatnonzero(holds)
    kept = kept[np.argsort(settled(np.linalg.norm(vectors[kept], axis=1)), kind="stable")]
    kept = kept[_distinct(vectors[kept], tolerance)]
    return Translations(
        vectors=vectors[kept],
        matched=met[kept],
        spread=np.sqrt(np.maximum(spread[kept], 0)),
        whole=hits[kept] == total[kept],
        strict=_consistent(hits[kept], total[kept], common, 1.0),
    )


def _common_share(hits: np.ndarray, total: np.ndarray) -> float:
    """The share that the best translations reach together.

    The best are those with the highest lower bounds (Wilson 1927), at two standard deviations;
    those that concern few atoms are left out, for among many some are lucky.
    """
    many = total >= total.max() / 2
    hits, total = hits[many], total[many]
    count = np.maximum(total, 1)
    share = hits / count
    middle = share + 2 / count
    half = 2 * np.sqrt(share * (1 - share) / count + 1 / count**2)
    best = np.argsort(-settled((middle - half) / (1 + 4 / count)), kind="stable")[:BEST]
    return float(hits[best].sum() / max(total[best].sum(), 1))


def _consistent(hits: np.ndarray, total: np.ndarray, share: float, deviations: float) -> np.ndarray:
    """Whether counts may come from a share, within some standard deviations and the slack."""
    spread = np.sqrt(total * share * (1 - share))
    return hits >= total * share * (1 - SLACK) - deviations * spread - 1e-9


def _differences(particle: Particle, tolerance: float) -> np.ndarray:
    """Differences of positions within species, without repetitions, (c, 3).

    The rarest species first; see :func:`_origins`.
    """
    longest = LONGEST * particle.radius
    counts = np.bincount(particle.species)
    parts: list[np.ndarray] = []
    left = MOST_PAIRS
    for kind in np.argsort(counts, kind="stable"):
        members = np.flatnonzero(particle.species == kind)
        if len(members) < 2 or left <= 0:
            continue
        origins = _origins(members, max(4, left // len(members)))
        differences = (
            particle.positions[members][None] - particle.positions[origins][:, None]
        ).reshape(-1, 3)
        lengths = np.linalg.norm(differences, axis=1)
        differences = differences[(lengths > 1.0) & (lengths < longest)]
        parts.append(differences)
        left -= len(differences)
    if not parts:
        return np.empty((0, 3))
    joined = np.concatenate(parts)
    # One of each pair t, -t.
    sign = np.where(
        np.abs(joined[:, 0]) > tolerance,
        joined[:, 0],
        np.where(np.abs(joined[:, 1]) > tolerance, joined[:, 1], joined[:, 2]),
    )
    joined = joined * np.where(sign < 0, -1.0, 1.0)[:, None]
    cells = np.round(joined / max(tolerance, 1e-3)).astype(np.int64)
    _, first = np.unique(cells, axis=0, return_index=True)
    return np.ascontiguousarray(joined[np.sort(first)])


def _origins(members: np.ndarray, count: int) -> np.ndarray:
    """Atoms to look from: half of them inmost, the others at all distances from the centre.

    From the centre most translations are seen, but none longer than the radius.
    """
    if count >= len(members):
        return members
    spread = np.linspace(0, len(members) - 1, count - count // 2).astype(np.int64)
    return members[np.union1d(np.arange(count // 2), spread)]


def _distinct(vectors: np.ndarray, tolerance: float) -> np.ndarray:
    """Rows that differ from all rows before them by more than the tolerance."""
    kept: list[int] = []
    for row, vector in enumerate(vectors):
        if kept:
            known = vectors[kept]
            near = np.minimum(
                np.abs(known - vector).max(axis=1), np.abs(known + vector).max(axis=1)
            )
            if near.min() < 2 * tolerance:
                continue
        kept.append(row)
    return np.array(kept, dtype=np.int64)
