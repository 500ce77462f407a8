"""A variational autoencoder whose decoder denoises coordinates, in the way of CDVAE.

Xie, Fu, Ganea, Barzilay and Jaakkola, Crystal diffusion variational autoencoder for periodic
material generation, ICLR 2022: an encoder takes a crystal to a latent vector z, a head takes z to a
cell, and annealed Langevin dynamics with a network of scores takes uniform coordinates to those of
the crystal (Song and Ermon, 2019). Here the composition is told, so nothing has to be said of it.

The original draws z for what it has never seen from a standard normal distribution. To *rebuild* a
crystal it encodes the crystal itself, which tells the model the answer. Here z comes from a normal
distribution learnt from what is told (Sohn, Lee and Yan, 2015, equation 4); what the encoder makes
of the answer is a control, and :class:`matscale.models.posterior.PosteriorModel` declares it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from matscale.models import cells
from matscale.models.backbone import Backbone, CoordinateHead, TimeEmbedding
from matscale.models.config import NetworkSettings, Settings
from matscale.models.coupling import nearest_images
from matscale.models.crystals import Batch, Crystal
from matscale.models.embedding import ElementEmbedding
from matscale.models.gaussians import divergence, drawn, halves
from matscale.models.process import Process, Statistics, normal, uniform

SPREAD = 0.17
"""Standard deviation of a fractional coordinate's distance from its nearest image in noise."""


class VaeOptions(Settings):
    """What is the autoencoder's own.

    Attributes:
        latent: Numbers of z; 256 in the original.
        encoder_layers: Rounds of messages of the encoder.
        kl_weight: Of the divergence, summed over z, beside the mean squared errors. 0.01 in the
            original; with 0.1 the learnt prior draws crystals that match more often (Supercon-3D,
            validation split).
        cell_weight: Of the cell's error beside the coordinates'.
        noise_levels: From the largest to the smallest, in a geometric row. 1 leaves the largest
            alone, as in AtomBench's runs: coordinates then stay where they were drawn.
        largest: Standard deviation of noise in Å, the first level.
        smallest: The last level, in Å.
        langevin_steps: At each level; 100 in the original. Ten crystals that are known by heart
            are made again by 4, and not all of them by 2.
        step_size: Of Langevin dynamics at the last level in Å²; it grows as the noise's variance.
        sharpness: Distance from the end, as a share of :data:`SPREAD`, below which errors no
            longer weigh more.
    """

    latent: int = Field(default=32, ge=1)
    encoder_layers: int = Field(default=1, ge=1)
    kl_weight: float = Field(default=0.1, ge=0)
    cell_weight: float = Field(default=1.0, gt=0)
    noise_levels: int = Field(default=50, ge=1)
    largest: float = Field(default=10.0, gt=0)
    smallest: float = Field(default=0.01, gt=0)
    langevin_steps: int = Field(default=4, ge=1)
    step_size: float = Field(default=1e-4, gt=0)
    sharpness: float = Field(default=0.1, gt=0)

    @model_validator(mode="after")
    def _falling(self) -> VaeOptions:
        if self.smallest > self.largest:
            raise ValueError(
                f"the smallest noise, {self.smallest} Å, is larger than the largest, "
                f"{self.largest} Å"
            )
        return self


