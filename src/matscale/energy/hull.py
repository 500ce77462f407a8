"""Energy above the convex hull of reference entries.

The hull is pymatgen's; a phase diagram is built once a chemical system, of the lowest entry of
each composition there. A negative value lies below the hull: the references hold nothing as
stable. Where an element of the system has no reference of its own there is no hull, and the
elements that are missing are named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from ase.data import chemical_symbols

from matscale.energy.elements import elemental_prototypes
from matscale.energy.evaluate import energies as evaluate_energies
from matscale.energy.potential import Potential
from matscale.energy.relax import RelaxSettings, relax
from matscale.runtime.exact import settled
from matscale.structures.chemistry import Composition, composition, reduced
from matscale.structures.table import StructureTable

if TYPE_CHECKING:
    from pymatgen.analysis.phase_diagram import PhaseDiagram
    from pymatgen.core import Composition as PymatgenComposition

SAME_CRYSTAL = 1e-3
"""eV an atom within which two relaxed prototypes of an element are taken for one crystal."""

System = frozenset[int]
"""The elements of a chemical system, by atomic number."""


class Entry(NamedTuple):
    """A reference: a composition and what it costs.

    Attributes:
        composition: Atomic number and count of each element; counts need not be whole.
        energy: In eV an atom.
        id: Of the material.
    """

    composition: tuple[tuple[int, float], ...]
    energy: float
    id: str


@dataclass(frozen=True, eq=False)
class Distances:
    """Energies above the hull of N structures.

    Attributes:
        values: In eV an atom, (N,); NaN where there is none, for one of the reasons below.
        missing: Row -> symbols of the elements without a reference, by rising atomic number.
        without_energy: Rows that came without an energy.
        compounds: How many compounds of the system are among the references, (N,); where there
            are few, hardly anything lies above the hull, and that says little.
    """

    values: np.ndarray
    missing: dict[int, tuple[str, ...]]
    without_energy: tuple[int, ...]
    compounds: np.ndarray


class Hull:
    """The lower convex hull of reference entries, chemical system by chemical system.

    Args:
        entries: The references.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        lowest: dict[Composition, Entry] = {}
        for entry in entries:
            formula = _normalised(entry.composition)
            # Of equally low ones, to rounding, the first.
            if formula not in lowest or settled(entry.energy) < settled(lowest[formula].energy):
                lowest[formula] = entry
        self._by_system: dict[System, list[Entry]] = defaultdict(list)
        for entry in lowest.values():
            self._by_system[_elements(entry.composition)].append(entry)
        self._diagrams: dict[System, PhaseDiagram] = {}
        self._energies: dict[Composition, float] = {}
        self._n_compounds: dict[System, int] = {}

    def missing(self, system: System) -> tuple[str, ...]:
        """Symbols of the elements of a system that have no reference of their own."""
        absent = sorted(z for z in system if frozenset([z]) not in self._by_system)
        return tuple(chemical_symbols[z] for z in absent)

    def entries(self, system: System) -> list[Entry]:
        """The references of a system and of the systems it holds, the lowest a composition."""
        if len(self._by_system) < 2 ** len(system):
            systems: Iterable[System] = [part for part in self._by_system if part <= system]
        else:
            systems = _subsystems(system)
        return [entry for part in systems for entry in self._by_system.get(part, ())]

    def energy(self, cell: Composition) -> float:
        """Energy of the hull at a composition, in eV an atom.

        Raises:
            ValueError: If elements are missing.
        """
        formula = reduced(cell)
        if formula not in self._energies:
            diagram = self._diagram(_elements(formula))
            self._energies[formula] = float(diagram.get_hull_energy_per_atom(_pymatgen(formula)))
        return self._energies[formula]

    def distances(self, table: StructureTable, energies: np.ndarray) -> Distances:
        """Energies above the hull.

        Args:
            table: Structures.
            energies: Of their cells, in eV, (N,); NaN for those that have none.
        """
        values = np.full(len(table), np.nan)
        missing: dict[int, tuple[str, ...]] = {}
        compounds = np.zeros(len(table), np.int64)
        for row in range(len(table)):
            cell = composition(table.row_numbers(row))
            compounds[row] = self._compounds(_elements(cell))
            absent = self.missing(_elements(cell))
            if absent:
                missing[row] = absent
            elif np.isfinite(energies[row]):
                values[row] = energies[row] / table.n_atoms[row] - self.energy(cell)
        nothing = np.flatnonzero(~np.isfinite(energies)).tolist()
        return Distances(values, missing, tuple(nothing), compounds)

    def _compounds(self, system: System) -> int:
        if system not in self._n_compounds:
            entries = self.entries(system)
            self._n_compounds[system] = sum(len(entry.composition) > 1 for entry in entries)
        return self._n_compounds[system]

    def _diagram(self, system: System) -> PhaseDiagram:
        if system not in self._diagrams:
            from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram

            absent = self.missing(system)
            if absent:
                raise ValueError(f"no reference of {', '.join(absent)}")
            entries = []
            for entry in self.entries(system):
                formula = _pymatgen(entry.composition)
                entries.append(PDEntry(formula, entry.energy * formula.num_atoms, name=entry.id))
            self._diagrams[system] = PhaseDiagram(entries)
        return self._diagrams[system]


