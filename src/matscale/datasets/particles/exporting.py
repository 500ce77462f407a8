"""Sets of particles written out for others: the authors' tree, extended XYZ, Hugging Face."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from matscale.datasets.particles.particle_set import ParticleSet, Samples
from matscale.runtime.errors import UserError
from matscale.runtime.exact import in_basis
from matscale.runtime.execution import run
from matscale.runtime.files import replaced
from matscale.structures.formats import cif_text, extxyz
from matscale.structures.formats.elements import SYMBOLS
from matscale.structures.rotations import matrices

HUB_SPLITS = {"train": "train", "id": "id_test", "ood": "ood_test"}
"""Names of the splits in the authors' Hugging Face repository of RADII."""


def export_particles(
    particles: ParticleSet,
    layout: str,
    out: str | os.PathLike[str],
    *,
    workers: int | None = None,
    label: str = "",
) -> int:
    """Write every particle of a set into a folder.

    Args:
        particles: The set.
        layout: A key of :data:`LAYOUTS`.
        out: Folder, which is made if need be.
        workers: Processes; None for one per core.
        label: For the progress display; "" shows none.

    Returns:
        Number of particles written, the unrotated ones of the authors' tree among them.

    Raises:
        UserError: If there is no such layout, or the folder cannot be written to.
    """
    if layout not in LAYOUTS:
        raise UserError(f"there is no layout {layout!r}; there is {', '.join(LAYOUTS)}")
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return LAYOUTS[layout](particles, folder, workers, label)
    except OSError as error:
        raise UserError(f"cannot write to {str(folder)!r}: {error.strerror or error}") from error


def only(particles: ParticleSet, names: list[str]) -> ParticleSet:
    """The set with some of its materials.

    Raises:
        UserError: If there is no such material.
    """
    rows = np.array([particles.row(name) for name in names])
    places = [np.flatnonzero(particles.particles.columns["material"] == row) for row in rows]
    kept = np.concatenate(places)
    renumbered = np.repeat(np.arange(len(rows)), [len(group) for group in places])
    return ParticleSet(
        particles.name,
        particles.materials[rows],
        particles.particles[kept].with_columns(material=renumbered),
        particles.radii,
        particles.quaternions,
        particles.facts,
    )


# --- the authors' tree -------------------------------------------------------------------------


def _tree(particles: ParticleSet, folder: Path, workers: int | None, label: str) -> int:
    (folder / "cifs").mkdir(exist_ok=True)
    materials = particles.materials
    for row, name in enumerate(materials.ids):
        text = cif_text.build(
            name, materials.row_numbers(row), materials.row_positions(row), materials.lattices[row]
        )
        (folder / "cifs" / f"{name}.cif").write_text(text, encoding="utf-8")
    write = partial(_tree_of_material, str(folder))
    items = [only(particles, [str(name)]) for name in materials.ids]
    return sum(run(write, items, workers=workers, label=label))


def _tree_of_material(folder: str, particles: ParticleSet) -> int:
    """Write the particles of a set of one material."""
    name = str(particles.materials.ids[0])
    count = 0
    every = chain.from_iterable(_by_radius(particles, split) for split in particles.radii)
    for radius, numbers, base, turns, rotations in every:
        target = Path(folder) / "quaternions" / name / f"R{radius:g}" / "xyz"
        target.mkdir(parents=True, exist_ok=True)
        form = _xyz_form(numbers)
        original = f"{len(numbers)}\nOriginal structure at R{radius:g}\n"
        (target / "rot_0.xyz").write_text(original + form % tuple(base.ravel()), encoding="utf-8")
        for turn, rotation in zip(turns, rotations, strict=True):
            x, y, z, w = rotation
            head = f"{len(numbers)}\nRotated by quaternion x={x!r} y={y!r} z={z!r} w={w!r}\n"
            moved = in_basis(base, matrices(np.array(rotation)).T)
            path = target / f"rot_{turn}.xyz"
            path.write_text(head + form % tuple(moved.ravel().tolist()), encoding="utf-8")
        count += 1 + len(turns)
    return count


def _by_radius(
    particles: ParticleSet, split: str
) -> Iterator[tuple[float, np.ndarray, np.ndarray, list[int], list[list[float]]]]:
    """Radius, numbers, positions, and rotations with their numbers, of a set of one material."""
    samples = particles.samples(split)
    for radius in particles.radii[split]:
        turns = samples.rotation[samples.radius == radius]
        if len(turns):
            numbers, base = particles.particle(0, radius)
            rotations = particles.rotations(split, radius)[turns - 1]
            yield radius, numbers, base, turns.tolist(), rotations.tolist()


def _xyz_form(numbers: np.ndarray) -> str:
    """What the coordinates of a particle are formatted with, all at once."""
    lines = {
        number: f"{SYMBOLS[number]:2s} %15.8f %15.8f %15.8f\n" for number in np.unique(numbers)
    }
    return "".join([lines[number] for number in numbers.tolist()])


