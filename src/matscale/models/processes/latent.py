"""Flow matching in the latent space of an autoencoder, in the way of ADiT.

Joshi et al., All-atom diffusion transformers, ICML 2025: an encoder takes each atom of a crystal to
a few numbers, a decoder takes them back, and a transformer learns a flow from normal noise to such
latent vectors. The original trains one after the other; here each step trains both, the flow on
latent vectors that it takes as given. The composition is told, so that only coordinates and the
cell have to be decoded; the cell has a latent vector of its own. The network of the flow predicts
its end, and sees what it predicted the step before (self-conditioning: Chen, Zhang and Hinton,
Analog bits, ICLR 2023).

Nothing here is made for symmetry. As in the original, crystals are shown in settings drawn at
random: shifts of the origin, here those that put an atom into it, exchanges of equal atoms and
symmetries of the lattice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from matscale.models import cells
from matscale.models.backbone import TimeEmbedding, plane_waves
from matscale.models.config import NetworkSettings, Settings
from matscale.models.crystals import Batch, Crystal, described
from matscale.models.embedding import ElementEmbedding
from matscale.models.gaussians import divergence, drawn, halves
from matscale.models.process import Process, Statistics, normal, uniform
from matscale.models.transformer import Transformer, check_width, padded

AXES = 3


class LatentOptions(Settings):
    """What is the latent flow's own.

    Attributes:
        latent: Numbers of each atom's latent vector, as of the cell's.
        coder_layers: Rounds of the encoder, and of the decoder.
        kl_weight: Of the latent vectors' divergence from normal noise.
        flow_weight: Of the flow's errors beside those of the autoencoder.
        self_conditioning: Whether the flow sees its last prediction.
        sharpness: Distance from the end below which errors no longer weigh more.
        sampling_steps: Of Euler's method.
    """

    latent: int = Field(default=8, ge=1)
    coder_layers: int = Field(default=1, ge=1)
    kl_weight: float = Field(default=1e-3, ge=0)
    flow_weight: float = Field(default=1.0, gt=0)
    self_conditioning: bool = True
    sharpness: float = Field(default=0.1, gt=0)
    sampling_steps: int = Field(default=50, ge=1)


class Latent(Process):
    """An autoencoder, and a flow between noise and what it encodes."""

    Options = LatentOptions
    waves: Tensor

    def __init__(
        self, options: Any, network: NetworkSettings, told: Sequence[str], statistics: Statistics
    ) -> None:
        super().__init__(options, network, told, statistics)
        check_width(network.width)
        width, latent, coder = network.width, options.latent, options.coder_layers
        self.register_buffer("waves", plane_waves(network.harmonics), persistent=False)
        self.atoms = _Told(width)
        self.encoder = _Places(2 * len(self.waves), cells.SIZE, width, coder, 2 * latent)
        self.decoder = _Places(latent, latent, width, coder, 2 * AXES, cells.SIZE)
        self.time = nn.Linear(TimeEmbedding.SIZE, width)
        self.times = TimeEmbedding()
        self.flow = _Places(2 * latent, 2 * latent, width, network.layers, latent)

    def encoded(self, batch: Batch, fractional: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of latent vectors, both (B + N, latent).

        Args:
            batch: What is told.
            fractional: Coordinates, (N, 3).
            cell: Cells, (B, 6).
        """
        angles = fractional @ self.waves.T
        seen = torch.cat([angles.sin(), angles.cos()], dim=1)
        shape = (cell - self.base.centre(batch)) / self.base.deviation
        whole, atoms = self.encoder(batch, shape, seen, *self.atoms(batch))
        return halves(torch.cat([whole, atoms]))

    def decoded(self, batch: Batch, z: Tensor) -> tuple[Tensor, Tensor]:
        """Sines and cosines of coordinates, (N, 3, 2), and cells, (B, 6), of latent vectors."""
        whole, atoms = z[: len(batch)], z[len(batch) :]
        shape, circles = self.decoder(batch, whole, atoms, *self.atoms(batch))
        cell = self.base.centre(batch) + self.base.deviation * shape
        values, given = self.base.fixed(batch)
        return circles.unflatten(1, (AXES, 2)), torch.where(given, values, cell)

    def end(self, batch: Batch, z: Tensor, before: Tensor, time: Tensor) -> Tensor:
        """Where a path in the latent space ends, (B + N, latent).

        Args:
            batch: What is told.
            z: Where it is.
            before: What was predicted of the end; zeros where nothing was.
            time: From 0, noise, to 1, (B,).
        """
        whole, atoms = self.atoms(batch)
        whole = whole + self.conditioning(batch) + self.time(self.times(time))
        seen = torch.cat([z, before], dim=1)
        ways = self.flow(batch, seen[: len(batch)], seen[len(batch) :], whole, atoms)
        return z + self._unit(batch, time) * torch.cat(ways)

    def _unit(self, batch: Batch, time: Tensor) -> Tensor:
        """Size of ways that are left at a time, (B + N, 1)."""
        unit = ((1 - time).square() + self.options.sharpness**2).sqrt()
        return torch.cat([unit, unit[batch.owner]])[:, None]

    def loss(
        self, crystals: Sequence[Crystal], batch: Batch, random: np.random.Generator
    ) -> dict[str, Tensor]:
        """Errors of what is decoded and of the flow, and the latent vectors' divergence."""
        images = np.concatenate([described(crystal, random) for crystal in crystals])
        fractional = torch.tensor(images).float().to(self.device)
        cell = torch.tensor(np.array([crystal.cell for crystal in crystals])).to(self.device)
        mean, log = self.encoded(batch, fractional, cell)
        z = drawn(mean, log, random)
        circles, shape = self.decoded(batch, z)
        angles = 2 * torch.pi * fractional
        off = circles - torch.stack([angles.sin(), angles.cos()], dim=2)
        return {
            "coordinates": batch.mean(off.square().mean(dim=(1, 2))).mean(),
            "cell": ((shape - cell) / self.base.deviation).square().mean(),
            "kl": self.options.kl_weight
            * divergence(mean, log, torch.zeros_like(mean), torch.zeros_like(log)).mean(),
            "flow": self.options.flow_weight * self._flow_loss(batch, z.detach(), random),
        }

    def _flow_loss(self, batch: Batch, z: Tensor, random: np.random.Generator) -> Tensor:
        time = uniform(random, (len(batch),), self.base.mean)
        share = torch.cat([time, time[batch.owner]])[:, None]
        place = (1 - share) * normal(random, tuple(z.shape), z) + share * z
        before = torch.zeros_like(z)
        if self.options.self_conditioning and random.random() < 0.5:
            with torch.no_grad():
                before = self.end(batch, place, before, time)
        errors = (self.end(batch, place, before, time) - z) / self._unit(batch, time)
        own = errors.square().mean(dim=1)
        return own[: len(batch)].mean() + batch.mean(own[len(batch) :]).mean()

    def sample(self, batch: Batch, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Euler's method from noise, then the decoder."""
        steps = self.options.sampling_steps
        z = normal(random, (len(batch) + len(batch.numbers), self.options.latent), self.base.mean)
        before = torch.zeros_like(z)
        for step in range(steps):
            time = torch.full((len(batch),), step / steps, device=self.device)
            end = self.end(batch, z, before, time)
            z = z + (end - z) / (steps - step)
            if self.options.self_conditioning:
                before = end
        circles, cell = self.decoded(batch, z)
        return torch.atan2(circles[:, :, 0], circles[:, :, 1]) / (2 * torch.pi), cell


class _Told(nn.Module):
    """What is told of crystals, (B, width), and of their atoms, (N, width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.elements = ElementEmbedding(width)
        self.size = nn.Linear(1, width)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        atoms = self.elements(batch.numbers)
        return batch.mean(atoms) + self.size(batch.counts.float().log()[:, None]), atoms


class _Places(nn.Module):
    """A transformer on the places of crystals: the cell, then each atom, in no order.

    Args:
        atom_in: Numbers of an atom that go in.
        cell_in: Of a cell.
        width: Of its vectors.
        layers: Its rounds.
        atom_out: Numbers of an atom that come out.
        cell_out: Of a cell; as many as of an atom where not given.
    """

    def __init__(
        self,
        atom_in: int,
        cell_in: int,
        width: int,
        layers: int,
        atom_out: int,
        cell_out: int | None = None,
    ) -> None:
        super().__init__()
        self.atom_in, self.cell_in = nn.Linear(atom_in, width), nn.Linear(cell_in, width)
        self.transformer = Transformer(width, layers)
        self.atom_out = nn.Linear(width, atom_out)
        self.cell_out = nn.Linear(width, atom_out if cell_out is None else cell_out)

    def forward(
        self, batch: Batch, cell: Tensor, atoms: Tensor, told: Tensor, told_atoms: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Numbers of cells and of atoms."""
        flat = self.atom_in(atoms) + told_atoms
        ranks = torch.arange(int(batch.counts.max()), device=flat.device)
        valid = ranks < batch.counts[:, None]
        first = (self.cell_in(cell) + told)[:, None]
        every = torch.cat([torch.ones_like(valid[:, :1]), valid], dim=1)
        seen = every[:, None].expand(-1, every.shape[1], -1)
        vectors = self.transformer(
            torch.cat([first, padded(flat + told[batch.owner], valid)], dim=1), every, seen
        )
        return self.cell_out(vectors[:, 0]), self.atom_out(vectors[:, 1:][valid])
