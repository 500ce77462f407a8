"""Data sets that live as folders on the Hugging Face hub: figures with questions about them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from matscale.datasets.hub_sets import HUB_SETS, HubSet
from matscale.datasets.keeping import as_user_errors, only_one
from matscale.datasets.locate import cache_folder, data_folder
from matscale.runtime.errors import UserError, missing_extra


def describe_hub(name: str) -> dict[str, Any]:
    """All that is known of a data set, with the keys of :func:`matscale.datasets.describe`."""
    known = HUB_SETS[name]
    folders = (folder for folder in _places(name) if not _absent(known, folder))
    folder = next(folders, None)
    return {
        "name": known.name,
        "title": known.title,
        "description": "",
        "citation": [known.citation.text],
        "licence": known.licence,
        "splits": {},
        "split_rule": "",
        "files": [
            {
                "name": file,
                "urls": [f"https://huggingface.co/datasets/{known.repository}"],
                "sha256": None,
                "optional": False,
                "path": str(folder / file) if folder else None,
            }
            for file in known.needed
        ],
        "unverified": known.unverified,
        "path": str(folder) if folder else None,
    }


def fetch_hub(name: str, *, source: str | Path | None = None) -> Path:
    """Bring a data set of the hub into the cache, or copy it from a folder.

    What ``huggingface_hub`` has downloaded before, it does not download again.

    Args:
        name: One of :data:`HUB_SETS`.
        source: A folder in the hub's layout, in place of the hub.

    Returns:
        The data set's folder.

    Raises:
        UserError: If it cannot be had: no such folder, no network, or no ``huggingface_hub``.
    """
    known = HUB_SETS[name]
    target = cache_folder() / name
    with as_user_errors(target):
        target.mkdir(parents=True, exist_ok=True)
        with only_one(target):
            if source is None:
                _download(known, target)
            else:
                _copy(known, Path(source).expanduser(), target)
    absent = _absent(known, target)
    if absent:
        # The hub's client takes a folder that is there for the data set when it has no network.
        raise UserError(_cannot(known, f"{', '.join(absent)} did not come"))
    return target


def find_hub(name: str) -> Path:
    """The folder of a data set on this machine: in ``$MATSCALE_DATA``, else in the cache.

    Raises:
        UserError: If it is not on this machine.
    """
    known = HUB_SETS[name]
    places = _places(name)
    for folder in places:
        if not _absent(known, folder):
            return folder
    raise UserError(
        f"the data set {name!r} is not in {' or '.join(map(str, places))}; get it with "
        f"'matscale data fetch {name}', which takes '--from FOLDER' for a copy"
    )


def _places(name: str) -> list[Path]:
    return [root / name for root in (data_folder(), cache_folder()) if root is not None]


def _absent(known: HubSet, folder: Path) -> list[str]:
    return [file for file in known.needed if not (folder / file).is_file()]


def _download(known: HubSet, target: Path) -> None:
    try:
        import huggingface_hub
    except ImportError:
        raise missing_extra("perception", f"fetching {known.name} from the hub") from None
    try:
        huggingface_hub.snapshot_download(
            repo_id=known.repository,
            repo_type="dataset",
            local_dir=target,
            allow_patterns=[f"{Path(file).parts[0]}/**" for file in known.needed],
        )
    except Exception as error:  # noqa: BLE001 - the hub's client raises what its transport raises
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(_cannot(known, reason)) from None


def _cannot(known: HubSet, reason: str) -> str:
    return (
        f"cannot fetch {known.repository} from the hub ({reason}); without a network, get a copy "
        "elsewhere and name its folder with '--from FOLDER'"
    )


def _copy(known: HubSet, source: Path, target: Path) -> None:
    if not source.is_dir():
        raise UserError(f"cannot fetch {known.name} from {source}: there is no such folder")
    absent = _absent(known, source)
    if absent:
        lacking = ", ".join(absent)
        raise UserError(f"{source} is not a copy of {known.repository}: it lacks {lacking}")
    if source.resolve() == target.resolve():
        return
    for folder in dict.fromkeys(Path(file).parts[0] for file in known.needed):
        shutil.copytree(source / folder, target / folder, dirs_exist_ok=True)
