"""The crystals that are being relaxed at one time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from matscale.energy.context import evaluated
from matscale.energy.deformation import Layout, generalised_forces, to_cartesian
from matscale.energy.optimisers import OPTIMISERS, Optimiser
from matscale.energy.potential import Evaluation, Potential
from matscale.energy.status import CONVERGED, EXPLODED, FAILED, NOT_CONVERGED
from matscale.structures.table import StructureTable


class Settings(Protocol):
    """What a batch must know; see :class:`matscale.energy.relax.RelaxSettings`."""

    @property
    def fmax(self) -> float: ...  # noqa: D102
    @property
    def max_steps(self) -> int: ...  # noqa: D102
    @property
    def optimiser(self) -> str: ...  # noqa: D102
    @property
    def relax_cell(self) -> bool: ...  # noqa: D102
    @property
    def max_volume_change(self) -> float: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of one crystal; units and NaNs as in :class:`matscale.energy.relax.Relaxation`.

    Attributes:
        positions: (n, 3) in Å.
        cell: (3, 3) in Å.
        status: One of :data:`matscale.energy.status.STATUSES`.
        energy: In eV.
        initial_energy: In eV.
        force: Largest generalised force in eV/Å.
        steps: Moves.
        reason: Why it exploded or failed; "" otherwise.
    """

    positions: np.ndarray
    cell: np.ndarray
    status: str
    energy: float
    initial_energy: float
    force: float
    steps: int
    reason: str = ""

    def stored(self) -> dict[str, np.ndarray]:
        """As a dict of arrays."""
        return {name: np.asarray(value) for name, value in asdict(self).items()}

    @classmethod
    def failing(cls, positions: np.ndarray, cell: np.ndarray, reason: str) -> Outcome:
        """Of a crystal that no process can relax: as given, positions (n, 3), cell (3, 3) in Å."""
        return cls(positions, cell, FAILED, np.nan, np.nan, np.nan, 0, reason)

    @classmethod
    def restored(cls, stored: Mapping[str, np.ndarray]) -> Outcome:
        """From :meth:`stored`."""
        values: dict[str, Any] = {
            name: value if value.ndim else value.item() for name, value in stored.items()
        }
        return cls(**values)


