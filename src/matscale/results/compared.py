"""How the results of a task are compared: what their samples are, read by ``compare``."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ComparedTask:
    """What the samples of a task's results are. Metrics say themselves how they are compared.

    Attributes:
        paired: Whether both answer the same ids, so that differences are taken id by id. Else the
            samples of each are its own, such as generated crystals.
        clusters: Column whose values samples share that are not independent, "" for none: a
            resample draws these, as the intervals of the metrics do.
        samples: What the samples are called.
        own_settings: Settings that belong to one predictor and may differ.
        sizes_matter: What two sets of unequal size do to the comparison, in a sentence, or "".
    """

    paired: bool = True
    clusters: str = ""
    samples: str = "samples"
    own_settings: frozenset[str] = field(default_factory=frozenset)
    sizes_matter: str = ""
