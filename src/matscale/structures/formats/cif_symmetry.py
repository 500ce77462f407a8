"""Which symmetry operations a CIF means.

Listed operations count before a Hall symbol, that before a Hermann-Mauguin symbol, that before a
number. What a symbol or number leaves open, the cell decides where it can. A CIF that states no
symmetry is P1; one that states what is not understood, or what its cell does not have, is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from matscale.runtime.errors import Refused
from matscale.structures.formats import space_groups
from matscale.structures.formats.cif_tags import ABSENT, Tags
from matscale.structures.formats.operations import (
    Operations,
    listed,
    misfit,
    of_hall,
    of_setting,
    same,
)

if TYPE_CHECKING:
    import gemmi

FITS = 2e-3
"""Misfit of a cell that is written to three digits or better."""

FITS_ROUGHLY = 0.05
"""Misfit from which a cell does not have the symmetry at all: 2.5 % of a length, 3 degrees."""

_EQUAL = 1e-5
"""Misfits that differ by less are equal."""

_MAGNETIC = ("_space_group_symop_magn_operation_xyz",)
_MAGNETIC_CENTRING = ("_space_group_symop_magn_centering_xyz",)
_OPERATIONS = ("_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz")
_GENERATORS = ("_space_group_symop_generator_xyz",)
_HALL = ("_space_group_name_hall", "_symmetry_space_group_name_hall")
_SYMBOLS = (
    "_space_group_name_h_m_alt",
    "_symmetry_space_group_name_h_m",
    "_space_group_name_h_m_full",
    "_symmetry_space_group_name_h_m_full",
    "_space_group_name_h_m",
)
_CODE = ("_space_group_it_coordinate_system_code",)
_REFERENCE = ("_space_group_name_h_m_ref",)
_NUMBERS = ("_space_group_it_number", "_symmetry_int_tables_number")
_STATEMENTS = (
    "_space_group_name", "_symmetry_space_group_name", "_space_group_magn_name",
    "_space_group_magn_number", "_space_group_magn_ssg_name", "_space_group_ssg_name",
    "_space_group_symop", "_symmetry_equiv_pos", "_symmetry_equiv", *_NUMBERS,
)  # fmt: skip


@dataclass(frozen=True)
class Symmetry:
    """What a CIF says of its symmetry.

    Attributes:
        candidates: Operations that it can mean, all of which its cell has, the likeliest first;
            none for P1.
        warnings: Kind and detail of what is doubtful.
    """

    candidates: tuple[Operations, ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, eq=False)
class _Statement:
    """One way in which a CIF states its symmetry.

    Attributes:
        text: As it stands in the file.
        candidates: What it can mean, the likeliest first.
        others: Further settings of the group, to take one that the cell fits instead.
        standard: Whether the candidates are the group's standard settings for want of a symbol.
    """

    text: str
    candidates: tuple[Operations, ...]
    others: tuple[gemmi.SpaceGroup, ...] = ()
    standard: bool = False

    @cached_property
    def numbers(self) -> set[int]:
        return {candidate.number for candidate in self.candidates}


def stated(tags: Tags, cell: np.ndarray) -> Symmetry:
    """The symmetry that a block states.

    Args:
        tags: The block.
        cell: Lattice vectors as rows, in Å, (3, 3).

    Raises:
        Refused: If it is not understood, or the cell does not have it.
    """
    names = (_HALL, _SYMBOLS, _CODE, _NUMBERS, _REFERENCE)
    texts = [tags.texts(*each) for each in names]
    _check_lengths(texts)
    lower, unknown = _statements(*texts)
    listed = _listed(tags, lower)
    if listed is None and not lower:
        _refuse_unknown(tags)
        return Symmetry()
    first, warnings = listed or _without(unknown, lower[0])
    warnings += _conflict(first, lower)
    if len(first.candidates[0]) == 1:
        return Symmetry((), warnings)
    _check_finite(cell)
    candidates, remarks = _fitting(first, cell)
    return Symmetry(candidates, warnings + remarks)


def _listed(
    tags: Tags, lower: tuple[_Statement, ...]
) -> tuple[_Statement, tuple[tuple[str, str], ...]] | None:
    """The operations that are listed, and what is doubtful about them."""
    centring = _lines(tags, _MAGNETIC_CENTRING)
    texts = _lines(tags, _MAGNETIC + _OPERATIONS)
    generators = () if texts else _lines(tags, _GENERATORS)
    if not (texts or generators or centring):
        return None
    return _list(texts, generators, centring, lower)


@lru_cache(1024)
def _list(
    texts: tuple[str, ...],
    generators: tuple[str, ...],
    centring: tuple[str, ...],
    lower: tuple[_Statement, ...],
) -> tuple[_Statement, tuple[tuple[str, str], ...]]:
    operations, complete = listed(texts or generators or ("x,y,z",), centring)
    statement = _Statement(f"operations of {operations.name}", (operations,))
    if complete or generators:
        return statement, ()
    # A list that lacks some is believed where what is stated beside it has all of them.
    if any(same(operations, candidate) for other in lower for candidate in other.candidates):
        count = len(texts) * max(len(centring), 1)
        return statement, (("generators", f"{count} of {len(operations)} operations"),)
    raise Refused(
        "unknown symmetry",
        f"CIF: its {len(texts)} symmetry operations are not a group; those that they generate are "
        f"{len(operations)}",
    )


def _lines(tags: Tags, names: tuple[str, ...]) -> tuple[str, ...]:
    """Operations: a value each, or one text field with a line each."""
    import gemmi

    for name in names:
        if name not in tags:
            continue
        values = [gemmi.cif.as_string(raw) for raw in tags.column(name)]
        lines = "\n".join(values).replace(";", "\n").split("\n")
        if lines_of_tag := tuple([line for line in lines if line.strip() not in ABSENT]):
            return lines_of_tag
    return ()


@lru_cache(2048)
def _statements(
    halls: tuple[str, ...],
    symbols: tuple[str, ...],
    codes: tuple[str, ...],
    numbers: tuple[str, ...],
    references: tuple[str, ...],
) -> tuple[tuple[_Statement, ...], str]:
    """What a block says by names and numbers, what counts most first; and a name not understood."""
    named = (*_by_hall(halls), *_by_symbol(symbols, codes))
    unknown = "" if named else next(iter(halls + symbols), "")
    return (*named, *_by_number(numbers, references)), unknown


def _without(unknown: str, first: _Statement) -> tuple[_Statement, tuple[tuple[str, str], ...]]:
    """A number beside a name that is not understood: it will do if it leaves nothing open.

    Raises:
        Refused: If the name may stand for one of several settings of the group.
    """
    if not unknown:
        return first, ()
    if len(first.others) > 1:
        raise _not_understood(unknown)
    return first, (("conflict", f"{first.text} against {unknown[:60]}, which is not understood"),)


def _not_understood(text: str) -> Refused:
    shown = " ".join(text[:60].split())
    return Refused("unknown symmetry", f"CIF: its symmetry {shown!r} is not understood")


def _by_hall(texts: tuple[str, ...]) -> list[_Statement]:
    statements = []
    for text in texts:
        if pair := space_groups.by_hall(text):
            operations = of_hall(*pair, text)
            others = space_groups.of_group(operations.number)
            statements.append(_Statement(f"Hall {text}", (operations,), others))
        elif settings := space_groups.by_symbol(text):
            statements.append(_settings(text, settings))
    return statements


def _by_symbol(texts: tuple[str, ...], codes: tuple[str, ...]) -> list[_Statement]:
    """The symbols; one that says more narrows what the first says."""
    statements: list[_Statement] = []
    narrowest: tuple[gemmi.SpaceGroup, ...] = ()
    for text in texts:
        settings = space_groups.by_symbol(text)
        if len(settings) > 1 and codes:
            settings = space_groups.by_symbol(f"{text}:{codes[0]}") or settings
        both = {setting.xhm() for setting in settings} & {setting.xhm() for setting in narrowest}
        if settings and not narrowest:
            narrowest = settings
            statements.append(_settings(text, settings))
        elif both:
            narrowest = tuple(setting for setting in narrowest if setting.xhm() in both)
            statements[0] = _settings(statements[0].text, narrowest)
        elif settings:
            statements.append(_settings(text, settings))
        elif pair := _hall_among_symbols(text):
            statements.append(_Statement(text, (of_hall(*pair, text),)))
    return statements


def _hall_among_symbols(
    text: str,
) -> tuple[gemmi.GroupOps, gemmi.SpaceGroup | None] | None:
    """A Hall symbol that stands in the place of the other kind, if it is one of gemmi's table."""
    pair = space_groups.by_hall(text)
    return pair if pair and pair[1] is not None and pair[1].hall == text else None


