"""Mending a fit: sites that are one site twice, atoms that stand nowhere, longer periods."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.stats import f as f_distribution

from matscale.recovery import lattice_kernels
from matscale.recovery.fit import Fit, refit
from matscale.recovery.lattices import reduced
from matscale.recovery.particle import Particle
from matscale.recovery.symmetry import EXACT
from matscale.runtime.exact import settled

FEW = 0.35
"""A site that holds this share of what the others hold is not a site; its atoms are strays."""

LARGEST_INDEX = 4
"""Of superlattices that are tried at once; longer ones are reached in steps."""

SIGNIFICANCE = 1e-6
"""Probability, by chance, of an improvement for which a longer period is believed."""

FINEST = 1e-4
"""Å; displacements below it are not looked at, for coordinates in files are rounded."""


def tidied(particle: Particle, fit: Fit, tolerance: float) -> tuple[Particle, Fit]:
    """Join sites that noise has split, and take out the atoms that stand on no proper site.

    Noise may carry an atom off its place. Where there is none, an atom that stands elsewhere is a
    site of its own, and counts against the lattice.

    Args:
        particle: What was fitted.
        fit: Its fit.
        tolerance: Of the fit, in Å.

    Returns:
        The particle without the strays, and its fit.
    """
    fit = _joined(particle, fit, tolerance)
    if fit.noise < EXACT:
        return particle, fit
    share = fit.held / np.maximum(fit.places, 1)
    usual = float(np.median(np.repeat(share, fit.counts)))
    rare = (share < FEW * usual) & (fit.places >= 3)
    if rare.any():
        gone = rare[fit.which]
        rest = particle.without(gone)
        if len(rest) < 4 or len(np.unique(rest.numbers)) < particle.n_species:
            return particle, fit
        better = refit(rest, fit.which[~gone], fit.points[~gone])
        if better is not None:
            return rest, better
    return particle, fit


def _joined(particle: Particle, fit: Fit, tolerance: float) -> Fit:
    """The fit with sites of one species joined that lie within twice the tolerance."""
    inverse = np.linalg.inv(fit.basis)
    which, points = fit.which.copy(), fit.points.copy()
    counts = fit.counts
    changed = False
    for small in np.argsort(counts, kind="stable"):
        fractions = (fit.sites[small] - fit.sites) @ inverse
        shifts = np.rint(fractions).astype(np.int64)
        gaps = np.linalg.norm((fractions - shifts) @ fit.basis, axis=1)
        near = (gaps < 2 * tolerance) & (fit.site_species == fit.site_species[small])
        near &= counts > 0
        near[small] = False
        if not near.any():
            continue
        large = int(np.argmin(settled(np.where(near, gaps, np.inf))))
        mine = np.flatnonzero(which == small)
        moved = points[mine] + shifts[large]
        taken = {tuple(point) for point in points[which == large].tolist()}
        clashes = sum(tuple(point) in taken for point in moved.tolist())
        if clashes > 0.2 * len(mine):
            continue
        which[mine], points[mine] = large, moved
        counts[large] += counts[small]
        counts[small] = 0
        changed = True
    return (refit(particle, which, points) or fit) if changed else fit


def with_longer_period(particle: Particle, fit: Fit) -> Fit:
    """The fit on the superlattice that the displacements of the atoms call for, if any.

    Where atoms of one site stand apart systematically, from one cell to the next, the true cell
    is larger. Each superlattice of a small index is tried: its sites are the old ones, split by
    the class of the lattice point; an F test says whether the split explains more than chance.
    """
    while True:
        residuals = particle.positions - (fit.points @ fit.basis + fit.sites[fit.which])
        floor = 3 * len(particle) * FINEST**2
        before = float((residuals**2).sum()) + floor
        gains, sites = lattice_kernels.split_gains(
            residuals, fit.which, fit.points, fit.n_sites, superlattices()
        )
        more = 3 * (sites - fit.n_sites)
        left = fit.degrees - more
        tried = np.flatnonzero((left >= 3) & (more > 0))
        ratios = (gains[tried] / more[tried]) / ((before - gains[tried]) / left[tried])
        chances = f_distribution.sf(ratios, more[tried], left[tried])
        ratios[chances > SIGNIFICANCE] = 0.0
        best = superlattices()[tried[np.argmax(settled(ratios))]] if (ratios > 0).any() else None
        better = on_superlattice(particle, fit, best) if best is not None else None
        if better is None:
            return fit
        fit = better


def on_superlattice(particle: Particle, fit: Fit, superlattice: np.ndarray) -> Fit | None:
    """The fit with lattice vectors ``superlattice @ basis``, reduced."""
    labels = _classes(fit, superlattice)
    points, _ = _split(fit.points, superlattice)
    basis = superlattice @ fit.basis
    change = np.rint(basis @ np.linalg.inv(reduced(basis))).astype(np.int64)
    return refit(particle, labels, points @ change)


def _classes(fit: Fit, superlattice: np.ndarray) -> np.ndarray:
    """Site and class of the lattice point of each atom as one integer, (n,)."""
    _, rest = _split(fit.points, superlattice)
    index = round(float(np.linalg.det(superlattice)))
    sizes = np.diag(superlattice)
    vertex = (rest[:, 0] * sizes[1] + rest[:, 1]) * sizes[2] + rest[:, 2]
    return fit.which * index + vertex


def _split(points: np.ndarray, superlattice: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points as ``multiples @ superlattice + rest``, rests within the diagonal."""
    rest = points.copy()
    multiples = np.zeros_like(points)
    # The matrix is upper triangular: the first coordinate is settled by the first vector.
    for axis in range(3):
        size = superlattice[axis, axis]
        multiples[:, axis] = np.floor_divide(rest[:, axis], size)
        rest = rest - multiples[:, axis : axis + 1] * superlattice[axis]
    return multiples, rest


@cache
def superlattices() -> np.ndarray:
    """Hermite normal forms of index 2 to :data:`LARGEST_INDEX`, (s, 3, 3)."""
    normal_forms = []
    for index in range(2, LARGEST_INDEX + 1):
        for a in range(1, index + 1):
            for b in range(1, index // a + 1):
                if index % (a * b):
                    continue
                c = index // (a * b)
                normal_forms += [
                    np.array([[a, p, q], [0, b, r], [0, 0, c]])
                    for p in range(b)
                    for q in range(c)
                    for r in range(c)
                ]
    return np.array(normal_forms)
