"""Coordinates in which positions and cell relax together, for many crystals at once.

A crystal of n atoms has n + 3 rows of three generalised coordinates: its positions carried back
to the undeformed cell, x = r F^-T, and n log F, where F is the deformation gradient, cell =
cell0 F^T. Their generalised forces are f F and G / n, with G = -dE/d(log F). The factor n puts
both kinds of rows on one scale. Conventions and numbers are those of ASE's ``FrechetCellFilter``
(derivation: K. Shinohara, "Cell gradient", notes to ASE merge request 3024).

G needs the derivative of the matrix exponential. Instead of nine directional derivatives it is
formed by one, L(U^T, P), as the derivative's adjoint is the derivative at the transpose; and
exp [[A, B], [0, A]] holds L(A, B) in its upper right corner (Najfeld and Havel, Adv. Appl. Math.
16, 321, 1995).
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import expm


class Layout:
    """Which generalised rows belong to which crystal.

    Args:
        n_atoms: Atoms of each crystal, (N,).

    Attributes:
        n_atoms: As given.
        starts: First generalised row of each crystal, (N,).
        owners: Crystal of each generalised row, (R,), with R = M + 3 N.
        is_atom: Which generalised rows are atoms', (R,); the others are cells'.
        atom_owners: Crystal of each atom, (M,).
    """

    def __init__(self, n_atoms: np.ndarray) -> None:
        n = len(n_atoms)
        self.n_atoms = np.asarray(n_atoms, np.int64)
        rows = self.n_atoms + 3
        self.starts = np.concatenate([[0], np.cumsum(rows)])[:-1]
        self.owners = np.repeat(np.arange(n), rows)
        self.is_atom = np.arange(rows.sum()) - self.starts[self.owners] < self.n_atoms[self.owners]
        self.atom_owners = np.repeat(np.arange(n), self.n_atoms)

    def __len__(self) -> int:
        return len(self.n_atoms)

    def dot(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Inner product of generalised vectors (R, 3) crystal by crystal, (N,)."""
        return np.add.reduceat(np.einsum("ri,ri->r", a, b), self.starts)

    def longest(self, a: np.ndarray) -> np.ndarray:
        """Length of the longest row of each crystal, (N,)."""
        return np.sqrt(np.maximum.reduceat(np.einsum("ri,ri->r", a, a), self.starts))

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Values (N,) for each generalised row, (R, 1)."""
        return values[self.owners][:, None]

    def join(self, atoms: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Generalised rows (R, 3) from atoms' (M, 3) and cells' (N, 3, 3)."""
        rows = np.empty((len(self.owners), 3))
        rows[self.is_atom] = atoms
        rows[~self.is_atom] = cells.reshape(-1, 3)
        return rows

    def split(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Atoms' rows (M, 3) and cells' (N, 3, 3) of generalised rows (R, 3)."""
        return rows[self.is_atom], rows[~self.is_atom].reshape(-1, 3, 3)


def to_cartesian(
    layout: Layout, coordinates: np.ndarray, cells0: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Positions (M, 3) and cells (N, 3, 3) in Å of generalised coordinates (R, 3)."""
    undeformed, logs = layout.split(coordinates)
    gradients = expm(logs / layout.n_atoms[:, None, None])
    positions = np.einsum("mi,mji->mj", undeformed, gradients[layout.atom_owners])
    return positions, cells0 @ gradients.transpose(0, 2, 1)


def generalised_forces(
    layout: Layout,
    coordinates: np.ndarray,
    cells0: np.ndarray,
    forces: np.ndarray,
    stresses: np.ndarray,
) -> np.ndarray:
    """Forces on the generalised coordinates, (R, 3) in eV/Å.

    Args:
        layout: Of the crystals.
        coordinates: Generalised, (R, 3) in Å.
        cells0: Undeformed cells, (N, 3, 3) in Å.
        forces: On the atoms, (M, 3) in eV/Å.
        stresses: (N, 3, 3) in eV/Å^3.
    """
    logs = layout.split(coordinates)[1] / layout.n_atoms[:, None, None]
    gradients = expm(logs)
    volumes = np.abs(np.linalg.det(cells0) * np.linalg.det(gradients))
    inverse = np.linalg.inv(gradients).transpose(0, 2, 1)
    on_gradient = -volumes[:, None, None] * stresses @ inverse
    on_log = exponential_slope(logs.transpose(0, 2, 1), on_gradient)
    on_atoms = np.einsum("mi,mij->mj", forces, gradients[layout.atom_owners])
    return layout.join(on_atoms, on_log / layout.n_atoms[:, None, None])


def exponential_slope(matrices: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Derivative of the matrix exponential at matrices along directions, (N, 3, 3) each."""
    blocks = np.zeros((len(matrices), 6, 6))
    blocks[:, :3, :3] = blocks[:, 3:, 3:] = matrices
    blocks[:, :3, 3:] = directions
    return expm(blocks)[:, :3, 3:]
