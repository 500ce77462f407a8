"""JSON values: how they are loaded, and where a structure stands in one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from matscale.runtime.errors import Refused
from matscale.structures.formats.vocabulary import STRUCTURE_KEYS


class Doubled(dict[str, Any]):
    """A JSON object in which a key stands twice: the last value counts, all are in ``pairs``."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs

    @property
    def key(self) -> str:
        """The first key that stands twice."""
        seen: set[str] = set()
        return next(key for key, _ in self.pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    return content if len(content) == len(pairs) else Doubled(pairs)


def load(text: str | bytes) -> Any:
    """The content of a JSON text.

    Raises:
        Refused: If it is broken or too deep.
    """
    try:
        return json.loads(text, object_pairs_hook=_object)
    except RecursionError as error:
        raise Refused("unreadable", "JSON nested too deep") from error
    except ValueError as error:
        raise Refused("unreadable", f"JSON: {error}"[:200]) from error


def structure_in(content: Any, column: str = "") -> Any:
    """What stands under ``structure`` (or ``cif``, ``poscar``) in an entry, else the value.

    Args:
        content: An entry or a structure.
        column: Where to look instead.
    """
    if isinstance(content, Mapping):
        if column and column in content:
            return content[column]
        if "lattice" not in content:
            for key in STRUCTURE_KEYS:
                if key in content:
                    return content[key]
    return content


def is_structural(content: Any, column: str = "") -> bool:
    """Whether a value is meant as a structure."""
    content = structure_in(content, column)
    if isinstance(content, str):
        return "\n" in content or "\\n" in content or (content[:1] == "{" and '"sites"' in content)
    return isinstance(content, Mapping) and "sites" in content and "lattice" in content