def _by_number(texts: tuple[str, ...], references: tuple[str, ...]) -> list[_Statement]:
    statements = []
    for text in texts:
        if settings := space_groups.by_number(text):
            statements.append(_settings(text, settings, standard=True))
    for text in references:
        if settings := space_groups.by_symbol(text):
            numbers = space_groups.by_number(str(settings[0].number))
            statements.append(_settings(text, numbers, standard=True))
    return statements


def _settings(
    text: str, settings: tuple[gemmi.SpaceGroup, ...], standard: bool = False
) -> _Statement:
    others = space_groups.of_group(settings[0].number)
    return _Statement(text, tuple(of_setting(setting) for setting in settings), others, standard)


def _check_lengths(texts: Sequence[tuple[str, ...]]) -> None:
    """Raise ``Refused`` for a name that is none, before it is kept in memory."""
    for each in texts:
        for text in each:
            if len(text) > space_groups.LONGEST:
                raise _not_understood(text)


def _check_finite(cell: np.ndarray) -> None:
    from matscale.structures.checks import LARGEST

    if not (np.abs(cell) < LARGEST).all():
        raise Refused("not finite", "cell lengths")


def _refuse_unknown(tags: Tags) -> None:
    """Raise ``Refused`` if anything in the block states a symmetry."""
    for name in tags:
        if name.startswith(_STATEMENTS) and not name.endswith("_id"):
            for text in tags.texts(name)[:1]:
                raise _not_understood(text)


