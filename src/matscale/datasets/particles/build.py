"""From materials to a set of particles."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from matscale.datasets.particles.particle_set import ParticleSet
from matscale.datasets.particles.published import RADIUS_SPLITS, Radii
from matscale.runtime.errors import UserError
from matscale.structures.carving import Centre, carve
from matscale.structures.chemistry import composition, formula
from matscale.structures.rotations import draw, published_grid
from matscale.structures.symmetry import UNKNOWN, prototype
from matscale.structures.table import StructureTable

HELD_OUT_SHARE = 0.2
"""Of the materials, at least so many are test materials of the split by material."""

HELD_OUT_SEED = 0


def build_particles(
    materials: StructureTable,
    *,
    name: str = "particles",
    split: str = "c2np",
    centre: Centre = "origin",
    same: np.ndarray | None = None,
) -> ParticleSet:
    """Cut the particles of a set of materials and draw their rotations.

    Args:
        materials: Unit cells, under names of their own.
        name: What the set is called.
        split: Whose radii: a key of :data:`RADIUS_SPLITS`.
        centre: Of the particles; see :data:`matscale.structures.carving.Centre`.
        same: For each material the row of the one that it is a copy of, its own where it is none,
            (N,), as :func:`matscale.matching.batch.group` says; None to go by names alone.

    Raises:
        UserError: If names repeat, there is no such split, or there is nothing to cut.
    """
    if split not in RADIUS_SPLITS:
        raise UserError(f"there is no split {split!r}; there is {', '.join(RADIUS_SPLITS)}")
    if not len(materials):
        raise UserError("there are no materials to cut particles from")
    check_names(materials)
    radii = RADIUS_SPLITS[split]
    largest = max(max(in_split) for in_split in radii.values())
    particles = carve(replace(materials, columns={}), largest, centre)
    particles = particles.with_columns(
        material=np.arange(len(materials)), least=np.zeros(len(materials))
    )
    return ParticleSet(
        name=name,
        materials=materials.with_columns(held_out=held_out(materials, same)),
        particles=particles,
        radii=radii,
        quaternions=published_rotations(radii),
        facts={"split": split, "centre": centre if isinstance(centre, str | int) else "given"},
    )


def check_names(materials: StructureTable) -> None:
    """Make sure that every material has a name of its own, fit for a file.

    Raises:
        UserError: If not.
    """
    seen: set[str] = set()
    for name in materials.ids:
        if name.lower() in seen:
            raise UserError(f"two materials are called {name!r}; give each a name of its own")
        if not name or name.startswith(".") or set(name) & set('/\\:*?"<>|\0\n\r'):
            raise UserError(f"a material is called {name!r}, which cannot be a file's name")
        seen.add(name.lower())


def published_rotations(radii: Radii) -> dict[tuple[str, float], np.ndarray]:
    """The rotations that C2NP draws, by split and radius, (k, 4) each."""
    training = draw(published_grid("train", 0.0))
    return {
        (split, float(radius)): training
        if split == "train"
        else draw(published_grid(split, radius), training)
        for split, sizes in radii.items()
        for radius in sizes
    }


def held_out(materials: StructureTable, same: np.ndarray | None = None) -> np.ndarray:
    """Which materials are test materials of the split by material, (N,).

    Materials of one prototype and composition, and copies of each other, go together.

    Args:
        materials: Unit cells.
        same: As in :func:`build_particles`.
    """
    groups = _groups(materials, same)
    order = np.random.default_rng(HELD_OUT_SEED).permutation(len(groups))
    chosen = np.zeros(len(materials), np.bool_)
    for material in order.tolist():
        if chosen.sum() >= HELD_OUT_SHARE * len(materials):
            break
        chosen[groups[material]] = True
    return chosen


def _groups(materials: StructureTable, same: np.ndarray | None) -> list[list[int]]:
    """Rows of materials that must not be parted, by their first row."""
    first: dict[object, int] = {}
    labels = np.arange(len(materials))
    for row, key in enumerate(kinds(materials)):
        for token in (key, ("copy", row if same is None or same[row] < 0 else int(same[row]))):
            other = first.setdefault(token, row)
            labels[labels == labels[row]] = labels[other]
    groups: Mapping[int, list[int]] = defaultdict(list)
    for row, label in enumerate(labels.tolist()):
        groups[label].append(row)
    return list(groups.values())


def kinds(materials: StructureTable) -> list[tuple[str, str]]:
    """Prototype and reduced formula of each material."""
    kinds_of_materials = []
    for row in range(len(materials)):
        numbers = materials.row_numbers(row)
        label = prototype(numbers, materials.row_positions(row), materials.lattices[row])
        # Without a prototype, composition alone decides, which parts fewer materials.
        kinds_of_materials.append(
            ("" if label == UNKNOWN else label, formula(composition(numbers)))
        )
    return kinds_of_materials
