"""Arrays that the matching kernels write into, made once a thread instead of once a pair."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from matscale.matching.compiling import allocating

MAX_POINTS = 1 << 19
"""Most lattice points that a search over mappings may hold; degenerate cells have more."""


class Workspace(NamedTuple):
    """Scratch for cells of up to n sites, after expansion, and p lattice points.

    Attributes:
        steps: Lattice points as integer combinations of the cell vectors, (p, 3).
        points: The same in Å, (p, 3).
        norms: Their lengths in Å, (p,).
        place: Order, cube and shells of the points, (3, p) int64.
        shells: Indices of the points that may stand for a, b and c, and two choices among them,
            (5, p) int64.
        units: Directions of the points in the three shells, three rows a shell, (9, p).
        chosen: Integer coordinates of the points chosen for c, (3, p).
        hits: Scratch, (p,) bool.
        sites: Fractional and Cartesian coordinates, (10, n, 3): see ``pairing.py``.
        columns: Fractional coordinates of one crystal by column, sorted by species, (3, n).
        fractions: Fractional coordinates of crystal 1 in the reduced average cell, (3, n).
        codes: Species of the sites of both crystals and their order, (3, n) int64.
        cost: Squared distances in Å^2, (n, n).
        floats: Scratch of the assignment, (3, n).
        integers: The same and assignments, (5, n) int64.
        flags: Scratch of the assignment, (2, n) bool.
        distances: Displacements of the sites, (2, n).
        small: Matrices, (24, 3, 3).
        images: Cartesian vectors of the 27 images, (27, 3).
        lattices: Lattice parameters, (3, 6) in Å and degrees.
        tally: Counters by species or cube, (5, 257) int64.
        zeros: Zeros, (n,) int64: species of sites that all are alike.
        triples: Mappings of a lattice onto its reduced cell, (256, 3) int64.
    """

    steps: np.ndarray
    points: np.ndarray
    norms: np.ndarray
    place: np.ndarray
    shells: np.ndarray
    units: np.ndarray
    chosen: np.ndarray
    hits: np.ndarray
    sites: np.ndarray
    columns: np.ndarray
    fractions: np.ndarray
    codes: np.ndarray
    cost: np.ndarray
    floats: np.ndarray
    integers: np.ndarray
    flags: np.ndarray
    distances: np.ndarray
    small: np.ndarray
    images: np.ndarray
    lattices: np.ndarray
    tally: np.ndarray
    zeros: np.ndarray
    triples: np.ndarray


@allocating
def workspace(n, p):
    """A workspace for cells of up to ``n`` sites and searches over ``p`` lattice points."""
    return Workspace(
        np.empty((p, 3), np.int64),
        np.empty((p, 3)),
        np.empty(p),
        np.empty((3, p), np.int64),
        np.empty((5, p), np.int64),
        np.empty((9, p)),
        np.empty((3, p)),
        np.empty(p, np.bool_),
        np.empty((10, n, 3)),
        np.empty((3, n)),
        np.empty((3, n)),
        np.empty((3, n), np.int64),
        np.empty((n, n)),
        np.empty((3, n)),
        np.empty((5, n), np.int64),
        np.empty((2, n), np.bool_),
        np.empty((2, n)),
        np.empty((24, 3, 3)),
        np.empty((27, 3)),
        np.empty((3, 6)),
        np.zeros((5, 257), np.int64),
        np.zeros(n, np.int64),
        np.empty((256, 3), np.int64),
    )