class SelfConsistent(NamedTuple):
    """References that the same potential evaluated.

    Attributes:
        entries: Those that have an energy.
        considered: How many crystals lie in the systems that were asked for.
        left_out: Why crystals have no entry, and how many.
        supplied: Symbol of each element that only a prototype stands for -> the prototype.
    """

    entries: list[Entry]
    considered: int
    left_out: Mapping[str, int]
    supplied: Mapping[str, str]


def systems_of(table: StructureTable) -> list[System]:
    """The chemical system of each structure."""
    return [frozenset(np.unique(table.row_numbers(row)).tolist()) for row in range(len(table))]


def within(table: StructureTable, systems: Iterable[System]) -> np.ndarray:
    """Rows of the structures whose elements all lie in one of the systems, rising."""
    wanted = set(systems)
    own = systems_of(table)
    fits = {part: any(part <= system for system in wanted) for part in set(own)}
    return np.flatnonzero([fits[part] for part in own])


def self_consistent(
    train: StructureTable,
    systems: Sequence[System],
    potential: Potential,
    *,
    settings: RelaxSettings | None,
    prototypes: bool = False,
    folder: Path | None = None,
    workers: int | None = 1,
    label: str = "",
) -> SelfConsistent:
    """References from crystals that the same potential evaluates; needs no network.

    Args:
        train: Known crystals, the elements among them.
        systems: The chemical systems in which a hull is needed.
        potential: The one that evaluates the structures that are to be compared.
        settings: How the crystals are relaxed first; they should be those of the structures
            to be compared, for a hull of unrelaxed crystals lies too high. None evaluates them
            as they are.
        prototypes: Whether elements that the known crystals lack are supplied by relaxed
            simple prototypes (:mod:`matscale.energy.elements`), each of which is named.
        folder: Where energies are kept; None for nowhere.
        workers: Processes, for the relaxation.
        label: What is being done, for the progress display; "" shows none.
    """
    chosen = train[within(train, systems)]
    left_out: dict[str, int] = defaultdict(int)
    if settings is None:
        answer = evaluate_energies(chosen, potential, folder=folder, label=label)
        cell_energies = answer.energies
        left_out["failed"] = len(answer.reasons)
    else:
        relaxation = relax(chosen, potential, settings, folder=folder, workers=workers, label=label)
        cell_energies = np.where(relaxation.converged, relaxation.energies, np.nan)
        left_out.update({s: n for s, n in relaxation.counts.items() if s != "converged"})
    entries = _entries(chosen, cell_energies)
    supplied: dict[str, str] = {}
    if prototypes:
        needed = {element for system in systems for element in system}
        absent = needed - {e.composition[0][0] for e in entries if len(e.composition) == 1}
        lowest = _lowest_prototypes(sorted(absent), potential, settings, folder, workers)
        entries += lowest
        supplied = dict(entry.id.split(" ", 1) for entry in lowest)
    reasons = {why: count for why, count in left_out.items() if count}
    return SelfConsistent(entries, len(chosen), reasons, supplied)


def _entries(table: StructureTable, energies: np.ndarray) -> list[Entry]:
    """An entry for each crystal that has an energy (N,), in eV of the cell."""
    return [
        Entry(composition(table.row_numbers(row)), energy / table.n_atoms[row], table.ids[row])
        for row, energy in enumerate(energies)
        if np.isfinite(energy)
    ]


def _lowest_prototypes(
    elements: list[int],
    potential: Potential,
    settings: RelaxSettings | None,
    folder: Path | None,
    workers: int | None,
) -> list[Entry]:
    """The lowest relaxed prototype of each element; none of one on which all of them fail."""
    table = elemental_prototypes(elements)
    relaxation = relax(table, potential, settings, folder=folder, workers=workers)
    energies = np.where(relaxation.converged, relaxation.energies, np.nan)
    candidates: dict[System, list[Entry]] = defaultdict(list)
    for entry in _entries(table, energies):
        candidates[_elements(entry.composition)].append(entry)
    lowest = []
    for entries in candidates.values():
        energy = min(entry.energy for entry in entries)
        # What relaxed to the same crystal bears the name of the simplest, which comes first.
        named = next(entry for entry in entries if entry.energy <= energy + SAME_CRYSTAL)
        lowest.append(named._replace(energy=energy))
    return lowest


def _elements(cell: Iterable[tuple[int, float]]) -> System:
    return frozenset(element for element, _ in cell)


def _normalised(cell: Sequence[tuple[int, float]]) -> Composition:
    """The reduced formula where counts are whole; a key for equal compositions either way."""
    if all(float(count).is_integer() for _, count in cell):
        return reduced(tuple(sorted((element, int(count)) for element, count in cell)))
    total = sum(count for _, count in cell)
    return tuple(sorted((element, round(1e8 * count / total)) for element, count in cell))


def _pymatgen(cell: Iterable[tuple[int, float]]) -> PymatgenComposition:
    from pymatgen.core import Composition

    return Composition({chemical_symbols[element]: count for element, count in cell})


def _subsystems(system: System) -> Iterator[System]:
    elements = sorted(system)
    for bits in range(1, 2 ** len(elements)):
        yield frozenset(z for bit, z in enumerate(elements) if bits >> bit & 1)
