"""A dataset in memory: structures by split, properties by id, and what is missing from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from matscale.datasets.hygiene import Removal, clean, ids_in_order
from matscale.datasets.locate import file_sha256, find
from matscale.datasets.readers import Content
from matscale.datasets.registry import DATASETS, Entry, entry, unknown
from matscale.runtime.errors import UserError
from matscale.structures.reading import Reading, Refusal
from matscale.structures.table import StructureTable

SPLITS = frozenset({"train", "val", "valid", "validation", "test"})
"""Names by which an object of objects is known to be one of splits."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Structures and what is known of them.

    Attributes:
        name: Of the registry, or of the file that was read.
        readings: Structures of each split, with the refused items.
        properties: Values by property and id, such as ``tc`` in K.
        hygiene: The hygiene step that was applied; None for none.
        removed: What that step took out.
        notes: What a user should know of this copy, a sentence each.
        files: SHA-256 of each file that was read, by path.
    """

    name: str
    readings: Mapping[str, Reading]
    properties: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    hygiene: str | None = None
    removed: tuple[Removal, ...] = ()
    notes: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def splits(self) -> dict[str, StructureTable]:
        """The accepted structures of each split."""
        return {split: reading.table for split, reading in self.readings.items()}

    @property
    def refusals(self) -> dict[str, tuple[Refusal, ...]]:
        """The refused items of each split."""
        return {split: reading.refusals for split, reading in self.readings.items()}

    def table(self, split: str) -> StructureTable:
        """The accepted structures of a split.

        Raises:
            UserError: If there is no such split.
        """
        return self.reading(split).table

    def reading(self, split: str) -> Reading:
        """A split with its refused items.

        Raises:
            UserError: If there is no such split.
        """
        if split not in self.readings:
            raise UserError(
                f"{self.name} has no split {split!r}; it has {', '.join(self.readings)}"
            )
        return self.readings[split]

    def values(self, name: str, split: str) -> np.ndarray:
        """A property of the structures of a split, (N,) in its unit; NaN where it is unknown.

        Raises:
            UserError: If there is no such property or split.
        """
        if name not in self.properties:
            known = ", ".join(self.properties) or "none"
            raise UserError(f"{self.name} has no property {name!r}; it has {known}")
        known_values = self.properties[name]
        ids = self.table(split).ids
        return np.array([known_values.get(key, np.nan) for key in ids], dtype=np.float64)

    @cached_property
    def sha256(self) -> str:
        """Hash of the content after hygiene: names and tables of the splits, and properties."""
        content = {split: table.sha256() for split, table in self.splits.items()}
        properties = {name: dict(values) for name, values in self.properties.items()}
        text = json.dumps([content, properties], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def load(
    name_or_path: str | Path,
    *,
    hygiene: str | None = None,
    cache: str | Path | None = None,
    column: str = "",
) -> Dataset:
    """Load a dataset of the registry, or any file of structures.

    A file of the layout ``{split: {id: POSCAR}}`` keeps its splits; any other file or folder that
    :func:`matscale.structures.formats.read` knows becomes one split, ``all``.

    Args:
        name_or_path: A dataset's name, which has precedence, or a path.
        hygiene: A step of :data:`matscale.datasets.HYGIENE` to apply; None for none.
        cache: Root of the cache, as in :func:`matscale.datasets.fetch`.
        column: Column of structures in a file that is a table; one without it, or "", is read by
            the names in use.

    Raises:
        UserError: If there is no such dataset, file or hygiene step, if the dataset is not on
            this machine, or if nothing can be read.
    """
    if str(name_or_path) in DATASETS:
        dataset = _load_known(entry(str(name_or_path)), cache)
    else:
        dataset = _load_path(Path(name_or_path).expanduser(), column)
    return dataset if hygiene is None else _cleaned(dataset, hygiene)


def given(source: Any, what: str, *, hygiene: str | None = None, column: str = "") -> Dataset:
    """A dataset that is loaded already or to be loaded, or one of Python objects.

    Args:
        source: A :class:`Dataset`, what :func:`load` takes, or crystals as
            :func:`matscale.structures.formats.read_objects` takes them, which become one split,
            ``all``.
        what: What the crystals are, in the plural, for messages; objects are called by it.
        hygiene: As for :func:`load`.
        column: Likewise.

    Raises:
        UserError: As :func:`load`, and if the objects are not crystals.
    """
    if isinstance(source, str | Path):
        return load(source, hygiene=hygiene, column=column)
    if isinstance(source, Dataset):
        dataset = source
    else:
        from matscale.structures.formats import read_objects

        dataset = Dataset(what, {"all": read_objects(source, what)})
    return dataset if hygiene is None else _cleaned(dataset, hygiene)


def _cleaned(dataset: Dataset, hygiene: str) -> Dataset:
    readings, removed, notes = clean(hygiene, dataset.readings)
    return Dataset(
        dataset.name,
        readings,
        dataset.properties,
        hygiene,
        removed,
        dataset.notes + notes,
        dataset.files,
    )


def _load_known(known: Entry, cache: str | Path | None) -> Dataset:
    paths = find(known.name, cache=cache)
    hashes = {path.name: file_sha256(path) for path in paths}
    content = known.reader({path.name: path for path in paths})
    return Dataset(
        known.name,
        content.readings,
        content.properties,
        notes=(*_file_notes(known, hashes), *content.notes, *_content_notes(known, content)),
        files={str(path): hashes[path.name] for path in paths},
    )


def _file_notes(known: Entry, hashes: Mapping[str, str]) -> list[str]:
    """What the files' hashes say: missing, other than on record, or not on record."""
    notes = []
    for file in known.files:
        if file.name not in hashes:
            notes.append(f"{file.name} is not here, and what it holds is left out")
        elif file.sha256 is None:
            notes.append(f"no SHA-256 of {file.name} is on record: its content is not verified")
        elif hashes[file.name] != file.sha256:
            notes.append(f"{file.name} is not the file on record: SHA-256 {hashes[file.name]}")
    return notes


