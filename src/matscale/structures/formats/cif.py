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

from matscale.runtime.errors import Refused
from matscale.runtime.exact import in_basis
from matscale.structures.formats.cif_choice import Expansion, choose
from matscale.structures.formats.cif_formula import content
from matscale.structures.formats.cif_symmetry import stated
from matscale.structures.formats.cif_tags import ABSENT, Tags
from matscale.structures.formats.elements import SYMBOLS, labelled_number
from matscale.structures.formats.operations import Operations
from matscale.structures.formats.vocabulary import Entry, File, Format, Parsed, decode

if TYPE_CHECKING:
    import gemmi

SNAP_TOLERANCE = 1e-4
FULL_PRECISION = 12
"""Decimals from which a coordinate is not taken for a rounded fraction."""

TRIG = 2.0**-36
"""Step to which sines and cosines of angles are rounded: C libraries differ by 2**-53."""

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

_BLOCK = re.compile(rb"^[ \t]*data_", re.MULTILINE | re.IGNORECASE)
_WRITTEN = re.compile(r"['\"]?[-+]?\d*\.(\d+)(?:\(\d*\))?(?:[eE]([-+]?\d{1,3}))?")
_THIRDS = np.array([1 / 3, 2 / 3])
_AXES = tuple(f"_atom_site_fract_{axis}" for axis in "xyz")
_CELL = tuple(f"_cell_length_{axis}" for axis in "abc") + tuple(
    f"_cell_angle_{angle}" for angle in ("alpha", "beta", "gamma")
)


def parse(text: str | bytes) -> Parsed:
    """The structure of a CIF: of its first block with atom sites.

    Raises:
        Refused: If it is broken, disordered, or has no cell.
    """
    for block in _document(text):
        if _has_sites(tags := Tags(block)):
            return _structure(tags)
    raise Refused("no atoms", "CIF without atom sites")


def entries(file: File) -> Iterator[Entry]:
    """Each block with atom sites is an item; one that is alone is named after the file."""
    data = file.content
    if not _is_utf8(data):
        data = decode(data).encode()
    if data.lower().count(b"data_") <= 1 or len(_BLOCK.findall(data)) <= 1:
        yield file.entry(data, parse)
        return
    try:
        blocks = [block for block in _document(data) if _has_sites(Tags(block))]
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


def _has_sites(tags: Tags) -> bool:
    return _AXES[0] in tags or "_atom_site_label" in tags


def _structure(tags: Tags) -> Parsed:
    cell = _cell(tags)
    numbers, fractions, texts = _sites(tags)
    symmetry = stated(tags, cell)
    stated_content = content(tags)
    warnings = symmetry.warnings
    order = np.argsort(_RANK[numbers], kind="stable")
    if not symmetry.candidates:
        numbers, fractions = numbers[order], fractions[order]
        fractions = fractions - np.floor(fractions)
    else:
        rounding = np.array([[_rounding(text) for text in column] for column in texts]).T
        expansions = [
            _expand(numbers, fractions, rounding, operations, cell, order)
            for operations in symmetry.candidates
        ]
        chosen, decided = (
            choose(expansions, tags, stated_content, cell) if len(expansions) > 1 else (0, True)
        )
        if not decided:
            warnings += (("setting", symmetry.candidates[chosen].name),)
        _, numbers, fractions = expansions[chosen]
    warnings += stated_content.contradiction(numbers)
    return Parsed(numbers.astype(np.uint8), in_basis(fractions, cell), cell, warnings)


def _cell(tags: Tags) -> np.ndarray:
    """Lattice vectors in Å in pymatgen's orientation: c along z, a in the xz plane."""
    values = []
    for name in _CELL:
        text = tags.text(name)
        if text is None:
            raise Refused("no cell", f"CIF without {name}")
        values.append(_number(text))
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
    """A CIF number without the uncertainty in brackets, or a fraction such as 1/3."""
    try:
        return float(text)
    except ValueError:
        pass
    plain = text.strip("'\"").split("(")[0]
    try:
        numerator, slash, denominator = plain.partition("/")
        return float(numerator) / float(denominator) if slash else float(plain)
    except (ValueError, ZeroDivisionError) as error:
        raise Refused("unreadable", f"CIF: {text[:40]!r} is not a number") from error


