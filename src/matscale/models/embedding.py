"""Elements as vectors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from matscale.models.elements import MOST, element_features


class ElementEmbedding(nn.Module):
    """A learnt vector for each element, and a learnt map of what is known of it.

    Args:
        width: Of the vectors.
        dropout: Share of the learnt vectors' numbers that are left out in training.
    """

    features: Tensor

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("features", torch.tensor(element_features()), persistent=False)
        self.element = nn.Embedding(MOST + 1, width)
        self.known = nn.Linear(self.features.shape[1], width)

    def forward(self, numbers: Tensor) -> Tensor:
        """Vectors, (N, width), of atomic numbers, (N,)."""
        return self.dropout(self.element(numbers)) + self.known(self.features[numbers])
