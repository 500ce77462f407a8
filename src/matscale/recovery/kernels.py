"""Compiled loops over atoms: images under a translation, places on a lattice."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def inside(x, y, z, planes, radius, margin):  # pragma: no cover - compiled
    """Whether a point lies within the region by at least the margin in Å."""
    reach = radius - margin
    if x * x + y * y + z * z > reach * reach:
        return False
    for row in range(len(planes)):
        if planes[row, 0] * x + planes[row, 1] * y + planes[row, 2] * z > planes[row, 3] - margin:
            return False
    return True


@njit(cache=True, nogil=True)
def are_inside(points, planes, radius, margin):  # pragma: no cover - compiled
    """Which points (p, 3) in Å lie within the region by at least the margin, (p,) bool."""
    answer = np.empty(len(points), np.bool_)
    for row in range(len(points)):
        answer[row] = inside(points[row, 0], points[row, 1], points[row, 2], planes, radius, margin)
    return answer


@njit(cache=True, nogil=True)
def nearest(
    x, y, z, kind, tolerance, positions, species, order, starts, shape, lower, width
):  # pragma: no cover - compiled
    """The nearest atom of one species within a tolerance of a point: its index, or -1."""
    low = np.empty(3, np.int64)
    high = np.empty(3, np.int64)
    point = (x, y, z)
    for axis in range(3):
        low[axis] = max(0, int(np.floor((point[axis] - tolerance - lower[axis]) / width)))
        high[axis] = min(
            shape[axis] - 1, int(np.floor((point[axis] + tolerance - lower[axis]) / width))
        )
    best = tolerance * tolerance
    nearest_atom = -1
    for i in range(low[0], high[0] + 1):
        for j in range(low[1], high[1] + 1):
            for k in range(low[2], high[2] + 1):
                box = (i * shape[1] + j) * shape[2] + k
                for at in range(starts[box], starts[box + 1]):
                    atom = order[at]
                    if species[atom] != kind:
                        continue
                    a = positions[atom, 0] - x
                    b = positions[atom, 1] - y
                    c = positions[atom, 2] - z
                    square = a * a + b * b + c * c
                    if square < best:
                        best = square
                        nearest_atom = atom
    return nearest_atom


@njit(cache=True, nogil=True)
def score_translations(
    candidates,
    positions,
    species,
    n_species,
    planes,
    radius,
    bins,
    tolerance,
    margin,
    least,
):  # pragma: no cover - compiled
    """How many atoms each translation carries onto an atom of the same species.

    Images that lie well within the region ought to meet one; those near its surface may. A
    candidate of which fewer than the share
    ``least`` match among the first 24 such atoms is given up.

    Args:
        candidates: In Å, (c, 3).
        positions: Of the atoms, in Å, (n, 3).
        species: (n,).
        n_species: Their number.
        planes: See :class:`matscale.recovery.particle.Particle`.
        radius: The same.
        bins: The same.
        tolerance: In Å.
        margin: Of the region, in Å.
        least: Share.

    Returns:
        Atoms whose image is well within the region, by species (c, s); those of them that match
        (c, s); all atoms that match (c,); the mean of what is left over, by which a candidate is
        corrected, in Å (c, 3); and the mean square of what is left over then, in Å^2 (c,).
    """
    order, starts, shape, lower, widths = bins
    width = widths[0]
    count = len(candidates)
    eligible = np.zeros((count, n_species), np.int64)
    matched = np.zeros((count, n_species), np.int64)
    shift = np.zeros((count, 3))
    spread = np.zeros(count)
    met = np.zeros(count, np.int64)
    for row in range(count):
        t = candidates[row]
        tried = 0
        hits = 0
        for atom in range(len(positions)):
            x = positions[atom, 0] + t[0]
            y = positions[atom, 1] + t[1]
            z = positions[atom, 2] + t[2]
            kind = species[atom]
            if not inside(x, y, z, planes, radius, -tolerance):
                continue
            other = nearest(
                x, y, z, kind, tolerance, positions, species, order, starts, shape, lower, width
            )
            well = inside(x, y, z, planes, radius, margin)
            if well:
                eligible[row, kind] += 1
                tried += 1
            if other >= 0:
                if well:
                    matched[row, kind] += 1
                hits += 1
                shift[row, 0] += positions[other, 0] - x
                shift[row, 1] += positions[other, 1] - y
                shift[row, 2] += positions[other, 2] - z
                spread[row] += (
                    (positions[other, 0] - x) ** 2
                    + (positions[other, 1] - y) ** 2
                    + (positions[other, 2] - z) ** 2
                )
            elif tried >= 24 and matched[row].sum() < least * tried:
                break
        met[row] = hits
        if hits > 0:
            shift[row] /= hits
            spread[row] = spread[row] / hits - (shift[row] ** 2).sum()
    return eligible, matched, met, shift, spread


@njit(cache=True, nogil=True)
def place_atoms(
    positions, species, basis, inverse, sites, site_species, n_sites, tolerance, most
):  # pragma: no cover - compiled
    """Put each atom on a site of a lattice, making new sites where there is none.

    Sites move as the mean of their atoms while they gather them. Of two atoms on one place the
    nearer keeps it in the eyes of :func:`double_places`.

    Args:
        positions: In Å, (n, 3), from the centre outwards.
        species: (n,).
        basis: Lattice vectors as rows, in Å, (3, 3).
        inverse: Of the basis.
        sites: In Å, (most, 3); written to.
        site_species: (most,); written to.
        n_sites: How many there are.
        tolerance: In Å.
        most: Number of sites at which it gives up.

    Returns:
        Number of sites, or -1 if there are too many; the site of each atom (n,); its lattice
        point (n, 3).
    """
    count = len(positions)
    which = np.empty(count, np.int64)
    points = np.zeros((count, 3), np.int64)
    held = np.zeros(most, np.int64)
    fixed = n_sites
    for atom in range(count):
        best = tolerance * tolerance
        chosen = -1
        a0 = 0
        a1 = 0
        a2 = 0
        for site in range(n_sites):
            if site_species[site] != species[atom]:
                continue
            d0 = positions[atom, 0] - sites[site, 0]
            d1 = positions[atom, 1] - sites[site, 1]
            d2 = positions[atom, 2] - sites[site, 2]
            f0 = d0 * inverse[0, 0] + d1 * inverse[1, 0] + d2 * inverse[2, 0]
            f1 = d0 * inverse[0, 1] + d1 * inverse[1, 1] + d2 * inverse[2, 1]
            f2 = d0 * inverse[0, 2] + d1 * inverse[1, 2] + d2 * inverse[2, 2]
            n0 = np.rint(f0)
            n1 = np.rint(f1)
            n2 = np.rint(f2)
            f0 -= n0
            f1 -= n1
            f2 -= n2
            square = 0.0
            for axis in range(3):
                part = f0 * basis[0, axis] + f1 * basis[1, axis] + f2 * basis[2, axis]
                square += part * part
            if square < best:
                best = square
                chosen = site
                a0 = int(n0)
                a1 = int(n1)
                a2 = int(n2)
        if chosen < 0:
            if n_sites == most:
                return -1, which, points
            chosen = n_sites
            n_sites += 1
            site_species[chosen] = species[atom]
            sites[chosen] = positions[atom]
        elif chosen >= fixed:
            for axis in range(3):
                home = (
                    positions[atom, axis]
                    - a0 * basis[0, axis]
                    - a1 * basis[1, axis]
                    - a2 * basis[2, axis]
                )
                sites[chosen, axis] += (home - sites[chosen, axis]) / (held[chosen] + 1)
        held[chosen] += 1
        which[atom] = chosen
        points[atom, 0] = a0
        points[atom, 1] = a1
        points[atom, 2] = a2
    return n_sites, which, points


@njit(cache=True, nogil=True)
def count_places(sites, basis, inverse, planes, radius, margin):  # pragma: no cover - compiled
    """How many places of each site lie within the region.

    Args:
        sites: In Å, (m, 3).
        basis: Lattice vectors as rows, in Å, (3, 3).
        inverse: Of the basis.
        planes: Of the region.
        radius: Of the region.
        margin: In Å.

    Returns:
        (m,).
    """
    counts = np.zeros(len(sites), np.int64)
    reach = np.empty(3)
    for axis in range(3):
        norm = 0.0
        for part in range(3):
            norm += inverse[part, axis] ** 2
        reach[axis] = radius * np.sqrt(norm)
    for site in range(len(sites)):
        low = np.empty(3, np.int64)
        high = np.empty(3, np.int64)
        for axis in range(3):
            middle = 0.0
            for part in range(3):
                middle -= sites[site, part] * inverse[part, axis]
            low[axis] = int(np.ceil(middle - reach[axis]))
            high[axis] = int(np.floor(middle + reach[axis]))
        for i in range(low[0], high[0] + 1):
            for j in range(low[1], high[1] + 1):
                for k in range(low[2], high[2] + 1):
                    x = sites[site, 0] + i * basis[0, 0] + j * basis[1, 0] + k * basis[2, 0]
                    y = sites[site, 1] + i * basis[0, 1] + j * basis[1, 1] + k * basis[2, 1]
                    z = sites[site, 2] + i * basis[0, 2] + j * basis[1, 2] + k * basis[2, 2]
                    if inside(x, y, z, planes, radius, margin):
                        counts[site] += 1
    return counts