def _sites(tags: Tags) -> tuple[np.ndarray, np.ndarray, list[list[str]]]:
    """Atomic numbers (n,), fractional coordinates (n, 3), and their three columns as written."""
    columns = [tags.column(name) for name in _AXES]
    symbols = _symbols(tags)
    if not columns[0]:
        raise Refused("unreadable", "CIF without fractional coordinates")
    if not len(symbols) == len(columns[0]) == len(columns[1]) == len(columns[2]):
        raise Refused("unreadable", "CIF whose atom sites lack a species or a coordinate")
    _check_occupancies(tags, len(symbols))
    known = {symbol: labelled_number(symbol.strip("'\"")) for symbol in set(symbols)}
    numbers = np.array([known[symbol] for symbol in symbols], dtype=np.int64)
    try:
        fractions = np.array([list(map(float, column)) for column in columns]).T
    except ValueError:
        _check_located(symbols, columns)
        fractions = np.array([[_number(text) for text in column] for column in columns]).T
    near = np.abs(fractions[..., None] / _THIRDS - 1) <= SNAP_TOLERANCE
    for site, axis, third in np.argwhere(near) if near.any() else ():
        if _decimals(columns[axis][site]) < FULL_PRECISION:
            fractions[site, axis] = _THIRDS[third]
    return numbers, fractions, columns


def _symbols(tags: Tags) -> list[str]:
    """The species of each site: its type symbol, or its label where it has none."""
    types = tags.column("_atom_site_type_symbol")
    if not types or "?" in types or "." in types:
        labels = tags.column("_atom_site_label")
        if not types:
            return labels
        if len(labels) == len(types):
            pairs = zip(types, labels, strict=True)
            return [label if text in ABSENT else text for text, label in pairs]
    return types


def _check_located(symbols: list[str], columns: list[list[str]]) -> None:
    for symbol, *site in zip(symbols, *columns, strict=True):
        if any(text in ABSENT for text in site):
            detail = f"CIF: a site of {symbol[:20]} at {' '.join(site)}, which says not where"
            raise Refused("unreadable", detail)


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])


def _rounding(text: str) -> float:
    """One unit of the last digit of a coordinate; 0 for a whole number or a fraction."""
    digits = _WRITTEN.match(text)
    if not digits or "/" in text:
        return 0.0
    return 10.0 ** (int(digits[2] or 0) - len(digits[1]))


def _check_occupancies(tags: Tags, count: int) -> None:
    """Raise ``Refused`` unless every site is full; an unknown occupancy counts as full."""
    for text in dict.fromkeys(tags.column("_atom_site_occupancy")):
        if text in ("1", "1.0", *ABSENT):
            continue
        occupancy = _number(text)
        if not abs(occupancy - 1) <= OCCUPANCY_TOLERANCE:
            raise Refused("disordered", f"a site with occupancy {occupancy:g} among {count}")


def _expand(
    numbers: np.ndarray,
    fractions: np.ndarray,
    rounding: np.ndarray,
    operations: Operations,
    cell: np.ndarray,
    order: np.ndarray,
) -> Expansion:
    """All sites of the cell from those of the asymmetric unit, which are taken in this order."""
    from matscale.structures.formats.symmetry_expansion import expand

    if len(numbers) * len(operations) > MAX_EXPANDED:
        raise Refused("too large", f"{len(numbers)} sites times {len(operations)} operations")
    if not np.isfinite(fractions).all():
        raise Refused("not finite", "fractional coordinates")
    rows, expanded = expand(
        fractions[order], rounding[order], operations.rotations, operations.translations, cell
    )
    return Expansion(order[rows], numbers[order][rows], expanded)


def claims(head: bytes) -> bool:
    """Whether a file that begins so looks like a CIF."""
    return bool(_BLOCK.search(head)) and (b"_cell_" in head or b"loop_" in head or b"\n_" in head)


FORMAT = Format("CIF", (".cif", ".mcif"), claims, entries)
