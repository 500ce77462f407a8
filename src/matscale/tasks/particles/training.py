"""The training samples of a set, and nothing else of it."""

from __future__ import annotations

import numpy as np

from matscale.datasets.particles import ParticleSet
from matscale.predictors.training import ParticleTraining
from matscale.structures.table import StructureTable

TRAIN = "train"

TOLD_FACTS = ("centre",)
"""What is known of how a set was made that says nothing about its test particles."""


def training_samples(
    particles: ParticleSet, by: str, space_groups: np.ndarray, shuffle: int | None = None
) -> ParticleTraining:
    """Copies of the training materials, of their training particles and rotations.

    Nothing in them refers to the set that they are taken from: no test material, no larger
    particle that a test radius could be cut from, no test rotation.

    Args:
        particles: The set.
        by: ``radius`` or ``material``.
        space_groups: Of the set's materials, (N,).
        shuffle: As in :class:`ParticleTraining`.
    """
    kept = np.arange(len(particles.materials))
    if by == "material":
        kept = kept[~particles.held_out]
    radii = particles.radii[TRAIN]
    rotations = {
        key: turns.copy() for key, turns in particles.quaternions.items() if key[0] == TRAIN
    }
    table = particles.materials[kept]
    own = ParticleSet(
        name=f"{particles.name} training",
        materials=StructureTable(
            table.ids.copy(), table.offsets, table.numbers, table.positions, table.cells
        ),
        particles=_training_particles(particles, kept, radii),
        radii={TRAIN: tuple(radii)},
        quaternions=rotations,
        facts={name: particles.facts[name] for name in TOLD_FACTS if name in particles.facts},
    )
    return ParticleTraining(own, own.samples(TRAIN), space_groups[kept].copy(), shuffle)


def _training_particles(
    particles: ParticleSet, kept: np.ndarray, radii: tuple[float, ...]
) -> StructureTable:
    """Of each material the particle of the largest training radius, or each, if none serves all."""
    parts, material, radius, least = [], [], [], []
    for own_row, row in enumerate(kept.tolist()):
        stored = particles.particles.columns["material"] == row
        lowest = particles.particles.columns["least"][stored]
        whole = bool((lowest <= min(radii)).any())
        for size in [max(radii)] if whole else sorted(radii):
            if not whole and size not in particles.particles.columns["radius"][stored]:
                continue
            parts.append(particles.base(row, size))
            material.append(own_row)
            radius.append(float(size))
            least.append(0.0 if whole else float(size))
    columns = {
        "material": np.array(material, np.int64),
        "radius": np.array(radius),
        "least": np.array(least),
    }
    table = StructureTable.concatenate(parts)
    return StructureTable(
        table.ids, table.offsets, table.numbers.copy(), table.positions.copy(), None, columns
    )
