"""Size, shape, composition and radial distribution functions of particles."""

from __future__ import annotations

import math

import numpy as np

from matscale.metrics.particles.columns import partial_pair_histograms

RDF_BIN_A = 0.05
RDF_CUTOFF_A = 10.0
_FLAT = 1e-9  # least over largest extent below which points span no volume


def radius_of_gyration(positions: np.ndarray) -> float:
    """Root mean square distance of atoms (n, 3) from their centroid in Å, all alike in mass."""
    centred = positions - positions.mean(axis=0)
    return float(np.sqrt((centred**2).sum(axis=1).mean()))


def hull_volume(positions: np.ndarray) -> float:
    """Volume of the convex hull of (n, 3) in Å³: 0 for points in a plane, NaN where qhull fails."""
    from scipy.spatial import ConvexHull, QhullError

    centred = positions - positions.mean(axis=0)
    extents = np.linalg.svd(centred, compute_uv=False) if len(positions) > 3 else np.zeros(1)
    if extents[-1] <= _FLAT * extents[0] or extents[0] == 0:
        return 0.0
    try:
        return float(ConvexHull(centred).volume)
    except (QhullError, ValueError):
        return math.nan


def total_variation(numbers: np.ndarray, true_numbers: np.ndarray) -> float:
    """Half the sum of the differences between the elements' shares, 0 to 1; (n,), (m,)."""
    species = np.union1d(numbers, true_numbers)
    shares = [(each[:, None] == species).mean(axis=0) for each in (numbers, true_numbers)]
    return float(0.5 * np.abs(shares[0] - shares[1]).sum())


def rdf_distance(
    numbers: np.ndarray,
    positions: np.ndarray,
    true_numbers: np.ndarray,
    true_positions: np.ndarray,
    radius: float,
) -> float:
    """Area between two particles' partial radial distribution functions over the sum of areas.

    g_ab(r) is the number of b atoms around an a atom in a shell of 0.05 Å, over the shell's
    volume and the density of b in the true particle (its atoms over the sphere's volume), for
    both particles: what is missing or too dense shows. Areas of ordered pairs ab are weighted by
    the mean over both particles of x_a x_b, x being shares of atoms. 0 for equal, 1 for disjoint
    functions, NaN where neither particle has a pair closer than 10 Å.

    Args:
        numbers: Atomic numbers of the prediction, (n,).
        positions: In Å, (n, 3).
        true_numbers: (m,).
        true_positions: In Å, (m, 3).
        radius: Of the true particle in Å.
    """
    species, kinds = np.unique(np.concatenate([true_numbers, numbers]), return_inverse=True)
    count, bins = len(species), round(RDF_CUTOFF_A / RDF_BIN_A)
    edges = np.linspace(0.0, RDF_CUTOFF_A, bins + 1)
    shells = 4 / 3 * np.pi * np.diff(edges**3)
    functions, shares = [], []
    atoms = [np.bincount(part, minlength=count) for part in np.split(kinds, [len(true_numbers)])]
    # A species that the truth lacks has its own density in the prediction.
    density = np.where(atoms[0] > 0, atoms[0], atoms[1]) / (4 / 3 * np.pi * radius**3)
    places = (true_positions, positions)
    for part, own, where in zip(np.split(kinds, [len(true_numbers)]), atoms, places, strict=True):
        neighbours = partial_pair_histograms(where, part, count, bins, RDF_CUTOFF_A)
        around = neighbours / np.maximum(own, 1)[:, None, None]
        functions.append(around / (density[None, :, None] * shells))
        shares.append(np.outer(own, own) / own.sum() ** 2)
    weights = (shares[0] + shares[1]) / 2
    apart = np.abs(functions[0] - functions[1]).sum(axis=2)
    together = (functions[0] + functions[1]).sum(axis=2)
    total = (weights * together).sum()
    return float((weights * apart).sum() / total) if total > 0 else math.nan
