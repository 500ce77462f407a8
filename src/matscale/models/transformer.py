"""A transformer that reads a prefix at once and what follows from the left."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from matscale.runtime.errors import UserError

HEADS = 4


def check_width(width: int) -> None:
    """Whether a transformer can be so wide.

    Raises:
        UserError: If its heads cannot share the width.
    """
    if width % HEADS:
        raise UserError(f"network.width: give a multiple of {HEADS}; it is {width}")


class Transformer(nn.Module):
    """Rounds of attention and of a network on each place (Vaswani et al. 2017), normed before.

    Args:
        width: Of all vectors; a multiple of :data:`HEADS`.
        layers: Rounds.
    """

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.rounds = nn.ModuleList([_Round(width) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)

    def forward(
        self, places: Tensor, valid: Tensor, seen: Tensor, memory: list[Memory] | None = None
    ) -> Tensor:
        """Vectors of places, (B, L, width); zeros where there is none.

        Args:
            places: What goes in, (B, L, width).
            valid: Which places there are, (B, L); only on them time is spent.
            seen: Which places each may look at, those in memory first, (B, L, all) bool.
            memory: One for each round, of what came before; what comes now is added to it.
        """
        flat = places[valid]
        for index, layer in enumerate(self.rounds):
            flat = layer(flat, valid, seen, None if memory is None else memory[index])
        return padded(self.norm(flat), valid)

    def memory(self) -> list[Memory]:
        """Nothing yet, to be handed to :meth:`forward`."""
        return [Memory() for _ in self.rounds]


class Memory:
    """Keys and values of the places that a round has seen."""

    def __init__(self) -> None:
        self._kept: Tensor | None = None

    def with_(self, new: Tensor) -> Tensor:
        """All keys and values, (2, B, heads, places, size), after these came."""
        self._kept = new if self._kept is None else torch.cat([self._kept, new], dim=3)
        return self._kept


class _Round(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.split, self.join = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.own = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, flat: Tensor, valid: Tensor, seen: Tensor, memory: Memory | None) -> Tensor:
        width = flat.shape[1]
        split = padded(self.split(self.before(flat)), valid)
        query, *both = split.view(*valid.shape, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
        pair = torch.stack(both)
        key, value = pair if memory is None else memory.with_(pair)
        heard = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen[:, None])
        flat = flat + self.join(heard.transpose(1, 2)[valid].flatten(1))
        return flat + self.own(self.between(flat))


def padded(flat: Tensor, valid: Tensor) -> Tensor:
    """Vectors of places that there are, (M, size), with zeros for the others, (B, L, size)."""
    padded = flat.new_zeros(*valid.shape, flat.shape[1])
    padded[valid] = flat
    return padded


class Rank(nn.Module):
    """Places in a row as vectors, however many there are."""

    SIZE = 16
    waves: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        waves = 2 * math.pi / torch.logspace(0.4, 2.4, self.SIZE // 2, base=10.0)
        self.register_buffer("waves", waves, persistent=False)
        self.linear = nn.Linear(self.SIZE, width)

    def forward(self, ranks: Tensor) -> Tensor:
        """Vectors, (..., width), of ranks from 0."""
        angles = ranks[..., None] * self.waves
        return self.linear(torch.cat([angles.sin(), angles.cos()], dim=-1))
