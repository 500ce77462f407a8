"""Tables that come with pymatgen, read from their files.

Importing them through pymatgen parses hundreds of references besides, which takes seconds.
"""

from __future__ import annotations

import gzip
import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pymatgen.core import Structure


def _content(name: str) -> Any:
    package = find_spec("pymatgen.analysis")
    assert package is not None and package.submodule_search_locations
    folder = Path(package.submodule_search_locations[0]) / "prototypes"
    with gzip.open(folder / name, "rt", encoding="utf-8") as file:
        return json.load(file)


@cache
def wyckoff_relabelings() -> dict[int, list[dict[int, str]]]:
    """Relabelings of Wyckoff letters by the Euclidean normaliser, by space group number.

    Each is a table for ``str.translate``. This is pymatgen's ``WYCKOFF_POSITION_RELAB_DICT``.
    """
    return {
        int(group): [{int(code): letter for code, letter in letters.items()} for letters in tables]
        for group, tables in _content("wyckoff-position-relabelings.json.gz").items()
    }


def aflow_prototypes() -> list[tuple[str, Structure]]:
    """AFLOW labels and structures of the prototypes (Mehl et al. 2017), in the file's order.

    These are pymatgen's ``AFLOW_PROTOTYPE_LIBRARY``.
    """
    from pymatgen.core import Structure

    return [
        (entry["tags"]["aflow"], Structure.from_dict(entry["snl"]))
        for entry in _content("aflow_prototypes.json.gz")
    ]
