"""Symmetry operations as they are listed or generated, and whether a cell keeps to them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from matscale.runtime.errors import Refused

if TYPE_CHECKING:
    import gemmi

MAX_OPERATIONS = 1024
"""No group in a conventional cell has over 192; larger cells have more centring."""

UNIT = 24
"""Translations are multiples of 1/24."""

LONGEST = 200
"""Characters of an operation; no longer text is one."""

LARGEST_ENTRY = 12
"""Of a rotation; those of reduced and conventional cells have 0, 1 and 2 only."""

_IDENTITY = np.eye(3, dtype=np.int64)
_NUMBERED = re.compile(r"^\d+\s+(?=\S)")
_AXES = re.compile(r"[-+xyz\d/.]+")
_TIME_REVERSAL = ("+1", "-1", "1", "+", "-", "m", "-m", "+m")


@dataclass(frozen=True, eq=False)
class Operations:
    """The operations of a space group in one setting.

    Attributes:
        rotations: (k, 3, 3), acting on fractional coordinates as columns.
        translations: (k, 3), fractional.
        name: What to call them.
        number: Of the space group; 0 where it is in no setting that gemmi knows.
        table: Whether they were taken from a table and not from the file.
    """

    rotations: np.ndarray
    translations: np.ndarray
    name: str
    number: int
    table: bool = True

    def __len__(self) -> int:
        return len(self.rotations)

    @cached_property
    def point_group(self) -> np.ndarray:
        """The different rotations, (m, 3, 3)."""
        return np.unique(self.rotations, axis=0)


def misfit(operations: Operations, cell: np.ndarray) -> float:
    """How far the operations are from isometries of a cell.

    That is the largest change of an element of the metric tensor, relative to the lengths of the
    two vectors: about twice a relative difference of lengths, or a difference of angles in rad.

    Args:
        operations: The operations.
        cell: Lattice vectors as rows, in Å, (3, 3).
    """
    metric = cell @ cell.T
    lengths = np.sqrt(np.diag(metric))
    turns = operations.point_group
    change = turns.transpose(0, 2, 1) @ metric @ turns - metric
    return float(np.nan_to_num(np.abs(change / np.outer(lengths, lengths)), nan=np.inf).max())


@lru_cache(1024)
def of_setting(group: gemmi.SpaceGroup) -> Operations:
    """The operations of a setting of gemmi's table."""
    return _from_integers(*_integers(group.operations()), group.xhm(), group.number)


def of_hall(operations: gemmi.GroupOps, group: gemmi.SpaceGroup | None, text: str) -> Operations:
    """The operations that gemmi made of a Hall symbol."""
    name, number = (group.xhm(), group.number) if group is not None else (f"Hall {text}", 0)
    return _from_integers(*_integers(operations), name, number)


@lru_cache(1024)
def listed(texts: tuple[str, ...], centring: tuple[str, ...]) -> tuple[Operations, bool]:
    """The operations of a list, completed, and whether the list was complete.

    The identity may be missing. A list that is not a group counts as generators.

    Args:
        texts: Such as ``-x+y, 1/3+x, z``; a time reversal (``+1``, ``-1``) may follow.
        centring: Translations to be combined with each, written as operations.

    Raises:
        Refused: If one is not an operation of a crystal, or they generate no space group.
    """
    if len(texts) * max(len(centring), 1) > MAX_OPERATIONS:
        raise Refused("unknown symmetry", f"CIF: {len(texts)} symmetry operations")
    operations = [_operation(text) for text in texts]
    if centring:
        shifts = [_operation(text) for text in centring]
        operations = [shift * operation for shift in shifts for operation in operations]
    rotations, translations = _integers(operations)
    rotations, translations = _distinct(rotations, translations)
    named = _in_table(rotations, translations)
    complete = named is not None or _is_group(rotations, translations)
    if not complete:
        rotations, translations = _generated(rotations, translations)
        named = _in_table(rotations, translations)
    name, number = named or (f"{len(rotations)} operations", 0)
    return _from_integers(rotations, translations, name, number, table=False), complete


def _in_table(rotations: np.ndarray, translations: np.ndarray) -> tuple[str, int] | None:
    """Symbol and number of the setting that has just these operations."""
    import gemmi

    ops = [_gemmi(*pair) for pair in zip(rotations, translations, strict=True)]
    group = gemmi.find_spacegroup_by_ops(gemmi.GroupOps(ops))
    if group is None or _keys(*_integers(group.operations())) != _keys(rotations, translations):
        return None
    return group.xhm(), group.number


def same(first: Operations, second: Operations) -> bool:
    """Whether two lists hold the same operations, up to lattice translations."""
    keys = [
        _keys(each.rotations.astype(np.int64), np.rint(each.translations * UNIT).astype(np.int64))
        for each in (first, second)
    ]
    return keys[0] == keys[1]


