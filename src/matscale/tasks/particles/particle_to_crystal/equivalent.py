"""Descriptions of one lattice: a cell can be chosen in many ways, and answers are not wrong for it.

Any two reduced cells of a lattice differ by an integer matrix of determinant 1 with entries from
-1 to 1; all 3,480 of them are tried.
"""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np

from matscale.runtime.exact import settled
from matscale.structures.cells import lattice_parameters
from matscale.tasks.particles.labels import crystal_system

LENGTH_TOLERANCE = 0.02
"""Relative difference of lengths within which lattices match."""

ANGLE_TOLERANCE = 2.0
"""In degrees."""

FLAT = 1e-3
"""Volume of a cell over the product of its edges below which it is degenerate."""

LONGEST = 1e4
"""Å; no cell has a longer edge."""

ALIKE = 0.01
"""Relative difference of edges, and difference in radians of angles, that count as equal."""

_HALF = 0.5
CENTRINGS: dict[str, np.ndarray] = {
    # Rows are primitive lattice vectors in terms of the conventional ones (International Tables).
    "A": np.array([[1, 0, 0], [0, _HALF, _HALF], [0, -_HALF, _HALF]]),
    "B": np.array([[_HALF, 0, _HALF], [0, 1, 0], [-_HALF, 0, _HALF]]),
    "C": np.array([[_HALF, _HALF, 0], [-_HALF, _HALF, 0], [0, 0, 1]]),
    "I": np.array([[-_HALF, _HALF, _HALF], [_HALF, -_HALF, _HALF], [_HALF, _HALF, -_HALF]]),
    "F": np.array([[0, _HALF, _HALF], [_HALF, 0, _HALF], [_HALF, _HALF, 0]]),
    "R": np.array([[2, 1, 1], [-1, 1, 1], [-1, -2, 1]]) / 3,
}
SAME_MULTIPLICITY = {"A": "ABC", "B": "ABC", "C": "ABCI"}
"""Settings that a one-face-centred group may be written in."""


@cache
def changes_of_basis() -> np.ndarray:
    """All integer matrices with entries from -1 to 1 and determinant 1, (3480, 3, 3)."""
    entries = np.array(list(itertools.product((-1, 0, 1), repeat=9)), float).reshape(-1, 3, 3)
    return np.asarray(entries[np.round(np.linalg.det(entries)) == 1])


def lattice_of(parameters: np.ndarray) -> np.ndarray:
    """Lattice vectors (3, 3) in Å of six parameters in Å and degrees; NaN where there is none."""
    a, b, c = parameters[:3]
    cosines = np.cos(np.radians(parameters[3:]))
    alpha, beta, gamma = cosines
    sine = np.sqrt(max(1 - gamma**2, 0.0))
    height = 1 - alpha**2 - beta**2 - gamma**2 + 2 * alpha * beta * gamma
    if not (height > 0 and sine > 0):
        return np.full((3, 3), np.nan)
    return np.array(
        [
            [a, 0, 0],
            [b * gamma, b * sine, 0],
            [c * beta, c * (alpha - beta * gamma) / sine, c * np.sqrt(height) / sine],
        ]
    )


def is_degenerate(lattice: np.ndarray) -> bool:
    """Whether vectors (3, 3) span no volume to speak of, or more than any crystal's."""
    edges = np.linalg.norm(lattice, axis=1)
    if not (np.isfinite(lattice).all() and (edges > FLAT).all() and (edges < LONGEST).all()):
        return True
    return bool(abs(np.linalg.det(lattice)) < FLAT * edges.prod())


def niggli(lattice: np.ndarray) -> np.ndarray | None:
    """The Niggli-reduced basis (3, 3) of a lattice, in its orientation; None if none is found."""
    import spglib

    if is_degenerate(lattice):
        return None
    try:
        return spglib.niggli_reduce(lattice)
    except (spglib.error.SpglibError, ValueError, TypeError):
        return None


def meant_lattices(lattice: np.ndarray, group: int) -> list[np.ndarray]:
    """The lattices that a cell and a space group's number may mean, (3, 3) each.

    The cell may be primitive; or it is conventional, if it has the shape that the group's
    conventional cell has, and then the group's centring makes the lattice denser.
    """
    meant = [lattice]
    letter = centring(group)
    if letter in CENTRINGS and _has_conventional_shape(lattice, group, letter):
        for one in SAME_MULTIPLICITY.get(letter, letter):
            meant.append(CENTRINGS[one] @ lattice)
    return meant


@cache
def centring(group: int) -> str:
    """Letter of a space group's centring, "P" for a number that there is not."""
    import moyopy

    return str(moyopy.SpaceGroupType(group).hm_short)[0] if 1 <= group <= 230 else "P"


def _has_conventional_shape(lattice: np.ndarray, group: int, letter: str) -> bool:
    parameters = lattice_parameters(lattice[None])[0]
    a, b, c = parameters[:3]
    angles = np.radians(parameters[3:])
    right = np.abs(angles - np.pi / 2) < ALIKE
    system = crystal_system(group)
    if system == "monoclinic":
        return int(right.sum()) >= 2
    if system == "trigonal" and letter == "R":
        return bool(
            right[:2].all() and abs(angles[2] - 2 * np.pi / 3) < ALIKE and abs(a - b) < ALIKE * a
        )
    equal = {
        "tetragonal": abs(a - b) < ALIKE * a,
        "cubic": max(a, b, c) < (1 + ALIKE) * min(a, b, c),
    }
    return bool(right.all() and equal.get(system, True))


def all_parameters(lattice: np.ndarray, setting: np.ndarray) -> np.ndarray:
    """Parameters of all descriptions of a reduced lattice (3, 3) in a setting, (3480, 6).

    Args:
        lattice: Reduced basis as rows in Å.
        setting: Integer matrix (3, 3) from a reduced basis to the described cell.
    """
    return lattice_parameters(setting @ changes_of_basis() @ lattice)


def nearest(described: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Of parameters (k, 6) those nearest to the target's (6,): relative lengths and radians."""
    lengths = described[:, :3] / target[:3] - 1
    angles = np.radians(described[:, 3:] - target[3:])
    # The root: squares of small angles, 3e-4 or less, would all be settled to 0.
    gaps = np.sqrt((lengths**2).sum(1) + (angles**2).sum(1))
    return np.asarray(described[settled(gaps).argmin()])


def nearest_mixed(described: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Of parameters (k, 6) those of the smallest squared error, Å and degrees mixed."""
    gaps = np.linalg.norm(described - target, axis=1)
    return np.asarray(described[settled(gaps).argmin()])


def lattices_match(found: np.ndarray, target: np.ndarray) -> bool:
    """Whether parameters (6,) agree within 2 % and 2°."""
    lengths = np.abs(found[:3] / target[:3] - 1) <= LENGTH_TOLERANCE
    return bool(lengths.all() and (np.abs(found[3:] - target[3:]) <= ANGLE_TOLERANCE).all())