@lru_cache(1024)
def _conflict(first: _Statement, lower: tuple[_Statement, ...]) -> tuple[tuple[str, str], ...]:
    """A warning if one of the other statements means another group."""
    for other in lower:
        if not _agree(first, other):
            return (("conflict", f"{first.text} against {other.text}"),)
    return ()


def _agree(first: _Statement, second: _Statement) -> bool:
    """Whether two statements may mean one group; by size if a group is in no table."""
    if 0 in first.numbers | second.numbers:
        return bool(set(map(len, first.candidates)) & set(map(len, second.candidates)))
    return bool(first.numbers & second.numbers)


def _fitting(
    statement: _Statement, cell: np.ndarray
) -> tuple[tuple[Operations, ...], tuple[tuple[str, str], ...]]:
    """The candidates that the cell has, or the one other setting of the group that it has.

    Raises:
        Refused: If there is none.
    """
    with np.errstate(all="ignore"):
        best, value = _best(statement.candidates, cell)
        if value <= FITS:
            return best, _unusual_axis(statement, best[0])
        instead = [
            candidate
            for candidate in map(of_setting, statement.others)
            if misfit(candidate, cell) <= FITS
        ]
    if len(instead) == 1:
        return tuple(instead), (("setting", f"{statement.text}: {instead[0].name}"),)
    shown = "{:g} {:g} {:g} Å, {:g} {:g} {:g}°".format(*_parameters(cell))
    if not instead and value <= FITS_ROUGHLY:
        return best, (("cell", f"{best[0].name} with {shown}"),)
    detail = f"CIF: a cell of {shown} does not have the symmetry of {statement.text[:60]}"
    if instead:
        names = ", ".join(candidate.name for candidate in instead[:6])
        detail += f", and which of the settings {names} is meant is not said"
    raise Refused("unknown symmetry", detail)


def _best(
    candidates: Sequence[Operations], cell: np.ndarray
) -> tuple[tuple[Operations, ...], float]:
    misfits = [misfit(candidate, cell) for candidate in candidates]
    least = min(misfits)
    pairs = zip(candidates, misfits, strict=True)
    best = tuple(candidate for candidate, value in pairs if value <= least + _EQUAL)
    # A short monoclinic symbol means the axis b unless the cell says otherwise.
    return best[:1] if best[0].number in space_groups.MONOCLINIC else best, least


def _unusual_axis(statement: _Statement, chosen: Operations) -> tuple[tuple[str, str], ...]:
    """A warning if a number does not say which of the settings of an unusual axis is meant."""
    usual = chosen.name == statement.candidates[0].name
    if usual or not statement.standard or chosen.number not in space_groups.CELL_CHOICES:
        return ()
    return (("setting", f"{statement.text}: {chosen.name}"),)


def _parameters(cell: np.ndarray) -> list[float]:
    """Lengths in Å and angles in degrees, to the digits worth showing."""
    lengths = np.linalg.norm(cell, axis=1)
    cosines = (cell @ cell.T) / np.outer(lengths, lengths)
    angles = np.degrees(np.arccos(cosines[[1, 0, 0], [2, 2, 1]]))
    return [round(float(value), 4) for value in (*lengths, *angles)]