class Vae(Process):
    """An autoencoder with a learnt prior and a denoising decoder."""

    Options = VaeOptions

    def __init__(
        self, options: Any, network: NetworkSettings, told: Sequence[str], statistics: Statistics
    ) -> None:
        super().__init__(options, network, told, statistics)
        width, harmonics, latent = network.width, network.harmonics, options.latent
        self.time = TimeEmbedding()
        self.encoder = Backbone(width, options.encoder_layers, harmonics, width, network.dropout)
        self.posterior_head = nn.Linear(width, 2 * latent)
        self.summary = _Summary(width)
        self.prior_head = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * latent))
        self.cell_head = nn.Sequential(
            nn.Linear(latent + width, width), nn.SiLU(), nn.Linear(width, cells.SIZE)
        )
        self.decoder = Backbone(
            width, network.layers, harmonics, TimeEmbedding.SIZE + width, network.dropout
        )
        self.latent = nn.Linear(latent, width)
        self.coordinates = CoordinateHead(width, harmonics)

    def posterior(self, batch: Batch, fractional: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of z, both (B, latent), of crystals that are known.

        Args:
            batch: What is told.
            fractional: Coordinates, (N, 3).
            cell: Cells, (B, 6).
        """
        atoms, _, _ = self.encoder(batch, fractional, cell, self.conditioning(batch))
        return halves(self.posterior_head(batch.mean(atoms)))

    def prior(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The same of crystals of which nothing is known but what is told."""
        return halves(self.prior_head(self._whole(batch)))

    def cell(self, batch: Batch, z: Tensor) -> Tensor:
        """Cells, (B, 6), of latent vectors, (B, latent); what is told of them stays."""
        numbers = self.cell_head(torch.cat([z, self._whole(batch)], dim=1))
        values, given = self.base.fixed(batch)
        return torch.where(given, values, self.base.centre(batch) + self.base.deviation * numbers)

    def ways(
        self, batch: Batch, fractional: Tensor, cell: Tensor, z: Tensor, sigma: Tensor
    ) -> Tensor:
        """Ways of noised coordinates to the crystal, (N, 3); the score is them / sigma².

        Args:
            batch: What is told.
            fractional: Coordinates, (N, 3).
            cell: Cells, (B, 6).
            z: Latent vectors, (B, latent).
            sigma: Standard deviation of the noise in Å, (B,).
        """
        time = (sigma / self.options.smallest).log() / 10  # from 0 to 0.7 by default
        context = torch.cat([self.time(time), self.conditioning(batch) + self.latent(z)], dim=1)
        atoms, edges, sines = self.decoder(batch, fractional, cell, context)
        unit = self.unit(batch, cell, sigma)
        return self.coordinates(batch, atoms, edges, sines) * unit[batch.owner][:, None]

    def unit(self, batch: Batch, cell: Tensor, sigma: Tensor) -> Tensor:
        """Size of the ways, (B,): that of the noise, as far as images let it grow."""
        edge = (cell[:, 0].exp() * batch.counts) ** (1 / 3)
        share = (sigma / edge / SPREAD).clamp(max=1.0)
        return SPREAD * (share.square() + self.options.sharpness**2).sqrt()

    def levels(self) -> np.ndarray:
        """Standard deviations of the noise in Å, falling."""
        options = self.options
        return np.geomspace(options.largest, options.smallest, options.noise_levels)

    def loss(
        self, crystals: Sequence[Crystal], batch: Batch, random: np.random.Generator
    ) -> dict[str, Tensor]:
        """Errors of ways and cells in units of their size, and the divergence of z."""
        sigma = self.levels()[random.integers(self.options.noise_levels, size=len(batch))]
        image, noised, ways = (part.to(self.device) for part in _noised(crystals, sigma, random))
        end = torch.tensor(np.array([crystal.cell for crystal in crystals])).to(self.device)
        encoded = self.posterior(batch, image, end)
        z = drawn(*encoded, random)
        cell = self.cell(batch, z)
        level = torch.tensor(sigma).float().to(self.device)
        seen = cell.detach()  # what it will see when it samples; the cell has a loss of its own
        predicted = self.ways(batch, noised, seen, z, level)
        errors = (predicted - ways) / self.unit(batch, seen, level)[batch.owner][:, None]
        off = (cell - end) / self.base.deviation
        return {
            "coordinates": batch.mean(errors.square().mean(dim=1)).mean(),
            "cell": self.options.cell_weight * off.square().mean(),
            "kl": self.options.kl_weight * divergence(*encoded, *self.prior(batch)).mean(),
        }

    def sample(self, batch: Batch, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Crystals of latent vectors that the prior draws."""
        return self.decoded(batch, drawn(*self.prior(batch), random), random)

    def decoded(
        self, batch: Batch, z: Tensor, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Crystals of latent vectors, as :meth:`sample` returns them: Langevin dynamics."""
        options = self.options
        cell = self.cell(batch, z)
        inverse = torch.linalg.inv(cells.decode(cell, batch.counts)).float()[batch.owner]
        fractional = uniform(random, (len(batch.numbers), 3), self.base.mean)
        levels = self.levels()
        share = options.step_size / levels[-1] ** 2
        for level in levels.tolist():
            sigma = torch.full((len(batch),), level, device=self.device)
            for _ in range(options.langevin_steps):
                way = self.ways(batch, fractional, cell, z, sigma)
                noise = normal(random, (len(batch.numbers), 1, 3), self.base.mean) @ inverse
                fractional = fractional + share * way + math.sqrt(2 * share) * level * noise[:, 0]
        return fractional, cell

    def _whole(self, batch: Batch) -> Tensor:
        return self.summary(batch, self.conditioning(batch))


class _Summary(nn.Module):
    """What is told of a crystal as one vector: its atoms, how many they are, the conditions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.elements = ElementEmbedding(width)
        self.atom = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.size = nn.Linear(1, width)
        self.whole = nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU())

    def forward(self, batch: Batch, conditions: Tensor) -> Tensor:
        atoms = self.elements(batch.numbers)
        size = self.size(batch.counts.float().log()[:, None])
        return self.whole(batch.mean(self.atom(atoms)) + size + conditions)


def _noised(
    crystals: Sequence[Crystal], sigma: np.ndarray, random: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Coordinates, the same with noise, and the ways to their nearest images, each (N, 3).

    Args:
        crystals: In one of their settings, drawn at random.
        sigma: Standard deviation of the noise in Å, (B,).
        random: Of the draws.
    """
    parts = []
    for crystal, level in zip(crystals, sigma.tolist(), strict=True):
        turn = crystal.symmetries[random.integers(len(crystal.symmetries))]
        image = crystal.fractional @ turn
        noise = level * random.standard_normal(image.shape)
        place = image + noise @ np.linalg.inv(crystal.lattice)  # isotropic, however it is turned
        ways = nearest_images(place, image, crystal.groups, crystal.symmetries, random)
        parts.append((image, place, ways))
    return tuple(torch.tensor(np.concatenate(part)).float() for part in zip(*parts, strict=True))  # type: ignore[return-value]
