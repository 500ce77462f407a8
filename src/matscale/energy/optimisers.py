"""Optimisers that move many crystals at once, each with a state of its own.

They see generalised coordinates and forces only (:mod:`matscale.energy.deformation`). Crystals
that are done leave, and others enter with a fresh state; the others notice nothing of it.
"""

from __future__ import annotations

from typing import ClassVar, Protocol

import numpy as np

from matscale.energy.deformation import Layout

MAX_STEP = 0.2
"""Å; no step is longer (ASE's default)."""

STIFFNESS_RANGE = 5.0


class Optimiser(Protocol):
    """What moves crystals; one object holds the state of a whole batch."""

    def change(self, kept: np.ndarray, kept_rows: np.ndarray, new: int, new_rows: int) -> None:
        """Forget the crystals and rows that are not kept (masks), and add new ones at the end."""
        ...

    def step(self, layout: Layout, forces: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
        """Moves (R, 3) in Å for generalised forces (R, 3) in eV/Å at coordinates (R, 3) in Å."""
        ...


class Fire:
    """Fast inertial relaxation engine, with ASE's parameters.

    Source: Bitzek et al., Phys. Rev. Lett. 97, 170201 (2006).
    """

    _START: ClassVar = {"time_step": 0.1, "mixing": 0.1, "downhill": 0, "moving": 0}

    def __init__(self) -> None:
        self._velocities = np.empty((0, 3))
        self._state = {key: np.empty(0) for key in self._START}

    def change(self, kept: np.ndarray, kept_rows: np.ndarray, new: int, new_rows: int) -> None:
        """Forget the crystals and rows that are not kept (masks), and add new ones at the end."""
        self._velocities = np.concatenate([self._velocities[kept_rows], np.zeros((new_rows, 3))])
        for key, start in self._START.items():
            self._state[key] = np.append(self._state[key][kept], np.full(new, start, float))

    def step(self, layout: Layout, forces: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
        """Moves (R, 3) in Å for generalised forces (R, 3) in eV/Å."""
        del coordinates
        state, v = self._state, self._velocities
        moving = state["moving"] > 0
        downhill = moving & (layout.dot(forces, v) > 0)
        uphill = moving & ~downhill
        mixing = np.where(downhill, state["mixing"], 0.0)
        with np.errstate(all="ignore"):
            ratio = np.sqrt(layout.dot(v, v) / layout.dot(forces, forces))
            pull = np.where(downhill, mixing * ratio, 0.0)
        v = layout.spread(np.where(uphill, 0.0, 1 - mixing)) * v + layout.spread(pull) * forces
        faster = downhill & (state["downhill"] > 5)
        longer = np.minimum(state["time_step"] * 1.1, 1.0)
        state["time_step"] = np.where(faster, longer, state["time_step"])
        state["mixing"] = np.where(faster, state["mixing"] * 0.99, state["mixing"])
        state["downhill"] = np.where(downhill, state["downhill"] + 1, 0)
        state["time_step"] = np.where(uphill, state["time_step"] * 0.5, state["time_step"])
        state["mixing"] = np.where(uphill, self._START["mixing"], state["mixing"])
        state["moving"][:] = 1
        time_steps = layout.spread(state["time_step"])
        self._velocities = v + time_steps * forces
        moves = time_steps * self._velocities
        lengths = np.sqrt(layout.dot(moves, moves))
        return moves * layout.spread(MAX_STEP / np.maximum(lengths, MAX_STEP))


class Lbfgs:
    """Limited-memory BFGS without line search, steps limited in length.

    Source: Nocedal and Wright, Numerical Optimization (2006), algorithm 7.4. A pair of step and
    change of force that would make the inverse Hessian indefinite is left out.

    Args:
        memory: Pairs that are remembered.
        stiffness: Curvature that the first step assumes, in eV/Å^2 (ASE's default); later ones
            take it from the latest pair, within a factor of :data:`STIFFNESS_RANGE`.
    """

    def __init__(self, memory: int = 30, stiffness: float = 70.0) -> None:
        self._memory, self._stiffness = memory, stiffness
        self._steps = np.zeros((memory, 0, 3))
        self._changes = np.zeros((memory, 0, 3))
        self._curvatures = np.zeros((memory, 0))
        self._last = np.zeros((2, 0, 3))
        self._started = np.zeros(0, np.bool_)
        self._softness = np.zeros(0)

    def change(self, kept: np.ndarray, kept_rows: np.ndarray, new: int, new_rows: int) -> None:
        """Forget the crystals and rows that are not kept (masks), and add new ones at the end."""
        more = np.zeros((self._memory, new_rows, 3))
        self._steps = np.concatenate([self._steps[:, kept_rows], more], axis=1)
        self._changes = np.concatenate([self._changes[:, kept_rows], more], axis=1)
        none = np.zeros((self._memory, new))
        self._curvatures = np.concatenate([self._curvatures[:, kept], none], axis=1)
        self._last = np.concatenate([self._last[:, kept_rows], more[:2]], axis=1)
        self._started = np.append(self._started[kept], np.zeros(new, np.bool_))
        self._softness = np.append(self._softness[kept], np.full(new, 1 / self._stiffness))

    def step(self, layout: Layout, forces: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
        """Moves (R, 3) in Å for generalised forces (R, 3) in eV/Å."""
        self._remember(layout, forces, coordinates)
        moves = self._newton(layout, forces)
        return moves * layout.spread(MAX_STEP / np.maximum(layout.longest(moves), MAX_STEP))

    def _remember(self, layout: Layout, forces: np.ndarray, coordinates: np.ndarray) -> None:
        step = coordinates - self._last[0]
        change = self._last[1] - forces
        curvature = layout.dot(step, change)
        useful = self._started & (curvature > 0)
        with np.errstate(all="ignore"):
            latest = np.clip(curvature / layout.dot(change, change), *self._softness_limits())
        self._softness = np.where(useful, latest, self._softness)
        for history, pair in ((self._steps, step), (self._changes, change)):
            history[1:] = history[:-1].copy()
            history[0] = np.where(layout.spread(useful), pair, 0.0)
        self._curvatures[1:] = self._curvatures[:-1].copy()
        self._curvatures[0] = np.where(useful, curvature, 0.0)
        self._last = np.stack([coordinates, forces])
        self._started[:] = True

    def _softness_limits(self) -> tuple[float, float]:
        middle = 1 / self._stiffness
        return middle / STIFFNESS_RANGE, middle * STIFFNESS_RANGE

    def _newton(self, layout: Layout, forces: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            inverse = np.where(self._curvatures > 0, 1 / self._curvatures, 0.0)
        used = np.flatnonzero(inverse.any(axis=1))
        moves = forces.copy()
        weights = np.zeros_like(inverse)
        for k in used:
            weights[k] = inverse[k] * layout.dot(self._steps[k], moves)
            moves -= layout.spread(weights[k]) * self._changes[k]
        moves *= layout.spread(self._softness)
        for k in used[::-1]:
            correction = weights[k] - inverse[k] * layout.dot(self._changes[k], moves)
            moves += layout.spread(correction) * self._steps[k]
        return moves


OPTIMISERS: dict[str, type[Fire] | type[Lbfgs]] = {"fire": Fire, "lbfgs": Lbfgs}
