"""One structure in a piece of text, such as a cell of a table, in whatever format it is."""

from __future__ import annotations

import numpy as np

from matscale.runtime.errors import Refused
from matscale.structures.formats import cif, extxyz, poscar, pymatgen_dict, xsf, yaml_text
from matscale.structures.formats.json_values import load, structure_in
from matscale.structures.formats.vocabulary import Parsed, decode


def parse_text(text: str | bytes) -> Parsed:
    """The structure in a text: POSCAR, CIF, XSF, extended XYZ, pymatgen JSON or YAML.

    Line ends may be written as a backslash and an n, as tables do.

    Args:
        text: The content; bytes are decoded.

    Returns:
        Atomic numbers (n,), Cartesian positions (n, 3) in Å and lattice vectors (3, 3) in Å.

    Raises:
        Refused: If there is no structure in it, or one that cannot be used.
    """
    if isinstance(text, bytes):
        text = decode(text)
    with np.errstate(all="ignore"):
        return _parse(text)


def _parse(text: str) -> Parsed:
    if not text.strip():
        raise Refused("missing", "nothing there")
    if text.lstrip().startswith("{"):
        return _parse_json(text)
    if poscar.looks_like(text):
        return poscar.parse(text)
    # A cell of a table may hold any text with its line ends escaped.
    if "\n" not in text and "\\n" in text:
        text = text.replace("\\n", "\n")
    for looks_like, parse in (
        (_is_cif, cif.parse),
        (xsf.looks_like, xsf.parse),
        (_is_xyz, extxyz.parse),
        (yaml_text.looks_like, yaml_text.parse),
    ):
        if looks_like(text):
            return parse(text)
    raise Refused("unreadable", f"in no known format: {text.strip()[:40]!r}")


def _parse_json(text: str) -> Parsed:
    content = structure_in(load(text))
    if isinstance(content, str):
        raise Refused("unreadable", "a text inside JSON where a structure was expected")
    return pymatgen_dict.parse(content)


def _is_cif(text: str) -> bool:
    return cif.claims(text[:4096].encode())


def _is_xyz(text: str) -> bool:
    return extxyz.claims(text[:4096].encode())