def _content_notes(known: Entry, content: Content) -> list[str]:
    """How the splits differ from what the registry says of them."""
    notes = []
    for split in known.splits.keys() | content.readings.keys():
        count = content.readings[split].submitted if split in content.readings else 0
        if count != known.splits.get(split, 0):
            expected = known.splits.get(split, 0)
            notes.append(f"split {split!r} has {count} structures, {expected} on record")
    if known.id_fingerprint and id_fingerprint(content.readings) != known.id_fingerprint:
        notes.append("the splits differ from the published ones: their ids or order are others")
    return sorted(notes)


def id_fingerprint(readings: Mapping[str, Reading]) -> str:
    """AtomBench's fingerprint of a split: ten hex digits of the SHA-256 of all ids, in order.

    Each id is followed by a comma; train comes first, then val, then test.
    """
    ids = [
        name
        for split in ("train", "val", "test")
        if split in readings
        for name in ids_in_order(readings[split])
    ]
    return hashlib.sha256("".join(f"{name}," for name in ids).encode()).hexdigest()[:10]


def _load_path(path: Path, column: str) -> Dataset:
    from matscale.structures import formats

    if not path.exists():
        raise unknown(str(path), "dataset and no file")
    files = {str(path): file_sha256(path)} if path.is_file() else {}
    if path.is_file() and _looks_split(path):
        return Dataset(path.name, formats.read_json_splits(path), files=files)
    reading = formats.read(path, label=f"reading {path.name}", column=column, or_usual=True)
    # What is doubtful about crystals is said where they are used, as targets or in training.
    notes = replace(reading, warnings=()).notes(path.name)
    return Dataset(path.name, {"all": reading}, notes=notes, files=files)


def _looks_split(path: Path) -> bool:
    """Whether a JSON file is an object of objects, of text or under names of splits."""
    from matscale.datasets.readers import read_json

    if not path.name.lower().endswith((".json", ".json.zip", ".json.gz")):
        return False
    try:
        value = read_json(path)
    except UserError:
        return False  # the reader of structures will say what is wrong with it
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(part, dict) and part for part in value.values())
        and (
            value.keys() <= SPLITS
            or all(isinstance(item, str) for part in value.values() for item in part.values())
        )
    )
