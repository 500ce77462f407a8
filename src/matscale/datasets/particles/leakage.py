"""What the test particles of a set share with its training particles."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from matscale.datasets.particles.build import kinds
from matscale.datasets.particles.particle_set import ParticleSet
from matscale.datasets.particles.published import MARGINS, TEST_SPLITS
from matscale.structures.rotations import angles_between, multiply, proper_rotations, quaternions

ROUNDING = 1e-9
"""Degrees by which a margin may be missed."""


@dataclass(frozen=True)
class Leakage:
    """What was looked for; empty tuples and zeros where nothing was found.

    Attributes:
        shared_radii: Radii in Å of a test split that are in training.
        closest_rotation: By test split, the least angle in degrees between a test rotation and a
            training rotation.
        close_rotations: By test split, rotations within its margin of a training rotation.
        rotations: By test split, all its rotations over its radii.
        duplicates: Pairs of names of materials that are the same crystal.
        straddling: Held-out materials of a prototype and composition that a training material
            has too, or that are the same crystal.
        equivalent: By test split, the share of (material, rotation) pairs within the margin of a
            training rotation once the crystal's own rotations are counted, under which a
            particle looks the same. Published margins do not count them; no fault of a build.
    """

    shared_radii: tuple[float, ...]
    closest_rotation: Mapping[str, float]
    close_rotations: Mapping[str, int]
    rotations: Mapping[str, int]
    duplicates: tuple[tuple[str, str], ...]
    straddling: tuple[str, ...]
    equivalent: Mapping[str, float]

    @property
    def found(self) -> bool:
        """Whether anything leaks that the set claims does not."""
        close = any(self.close_rotations.values())
        return bool(self.shared_radii or close or self.duplicates or self.straddling)

    def as_json(self) -> dict[str, object]:
        """As JSON values."""
        return asdict(self)

    def sentences(self) -> list[str]:
        """The findings, a sentence each."""
        radii = _listed(f"{value:g} Å" for value in self.shared_radii)
        said = [f"test radii among the training radii: {radii}"]
        for split, close in self.close_rotations.items():
            said.append(
                f"{split} rotations within {MARGINS[split]:g}° of a training rotation: {close} of "
                f"{self.rotations[split]} (closest {self.closest_rotation[split]:.2f}°)"
            )
        pairs = (f"{value} = {other}" for value, other in self.duplicates)
        said.append(f"materials that are another one's copy: {_listed(pairs)}")
        said.append(
            "held-out materials with a twin (prototype and composition) in training: "
            f"{_listed(self.straddling)}"
        )
        for split, share in self.equivalent.items():
            said.append(
                f"note: with the crystals' own symmetry counted, {100 * share:.0f} % of the "
                f"{split} orientations are within that margin; published margins do not count it"
            )
        return said


def _listed(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - 10} more" if len(listed) > 10 else ""
    return ", ".join(listed[:10]) + more if listed else "none"


def leakage(particles: ParticleSet, same: np.ndarray | None = None) -> Leakage:
    """Look for what test and training particles share.

    Args:
        particles: The set.
        same: For each material the row of the one that it is a copy of, its own or -1 where it is
            none, (N,), as :func:`matscale.matching.batch.group` says; None to compare prototypes
            and compositions only.
    """
    training_radii = set(particles.radii["train"])
    test = [split for split in TEST_SPLITS if split in particles.radii]
    shared = sorted({value for split in test for value in particles.radii[split]} & training_radii)
    training = np.concatenate(
        [particles.rotations("train", radius) for radius in particles.radii["train"]]
    )
    training = np.unique(training, axis=0)
    rotations = {
        split: np.concatenate(
            [particles.rotations(split, value) for value in particles.radii[split]]
        )
        for split in test
    }
    least = {
        split: angles_between(value, training).min(axis=1) for split, value in rotations.items()
    }
    names = particles.materials.ids
    copies = [
        (str(names[row]), str(names[first]))
        for row, first in enumerate([] if same is None else same.tolist())
        if first not in (row, -1)
    ]
    return Leakage(
        shared_radii=tuple(float(value) for value in shared),
        closest_rotation={split: float(angles.min()) for split, angles in least.items()},
        close_rotations={
            split: int((angles < MARGINS[split] - ROUNDING).sum())
            for split, angles in least.items()
        },
        rotations={split: len(value) for split, value in rotations.items()},
        duplicates=tuple(copies),
        straddling=_straddling(particles, copies),
        equivalent=_equivalent(particles, rotations, training),
    )


def _straddling(particles: ParticleSet, copies: list[tuple[str, str]]) -> tuple[str, ...]:
    """Held-out materials that have a twin in training."""
    held_out = particles.held_out
    sides: dict[object, set[bool]] = defaultdict(set)
    members: dict[object, list[int]] = defaultdict(list)
    for row, kind in enumerate(kinds(particles.materials)):
        sides[kind].add(bool(held_out[row]))
        members[kind].append(row)
    for pair in copies:
        for name in pair:
            row = particles.row(name)
            sides[pair].add(bool(held_out[row]))
            members[pair].append(row)
    rows = {row for kind, both in sides.items() if len(both) > 1 for row in members[kind]}
    return tuple(str(particles.materials.ids[row]) for row in sorted(rows) if held_out[row])


def _equivalent(
    particles: ParticleSet, rotations: Mapping[str, np.ndarray], training: np.ndarray
) -> dict[str, float]:
    """Share of test orientations near a training one, up to the crystals' own rotations."""
    materials = particles.materials
    close = dict.fromkeys(rotations, 0)
    for row in range(len(materials)):
        own = proper_rotations(
            materials.row_numbers(row), materials.row_positions(row), materials.lattices[row]
        )
        # A particle turned by q s, s of the crystal, looks as if turned by q.
        turned = multiply(training[:, None], quaternions(own)[None]).reshape(-1, 4)
        for split, drawn in rotations.items():
            limit = np.cos(np.radians(MARGINS[split]) / 2)
            close[split] += int((np.abs(drawn @ turned.T).max(axis=1) > limit).sum())
    return {
        split: count / (len(rotations[split]) * max(len(materials), 1))
        for split, count in close.items()
    }
