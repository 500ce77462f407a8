"""Which Wyckoff positions a crystal occupies: space group, letters and orbits of many crystals.

Two symmetry searches are offered. ``moyopy`` is fast and the default. ``spglib`` is called as
pymatgen calls it, with an angle tolerance of 5° besides the distance, and is what published work
rests on. Near the tolerance the two disagree: at 0.01 Å on one in a hundred crystals of the
Materials Project and on one in four of Carbon-24 (``bench/symmetry.py``).
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version
from itertools import groupby
from typing import Literal, get_args

import numpy as np

from matscale.runtime.execution import run
from matscale.runtime.memory import Memory
from matscale.structures.pymatgen_data import wyckoff_relabelings
from matscale.structures.table import StructureTable

Engine = Literal["moyopy", "spglib"]

SYMPREC = 0.01
"""Distance in Å within which sites count as equivalent; the published novelty workflow's choice."""

MOST_ATOMS = 5000
"""Atoms beyond which a cell is not searched.

At this size a search takes up to ten seconds, and a pair of crystals without symmetry three
seconds and a gigabyte.
"""

FRACTION_DECIMALS = 8
"""Fractional coordinates are rounded so that which site comes first does not hang on a last bit."""

CHUNK = 256
"""Structures that travel to a process, and are remembered, together."""


@dataclass(frozen=True, eq=False)
class WyckoffTable:
    """Wyckoff positions of the N crystals, M sites, of a table.

    Attributes:
        table: The crystals.
        groups: Space-group numbers (N,), 0 where the search failed.
        letters: Wyckoff letter of each site as its ASCII code (M,), 0 where the search failed.
        orbits: Equivalent sites share the place of the first of them in its structure (M,);
            -1 where the search failed.
        fractions: Coordinates of the sites in the cells as they came, (M, 3); not wrapped into
            the cell, NaN for cells without volume.
        reasons: Why the search failed, (N,); "" where it did not.
        symprec: Distance tolerance of the search in Å.
        engine: The library that searched.
    """

    table: StructureTable
    groups: np.ndarray
    letters: np.ndarray
    orbits: np.ndarray
    fractions: np.ndarray
    reasons: np.ndarray
    symprec: float
    engine: Engine

    def __len__(self) -> int:
        return len(self.groups)

    @property
    def failed(self) -> np.ndarray:
        """Rows on which the search failed, boolean (N,)."""
        return self.groups == 0

    @cached_property
    def sequences(self) -> np.ndarray:
        """Occupied positions whatever the elements, (N,): ``"225 ab"`` for rock salt.

        Space group and sorted letters of the orbits; of the namings that the Euclidean
        normaliser allows, the first in the alphabet. "" where the search failed. Crystals of
        one sequence are each other's Wyckoff candidates.
        """
        within = np.arange(len(self.orbits)) - np.repeat(
            self.table.offsets[:-1], self.table.n_atoms
        )
        firsts = np.flatnonzero(self.orbits == within)
        text = self.letters[firsts].tobytes().decode("ascii")
        bounds = np.searchsorted(firsts, self.table.offsets)
        names = [
            f"{group} {canonical_letters(group, ''.join(sorted(text[start:stop])))}"
            if group
            else ""
            for group, start, stop in zip(
                self.groups.tolist(), bounds[:-1], bounds[1:], strict=True
            )
        ]
        return np.array(names, dtype=object)


@cache
def canonical_letters(group: int, letters: str) -> str:
    """The first, in the alphabet, of the sorted relabelings of one letter an orbit."""
    relabelings = wyckoff_relabelings()[group]
    return min("".join(sorted(letters.translate(relabeling))) for relabeling in relabelings)


