"""Diffusion with adapters for what is told beside the composition, in the way of MatterGen.

Zeni et al., A generative model for inorganic materials design, Nature 639, 2025, methods and
supplementary information: coordinates are moved by wrapped normal distributions whose deviation
falls with the cube root of the number of atoms, so that it is the same in Å, cells go towards cubes
of the mean density, and what is told reaches a base model by adapters that start from zero, so that
a new one changes nothing. Guidance goes beyond what is told (Ho and Salimans, Classifier-free
diffusion guidance, 2022).

Base and adapters learn at once here: the base from crystals of which nothing but the composition
is told, the adapters from the same crystals on a base that is held fixed. Elements are given, so
they are not noised. Scores, clean cells and the corrector's step are those of
:mod:`matscale.models.processes.diffusion`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.func import functional_call

from matscale.models.backbone import TimeEmbedding
from matscale.models.config import NetworkSettings
from matscale.models.crystals import Batch, Crystal
from matscale.models.noising import geometric, linear_signal
from matscale.models.process import Statistics, normal
from matscale.models.processes.diffusion import Diffusion, DiffusionOptions

CELL_SPREAD = 0.5
"""Standard deviation of cells' numbers in noise: of lengths over the cube's it is the square root
of MatterGen's 0.25."""
ADAPTERS = ("adapters.", "conditioning.")
"""Begins the names of weights that learn from what is told."""


class AdapterOptions(DiffusionOptions):
    """What is the adapter's own, beside what the diffusion has.

    Attributes:
        least: Smallest deviation of fractional coordinates, for one atom.
        most: Largest one.
        guidance: How far answers go from those of the base, 0, to those with what is told, 1,
            and beyond.
    """

    least: float = Field(default=0.01, gt=0)
    most: float = Field(default=5.0, gt=0)
    guidance: float = Field(default=1.0, ge=0)


class Adapter(Diffusion):
    """Diffusion with adapters."""

    Options = AdapterOptions

    def __init__(
        self, options: Any, network: NetworkSettings, told: Sequence[str], statistics: Statistics
    ) -> None:
        super().__init__(options, network, told, statistics)
        width = network.width
        adapters = [nn.Linear(width, width, bias=False) for _ in range(network.layers)]
        for adapter in adapters:
            nn.init.zeros_(adapter.weight)
        self.adapters = nn.ModuleList(adapters)

    @staticmethod
    def context_size(network: NetworkSettings) -> int:
        """Numbers for each crystal that the base sees: the time alone."""
        return TimeEmbedding.SIZE

    # --- noise ----------------------------------------------------------------------------

    def signal(self, time: Tensor) -> Tensor:
        """Share of the crystal's cell in the variance at times, (B,)."""
        return linear_signal(time)

    def deviation(self, batch: Batch, time: Tensor) -> Tensor:
        """Standard deviations of fractional coordinates at times, (B,)."""
        whole = geometric(time, self.options.least, self.options.most)
        return whole / batch.counts ** (1 / 3)

    def limit(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of cells that are all noise, (B, 6) each."""
        centre = torch.zeros(len(batch), 6, device=self.device)
        centre[:, 0] = self.base.offset
        return centre, torch.full_like(centre, CELL_SPREAD)

    # --- learning -------------------------------------------------------------------------

    def forward(
        self, batch: Batch, fractional: Tensor, cell: Tensor, time: Tensor
    ) -> tuple[Tensor, Tensor]:
        """As :meth:`Diffusion.forward`; where nothing is told, the base's answers."""
        vector = self.conditioning(batch) - self.conditioning(untold(batch))
        added = [adapter(vector) for adapter in self.adapters]
        atoms, edges, sines = self.backbone(batch, fractional, cell, self.time(time), added)
        return self.answers(batch, atoms, edges, sines)

    def loss(
        self, crystals: Sequence[Crystal], batch: Batch, random: np.random.Generator
    ) -> dict[str, Tensor]:
        """Errors of the base and, where something is told, of the adapters on a fixed base."""
        bare = untold(batch)
        noised = self.noised(crystals, batch, random)
        errors = self.errors(bare, noised, self(bare, *self.seen(bare, noised)))
        if not self.told:
            return errors
        weights = {
            name: weight if name.startswith(ADAPTERS) else weight.detach()
            for name, weight in self.named_parameters()
        }
        answers = functional_call(self, weights, (batch, *self.seen(batch, noised)))
        adapted = self.errors(batch, noised, answers)
        return errors | {f"adapted_{name}": error for name, error in adapted.items()}

    # --- sampling -------------------------------------------------------------------------

    def answered(
        self, batch: Batch, fractional: Tensor, cell: Tensor, time: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Answers with guidance."""
        guidance = self.options.guidance
        scores, clean = self(batch, fractional, cell, time)
        if guidance == 1 or not self.told:
            return scores, clean
        bare_scores, bare = self(untold(batch), fractional, cell, time)
        clean = self.told_cells(batch, bare + guidance * (clean - bare))
        return bare_scores + guidance * (scores - bare_scores), clean

    def corrected_cell(
        self, batch: Batch, cell: Tensor, clean: Tensor, now: Tensor, random: np.random.Generator
    ) -> Tensor:
        """Cells after a step of Langevin's dynamics, as coordinates take it."""
        centre, spread = self.limit(batch)
        step, signal = self.options.correction, self.signal(now)[:, None]
        noise = normal(random, tuple(cell.shape), self.base.mean)
        drift = step * (centre + signal.sqrt() * (clean - centre) - cell)
        jump = (2 * step * (1 - signal)).sqrt() * spread * noise
        return self.told_cells(batch, cell + drift + jump)


def untold(batch: Batch) -> Batch:
    """The batch with nothing told beside the composition."""
    hidden = {
        name: torch.full_like(values, float("nan")) for name, values in batch.conditions.items()
    }
    return replace(batch, conditions=hidden)
