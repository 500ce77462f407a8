"""Prototype matches: crystals of one space group that occupy the same Wyckoff positions.

A generated and a training crystal match if their space groups are equal and a relabeling by the
Euclidean normaliser turns the Wyckoff letters of the one, an entry an orbit, into those of the
other. Under each such relabeling the orbits of a letter are paired one to one; the cost is the
mean over sites of the modified-Pettifor distance of the paired elements, and the cheapest
relabeling counts. Source: Negishi and Walsh, arXiv 2606.23166. How orbits are paired:

``position``
    By the distance of their sites that come first in order of x, y, z, as published: in
    fractional coordinates of the cells as they came, not wrapped. Where an orbit's sites tie in x
    the published code leaves the choice to rounding noise; here coordinates are compared to eight
    decimals. This pairing depends on the origin and on the cell in which a crystal is described.
``element``
    So that the cost is smallest. It never exceeds the cost by position, and depends on the
    crystals alone, not on how they are described.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np
from scipy.optimize import linear_sum_assignment

from matscale.matching.wyckoff.positions import Orbits, OrbitTable, WyckoffTable, orbits_of
from matscale.runtime.exact import settled
from matscale.runtime.execution import run
from matscale.structures.chemistry import pettifor_distance
from matscale.structures.pymatgen_data import wyckoff_relabelings

Pairing = Literal["position", "element"]

CHUNK = 1000
"""Pairs that travel to a process together."""

TIE_DECIMALS = 6
"""Decimals to which relabelings of equal cost are compared by how far apart their orbits lie."""


@dataclass(frozen=True, eq=False)
class WyckoffMatches:
    """The K matches, by rising row of the generated, then of the training crystals.

    Attributes:
        generated: Rows of the generated crystals (K,).
        train: Rows of the training crystals (K,).
        uniform: Share of sites that change element (K,).
        pettifor: Mean over sites of the modified-Pettifor distance, 0 to 102, (K,).
        offsets: Entries ``offsets[k]:offsets[k + 1]`` of ``atoms`` are match k's, (K + 1,).
        atoms: For each site of the training crystal the place, in its crystal, of the generated
            site whose element it takes. One to one where the two cells hold equally many sites.
        counts: ``considered`` pairs; of these ``failed`` ones, without symmetry on either side;
            ``same_group``; ``matched``, of the same sequence; of these ``unequal_cells``, whose
            cells hold different numbers of sites; and the crystals without symmetry,
            ``generated_failed`` and ``train_failed``.
        seconds: Wall time.
        pairing: How orbits were paired.
    """

    generated: np.ndarray
    train: np.ndarray
    uniform: np.ndarray
    pettifor: np.ndarray
    offsets: np.ndarray
    atoms: np.ndarray
    counts: dict[str, int]
    seconds: float
    pairing: Pairing

    def __len__(self) -> int:
        return len(self.generated)

    def atom_map(self, match: int) -> np.ndarray:
        """Generated site for each site of the training crystal of one match, (n,)."""
        return self.atoms[self.offsets[match] : self.offsets[match + 1]]


def wyckoff_matches(
    generated: WyckoffTable,
    train: WyckoffTable,
    *,
    pairing: Pairing = "position",
    workers: int | None = None,
    label: str = "",
) -> WyckoffMatches:
    """All pairs of a generated and a training crystal that occupy the same Wyckoff positions.

    Args:
        generated: Symmetry of the generated crystals.
        train: Symmetry of the training crystals, found with the same engine and tolerance.
        pairing: How orbits that share a letter are paired; see the module's docstring.
        workers: Processes, as for :func:`matscale.runtime.execution.run`.
        label: What is being done, for the progress display; "" shows none.

    Raises:
        ValueError: If the engines or tolerances differ, or there is no such pairing.
    """
    start = time.perf_counter()
    pairs = candidates(generated, train)
    costs, atoms = match_rows(
        generated, train, pairs, pairing=pairing, workers=workers, label=label
    )
    sizes = train.table.n_atoms[pairs[:, 1]]
    return WyckoffMatches(
        generated=pairs[:, 0],
        train=pairs[:, 1],
        uniform=costs[:, 0],
        pettifor=costs[:, 1],
        offsets=np.concatenate([[0], np.cumsum(sizes)]),
        atoms=atoms,
        counts=_counts(generated, train, pairs),
        seconds=time.perf_counter() - start,
        pairing=pairing,
    )


def match_rows(
    generated: WyckoffTable,
    train: WyckoffTable,
    pairs: np.ndarray,
    *,
    pairing: Pairing = "position",
    workers: int | None = None,
    label: str = "",
) -> tuple[np.ndarray, np.ndarray]:
    """Uniform and Pettifor cost (K, 2) of pairs of one sequence (K, 2), and their joined atom maps.

    Args:
        generated: As for :func:`wyckoff_matches`, as are those below ``pairs``.
        train: Likewise.
        pairs: Rows of both.
        pairing: Likewise.
        workers: Likewise.
        label: Likewise.

    Raises:
        ValueError: As :func:`wyckoff_matches`.
    """
    if (generated.engine, generated.symprec) != (train.engine, train.symprec):
        raise ValueError(
            f"symmetry of the generated crystals is by {generated.engine} at {generated.symprec}"
            f" Å, that of the training crystals by {train.engine} at {train.symprec} Å"
        )
    if pairing not in get_args(Pairing):
        raise ValueError(f"pairing is {pairing!r}, expected one of {', '.join(get_args(Pairing))}")
    sides = orbits_of(generated), orbits_of(train)
    items = [
        (pairs[first : first + CHUNK], *sides, str(pairing))
        for first in range(0, len(pairs), CHUNK)
    ]
    answers = list(run(match_pairs, items, workers=workers, label=label))
    costs = np.concatenate([answer[0] for answer in answers]) if answers else np.empty((0, 2))
    atoms = np.concatenate([answer[1] for answer in answers]) if answers else np.empty(0, np.int64)
    return costs, atoms


def candidates(generated: WyckoffTable, train: WyckoffTable) -> np.ndarray:
    """Rows of the pairs of one sequence (K, 2), generated and train, in rising order."""
    rows = rows_by_sequence(train)
    pairs = [
        (first, second)
        for first, sequence in enumerate(generated.sequences)
        for second in rows.get(sequence, ())
    ]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def rows_by_sequence(table: WyckoffTable) -> dict[str, list[int]]:
    """Rows of the crystals of each sequence, in order; those without symmetry are left out."""
    rows = defaultdict(list)
    for row, sequence in enumerate(table.sequences):
        if sequence:
            rows[sequence].append(row)
    return rows


def _counts(generated: WyckoffTable, train: WyckoffTable, pairs: np.ndarray) -> dict[str, int]:
    lost, lost_train = int(generated.failed.sum()), int(train.failed.sum())
    considered = len(generated) * len(train)
    groups = Counter(train.groups[~train.failed].tolist())
    unequal = generated.table.n_atoms[pairs[:, 0]] != train.table.n_atoms[pairs[:, 1]]
    return {
        "considered": considered,
        "failed": considered - (len(generated) - lost) * (len(train) - lost_train),
        "same_group": sum(groups[group] for group in generated.groups[~generated.failed].tolist()),
        "matched": len(pairs),
        "unequal_cells": int(unequal.sum()),
        "generated_failed": lost,
        "train_failed": lost_train,
    }


def match_pairs(item: tuple[np.ndarray, OrbitTable, OrbitTable, str]) -> tuple[np.ndarray, ...]:
    """Costs (K, 2), uniform and Pettifor, and the joined atom maps of pairs of rows (K, 2)."""
    pairs, generated, train, pairing = item
    costs = np.empty((len(pairs), 2))
    maps = []
    for pair, (row, train_row) in enumerate(pairs):
        costs[pair], atoms = match_orbits(generated[row], train[train_row], pairing)
        maps.append(atoms)
    return costs, np.concatenate(maps)


def match_orbits(
    first: Orbits, second: Orbits, pairing: str = "position"
) -> tuple[tuple[float, float], np.ndarray]:
    """Uniform and Pettifor cost of a pair of one sequence, and its atom map (sites of second,)."""
    elements = pettifor_distance(first.elements[:, None], second.elements)
    changed = first.elements[:, None] != second.elements
    gaps = fractional_gaps(first.points, second.points)
    # Whole numbers add up exactly, and the change of element decides among equals.
    weights = elements * (len(changed) + 1) + changed if pairing == "element" else gaps
    partner: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {}
    best: tuple[tuple[float, ...], list[tuple[np.ndarray, np.ndarray]]] | None = None
    for relabeling in letter_maps(first.group, first.letters, second.letters):
        for letters in relabeling:
            if letters not in partner:
                partner[letters] = _pair(first, second, letters, weights)
        paired = [partner[letters] for letters in relabeling]
        rows, columns = (np.concatenate(side) for side in zip(*paired, strict=True))
        sizes = first.sizes[rows]
        cost = (
            float(sizes @ elements[rows, columns]),
            float(sizes @ changed[rows, columns]),
            round(float(sizes @ gaps[rows, columns]), TIE_DECIMALS),
        )
        if best is None or cost < best[0]:
            best = cost, paired
    assert best is not None
    (pettifor, uniform, _), paired = best
    sites = first.sizes.sum()
    return (uniform / sites, pettifor / sites), _atom_map(first, second, paired)


def _pair(
    first: Orbits, second: Orbits, letters: tuple[str, str], weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Orbits of one letter paired with those of another so that the weights' sum is smallest."""
    rows, columns = first.ranges[letters[0]], second.ranges[letters[1]]
    if rows.stop - rows.start == 1:
        return np.array([rows.start]), np.array([columns.start])
    chosen, partners = linear_sum_assignment(weights[rows, columns])
    return chosen + rows.start, partners + columns.start


