"""The currency of matscale: many structures, stored by column.

A :class:`StructureTable` holds N structures with M atoms altogether:

======== ============ ======= ==========================================================
field    shape        dtype   meaning
======== ============ ======= ==========================================================
ids      (N,)         object  one string a structure; not necessarily unique
offsets  (N + 1,)     int64   atoms of structure i are ``offsets[i]:offsets[i + 1]``
numbers  (M,)         uint8   atomic numbers
positions (M, 3)      float64 Cartesian positions in Å
cells    (N, 3, 3)    float64 lattice vectors in Å as rows; None for a table of particles
columns  name -> (N,)         any further values, one per structure
======== ============ ======= ==========================================================
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from matscale.runtime.exact import coarse, in_basis, settled
from matscale.structures.cells import as_written

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure


@dataclass(frozen=True, eq=False)
class StructureTable:
    """Structures stored by column; see the module's docstring for shapes and units.

    Raises:
        ValueError: If shapes disagree.
    """

    ids: np.ndarray
    offsets: np.ndarray
    numbers: np.ndarray
    positions: np.ndarray
    cells: np.ndarray | None = None
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        convert = {
            "ids": np.asarray(self.ids, dtype=object),
            "offsets": _for_kernels(self.offsets, np.int64),
            "numbers": _for_kernels(self.numbers, np.uint8),
            "positions": _for_kernels(self.positions, np.float64),
        }
        if self.cells is not None:
            convert["cells"] = _for_kernels(self.cells, np.float64)
        for name, value in convert.items():
            object.__setattr__(self, name, value)
        columns = {name: np.asarray(values) for name, values in self.columns.items()}
        object.__setattr__(self, "columns", columns)
        self._check_shapes()

    def __setstate__(self, state: dict[str, Any]) -> None:
        # An array unpickled from a part of a message, as dask's workers do, may start anywhere.
        self.__init__(**state)  # type: ignore[misc]

    def _check_shapes(self) -> None:
        count = len(self.ids)
        atoms = len(self.numbers)
        if self.offsets.shape != (count + 1,):
            raise ValueError(f"offsets has shape {self.offsets.shape}, expected ({count + 1},)")
        if self.offsets[0] != 0 or self.offsets[-1] != atoms or (np.diff(self.offsets) < 0).any():
            raise ValueError(f"offsets must rise from 0 to the number of atoms, {atoms}")
        if self.positions.shape != (atoms, 3):
            raise ValueError(f"positions has shape {self.positions.shape}, expected ({atoms}, 3)")
        if self.cells is not None and self.cells.shape != (count, 3, 3):
            raise ValueError(f"cells has shape {self.cells.shape}, expected ({count}, 3, 3)")
        for name, values in self.columns.items():
            if len(values) != count:
                raise ValueError(f"column {name!r} has {len(values)} values, expected {count}")

    # --- making tables -------------------------------------------------------------------

    @classmethod
    def empty(cls) -> StructureTable:
        """A table of crystals with no rows."""
        return cls(
            ids=np.empty(0, object),
            offsets=np.zeros(1, np.int64),
            numbers=np.empty(0, np.uint8),
            positions=np.empty((0, 3)),
            cells=np.empty((0, 3, 3)),
        )

    @classmethod
    def from_parts(
        cls,
        ids: Sequence[str],
        numbers: Sequence[np.ndarray],
        positions: Sequence[np.ndarray],
        cells: Sequence[np.ndarray] | np.ndarray | None,
        columns: Mapping[str, np.ndarray] | None = None,
    ) -> StructureTable:
        """Join one array per structure: numbers (n,), positions (n, 3) in Å, cells (3, 3) in Å."""
        if not len(ids):
            return cls.empty()
        lengths = np.fromiter((len(part) for part in numbers), np.int64, len(ids))
        return cls(
            ids=np.array([str(name) for name in ids], dtype=object),
            offsets=np.concatenate([[0], np.cumsum(lengths)]),
            numbers=np.concatenate(numbers),
            positions=np.concatenate(positions),
            cells=None if cells is None else np.asarray(cells, dtype=np.float64),
            columns=columns or {},
        )

    @classmethod
    def from_pymatgen(
        cls, structures: Iterable[Structure], ids: Sequence[str] | None = None
    ) -> StructureTable:
        """From ordered pymatgen structures; ids default to 0, 1, 2, ...

        Raises:
            ValueError: If a structure has a site with more than one species or partial occupancy.
        """
        structures = list(structures)
        for index, structure in enumerate(structures):
            if not structure.is_ordered:
                raise ValueError(f"structure {index} ({structure.formula}) is disordered")
        return cls.from_parts(
            ids=[str(index) for index in range(len(structures))] if ids is None else ids,
            numbers=[np.array(structure.atomic_numbers) for structure in structures],
            positions=[
                in_basis(structure.frac_coords, structure.lattice.matrix)
                for structure in structures
            ],
            cells=[structure.lattice.matrix for structure in structures],
        )

    @classmethod
    def from_ase(cls, atoms: Iterable[Atoms], ids: Sequence[str] | None = None) -> StructureTable:
        """From ASE atoms: crystals if the first one has three cell vectors, else particles."""
        atoms = list(atoms)
        crystals = bool(atoms) and atoms[0].cell.rank == 3
        return cls.from_parts(
            ids=[str(index) for index in range(len(atoms))] if ids is None else ids,
            numbers=[item.numbers for item in atoms],
            positions=[item.positions for item in atoms],
            cells=[item.cell.array for item in atoms] if crystals else None,
        )

    @staticmethod
    def concatenate(tables: Sequence[StructureTable]) -> StructureTable:
        """Join tables of one kind; only columns that all of them have are kept.

        Raises:
            ValueError: If crystals and particles are mixed.
        """
        tables = [table for table in tables if len(table)]
        if not tables:
            return StructureTable.empty()
        if len({table.cells is None for table in tables}) > 1:
            raise ValueError("cannot join crystals and particles in one table")
        shared = set(tables[0].columns).intersection(*(table.columns for table in tables))
        atoms = np.cumsum([0] + [len(table.numbers) for table in tables])
        offsets = [table.offsets[1:] + start for table, start in zip(tables, atoms, strict=False)]
        cells = [table.cells for table in tables if table.cells is not None]
        return StructureTable(
            ids=np.concatenate([table.ids for table in tables]),
            offsets=np.concatenate([[0], *offsets]),
            numbers=np.concatenate([table.numbers for table in tables]),
            positions=np.concatenate([table.positions for table in tables]),
            cells=np.concatenate(cells) if cells else None,
            columns={
                name: np.concatenate([table.columns[name] for table in tables])
                for name in tables[0].columns
                if name in shared
            },
        )

    # --- rows ----------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        kind = "particles" if self.cells is None else "crystals"
        return f"StructureTable({len(self)} {kind}, {len(self.numbers)} atoms)"

    def __getitem__(self, rows: int | slice | Sequence[int] | np.ndarray) -> StructureTable:
        """The chosen rows as a table: an index, a slice, a list of indices or a boolean mask."""
        if isinstance(rows, int | np.integer):
            if not -len(self) <= rows < len(self):
                raise IndexError(f"row {rows} of a table of {len(self)}")
            rows = [int(rows)]
        chosen = np.arange(len(self))[rows]
        lengths = self.n_atoms[chosen]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        # Atom k of the new table stands (k - its row's new start) after its row's old start.
        atoms = np.arange(offsets[-1]) + np.repeat(self.offsets[chosen] - offsets[:-1], lengths)
        return StructureTable(
            ids=self.ids[chosen],
            offsets=offsets,
            numbers=self.numbers[atoms],
            positions=self.positions[atoms],
            cells=None if self.cells is None else self.cells[chosen],
            columns={name: values[chosen] for name, values in self.columns.items()},
        )

    def with_columns(self, **columns: Any) -> StructureTable:
        """The same structures with further columns, (N,) each; an old one of that name goes."""
        return replace(self, columns={**self.columns, **columns})

    def with_ids(self, ids: Sequence[str]) -> StructureTable:
        """The same structures under other ids."""
        return replace(self, ids=np.array([str(name) for name in ids], dtype=object))

    @property
    def n_atoms(self) -> np.ndarray:
        """Number of atoms of each structure, (N,)."""
        return np.diff(self.offsets)

    @property
    def volumes(self) -> np.ndarray:
        """Cell volumes in Å^3, (N,)."""
        return np.abs(np.linalg.det(self.lattices))

    @property
    def lattices(self) -> np.ndarray:
        """The cells of a table of crystals, (N, 3, 3) in Å.

        Raises:
            ValueError: If this is a table of particles.
        """
        if self.cells is None:
            raise ValueError("a table of particles has no cells")
        return self.cells

    def row_numbers(self, index: int) -> np.ndarray:
        """Atomic numbers of one structure, (n,)."""
        return self.numbers[self.offsets[index] : self.offsets[index + 1]]

    def row_positions(self, index: int) -> np.ndarray:
        """Cartesian positions of one structure in Å, (n, 3)."""
        return self.positions[self.offsets[index] : self.offsets[index + 1]]

    # --- the border ----------------------------------------------------------------------

    def to_pymatgen(self, index: int) -> Structure:
        """One crystal as a pymatgen ``Structure``, with the coordinates that were read."""
        from pymatgen.core import Lattice, Structure

        lattice = Lattice(self.lattices[index])
        # One by one, as pymatgen does with Cartesian coordinates: together they round otherwise.
        rows = [lattice.get_fractional_coords(position) for position in self.row_positions(index)]
        fractions = as_written(np.array(rows).reshape(-1, 3))
        return Structure(lattice, self.row_numbers(index).tolist(), fractions)

    def to_ase(self, index: int) -> Atoms:
        """One structure as ASE ``Atoms``, periodic if it has a cell."""
        from ase import Atoms

        cell = None if self.cells is None else self.cells[index]
        return Atoms(
            numbers=self.row_numbers(index),
            positions=self.row_positions(index),
            cell=cell,
            pbc=cell is not None,
        )

    def iter_pymatgen(self) -> Iterator[Structure]:
        """All crystals as pymatgen structures, in order."""
        return (self.to_pymatgen(index) for index in range(len(self)))

    def iter_ase(self) -> Iterator[Atoms]:
        """All structures as ASE atoms, in order."""
        return (self.to_ase(index) for index in range(len(self)))

    # --- identity ------------------------------------------------------------------------

    def sha256(self) -> str:
        """Hash of the content: ids, atoms, positions, cells and columns, in order.

        The same on every machine: lengths count to :data:`matscale.runtime.exact.PRECISION` Å,
        columns of floats to nine digits, for the last digits depend on the processor where a
        file gives fractions and angles.
        """
        lengths = [self.positions] if self.cells is None else [self.positions, self.cells]
        return self._digest([settled(part) for part in lengths], coarse)

    def bits_sha256(self) -> str:
        """Hash of the very bits of the content, for what is kept to be found again."""
        lengths = [self.positions] if self.cells is None else [self.positions, self.cells]
        return self._digest(lengths, np.asarray)

    def _digest(
        self, lengths: list[np.ndarray], of_floats: Callable[[np.ndarray], np.ndarray]
    ) -> str:
        digest = hashlib.sha256()
        digest.update(json.dumps(self.ids.tolist()).encode())
        for array in (self.offsets, self.numbers, *lengths):
            digest.update(array.data)
        for name in sorted(self.columns):
            values = self.columns[name]
            values = of_floats(values) if values.dtype.kind == "f" else values
            digest.update(json.dumps([name, values.tolist()], default=str).encode())
        return digest.hexdigest()


def _for_kernels(values: Any, dtype: type) -> np.ndarray:
    """The values in C order at an aligned address, without a copy where they are so."""
    return np.require(values, dtype, ("C_CONTIGUOUS", "ALIGNED", "ENSUREARRAY"))
