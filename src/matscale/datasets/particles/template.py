"""Files that show what a submission to the particle tasks looks like."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from matscale.datasets.particles.particle_set import ParticleSet, Samples
from matscale.runtime.errors import UserError
from matscale.runtime.files import replaced
from matscale.structures.formats import write
from matscale.structures.table import StructureTable

CELL_COLUMNS = ("a", "b", "c", "alpha", "beta", "gamma", "space_group")
"""Lengths in Å, angles in degrees, number of the space group."""

KEY_COLUMNS = ("material", "radius", "rotation")
"""What names a sample: material, radius in Å, number of the rotation."""

EXAMPLES = 3
"""Particles of a template of the first task."""

PARTICLE_ENDINGS = (".extxyz", ".xyz", ".parquet")


def write_template(
    task: str, particles: ParticleSet, samples: Samples, out: str | os.PathLike[str]
) -> int:
    """Write a template of a submission.

    For ``particle-to-crystal`` it has a row for each sample, whose answers are left empty. For
    ``crystal-to-particle`` it has the first few of the particles themselves, as an example, or, as
    a ``.csv``, a row that names each sample.

    Args:
        task: A key of :data:`TEMPLATES`.
        particles: The set that is to be answered.
        samples: Which of its particles are asked for.
        out: ``.csv``; for ``crystal-to-particle`` also ``.extxyz``, ``.xyz`` or ``.parquet``.
            Replaced whole.

    Returns:
        Rows written.

    Raises:
        UserError: If there is no such task, the ending is another one, or it cannot be written.
    """
    if task not in TEMPLATES:
        raise UserError(f"there is no template {task!r}; there is {', '.join(TEMPLATES)}")
    return TEMPLATES[task](particles, samples, Path(out))


def _cells(particles: ParticleSet, samples: Samples, out: Path) -> int:
    if out.suffix.lower() != ".csv":
        raise UserError(f"answers to particle-to-crystal are a .csv, not {out.name!r}")
    return _rows(particles, samples, out, CELL_COLUMNS)


def _rows(
    particles: ParticleSet, samples: Samples, out: Path, columns: tuple[str, ...] = ()
) -> int:
    """One row per sample that names it, with further columns that are left empty."""
    rows = zip(
        particles.materials.ids[samples.material].tolist(),
        samples.radius.tolist(),
        samples.rotation.tolist(),
        strict=True,
    )
    empty = "," * len(columns)
    with replaced(out) as temporary, temporary.open("w", encoding="utf-8") as stream:
        stream.write(",".join((*KEY_COLUMNS, *columns)) + "\n")
        for material, radius, rotation in rows:
            quoted = f'"{material}"' if "," in material else material
            stream.write(f"{quoted},{radius:g},{rotation}{empty}\n")
    return len(samples)


def _particles(particles: ParticleSet, samples: Samples, out: Path) -> int:
    if out.suffix.lower() == ".csv":
        return _rows(particles, samples, out)
    if out.suffix.lower() not in PARTICLE_ENDINGS:
        raise UserError(
            f"answers to crystal-to-particle end in {', '.join(PARTICLE_ENDINGS)}, and a list of "
            f"what is asked for in .csv, not {out.name!r}"
        )
    samples = samples[:EXAMPLES]
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


TEMPLATES: Mapping[str, Callable[[ParticleSet, Samples, Path], int]] = MappingProxyType(
    {"crystal-to-particle": _particles, "particle-to-crystal": _cells}
)
"""What is written for each task."""