# --- extended XYZ ------------------------------------------------------------------------------


def _extxyz(particles: ParticleSet, folder: Path, workers: int | None, label: str) -> int:
    write = partial(_extxyz_of_split, particles, str(folder))
    return sum(run(write, list(particles.radii), workers=workers, label=label))


def _extxyz_of_split(particles: ParticleSet, folder: str, split: str) -> int:
    samples = particles.samples(split)
    with (
        replaced(Path(folder) / f"{split}.extxyz") as temporary,
        temporary.open("w", encoding="utf-8") as stream,
    ):
        for name, material, radius, turn in _each(particles, samples):
            numbers, positions = particles.particle(material, radius, turn)
            values = {
                "material": str(particles.materials.ids[material]),
                "radius": float(radius),
                "rotation": int(turn),
                "split": split,
            }
            stream.write(extxyz.frame(name, numbers, positions, None, values))
    return len(samples)


def _each(particles: ParticleSet, samples: Samples) -> Iterator[tuple[str, int, float, int]]:
    names = particles.sample_ids(samples)
    return zip(
        names,
        samples.material.tolist(),
        samples.radius.tolist(),
        samples.rotation.tolist(),
        strict=True,
    )


# --- Hugging Face ------------------------------------------------------------------------------


def _hub(particles: ParticleSet, folder: Path, workers: int | None, label: str) -> int:
    (folder / "data").mkdir(exist_ok=True)
    names = particles.materials.ids
    items = [
        (split, f"{row:05d}-of-{len(names):05d}", only(particles, [str(name)]))
        for split in particles.radii
        for row, name in enumerate(names)
    ]
    write = partial(_hub_shard, str(folder))
    count = sum(run(write, items, workers=workers, label=label))
    with replaced(folder / "README.md") as temporary:
        temporary.write_text(_hub_card(particles, count), encoding="utf-8")
    return count


def _hub_shard(folder: str, item: tuple[str, str, ParticleSet]) -> int:
    """One Parquet file of the particles of a set of one material in a split."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    split, shard, particles = item
    material = particles.materials
    cell: dict[str, Any] = {
        "cell_matrix": material.lattices[0].tolist(),
        "cell_pos": material.positions.tolist(),
        "cell_z": material.numbers.tolist(),
    }
    schema = pa.schema(
        {
            "pos": pa.list_(pa.list_(pa.float32(), 3)),
            "z": pa.list_(pa.uint8()),
            "material": pa.string(),
            "radius": pa.float64(),
            "rot_idx": pa.int64(),
            "num_atoms": pa.int64(),
            "split": pa.string(),
            "cell_matrix": pa.list_(pa.list_(pa.float64())),
            "cell_pos": pa.list_(pa.list_(pa.float64())),
            "cell_z": pa.list_(pa.int64()),
        }
    )
    path = Path(folder) / "data" / f"{HUB_SPLITS[split]}-{shard}.parquet"
    count = 0
    with (
        replaced(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        for radius, numbers, base, turns, rotations in _by_radius(particles, split):
            turned = np.swapaxes(matrices(np.array(rotations)), 1, 2)
            moved = in_basis(base, turned[:, None])
            flat = pa.array(moved.astype(np.float32).ravel())
            starts = pa.array(np.arange(len(turns) + 1, dtype=np.int32) * len(numbers))
            columns: dict[str, Any] = {
                "pos": pa.ListArray.from_arrays(starts, pa.FixedSizeListArray.from_arrays(flat, 3)),
                "z": pa.ListArray.from_arrays(starts, pa.array(np.tile(numbers, len(turns)))),
                "material": [str(material.ids[0])] * len(turns),
                "radius": [float(radius)] * len(turns),
                "rot_idx": turns,
                "num_atoms": [len(numbers)] * len(turns),
                "split": [HUB_SPLITS[split]] * len(turns),
            } | {name: [value] * len(turns) for name, value in cell.items()}
            writer.write_table(pa.table(columns, schema=schema))
            count += len(turns)
    return count


def _hub_card(particles: ParticleSet, count: int) -> str:
    """The README that tells Hugging Face where the splits are."""
    files = "".join(
        f"      - split: {HUB_SPLITS[split]}\n        path: data/{HUB_SPLITS[split]}-*.parquet\n"
        for split in particles.radii
    )
    return (
        f"---\nconfigs:\n  - config_name: default\n    data_files:\n{files}---\n\n"
        f"# {particles.name}\n\n{count} particles of {len(particles.materials)} materials, made by "
        "matscale: positions `pos` in Å and atomic numbers `z`, the material's unit cell "
        "(`cell_matrix` by rows, `cell_pos`, `cell_z`), `radius` in Å, and the number `rot_idx` of "
        f"the rotation. Content {particles.sha256}.\n"
    )


LAYOUTS: Mapping[str, Callable[[ParticleSet, Path, int | None, str], int]] = MappingProxyType(
    {"authors": _tree, "extxyz": _extxyz, "huggingface": _hub}
)
"""The layouts by name."""
