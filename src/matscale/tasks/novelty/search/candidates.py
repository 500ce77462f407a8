"""The ranked candidates of both kinds, side by side.

Anonymous candidates have the same sites whatever the elements; Wyckoff candidates have the same
space group and occupied Wyckoff positions. The generated elements are put on the training sites.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from matscale.matching.wyckoff.positions import WyckoffTable
from matscale.runtime.memory import Memory
from matscale.structures.table import StructureTable
from matscale.tasks.novelty.search.anonymous import anonymous_candidates
from matscale.tasks.novelty.search.wyckoff import wyckoff_candidates
from matscale.tasks.novelty.settings import NoveltySettings

ANONYMOUS, WYCKOFF = "anonymous", "wyckoff"


@dataclass(frozen=True)
class Candidates:
    """Training crystals that bear the elements of generated ones, (K,) each.

    Attributes:
        generated: Row of the generated crystal.
        train: Row of the training crystal.
        kind: ``"anonymous"`` or ``"wyckoff"``.
        cost: Mean modified-Pettifor distance over the sites.
        whole: Whether each element became one other everywhere, and no two the same.
        swaps: Such as ``"Na>K Cl>Br"``: training element, generated element, changed ones only.
        crystals: The substituted crystals, in the training crystal's cell.
        pairs: Pairs that were matched (anonymous) or found (Wyckoff) to have the cheapest.
        undecided: Anonymous pairs whose search was given up as too large.
    """

    generated: np.ndarray
    train: np.ndarray
    kind: np.ndarray
    cost: np.ndarray
    whole: np.ndarray
    swaps: np.ndarray
    crystals: StructureTable
    pairs: dict[str, int]
    undecided: int

    def __len__(self) -> int:
        return len(self.generated)


def find_candidates(
    generated: WyckoffTable,
    train: WyckoffTable,
    settings: NoveltySettings,
    memory: Memory,
    *,
    keep: Path | None,
    workers: int | None,
    name: str,
) -> Candidates:
    """The cheapest anonymous and Wyckoff candidates of each generated crystal.

    Args:
        generated: Reduced crystals with their symmetry.
        train: Likewise.
        settings: Of the run.
        memory: Where site maps are kept.
        keep: Where matches are kept.
        workers: Threads or processes.
        name: Whose crystals they are, for the progress display.
    """
    anonymous, matched = anonymous_candidates(
        generated.table, train.table, settings.framework, memory, settings.top,
        keep=keep, workers=workers, label=f"anonymous candidates of {name}",
    )  # fmt: skip
    wyckoff, paired = wyckoff_candidates(generated, train, settings.top, workers=workers)
    candidates = [*anonymous, *wyckoff]
    return Candidates(
        generated=np.array([each.generated for each in candidates], np.int64),
        train=np.array([each.train for each in candidates], np.int64),
        kind=np.array([ANONYMOUS] * len(anonymous) + [WYCKOFF] * len(wyckoff), dtype=object),
        cost=np.array([each.cost for each in candidates], float),
        whole=np.array([each.whole for each in candidates], bool),
        swaps=np.array([each.swaps for each in candidates], dtype=object),
        crystals=StructureTable.concatenate([each.crystal for each in candidates]),
        pairs={ANONYMOUS: matched.tested, WYCKOFF: paired.tested},
        undecided=matched.undecided,
    )
