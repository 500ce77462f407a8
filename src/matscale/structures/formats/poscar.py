"""POSCAR and CONTCAR, of VASP 4 (species after each coordinate) and VASP 5 and 6.

Read as pymatgen's ``Poscar.from_str`` reads them, except that three scale factors are accepted,
that a negative factor (a volume) scales Cartesian coordinates as it scales the cell, and that
species are never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from matscale.runtime.errors import Refused
from matscale.runtime.exact import in_basis
from matscale.structures.formats.elements import NUMBER_OF, atomic_number
from matscale.structures.formats.vocabulary import Entry, File, Format, Parsed, decode

MAX_SPECIES_LINES = 10


def parse(text: str) -> Parsed:
    """The structure of a POSCAR; a backslash and an n may stand for a line end.

    Raises:
        Refused: If it is broken.
    """
    try:
        return _parse(_lines(text))
    except (ValueError, IndexError, OverflowError) as error:
        raise Refused("unreadable", f"POSCAR: {error}"[:200]) from error


def _lines(text: str) -> list[str]:
    """Lines up to the first blank one after the comment; what follows is velocities."""
    if "\\n" in text:
        text = text.replace("\\n", "\n")
    if "#" in text:
        text = re.sub("#.*", "", text)
    lines = text.split("\n")
    for index in range(1, len(lines)):
        if not lines[index].strip():
            return lines[:index]
    return lines


def _parse(lines: list[str]) -> Parsed:
    if len(lines) < 7:
        raise ValueError(f"{len(lines)} lines, expected 7 or more")
    scale = [float(token) for token in lines[1].split()]
    cell = np.array([[float(token) for token in lines[index].split()] for index in (2, 3, 4)])
    if cell.shape != (3, 3) or len(scale) not in (1, 3):
        raise ValueError("expected one or three scale factors and three lattice vectors")
    factor = _factor(np.array(scale), cell)
    symbols, counts, at = _species(lines)
    count = sum(counts)
    if min(counts, default=-1) < 0 or at + 1 + count > len(lines):
        raise ValueError(f"says {count} atoms and has {max(len(lines) - at - 1, 0)} lines of them")
    if not count:
        raise Refused("no atoms", "POSCAR")
    mode = lines[at].split()[0][0]
    selective = mode in "sS"
    if selective:
        at += 1
        mode = lines[at].split()[0][0]
    if at + 1 + count > len(lines):
        raise ValueError(f"says {count} atoms and has {len(lines) - at - 1} lines of them")
    rows = [line.split() for line in lines[at + 1 : at + 1 + count]]
    if symbols is None:
        names = [row[6 if selective else 3] for row in rows if len(row) > (6 if selective else 3)]
        if len(names) != count:
            raise Refused("unknown element", "POSCAR of VASP 4 that names no species")
        numbers = np.array([atomic_number(name) for name in names], dtype=np.uint8)
    else:
        each = [NUMBER_OF.get(name) or atomic_number(name) for name in symbols[: len(counts)]]
        numbers = np.repeat(np.array(each, dtype=np.uint8), counts)
    coordinates = np.array([[float(x), float(y), float(z)] for x, y, z, *_ in rows])
    cell = cell * factor
    cartesian = mode in "cCkK"
    positions = coordinates * factor if cartesian else in_basis(coordinates, cell)
    return Parsed(numbers, positions, cell)


def _factor(scale: np.ndarray, cell: np.ndarray) -> np.ndarray | float:
    """What multiplies lattice vectors and Cartesian coordinates; a negative scale is a volume."""
    if len(scale) == 3:
        if (scale <= 0).any():
            raise ValueError("three scale factors must be positive")
        return scale
    if scale[0] >= 0:
        return float(scale[0])
    with np.errstate(all="ignore"):
        volume = abs(np.linalg.det(cell))
        if not volume > 0:
            raise Refused("degenerate cell", "POSCAR")
        return float((-scale[0] / volume) ** (1 / 3))


def _species(lines: list[str]) -> tuple[list[str] | None, list[int], int]:
    """Symbols (None for VASP 4), their counts, and the number of the line after them."""
    first = lines[5].split()
    if first and first[0].lstrip("+-").isdigit():
        return None, [int(token) for token in first], 6
    # VASP 6 writes Mg_pv/f474ac0d; more than 20 groups go over several lines.
    symbols = [token.split("/")[0].split("_")[0] for token in first]
    rows = 1
    while rows <= MAX_SPECIES_LINES:
        tokens = lines[5 + rows].split()
        if tokens[0].lstrip("+-").isdigit():
            break
        symbols += [token.split("/")[0].split("_")[0] for token in tokens]
        rows += 1
    counts = [int(token) for line in lines[5 + rows : 5 + 2 * rows] for token in line.split()]
    if len(counts) > len(symbols):
        raise ValueError(f"{len(symbols)} species and {len(counts)} counts")
    return symbols, counts, 5 + 2 * rows


def looks_like(text: str) -> bool:
    """Whether the second line is a scale and the next three are vectors."""
    lines = text.replace("\\n", "\n").split("\n", 6)
    if len(lines) < 6:
        return False
    widths = [len(line.split("#")[0].split()) for line in lines[1:5]]
    if widths[0] not in (1, 3) or widths[1:] != [3, 3, 3]:
        return False
    try:
        for line in lines[1:5]:
            for token in line.split("#")[0].split():
                float(token)
    except ValueError:
        return False
    return True


def claims(head: bytes) -> bool:
    """Whether a file that begins so looks like a POSCAR."""
    return looks_like(decode(head))


def entries(file: File) -> Iterator[Entry]:
    """The one structure of a file."""
    yield file.entry(decode(file.content), parse)


FORMAT = Format("POSCAR", (".vasp", ".poscar", ".contcar"), claims, entries, ("POSCAR", "CONTCAR"))