def _operation(text: str) -> gemmi.Op:
    import gemmi

    if len(text) > LONGEST:
        raise Refused("unknown symmetry", f"CIF: {text.strip()[:40]!r} is not a symmetry operation")
    plain = re.sub("[\u2010-\u2015\u2212]", "-", text).strip().lower()
    parts = re.sub(r"[\s'\"]+", "", _NUMBERED.sub("", plain)).split(",")
    if len(parts) == 4 and parts[3] in _TIME_REVERSAL:
        parts.pop()
    shown = text.strip()[:40]
    if len(parts) != 3 or not all(_AXES.fullmatch(part) for part in parts):
        raise Refused("unknown symmetry", f"CIF: {shown!r} is not a symmetry operation")
    try:
        operation = gemmi.Op(",".join(parts))
    except (ValueError, RuntimeError) as error:
        raise Refused("unknown symmetry", f"CIF: {shown!r}: {error}"[:200]) from error
    turn = np.array(operation.rot)
    if (turn % gemmi.Op.DEN).any() or abs(operation.det_rot()) != gemmi.Op.DEN**3:
        detail = f"CIF: {shown!r} maps no lattice on itself"
        raise Refused("unknown symmetry", detail)
    return operation


def _integers(operations: Iterable[gemmi.Op]) -> tuple[np.ndarray, np.ndarray]:
    """Rotations (k, 3, 3) and translations (k, 3) in units of 1/24."""
    pairs = [(operation.rot, operation.tran) for operation in operations]
    rotations = np.array([rot for rot, _ in pairs], dtype=np.int64).reshape(-1, 3, 3) // UNIT
    return rotations, np.array([tran for _, tran in pairs], dtype=np.int64).reshape(-1, 3)


def _from_integers(
    rotations: np.ndarray, translations: np.ndarray, name: str, number: int, table: bool = True
) -> Operations:
    turns, shifts = rotations.astype(np.float64), translations / UNIT
    turns.flags.writeable = shifts.flags.writeable = False
    return Operations(turns, shifts, name, number, table)


def _gemmi(rotation: np.ndarray, translation: np.ndarray) -> gemmi.Op:
    import gemmi

    operation = gemmi.Op()
    operation.rot = (rotation * UNIT).tolist()
    operation.tran = (translation % UNIT).tolist()
    return operation


def _distinct(rotations: np.ndarray, translations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The operations with the identity, each once, in the order of the list."""
    rows = _rows(rotations, translations)
    identity = _rows(_IDENTITY[None], np.zeros((1, 3), np.int64))
    if not (rows == identity).all(axis=1).any():
        rotations = np.concatenate([_IDENTITY[None], rotations])
        translations = np.concatenate([np.zeros((1, 3), np.int64), translations])
        rows = np.concatenate([identity, rows])
    _, first = np.unique(rows, axis=0, return_index=True)
    first.sort()
    return rotations[first], translations[first]


def _rows(rotations: np.ndarray, translations: np.ndarray) -> np.ndarray:
    """Each operation as 12 integers, up to lattice translations, (k, 12)."""
    return np.hstack([rotations.reshape(-1, 9), translations % UNIT])


def _products(
    first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Each operation of the first after each of the second, (k * l, ...)."""
    turns = np.einsum("aij,bjk->abik", first[0], second[0]).reshape(-1, 3, 3)
    shifts = np.einsum("aij,bj->abi", first[0], second[1]) + first[1][:, None]
    return turns, shifts.reshape(-1, 3) % UNIT


def _is_group(rotations: np.ndarray, translations: np.ndarray) -> bool:
    """Whether each product is in the list; each operation is looked at with all of them."""
    own = _keys(rotations, translations)
    for operation in range(len(rotations)):
        left = rotations[operation : operation + 1], translations[operation : operation + 1]
        if not _keys(*_products(left, (rotations, translations))) <= own:
            return False
    return True


def _keys(rotations: np.ndarray, translations: np.ndarray) -> set[int]:
    """One integer for each operation, up to lattice translations."""
    if np.abs(rotations).max() > LARGEST_ENTRY:
        detail = f"CIF: a symmetry operation that multiplies by more than {LARGEST_ENTRY}"
        raise Refused("unknown symmetry", detail)
    base = 2 * LARGEST_ENTRY + 1
    digits = (rotations.reshape(-1, 9) + LARGEST_ENTRY) @ base ** np.arange(9)
    shifts = (translations % UNIT) @ UNIT ** np.arange(3)
    return set((digits * UNIT**3 + shifts).tolist())


def _generated(rotations: np.ndarray, translations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The group that operations generate.

    Raises:
        Refused: If it is none of a crystal: it does not end, or has over MAX_OPERATIONS.
    """
    generators = rotations, translations
    while True:
        count = len(rotations)
        turns, shifts = _products(generators, (rotations, translations))
        rotations, translations = _distinct(
            np.concatenate([rotations, turns]), np.concatenate([translations, shifts])
        )
        if len(rotations) == count:
            return rotations, translations
        if len(rotations) > MAX_OPERATIONS or np.abs(rotations).max() > LARGEST_ENTRY:
            detail = f"CIF: {len(generators[0])} symmetry operations that generate no space group"
            raise Refused("unknown symmetry", detail)
