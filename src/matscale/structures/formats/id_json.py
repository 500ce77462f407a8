"""JSON: pymatgen structures and entries, and maps of id to structure, with or without splits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from matscale.errors import Refused
from matscale.structures.formats import pymatgen_dict
from matscale.structures.formats.cells_of_text import parse_text
from matscale.structures.formats.vocabulary import (
    Entry,
    File,
    Format,
    NotStructures,
    Parsed,
    decode,
)

ID_KEYS = ("id", "material_id", "entry_id", "jid", "mp_id", "name")
STRUCTURE_KEYS = ("structure", "atoms", "cif", "poscar", "prediction")


def load(text: str | bytes) -> Any:
    """The content of a JSON text.

    Raises:
        Refused: If it is broken or too deep.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise Refused("unreadable", "JSON nested too deep") from error
    except ValueError as error:
        raise Refused("unreadable", f"JSON: {error}"[:200]) from error


def parse(content: Any) -> Parsed:
    """The structure in a JSON value: a pymatgen dictionary, or a text in some format.

    Raises:
        Refused: If there is none.
    """
    content = structure_in(content)
    if isinstance(content, str):
        return parse_text(content)
    return pymatgen_dict.parse(content)


def structure_in(content: Any) -> Any:
    """What stands under ``structure`` (or ``cif``, ``poscar``) in an entry, else the value."""
    if isinstance(content, Mapping) and "lattice" not in content:
        for key in STRUCTURE_KEYS:
            if key in content:
                return content[key]
    return content


def is_structural(content: Any) -> bool:
    """Whether a value is meant as a structure."""
    content = structure_in(content)
    if isinstance(content, str):
        return "\n" in content or "\\n" in content
    return isinstance(content, Mapping) and "sites" in content and "lattice" in content


def splits_of(content: Any) -> dict[str, Mapping[str, Any]] | None:
    """The splits of a data set file, ``{split: {id: structure}}``; None if it is none."""
    if (
        isinstance(content, Mapping)
        and content
        and not is_structural(content)
        and all(isinstance(part, Mapping) for part in content.values())
        and not any(map(is_structural, content.values()))
        and any(is_structural(value) for part in content.values() for value in part.values())
    ):
        return dict(content)
    return None


def entries(file: File) -> Iterator[Entry]:
    """Each structure in a JSON file."""
    text = decode(file.content)
    content = load(text)
    if is_structural(content):
        yield file.entry(content, parse)
    elif isinstance(content, list) and any(map(is_structural, content)):
        for index, value in enumerate(content):
            name = id_of(value, f"{file.stem}-{index}")
            yield Entry(name, f"{file.source}#{index}", value, parse, columns_of(value))
    elif splits := splits_of(content):
        for split, part in splits.items():
            for name, value in part.items():
                yield Entry(
                    str(name), f"{file.source}#{split}/{name}", value, parse, {"split": split}
                )
    elif isinstance(content, Mapping) and any(map(is_structural, content.values())):
        yield from entries_of_map(content, file.source)
    else:
        raise NotStructures("JSON that holds no structures")


def entries_of_map(content: Mapping[str, Any], source: str) -> Iterator[Entry]:
    """Each structure of a map ``{id: structure}``."""
    for name, value in content.items():
        yield Entry(str(name), f"{source}#{name}", value, parse)


def id_of(value: Any, default: str) -> str:
    """The id that an entry carries, else the default."""
    if isinstance(value, Mapping):
        for key in ID_KEYS:
            if isinstance(value.get(key), str | int):
                return str(value[key])
    return default


def columns_of(value: Any) -> dict[str, Any]:
    """Numbers, strings and truth values that stand beside the structure in an entry."""
    if not isinstance(value, Mapping) or structure_in(value) is value:
        return {}
    return {
        key: item
        for key, item in value.items()
        if isinstance(item, str | int | float) and key not in STRUCTURE_KEYS and key != "id"
        and not key.startswith("@")
    }  # fmt: skip


def claims(head: bytes) -> bool:
    """Whether a file that begins so looks like JSON."""
    return decode(head).lstrip()[:1] in ("{", "[")


FORMAT = Format("JSON", (".json",), claims, entries)
