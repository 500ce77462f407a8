"""A language model of crystals, in the way of CrystaLLM and AtomGPT, but trained from scratch.

Antunes, Butler and Grau-Crespo, Crystal structure generation with autoregressive large language
modeling, Nature Communications 2024; Choudhary, AtomGPT, J. Phys. Chem. Lett. 2024. A transformer
reads what is told and writes the lengths and angles of the cell, then coordinates atom by atom, in
tokens of numbers (:mod:`matscale.models.number_tokens`). The composition is told, so that each
place of the text stands for a known digit of a known number: whatever is written is a crystal with
the right atoms.

The text of a crystal hangs on its setting. In training equal atoms are exchanged, the origin, which
is the first atom's place, moves with them, and the setting of the lattice changes, at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from matscale.models import cells, number_tokens
from matscale.models.config import NetworkSettings, Settings
from matscale.models.crystals import Batch, Crystal, described
from matscale.models.embedding import ElementEmbedding
from matscale.models.number_tokens import BASE, CELL_NUMBERS, DIGITS
from matscale.models.process import Process, Statistics
from matscale.models.transformer import Rank, Transformer, check_width, padded

CELL_TOKENS = CELL_NUMBERS * DIGITS
AXES = 3
KINDS = CELL_NUMBERS + AXES
"""Of numbers: three lengths, three angles, three coordinates."""
BEGIN = KINDS // 3 * DIGITS * BASE
"""What is read before the first token."""


class TokensOptions(Settings):
    """What is the language model's own.

    Attributes:
        temperature: By which logits are divided; below 1 what is likely becomes likelier. Draws
            match more often at 0.7 than at 1 (Supercon-3D, validation split), but differ less.
    """

    temperature: float = Field(default=0.7, gt=0)


@dataclass(frozen=True, eq=False)
class _Page:
    """Places of the texts of B crystals: a prefix, then the tokens, of which the longest has T.

    Attributes:
        prefix: Vectors of the prefix, (B, P, width).
        valid_prefix: Which there are, (B, P).
        asked: What is known of each token before it is written, (B, T, width).
        valid: Which tokens there are, (B, T).
        places: Digit and kind of number of each token: rows of the embedding of tokens, (T,).
        unit: Of lengths in Å, (B,).
    """

    prefix: Tensor
    valid_prefix: Tensor
    asked: Tensor
    valid: Tensor
    places: Tensor
    unit: Tensor


class Tokens(Process):
    """A transformer that writes cells and coordinates."""

    Options = TokensOptions

    def __init__(
        self, options: Any, network: NetworkSettings, told: Sequence[str], statistics: Statistics
    ) -> None:
        super().__init__(options, network, told, statistics)
        width = network.width
        check_width(width)
        self.elements = ElementEmbedding(width)
        self.composition = nn.Linear(width, width)
        self.rank, self.size = Rank(width), nn.Linear(1, width)
        self.token = nn.Embedding(BEGIN + 1, width)
        self.place = nn.Embedding(KINDS * DIGITS, width)
        self.transformer = Transformer(width, network.layers)
        self.logits = nn.Linear(width, BEGIN)

    def loss(
        self, crystals: Sequence[Crystal], batch: Batch, random: np.random.Generator
    ) -> dict[str, Tensor]:
        """Cross-entropy of the tokens: those of cells and of coordinates, in nats per token."""
        page = self._page(batch)
        tokens = self._written(crystals, page, random)
        before = self._read(tokens[:, :-1], page.places[:-1])
        begin = self.token.weight[BEGIN].expand(len(batch), 1, -1)
        entered = page.asked + torch.cat([begin, before], dim=1)
        places = torch.cat([page.prefix, entered], dim=1)
        valid = torch.cat([page.valid_prefix, page.valid], dim=1)
        vectors = self.transformer(places, valid, _seen(page, valid))
        vectors = vectors[:, page.prefix.shape[1] :]
        logits = self._logits(vectors, page.places)
        surprise = functional.cross_entropy(logits.permute(0, 2, 1), tokens, reduction="none")
        surprise = torch.where(page.valid, surprise, 0.0)
        total = page.valid.sum()
        return {
            "coordinates": surprise[:, CELL_TOKENS:].sum() / total,
            "cell": surprise[:, :CELL_TOKENS].sum() / total,
        }

    def sample(self, batch: Batch, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Crystals written from the left, each token drawn from those that end in a crystal."""
        page = self._page(batch)
        values, given = self.base.fixed(batch)
        told = number_tokens.cell_levels(cells.decode(values, batch.counts), page.unit)
        told = number_tokens.digits(told).flatten(1)
        whole = given.all(dim=1)
        memory = self.transformer.memory()
        seen = page.valid_prefix[:, None].expand(-1, page.prefix.shape[1], -1)
        self.transformer(page.prefix, page.valid_prefix, seen, memory)
        every = torch.ones(len(batch), 1, dtype=torch.bool, device=self.device)
        sees = page.valid_prefix
        entered = self.token.weight[BEGIN].expand(len(batch), 1, -1)
        written: list[Tensor] = []
        for place in range(page.valid.shape[1]):
            sees = torch.cat([sees, every], dim=1)
            asked = page.asked[:, place : place + 1] + entered
            vectors = self.transformer(asked, every, sees[:, None], memory)
            logits = self._logits(vectors, page.places[place : place + 1])[:, 0]
            token = self._drawn(logits, _allowed(written, len(batch), self.device), random)
            if place < CELL_TOKENS:
                token = torch.where(whole, told[:, place], token)
            written.append(token)
            entered = self._read(token[:, None], page.places[place : place + 1])
        return self._crystals(batch, page, torch.stack(written, dim=1))

    def _crystals(self, batch: Batch, page: _Page, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Coordinates and cells of texts, with what is told of the cells put in place."""
        numbers = number_tokens.levels(tokens.unflatten(1, (-1, DIGITS)))
        lattices = number_tokens.lattices(numbers[:, :CELL_NUMBERS], page.unit)
        values, given = self.base.fixed(batch)
        cell = torch.where(given, values, cells.encode(lattices, batch.counts))
        others = number_tokens.coordinates(numbers[:, CELL_NUMBERS:]).unflatten(1, (-1, AXES))
        placed = torch.cat([torch.zeros_like(others[:, :1]), others], dim=1)
        ranks = torch.arange(placed.shape[1], device=self.device)
        return placed[ranks < batch.counts[:, None]].float(), cell

    def _page(self, batch: Batch) -> _Page:
        most = int(batch.counts.max())
        ranks = torch.arange(most, device=self.device)
        valid = ranks < batch.counts[:, None]
        own = self.elements(batch.numbers) + self.rank(_ranks(batch))
        atoms = padded(own, valid)
        whole = self.composition(batch.mean(own)) + self.conditioning(batch)
        whole = whole + self.size(batch.counts.float().log()[:, None])
        one = torch.ones_like(valid[:, :1])
        tokens = AXES * DIGITS
        asked = torch.cat(
            [
                whole[:, None].expand(-1, CELL_TOKENS, -1),
                (atoms[:, 1:] + whole[:, None]).repeat_interleave(tokens, dim=1),
            ],
            dim=1,
        )
        places = _places(most).to(self.device)
        fixed, given = self.base.fixed(batch)
        volume = torch.where(given[:, 0], fixed[:, 0], self.base.centre(batch)[:, 0])
        return _Page(
            prefix=torch.cat([whole[:, None], atoms], dim=1),
            valid_prefix=torch.cat([one, valid], dim=1),
            asked=asked + self.place(places),
            valid=torch.cat(
                [one.expand(-1, CELL_TOKENS), valid[:, 1:].repeat_interleave(tokens, dim=1)], dim=1
            ),
            places=places,
            unit=number_tokens.cube_root(volume, batch.counts),
        )

    def _written(
        self, crystals: Sequence[Crystal], page: _Page, random: np.random.Generator
    ) -> Tensor:
        """Tokens of crystals, each in a setting drawn at random, (B, T); 0 where there is none."""
        lattices = torch.tensor(np.array([crystal.lattice for crystal in crystals]))
        steps = number_tokens.cell_levels(lattices, page.unit.cpu())
        tokens = torch.zeros(page.valid.shape, dtype=torch.long)
        tokens[:, :CELL_TOKENS] = number_tokens.digits(steps).flatten(1)
        others = [torch.tensor(described(crystal, random)[1:]) for crystal in crystals]
        coordinates = number_tokens.coordinate_levels(torch.cat(others))
        later = page.valid[:, CELL_TOKENS:].cpu()
        tokens[:, CELL_TOKENS:][later] = number_tokens.digits(coordinates).flatten()
        return tokens.to(self.device)

    def _read(self, tokens: Tensor, places: Tensor) -> Tensor:
        """Vectors of tokens, (B, t, width), at places, (t,)."""
        return self.token(tokens + _digit_of(places) * BASE)

    def _logits(self, vectors: Tensor, places: Tensor) -> Tensor:
        """Logits, (B, t, BASE), of the tokens at places, (t,)."""
        every = self.logits(vectors).unflatten(2, (-1, BASE))
        return every[:, torch.arange(len(places), device=self.device), _digit_of(places)]

    def _drawn(self, logits: Tensor, allowed: Tensor, random: np.random.Generator) -> Tensor:
        """A token for each crystal, (B,), from logits, (B, BASE), among those allowed."""
        scaled = (logits.double() / self.options.temperature).masked_fill(~allowed, -torch.inf)
        reached = scaled.softmax(dim=1).cumsum(dim=1)
        draws = torch.tensor(random.random((len(logits), 1))).to(self.device)
        # The share that is reached at the last allowed token may be a bit below 1.
        below = reached <= draws * reached[:, -1:]
        last = allowed.long().mul(torch.arange(BASE, device=self.device)).amax(dim=1)
        return torch.minimum(below.sum(dim=1), last)


def _seen(page: _Page, valid: Tensor) -> Tensor:
    """Which places each looks at, (B, P + T, P + T): all of the prefix, and tokens before it."""
    start, whole = page.prefix.shape[1], valid.shape[1]
    seen = torch.ones(whole, whole, dtype=torch.bool, device=valid.device).tril()
    seen[:start, :start] = True
    return seen & valid[:, None]


def _ranks(batch: Batch) -> Tensor:
    """Place of each atom in its crystal, from 0, (N,)."""
    first = batch.counts.cumsum(0) - batch.counts
    return torch.arange(len(batch.numbers), device=batch.counts.device) - first[batch.owner]


def _places(atoms: int) -> Tensor:
    """Kind of number and digit of each token of a text, (T,)."""
    kinds = [*range(CELL_NUMBERS), *[*range(CELL_NUMBERS, KINDS)] * (atoms - 1)]
    return torch.tensor([kind * DIGITS + digit for kind in kinds for digit in range(DIGITS)])


def _digit_of(places: Tensor) -> Tensor:
    """Lengths, angles or coordinates, and which digit of them: 0 to 5."""
    return places // DIGITS // 3 * DIGITS + places % DIGITS


def _allowed(written: Sequence[Tensor], count: int, device: torch.device) -> Tensor:
    """Tokens after which a crystal can still be written, (B, BASE) bool."""
    place = len(written)
    if not CELL_TOKENS - DIGITS <= place < CELL_TOKENS:
        return torch.ones(count, BASE, dtype=torch.bool, device=device)
    first, second = (
        number_tokens.levels(torch.stack(list(written[start : start + DIGITS]), dim=1))
        for start in (CELL_TOKENS - 3 * DIGITS, CELL_TOKENS - 2 * DIGITS)
    )
    angles = number_tokens.last_angles(first, second).view(-1, BASE, BASE)
    if place == CELL_TOKENS - DIGITS:
        return angles.any(dim=2)
    return angles[torch.arange(count, device=device), written[-1]]
