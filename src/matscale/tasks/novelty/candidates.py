"""Training crystals that a generated one may come from by swapping elements, the cheapest first.

Anonymous candidates have the same sites whatever the elements; Wyckoff candidates have the same
space group and occupied Wyckoff positions. The generated elements are put on the training sites.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols

from matscale.matching.wyckoff.matches import match_rows
from matscale.matching.wyckoff.positions import WyckoffTable
from matscale.runtime.memory import Memory
from matscale.structures.table import StructureTable
from matscale.tasks.novelty.cheapest import Cheapest, cheapest_matches, cheapest_wyckoff
from matscale.tasks.novelty.settings import NoveltySettings
from matscale.tasks.novelty.site_maps import SiteMaps, site_maps

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
        unmapped: Anonymous pairs for which no site map was found; they are no candidates.
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
    unmapped: int
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
    anonymous, found = _anonymous(
        generated.table, train.table, settings, memory, keep, workers, name
    )
    wyckoff, matched = _wyckoff(generated, train, settings, workers)
    rows = [*anonymous, *wyckoff]
    return Candidates(
        generated=np.array([one[0] for one in rows], np.int64),
        train=np.array([one[1] for one in rows], np.int64),
        kind=np.array([ANONYMOUS] * len(anonymous) + [WYCKOFF] * len(wyckoff), dtype=object),
        cost=np.array([one[2] for one in rows], float),
        whole=np.array([one[3] for one in rows], bool),
        swaps=np.array([one[4] for one in rows], dtype=object),
        crystals=StructureTable.concatenate([one[5] for one in rows]),
        pairs={ANONYMOUS: found.tested, WYCKOFF: matched},
        unmapped=found.unmapped,
        undecided=found.undecided,
    )


_Row = tuple[int, int, float, bool, str, StructureTable]


def _anonymous(
    generated: StructureTable,
    train: StructureTable,
    settings: NoveltySettings,
    memory: Memory,
    keep: Path | None,
    workers: int | None,
    name: str,
) -> tuple[list[_Row], Cheapest]:
    """Candidates with their crystals, and how they were found."""
    label = f"anonymous candidates of {name}"
    found = cheapest_matches(
        generated, train, settings.framework, memory, settings.top,
        keep=keep, workers=workers, label=label,
    )  # fmt: skip
    rows = found.rows
    maps = site_maps(generated, train, rows, settings.framework, memory, label=f"sites of {label}")
    made = []
    for pair, (one, other) in enumerate(rows.tolist()):
        crystal = substituted(generated, train, rows[pair], maps, pair)
        old = train.row_numbers(other)[maps.train[maps.part(pair)]]
        swaps = swaps_of(old, crystal.numbers)
        whole = is_whole(old, crystal.numbers)
        made.append((one, other, float(found.cost[pair]), whole, swaps, crystal))
    return made, found


def _wyckoff(
    generated: WyckoffTable, train: WyckoffTable, settings: NoveltySettings, workers: int | None
) -> tuple[list[_Row], int]:
    found = cheapest_wyckoff(generated, train, settings.top, workers=workers)
    _, atoms = match_rows(generated, train, found.rows, workers=workers)
    made, start = [], 0
    for (one, other), cost in zip(found.rows.tolist(), found.cost, strict=True):
        stop = start + int(train.table.n_atoms[other])
        numbers = generated.table.row_numbers(one)[atoms[start:stop]]
        start = stop
        template = train.table[other]
        crystal = StructureTable(
            template.ids, template.offsets, numbers, template.positions, template.cells
        )
        swaps = swaps_of(template.numbers, numbers)
        whole = is_whole(template.numbers, numbers)
        made.append((one, other, float(cost), whole, swaps, crystal))
    return made, found.tested


def substituted(
    generated: StructureTable,
    train: StructureTable,
    rows: np.ndarray,
    maps: SiteMaps,
    pair: int,
) -> StructureTable:
    """The training crystal of a pair with the generated elements on its sites, one row."""
    one, other = rows.tolist()
    part = maps.part(pair)
    cell = train.lattices[other]
    return StructureTable.from_parts(
        [train.ids[other]],
        [generated.row_numbers(one)[maps.generated[part]]],
        [train.row_positions(other)[maps.train[part]] + maps.shifts[part] @ cell],
        (maps.supercells[pair] @ cell)[None],
    )


def swaps_of(old: np.ndarray, new: np.ndarray) -> str:
    """Which element became which, site by site: ``"Na>K Cl>Br"``; unchanged ones are left out."""
    pairs = sorted({(int(a), int(b)) for a, b in zip(old, new, strict=True) if a != b})
    return " ".join(f"{chemical_symbols[a]}>{chemical_symbols[b]}" for a, b in pairs)


def is_whole(old: np.ndarray, new: np.ndarray) -> bool:
    """Whether elements are swapped one for one, site by site: each for one, no two for the same."""
    pairs = {(int(a), int(b)) for a, b in zip(old, new, strict=True)}
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
