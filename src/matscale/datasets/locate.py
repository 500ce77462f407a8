"""Where a dataset's files are on this machine: ``$MATSCALE_DATA``, then the cache."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from matscale.datasets.registry import DATASETS, Entry, entry
from matscale.runtime.errors import UserError


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def data_folder() -> Path | None:
    """The folder that ``$MATSCALE_DATA`` names; None where the variable is not set.

    Raises:
        UserError: If it names something that is not a folder.
    """
    value = os.environ.get("MATSCALE_DATA", "")
    if not value:
        return None
    folder = Path(value).expanduser()
    if not folder.is_dir():
        raise UserError(
            f"$MATSCALE_DATA is {value!r}, where there is no folder; "
            "set it to a folder of datasets, or unset it"
        )
    return folder


def cache_folder(cache: Path | str | None = None) -> Path:
    """The folder of fetched datasets, which need not exist yet.

    Args:
        cache: The root of the cache; else ``$MATSCALE_CACHE``, else the user's cache folder.
    """
    root = cache or os.environ.get("MATSCALE_CACHE")
    if root:
        return Path(root).expanduser() / "datasets"
    from platformdirs import user_cache_path

    return user_cache_path("matscale", appauthor=False) / "datasets"


def files_in(folder: Path, dataset: Entry) -> list[Path] | None:
    """The dataset's files in a folder, in the entry's order; None unless all needed are there."""
    paths = []
    for file in dataset.files:
        path = folder / dataset.name / file.name
        if path.is_file():
            paths.append(path)
        elif not file.optional:
            return None
    return paths


def find(name: str, *, cache: Path | str | None = None) -> list[Path]:
    """The files of a dataset on this machine, in the order of its entry.

    ``$MATSCALE_DATA`` is searched first, then the cache; a place counts if it holds every file
    that the dataset needs. Optional files that are not there are left out.

    Raises:
        UserError: If the dataset is unknown or not on this machine, or if ``$MATSCALE_DATA``
            names no folder.
    """
    dataset = entry(name)
    places = [root for root in (data_folder(), cache_folder(cache)) if root is not None]
    for root in places:
        paths = files_in(root, dataset)
        if paths is not None:
            return paths
    searched = " or ".join(str(root / name) for root in places)
    raise UserError(
        f"the dataset {name!r} is not in {searched}; "
        f"get it with 'matscale data fetch {name}', which takes '--from PATH' for a copy"
    )


def where(name: str, *, cache: Path | str | None = None) -> Path | None:
    """The folder in which :func:`find` finds the dataset; None if it is not on this machine."""
    dataset = entry(name)
    for root in (data_folder(), cache_folder(cache)):
        if root is not None and files_in(root, dataset) is not None:
            return root / name
    return None


def describe(name: str) -> dict[str, Any]:
    """All that is known of a dataset, as plain values for a page, a table or JSON.

    ``path`` is its folder on this machine or None; each file has its ``path`` there.

    Raises:
        UserError: If the dataset is unknown.
    """
    dataset = entry(name)
    folder = where(name)
    files = []
    for file in dataset.files:
        path = folder / file.name if folder else None
        files.append(
            {
                "name": file.name,
                "urls": list(file.urls),
                "sha256": file.sha256,
                "optional": file.optional,
                "path": str(path) if path and path.is_file() else None,
            }
        )
    return {
        "name": dataset.name,
        "title": dataset.title,
        "description": dataset.description,
        "citation": [paper.text for paper in dataset.citation],
        "licence": dataset.licence,
        "splits": dict(dataset.splits),
        "split_rule": dataset.split_rule,
        "files": files,
        "unverified": dataset.unverified,
        "path": str(folder) if folder else None,
    }


def list_datasets() -> list[dict[str, Any]]:
    """Every dataset as :func:`describe` has it, in the order of the registry."""
    return [describe(name) for name in DATASETS]
