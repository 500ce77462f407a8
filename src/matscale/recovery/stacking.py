"""Whether the layers of a particle come again often enough to tell their order from others.

Layers of one kind may follow one another in several ways, of which a particle shows a few. Any
short sequence of them fits several periods: seven steps ``+++-+++`` repeat after four, and so do
they in ``+++-+++--``, which does not. What speaks for a period are the steps that come again as it
foretells. Where a layer is followed in w ways somewhere in the crystal, each is worth log2(w) bits.

Stretches of k layers that agree somewhere in the crystal and then part must be told from one
another before they can foretell anything: if as many steps come again as two such stretches have,
the period is believed; also if all steps come again, or enough bits speak for it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from matscale.recovery.fit import Fit
from matscale.runtime.exact import settled

ERRORS = 4.0
"""Standard errors within which two places are one."""

FINEST = 1e-6
"""Å; places nearer than this are one, even where there is no noise."""

SURE_BITS = 6.0
"""Bits that are enough for any period."""

STEP_BITS = 0.5
"""What a step that comes again is worth at least: others may follow that the crystal hides."""


class Layer(NamedTuple):
    """The sites of one height.

    Attributes:
        species: Of the sites, (m,).
        fractions: Of the lattice vectors, the one across the layers last, (m, 3).
        variances: Of the sites, in Å^2, (m,).
    """

    species: np.ndarray
    fractions: np.ndarray
    variances: np.ndarray


class Shift(NamedTuple):
    """A translation from layer to layer.

    Attributes:
        fractions: Of the lattice vectors, (3,).
        variance: In Å^2.
    """

    fractions: np.ndarray
    variance: float


class Repeats(NamedTuple):
    """How far a particle repeats along a lattice vector.

    Attributes:
        bits: What speaks for the period; infinite where its layers allow for no other order.
        is_sure: Whether other orders of the layers can be left aside.
    """

    bits: float
    is_sure: bool


def repeats(fit: Fit, axis: int) -> Repeats:
    """How far the layers across a lattice vector come again as it says.

    Args:
        fit: Of the whole particle.
        axis: Of the lattice vector; the others span the layers.
    """
    layers, layer_of, cell_of = _layers(fit, axis)
    period = len(layers)
    seen = np.unique((fit.points[:, axis] + cell_of[fit.which]) * period + layer_of[fit.which])
    steps = seen[np.isin(seen + 1, seen)]
    again = steps[np.isin(steps + period, steps)]
    # Seen three times over: nothing to ask.
    if len(again) >= 2 * period:
        return Repeats(np.inf, True)
    edges = np.roll(fit.basis, 2 - axis, axis=0)
    longest, ways = _alike(layers, edges)
    if not longest:
        return Repeats(np.inf, True)
    bits = max(float(np.log2(ways[again % period]).sum()), STEP_BITS * len(again))
    enough = bits >= SURE_BITS or len(again) >= min(period, 2 * longest - 2)
    return Repeats(bits, enough)


def _layers(fit: Fit, axis: int) -> tuple[list[Layer], np.ndarray, np.ndarray]:
    """Layers of a cell from below; the layer of each site, and the cells it is moved up by."""
    fractions = np.roll(fit.sites @ np.linalg.inv(fit.basis), 2 - axis, axis=1)
    normal = np.cross(fit.basis[axis - 2], fit.basis[axis - 1])
    spacing = abs(fit.basis[axis] @ normal) / np.linalg.norm(normal)
    heights = np.sort(settled(fractions[:, 2] % 1) % 1)
    gaps = np.diff(heights, append=heights[0] + 1)
    # A cell that begins in the widest gap cuts no layer.
    begin = heights[np.argmax(settled(gaps))] + gaps.max() / 2
    cell_of = np.floor(fractions[:, 2] - begin).astype(np.int64)
    fractions[:, 2] -= cell_of
    variances = (max(fit.noise, FINEST) ** 2) / fit.counts
    order = np.argsort(settled(fractions[:, 2]), kind="stable")
    gaps = np.diff(fractions[order, 2]) * spacing
    apart = gaps > ERRORS * np.sqrt(variances[order[1:]] + variances[order[:-1]])
    layer_of = np.zeros(len(order), np.int64)
    layer_of[order[1:]] = np.cumsum(apart)
    members = [np.flatnonzero(layer_of == layer) for layer in range(layer_of.max() + 1)]
    layers = [Layer(fit.site_species[mine], fractions[mine], variances[mine]) for mine in members]
    return layers, layer_of, cell_of


def _alike(layers: list[Layer], edges: np.ndarray) -> tuple[int, np.ndarray]:
    """How far stretches of layers agree before they part, and how each layer may go on.

    Returns:
        Layers of the longest stretch that agrees with another and then parts, 0 where none does;
        and in how many ways a layer like each one is followed, (p,).
    """
    period = len(layers)
    longest = 0
    like = np.zeros((period, period), bool)
    going_on = np.zeros((period, period), bool)
    for lower in range(period):
        for upper in range(lower, period):
            shifts = _shifts(layers[lower], layers[upper], edges)
            runs = [_run(layers, lower, upper, shift, edges) for shift in shifts]
            longest = max([longest, *(run for run in runs if run < period)])
            like[[lower, upper], [upper, lower]] = bool(runs)
            going_on[[lower, upper], [upper, lower]] = any(run > 1 for run in runs)
    ways = np.ones(period, np.int64)
    for here in range(period):
        examples: list[int] = []
        for lower in np.flatnonzero(like[here]).tolist():
            if not going_on[lower, examples].any():
                examples.append(lower)
        ways[here] = len(examples)
    return longest, ways


def _run(layers: list[Layer], first: int, second: int, shift: Shift, edges: np.ndarray) -> int:
    """How many layers from one on fall on those from another on, up to a period."""
    period = len(layers)
    for step in range(1, period):
        lower, upper = (first + step) % period, (second + step) % period
        cells = (second + step) // period - (first + step) // period
        moved = shift.fractions - [0, 0, cells]
        if not _falls_on(layers[lower], layers[upper], shift._replace(fractions=moved), edges):
            return step
    return period


def _shifts(lower: Layer, upper: Layer, edges: np.ndarray) -> list[Shift]:
    """Translations that carry a layer onto another."""
    if not np.array_equal(np.sort(lower.species), np.sort(upper.species)):
        return []
    species, counts = np.unique(lower.species, return_counts=True)
    rarest = species[np.argmin(counts)]
    start = np.argmax(lower.species == rarest)
    shifts = [
        Shift(
            upper.fractions[end] - lower.fractions[start],
            float(upper.variances[end] + lower.variances[start]),
        )
        for end in np.flatnonzero(upper.species == rarest)
    ]
    return [shift for shift in shifts if _falls_on(lower, upper, shift, edges)]


def _falls_on(lower: Layer, upper: Layer, shift: Shift, edges: np.ndarray) -> bool:
    """Whether each site of a layer, moved, is one of another's, and none is left over."""
    if len(lower.species) != len(upper.species):
        return False
    gaps = (lower.fractions + shift.fractions)[:, None] - upper.fractions[None]
    gaps[:, :, :2] -= np.rint(gaps[:, :, :2])
    variances = lower.variances[:, None] + upper.variances + shift.variance
    near = ((gaps @ edges) ** 2).sum(axis=2) < ERRORS**2 * variances
    return bool((near & (lower.species[:, None] == upper.species)).any(axis=1).all())
