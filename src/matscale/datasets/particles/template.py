"""Files that show what a submission to the particle tasks looks like."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from matscale.datasets.particles.particle_set import ParticleSet, Samples
from matscale.datasets.particles.published import TEST_SPLITS
from matscale.errors import UserError
from matscale.structures.formats import write
from matscale.structures.formats.atomic_file import replacing
from matscale.structures.table import StructureTable

CELL_COLUMNS = ("a", "b", "c", "alpha", "beta", "gamma", "space_group")
"""Lengths in Å, angles in degrees, number of the space group."""

KEY_COLUMNS = ("material", "radius", "rotation")

EXAMPLES = 3
"""Particles of a template of the first task."""

PARTICLE_ENDINGS = (".extxyz", ".xyz", ".parquet")


def write_template(
    task: str, particles: ParticleSet, out: str | os.PathLike[str], by: str = "radius"
) -> int:
    """Write a template of a submission.

    For ``particle-to-crystal`` it has a row for each test particle, whose answers are left empty;
    for ``crystal-to-particle`` it has the first few test particles themselves, as an example.

    Args:
        task: A key of :data:`TEMPLATES`.
        particles: The set that is to be answered.
        out: ``.csv`` for ``particle-to-crystal``; ``.extxyz``, ``.xyz`` or ``.parquet`` for
            ``crystal-to-particle``. Replaced whole.
        by: ``radius`` or ``material``: which split's test particles.

    Returns:
        Rows written.

    Raises:
        UserError: If there is no such task, the ending is another one, or it cannot be written.
    """
    if task not in TEMPLATES:
        raise UserError(f"there is no template {task!r}; there is {', '.join(TEMPLATES)}")
    return TEMPLATES[task](particles, Path(out), by)


def _test_samples(particles: ParticleSet, by: str) -> Samples:
    parts = [particles.samples(split, by) for split in TEST_SPLITS if split in particles.radii]
    return Samples(
        np.concatenate([part.material for part in parts]),
        np.concatenate([part.radius for part in parts]),
        np.concatenate([part.rotation for part in parts]),
    )


def _cells(particles: ParticleSet, out: Path, by: str) -> int:
    if out.suffix.lower() != ".csv":
        raise UserError(f"answers to particle-to-crystal are a .csv, not {out.name!r}")
    samples = _test_samples(particles, by)
    rows = zip(
        particles.materials.ids[samples.material].tolist(),
        samples.radius.tolist(),
        samples.rotation.tolist(),
        strict=True,
    )
    empty = "," * len(CELL_COLUMNS)
    with replacing(out) as temporary, Path(temporary).open("w", encoding="utf-8") as stream:
        stream.write(",".join((*KEY_COLUMNS, *CELL_COLUMNS)) + "\n")
        for material, radius, rotation in rows:
            quoted = f'"{material}"' if "," in material else material
            stream.write(f"{quoted},{radius:g},{rotation}{empty}\n")
    return len(samples)


def _particles(particles: ParticleSet, out: Path, by: str) -> int:
    if out.suffix.lower() not in PARTICLE_ENDINGS:
        raise UserError(
            f"answers to crystal-to-particle end in {', '.join(PARTICLE_ENDINGS)}, not {out.name!r}"
        )
    samples = _test_samples(particles, by)[:EXAMPLES]
    triples = list(
        zip(
            samples.material.tolist(),
            samples.radius.tolist(),
            samples.rotation.tolist(),
            strict=True,
        )
    )
    parts = [particles.particle(*triple) for triple in triples]
    table = StructureTable.from_parts(
        particles.sample_ids(samples),
        [numbers for numbers, _ in parts],
        [positions for _, positions in parts],
        None,
        {
            "material": particles.materials.ids[samples.material],
            "radius": samples.radius,
            "rotation": samples.rotation,
        },
    )
    write(table, out)
    return len(table)


TEMPLATES: Mapping[str, Callable[[ParticleSet, Path, str], int]] = MappingProxyType(
    {"crystal-to-particle": _particles, "particle-to-crystal": _cells}
)
"""What is written for each task."""