class Batch:
    """Crystals that move together until each is done.

    Args:
        table: Where they come from.
        settings: How they are relaxed.
    """

    def __init__(self, table: StructureTable, settings: Settings) -> None:
        self._table, self._settings = table, settings
        self._optimiser: Optimiser = OPTIMISERS[settings.optimiser]()
        self._rows = np.empty(0, np.int64)
        self._layout = Layout(np.empty(0, np.int64))
        self._coordinates = np.empty((0, 3))
        self._cells0 = np.empty((0, 3, 3))
        self._steps = np.empty(0, np.int64)
        self._initial_energies = np.empty(0)
        # The latest geometry that could be evaluated, and its largest force.
        self._last_coordinates = np.empty((0, 3))
        self._last_forces = np.empty(0)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def n_atoms(self) -> int:
        """Atoms of the batch."""
        return int(self._layout.n_atoms.sum())

    def enter(self, rows: list[int]) -> None:
        """Add crystals of the table."""
        self._change(np.ones(len(self), np.bool_), np.array(rows, np.int64))

    def advance(self, potential: Potential) -> Iterator[tuple[int, Outcome]]:
        """Evaluate all crystals, yield and drop those that are done, and move the others.

        Raises:
            ContextFailed: If the process has lost the device; see ``context.py``.
        """
        geometry = self._geometry(self._coordinates)
        evaluation = evaluated(potential, geometry)
        forces = self._generalised_forces(evaluation)
        largest = self._layout.longest(forces)
        new = self._steps == 0
        self._initial_energies = np.where(new, evaluation.energies, self._initial_energies)
        reasons = self._reasons(geometry, evaluation, largest)
        status = self._statuses(reasons, largest)
        sane = ~np.isin(np.arange(len(self)), list(reasons))
        sane_rows = self._layout.spread(sane)
        self._last_coordinates = np.where(sane_rows, self._coordinates, self._last_coordinates)
        self._last_forces = np.where(sane, largest, self._last_forces)
        done = np.array([bool(name) for name in status])
        outcomes = self._outcomes(np.flatnonzero(done), status, reasons, evaluation.energies)
        if not done.all():
            usable = np.where(sane_rows, forces, 0.0)
            moves = self._optimiser.step(self._layout, usable, self._coordinates)
            self._coordinates = self._coordinates + np.where(sane_rows, moves, 0.0)
        self._steps += 1
        if done.any():
            self._change(~done, np.empty(0, np.int64))
        yield from outcomes

    def _change(self, kept: np.ndarray, rows: np.ndarray) -> None:
        """Keep some crystals (mask) and add others at the end."""
        kept_rows = kept[self._layout.owners]
        new = self._table[rows]
        added = Layout(new.n_atoms)
        coordinates = added.join(new.positions, np.zeros((len(new), 3, 3)))
        self._optimiser.change(kept, kept_rows, len(new), len(coordinates))
        self._rows = np.append(self._rows[kept], rows)
        self._coordinates = np.concatenate([self._coordinates[kept_rows], coordinates])
        self._last_coordinates = np.concatenate([self._last_coordinates[kept_rows], coordinates])
        self._cells0 = np.concatenate([self._cells0[kept], new.lattices])
        self._steps = np.append(self._steps[kept], np.zeros(len(new), np.int64))
        unknown = np.full(len(new), np.nan)
        self._initial_energies = np.append(self._initial_energies[kept], unknown)
        self._last_forces = np.append(self._last_forces[kept], unknown)
        self._layout = Layout(np.append(self._layout.n_atoms[kept], new.n_atoms))

    def _geometry(self, coordinates: np.ndarray) -> StructureTable:
        positions, cells = to_cartesian(self._layout, coordinates, self._cells0)
        return StructureTable(
            ids=self._table.ids[self._rows],
            offsets=np.concatenate([[0], np.cumsum(self._layout.n_atoms)]),
            numbers=self._table[self._rows].numbers,
            positions=positions,
            cells=cells,
        )

    def _generalised_forces(self, evaluation: Evaluation) -> np.ndarray:
        layout = self._layout
        # Those that could not be evaluated are found by their NaNs later; LAPACK wants none.
        stresses = np.nan_to_num(evaluation.stresses, nan=0.0, posinf=0.0, neginf=0.0)
        forces = generalised_forces(
            layout, self._coordinates, self._cells0, evaluation.forces, stresses
        )
        on_atoms, on_cells = layout.split(forces)
        on_cells[~np.isfinite(evaluation.stresses).all(axis=(1, 2))] = np.nan
        if not self._settings.relax_cell:
            on_cells[:] = 0.0
        return layout.join(on_atoms, on_cells)

    def _reasons(
        self, geometry: StructureTable, evaluation: Evaluation, largest: np.ndarray
    ) -> dict[int, str]:
        """Why crystals cannot go on, by place in the batch."""
        reasons = dict(evaluation.refused)
        for row in np.flatnonzero(~(np.isfinite(largest) & np.isfinite(evaluation.energies))):
            reasons.setdefault(int(row), "energy or forces are not finite")
        change = geometry.volumes / np.abs(np.linalg.det(self._cells0))
        limit = self._settings.max_volume_change
        for row in np.flatnonzero(~((change < limit) & (change > 1 / limit))):
            reasons.setdefault(int(row), f"the volume changed by a factor of {change[row]:.3g}")
        return reasons

    def _statuses(self, reasons: dict[int, str], largest: np.ndarray) -> list[str]:
        """Status of each crystal that is done; "" for one that goes on."""
        statuses = []
        for row, force in enumerate(largest):
            if row in reasons:
                statuses.append(EXPLODED if self._steps[row] else FAILED)
            elif force < self._settings.fmax:
                statuses.append(CONVERGED)
            else:
                given_up = self._steps[row] >= self._settings.max_steps
                statuses.append(NOT_CONVERGED if given_up else "")
        return statuses

    def _outcomes(
        self,
        places: np.ndarray,
        statuses: list[str],
        reasons: dict[int, str],
        energies: np.ndarray,
    ) -> list[tuple[int, Outcome]]:
        outcomes: list[tuple[int, Outcome]] = []
        if not len(places):
            return outcomes
        last = self._geometry(self._last_coordinates)
        for row in places.tolist():
            outcome = Outcome(
                positions=last.row_positions(row).copy(),
                cell=last.lattices[row].copy(),
                status=statuses[row],
                energy=np.nan if row in reasons else float(energies[row]),
                initial_energy=float(self._initial_energies[row]),
                force=float(self._last_forces[row]),
                steps=int(self._steps[row]),
                reason=reasons.get(row, ""),
            )
            outcomes.append((int(self._rows[row]), outcome))
        return outcomes
