"""CIF, parsed by gemmi; symmetry is expanded as pymatgen's ``CifParser`` does it.

That is: coordinates within 1e-4 of 1/3 or 2/3 are those fractions, equivalent positions within
1e-4 (fractional, each axis) are one site, and sites stand in order of electronegativity.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from matscale.errors import Refused
from matscale.exact import in_basis
from matscale.structures.formats.elements import NUMBER_OF, SYMBOLS
from matscale.structures.formats.vocabulary import Entry, File, Format, Parsed, decode

if TYPE_CHECKING:
    import gemmi

SNAP_TOLERANCE = 1e-4
FULL_PRECISION = 12
"""Decimals from which a coordinate is not taken for a rounded fraction."""

TRIG = 2.0**-36
"""Step to which sines and cosines of angles are rounded: C libraries differ by 2**-53."""

MAX_OPERATIONS = 4096
MAX_EXPANDED = 5_000_000
OCCUPANCY_TOLERANCE = 1e-6

# Pauling electronegativities of H .. Og by which pymatgen sorts sites; None stands last.
_ELECTRONEGATIVITY = np.array(
    [np.nan]
    + [float(x) for x in (
        "2.2 9 0.98 1.57 2.04 2.55 3.04 3.44 3.98 9 0.93 1.31 1.61 1.9 2.19 2.58 3.16 9 0.82 1 "
        "1.36 1.54 1.63 1.66 1.55 1.83 1.88 1.91 1.9 1.65 1.81 2.01 2.18 2.55 2.96 3 0.82 0.95 "
        "1.22 1.33 1.6 2.16 1.9 2.2 2.28 2.2 1.93 1.69 1.78 1.96 2.05 2.1 2.66 2.6 0.79 0.89 1.1 "
        "1.12 1.13 1.14 1.13 1.17 1.2 1.2 1.1 1.22 1.23 1.24 1.25 1.1 1.27 1.3 1.5 2.36 1.9 2.2 "
        "2.2 2.28 2.54 2 1.62 2.33 2.02 2 2.2 2.2 0.7 0.9 1.1 1.3 1.5 1.38 1.36 1.28 1.3 1.3 1.3 "
        "1.3 1.3 1.3 1.3 1.3 1.3" + 15 * " 9"
    ).split()]
)  # fmt: skip
_RANK = np.zeros(len(SYMBOLS), np.int64)
_RANK[
    sorted(range(1, len(SYMBOLS)), key=lambda number: (_ELECTRONEGATIVITY[number], SYMBOLS[number]))
] = np.arange(1, len(SYMBOLS))

_IMPLICIT_HYDROGEN = ("Wat", "wat", "OH", "O-H", "NO3")
_BLOCK = re.compile(rb"^[ \t]*data_", re.MULTILINE | re.IGNORECASE)
_SYMOPS = (
    "_symmetry_equiv_pos_as_xyz",
    "_space_group_symop_operation_xyz",
    "_space_group_symop.operation_xyz",
)
_NAMES = (
    "_symmetry_space_group_name_H-M",
    "_space_group_name_H-M_alt",
    "_symmetry_space_group_name_H_M",
    "_space_group_name_Hall",
    "_symmetry_space_group_name_Hall",
)
_NUMBERS = ("_space_group_IT_number", "_symmetry_Int_Tables_number")


def parse(text: str | bytes) -> Parsed:
    """The structure of a CIF: of its first block with atom sites.

    Raises:
        Refused: If it is broken, disordered, or has no cell.
    """
    blocks = [block for block in _document(text) if _has_sites(block)]
    if not blocks:
        raise Refused("no atoms", "CIF without atom sites")
    return _structure(blocks[0])


def entries(file: File) -> Iterator[Entry]:
    """Each block with atom sites is an item; one that is alone is named after the file."""
    data = file.content
    if not _is_utf8(data):
        data = decode(data).encode()
    if data.lower().count(b"data_") <= 1 or len(_BLOCK.findall(data)) <= 1:
        yield file.entry(data, parse)
        return
    try:
        blocks = [block for block in _document(data) if _has_sites(block)]
    except Refused:
        yield from _pieces(file, data)
        return
    if len(blocks) <= 1:
        yield file.entry(data, parse)
        return
    for block in blocks:
        yield Entry(block.name, f"{file.source}#{block.name}", block.as_string(), parse)


def _pieces(file: File, data: bytes) -> Iterator[Entry]:
    """The blocks of a file that is broken somewhere, cut where a line begins one."""
    starts = [match.start() for match in _BLOCK.finditer(data)]
    for start, stop in zip(starts, [*starts[1:], len(data)], strict=True):
        piece = data[start:stop]
        name = piece.split(None, 1)[0][len("data_") :].decode(errors="replace")
        yield Entry(name or file.stem, f"{file.source}#{name}", piece, parse)


def _is_utf8(data: bytes) -> bool:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or data[:3] == b"\xef\xbb\xbf" or b"\r" in data:
        return False
    if data.isascii():
        return True
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _document(text: str | bytes) -> gemmi.cif.Document:
    from gemmi import cif

    try:
        return cif.read_string(text, 0)
    except (ValueError, RuntimeError) as error:
        raise Refused("unreadable", f"CIF: {error}"[:200]) from error


def _has_sites(block: gemmi.cif.Block) -> bool:
    return bool(len(block.find_values("_atom_site_fract_x"))) or bool(
        len(block.find_values("_atom_site_label"))
    )


def _structure(block: gemmi.cif.Block) -> Parsed:
    cell = _cell(block)
    numbers, fractions = _sites(block)
    operations = _operations(block)
    if operations is None:
        order = np.argsort(_RANK[numbers], kind="stable")
        numbers, fractions = numbers[order], fractions[order]
        fractions = fractions - np.floor(fractions)
    else:
        numbers, fractions = _expand(numbers, fractions, *operations)
    return Parsed(numbers.astype(np.uint8), in_basis(fractions, cell), cell)


def _cell(block: gemmi.cif.Block) -> np.ndarray:
    """Lattice vectors in Å in pymatgen's orientation: c along z, a in the xz plane."""
    values = []
    for name in ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma"):
        value = block.find_value(f"_cell_{name}")
        if value is None or value in ("?", "."):
            raise Refused("no cell", f"CIF without _cell_{name}")
        values.append(_number(value))
    return cell_from_parameters(*values)


