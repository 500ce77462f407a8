"""What the stages of a run share: settings, where answers are kept, and how crystals are moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from matscale.datasets.locate import cache_folder
from matscale.energy import potentials
from matscale.energy.entries import download_entries, materials_project_key, read_entries
from matscale.energy.evaluate import energies
from matscale.energy.hull import Distances, Entry, Hull, self_consistent, systems_of
from matscale.energy.potential import Potential
from matscale.energy.relax import RelaxSettings, relax
from matscale.energy.status import CONVERGED, FAILED, NOT_CONVERGED
from matscale.runtime.exact import settled
from matscale.runtime.memory import Memory
from matscale.structures.table import StructureTable
from matscale.tasks.novelty.settings import MATERIALS_PROJECT, NoveltySettings

AS_GIVEN = "as given"
"""Status of a crystal that was not to be relaxed."""

ENERGIES = ".energies"
"""Folder inside the results folder in which energies and relaxed crystals stay.

They are no unfinished work: another model, or other tolerances, need not relax the same crystals
again. It may be deleted at any time.
"""

COMPLETE = (AS_GIVEN, CONVERGED, NOT_CONVERGED)
"""Statuses of crystals with a final geometry; the others have failed."""


@dataclass(frozen=True)
class Moved:
    """Crystals after relaxation, or as they came.

    Attributes:
        table: Their geometries, one a given crystal.
        statuses: :data:`AS_GIVEN` or one of :data:`matscale.energy.status.STATUSES`, (N,).
        energies: Of the cells in eV, (N,); NaN without a potential or on failure.
        reasons: Row -> why it failed.
    """

    table: StructureTable
    statuses: np.ndarray
    energies: np.ndarray
    reasons: dict[int, str]

    @property
    def complete(self) -> np.ndarray:
        """Which crystals have a final geometry, (N,) bool."""
        return np.isin(self.statuses, COMPLETE)


@dataclass(frozen=True)
class Stages:
    """What every stage needs.

    Attributes:
        settings: Of the run.
        memory: Answers by content.
        partial: Where matches are kept until the run is done; None for nowhere.
        results: Folder of the results, in which energies and relaxed crystals stay; None likewise.
        workers: Threads or processes.
        seed: Of all that is random.
        potential: What moves crystals; None where nothing does.
    """

    settings: NoveltySettings
    memory: Memory
    partial: Path | None
    results: Path | None
    workers: int | None
    seed: int
    potential: Potential | None

    @property
    def matches(self) -> Path | None:
        """Where finished chunks of matching are kept."""
        return self.partial and self.partial / "matches"

    @property
    def energies(self) -> Path | None:
        """Where energies and relaxed crystals are kept, by potential and settings."""
        return self.results and self.results / ENERGIES

    @property
    def relaxation(self) -> RelaxSettings:
        """The one way in which crystals are relaxed in this run."""
        return RelaxSettings(fmax=self.settings.fmax, max_steps=self.settings.max_steps)

    def move(self, table: StructureTable, *, label: str) -> Moved:
        """Relax crystals, if there is a potential."""
        if self.potential is None or not len(table):
            return _as_given(table)
        found = relax(
            table,
            self.potential,
            self.relaxation,
            folder=self.energies,
            workers=self.workers,
            label=f"relaxing {label}",
        )
        return Moved(_settled(found.table), found.statuses, settled(found.energies), found.reasons)

    def move_submitted(self, table: StructureTable, *, label: str) -> Moved:
        """Relax generated crystals, unless they came relaxed: then evaluate them."""
        if self.potential is None or not self.settings.relaxed:
            return self.move(table, label=label)
        label = f"energies of {label}"
        found = energies(table, self.potential, folder=self.energies, label=label)
        statuses = np.full(len(table), AS_GIVEN, dtype=object)
        statuses[list(found.reasons)] = FAILED
        return Moved(table, statuses, settled(found.energies), found.reasons)


def _settled(table: StructureTable) -> StructureTable:
    """Relaxed crystals without the digits that hang on the order in which forces were added."""
    return replace(table, positions=settled(table.positions), cells=settled(table.lattices))


def _as_given(table: StructureTable) -> Moved:
    blank = np.full(len(table), np.nan)
    return Moved(table, np.full(len(table), AS_GIVEN, dtype=object), blank, {})


def find_potential(settings: NoveltySettings) -> Potential | None:
    """The potential that the settings name, or None.

    Raises:
        UserError: If it is not there, or if the hull is to be downloaded and cannot be.
    """
    if settings.hull == MATERIALS_PROJECT:
        materials_project_key()
    return potentials.potential(settings.relax) if settings.has_energies else None


@dataclass(frozen=True)
class References:
    """The hull of a run, and what must be said of it.

    Attributes:
        hull: None without energies.
        described: What it is made of, in words.
        notes: What is missing, one sentence each.
    """

    hull: Hull | None
    described: str = ""
    notes: tuple[str, ...] = ()

    def distances(self, table: StructureTable, energies: np.ndarray) -> Distances | None:
        """Energies above the hull; None without a hull."""
        return self.hull.distances(table, energies) if self.hull else None


def references(
    stages: Stages, train: StructureTable, crystals: Sequence[StructureTable]
) -> References:
    """Reference entries from the given file, or the training crystals by the same potential."""
    if stages.potential is None:
        return References(None)
    if stages.settings.hull is not None:
        path, corrected = stages.settings.hull, True
        described = f"entries of {path.name}"
        if path == MATERIALS_PROJECT:
            path, corrected, described = _downloaded(stages.potential, crystals)
        found = read_entries(path, corrected=corrected)
        notes: tuple[str, ...] = ()
        if found.refused:
            notes = (f"{len(found.refused)} entries of the hull cannot be used.",)
        return References(Hull(found.entries), described, notes)
    return _own_references(stages, train, crystals)


def _downloaded(potential: Potential, crystals: Sequence[StructureTable]) -> tuple[Path, bool, str]:
    """The Materials Project's entries that suit a potential, kept with the data sets.

    Returns:
        The file; whether its corrections are to be added; what it is, in words.
    """
    systems = [system for table in crystals for system in systems_of(table)]
    thermo_type = "R2SCAN" if potential.name.endswith(":r2scan") else "GGA_GGA+U"
    path = download_entries(systems, cache_folder() / "materials-project", thermo_type=thermo_type)
    # CHGNet learned corrected energies, as no other potential that is known by name did.
    corrected = potential.name.startswith("chgnet")
    which = f"{thermo_type}, {'corrected' if corrected else 'uncorrected'}"
    return path, corrected, f"entries of the Materials Project ({which}; {path.name})"


def _own_references(
    stages: Stages, train: StructureTable, crystals: Sequence[StructureTable]
) -> References:
    assert stages.potential is not None
    systems = [system for table in crystals for system in systems_of(table)]
    own = self_consistent(
        train,
        systems,
        stages.potential,
        settings=stages.relaxation,
        prototypes=True,
        folder=stages.energies,
        workers=stages.workers,
        label="relaxing the hull's training crystals",
    )
    entries: list[Entry] = own.entries
    notes = []
    if own.left_out:
        lost = ", ".join(f"{count} {why}" for why, count in own.left_out.items())
        notes.append(f"Training crystals not on the hull because relaxation failed: {lost}.")
    if own.supplied:
        named = ", ".join(f"{symbol} ({name})" for symbol, name in sorted(own.supplied.items()))
        notes.append(
            "Elements that the training crystals lack stand on the hull as simple prototypes: "
            f"{named}."
        )
    described = f"{own.considered} training crystals relaxed with {stages.potential.name}"
    return References(Hull(entries), described, tuple(notes))
