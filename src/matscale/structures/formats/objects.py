"""Structures that are Python objects already: pymatgen ``Structure``, ASE ``Atoms``, tables.

They pass the same checks as those of files, and one that cannot be used is refused alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from matscale.runtime.errors import Refused, UserError
from matscale.structures.formats.elements import SYMBOLS, atomic_number
from matscale.structures.formats.pipeline import Rules, gather
from matscale.structures.formats.vocabulary import Block, Entry, Limits, Parsed
from matscale.structures.reading import Reading
from matscale.structures.table import StructureTable

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import IStructure

KINDS = "pymatgen Structures or ASE Atoms"
"""What is a crystal to Python users."""

_SOURCE = "Python"


def is_structure(value: Any) -> bool:
    """Whether a value is a pymatgen ``Structure`` or ASE ``Atoms``, whatever is in it."""
    return isinstance(
        value, (_loaded("pymatgen.core.structure", "IStructure"), _loaded("ase.atoms", "Atoms"))
    )


def _loaded(module: str, name: str) -> Any:
    """A class of a library if that is imported; without it, no value is of the class."""
    return getattr(sys.modules.get(module), name, _Nothing)


class _Nothing:
    """The class that no value is of."""


def read_objects(objects: Any, what: str = "structures") -> Reading:
    """Structures of a dict by id, of a list in order, or of a table.

    An entry of a dict or list that is not a crystal (None, one of the wrong type, a disordered
    structure, atoms without a cell) is a refused item.

    Args:
        objects: A mapping of id to pymatgen ``Structure`` or ASE ``Atoms``; a list, tuple or
            iterator of those, whose ids are then 0, 1, ...; a :class:`StructureTable`; or a
            :class:`Reading`, which is taken as it is.
        what: What they are, in the plural, for messages.

    Raises:
        UserError: If they are nothing of these, or none is a crystal.
    """
    if isinstance(objects, Reading):
        return objects
    if isinstance(objects, StructureTable):
        return _of_table(objects, what)
    if is_structure(objects) or not isinstance(objects, Mapping | list | tuple | Iterator):
        hint = "; for a pandas Series, give .to_dict()" if hasattr(objects, "to_dict") else ""
        raise UserError(
            f"the {what} are a single {_name(objects)}; give a dict of id to crystal, a list of "
            f"crystals ({KINDS}) or a StructureTable{'' if is_structure(objects) else hint}"
        )
    named = isinstance(objects, Mapping)
    pairs = list(objects.items()) if isinstance(objects, Mapping) else list(enumerate(objects))
    if not pairs:
        raise UserError(f"the {what} are an empty {_name(objects)}; there is nothing to read")
    reading = checked(pairs)
    if not any(is_structure(value) for _, value in pairs):
        raise UserError(
            f"the {what} hold no crystals: the first of {len(pairs)} is a {_name(pairs[0][1])}; "
            f"give {KINDS}"
        )
    if not len(reading.table) and {refusal.reason for refusal in reading.refusals} <= {"no cell"}:
        raise UserError(f"none of the {what} is a crystal: {reading.refusals[0].detail}")
    return reading if named else replace(reading, unnamed=len(pairs))


def checked(pairs: Iterable[tuple[Any, Any]]) -> Reading:
    """Keys and objects as items, those refused that are not sound crystals."""
    entries = [Entry(str(key), f"{_SOURCE}[{key!r}]", value, parse) for key, value in pairs]
    return gather(entries, Rules(Limits().atoms), workers=1)


def _of_table(table: StructureTable, what: str) -> Reading:
    if not len(table):
        raise UserError(f"the {what} are an empty StructureTable; there is nothing to read")
    if table.cells is None:
        raise UserError(f"the {what} are a StructureTable of particles; give crystals, with cells")
    reading = gather([Block(table, _SOURCE)], Rules(Limits().atoms), workers=1)
    numbered = table.ids.tolist() == [str(row) for row in range(len(table))]
    return replace(reading, unnamed=len(table) if numbered else 0)


def _name(value: Any) -> str:
    return "None" if value is None else type(value).__name__


def parse(content: Any) -> Parsed:
    """The numbers, positions and cell of a pymatgen ``Structure`` or ASE ``Atoms``.

    Raises:
        Refused: If it is neither, disordered, or has no cell.
    """
    if content is None:
        raise Refused("missing", "None in place of a structure")
    try:
        if isinstance(content, _loaded("pymatgen.core.structure", "IStructure")):
            return _of_pymatgen(content)
        if isinstance(content, _loaded("ase.atoms", "Atoms")):
            return _of_ase(content)
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        detail = f"{_name(content)}: {type(error).__name__}: {error}"
        raise Refused("unreadable", detail[:200]) from error
    raise Refused("unreadable", f"a {_name(content)}, which is not a structure; give {KINDS}")


def _of_pymatgen(structure: IStructure) -> Parsed:
    if not structure.is_ordered:
        raise Refused("disordered", structure.formula)
    symbols = [site.specie.symbol for site in structure]
    number = {symbol: atomic_number(symbol) for symbol in set(symbols)}
    return Parsed(
        np.array([number[symbol] for symbol in symbols], np.uint8),
        np.array(structure.cart_coords, np.float64).reshape(-1, 3),
        np.array(structure.lattice.matrix, np.float64),
    )


def _of_ase(atoms: Atoms) -> Parsed:
    if atoms.cell.rank < 3:
        raise Refused("no cell", "ASE Atoms without three cell vectors")
    if not atoms.pbc.any():
        raise Refused("no cell", "ASE Atoms that are not periodic; set atoms.pbc = True")
    numbers = np.asarray(atoms.numbers)
    strange = numbers[(numbers < 1) | (numbers >= len(SYMBOLS))]
    if len(strange):
        raise Refused("unknown element", f"atomic number {strange[0]}")
    return Parsed(
        numbers.astype(np.uint8),
        np.array(atoms.positions, np.float64),
        np.array(atoms.cell.array, np.float64),
    )
