"""Tracks on which cutting lattice planes exactly is no longer enough: particles made harder.

Each track takes a particle and gives another one, by level and seed. Equal levels and seeds give
equal particles; a seed may be a sequence, so that each sample has one of its own.

=============== ======================================================== ==================
track           what happens                                             levels
=============== ======================================================== ==================
thermal         every coordinate moves by a normal draw of that          0.02, 0.05, 0.1,
                deviation                                                0.2 Å
vacancies       that share of the atoms is missing                       0.05, 0.2
hidden_species  all atoms of so many species are missing                 1
strain          a homogeneous strain whose largest principal value is    0.01, 0.02, 0.05
                that
=============== ======================================================== ==================

A fifth one, a particle relaxed with a potential, is :func:`relaxed`; it needs a function that
relaxes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from matscale.runtime.errors import Refused, UserError
from matscale.structures.table import StructureTable

Particle = tuple[np.ndarray, np.ndarray]
"""Atomic numbers (n,) and positions (n, 3) in Å."""

Seed = int | Sequence[int]

VACUUM = 10.0
"""Å between a relaxed particle and its images."""


def thermal(numbers: np.ndarray, positions: np.ndarray, level: float, seed: Seed) -> Particle:
    """Move every coordinate by a normal draw of deviation ``level`` in Å."""
    moves = np.random.default_rng(seed).normal(0.0, level, positions.shape)
    return numbers, positions + moves


def vacancies(numbers: np.ndarray, positions: np.ndarray, level: float, seed: Seed) -> Particle:
    """Take out the share ``level`` of the atoms, drawn without regard to species or place."""
    missing = round(level * len(numbers))
    order = np.random.default_rng(seed).permutation(len(numbers))
    kept = np.sort(order[missing:])
    return numbers[kept], positions[kept]


def hidden_species(
    numbers: np.ndarray, positions: np.ndarray, level: float, seed: Seed
) -> Particle:
    """Take out all atoms of ``level`` species, drawn.

    Raises:
        Refused: If no species would be left.
    """
    species = np.unique(numbers)
    if len(species) <= level:
        raise Refused("nothing left", f"{len(species)} species, {level:g} to be hidden")
    hidden = np.random.default_rng(seed).choice(species, int(level), replace=False)
    kept = ~np.isin(numbers, hidden)
    return numbers[kept], positions[kept]


def strain(numbers: np.ndarray, positions: np.ndarray, level: float, seed: Seed) -> Particle:
    """Strain by a random symmetric tensor whose largest absolute principal value is ``level``."""
    draw = np.random.default_rng(seed).normal(size=(3, 3))
    tensor = draw + draw.T
    tensor *= level / np.abs(np.linalg.eigvalsh(tensor)).max()
    return numbers, positions + positions @ tensor


@dataclass(frozen=True)
class Track:
    """One way of making particles harder.

    Attributes:
        levels: From mild to hard.
        unit: Of the levels; "" for a share or a number.
        apply: Takes numbers, positions, a level and a seed.
    """

    levels: tuple[float, ...]
    unit: str
    apply: Callable[[np.ndarray, np.ndarray, float, Seed], Particle]


TRACKS: Mapping[str, Track] = MappingProxyType(
    {
        "thermal": Track((0.02, 0.05, 0.1, 0.2), "Å", thermal),
        "vacancies": Track((0.05, 0.2), "", vacancies),
        "hidden_species": Track((1,), "", hidden_species),
        "strain": Track((0.01, 0.02, 0.05), "", strain),
    }
)
"""The tracks that need nothing but a seed."""


def harder(
    track: str, level: float, numbers: np.ndarray, positions: np.ndarray, seed: Seed
) -> Particle:
    """A particle of a track.

    Args:
        track: A key of :data:`TRACKS`.
        level: How hard; any positive number, not only those of the track.
        numbers: Atomic numbers, (n,).
        positions: In Å, (n, 3).
        seed: See :func:`sample_seed`.

    Raises:
        UserError: If there is no such track, or the level is not positive.
        Refused: If nothing would be left of the particle.
    """
    if track not in TRACKS:
        raise UserError(f"there is no hard track {track!r}; there is {', '.join(TRACKS)}")
    if not level > 0:
        raise UserError(f"the level of a hard track must be positive, not {level}")
    return TRACKS[track].apply(numbers, positions, level, seed)


def sample_seed(seed: int, sample_id: str) -> tuple[int, int]:
    """A seed for one sample of many, from the seed of all and the sample's id."""
    return seed, zlib.crc32(sample_id.encode())


def relaxed(
    numbers: np.ndarray,
    positions: np.ndarray,
    relax: Callable[[StructureTable], StructureTable],
) -> Particle:
    """A particle relaxed in a box of vacuum.

    Args:
        numbers: Atomic numbers, (n,).
        positions: In Å, (n, 3).
        relax: Moves the atoms of a table of one crystal and leaves its cell, as
            ``lambda table: matscale.energy.relax.relax(table, potential, settings).table`` with
            ``relax_cell=False`` does.
    """
    low, high = positions.min(axis=0), positions.max(axis=0)
    corner = low - VACUUM / 2
    cell = np.diag(high - low + VACUUM)
    box = StructureTable.from_parts(["particle"], [numbers], [positions - corner], [cell])
    return numbers, relax(box).row_positions(0) + corner
