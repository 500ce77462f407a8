"""Sets of particles in a folder: three Parquet files and what is known of them.

=================== ===============================================================
file                holds
=================== ===============================================================
materials.parquet   unit cells, with the column ``held_out``
particles.parquet   the stored particles, with ``material`` (a row), ``radius`` and ``least``
rotations.parquet   ``split``, ``radius``, and quaternions ``x``, ``y``, ``z``, ``w``
particles.json      name, radii by split, how it was made, leakage, hash
=================== ===============================================================
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from matscale.datasets.particles.leakage import Leakage
from matscale.datasets.particles.particle_set import ParticleSet
from matscale.datasets.particles.published import SPLITS
from matscale.runtime.errors import UserError
from matscale.runtime.files import replaced
from matscale.structures.formats.parquet import read_parquet, write_parquet
from matscale.structures.table import StructureTable

DESCRIPTION = "particles.json"
FILES = (DESCRIPTION, "materials.parquet", "particles.parquet", "rotations.parquet")
KIND = "matscale particles 1"
UNIT = 1e-6
"""How far a stored quaternion's length may be from 1."""


def save_particles(
    particles: ParticleSet, folder: str | os.PathLike[str], leaks: Leakage, **facts: object
) -> None:
    """Write a set to a folder, which is made if need be; older files of these names go.

    Args:
        particles: The set.
        folder: Where to.
        leaks: What :func:`leakage` found.
        facts: JSON values to keep with it, such as the command.

    Raises:
        UserError: If the folder cannot be written to.
    """
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write the folder {str(target)!r}: {error.strerror}") from error
    # The description goes first and comes last: without it there is no set.
    (target / DESCRIPTION).unlink(missing_ok=True)
    write_parquet(particles.materials, target / "materials.parquet")
    write_parquet(particles.particles, target / "particles.parquet")
    _write_rotations(particles, target / "rotations.parquet")
    description = {
        "kind": KIND,
        "name": particles.name,
        "radii": {split: list(radii) for split, radii in particles.radii.items()},
        "samples": {split: len(particles.samples(split)) for split in particles.radii},
        "facts": {**particles.facts, **facts},
        "leakage": leaks.as_json() | {"sentences": leaks.sentences(), "found": leaks.found},
        "sha256": particles.sha256,
    }
    with replaced(target / DESCRIPTION) as temporary:
        temporary.write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


def _write_rotations(particles: ParticleSet, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    keys = sorted(particles.quaternions)
    counts = [len(particles.quaternions[key]) for key in keys]
    every = np.concatenate([particles.quaternions[key] for key in keys])
    columns: dict[str, Any] = {
        "split": pa.array(np.repeat([split for split, _ in keys], counts).tolist(), pa.string()),
        "radius": np.repeat([float(radius) for _, radius in keys], counts),
    }
    columns |= {axis: every[:, column].copy() for column, axis in enumerate("xyzw")}
    with replaced(path) as temporary:
        pq.write_table(pa.table(columns), temporary, compression="zstd")


def load_particles(folder: str | os.PathLike[str]) -> ParticleSet:
    """Read a set that :func:`save_particles` wrote.

    Raises:
        UserError: If there is none, or it is damaged.
    """
    source = Path(folder)
    description = describe_particles(source)
    materials = read_parquet(source / "materials.parquet")
    particles = read_parquet(source / "particles.parquet")
    _check(source, materials, particles)
    return ParticleSet(
        name=str(description["name"]),
        materials=materials,
        particles=particles,
        radii={split: tuple(description["radii"][split]) for split in description["radii"]},
        quaternions=_read_rotations(source / "rotations.parquet", description["radii"]),
        facts=description["facts"],
    )


def describe_particles(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """What is known of a set in a folder, without reading its particles.

    Raises:
        UserError: If there is no set, or its description is damaged.
    """
    path = Path(folder) / DESCRIPTION
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            f"{str(folder)!r} holds no {DESCRIPTION}; make a set with: matscale data build c2np"
        ) from error
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {str(path)!r}: {error}; build the set again") from error
    try:
        _Description.model_validate(description)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "all of it"
        raise UserError(
            f"{str(path)!r} does not describe a {KIND!r} ({where}: {first['msg']}); "
            "build the set again"
        ) from error
    return dict(description)


class _Leakage(BaseModel):
    """What is shown of a set's leakage; the rest is kept as it is."""

    model_config = ConfigDict(strict=True)
    found: bool
    sentences: list[str]


class _Description(BaseModel):
    """What a description must hold; see :func:`save_particles`."""

    model_config = ConfigDict(strict=True)
    kind: Literal["matscale particles 1"]
    name: str
    radii: dict[str, list[Annotated[float, Field(gt=0, allow_inf_nan=False)]]]
    samples: dict[str, int]
    facts: dict[str, Any]
    leakage: _Leakage
    sha256: str

    @model_validator(mode="after")
    def _all_splits(self) -> Self:
        for name, own in (("radii", self.radii), ("samples", self.samples)):
            if set(own) != set(SPLITS):
                raise ValueError(
                    f"{name} are of {', '.join(own) or 'no split'}, not of {', '.join(SPLITS)}"
                )
        return self


def size_on_disk(folder: str | os.PathLike[str]) -> int:
    """Bytes of the files of a set.

    Raises:
        UserError: If one of them is not there.
    """
    try:
        return sum((Path(folder) / name).stat().st_size for name in FILES)
    except OSError as error:
        raise UserError(
            f"cannot read {str(error.filename)!r}: {error.strerror}; build the set again"
        ) from error


def _check(folder: Path, materials: StructureTable, particles: StructureTable) -> None:
    """Make sure that the two tables fit.

    Raises:
        UserError: If they do not.
    """
    rows = particles.columns.get("material")
    sound = (
        materials.cells is not None
        and "held_out" in materials.columns
        and rows is not None
        and {"radius", "least"} <= set(particles.columns)
        and ((rows >= 0) & (rows < len(materials))).all()
    )
    if not sound:
        raise UserError(
            f"particles.parquet and materials.parquet in {str(folder)!r} do not fit; build it again"
        )


def _read_rotations(
    path: Path, radii: Mapping[str, list[float]]
) -> dict[tuple[str, float], np.ndarray]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        split = np.array(table["split"].to_pylist(), dtype=object)
        radius = table["radius"].to_numpy()
        values = np.column_stack([table[axis].to_numpy() for axis in "xyzw"])
    except (OSError, KeyError, pa.ArrowException) as error:
        raise UserError(f"cannot read {str(path)!r}: {error}; build the set again") from error
    if not (np.abs(np.linalg.norm(values, axis=1) - 1) < UNIT).all():
        raise UserError(f"{str(path)!r} holds quaternions not of unit length; build the set again")
    return {
        (name, float(value)): values[(split == name) & (radius == value)]
        for name, sizes in radii.items()
        for value in sizes
    }