def cell_from_parameters(
    a: float, b: float, c: float, alpha: float, beta: float, gamma: float
) -> np.ndarray:
    """Lattice vectors (3, 3) in Å from lengths in Å and angles in degrees.

    Oriented as pymatgen's ``Lattice.from_parameters``: c along z, a in the xz plane.

    Raises:
        Refused: If a value is not finite or the angles leave no volume.
    """
    if not all(map(math.isfinite, (a, b, c, alpha, beta, gamma))):
        raise Refused("not finite", "cell lengths or angles")
    # Rounded, so that a file gives the same cell on every machine.
    cos = [round(math.cos(math.radians(angle)) / TRIG) * TRIG for angle in (alpha, beta, gamma)]
    sin = [round(math.sin(math.radians(angle)) / TRIG) * TRIG for angle in (alpha, beta, gamma)]
    if abs(sin[0]) < 1e-9 or abs(sin[1]) < 1e-9 or min(a, b, c) <= 0:
        raise Refused("degenerate cell", f"{a} {b} {c} Å, {alpha} {beta} {gamma}°")
    cos_star = max(-1.0, min(1.0, (cos[0] * cos[1] - cos[2]) / (sin[0] * sin[1])))
    sin_star = math.sqrt(1 - cos_star * cos_star)
    return np.array(
        [
            [a * sin[1], 0.0, a * cos[1]],
            [-b * sin[0] * cos_star, b * sin[0] * sin_star, b * cos[0]],
            [0.0, 0.0, c],
        ]
    )