def symmetry_of(
    table: StructureTable,
    *,
    symprec: float = SYMPREC,
    engine: Engine = "moyopy",
    workers: int | None = None,
    memory: Memory | None = None,
    label: str = "",
) -> WyckoffTable:
    """Wyckoff positions of crystals; a search that fails leaves a reason.

    Args:
        table: Crystals. Atom maps of matches want them in primitive cells; all else holds for
            any cell.
        symprec: Distance in Å within which sites count as equivalent.
        engine: The library that searches; see the module's docstring.
        workers: Processes, as for :func:`matscale.runtime.execution.run`; unused where there is a
            memory, which has its own.
        memory: Where answers are kept.
        label: What is being done, for the progress display; "" shows none.

    Raises:
        ValueError: If the table holds particles, the tolerance is not positive, or there is no
            such engine.
    """
    if not symprec > 0:
        raise ValueError(f"symprec is {symprec}, expected a positive distance in Å")
    if engine not in get_args(Engine):
        raise ValueError(f"engine is {engine!r}, expected one of {', '.join(get_args(Engine))}")
    bare = StructureTable(
        np.full(len(table), ""), table.offsets, table.numbers, table.positions, table.lattices
    )
    settings = (float(symprec), str(engine), version(engine))
    items = [(bare[start : start + CHUNK], *settings) for start in range(0, len(table), CHUNK)]
    if memory is None:
        answers = list(run(search, items, workers=workers, label=label))
    else:
        answers = memory.map(search, items, label=label)
    return WyckoffTable(
        table=table,
        groups=_joined(answers, "groups", np.empty(0, np.int16)),
        letters=_joined(answers, "letters", np.empty(0, np.uint8)),
        orbits=_joined(answers, "orbits", np.empty(0, np.int32)),
        fractions=_joined(answers, "fractions", np.empty((0, 3))),
        reasons=_joined(answers, "reasons", np.empty(0, str)).astype(object),
        symprec=float(symprec),
        engine=engine,
    )


def _joined(answers: list[dict[str, np.ndarray]], name: str, empty: np.ndarray) -> np.ndarray:
    return np.concatenate([answer[name] for answer in answers]) if answers else empty


def search(item: tuple[StructureTable, float, str, str]) -> dict[str, np.ndarray]:
    """The columns of a :class:`WyckoffTable` for a piece of a table.

    Args:
        item: The piece, symprec in Å, the engine, and its version (which keys a memory).
    """
    table, symprec, engine, _ = item
    atoms = len(table.numbers)
    groups = np.zeros(len(table), np.int16)
    letters = np.zeros(atoms, np.uint8)
    orbits = np.full(atoms, -1, np.int32)
    fractions = np.full((atoms, 3), np.nan)
    reasons = []
    for row in range(len(table)):
        sites = slice(table.offsets[row], table.offsets[row + 1])
        reason = _unfit(table, row)
        if not reason:
            points = np.linalg.solve(table.lattices[row].T, table.positions[sites].T).T
            fractions[sites] = np.round(points, FRACTION_DECIMALS)
            try:
                symmetry = _ENGINES[engine](table, row, points, symprec)
                groups[row], letters[sites], orbits[sites] = symmetry
            except (ValueError, TypeError) as error:
                reason = f"{engine}: {error}"
        reasons.append(reason)
    return {
        "groups": groups,
        "letters": letters,
        "orbits": orbits,
        "fractions": fractions,
        "reasons": np.array(reasons, dtype=str),
    }


def _unfit(table: StructureTable, row: int) -> str:
    """Why a structure cannot be searched; "" if it can."""
    atoms = len(table.row_numbers(row))
    cell = table.lattices[row]
    if not atoms:
        return "no atoms"
    if atoms > MOST_ATOMS:
        return f"{atoms} atoms, more than {MOST_ATOMS}"
    if not (np.isfinite(cell).all() and np.isfinite(table.row_positions(row)).all()):
        return "a cell or position that is not finite"
    if np.linalg.matrix_rank(cell) < 3:
        return "a cell without volume"
    return ""


_Found = tuple[int, np.ndarray, np.ndarray]


def _search_moyopy(table: StructureTable, row: int, points: np.ndarray, symprec: float) -> _Found:
    """Space group, letters (n,) and orbits (n,) by moyopy."""
    import moyopy

    # Its warnings on operations of non-primitive cells do not touch orbits or space group number.
    logging.getLogger("moyo").setLevel(logging.ERROR)
    cell = moyopy.Cell(
        table.lattices[row].tolist(), points.tolist(), table.row_numbers(row).tolist()
    )
    # No angle tolerance: with pymatgen's 5° it runs forever on some crystals (moyopy 0.21).
    dataset = moyopy.MoyoDataset(cell, symprec=symprec)
    return dataset.number, _codes(dataset.wyckoffs), np.asarray(dataset.orbits)


def _search_spglib(table: StructureTable, row: int, points: np.ndarray, symprec: float) -> _Found:
    """Space group, letters (n,) and orbits (n,) by spglib through pymatgen."""
    # Its C code writes to the terminal where a first tolerance fails and a tighter one is tried.
    os.environ.setdefault("SPGLIB_WARNING", "OFF")
    from pymatgen.core import Structure
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    structure = Structure(table.lattices[row], table.row_numbers(row).tolist(), points)
    dataset = SpacegroupAnalyzer(structure, symprec=symprec).get_symmetry_dataset()
    if dataset is None:
        raise ValueError("no symmetry found")
    return dataset.number, _codes(dataset.wyckoffs), np.asarray(dataset.crystallographic_orbits)


