"""Crystals as flat tensors: atoms of all crystals in a row, edges between those of one crystal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from matscale.models import cells
from matscale.models.coupling import lattice_symmetries
from matscale.models.elements import MOST
from matscale.runtime.errors import UserError
from matscale.structures.chemistry import Composition
from matscale.structures.table import StructureTable

CONDITIONS: Mapping[str, int] = {"tc": 1, "space_group": 1, "volume": 1, "cell": cells.SIZE}
"""What a model can be told beside the composition, and how many numbers it is."""


@dataclass(frozen=True, eq=False)
class Batch:
    """What a model is told of B crystals of N atoms in all.

    Atoms of a crystal stand by rising atomic number.

    Attributes:
        numbers: Atomic numbers, (N,).
        counts: Atoms of each crystal, (B,).
        owner: Crystal of each atom, (N,).
        receivers: Atom that each edge leads to, (E,).
        senders: Atom of the same crystal that it comes from, (E,).
        conditions: Field to values, (B, size of the field); NaN where one is not known.
    """

    numbers: Tensor
    counts: Tensor
    owner: Tensor
    receivers: Tensor
    senders: Tensor
    conditions: Mapping[str, Tensor]

    def __len__(self) -> int:
        return len(self.counts)

    def to(self, device: torch.device | str) -> Batch:
        """The same on another device."""
        moved: dict[str, Any] = {}
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            moved[name] = (
                value.to(device)
                if isinstance(value, Tensor)
                else {key: tensor.to(device) for key, tensor in value.items()}
            )
        return replace(self, **moved)

    def mean(self, atoms: Tensor) -> Tensor:
        """Means over the atoms of each crystal, (B, ...), of values of atoms, (N, ...)."""
        totals = atoms.new_zeros(len(self), *atoms.shape[1:])
        totals.index_add_(0, self.owner, atoms)
        return totals / self.counts.view(-1, *[1] * (atoms.dim() - 1))


def batch_of(compositions: Sequence[Composition], conditions: Mapping[str, np.ndarray]) -> Batch:
    """A batch of crystals that are to be made.

    Args:
        compositions: Atomic number and count, of one cell each.
        conditions: Keys of :data:`CONDITIONS` to values, (B, size); NaN where not known.
    """
    numbers = [np.repeat(*np.array(composition).T) for composition in compositions]
    counts = np.array([len(atoms) for atoms in numbers])
    first = np.repeat(np.cumsum(counts) - counts, counts * counts)
    within = np.arange(int((counts * counts).sum())) - np.repeat(
        np.cumsum(counts * counts) - counts * counts, counts * counts
    )
    size = np.repeat(counts, counts * counts)
    receivers, senders = first + within // size, first + within % size
    apart = receivers != senders
    return Batch(
        numbers=torch.tensor(np.concatenate(numbers)).long(),
        counts=torch.tensor(counts),
        owner=torch.tensor(np.repeat(np.arange(len(counts)), counts)),
        receivers=torch.tensor(receivers[apart]),
        senders=torch.tensor(senders[apart]),
        conditions={
            name: torch.tensor(np.asarray(values, dtype=np.float32).reshape(len(counts), -1))
            for name, values in conditions.items()
        },
    )


@dataclass(frozen=True, eq=False)
class Crystal:
    """A crystal to learn from, in its Niggli cell.

    Attributes:
        composition: Of the cell.
        fractional: Coordinates, atoms by rising atomic number, (n, 3).
        groups: Where each element begins and the last ends, (k + 1,).
        symmetries: Of the lattice, (s, 3, 3): see :func:`lattice_symmetries`.
        lattice: Vectors as rows in Å, (3, 3).
        cell: The lattice as :func:`matscale.models.cells.encode` gives it, (6,).
        conditions: Field to values.
    """

    composition: Composition
    fractional: np.ndarray
    groups: np.ndarray
    symmetries: np.ndarray
    lattice: np.ndarray
    cell: np.ndarray
    conditions: Mapping[str, np.ndarray]


def crystals_of(table: StructureTable, conditions: Mapping[str, np.ndarray]) -> list[Crystal]:
    """Crystals of a table in the form that models learn from.

    Args:
        table: Of crystals.
        conditions: Keys of :data:`CONDITIONS` to values, (rows, size).

    Raises:
        UserError: If an element is beyond those that models know.
    """
    strange = np.flatnonzero(table.numbers > MOST)
    if len(strange):
        raise UserError(
            f"a crystal holds the atomic number {table.numbers[strange[0]]}; models know the "
            f"elements 1 to {MOST}: leave that crystal out"
        )
    reduced, rows = niggli(table)
    encoded = cells.encode(
        torch.tensor(reduced.lattices), torch.tensor(reduced.n_atoms.astype(np.int64))
    ).numpy()
    return [
        _crystal(reduced, place, encoded[place], {k: v[row] for k, v in conditions.items()})
        for place, row in enumerate(rows.tolist())
    ]


def _crystal(
    table: StructureTable, row: int, cell: np.ndarray, conditions: Mapping[str, np.ndarray]
) -> Crystal:
    numbers = table.row_numbers(row)
    order = np.argsort(numbers, kind="stable")
    lattice = table.lattices[row]
    fractional = np.linalg.solve(lattice.T, table.row_positions(row).T).T % 1.0
    elements, counts = np.unique(numbers, return_counts=True)
    return Crystal(
        composition=tuple(zip(elements.tolist(), counts.tolist(), strict=True)),
        fractional=np.ascontiguousarray(fractional[order]),
        groups=np.concatenate([[0], np.cumsum(counts)]),
        symmetries=lattice_symmetries(lattice),
        lattice=lattice,
        cell=cell,
        conditions=conditions,
    )


def niggli(table: StructureTable) -> tuple[StructureTable, np.ndarray]:
    """Niggli cells of crystals with as many atoms as before.

    Returns:
        The reduced crystals, and which rows of the table they are; those whose cell cannot be
        reduced are not among them.
    """
    from matscale.matching.prepare import prepare

    reduced = prepare(table, reduce=True, to_primitive=False, ltol=0.0, atol=0.0)
    rows = np.flatnonzero(reduced.sizes)
    sites = [
        slice(start, start + size)
        for start, size in zip(reduced.offsets[rows], reduced.sizes[rows], strict=True)
    ]
    return (
        StructureTable.from_parts(
            ids=list(table.ids[rows]),
            numbers=[reduced.codes[part].astype(np.uint8) for part in sites],
            positions=[
                reduced.frac[part] @ reduced.cells[row]
                for part, row in zip(sites, rows, strict=True)
            ],
            cells=reduced.cells[rows],
        ),
        rows,
    )


def joined(crystals: Sequence[Crystal]) -> Batch:
    """What is told of crystals that are learnt from."""
    names = crystals[0].conditions
    return batch_of(
        [crystal.composition for crystal in crystals],
        {name: np.array([crystal.conditions[name] for crystal in crystals]) for name in names},
    )


def described(crystal: Crystal, random: np.random.Generator) -> np.ndarray:
    """Coordinates in a setting drawn at random, the first atom at the origin, (n, 3).

    Equal atoms are exchanged and a symmetry of the lattice is applied.
    """
    turn = crystal.symmetries[random.integers(len(crystal.symmetries))]
    order = np.concatenate(
        [
            start + random.permutation(end - start)
            for start, end in zip(crystal.groups[:-1], crystal.groups[1:], strict=True)
        ]
    )
    image = (crystal.fractional @ turn)[order]
    return image - image[0]


def table_of(batch: Batch, fractional: Tensor, lattices: Tensor) -> StructureTable:
    """Crystals that were made, as a table with the ids 0, 1, ...

    Args:
        batch: What was asked.
        fractional: Coordinates of the atoms, (N, 3).
        lattices: Vectors as rows in Å, (B, 3, 3).
    """
    owner = batch.owner.cpu().numpy()
    lattice = lattices.double().cpu().numpy()
    coordinates = fractional.double().cpu().numpy()
    coordinates -= np.floor(coordinates)
    positions = np.einsum("na,nab->nb", coordinates, lattice[owner])
    counts = batch.counts.cpu().numpy()
    return StructureTable(
        ids=np.array([str(row) for row in range(len(batch))], dtype=object),
        offsets=np.concatenate([[0], np.cumsum(counts)]),
        numbers=batch.numbers.cpu().numpy().astype(np.uint8),
        positions=positions,
        cells=lattice,
    )
