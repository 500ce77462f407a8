"""What is asked: test particles of a set, drawn evenly over materials and radii."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from matscale.datasets.particles import (
    MATERIAL_SETS,
    ParticleSet,
    Samples,
    build_particles,
    load_particles,
    material_set,
)
from matscale.datasets.particles.hard import TRACKS, harder, sample_seed
from matscale.datasets.particles.particle_set import SPLIT_BY
from matscale.datasets.particles.published import TEST_SPLITS
from matscale.results import result as schema
from matscale.runtime.errors import UserError, did_you_mean
from matscale.runtime.memory import content_key
from matscale.structures.rotations import matrices

ROTATIONS = 1
"""Of each material and radius, by default."""

MATERIALS = 20
"""At each radius, where a task asks for few samples; all of them in turn, radius by radius."""


@dataclass(frozen=True, eq=False)
class ParticleQuestion:
    """Test samples, n of them.

    Attributes:
        particles: The set that they are of.
        by: ``radius`` or ``material``: how train and test are split.
        samples: Which particles are asked for.
        split: ``id`` or ``ood`` of each, (n,) of object.
        ids: Name of each, (n,) of object.
        available: How many test samples the set has.
        dataset: For the results.
        seed: Of draws.
        hard: Track and level by which the input particles are perturbed, if any.
    """

    particles: ParticleSet
    by: str
    samples: Samples
    split: np.ndarray
    ids: np.ndarray
    available: int
    dataset: schema.Dataset
    seed: int
    hard: tuple[str, float] | None = None

    def __len__(self) -> int:
        return len(self.samples)

    def particle(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Numbers (n,) and positions (n, 3) in Å of a sample's particle, as copies."""
        material, radius, rotation = self.key(row)
        numbers, positions = self.particles.particle(material, radius, rotation)
        return numbers.copy(), np.array(positions)

    def disturbed(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """The same particle as it is told where the cell is asked for: on the hard track."""
        numbers, positions = self.particle(row)
        if self.hard is None:
            return numbers, positions
        seed = sample_seed(self.seed, str(self.ids[row]))
        return harder(*self.hard, numbers, positions, (*seed, 1))

    def key(self, row: int) -> tuple[int, float, int]:
        """Material's row, radius in Å and number of the rotation of a sample."""
        samples = self.samples
        return int(samples.material[row]), float(samples.radius[row]), int(samples.rotation[row])

    def rotation(self, row: int) -> np.ndarray:
        """Rotation matrix (3, 3) of a sample."""
        _, radius, rotation = self.key(row)
        if rotation == 0:
            return np.eye(3)
        turns = self.particles.rotations(self.particles.split_of(radius), radius)
        return np.asarray(matrices(turns[rotation - 1]))

    @property
    def names(self) -> np.ndarray:
        """The material's name of each sample, (n,)."""
        return np.asarray(self.particles.materials.ids[self.samples.material])

    def trained_materials(self) -> np.ndarray:
        """Rows of the materials that training has particles of, sorted."""
        return np.unique(self.particles.samples("train", self.by).material)

    def notes(self) -> tuple[str, ...]:
        """That it is a sample, where it is one, and of particles made harder."""
        return (*self._hard_notes(), *self._sample_notes())

    def _hard_notes(self) -> tuple[str, ...]:
        if self.hard is None:
            return ()
        track, level = self.hard
        unit = TRACKS[track].unit
        return (
            f"The input particles are perturbed ({track}, {level:g}{' ' * bool(unit)}"
            f"{unit}); the crystal that is asked for, and the training samples, are not.",
        )

    def _sample_notes(self) -> tuple[str, ...]:
        if len(self) == self.available:
            return ()
        samples = self.samples
        keys = np.column_stack([samples.material, samples.radius])
        pairs, counts = np.unique(keys, axis=0, return_counts=True)
        each = np.unique(pairs[:, 1], return_counts=True)[1]
        turns = "one orientation" if counts.max() == 1 else f"up to {counts.max()} orientations"
        return (
            f"{len(self)} of the {self.available} test particles are asked for, drawn with seed "
            f"{self.seed} and the same for all predictors: {turns} of up to {each.max()} of the "
            f"{len(np.unique(samples.material))} test materials at each of {len(each)} radii.",
        )


def find_particles(data: str | Path) -> ParticleSet:
    """A folder of ``matscale data build``, or a material set's name, which is built in memory.

    Raises:
        UserError: If it is neither.
    """
    name = str(data)
    if Path(data).is_file():
        raise UserError(
            f"--data {name} is a file: give a folder, which this makes of unit cells: "
            f"matscale data build c2np --materials {shlex.quote(name)} --out FOLDER"
        )
    if Path(data).exists():
        return load_particles(data)
    if name not in MATERIAL_SETS:
        raise UserError(
            f"--data {name}: there is no such folder{did_you_mean(name, MATERIAL_SETS)} (give one "
            f"that `matscale data build c2np` made, or one of {', '.join(MATERIAL_SETS)})"
        )
    from matscale.matching.batch import MatchSettings, group

    materials = material_set(name)
    same = group(materials, MatchSettings(scale=False))[0]
    return build_particles(materials, name=name, split=MATERIAL_SETS[name].split, same=same)


def ask(
    data: str | Path | ParticleSet,
    *,
    by: str = "radius",
    limit: int | None = ROTATIONS,
    seed: int = 0,
    hard: str | None = None,
) -> ParticleQuestion:
    """The test samples of a set.

    Args:
        data: Folder, name of a material set, or the set itself.
        by: ``radius`` or ``material``.
        limit: Rotations of each material and radius at most, drawn by seed; None for one, of
            some :data:`MATERIALS` materials at each radius.
        seed: Of the draws.
        hard: Track and level of :mod:`matscale.datasets.particles.hard`, such as
            ``"thermal=0.05"``; None leaves the particles as they were cut.

    Raises:
        UserError: If there is no such set, split or track, it leaves nothing to train on or to ask
            for, a limit is not positive, or the seed is negative.
    """
    if by not in SPLIT_BY:
        raise UserError(f"--split {by!r} is not one of {', '.join(SPLIT_BY)}")
    if limit is not None and limit < 1:
        raise UserError(f"--limit {limit}: give a number of orientations from 1")
    if seed < 0:
        raise UserError(f"--seed {seed}: give a number from 0")
    disturbance = _track_of(hard) if hard is not None else None
    particles = data if isinstance(data, ParticleSet) else find_particles(data)
    parts = {name: particles.samples(name, by) for name in TEST_SPLITS if name in particles.radii}
    samples = Samples(
        *(
            np.concatenate([getattr(part, field) for part in parts.values()])
            for field in ("material", "radius", "rotation")
        )
    )
    if not len(samples):
        raise UserError(f"{particles.name} has no test particles in the split by {by}")
    trained = len(particles.samples("train", by)) if "train" in particles.radii else 0
    if not trained:
        raise UserError(
            f"{particles.name} has no training particles in the split by {by}"
            + (": all of its materials are held out; use --split radius" * (by == "material"))
        )
    split = np.repeat(np.array(list(parts), object), [len(part) for part in parts.values()])
    available = len(samples)
    rows = _drawn(samples, limit, seed)
    samples, split = samples[rows], split[rows]
    ids = np.array(particles.sample_ids(samples), dtype=object)
    dataset = schema.Dataset(
        name=f"{particles.name} {hard}" if hard else particles.name,
        split=by,
        sha256=content_key(particles.sha256, by, *disturbance or (), *ids.tolist()),
        size=len(ids),
        train_name=particles.name,
        train_sha256=particles.sha256,
        train_size=trained,
    )
    return ParticleQuestion(
        particles, by, samples, split, ids, available, dataset, seed, disturbance
    )


def _track_of(text: str) -> tuple[str, float]:
    """Track and level of a text such as ``"thermal=0.05"``.

    Raises:
        UserError: If there is no such track, or it has no such level.
    """
    name, _, level = text.partition("=")
    levels = {f"{one:g}": one for one in TRACKS[name].levels} if name in TRACKS else {}
    if level not in levels:
        known = [f"{track}={one:g}" for track in TRACKS for one in TRACKS[track].levels]
        raise UserError(f"--hard {text!r} is not one of {', '.join(known)}")
    return name, levels[level]


def _drawn(samples: Samples, limit: int | None, seed: int) -> np.ndarray:
    """Rows of the samples that are asked for, rising."""
    generator = np.random.default_rng(seed)
    # Ranks of equal material and radius in random order: the first few of each are taken.
    order = np.lexsort((generator.random(len(samples)), samples.radius, samples.material))
    keys = np.column_stack([samples.material[order], samples.radius[order]])
    starts = np.flatnonzero(np.r_[True, (np.diff(keys, axis=0) != 0).any(axis=1)])
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    first = order[rank < (limit or ROTATIONS)]
    if limit is None:
        first = first[_in_turn(samples[first], generator)]
    return np.sort(first)


def _in_turn(samples: Samples, generator: np.random.Generator) -> np.ndarray:
    """Which samples are of a material whose turn it is at their radius, (n,) truth values."""
    materials, which = np.unique(samples.material, return_inverse=True)
    places = generator.permutation(len(materials))[which]
    radii = np.unique(samples.radius, return_inverse=True)[1]
    every = max(1, len(materials) // MATERIALS)
    return np.asarray((places + radii) % every == 0)
