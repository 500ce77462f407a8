"""The symmetry that a fitted crystal has, as far as its atoms can tell."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import f as f_distribution

from matscale.recovery.fit import Fit
from matscale.runtime.exact import settled

SYMPREC = 0.01
"""Å; within which the sites of an exact crystal count as equivalent."""

LADDER = (0.01, 0.02, 0.03, 0.045, 0.065, 0.09, 0.13, 0.18, 0.25, 0.35, 0.5, 0.7)
"""Å; tolerances that are tried where atoms are displaced at random."""

ERRORS = 12.0
"""Standard errors of a site that the tolerance may reach."""

EXACT = 2e-3
"""Å; below this noise the coordinates are those of the crystal itself."""

SIGNIFICANCE = 1e-4
"""Probability, by chance, of a deviation from symmetry for which the symmetry is refused."""


@dataclass(frozen=True)
class Symmetric:
    """A crystal symmetrised in a space group.

    Attributes:
        space_group: Number, 1 to 230.
        cell: Primitive, Niggli-reduced, rows in Å, (3, 3).
        numbers: Atomic numbers of its sites, (m,).
        positions: Of its sites, Cartesian in Å, (m, 3).
        likelihood: Probability of deviations as large as those found, if this is the group.
        parameters: Numbers that place, orient and shape the crystal, and place its sites.
    """

    space_group: int
    cell: np.ndarray
    numbers: np.ndarray
    positions: np.ndarray
    likelihood: float
    parameters: int


def symmetries(fit: Fit, numbers: np.ndarray) -> list[Symmetric]:
    """Space groups that the sites are consistent with, the highest that holds first.

    With exact coordinates there is one, at :data:`SYMPREC`. With noise, the tolerance is raised,
    and each group found is tested: the sum of squares that symmetrising costs, over the variance
    of the atoms, follows an F distribution if the group is the crystal's.

    Args:
        fit: Of the whole particle.
        numbers: Atomic number of each site, (m,).

    Returns:
        Those that pass, by falling order of the group; the others are left out.
    """
    import moyopy

    logging.getLogger("moyo").setLevel(logging.ERROR)
    basis = fit.basis if np.linalg.det(fit.basis) > 0 else -fit.basis
    cell = moyopy.Cell(
        basis.tolist(), (fit.sites @ np.linalg.inv(basis)).tolist(), numbers.tolist()
    )
    ladder = _ladder(fit)
    by_group: dict[tuple[int, int], Symmetric] = {}
    for symprec in ladder:
        try:
            dataset = moyopy.MoyoDataset(cell, symprec=symprec)
        except ValueError:
            continue
        order = len(dataset.operations)
        if (dataset.number, order) in by_group:
            continue
        actions = _actions(fit, basis, dataset)
        if actions is None:
            continue
        likelihood = 1.0 if fit.noise < EXACT else _likelihood(fit, basis, actions)
        if likelihood > SIGNIFICANCE or dataset.number == 1:
            by_group[dataset.number, order] = _symmetric(dataset, likelihood, actions.parameters)
    return [by_group[key] for key in sorted(by_group, key=lambda key: -key[1])]


def _ladder(fit: Fit) -> list[float]:
    """Tolerances up to what errors of the sites can call for; larger ones only cost time."""
    if fit.noise < EXACT:
        return [SYMPREC]
    largest = ERRORS * fit.noise / np.sqrt(float(np.median(fit.counts)))
    return [symprec for symprec in LADDER if symprec <= max(largest, LADDER[1])]


def _symmetric(dataset: Any, likelihood: float, parameters: int) -> Symmetric:
    import moyopy

    standard = dataset.prim_std_cell
    basis = np.array(standard.basis)
    cell = np.array(moyopy.niggli_reduce(basis.tolist())[0])
    return Symmetric(
        space_group=dataset.number,
        cell=cell,
        numbers=np.array(standard.numbers),
        positions=np.array(standard.positions) @ basis,
        likelihood=likelihood,
        parameters=parameters,
    )


class Actions(NamedTuple):
    """What the g operations of a group do to the m sites of a cell.

    Attributes:
        rotations: Integer matrices on fractional coordinates, (g, 3, 3).
        targets: The site that each site is carried to, (g, m).
        gaps: By how much it is missed, fractional, (g, m, 3).
        parameters: Numbers that the group leaves free: lattice, sites, place and orientation.
    """

    rotations: np.ndarray
    targets: np.ndarray
    gaps: np.ndarray
    parameters: int


def _actions(fit: Fit, basis: np.ndarray, dataset: Any) -> Actions | None:
    """The operations found on the sites of a fit; None if sites do not correspond one to one.

    Free parameters are traces of projections onto what the group leaves unchanged: of the
    displacements of the sites, and of the metric. A group with a polar axis counts its origin
    among the sites; elsewhere three numbers place the crystal. Three orient it.
    """
    rotations = np.array(dataset.operations.rotations)
    translations = np.array(dataset.operations.translations, dtype=float)
    fractions = fit.sites @ np.linalg.inv(basis)
    targets = np.empty((len(rotations), len(fractions)), np.int64)
    gaps = np.empty((len(rotations), len(fractions), 3))
    for row, (rotation, translation) in enumerate(zip(rotations, translations, strict=True)):
        images = fractions @ rotation.T + translation
        partners = _partners(images, fractions, fit.site_species, basis)
        if partners is None:
            return None
        targets[row], gaps[row] = partners
    traces = np.trace(rotations, axis1=1, axis2=2)
    squares = np.trace(rotations @ rotations, axis1=1, axis2=2)
    stays = (targets == np.arange(len(fractions))).sum(axis=1)
    free = (traces * stays).mean() + 3 - traces.mean() + ((traces**2 + squares) / 2).mean() + 3
    return Actions(rotations, targets, gaps, round(float(free)))


def _partners(
    images: np.ndarray, fractions: np.ndarray, species: np.ndarray, basis: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """The site that each image falls on, and by how far it misses it, fractional."""
    gaps = images[:, None] - fractions[None]
    gaps -= np.rint(gaps)
    squares = ((gaps @ basis) ** 2).sum(axis=2)
    squares[species[:, None] != species[None]] = np.inf
    target = settled(squares).argmin(axis=1)
    if len(np.unique(target)) < len(target):
        return None
    return target, gaps[np.arange(len(target)), target]


def _likelihood(fit: Fit, basis: np.ndarray, actions: Actions) -> float:
    """Probability, under the group, of deviations at least as large as those of the fit.

    Deviations are those of the sites from the mean over the group (weighted by their numbers of
    atoms), and those of the lattice from the mean metric.
    """
    degrees = 3 * fit.n_sites + 9 - actions.parameters
    if degrees <= 0:
        return 1.0
    weights = fit.counts.astype(float)
    total = np.zeros((fit.n_sites, 3))
    weight = np.zeros(fit.n_sites)
    for target, gaps in zip(actions.targets, actions.gaps, strict=True):
        # The translation is estimated too: the mean deviation is its error.
        error = np.average(gaps, axis=0, weights=weights * weights[target])
        np.add.at(total, target, weights[:, None] * (gaps - error))
        np.add.at(weight, target, weights)
    deviations = (total / weight[:, None]) @ basis
    cost = float((weights[:, None] * deviations**2).sum())
    cost += _lattice_cost(fit, basis, actions.rotations)
    ratio = cost / degrees / fit.noise**2
    return float(f_distribution.sf(ratio, degrees, max(fit.degrees, 1)))


def _lattice_cost(fit: Fit, basis: np.ndarray, rotations: np.ndarray) -> float:
    """Sum of squares, over the atoms, that the mean metric of the group costs."""
    metric = basis @ basis.T
    mean = np.mean([rotation.T @ metric @ rotation for rotation in rotations], axis=0)
    # basis @ stretch has the mean metric, and the stretch is symmetric: no rotation.
    inverse = np.linalg.inv(basis)
    square = inverse @ mean @ inverse.T
    values, vectors = np.linalg.eigh((square + square.T) / 2)
    stretch = vectors @ np.diag(np.sqrt(np.maximum(values, 1e-12))) @ vectors.T
    change = basis @ (stretch - np.eye(3))
    points = fit.points.astype(float)
    counts = fit.counts[:, None]
    means = (
        np.stack(
            [np.bincount(fit.which, points[:, k], minlength=fit.n_sites) for k in range(3)], axis=1
        )
        / counts
    )
    return float((((points - means[fit.which]) @ change) ** 2).sum())
