"""Which sites a match pairs, for matches already found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matscale.matching import search
from matscale.matching.engine import CODES, Engine
from matscale.matching.kernel import MATCH
from matscale.matching.outcomes import MatchSettings
from matscale.matching.workspace import MAX_POINTS
from matscale.structures.table import StructureTable


@dataclass(frozen=True)
class Alignments:
    """Pairs of sites of pairs of crystals.

    Attributes:
        offsets: The pairs of sites of match i are ``offsets[i]:offsets[i + 1]``, (m + 1,); as many
            as the larger crystal has sites, none where the crystals do not match.
        sites: Site of the first crystal and of the second, in the cells compared, (total, 2). A
            site of a crystal that is repeated in a supercell occurs more than once.
        numbers: Their atomic numbers, (total, 2) uint8.
        shifts: The cell of the repeated crystal in which each pair lies, in its lattice vectors,
            (total, 3); zeros where neither is repeated.
        supercells: Supercell of the repeated crystal, in the same, (m, 3, 3): its vectors lie on
            those of the other crystal.
    """

    offsets: np.ndarray
    sites: np.ndarray
    numbers: np.ndarray
    shifts: np.ndarray
    supercells: np.ndarray

    def row(self, match: int) -> np.ndarray:
        """Atomic numbers at the paired sites of a match, (n, 2)."""
        return self.numbers[self.offsets[match] : self.offsets[match + 1]]


def align(
    first: StructureTable,
    second: StructureTable,
    rows: np.ndarray,
    settings: MatchSettings,
) -> Alignments:
    """The pairs of sites of crystals that match.

    Args:
        first: Crystals.
        second: Crystals.
        rows: Row of the first table and of the second, (m, 2).
        settings: As for the match itself; "direct" or "framework". With ``reduce`` the sites are
            those of the reduced cells, else those of the tables, in their order.

    Raises:
        ValueError: If the mode is "anonymous", which tries many pairings by element.
    """
    if settings.mode == "anonymous":
        raise ValueError("sites are aligned in the modes 'direct' and 'framework'")
    engine = Engine(first, second, settings)
    one, other = engine.first, engine.second
    rows = np.asarray(rows, np.int64).reshape(-1, 2)
    parts, numbers = [np.empty((0, 2), np.int64)], [np.empty((0, 2), np.uint8)]
    points, supercells = [np.empty((0, 3), np.int64)], np.empty((len(rows), 3, 3), np.int64)
    lengths = [0]
    with engine.space(MAX_POINTS) as space:
        for place, (i, j) in enumerate(rows):
            size = max(one.sizes[i], other.sizes[j])
            sites, shifts = np.empty((size, 2), np.int64), np.empty((size, 3), np.int64)
            supercells[place] = np.eye(3)
            status = search.align_row(
                engine.held[0],
                i,
                engine.held[1],
                j,
                CODES[settings.mode],
                settings.scale,
                settings.supercell,
                settings.numbers,
                settings.criterion == "rms",
                settings.keep_first,
                space,
                sites,
                shifts,
                supercells[place],
            )
            found = len(sites) if status == MATCH else 0
            sites = sites[:found]
            parts.append(sites)
            points.append(shifts[:found])
            lengths.append(len(sites))
            codes = (
                one.codes[one.offsets[i] + sites[:, 0]],
                other.codes[other.offsets[j] + sites[:, 1]],
            )
            numbers.append(np.column_stack(codes).astype(np.uint8))
    return Alignments(
        np.cumsum(lengths),
        np.concatenate(parts),
        np.concatenate(numbers),
        np.concatenate(points),
        supercells,
    )
