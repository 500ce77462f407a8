"""Atoms on the places of a lattice: assignment, least squares, and what it costs to say so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from matscale.recovery import kernels
from matscale.recovery.particle import Particle

FIRST_SHELL = 7.0
"""Å; a fit begins with the atoms this near the centre."""

GROWTH = 1.5
"""Factor from one shell to the next."""

GIVE_UP = 0.6
"""Sites per atom at which a lattice explains nothing."""

MISSING_BITS = 9.0
"""Bits that a missing atom costs besides saying where: particles are mostly whole."""


@dataclass(frozen=True)
class Fit:
    """A lattice with its sites, and where each atom of a particle stands.

    Attributes:
        basis: Lattice vectors as rows, in Å, (3, 3).
        sites: Positions of the sites of one cell, in Å, (m, 3).
        site_species: Index of the element of each site, (m,).
        which: Site of each atom, (n,).
        points: Lattice point of each atom, (n, 3).
        squares: Squared distance of each atom from its place, in Å^2, (n,).
        places: How many places of each site hold an atom or lie well within the region, (m,).
        held: How many of these hold an atom, (m,).
        well_within: Places that lie well within the region.
        doubled: Atoms that share their place with another.
    """

    basis: np.ndarray
    sites: np.ndarray
    site_species: np.ndarray
    which: np.ndarray
    points: np.ndarray
    squares: np.ndarray
    places: np.ndarray
    held: np.ndarray
    well_within: int
    doubled: int

    @property
    def n_sites(self) -> int:
        """Sites a cell."""
        return len(self.sites)

    @property
    def missing(self) -> int:
        """Places within the region that hold no atom."""
        return int((self.places - self.held).sum())

    @property
    def chance(self) -> float:
        """Probability that atoms missing at random spread so unevenly over the sites.

        Chi-square test of homogeneity. Atoms that are missing from some sites only are no
        vacancies: the lattice is too fine.
        """
        seen = self.places > 0
        places, empty = self.places[seen], (self.places - self.held)[seen]
        share = empty.sum() / max(places.sum(), 1)
        if share in (0.0, 1.0) or len(places) < 2:
            return 1.0
        expected = places * share
        statistic = ((empty - expected) ** 2 / (expected * (1 - share))).sum()
        return float(chi2.sf(statistic, len(places) - 1))

    @property
    def counts(self) -> np.ndarray:
        """Atoms of each site, (m,)."""
        return np.bincount(self.which, minlength=self.n_sites)

    @property
    def degrees(self) -> int:
        """Degrees of freedom that the residuals keep."""
        return 3 * (len(self.which) - self.n_sites - 3)

    @property
    def noise(self) -> float:
        """Standard deviation of the atoms from their places along one axis, in Å."""
        return float(np.sqrt(self.squares.sum() / max(self.degrees, 1)))


def least_squares(
    positions: np.ndarray, which: np.ndarray, points: np.ndarray, n_sites: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Basis and sites that lie nearest to the atoms, given where each stands.

    The sites are eliminated by centring within each site; what is left are 3 x 3 normal
    equations.

    Args:
        positions: In Å, (n, 3).
        which: Site of each atom, (n,).
        points: Lattice point of each atom, (n, 3).
        n_sites: Number of sites, each of which holds an atom.

    Returns:
        Basis as rows (3, 3) and sites (m, 3), in Å; None if the atoms do not fix the basis.
    """
    counts = np.bincount(which, minlength=n_sites)[:, None]
    both = np.concatenate([points.astype(float), positions], axis=1)
    means = (
        np.stack([np.bincount(which, both[:, k], minlength=n_sites) for k in range(6)], axis=1)
        / counts
    )
    centred = both - means[which]
    normal = centred[:, :3].T @ centred[:, :3]
    if np.linalg.eigvalsh(normal)[0] < 0.5:
        return None
    basis = np.linalg.solve(normal, centred[:, :3].T @ centred[:, 3:])
    return basis, means[:, 3:] - means[:, :3] @ basis


