"""Whether a particle on a lattice is what a sphere cuts from it."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from matscale.recovery.fit import Fit
from matscale.recovery.particle import Particle

SHELL = 1.5
"""Å beyond the particle in which empty places may yet lie within the sphere."""

MOST_ATOMS = 3000
"""Larger particles decide by what is within them; see :func:`outside`."""


def outside(particle: Particle, fit: Fit) -> int:
    """Empty places near the surface that any sphere around all atoms would include.

    The convex hull of a small particle leaves much of its sphere out. A sphere ``|x|^2 - 2 c.x <=
    d`` that holds all atoms and none of the empty places is a linear programme in c and d; what
    it cannot leave out counts.

    Args:
        particle: The atoms that stand on the lattice.
        fit: Their fit.
    """
    if len(particle) > MOST_ATOMS or not len(particle.planes):
        return 0
    slack = max(4 * fit.noise, 1e-4)
    empty = _empty_places(particle, fit, slack)
    if not len(empty):
        return 0
    reach = particle.planes[:, :3] @ particle.positions.T - particle.planes[:, 3:]
    surface = particle.positions[(reach > -max(2 * slack, 0.2)).any(axis=0)]
    inner = np.column_stack(
        [-2 * surface, -np.ones(len(surface)), np.zeros((len(surface), len(empty)))]
    )
    outer = np.column_stack([2 * empty, np.ones(len(empty)), -np.eye(len(empty))])
    margin = 2 * particle.radius * slack
    optimum = linprog(
        np.concatenate([np.zeros(4), np.ones(len(empty))]),
        A_ub=np.concatenate([inner, outer]),
        b_ub=np.concatenate([margin - (surface**2).sum(axis=1), margin + (empty**2).sum(axis=1)]),
        bounds=[(-particle.radius, particle.radius)] * 3 + [(0, None)] + [(0, None)] * len(empty),
        method="highs",
    )
    if optimum.status != 0:
        return 0
    return int((optimum.x[4:] > 1e-6).sum())


def _empty_places(particle: Particle, fit: Fit, slack: float) -> np.ndarray:
    """Places without an atom, outside of the hull and not far beyond the particle, (p, 3)."""
    reach = particle.radius + SHELL
    inverse = np.linalg.inv(fit.basis)
    most = np.ceil(
        (reach + np.linalg.norm(fit.sites, axis=1).max()) * np.linalg.norm(inverse, axis=0)
    ).astype(int)
    grid = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in most], indexing="ij"), axis=-1)
    points = grid.reshape(-1, 3)
    held = {tuple(row) for row in np.column_stack([fit.which, fit.points]).tolist()}
    empty_places = []
    for site, home in enumerate(fit.sites):
        places = points @ fit.basis + home
        near = np.flatnonzero((places**2).sum(axis=1) < reach**2)
        near = near[
            (places[near] @ particle.planes[:, :3].T > particle.planes[:, 3] - slack).any(axis=1)
        ]
        empty = [row for row in near if (site, *points[row].tolist()) not in held]
        empty_places.append(places[empty])
    return np.concatenate(empty_places)
