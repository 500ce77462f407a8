"""How a run of the perception task asks."""

from __future__ import annotations

from dataclasses import dataclass, field

from matscale.tasks.perception.engine import Patience


@dataclass(frozen=True)
class PerceptionSettings:
    """How a run asks.

    Attributes:
        orders: In how many orders options are shown under the sound protocol.
        repeats: How often a judge scores the same answer under the sound protocol.
        audited: Figures at most for which a judge also scores reference, caption and a foreign
            paragraph, and repeats itself.
        seed: Of orders, of what is audited, and of the bootstrap.
        patience: Retries and time-outs.
    """

    orders: int = 2
    repeats: int = 3
    audited: int = 100
    seed: int = 0
    patience: Patience = field(default_factory=Patience)
