"""XSF of XCrySDen: crystals only, one step or many (ANIMSTEPS)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from matscale.runtime.errors import Refused
from matscale.structures.formats.elements import SYMBOLS, atomic_number
from matscale.structures.formats.vocabulary import Entry, File, Format, Parsed, decode

KEYWORDS = ("PRIMVEC", "PRIMCOORD", "CONVVEC", "CONVCOORD", "ATOMS")


def parse(text: str) -> Parsed:
    """The structure of the first step.

    Raises:
        Refused: If it is broken or has no cell.
    """
    return _structure(_sections(text), 0)


def entries(file: File) -> Iterator[Entry]:
    """Each step of an animation is an item."""
    text = decode(file.content)
    sections = _sections(text)
    steps = max(len(sections.get("PRIMCOORD", ())), len(sections.get("CONVCOORD", ())), 1)
    if steps == 1:
        yield file.entry(text, parse)
        return
    for step in range(steps):
        yield Entry(f"{file.stem}-{step}", f"{file.source}#{step}", (sections, step), _parse_step)


def _parse_step(content: tuple[dict[str, list[list[str]]], int]) -> Parsed:
    return _structure(*content)


def _sections(text: str) -> dict[str, list[list[str]]]:
    """Lines under each keyword, one list for each time that it occurs."""
    sections: dict[str, list[list[str]]] = {}
    lines: list[str] = []
    for line in text.split("\n"):
        line = line.split("#")[0].strip()
        word = line.split()[0].upper() if line else ""
        if word in KEYWORDS:
            lines = []
            sections.setdefault(word, []).append(lines)
        elif word[:1].isalpha() and word.startswith(("BEGIN_", "END_", "ANIMSTEPS", "CRYSTAL")):
            lines = []
        elif line:
            lines.append(line)
    return sections


def _structure(sections: dict[str, list[list[str]]], step: int) -> Parsed:
    vectors, atoms = ("PRIMVEC", "PRIMCOORD")
    if atoms not in sections:
        vectors, atoms = ("CONVVEC", "CONVCOORD")
    if vectors not in sections:
        raise Refused("no cell", "XSF without PRIMVEC")
    if atoms not in sections:
        raise Refused("no atoms", "XSF without PRIMCOORD")
    try:
        cells = sections[vectors]
        rows = [line.split() for line in cells[min(step, len(cells) - 1)][:3]]
        cell = np.array([[float(token) for token in row[:3]] for row in rows])
        if cell.shape != (3, 3):
            raise ValueError(f"expected three vectors after {vectors}")
        lines = sections[atoms][step]
        count = int(lines[0].split()[0])
        sites = [line.split() for line in lines[1 : 1 + count]]
        if len(sites) < count or count < 0:
            raise ValueError(f"says {count} atoms and has {len(sites)}")
        if not count:
            raise Refused("no atoms", "XSF")
        numbers = np.array([_number(site[0]) for site in sites], dtype=np.uint8)
        positions = np.array([[float(token) for token in site[1:4]] for site in sites])
        if positions.shape != (count, 3):
            raise ValueError("a line with fewer than three coordinates")
    except (ValueError, IndexError, OverflowError) as error:
        raise Refused("unreadable", f"XSF: {error}"[:200]) from error
    return Parsed(numbers, positions, cell)


def _number(token: str) -> int:
    if not token.lstrip("-").isdecimal():
        return atomic_number(token)
    number = int(token[:18])
    if not 1 <= number < len(SYMBOLS):
        raise Refused("unknown element", f"atomic number {number}")
    return number


def looks_like(text: str) -> bool:
    """Whether a line is a keyword of XSF."""
    words = {line.strip().upper() for line in text[:4096].split("\n")}
    return bool(words & {"CRYSTAL", "PRIMVEC", "CONVVEC"})


def claims(head: bytes) -> bool:
    """Whether a file that begins so looks like XSF."""
    return looks_like(decode(head))


FORMAT = Format("XSF", (".xsf", ".axsf"), claims, entries)