def _number(text: str) -> float:
    """A CIF number without the uncertainty in brackets."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return float(text.strip("'\"").split("(")[0])
    except ValueError as error:
        raise Refused("unreadable", f"CIF: {text[:40]!r} is not a number") from error


def _sites(block: gemmi.cif.Block) -> tuple[np.ndarray, np.ndarray]:
    """Atomic numbers (n,) and fractional coordinates (n, 3) of the sites in the file."""
    columns = [list(block.find_values(f"_atom_site_fract_{axis}")) for axis in "xyz"]
    symbols = list(block.find_values("_atom_site_type_symbol"))
    symbols = symbols or list(block.find_values("_atom_site_label"))
    if not columns[0]:
        raise Refused("unreadable", "CIF without fractional coordinates")
    if not len(symbols) == len(columns[0]) == len(columns[1]) == len(columns[2]):
        raise Refused("unreadable", "CIF whose atom sites lack a species or a coordinate")
    _check_occupancies(block, len(symbols))
    known = {symbol: _element(symbol) for symbol in set(symbols)}
    numbers = np.array([known[symbol] for symbol in symbols], dtype=np.int64)
    try:
        fractions = np.array([list(map(float, column)) for column in columns]).T
    except ValueError:
        fractions = np.array([[_number(text) for text in column] for column in columns]).T
    for fraction in (1 / 3, 2 / 3):
        near = np.abs(fractions / fraction - 1) <= SNAP_TOLERANCE
        for site, axis in np.argwhere(near & (fractions != fraction)) if near.any() else ():
            if _decimals(columns[axis][site]) < FULL_PRECISION:
                fractions[site, axis] = fraction
    return numbers, fractions


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])


def _check_occupancies(block: gemmi.cif.Block, count: int) -> None:
    """Raise ``Refused`` unless every site is full; an unknown occupancy counts as full."""
    for text in set(block.find_values("_atom_site_occupancy")):
        if text in ("1", "1.0", "?", "."):
            continue
        occupancy = _number(text)
        if not abs(occupancy - 1) <= OCCUPANCY_TOLERANCE:
            raise Refused("disordered", f"a site with occupancy {occupancy:g} among {count}")


def _element(symbol: str) -> int:
    """Atomic number from a type symbol or label such as ``Fe``, ``Fe3+``, ``FE1`` or ``O12A``."""
    number = NUMBER_OF.get(symbol)
    if number is not None:
        return number
    symbol = symbol.strip("'\"")
    if not symbol.startswith(_IMPLICIT_HYDROGEN):
        number = NUMBER_OF.get(symbol[:2].title()) or NUMBER_OF.get(symbol[:1].upper())
    if number is None or symbol[:2].lower() == "xx":
        raise Refused("unknown element", repr(symbol[:40]))
    return number


def _operations(block: gemmi.cif.Block) -> tuple[np.ndarray, np.ndarray] | None:
    """Rotations (k, 3, 3) and translations (k, 3) of the fractional coordinates; None for P1."""
    import gemmi

    for tag in _SYMOPS:
        values = block.find_values(tag)
        if len(values):
            return _operations_from_triplets([gemmi.cif.as_string(value) for value in values])
    group = None
    for tag in _NAMES:
        name = block.find_value(tag)
        if name and name not in ("?", ".") and group is None:
            group = gemmi.find_spacegroup_by_name(gemmi.cif.as_string(name), prefer="1H")
    for tag in _NUMBERS:
        number = block.find_value(tag)
        if number and group is None and (digits := number.strip("'\"")).isdecimal():
            group = gemmi.find_spacegroup_by_number(int(digits[:6]))
    if group is None or group.number == 1:
        return None
    return _operations_from_triplets([op.triplet() for op in group.operations()])


def _operations_from_triplets(triplets: list[str]) -> tuple[np.ndarray, np.ndarray] | None:
    import gemmi

    if len(triplets) > MAX_OPERATIONS:
        raise Refused("unreadable", f"CIF: {len(triplets)} symmetry operations")
    if len(triplets) == 1 and triplets[0].replace(" ", "").lower() == "x,y,z":
        return None
    try:
        parsed = [gemmi.Op(triplet) for triplet in triplets]
    except (ValueError, RuntimeError) as error:
        raise Refused("unreadable", f"CIF: symmetry operation: {error}"[:200]) from error
    rotations = np.array([op.rot for op in parsed], dtype=np.float64) / gemmi.Op.DEN
    return rotations, np.array([op.tran for op in parsed], dtype=np.float64) / gemmi.Op.DEN


def _expand(
    numbers: np.ndarray, fractions: np.ndarray, rotations: np.ndarray, translations: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """All sites of the cell, (m,) and (m, 3) in [0, 1), from those of the asymmetric unit."""
    from matscale.structures.formats.symmetry_expansion import expand

    if len(numbers) * len(rotations) > MAX_EXPANDED:
        raise Refused("too large", f"{len(numbers)} sites times {len(rotations)} operations")
    if not np.isfinite(fractions).all():
        raise Refused("not finite", "fractional coordinates")
    order = np.argsort(_RANK[numbers], kind="stable")
    sites, expanded = expand(fractions[order], rotations, translations)
    return numbers[order][sites], expanded


def claims(head: bytes) -> bool:
    """Whether a file that begins so looks like a CIF."""
    return bool(_BLOCK.search(head)) and (b"_cell_" in head or b"loop_" in head or b"\n_" in head)


FORMAT = Format("CIF", (".cif", ".mcif"), claims, entries)
