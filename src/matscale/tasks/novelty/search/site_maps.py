"""Which site of a training crystal each site of a generated one stands on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matscale.matching.alignment import Alignments, align
from matscale.matching.outcomes import MatchSettings
from matscale.matching.tolerances import Tolerances
from matscale.runtime.memory import Memory
from matscale.structures.table import StructureTable
from matscale.tasks.novelty.settings import NoveltySettings

CHUNK = 32
"""Pairs that are one piece of work."""


@dataclass(frozen=True)
class SiteMaps:
    """Site maps of P pairs; pair p's n sites are ``offsets[p]:offsets[p + 1]``, none without a map.

    The smaller crystal of a pair is repeated until both have equally many sites.

    Attributes:
        offsets: (P + 1,).
        generated: Site of the generated crystal.
        train: Site of the training crystal.
        shifts: Which image of that site, in lattice vectors of the training cell, (..., 3).
        supercells: Cell of the mapped sites in lattice vectors of the training cell, (P, 3, 3).
    """

    offsets: np.ndarray
    generated: np.ndarray
    train: np.ndarray
    shifts: np.ndarray
    supercells: np.ndarray

    def __len__(self) -> int:
        return len(self.supercells)

    def part(self, pair: int) -> slice:
        """The sites of a pair."""
        return slice(self.offsets[pair], self.offsets[pair + 1])


def site_maps(
    generated: StructureTable,
    train: StructureTable,
    rows: np.ndarray,
    settings: MatchSettings,
    memory: Memory,
    *,
    label: str = "",
) -> SiteMaps:
    """Site maps of pairs of crystals that match in framework mode.

    Args:
        generated: Crystals.
        train: Crystals.
        rows: Row of ``generated`` and of ``train``, (P, 2).
        settings: With which they match.
        memory: Where answers are kept.
        label: For the progress display.
    """
    items = _items(generated, train, rows, settings)
    answers = memory.map(_map_chunk, items, label=label)
    sizes = _joined(answers, "sizes", np.empty(0, np.int64))
    return SiteMaps(
        offsets=np.concatenate([[0], np.cumsum(sizes)]),
        generated=_joined(answers, "generated", np.empty(0, np.int64)),
        train=_joined(answers, "train", np.empty(0, np.int64)),
        shifts=_joined(answers, "shifts", np.empty((0, 3), np.int64)),
        supercells=_joined(answers, "supercells", np.empty((0, 3, 3), np.int64)),
    )


def _items(
    generated: StructureTable,
    train: StructureTable,
    rows: np.ndarray,
    settings: MatchSettings,
) -> list[tuple[StructureTable, StructureTable, float, float, float]]:
    """Pieces of the work: the crystals of some pairs, without ids, and the tolerances."""
    first = generated.with_ids([""] * len(generated))
    second = train.with_ids([""] * len(train))
    ends = range(0, len(rows), CHUNK)
    return [
        (
            first[rows[start : start + CHUNK, 0]],
            second[rows[start : start + CHUNK, 1]],
            *settings.numbers,
        )
        for start in ends
    ]


_Item = tuple[StructureTable, StructureTable, float, float, float]


def _alignments(item: _Item) -> Alignments:
    """Paired sites of the crystals of two tables, row by row."""
    first, second, ltol, stol, angle_tol = item
    tolerances = Tolerances(length=ltol, site=stol, angle=angle_tol)
    settings = NoveltySettings(tolerances=tolerances).framework
    rows = np.arange(len(first))
    return align(first, second, np.column_stack([rows, rows]), settings)


def _joined(answers: list[dict[str, np.ndarray]], name: str, empty: np.ndarray) -> np.ndarray:
    return np.concatenate([empty, *(answer[name] for answer in answers)])


def _map_chunk(item: _Item) -> dict[str, np.ndarray]:
    """Maps of the crystals of two tables, row by row."""
    alignments = _alignments(item)
    maps = [_map_pair(item, alignments, pair) for pair in range(len(item[0]))]
    generated, train, shifts, supercells = zip(*maps, strict=True)
    return {
        "sizes": np.array([len(sites) for sites in generated], np.int64),
        "generated": np.concatenate(generated),
        "train": np.concatenate(train),
        "shifts": np.concatenate(shifts),
        "supercells": np.stack(supercells),
    }


_Map = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _map_pair(item: _Item, alignments: Alignments, pair: int) -> _Map:
    """Sites of the generated and the training crystal, shifts and supercell of one pair."""
    first, second, *_ = item
    part = slice(alignments.offsets[pair], alignments.offsets[pair + 1])
    sites = alignments.sites[part]
    if second.n_atoms[pair] < first.n_atoms[pair]:
        return sites[:, 0], sites[:, 1], alignments.shifts[part], alignments.supercells[pair]
    # The generated crystal is the repeated one: the training crystal's cell stays.
    unmoved = np.zeros((len(sites), 3), np.int64)
    return sites[:, 0], sites[:, 1], unmoved, np.eye(3, dtype=np.int64)