def _atom_map(
    first: Orbits, second: Orbits, paired: list[tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    """For each site of the second crystal the nearest of the first in the paired orbit, (n,).

    One to one, with the smallest sum of distances, where the orbits hold equally many sites.
    """
    atoms = np.empty(int(second.sizes.sum()), np.int64)
    for rows, columns in paired:
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            sites, places = first.sites(row), second.sites(column)
            if len(sites) == len(places) == 1:
                atoms[places] = sites
                continue
            gaps = fractional_gaps(first.fractions(row), second.fractions(column))
            if len(sites) == len(places):
                chosen, partners = linear_sum_assignment(gaps)
                atoms[places[partners]] = sites[chosen]
            else:
                atoms[places] = sites[settled(gaps).argmin(axis=0)]
    return atoms


def fractional_gaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Distances of the nearest images, in fractional coordinates: (n, 3), (m, 3) to (n, m)."""
    total = np.zeros((len(first), len(second)))
    for axis in range(3):
        gap = first[:, None, axis] - second[:, axis]
        total += (gap - np.round(gap)) ** 2
    return settled(np.sqrt(total))


@cache
def letter_maps(group: int, first: str, second: str) -> tuple[tuple[tuple[str, str], ...], ...]:
    """The ways in which relabelings turn the letters of one crystal into those of another.

    The relabelings of a space group form a group, so relabeling one side is enough.

    Args:
        group: Space-group number.
        first: Letters of one crystal, one an orbit, sorted.
        second: Those of the other.
    """
    occupied = sorted(set(first))
    return tuple(dict.fromkeys(_letter_maps(group, first, second, occupied)))


def _letter_maps(
    group: int, first: str, second: str, occupied: list[str]
) -> Iterator[tuple[tuple[str, str], ...]]:
    for relabeling in wyckoff_relabelings()[group]:
        if "".join(sorted(first.translate(relabeling))) == second:
            yield tuple((letter, letter.translate(relabeling)) for letter in occupied)
