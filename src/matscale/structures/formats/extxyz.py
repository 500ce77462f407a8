"""Extended XYZ: many frames a file, each with a count, a comment of key=value and its atoms."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from matscale.runtime.errors import Refused
from matscale.structures.formats.elements import NUMBER_OF, SYMBOLS, atomic_number
from matscale.structures.formats.vocabulary import Entry, File, Format, Parsed, decode

ID_KEYS = ("id", "material_id", "mp_id", "jid")
_SEGMENT = (
    r"""\\.|"(?:\\.|[^"\\])*(?:"|$)|'(?:\\.|[^'\\])*(?:'|$)|\{(?:\\.|[^}\\])*(?:\}|$)"""
    r"""|\[\s*\[[^\[\]]*\](?:\s*,?\s*\[[^\[\]]*\])*\s*\]|\[(?:\\.|[^\]\\])*(?:\]|$)"""
)
"""An escaped character; what stands in quotes, braces or brackets; a matrix of brackets."""

_PAIR = re.compile(rf"((?:{_SEGMENT}|[^\s=\\])+)(?:\s*=\s*((?:{_SEGMENT}|[^\s\\])*))?")
_QUOTED = re.compile(_SEGMENT)
_SPECIAL = re.compile(r"""["'{}\[\]\\]""")
_ESCAPED = re.compile(r"\\(.)")
_BRACKETS = re.compile(r"[\[\],]+")
_LATTICE = re.compile(r"\bLattice\s*=")
_DEFAULT_PROPERTIES = "species:S:1:pos:R:3"


def parse(text: str) -> Parsed:
    """The structure of one frame.

    Raises:
        Refused: If it is broken or has no cell.
    """
    numbers, positions, cell = parse_atoms(text)
    if cell is None:
        raise Refused("no cell", "XYZ without Lattice, or with pbc F F F")
    return Parsed(numbers, positions, cell)


