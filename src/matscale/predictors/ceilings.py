"""Ceilings: what is attainable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from matscale.predictors.predictor import Seed, Told, one_each
from matscale.predictors.training import ParticleTraining
from matscale.results.result import PredictorKind, Protocol
from matscale.runtime.errors import Refused
from matscale.runtime.exact import in_basis
from matscale.runtime.memory import Memory
from matscale.structures.carving import Centre, carve_sphere
from matscale.structures.table import StructureTable

CellAndGroup = tuple[np.ndarray, int]
"""Lattice vectors (3, 3) in Å, and the space group's number."""


class Target:
    """Answers with the target itself: what is attainable, and a guard that the scorer is right."""

    name = "target"
    kind: PredictorKind = "ceiling"
    told: tuple[str, ...] = ("cell", "positions")

    def predict(self, told: Told, candidates: int = 1, seed: Seed = 0) -> Sequence[Any]:
        """The targets."""
        numbers, positions = zip(*told.column("positions"), strict=True) if len(told) else ((), ())
        names = [""] * len(told)
        table = StructureTable.from_parts(names, numbers, positions, told.column("cell"))
        return one_each((table[row] for row in range(len(table))), candidates)


class Carve:
    """Cuts the sphere from the crystal, in the crystal's own orientation: what is asked, exactly.

    Args:
        centre: Of the sphere in the cell, if it never learns where the set's spheres have theirs.
    """

    name = "carve"
    kind: PredictorKind = "ceiling"
    told: tuple[str, ...] = ("numbers", "fractional", "lattice", "radius")
    protocols: tuple[Protocol, ...] = ("sound", "published")

    def __init__(self, centre: Centre = "origin") -> None:
        self._centre = centre

    def fit(self, training: ParticleTraining) -> None:
        """Learn where the set's spheres have their centre."""
        centre = training.particles.facts.get("centre", "origin")
        if isinstance(centre, int):
            self._centre = centre
        else:
            self._centre = "centroid" if centre == "centroid" else "origin"

    def predict(self, told: Told, candidates: int = 1, seed: Seed = 0) -> Sequence[Any]:
        """Spheres."""
        return one_each((self._sphere(sample) for sample in told), candidates)

    def _sphere(self, told: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        lattice = told["lattice"]
        positions = in_basis(told["fractional"], lattice)
        return carve_sphere(told["numbers"], positions, lattice, told["radius"], self._centre)


class CarveInPose(Carve):
    """The same sphere in the target's orientation, which nothing in the question tells."""

    name = "carve_in_pose"
    told = (*Carve.told, "rotation")
    protocols = ("published",)

    def _sphere(self, told: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        numbers, positions = super()._sphere(told)
        return numbers, in_basis(positions, told["rotation"].T)


class LatticeRecovery:
    """Crystallography: finds the lattice that the atoms repeat on, then its symmetry.

    Args:
        memory: Runs the search, and keeps what it found between interrupted runs; by default
            there is one that ends with the predictor.
    """

    name = "lattice_recovery"
    kind: PredictorKind = "ceiling"
    told: tuple[str, ...] = ("numbers", "positions")

    def __init__(self, memory: Memory | None = None) -> None:
        self._memory = memory or Memory()

    def remember_in(self, memory: Memory) -> None:
        """Run the search by a memory that others share."""
        self._memory = memory

    def predict(self, told: Told, candidates: int = 1, seed: Seed = 0) -> Sequence[Any]:
        """Primitive cells and space groups, or why they are not determined."""
        particles = [(sample["numbers"], sample["positions"]) for sample in told]
        explanations = self._memory.map(_recovered, particles)
        return one_each((_answer(values) for values in explanations), candidates)


def _recovered(particle: tuple[np.ndarray, np.ndarray]) -> dict[str, np.ndarray]:
    """Lattice vectors (3, 3) in Å and the space group's number, or why there are none."""
    from matscale.recovery import recover

    explanation = recover(*particle)
    if explanation.cell is None:
        return {"reason": np.array(explanation.reason)}
    return {
        "lattice": explanation.cell.lattices[0],
        "space_group": np.array(explanation.space_group),
    }


def _answer(values: Mapping[str, np.ndarray]) -> CellAndGroup | Refused:
    if "reason" in values:
        return Refused("not determined", str(values["reason"]))
    return values["lattice"], int(values["space_group"])
