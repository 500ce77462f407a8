"""Diffusion of cells and coordinates, in the way of DiffCSP.

Jiao et al., Crystal structure prediction by joint equivariant diffusion, NeurIPS 2023, section 4.2:
cells are mixed with noise on the cosine schedule, coordinates moved by wrapped normal distributions
of geometric deviations, whose score in units of its size is what the network gives, and crystals
drawn by predictor and corrector (their sampling algorithm).

Three things are as they work best at our size. The network predicts the clean cell, from which its
noise follows: the same model, with other weights of its errors. Cells are the six numbers of
:mod:`matscale.models.cells`, with noise about an informed centre. The score to learn is that of the
image of the crystal which is nearest to the noised one, over shifts, exchanges of equal atoms and
symmetries of the lattice: the largest term of the score of all images together, and nearly the
whole of it where noise is small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from matscale.models.backbone import Backbone, CellHead, CoordinateHead, TimeEmbedding
from matscale.models.config import NetworkSettings, Settings
from matscale.models.crystals import Batch, Crystal
from matscale.models.noising import (
    cosine_signal,
    earlier,
    geometric,
    moved,
    score_size,
    unit_score,
)
from matscale.models.process import Process, Statistics, normal, uniform


class DiffusionOptions(Settings):
    """What is the diffusion's own.

    Attributes:
        least: Smallest deviation of fractional coordinates.
        most: Largest one.
        cell_weight: Of the cell's loss beside the coordinates'.
        sampling_steps: From noise to crystal; each asks the network twice.
        correction: Step of the corrector, in units of the squared deviation; 0.4 is what DiffCSP
            takes for MP-20 (its gamma of 1e-5 over the square of 0.005).
    """

    least: float = Field(default=0.005, gt=0)
    most: float = Field(default=0.5, gt=0)
    cell_weight: float = Field(default=0.3, gt=0)
    sampling_steps: int = Field(default=100, ge=1)
    correction: float = Field(default=0.4, ge=0, lt=1)

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.least >= self.most:
            raise ValueError(f"most must be above least, which is {self.least}")
        return self


@dataclass(frozen=True, eq=False)
class Noised:
    """Crystals with noise.

    Attributes:
        time: Of each crystal, (B,).
        fractional: Coordinates, (N, 3).
        cell: Cells as six numbers, (B, 6).
        scores: Of the coordinates, in units of their size, without their mean, (N, 3).
        clean: Cells without noise, (B, 6).
    """

    time: Tensor
    fractional: Tensor
    cell: Tensor
    scores: Tensor
    clean: Tensor


class Diffusion(Process):
    """Denoising diffusion."""

    Options = DiffusionOptions

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
            self.context_size(network),
            network.dropout,
        )
        self.coordinates = CoordinateHead(width, network.harmonics)
        self.cells = CellHead(width)

    @staticmethod
    def context_size(network: NetworkSettings) -> int:
        """Numbers for each crystal that the network sees beside its cell."""
        return TimeEmbedding.SIZE + network.width

    # --- noise ----------------------------------------------------------------------------

    def signal(self, time: Tensor) -> Tensor:
        """Share of the crystal's cell in the variance at times, (B,)."""
        return cosine_signal(time)

    def deviation(self, batch: Batch, time: Tensor) -> Tensor:
        """Standard deviations of fractional coordinates at times, (B,)."""
        return geometric(time, self.options.least, self.options.most)

    def limit(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of cells that are all noise, (B, 6) each."""
        centre = self.base.centre(batch)
        return centre, self.base.deviation.expand_as(centre)

    # --- learning -------------------------------------------------------------------------

    def forward(
        self, batch: Batch, fractional: Tensor, cell: Tensor, time: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Scores of coordinates in units of their size, (N, 3), and clean cells, (B, 6).

        Args:
            batch: What is told.
            fractional: Coordinates, (N, 3).
            cell: Cells, (B, 6).
            time: From 0 to 1, noise, (B,).
        """
        context = torch.cat([self.time(time), self.conditioning(batch)], dim=1)
        atoms, edges, sines = self.backbone(batch, fractional, cell, context)
        return self.answers(batch, atoms, edges, sines)

    def answers(
        self, batch: Batch, atoms: Tensor, edges: Tensor, sines: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What :meth:`forward` returns, of what the backbone does."""
        scores = self.coordinates(batch, atoms, edges, sines)
        clean = self.base.centre(batch) + self.base.deviation * self.cells(batch, atoms)
        return scores, self.told_cells(batch, clean)

    def told_cells(self, batch: Batch, cell: Tensor) -> Tensor:
        """Cells in which what is told stands in its place, (B, 6)."""
        values, given = self.base.fixed(batch)
        return torch.where(given, values, cell)

    def loss(
        self, crystals: Sequence[Crystal], batch: Batch, random: np.random.Generator
    ) -> dict[str, Tensor]:
        """Errors of scores and cells, in units of their size."""
        noised = self.noised(crystals, batch, random)
        return self.errors(batch, noised, self(batch, *self.seen(batch, noised)))

    def noised(
        self, crystals: Sequence[Crystal], batch: Batch, random: np.random.Generator
    ) -> Noised:
        """Crystals at times of their own."""
        time = uniform(random, (len(batch),), self.base.mean)
        deviation = self.deviation(batch, time)
        sizes = deviation.tolist()
        fractional, ways = moved(
            crystals, lambda row, shape: sizes[row] * random.standard_normal(shape), random
        )
        ways = ways.to(self.device)
        scores = unit_score(-ways, deviation, batch.owner)
        clean = torch.tensor(np.array([crystal.cell for crystal in crystals])).to(self.device)
        signal = self.signal(time)[:, None]
        centre, spread = self.limit(batch)
        noise = normal(random, (len(batch), 6), self.base.mean)
        cell = centre + signal.sqrt() * (clean - centre) + (1 - signal).sqrt() * spread * noise
        return Noised(
            time=time,
            fractional=fractional.to(self.device),
            cell=cell,
            scores=scores - batch.mean(scores)[batch.owner],
            clean=clean,
        )

    def seen(self, batch: Batch, noised: Noised) -> tuple[Tensor, Tensor, Tensor]:
        """What :meth:`forward` takes of noised crystals of which something is told."""
        return noised.fractional, self.told_cells(batch, noised.cell), noised.time

    def errors(
        self, batch: Batch, noised: Noised, answers: tuple[Tensor, Tensor]
    ) -> dict[str, Tensor]:
        """Squared errors of what :meth:`forward` returns."""
        scores, clean = answers
        off = (clean - noised.clean) / self.base.deviation
        return {
            "coordinates": batch.mean((scores - noised.scores).square().mean(dim=1)).mean(),
            "cell": self.options.cell_weight * off.square().mean(),
        }

    # --- sampling -------------------------------------------------------------------------

    def sample(self, batch: Batch, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Corrector and predictor in turn, from noise; the last noise is taken off."""
        steps = self.options.sampling_steps
        fractional = uniform(random, (len(batch.numbers), 3), self.base.mean)
        centre, spread = self.limit(batch)
        noise = normal(random, (len(batch), 6), self.base.mean)
        cell = self.told_cells(batch, centre + spread * noise)
        for step in range(steps, 0, -1):
            now = torch.full((len(batch),), step / steps, device=self.device)
            fractional, cell = self.corrected(batch, fractional, cell, now, random)
            then = torch.full((len(batch),), (step - 1) / steps, device=self.device)
            fractional, cell = self.predicted(batch, fractional, cell, now, then, random)
        last = torch.zeros(len(batch), device=self.device)
        scores, clean = self.answered(batch, fractional, cell, last)
        sigma = self.deviation(batch, last)
        way = (sigma.square() * score_size(sigma))[batch.owner, None] * scores
        return fractional + way, clean

    def answered(
        self, batch: Batch, fractional: Tensor, cell: Tensor, time: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What :meth:`forward` returns, as sampling takes it."""
        return self(batch, fractional, cell, time)

    def corrected(
        self,
        batch: Batch,
        fractional: Tensor,
        cell: Tensor,
        now: Tensor,
        random: np.random.Generator,
    ) -> tuple[Tensor, Tensor]:
        """Crystals after a step of Langevin's dynamics at the same time."""
        scores, clean = self.answered(batch, fractional, cell, now)
        sigma = self.deviation(batch, now)
        step = self.options.correction * sigma.square()
        noise = normal(random, tuple(fractional.shape), self.base.mean)
        drift, spread = step * score_size(sigma), (2 * step).sqrt()
        way = drift[batch.owner, None] * scores + spread[batch.owner, None] * noise
        return fractional + way, self.corrected_cell(batch, cell, clean, now, random)

    def corrected_cell(
        self, batch: Batch, cell: Tensor, clean: Tensor, now: Tensor, random: np.random.Generator
    ) -> Tensor:
        """Their cells, which DiffCSP leaves as they are."""
        return cell

    def predicted(
        self,
        batch: Batch,
        fractional: Tensor,
        cell: Tensor,
        now: Tensor,
        then: Tensor,
        random: np.random.Generator,
    ) -> tuple[Tensor, Tensor]:
        """Crystals at an earlier time."""
        scores, clean = self.answered(batch, fractional, cell, now)
        sigma, less = self.deviation(batch, now), self.deviation(batch, then)
        taken = sigma.square() - less.square()
        noise = normal(random, tuple(fractional.shape), self.base.mean)
        drift, spread_left = taken * score_size(sigma), less / sigma * taken.sqrt()
        way = drift[batch.owner, None] * scores + spread_left[batch.owner, None] * noise
        centre, spread = self.limit(batch)
        noise = normal(random, (len(batch), 6), self.base.mean)
        values, wanted = (cell - centre) / spread, (clean - centre) / spread
        values = earlier(values, wanted, self.signal(now), self.signal(then), noise)
        return fractional + way, self.told_cells(batch, centre + spread * values)