def parse_atoms(text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Atomic numbers (n,), positions (n, 3) in Å and cell (3, 3) in Å, None without one.

    Raises:
        Refused: If the frame is broken.
    """
    lines = text.split("\n")
    try:
        count = int(lines[0])
        values = comment(lines[1])
        if count < 1:
            raise Refused("no atoms", "extended XYZ")
        rows = [line.split() for line in lines[2 : 2 + count]]
        if len(rows) < count or not rows[-1]:
            raise ValueError(f"says {count} atoms and has {len([row for row in rows if row])}")
        cell = _cell(values)
        kind, at, xyz = _places(values.get("Properties", _DEFAULT_PROPERTIES))
        if kind == "Z":
            numbers = np.array([_number(row[at]) for row in rows], dtype=np.uint8)
        else:
            numbers = np.array(
                [NUMBER_OF.get(row[at]) or atomic_number(row[at]) for row in rows], dtype=np.uint8
            )
        positions = np.array([[float(token) for token in row[xyz : xyz + 3]] for row in rows])
        if positions.shape != (count, 3):
            raise ValueError("a line with fewer than three coordinates")
    except (ValueError, IndexError, OverflowError) as error:
        raise Refused("unreadable", f"extended XYZ: {error}"[:200]) from error
    return numbers, positions, cell


def comment(line: str) -> dict[str, str]:
    """The values of a comment line, by key, without their quotes; a key alone is true, "T".

    As in ASE, a value may stand in quotes of either kind, braces or brackets, a backslash takes
    the meaning off what follows it, and there may be blanks around the equals sign.
    """
    return {
        _unquoted(key): "T" if value is None else _unquoted(value)
        for key, value in (match.groups() for match in _PAIR.finditer(line))
    }


def _unquoted(text: str) -> str:
    return _QUOTED.sub(_inside, text) if _SPECIAL.search(text) else text


def _inside(match: re.Match[str]) -> str:
    segment = match[0]
    if segment[0] == "\\":
        return segment[1:]
    if segment[0] == "[" and segment[1:].lstrip()[:1] == "[":
        return _BRACKETS.sub(" ", segment).strip()
    closed = len(segment) > 1 and segment[-1] == _CLOSING[segment[0]]
    return _ESCAPED.sub(r"\1", segment[1:-1] if closed else segment[1:])


_CLOSING = {'"': '"', "'": "'", "{": "}", "[": "]"}


def _cell(values: Mapping[str, str]) -> np.ndarray | None:
    """Lattice vectors as rows, (3, 3) in Å; None without any, or where no direction repeats."""
    if "Lattice" not in values:
        return None
    periodic = _BRACKETS.sub(" ", values.get("pbc", "T T T")).split()
    if periodic and not any(flag[:1].upper() in ("T", "1") for flag in periodic):
        return None
    numbers = [float(token) for token in _BRACKETS.sub(" ", values["Lattice"]).split()]
    if len(numbers) != 9:
        raise ValueError(f"Lattice of {len(numbers)} numbers, expected 9")
    return np.array(numbers).reshape(3, 3)


def _places(properties: str) -> tuple[str, int, int]:
    """Whether species are symbols ("S") or numbers ("Z"), their column, and that of x."""
    parts = properties.split(":")
    column = 0
    where = {}
    for name, width in zip(parts[0::3], parts[2::3], strict=False):
        where[name] = column
        column += int(width)
    for name, kind in (("species", "S"), ("element", "S"), ("Z", "Z"), ("numbers", "Z")):
        if name in where and "pos" in where:
            return kind, where[name], where["pos"]
    raise ValueError(f"no species and pos among the properties {properties[:60]!r}")


def _number(token: str) -> int:
    number = int(token)
    if not 1 <= number < len(SYMBOLS):
        raise Refused("unknown element", f"atomic number {number}")
    return number


def entries(file: File) -> Iterator[Entry]:
    """Each frame of a file; a broken count ends it, as where the next begins is unknown."""
    lines = decode(file.content).split("\n")
    starts = []
    at = 0
    refusal = None
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        if not lines[at].strip().isdecimal():
            refusal = Refused("unreadable", f"line {at + 1}: expected a number of atoms")
            break
        count = int(lines[at][:18])
        starts.append((at, at + 2 + count))
        at += 2 + count
    alone = len(starts) == 1 and refusal is None
    for index, (start, stop) in enumerate(starts):
        values = comment(lines[start + 1]) if start + 1 < len(lines) else {}
        name = next((values[key] for key in ID_KEYS if values.get(key)), None)
        default = file.stem if alone else f"{file.stem}-{index}"
        yield Entry(
            name or default,
            f"{file.source}#{index}",
            "\n".join(lines[start:stop]),
            parse,
            _columns(values),
            path_id=file.path_id if alone and name is None else "",
            named=name is not None or alone,
        )
    if refusal is not None:
        yield Entry(f"{file.stem}-{len(starts)}", file.source, refusal, named=False)


def _columns(values: Mapping[str, str]) -> dict[str, Any]:
    """Values of the comment that are not of the format itself."""
    return {
        key: _typed(value)
        for key, value in values.items()
        if key not in ("Lattice", "Properties", "pbc", "id")
    }


def _typed(text: str) -> str | float | bool:
    if text in ("T", "F", "True", "False"):
        return text[0] == "T"
    try:
        return float(text)
    except ValueError:
        return text


def claims(head: bytes) -> bool:
    """Whether a file that begins so has a count and a comment that names a lattice."""
    lines = decode(head).lstrip().split("\n", 2)
    return len(lines) > 1 and lines[0].strip().isdecimal() and bool(_LATTICE.search(lines[1]))


def frame(
    name: str,
    numbers: np.ndarray,
    positions: np.ndarray,
    cell: np.ndarray | None,
    columns: Mapping[str, Any],
) -> str:
    """One structure as a frame; floats are written so that they read back the same.

    Args:
        name: Its id.
        numbers: Atomic numbers, (n,).
        positions: Cartesian, in Å, (n, 3).
        cell: Lattice vectors as rows, in Å, (3, 3), or None for a particle.
        columns: Further values; None is left out.
    """
    pairs = []
    if cell is not None:
        pairs.append(f'Lattice="{" ".join(map(repr, cell.ravel().tolist()))}"')
    pairs.append("Properties=species:S:1:pos:R:3")
    pairs.append(f"id={_quoted(name)}")
    pairs += [
        f"{_key(key)}={_quoted(value)}" for key, value in columns.items() if value is not None
    ]
    pairs.append('pbc="T T T"' if cell is not None else 'pbc="F F F"')
    rows = [
        f"{SYMBOLS[number]} {x!r} {y!r} {z!r}\n"
        for number, (x, y, z) in zip(numbers.tolist(), positions.tolist(), strict=True)
    ]
    return f"{len(numbers)}\n{' '.join(pairs)}\n{''.join(rows)}"


def _key(text: str) -> str:
    return re.sub(r'[\s="]+', "_", text)


def _quoted(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "T" if value else "F"
    if isinstance(value, float | int | np.number):
        return repr(value.item() if isinstance(value, np.generic) else value)
    text = re.sub(r'(["\\])', r"\\\1", re.sub(r"[\r\n]+", " ", str(value)))
    return f'"{text}"'


FORMAT = Format("extended XYZ", (".extxyz", ".xyz"), claims, entries)