_ENGINES = {"moyopy": _search_moyopy, "spglib": _search_spglib}


def _codes(letters: list[str]) -> np.ndarray:
    return np.frombuffer("".join(letters).encode("ascii"), np.uint8)


@dataclass(frozen=True, eq=False)
class OrbitTable:
    """The K orbits, M sites, of N crystals; crystals without symmetry have none.

    Orbits of a crystal stand by letter, then by their first site; sites of an orbit by x, y, z.

    Attributes:
        groups: Space-group numbers (N,).
        offsets: Orbits ``offsets[i]:offsets[i + 1]`` are crystal i's, (N + 1,).
        letters: ASCII codes of the Wyckoff letters (K,).
        elements: Atomic numbers (K,).
        starts: Sites ``starts[k]:starts[k + 1]`` are orbit k's, (K + 1,).
        sites: Places of the sites in their crystals (M,).
        fractions: Fractional coordinates of the sites (M, 3).
    """

    groups: np.ndarray
    offsets: np.ndarray
    letters: np.ndarray
    elements: np.ndarray
    starts: np.ndarray
    sites: np.ndarray
    fractions: np.ndarray

    def __getitem__(self, row: int) -> Orbits:
        return Orbits(self, int(row))


class Orbits:
    """The orbits of one crystal.

    Attributes:
        group: Space-group number.
        letters: One letter an orbit, sorted.
        ranges: The orbits of each letter.
        elements: Atomic numbers (k,).
        sizes: Number of sites of each (k,).
        points: First site of each, in order of x, y, z: fractional coordinates (k, 3).
    """

    def __init__(self, table: OrbitTable, row: int) -> None:
        self._table = table
        self._start = int(table.offsets[row])
        chosen = slice(self._start, int(table.offsets[row + 1]))
        starts = table.starts[chosen.start : chosen.stop + 1]
        self.group = int(table.groups[row])
        self.letters = table.letters[chosen].tobytes().decode("ascii")
        self.elements = table.elements[chosen]
        self.sizes = np.diff(starts)
        self.points = table.fractions[starts[:-1]]
        self.ranges: dict[str, slice] = {}
        first = 0
        for letter, members in groupby(self.letters):
            count = len(list(members))
            self.ranges[letter] = slice(first, first + count)
            first += count

    def _slice(self, orbit: int) -> slice:
        starts = self._table.starts
        return slice(starts[self._start + orbit], starts[self._start + orbit + 1])

    def sites(self, orbit: int) -> np.ndarray:
        """Places of an orbit's sites in the crystal, (s,)."""
        return self._table.sites[self._slice(orbit)]

    def fractions(self, orbit: int) -> np.ndarray:
        """Fractional coordinates of an orbit's sites, (s, 3)."""
        return self._table.fractions[self._slice(orbit)]


def orbits_of(described: WyckoffTable) -> OrbitTable:
    """The orbits of the crystals whose symmetry was found."""
    lengths = described.table.n_atoms
    rows = np.repeat(np.arange(len(described)), lengths)
    places = np.arange(len(rows)) - np.repeat(described.table.offsets[:-1], lengths)
    order = np.lexsort((*described.fractions.T[::-1], described.orbits, rows))
    order = order[described.groups[rows[order]] > 0]
    # One line an orbit: where its sites start and how many they are.
    owner = np.column_stack([rows[order], described.orbits[order]])
    starts = np.flatnonzero(np.any(np.diff(owner, axis=0, prepend=-1), axis=1))
    sizes = np.diff(np.append(starts, len(order)))
    first = order[starts]
    ranked = np.lexsort(
        (*described.fractions[first].T[::-1], described.letters[first], rows[first])
    )
    first, sizes, starts = first[ranked], sizes[ranked], starts[ranked]
    ends = np.cumsum(sizes)
    order = order[np.arange(len(order)) + np.repeat(starts - ends + sizes, sizes)]
    return OrbitTable(
        groups=described.groups,
        offsets=np.searchsorted(rows[first], np.arange(len(described) + 1)),
        letters=described.letters[first],
        elements=described.table.numbers[first],
        starts=np.concatenate([[0], ends]),
        sites=places[order],
        fractions=described.fractions[order],
    )
