"""The network that all processes on crystals share: messages between all atoms of a crystal."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from matscale.models import cells
from matscale.models.crystals import Batch
from matscale.models.embedding import ElementEmbedding

DISTANCES = 16
"""Gaussians for the distance of an atom's nearest image."""
LARGEST = 4.0
"""The last of them, in units of the cube root of the volume per atom."""


def _neighbours() -> Tensor:
    steps = torch.tensor([-1.0, 0.0, 1.0])
    return torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij"), dim=-1).reshape(-1, 3)


def plane_waves(harmonics: int) -> Tensor:
    """2 pi times the integer vectors of the shortest waves that differ, (13 harmonics, 3)."""
    half = _neighbours()[14:]  # those after the origin: of each pair h, -h one
    return 2 * math.pi * torch.cat([half * order for order in range(1, harmonics + 1)])


class Backbone(nn.Module):
    """Message passing on fully connected crystals, invariant under shifts of the origin.

    An edge sees the difference of fractional coordinates as plane waves, sines and cosines of
    ``2 pi h . f`` (periodic, as in DiffCSP, Jiao et al. 2023, and with vectors h across the axes:
    with those along them alone, a network takes an atom that is right along each axis for one that
    is in its place), the distance to the nearest image under the current cell and, as
    every atom, the cell's six numbers, the time and the conditions.

    Args:
        width: Of all vectors.
        layers: Rounds of messages.
        harmonics: Of the plane waves along edges, face diagonals and body diagonals.
        context: Numbers for each crystal beside the cell, such as conditions.
        dropout: Share of numbers that are left out in training: of elements' vectors, so that what
            is known of elements is made use of, and in each round.
    """

    steps: Tensor
    waves: Tensor
    centres: Tensor

    def __init__(
        self, width: int, layers: int, harmonics: int, context: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.register_buffer("steps", _neighbours(), persistent=False)
        self.register_buffer("waves", plane_waves(harmonics), persistent=False)
        self.register_buffer("centres", torch.linspace(0, LARGEST, DISTANCES), persistent=False)
        self.elements = ElementEmbedding(width, dropout)
        self.composition = nn.Linear(width, width)
        self.context = nn.Sequential(
            nn.Linear(cells.SIZE + 1 + context, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.edge = nn.Linear(2 * len(self.waves) + DISTANCES, width)
        self.rounds = nn.ModuleList([_Round(width, dropout) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.width = width

    def forward(
        self,
        batch: Batch,
        fractional: Tensor,
        cell: Tensor,
        context: Tensor,
        added: Sequence[Tensor] = (),
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Vectors of atoms, (N, width), of edges, (E, width), and sines of edges, (E, waves).

        Args:
            batch: Of crystals.
            fractional: Current coordinates, (N, 3).
            cell: Current cells as six numbers, (B, 6).
            context: What else is known of each crystal, (B, context).
            added: To the atoms of each crystal before each round, (B, width) each; empty for
                nothing.
        """
        difference = fractional[batch.senders] - fractional[batch.receivers]
        angles = difference @ self.waves.T
        sines = angles.sin()
        distance = self._distances(batch, difference, cell)
        edges = self.edge(torch.cat([sines, angles.cos(), distance], dim=1))
        size = batch.counts.float().log()[:, None]
        whole = self.context(torch.cat([cell, size, context], dim=1))
        atoms = self.elements(batch.numbers)
        atoms = atoms + (self.composition(batch.mean(atoms)) + whole)[batch.owner]
        message = edges
        for place, layer in enumerate(self.rounds):
            if added:
                atoms = atoms + added[place][batch.owner]
            atoms, message = layer(batch, atoms, edges, whole)
        return self.norm(atoms), message, sines

    def _distances(self, batch: Batch, difference: Tensor, cell: Tensor) -> Tensor:
        """Gaussians of the distance to the nearest image, (E, DISTANCES)."""
        unit = torch.cat([torch.zeros_like(cell[:, :1]), cell[:, 1:]], dim=1)
        lattice = cells.decode(unit, batch.counts).float()[batch.owner[batch.receivers]]
        wrapped = difference - difference.round()
        images = (wrapped[:, None, :] + self.steps) @ lattice
        nearest = images.square().sum(dim=2).amin(dim=1).clamp(min=1e-8).sqrt()
        spacing = LARGEST / (DISTANCES - 1)
        return (-0.5 * ((nearest[:, None] - self.centres) / spacing).square()).exp()


class _Round(nn.Module):
    """One round of messages."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.receiver, self.sender = nn.Linear(width, width), nn.Linear(width, width, bias=False)
        self.message = nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.update = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, width))
        self.whole = nn.Linear(width, width)

    def forward(
        self, batch: Batch, atoms: Tensor, edges: Tensor, whole: Tensor
    ) -> tuple[Tensor, Tensor]:
        normed = self.norm(atoms) + self.whole(whole)[batch.owner]
        received, sent = self.receiver(normed), self.sender(normed)
        message = self.message(received[batch.receivers] + sent[batch.senders] + edges)
        total = torch.zeros_like(atoms).index_add_(0, batch.receivers, message)
        share = total / batch.counts[batch.owner][:, None]
        return atoms + self.update(torch.cat([normed, share], dim=1)), message


class CoordinateHead(nn.Module):
    """A vector in fractional coordinates for each atom, without their mean.

    From the atom itself and, along sines of the differences to the others, from the edges: such a
    sum turns about with the crystal under inversion by itself.
    """

    def __init__(self, width: int, harmonics: int) -> None:
        super().__init__()
        self.atom = nn.Linear(width, 3)
        self.edge = nn.Linear(width, 3 * len(plane_waves(harmonics)))

    def forward(self, batch: Batch, atoms: Tensor, edges: Tensor, sines: Tensor) -> Tensor:
        """Vectors of atoms, (N, 3), from what :class:`Backbone` returns."""
        weights = self.edge(edges).view(*sines.shape, 3)
        pull = (weights * sines[:, :, None]).sum(dim=1)
        own = self.atom(atoms)
        total = own.index_add(0, batch.receivers, pull)
        return total - batch.mean(total)[batch.owner]


class CellHead(nn.Module):
    """Six numbers for each crystal."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, width), nn.SiLU(), nn.Linear(width, cells.SIZE)
        )

    def forward(self, batch: Batch, atoms: Tensor) -> Tensor:
        """Numbers of crystals, (B, 6), from vectors of atoms, (N, width)."""
        return self.layers(batch.mean(atoms))


class TimeEmbedding(nn.Module):
    """Sines and cosines of a time from 0 to 1."""

    SIZE = 32
    waves: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer(
            "waves", torch.logspace(0, 3, self.SIZE // 2, base=10.0), persistent=False
        )

    def forward(self, time: Tensor) -> Tensor:
        """Vectors, (B, SIZE), of times, (B,)."""
        angles = time[:, None] * self.waves
        return torch.cat([angles.sin(), angles.cos()], dim=1)
