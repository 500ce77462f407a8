"""Answers to the particle tasks that are Python objects by sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from matscale.predictors.submissions.particles import (
    Key,
    Rows,
    collected,
    crystals,
    sample_key,
    table_frames,
)
from matscale.runtime.errors import UserError
from matscale.structures.formats import read_objects
from matscale.structures.formats.objects import checked, is_structure
from matscale.structures.table import StructureTable

NAME, SOURCE = "model", "Python objects"


def particles_of(answers: Mapping[Any, Any] | StructureTable) -> Rows:
    """Particles by sample; each answer is atomic numbers (n,) and positions (n, 3) in Å.

    Args:
        answers: Sample's id, or its material, radius and rotation, to ASE ``Atoms``, a pair of
            numbers and positions, or None; or a table with such ids or columns.

    Raises:
        UserError: If none says which sample it answers.
    """
    if isinstance(answers, StructureTable):
        return collected(NAME, SOURCE, table_frames(answers))
    _check_any(answers)
    return collected(
        NAME, SOURCE, ((_key(key), _particle(value)) for key, value in answers.items())
    )


def cells_of(answers: Mapping[Any, Any] | StructureTable) -> Rows:
    """Cells by sample; each answer is six parameters or a table of one row, and a space group.

    Args:
        answers: Sample's id, or its material, radius and rotation, to pymatgen ``Structure``, ASE
            ``Atoms``, a pair of parameters or lattice vectors and space group, or None; or a table
            with such ids or columns.

    Raises:
        UserError: If none says which sample it answers.
    """
    if isinstance(answers, StructureTable):
        return collected(NAME, SOURCE, crystals(read_objects(answers, "answers")))
    _check_any(answers)
    return collected(NAME, SOURCE, _cells(answers))


def _check_any(answers: Mapping[Any, Any]) -> None:
    if not answers:
        raise UserError("the answers are an empty dict; there is nothing to score")


def _cells(answers: Mapping[Any, Any]) -> Iterator[tuple[Key | None, Any]]:
    reading = checked((key, value) for key, value in answers.items() if is_structure(value))
    yield from crystals(reading, {str(key): _key(key) for key in answers})
    yield from ((_key(key), value) for key, value in answers.items() if not is_structure(value))


def _key(key: Any) -> Key | None:
    """The sample that a key of a dict names."""
    if isinstance(key, tuple) and len(key) == 3:
        return sample_key(dict(zip(("material", "radius", "rotation"), key, strict=True)))
    return sample_key({}, str(key))


def _particle(value: Any) -> Any:
    numbers, positions = (
        getattr(value, "numbers", getattr(value, "atomic_numbers", None)),
        getattr(value, "positions", getattr(value, "cart_coords", None)),
    )
    if numbers is None or positions is None:
        return value
    return np.asarray(numbers), np.asarray(positions)