def fit_lattice(
    particle: Particle, basis: np.ndarray, tolerance: float, most_sites: int | None = None
) -> Fit | None:
    """Put a particle on a lattice, from the centre outwards.

    Each shell is placed with the basis and the sites that the shells within it gave, so that an
    error of the first basis does not grow with the distance.

    Args:
        particle: Or its core.
        basis: About the lattice vectors, as rows, reduced, in Å, (3, 3).
        tolerance: Within which an atom belongs to a place, in Å.
        most_sites: At which the lattice is given up.

    Returns:
        The fit, or None if it needs too many sites or its atoms do not fix the lattice.
    """
    most = most_sites or max(12, int(GIVE_UP * len(particle)))
    distances = np.linalg.norm(particle.positions, axis=1)
    sites = np.empty((most, 3))
    site_species = np.empty(most, np.int64)
    n_sites = 0
    radius = max(FIRST_SHELL, 1.2 * float(np.linalg.norm(basis, axis=1).max()))
    while True:
        count = int(np.searchsorted(distances, radius, side="right"))
        positions = particle.positions[:count]
        n_sites, which, points = kernels.place_atoms(
            positions,
            particle.species[:count],
            basis,
            np.linalg.inv(basis),
            sites,
            site_species,
            n_sites,
            tolerance,
            most,
        )
        if n_sites < 0:
            return None
        used, which = np.unique(which, return_inverse=True)
        n_sites = len(used)
        sites[:n_sites], site_species[:n_sites] = sites[used], site_species[used]
        fitted = least_squares(positions, which, points, n_sites)
        if fitted is not None:
            basis, sites[:n_sites] = fitted
        if count == len(particle):
            break
        radius *= GROWTH
    if fitted is None:
        return None
    return _measured(particle, basis, sites[:n_sites], site_species[:n_sites], which, points)


def refit(particle: Particle, which: np.ndarray, points: np.ndarray) -> Fit | None:
    """Basis and sites of atoms whose sites (any integers) and lattice points are known."""
    _, first, which = np.unique(which, return_index=True, return_inverse=True)
    fitted = least_squares(particle.positions, which, points, len(first))
    if fitted is None:
        return None
    return _measured(particle, *fitted, particle.species[first], which, points)


def _measured(
    particle: Particle,
    basis: np.ndarray,
    sites: np.ndarray,
    site_species: np.ndarray,
    which: np.ndarray,
    points: np.ndarray,
) -> Fit:
    ideal = points @ basis + sites[which]
    squares = ((particle.positions - ideal) ** 2).sum(axis=1)
    margin = float(np.clip(4 * np.sqrt(squares.mean() / 3), 1e-3, 0.8))
    places = kernels.count_places(
        sites, basis, np.linalg.inv(basis), particle.planes, particle.radius, margin
    )
    # One integer a place: rows of integers sort five times slower.
    spans = np.ptp(points, axis=0) + 1
    a, b, c = (points - points.min(axis=0)).T
    _, first = np.unique(((which * spans[0] + a) * spans[1] + b) * spans[2] + c, return_index=True)
    within = kernels.are_inside(ideal[first], particle.planes, particle.radius, margin)
    held = np.bincount(which[first], minlength=len(sites))
    # A place that holds an atom counts, however near the surface.
    well_within = int(places.sum())
    places = places + held - np.bincount(which[first][within], minlength=len(sites))
    return Fit(
        basis=basis,
        sites=sites.copy(),
        site_species=site_species.copy(),
        which=which,
        points=points,
        squares=squares,
        places=places,
        held=held,
        well_within=well_within,
        doubled=len(which) - len(first),
    )


def description_length(
    fit: Fit, particle: Particle, resolution: float, parameters: int | None = None
) -> float:
    """Bits that it takes to say where the atoms are (Rissanen 1978).

    The lattice and its sites, to the resolution; which of the places within the region are empty;
    atoms that double another; and how far each atom is from its place.

    Args:
        fit: Of the particle.
        particle: The particle.
        resolution: In Å; distances below it cost nothing.
        parameters: Numbers that fix lattice and sites; None for all of them, without symmetry.
    """
    coordinate = np.log2(2 * particle.radius / resolution)
    if parameters is None:
        parameters = 3 * (3 + fit.n_sites)
    kinds = fit.n_sites * np.log2(max(particle.n_species, 2))
    holes = _entropy(fit.missing, int(fit.places.sum())) + MISSING_BITS * fit.missing
    spread = max(fit.noise, resolution / 2)
    residuals = 3 * len(particle) * np.log2(2 * spread / resolution)
    doubled = 3 * coordinate * fit.doubled
    return float(coordinate * parameters + kinds + holes + residuals + doubled)


def plain_length(particle: Particle, resolution: float) -> float:
    """Bits that it takes to say where the atoms are without any lattice."""
    return float(3 * len(particle) * np.log2(2 * particle.radius / resolution))


def _entropy(part: int, whole: int) -> float:
    """Bits that it takes to say which part of a whole is meant, and how large it is."""
    if whole == 0:
        return 0.0
    share = min(max(part / whole, 0.0), 1.0)
    bits = np.log2(whole + 1)
    for probability in (share, 1 - share):
        if probability > 0:
            bits -= whole * probability * np.log2(probability)
    return float(bits)
