"""Reference entries from files of pymatgen entries, and from the Materials Project."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ase.data import atomic_numbers, chemical_symbols

from matscale.energy.hull import Entry, System
from matscale.runtime.errors import UserError
from matscale.runtime.files import replaced

CLASSES = ("ComputedEntry", "ComputedStructureEntry", "PDEntry")
"""Classes of pymatgen whose JSON is understood."""

LARGEST_FILE = 4 << 30
"""Bytes, unpacked."""


class Entries(NamedTuple):
    """What a file of entries holds.

    Attributes:
        entries: Those that can be used.
        refused: Number of the entry in the file -> why it cannot be used.
    """

    entries: list[Entry]
    refused: dict[int, str]


def read_entries(path: Path, *, corrected: bool = True) -> Entries:
    """Read pymatgen entries: a JSON list, or one under ``"entries"``, plain or gzipped.

    Nothing but compositions, energies and ids is read, and no class that the file names is
    imported.

    Args:
        path: The file.
        corrected: Whether the corrections that the entries carry are added. The hull must suit
            the potential: CHGNet was trained on corrected energies (MP2020), MACE-MP on
            uncorrected ones.

    Raises:
        UserError: If the file cannot be read or holds no usable entry.
    """
    items = _items(path)
    entries, refused = [], {}
    for number, item in enumerate(items):
        try:
            entries.append(_entry(item, corrected, default_id=str(number)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            refused[number] = f"{type(error).__name__}: {error}"
    if not entries:
        why = f"; the first says {refused[0]}" if refused else ""
        raise UserError(f"{path} holds no usable entry of {len(items)}{why}")
    return Entries(entries, refused)


def _items(path: Path) -> list[Any]:
    try:
        content = json.loads(_text(path))
    except FileNotFoundError as error:
        raise UserError(f"there is no file {path}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{path} is not JSON: {error}") from error
    if isinstance(content, dict):
        content = content.get("entries")
    if not isinstance(content, list):
        raise UserError(f'{path} must be a list of pymatgen entries, or hold one under "entries"')
    return content


def _text(path: Path) -> bytes:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    if not packed:
        return path.read_bytes()
    with gzip.open(path) as file:
        text = file.read(LARGEST_FILE + 1)
    if len(text) > LARGEST_FILE:
        raise UserError(f"{path} unpacks to more than {LARGEST_FILE >> 30} GiB")
    return text


def _entry(item: dict[str, Any], corrected: bool, default_id: str) -> Entry:
    name = item.get("@class", CLASSES[0])
    if name not in CLASSES:
        raise ValueError(f"a {name} is not one of {', '.join(CLASSES)}")
    counts = {_element(symbol): float(count) for symbol, count in item["composition"].items()}
    total = sum(counts.values())
    energy = float(item["energy"])
    if corrected:
        energy += _correction(item)
    if not counts or min(counts.values()) <= 0 or not abs(energy) < float("inf"):
        raise ValueError(f"composition {item['composition']}, energy {item['energy']}")
    identity = item.get("entry_id") or item.get("name") or default_id
    return Entry(tuple(sorted(counts.items())), energy / total, str(identity))


def _element(symbol: str) -> int:
    """Atomic number of an element, also where a charge is written (``Fe3+``)."""
    plain = symbol.rstrip("+-0123456789.")
    if plain not in atomic_numbers or plain == chemical_symbols[0]:
        raise ValueError(f"there is no element {symbol!r}")
    return int(atomic_numbers[plain])


def _correction(item: dict[str, Any]) -> float:
    """Correction in eV a formula as written; pymatgen writes the sum of the adjustments."""
    if "correction" not in item and item.get("energy_adjustments"):
        raise ValueError("energy adjustments without their total, the correction")
    return float(item.get("correction") or 0.0)


def download_entries(
    systems: Sequence[System],
    folder: Path,
    *,
    key: str | None = None,
    thermo_type: str = "GGA_GGA+U",
    endpoint: str | None = None,
) -> Path:
    """Download Materials Project entries of chemical systems, once; needs ``mp-api``.

    Args:
        systems: Chemical systems; the entries of the systems they hold are included.
        folder: Where the file is kept.
        key: Of the Materials Project; None for that of ``MP_API_KEY``.
        thermo_type: Which of its hulls.
        endpoint: Of another server that speaks the same language.

    Returns:
        A file for :func:`read_entries`.

    Raises:
        UserError: If the package or the key is missing, or if the download fails.
    """
    key = materials_project_key(key)
    names = sorted({_system_name(system) for system in systems})
    digest = hashlib.sha256(json.dumps([names, thermo_type]).encode()).hexdigest()[:16]
    path = folder / f"materials-project-{digest}.json.gz"
    if path.exists():
        return path
    items = _download(names, key, thermo_type, endpoint)
    folder.mkdir(parents=True, exist_ok=True)
    with replaced(path) as temporary, gzip.open(temporary, "wt", encoding="utf-8") as file:
        json.dump({"thermo_type": thermo_type, "systems": names, "entries": items}, file)
    return path


def _system_name(system: Iterable[int]) -> str:
    """As the Materials Project writes it: ``Li-Fe-O`` in alphabetical order."""
    return "-".join(sorted(chemical_symbols[element] for element in system))


def materials_project_key(key: str | None = None) -> str:
    """The key to download with, once it is sure that there is also the package that downloads.

    Args:
        key: Of the Materials Project; None for that of ``MP_API_KEY``.

    Raises:
        UserError: If the package or the key is missing.
    """
    try:
        import mp_api.client  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"entries of the Materials Project need a package: pip install mp-api ({error})"
        ) from error
    key = key or os.environ.get("MP_API_KEY", "")
    if not key:
        raise UserError(
            "entries of the Materials Project need a key: set MP_API_KEY to the one that "
            "materialsproject.org/api shows you, or give a file of entries"
        )
    return key


def _download(
    names: list[str], key: str, thermo_type: str, endpoint: str | None
) -> list[dict[str, Any]]:
    from mp_api.client import MPRester

    documents: dict[str, dict[str, Any]] = {}
    try:
        with MPRester(key, **({"endpoint": endpoint} if endpoint else {})) as rester:
            for name in names:
                entries = rester.get_entries_in_chemsys(
                    name.split("-"), additional_criteria={"thermo_types": [thermo_type]}
                )
                for entry in entries:
                    documents[str(entry.entry_id)] = _without_structure(entry.as_dict())
    # The client raises errors of its own, of requests and of its validators.
    except Exception as error:
        raise UserError(
            f"the Materials Project cannot be reached or did not answer: {error}"
        ) from error
    return list(documents.values())


def _without_structure(item: dict[str, Any]) -> dict[str, Any]:
    """What :func:`read_entries` reads of an entry's JSON."""
    wanted = ("composition", "energy", "correction")
    kept = {name: item[name] for name in wanted if name in item}
    # The client's ids are objects of its own.
    return {"@class": CLASSES[0], "entry_id": str(item.get("entry_id")), **kept}
