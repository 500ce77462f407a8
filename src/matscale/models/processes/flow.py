"""Flow matching of cells and coordinates, in the way of FlowMM and OMatG.

Coordinates go from uniform ones on straight paths to the crystal (Lipman et al., Flow matching for
generative modeling, ICLR 2023; Miller et al., FlowMM, ICML 2024), cells from an informed normal
distribution. The network predicts where a path ends. For coordinates that is the image of the
crystal nearest to where the path now is, over shifts, exchanges of equal atoms and symmetries of
the lattice. Couplings that pair noise with its nearest image before the path is drawn (Klein et
al. 2023) leave regions between the images that no path crosses, and a sampler that strays there is
lost; here every region is learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from matscale.models.backbone import Backbone, CellHead, CoordinateHead, TimeEmbedding
from matscale.models.config import NetworkSettings, Settings
from matscale.models.crystals import Batch, Crystal
from matscale.models.noising import moved
from matscale.models.process import Process, Statistics, uniform

SPREAD = 0.17
"""Standard deviation of a fractional coordinate's distance from its nearest image in noise."""


class FlowOptions(Settings):
    """What is the flow's own.

    Attributes:
        sharpness: Distance from the end, as a share of :data:`SPREAD`, below which errors no
            longer weigh more.
        cell_weight: Of the cell's loss beside the coordinates'.
        sampling_steps: Of Euler's method.
        slope: Coordinates go faster by 1 + slope t, so that they settle before the end.
    """

    sharpness: float = Field(default=0.1, gt=0)
    cell_weight: float = Field(default=0.3, gt=0)
    sampling_steps: int = Field(default=50, ge=1)
    slope: float = Field(default=10.0, ge=0)


class Flow(Process):
    """Flow matching."""

    Options = FlowOptions

    def __init__(
        self, options: Any, network: NetworkSettings, told: Sequence[str], statistics: Statistics
    ) -> None:
        super().__init__(options, network, told, statistics)
        width = network.width
        self.time = TimeEmbedding()
        self.backbone = Backbone(
            width,
            network.layers,
            network.harmonics,
            TimeEmbedding.SIZE + width,
            network.dropout,
        )
        self.coordinates = CoordinateHead(width, network.harmonics)
        self.cells = CellHead(width)

    def ends(
        self, batch: Batch, fractional: Tensor, cell: Tensor, time: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Ways of coordinates to where they end, (N, 3), and the cells at the end, (B, 6).

        Args:
            batch: What is told.
            fractional: Coordinates, (N, 3).
            cell: Cells, (B, 6).
            time: From 0, noise, to 1, (B,).
        """
        context = torch.cat([self.time(time), self.conditioning(batch)], dim=1)
        atoms, edges, sines = self.backbone(batch, fractional, cell, context)
        ways = self.coordinates(batch, atoms, edges, sines) * self.unit(time)[batch.owner][:, None]
        end = self.base.centre(batch) + self.base.deviation * self.cells(batch, atoms)
        values, given = self.base.fixed(batch)
        return ways, torch.where(given, values, end)

    def unit(self, time: Tensor) -> Tensor:
        """Size of the ways at a time: that of noise, then less and less."""
        left = (1.7 * (1 - time)).clamp(max=1.0)  # 0.29 of a uniform coordinate is 1.7 spreads
        return SPREAD * (left.square() + self.options.sharpness**2).sqrt()

    def loss(
        self, crystals: Sequence[Crystal], batch: Batch, random: np.random.Generator
    ) -> dict[str, Tensor]:
        """Errors of ways and cells, in units of their size."""
        time = uniform(random, (len(batch),), self.base.mean)
        fractional, ways = noised(crystals, time.cpu().numpy(), random)
        end = torch.tensor(np.array([crystal.cell for crystal in crystals])).to(self.device)
        start = self.base.draw(batch, random)
        values, given = self.base.fixed(batch)
        cell = torch.where(given, values, start + time[:, None] * (end - start))
        predicted, predicted_end = self.ends(batch, fractional.to(self.device), cell, time)
        errors = (predicted - ways.to(self.device)) / self.unit(time)[batch.owner][:, None]
        off = (predicted_end - end) / self.base.deviation
        return {
            "coordinates": batch.mean(errors.square().mean(dim=1)).mean(),
            "cell": self.options.cell_weight * off.square().mean(),
        }

    def sample(self, batch: Batch, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Euler's method from noise."""
        steps, slope = self.options.sampling_steps, self.options.slope
        fractional = uniform(random, (len(batch.numbers), 3), self.base.mean)
        cell = self.base.draw(batch, random)
        values, given = self.base.fixed(batch)
        cell = torch.where(given, values, cell)
        for step in range(steps):
            at = step / steps
            time = torch.full((len(batch),), at, device=self.device)
            ways, end = self.ends(batch, fractional, cell, time)
            share = min(1.0, (1 + slope * at) / (steps - step))
            fractional = fractional + share * ways
            cell = cell + (end - cell) / (steps - step)
        return fractional, cell


def noised(
    crystals: Sequence[Crystal], time: np.ndarray, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Coordinates on paths from uniform noise, and the ways to the nearest images, both (N, 3).

    Args:
        crystals: In one of their settings, drawn at random.
        time: Share of each path that is done, (B,).
        random: Of the draws.
    """
    at = time.tolist()
    return moved(crystals, lambda row, shape: (1 - at[row]) * (random.random(shape) - 0.5), random)
