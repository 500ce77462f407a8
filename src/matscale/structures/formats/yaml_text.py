"""YAML of a pymatgen structure, as ``Structure.to(fmt="yaml")`` writes it."""

from __future__ import annotations

import re
from typing import Any

from matscale.runtime.errors import Refused
from matscale.structures.formats import pymatgen_dict
from matscale.structures.formats.vocabulary import Parsed

LONGEST = 64 << 20
_KEY = re.compile(r"^['\"]?(?:lattice|sites)['\"]?\s*:", re.MULTILINE)


def parse(text: str) -> Parsed:
    """The structure in a YAML text, read without making any object but lists and maps.

    Raises:
        Refused: If it is broken.
    """
    return pymatgen_dict.parse(_load(text))


def _load(text: str) -> Any:
    from ruamel.yaml import YAML, YAMLError

    if len(text) > LONGEST:
        raise Refused("too large", f"YAML of {len(text)} characters")
    try:
        return YAML(typ="safe", pure=False).load(text)
    except RecursionError as error:
        raise Refused("unreadable", "YAML nested too deep") from error
    except (YAMLError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise Refused("unreadable", f"YAML: {error}"[:200]) from error


def looks_like(text: str) -> bool:
    """Whether a text has the keys of a pymatgen structure at the start of lines."""
    return bool(_KEY.search(text))
