"""JSON: pymatgen structures and entries, and maps of id to structure, with or without splits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from matscale.runtime.errors import Refused
from matscale.structures.formats import pandas_json, pymatgen_dict
from matscale.structures.formats.cells_of_text import parse_text
from matscale.structures.formats.json_values import Doubled, is_structural, load, structure_in
from matscale.structures.formats.vocabulary import (
    ID_KEYS,
    STRUCTURE_KEYS,
    Entry,
    File,
    Format,
    NotStructures,
    Parsed,
    Remark,
    decode,
    its_columns,
    structure_column,
)


def parse(content: Any) -> Parsed:
    """The structure in a JSON value: a pymatgen dictionary, or a text in some format.

    Raises:
        Refused: If there is none.
    """
    content = structure_in(content)
    if content is None:
        raise Refused("missing", "null where a structure was expected")
    if isinstance(content, Doubled):
        raise Refused("unreadable", f"the key {content.key[:40]!r} stands twice in the structure")
    if isinstance(content, str):
        return parse_text(content)
    return pymatgen_dict.parse(content)


def splits_of(content: Any) -> dict[str, Mapping[str, Any]] | None:
    """The splits of a data set file, ``{split: {id: structure}}``; None if it is none.

    Raises:
        Refused: If a split stands twice.
    """
    if (
        isinstance(content, Mapping)
        and content
        and not is_structural(content)
        and all(isinstance(part, Mapping) for part in content.values())
        and not any(map(is_structural, content.values()))
        and any(is_structural(value) for part in content.values() for value in part.values())
    ):
        if isinstance(content, Doubled):
            raise Refused("unreadable", f"the split {content.key[:40]!r} stands twice")
        return dict(content)
    return None


def entries(file: File) -> Iterator[Entry | Remark]:
    """Each structure in a JSON file."""
    content = load(decode(file.content))
    table = pandas_json.table_of(content, file)
    if table is not None:
        yield from entries_of_records(table.records, file, table.labels)
    elif is_structural(content, file.column):
        yield file.entry(structure_in(content, file.column), parse)
    elif isinstance(content, list) and any(isinstance(value, Mapping | str) for value in content):
        yield from entries_of_records(content, file, None)
    elif splits := splits_of(content):
        for split, part in splits.items():
            yield from _said(part, f"{file.source}, split {split}")
            for name, value in _pairs(part):
                source = f"{file.source}#{split}/{name}"
                yield Entry(str(name), source, value, parse, {"split": split})
    elif isinstance(content, Mapping) and all(
        isinstance(entry, Mapping) for entry in content.values()
    ):
        yield from _said(content, file.source)
        labels, records = zip(*_pairs(content), strict=True) if content else ((), ())
        yield from entries_of_records(records, file, labels)
    elif isinstance(content, Mapping) and any(map(is_structural, content.values())):
        yield from _said(content, file.source)
        yield from entries_of_map(content, file.source)
    else:
        raise NotStructures("JSON that holds no structures")


def _pairs(content: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """All keys and values of an object, those that stand twice among them."""
    return content.pairs if isinstance(content, Doubled) else content.items()


def _said(content: Mapping[str, Any], source: str) -> Iterator[Remark]:
    """What must be known of ids that stand twice."""
    if isinstance(content, Doubled):
        count = len(content.pairs) - len(content)
        were = "entry repeats an id" if count == 1 else "entries repeat an id"
        yield Remark(
            f"{count} {were} of the same JSON object (such as {content.key[:40]!r} in {source}); "
            "each is an item of its own."
        )


def entries_of_records(
    records: Iterable[Any], file: File, labels: Iterable[str] | None
) -> Iterator[Entry]:
    """The structures of a list of entries, structures or texts.

    Args:
        records: The entries.
        file: Where they stand.
        labels: What each is called; None for its place. An id in the entry goes before a label
            that is only a row number.

    Raises:
        NotStructures: If none of them holds a structure.
    """
    records = list(records)
    names = None if labels is None else [str(label) for label in labels]
    keys = list(
        dict.fromkeys(key for entry in records if isinstance(entry, Mapping) for key in entry)
    )
    column = (structure_column(keys, file) or "") if file.column and keys else ""
    if not any(is_structural(record, column) for record in records):
        if keys and not any(key in STRUCTURE_KEYS for key in keys):
            raise NotStructures(f"JSON without a column of structures; {its_columns(keys)}")
        raise NotStructures("JSON that holds no structures")
    numbered = names is not None and names == [str(row) for row in range(len(names))]
    for index, record in enumerate(records):
        default = f"{file.stem}-{index}"
        label = default if names is None else names[index]
        own = id_of(record, "") if names is None or numbered else ""
        yield Entry(
            own or label,
            f"{file.source}#{label if names else index}",
            structure_in(record, column),
            parse,
            columns_of(record, column),
            named=bool(own) or names is not None,
        )


def entries_of_map(content: Mapping[str, Any], source: str) -> Iterator[Entry]:
    """Each structure of a map ``{id: structure}``."""
    for name, value in _pairs(content):
        yield Entry(str(name), f"{source}#{name}", value, parse)


def id_of(value: Any, default: str) -> str:
    """The id that an entry carries, else the default."""
    if isinstance(value, Mapping):
        for key in ID_KEYS:
            if isinstance(value.get(key), str | int):
                return str(value[key])
    return default


def columns_of(value: Any, column: str = "") -> dict[str, Any]:
    """Numbers, strings and truth values that stand beside the structure in an entry."""
    if not isinstance(value, Mapping) or structure_in(value, column) is value:
        return {}
    return {
        key: item
        for key, item in value.items()
        if isinstance(item, str | int | float) and key not in (*STRUCTURE_KEYS, column, "id")
        and not key.startswith("@")
    }  # fmt: skip


def claims(head: bytes) -> bool:
    """Whether a file that begins so looks like JSON."""
    return decode(head).lstrip()[:1] in ("{", "[")


FORMAT = Format("JSON", (".json",), claims, entries)
