"""What a model is told beside the composition, as one vector for each crystal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from matscale.models.crystals import CONDITIONS, Batch

GROUPS = 231


class Conditioning(nn.Module):
    """Embeds fields; a value that is not known, or is held back, has a vector of its own.

    In training each field of each crystal is held back with a probability, so that one set of
    weights answers with and without it, as classifier-free guidance needs (Ho and Salimans, 2022).

    Args:
        told: Keys of :data:`CONDITIONS`.
        width: Of the vector.
        dropout: Probability.
        means: Field to mean of its numbers; not of the space group.
        deviations: Field to their standard deviation.
    """

    def __init__(
        self,
        told: Sequence[str],
        width: int,
        dropout: float,
        means: Mapping[str, Tensor],
        deviations: Mapping[str, Tensor],
    ) -> None:
        super().__init__()
        self.told, self.dropout = tuple(told), dropout
        self.nulls = nn.ParameterDict({name: nn.Parameter(torch.zeros(width)) for name in told})
        self.embeddings = nn.ModuleDict(
            {
                name: nn.Embedding(GROUPS, width)
                if name == "space_group"
                else nn.Sequential(
                    nn.Linear(CONDITIONS[name], width), nn.SiLU(), nn.Linear(width, width)
                )
                for name in told
            }
        )
        for name in told:
            if name != "space_group":
                self.register_buffer(f"mean_{name}", means[name])
                self.register_buffer(f"deviation_{name}", deviations[name])
        self.width = width

    def forward(self, batch: Batch) -> Tensor:
        """The sum of the fields' vectors, (B, width); zeros where nothing is told."""
        total = torch.zeros(len(batch), self.width, device=batch.counts.device)
        for name in self.told:
            values = batch.conditions[name]
            unknown = values.isnan().any(dim=1, keepdim=True)
            vectors = self._embedded(name, values.nan_to_num())
            total = total + torch.where(unknown, self.nulls[name], vectors)
        return total

    def held_back(self, batch: Batch, random: np.random.Generator) -> Batch:
        """The batch with some values taken away at random, as for training."""
        hidden = {}
        for name in self.told:
            values = batch.conditions[name]
            gone = torch.tensor(random.random(len(batch)) < self.dropout).to(values.device)
            hidden[name] = values.masked_fill(gone[:, None], float("nan"))
        return replace(batch, conditions=hidden)

    def _embedded(self, name: str, values: Tensor) -> Tensor:
        if name == "space_group":
            return self.embeddings[name](values[:, 0].long())
        mean, deviation = self.get_buffer(f"mean_{name}"), self.get_buffer(f"deviation_{name}")
        return self.embeddings[name]((values - mean) / deviation)
