"""Arrays that the matching kernels write into, made once per thread instead of once per pair."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from matscale.matching.kernels.compiling import ADDRESSES
from matscale.matching.kernels.correlation import BLOCK, LONGEST
from matscale.matching.kernels.held import Held
from matscale.matching.kernels.periodic import LANES, columns_needed

MAX_POINTS = 1 << 19
"""Most lattice points that a search over mappings may hold; degenerate cells have more."""
MAX_SITES = 8192
"""Most sites of a crystal that is matched: memory grows with their square, 0.8 GB there."""
MAX_MASKED = 512
"""Most sites of crystals whose equivalent mappings are passed over."""
MOST_GRID = 1 << 12
"""Points of the grid beyond which the bound of ``averages.py`` is not asked."""
MOST_WORK = 2e10
"""Work after which a pair is given up: a minute or two, whatever the tolerances.

Its unit is a pair of sites that is looked at in a pairing, a few nanoseconds; other work counts as
many such units as take as long.
"""


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
        columns: Fractional coordinates of crystal 1, see :func:`periodic.lay_columns`, (3, m).
        folded: Those of the base in its own cell, likewise, (3, m).
        laid: Those of the target in the base's cell, (n, 3).
        fractions: Fractional coordinates of crystal 1 in the reduced average cell, (3, n) with
            room for :func:`periodic.fill_gap`.
        codes: Species of the sites of both crystals and their order, likewise, int64.
        cost: Squared distances in Å^2, (n, n); up to MAX_SITES.
        masked: The same with more pairs forbidden, (n, n); up to MAX_MASKED.
        partners: Sites that may be paired, (n, n) int32, up to MAX_SITES: see ``partners.py``.
        degrees: Their numbers, (n,) int64.
        remaining: Fewer of them, (n, n) int32; up to MAX_MASKED.
        left: Their numbers, (n,) int64; up to MAX_MASKED.
        floats: Scratch of the assignment, (3, n).
        integers: The same and assignments, (5, n) int64.
        flags: Scratch of the assignment, likewise (2, n), bool.
        distances: Displacements of the sites, (2, n).
        small: Matrices, (27, 3, 3).
        images: Cartesian vectors of the 27 images, (27, 3).
        lattices: Lattice parameters, (3, 6) in Å and degrees.
        tally: Counters by species, cube or depth, (9, 257) int64.
        zeros: Zeros, (n,) int64: species of sites that all are alike.
        trial: Candidates for rotations, (4, 48) int64.
        rotations: Rotations of the base, (48, 3, 3) int64.
        marks: A crystal's rotations while they are found, (50,) int16.
        worst: Their errors, (2,).
        which: Indices of rotations: all, those that keep a, those that keep a and b, (3, 48).
        done: Integer coordinates of points whose mappings surely fail, three rows each as a, b and
            c, (9, p) int64.
        bound: See ``periodic.squared_distances``, (2,).
        doubts: Failures that need not hold for equivalent mappings: their number, (1,) int64.
        nearest: How near a length was to a limit, (1,): see ``lattices.py``.
        bands: Squares of lengths near their limits, (3, 4) in Å^2: see ``lattices.py``.
        triples: Mappings of a lattice onto its reduced cell, (256, 3) int64.
        species: Scratch of the search over element maps, (7, 257) int64.
        mapped: Species of the sites of crystal 1 under an element map, (n,) int64.
        current: What was found under it, (16,).
        work: Work after which a pair is given up, see :data:`MOST_WORK`, and that done so far for
            the pair, (2,).
        grid: Points of a grid along the axes, and what is kept of it, (4,) int64: see
            ``averages.py``, as for those below.
        points_of: Fractional coordinates of the points, (3, g) in single precision, as all of it.
        field: Squared distances on the grid in Å^2, (g,).
        weights: How many sites there are at its points, (g,).
        rolled: Copies of the field: see ``correlation.py``, as for those below.
        places: Where windows begin, (g,) int64.
        nonzero: Weights that are not 0, (g,).
        sums: Sums by translation, (2, g).
        vain: Mappings of a pair that were looked at in vain, (1,) int64.
        addresses: Where the routines are, see :mod:`matscale.matching.kernels.compiling`.
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
    folded: np.ndarray
    laid: np.ndarray
    fractions: np.ndarray
    codes: np.ndarray
    cost: np.ndarray
    masked: np.ndarray
    partners: np.ndarray
    degrees: np.ndarray
    remaining: np.ndarray
    left: np.ndarray
    floats: np.ndarray
    integers: np.ndarray
    flags: np.ndarray
    distances: np.ndarray
    small: np.ndarray
    images: np.ndarray
    lattices: np.ndarray
    tally: np.ndarray
    zeros: np.ndarray
    trial: np.ndarray
    rotations: np.ndarray
    marks: np.ndarray
    worst: np.ndarray
    which: np.ndarray
    done: np.ndarray
    bound: np.ndarray
    doubts: np.ndarray
    nearest: np.ndarray
    bands: np.ndarray
    triples: np.ndarray
    species: np.ndarray
    mapped: np.ndarray
    current: np.ndarray
    work: np.ndarray
    grid: np.ndarray
    points_of: np.ndarray
    field: np.ndarray
    weights: np.ndarray
    rolled: np.ndarray
    places: np.ndarray
    nonzero: np.ndarray
    sums: np.ndarray
    vain: np.ndarray
    addresses: np.ndarray


def workspace(n: int, p: int) -> Held[Workspace]:
    """A workspace for cells of up to ``n`` sites and searches over ``p`` lattice points."""
    pairs, masked = min(n, MAX_SITES), min(n, MAX_MASKED)
    grid = MOST_GRID + 4 * LONGEST
    arrays = Workspace(
        np.empty((p, 3), np.int64),
        np.empty((p, 3)),
        np.empty(p),
        np.empty((3, p), np.int64),
        np.empty((5, p), np.int64),
        np.empty((9, p)),
        np.empty((3, p)),
        np.empty(p, np.bool_),
        np.empty((10, n, 3)),
        np.empty((3, columns_needed(n))),
        np.empty((3, columns_needed(n))),
        np.empty((n, 3)),
        np.empty((3, n + LANES)),
        np.empty((3, n + LANES), np.int64),
        np.empty((pairs, pairs)),
        np.empty((masked, masked)),
        np.empty((pairs, pairs), np.int32),
        np.empty(n, np.int64),
        np.empty((masked, masked), np.int32),
        np.empty(masked, np.int64),
        np.empty((3, n)),
        np.empty((5, n), np.int64),
        np.empty((2, n + LANES), np.bool_),
        np.empty((2, n)),
        np.empty((27, 3, 3)),
        np.empty((27, 3)),
        np.empty((3, 6)),
        np.zeros((9, 257), np.int64),
        np.zeros(n, np.int64),
        np.empty((4, 48), np.int64),
        np.empty((48, 3, 3), np.int64),
        np.empty(50, np.int16),
        np.empty(2),
        np.empty((3, 48), np.int64),
        np.empty((9, p), np.int64),
        np.empty(2),
        np.zeros(1, np.int64),
        np.empty(1),
        np.empty((3, 4)),
        np.empty((256, 3), np.int64),
        np.empty((7, 257), np.int64),
        np.empty(n, np.int64),
        np.empty(16),
        np.array([MOST_WORK, 0.0]),
        np.zeros(4, np.int64),
        np.empty((3, grid), np.float32),
        np.zeros(grid, np.float32),
        np.empty(grid, np.float32),
        np.zeros(LONGEST * (2 * MOST_GRID + BLOCK * LONGEST) + BLOCK, np.float32),
        np.empty(grid, np.int64),
        np.empty(grid, np.float32),
        np.empty((2, MOST_GRID + BLOCK * LONGEST), np.float32),
        np.zeros(1, np.int64),
        ADDRESSES,
    )
    return Held(arrays)


SPACE = workspace(1, 1).numba_type
"""What numba takes a workspace for."""
