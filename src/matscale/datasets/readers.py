"""How the files of a dataset become readings by split and properties by id."""

from __future__ import annotations

import gzip
import io
import json
import math
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from matscale.datasets.hygiene import atombench_split
from matscale.runtime.errors import UserError
from matscale.structures.reading import Reading

MAX_JSON_BYTES = 1 << 30


@dataclass(frozen=True)
class Content:
    """What a dataset's files hold.

    Attributes:
        readings: Structures of each split, and what was refused there.
        properties: Values by property and id, such as ``tc`` in K.
        notes: What a user should know of this content, a sentence each.
    """

    readings: Mapping[str, Reading]
    properties: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


Reader = Callable[[Mapping[str, Path]], Content]
"""Takes the paths of a dataset's files by file name; optional files may be absent."""


def read_json_splits(files: Mapping[str, Path]) -> Content:
    """The leaderboard's layout: ``structures.json.zip`` and perhaps ``tc_kelvin.json.zip``.

    The first holds ``{split: {id: POSCAR}}``, the second ``{group: {id: Tc in K}}``; the groups
    of the second are another task's splits and are ignored.
    """
    from matscale.structures import formats

    readings = formats.read_json_splits(files["structures.json.zip"])
    if "tc_kelvin.json.zip" not in files:
        return Content(readings)
    path = files["tc_kelvin.json.zip"]
    return Content(readings, {"tc": _values_by_id(read_json(path), path)})


def read_csv_splits(files: Mapping[str, Path]) -> Content:
    """The CDVAE layout: one CSV a split, named for it, with columns ``material_id`` and ``cif``."""
    from matscale.structures import formats

    return Content(
        {
            name.removesuffix(".csv"): formats.read(path, label=f"reading {name}")
            for name, path in files.items()
        }
    )


def read_jarvis_records(files: Mapping[str, Path]) -> Content:
    """A JSON list of JARVIS records, split by :func:`atombench_split`.

    Each record has an ``id``, ``atoms`` (``lattice_mat`` in Å, ``coords``, ``elements``,
    ``cartesian``) and ``Tc`` in K. Records without a number for Tc have no place in AtomBench's
    split: they are left out and counted in a note.
    """
    (path,) = files.values()
    records = read_json(path)
    if not isinstance(records, list) or not all(isinstance(item, dict) for item in records):
        raise UserError(
            f"{path} holds no list of records; fetch it again or point --from elsewhere"
        )
    usable = [record for record in records if _number(record.get("Tc")) is not None]
    rows = atombench_split(len(usable))
    splits = {split: [usable[row] for row in chosen] for split, chosen in rows.items()}
    without = len(records) - len(usable)
    return Content(
        _read_records(splits),
        {"tc": {_id(record): float(record["Tc"]) for record in usable}},
        (f"{without} of {len(records)} records have no Tc and are in no split",) if without else (),
    )


def read_json(path: Path) -> Any:
    """The value in a ``.json`` file, plain or in a ``.gz`` or a ``.zip`` with one member.

    Raises:
        UserError: If the file cannot be read, holds no JSON or unpacks to more than 1 GiB.
    """
    try:
        with path.open("rb") as file:
            data = _unpacked(file, path)
        return json.loads(data)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, ValueError) as error:
        raise UserError(f"{path} cannot be read as JSON ({error}); get a sound copy") from error


def _unpacked(file: io.BufferedReader, path: Path) -> bytes:
    """At most ``MAX_JSON_BYTES`` from a plain, gzipped or zipped file."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(file) as archive:
            members = [item for item in archive.infolist() if item.filename.endswith(".json")]
            if len(members) != 1:
                raise ValueError(f"the archive has {len(members)} JSON files, expected 1")
            with archive.open(members[0]) as member:
                data = member.read(MAX_JSON_BYTES + 1)
    elif path.suffix == ".gz":
        with gzip.open(file) as stream:
            data = stream.read(MAX_JSON_BYTES + 1)
    else:
        data = file.read(MAX_JSON_BYTES + 1)
    if len(data) > MAX_JSON_BYTES:
        raise ValueError(f"it unpacks to more than {MAX_JSON_BYTES >> 20} MiB")
    return data


def _values_by_id(groups: Any, path: Path) -> dict[str, float]:
    """Join ``{group: {id: number}}`` into ``{id: number}``."""
    try:
        return {str(key): float(value) for part in groups.values() for key, value in part.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} does not hold numbers by id ({error}); get a sound copy"
        ) from error


def _number(value: Any) -> float | None:
    """A finite number, or None for anything else, such as ``"na"``."""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None


def _id(record: Mapping[str, Any]) -> str:
    return str(record.get("id", ""))


def _read_records(splits: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Reading]:
    """Readings of JARVIS records, by way of POSCAR text and the checks of all formats.

    The records travel under their row numbers, so that two of one id stay two.
    """
    from matscale.structures import formats

    texts = {
        split: {str(row): _poscar(record) for row, record in enumerate(records)}
        for split, records in splits.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.json"
        path.write_text(json.dumps(texts), encoding="utf-8")
        readings = formats.read_json_splits(path)
    return {split: _renamed(readings[split], records) for split, records in splits.items()}


def _renamed(reading: Reading, records: Sequence[Mapping[str, Any]]) -> Reading:
    """Give the rows and refusals of a reading the ids of the records that they stand for."""
    return replace(
        reading,
        table=reading.table.with_ids([_id(records[item]) for item in reading.items]),
        refusals=tuple(
            replace(refusal, id=_id(records[refusal.item]), source=_id(records[refusal.item]))
            for refusal in reading.refusals
        ),
    )


def _poscar(record: Mapping[str, Any]) -> str:
    """POSCAR text of a JARVIS record; "" (which is refused on reading) if it is broken."""
    try:
        atoms = record["atoms"]
        elements = [str(element).strip() for element in atoms["elements"]]
        vectors = [" ".join(repr(float(x)) for x in vector) for vector in atoms["lattice_mat"]]
        sites = [" ".join(repr(float(x)) for x in site) for site in atoms["coords"]]
        mode = "cartesian" if atoms.get("cartesian") else "direct"
    except (KeyError, TypeError, ValueError, AttributeError):
        return ""
    if len(elements) != len(sites) or not all(elements):
        return ""
    groups = _runs(elements)
    lines = ["JARVIS record", "1.0", *vectors, " ".join(name for name, _ in groups)]
    return "\n".join([*lines, " ".join(str(count) for _, count in groups), mode, *sites]) + "\n"


def _runs(names: Sequence[str]) -> list[tuple[str, int]]:
    """Neighbours of one name with their number: Mg Mg O gives (Mg, 2), (O, 1)."""
    runs: list[tuple[str, int]] = []
    for name in names:
        if runs and runs[-1][0] == name:
            runs[-1] = (name, runs[-1][1] + 1)
        else:
            runs.append((name, 1))
    return runs
