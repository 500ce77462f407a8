"""What a process is: a network with a loss to learn by and a way to make crystals."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from matscale.models import cells
from matscale.models.conditioning import Conditioning
from matscale.models.config import NetworkSettings, Settings
from matscale.models.crystals import CONDITIONS, Batch, Crystal
from matscale.models.elements import MOST

FIXED = {"cell": slice(0, 6), "volume": slice(0, 1)}
"""Which of a cell's six numbers a field gives away."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """What is known of training crystals before anything is learnt.

    Attributes:
        volume_weights: Of element fractions in the logarithm of the volume per atom, (119,).
        volume_offset: Its intercept.
        cell_mean: Of the cell's six numbers, after that estimate is taken off the first, (6,).
        cell_deviation: Their standard deviation, (6,).
        means: Field to mean of its numbers.
        deviations: Field to their standard deviation.
    """

    volume_weights: Tensor
    volume_offset: Tensor
    cell_mean: Tensor
    cell_deviation: Tensor
    means: Mapping[str, Tensor]
    deviations: Mapping[str, Tensor]

    @classmethod
    def unknown(cls, told: Sequence[str]) -> Statistics:
        """Of the right shapes, for a network whose weights are about to be read."""
        fields = [name for name in told if name in CONDITIONS and name != "space_group"]
        return cls(
            volume_weights=torch.zeros(MOST + 1),
            volume_offset=torch.zeros(()),
            cell_mean=torch.zeros(cells.SIZE),
            cell_deviation=torch.ones(cells.SIZE),
            means={name: torch.zeros(CONDITIONS[name]) for name in fields},
            deviations={name: torch.ones(CONDITIONS[name]) for name in fields},
        )


RIDGE = 0.1
"""Penalty of the squared weights of element fractions, per crystal 1 / n of it."""


def statistics_of(crystals: Sequence[Crystal]) -> Statistics:
    """Statistics of training crystals."""
    fractions = np.array([element_fractions(crystal) for crystal in crystals])
    cells = np.array([crystal.cell for crystal in crystals], dtype=np.float64)
    offset = cells[:, 0].mean()
    gram = fractions.T @ fractions + RIDGE * np.eye(fractions.shape[1])
    weights = np.linalg.solve(gram, fractions.T @ (cells[:, 0] - offset))
    cells[:, 0] -= fractions @ weights + offset
    names = [name for name in crystals[0].conditions if name != "space_group"]
    values = {name: np.array([each.conditions[name] for each in crystals]) for name in names}
    return Statistics(
        volume_weights=_float(weights),
        volume_offset=_float(offset),
        cell_mean=_float(cells.mean(axis=0)),
        cell_deviation=_float(np.maximum(cells.std(axis=0), 0.05)),
        means={name: _float(np.nanmean(values[name], axis=0)) for name in names},
        deviations={
            name: _float(np.maximum(np.nanstd(values[name], axis=0), 0.05)) for name in names
        },
    )


def element_fractions(crystal: Crystal) -> np.ndarray:
    """Share of each element among the atoms, (119,)."""
    fractions = np.zeros(MOST + 1)
    for number, count in crystal.composition:
        fractions[number] = count
    return fractions / fractions.sum()


def _float(values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


class CellBase(nn.Module):
    """Where cells come from before a model has said anything: an informed normal distribution.

    The logarithm of the volume per atom is a ridge regression on element fractions; what is told
    of the cell replaces its numbers.
    """

    weights: Tensor
    offset: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self, statistics: Statistics) -> None:
        super().__init__()
        self.register_buffer("weights", statistics.volume_weights)
        self.register_buffer("offset", statistics.volume_offset)
        self.register_buffer("mean", statistics.cell_mean)
        self.register_buffer("deviation", statistics.cell_deviation)

    def centre(self, batch: Batch) -> Tensor:
        """Its mean for each crystal, (B, 6)."""
        estimate = batch.mean(self.weights[batch.numbers]) + self.offset
        centre = self.mean.expand(len(batch), -1).clone()
        centre[:, 0] += estimate
        return centre

    def draw(self, batch: Batch, random: np.random.Generator) -> Tensor:
        """A cell for each crystal, (B, 6)."""
        noise = normal(random, (len(batch), 6), self.mean)
        return self.centre(batch) + noise * self.deviation

    def fixed(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Numbers of cells that are told, and which they are, both (B, 6)."""
        values = torch.zeros(len(batch), 6, device=batch.counts.device)
        given = torch.zeros_like(values, dtype=torch.bool)
        for name in ("volume", "cell"):
            if name in batch.conditions:
                told = batch.conditions[name]
                known = ~told.isnan()
                values[:, FIXED[name]] = torch.where(known, told, values[:, FIXED[name]])
                given[:, FIXED[name]] |= known
        return values, given


def normal(random: np.random.Generator, shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Standard normal draws, the same on each device."""
    return torch.tensor(random.standard_normal(shape, dtype=np.float32)).to(like.device)


def uniform(random: np.random.Generator, shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Draws between 0 and 1, the same on each device."""
    return torch.tensor(random.random(shape, dtype=np.float32)).to(like.device)


class Process(nn.Module):
    """A generative model of crystals that is learnt by gradient descent.

    A subclass is a file in ``processes/`` and a line in the registry. Its network is made of
    settings alone, so that a run folder can be read.

    Args:
        options: What is the process's own, of its class :attr:`Options`.
        network: Size of the network.
        told: Fields that it is told beside the composition.
        statistics: Of the training crystals.
    """

    Options: ClassVar[type[Settings]] = Settings
    """Settings that this process has beside those of all."""

    def __init__(
        self,
        options: Any,
        network: NetworkSettings,
        told: Sequence[str],
        statistics: Statistics,
    ) -> None:
        super().__init__()
        self.options, self.network, self.told = options, network, tuple(told)
        self.base = CellBase(statistics)
        self.conditioning = Conditioning(
            self.told,
            network.width,
            network.condition_dropout,
            statistics.means,
            statistics.deviations,
        )

    @abstractmethod
    def loss(
        self, crystals: Sequence[Crystal], batch: Batch, random: np.random.Generator
    ) -> dict[str, Tensor]:
        """What is to become small.

        Args:
            crystals: To learn from.
            batch: What is told of them.
            random: Where all draws come from.

        Returns:
            Its parts, weighted: their sum is minimised, and each is logged.
        """

    @abstractmethod
    def sample(self, batch: Batch, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Crystals of which something is told.

        Args:
            batch: What is told; it holds nothing else.
            random: Where all draws come from.

        Returns:
            Fractional coordinates of the atoms, (N, 3), and cells as
            :func:`matscale.models.cells.encode` gives them, (B, 6).
        """

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.base.mean.device
