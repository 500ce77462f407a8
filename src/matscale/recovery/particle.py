"""A particle as the search sees it: its shape, its centre, and where its atoms are."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from matscale.runtime.errors import Refused
from matscale.runtime.exact import settled

LEAST_ATOMS = 8
"""Fewer atoms than this show no period in three directions."""

THINNEST = 1.0
"""Å; a particle flatter than this is a sheet or a rod, and shows no third period."""

TOO_CLOSE = 0.1
"""Å; no two atoms come so near (H-H is 0.74 Å)."""

LARGEST = 1e5
"""Å; a coordinate beyond it is a slip."""

BIN = 1.5
"""Å; width of the bins in which atoms are looked up, a few atoms each."""

MOST_BINS = 1 << 22


@dataclass(frozen=True)
class Particle:
    """Atoms in order of their distance from the centre, and the region that they fill.

    Attributes:
        numbers: Atomic numbers, (n,).
        positions: Cartesian, in Å, from the centre, (n, 3).
        species: Index of each atom's element among those present, (n,).
        planes: Convex region in which every site of the crystal holds an atom: ``normal . x <=
            offset``, rows (normal, offset), (k, 4).
        radius: Of a ball around the centre outside of which nothing is asked, in Å.
        bins: Where the atoms are, for the kernels: order (n,), starts (b + 1,), shape (3,), lower
            corner in Å (3,), and width in Å (1,).
    """

    numbers: np.ndarray
    positions: np.ndarray
    species: np.ndarray
    planes: np.ndarray
    radius: float
    bins: tuple[np.ndarray, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def n_species(self) -> int:
        """Number of elements present."""
        return int(self.species.max()) + 1

    def without(self, gone: np.ndarray) -> Particle:
        """The same region without some of the atoms, (n,) bool."""
        kept = ~gone
        numbers, positions = self.numbers[kept], np.ascontiguousarray(self.positions[kept])
        species = np.unique(numbers, return_inverse=True)[1]
        return replace(
            self, numbers=numbers, positions=positions, species=species, bins=_bins(positions)
        )

    def core(self, atoms: int) -> Particle:
        """The innermost atoms, all of them within the particle; itself if it is no larger."""
        inscribed = float(self.planes[:, 3].min())
        distances = np.linalg.norm(self.positions, axis=1)
        if atoms >= len(self):
            return self
        radius = min(float(distances[atoms]), inscribed)
        count = int(np.searchsorted(distances, radius, side="right"))
        if count < atoms / 2:
            return self
        inner = replace(self, planes=np.empty((0, 4)), radius=radius)
        return inner.without(np.arange(len(self)) >= count)


def particle_of(numbers: np.ndarray, positions: np.ndarray) -> Particle:
    """Check a particle's atoms and find its shape.

    The convex hull of the atoms lies within any convex shape that the particle was cut to, so no
    site inside of it was cut away.

    Args:
        numbers: Atomic numbers, (n,).
        positions: Cartesian, in Å, (n, 3).

    Raises:
        Refused: If the atoms are not a particle.
    """
    numbers = np.asarray(numbers)
    positions = np.asarray(positions, dtype=np.float64)
    if positions.ndim != 2 or positions.shape != (len(numbers), 3):
        shapes = f"{numbers.shape} numbers and {positions.shape} positions"
        raise Refused("unreadable", f"{shapes}; expected (n,) and (n, 3)")
    if len(numbers) == 0:
        raise Refused("no atoms")
    if not (np.abs(positions) < LARGEST).all():
        raise Refused("not finite", f"a coordinate is not a number within {LARGEST:g} Å")
    if ((numbers < 1) | (numbers > 118)).any():
        raise Refused("unknown element", f"atomic numbers {numbers.min()} to {numbers.max()}")
    if len(numbers) < LEAST_ATOMS:
        raise Refused("too small", f"{len(numbers)} atoms; at least {LEAST_ATOMS} are needed")
    _check_distances(positions)
    planes = _hull(positions)
    centre = _inner_centre(positions, planes)
    moved = positions - centre
    order = np.argsort(settled((moved**2).sum(axis=1)), kind="stable")
    moved = np.ascontiguousarray(moved[order])
    planes = np.column_stack([planes[:, :3], -planes[:, 3] - planes[:, :3] @ centre])
    return Particle(
        numbers=numbers[order].astype(np.int64),
        positions=moved,
        species=np.unique(numbers[order], return_inverse=True)[1],
        planes=planes,
        radius=float(np.linalg.norm(moved[-1])),
        bins=_bins(moved),
    )


def _check_distances(positions: np.ndarray) -> None:
    from scipy.spatial import cKDTree

    distances = cKDTree(positions).query(positions, k=2)[0][:, 1]
    nearest = int(np.argmin(settled(distances)))
    if distances[nearest] < TOO_CLOSE:
        raise Refused(
            "atoms too close",
            f"atom {nearest} has a neighbour at {distances[nearest]:.3f} Å",
        )


def _hull(positions: np.ndarray) -> np.ndarray:
    """Planes of the convex hull, (k, 4) as qhull writes them: ``normal . x + offset <= 0``."""
    spread = np.linalg.svd(positions - positions.mean(axis=0), compute_uv=False)
    if spread[-1] < THINNEST * np.sqrt(len(positions)) / 4:
        raise Refused("flat", "all atoms lie within a sheet or on a line")
    try:
        planes = ConvexHull(positions).equations
    except QhullError as error:
        raise Refused("flat", "the atoms span no volume") from error
    # Coplanar triangles of one facet say the same.
    _, kept = np.unique(settled(planes), axis=0, return_index=True)
    return planes[np.sort(kept)]


def _inner_centre(positions: np.ndarray, planes: np.ndarray) -> np.ndarray:
    """About the centre of the smallest enclosing ball (Badoiu and Clarkson 2003), (3,)."""
    vertices = positions
    centre = positions.mean(axis=0)
    for step in range(1, 400):
        squares = ((vertices - centre) ** 2).sum(axis=1)
        centre = centre + (vertices[np.argmax(settled(squares))] - centre) / (step + 1)
        if step == 1:
            far = squares > (0.7**2) * squares.max()
            vertices = positions[far]
    return centre


def _bins(positions: np.ndarray) -> tuple[np.ndarray, ...]:
    lower = positions.min(axis=0) - 1e-6
    extent = positions.max(axis=0) - lower
    width = BIN
    while np.prod(np.floor(extent / width) + 1) > MOST_BINS:
        width *= 1.5
    shape = (np.floor(extent / width) + 1).astype(np.int64)
    places = np.minimum(((positions - lower) / width).astype(np.int64), shape - 1)
    flat = (places[:, 0] * shape[1] + places[:, 1]) * shape[2] + places[:, 2]
    order = np.argsort(flat, kind="stable")
    starts = np.searchsorted(flat[order], np.arange(np.prod(shape) + 1))
    return order, starts, shape, lower, np.array([width])
