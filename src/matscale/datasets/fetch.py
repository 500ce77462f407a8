"""Bring a dataset onto this machine: from where it is published, a mirror or a local copy."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from matscale.datasets.keeping import as_user_errors, only_one
from matscale.datasets.locate import cache_folder, data_folder, file_sha256, files_in
from matscale.datasets.registry import Entry, RemoteFile, entry
from matscale.datasets.transfer import Failed, Patience, discard, download
from matscale.runtime.errors import UserError


def fetch(
    name: str,
    *,
    source: str | Path | None = None,
    cache: str | Path | None = None,
    pins: Mapping[str, str] | None = None,
    patience: Patience | None = None,
) -> Path:
    """Get a dataset's files, verify them and keep them in the cache.

    Files that are there and have the right SHA-256 are not fetched again; neither is a dataset
    that ``$MATSCALE_DATA`` holds, unless a source or a cache is named. A file appears under its
    name only once it is whole and verified. Where the registry knows no hash, the one found is
    printed on stderr, to be given as a pin the next time.

    Args:
        name: A dataset of the registry.
        source: A local file or folder, or the base URL of a mirror, in place of the published
            URLs. A folder or mirror has the files as ``<name>/<file>`` or as ``<file>``.
        cache: Root of the cache in place of ``$MATSCALE_CACHE`` and the user's cache folder.
        pins: SHA-256 by file name, for files whose hash the registry does not know.
        patience: Timeouts and tries.

    Returns:
        The folder that holds the files.

    Raises:
        UserError: If the dataset is unknown; if a file cannot be had, has the wrong content or
            cannot be written; if another process has been fetching it for ten minutes.
    """
    dataset = entry(name)
    pins = _checked(pins or {}, dataset)
    held = data_folder() if source is None and cache is None else None
    if held is not None and files_in(held, dataset) is not None:
        _say(f"{name} is in $MATSCALE_DATA, at {held / name}")
        return held / name
    origin = _origin(source)
    folder = cache_folder(cache) / name
    with as_user_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with only_one(folder):
            for file in dataset.files:
                pin = pins.get(file.name) or file.sha256
                _fetch_file(dataset, file, pin, origin, folder, patience or Patience())
    return folder


def _checked(pins: Mapping[str, str], dataset: Entry) -> dict[str, str]:
    """The pins in lower case; each must be a SHA-256, and of a file of the dataset."""
    names = [file.name for file in dataset.files]
    for file, pin in pins.items():
        if file not in names:
            raise UserError(
                f"{dataset.name} has no file {file!r} to pin; it has {', '.join(names)}"
            )
        if len(pin) != 64 or not set(pin.lower()) <= set("0123456789abcdef"):
            raise UserError(f"{pin!r} is no SHA-256 of {file}: give 64 hexadecimal digits")
    return {file: pin.lower() for file, pin in pins.items()}


def _origin(source: str | Path | None) -> str | Path | None:
    """The base URL of a mirror, a local path that exists, or None for the published URLs."""
    if source is None:
        return None
    text = str(source)
    if text.startswith(("http://", "https://")):
        return text.rstrip("/")
    if "://" in text:
        raise UserError(f"cannot fetch from {text!r}: give a file, a folder, or an http(s) URL")
    path = Path(source).expanduser()
    if not path.exists():
        raise UserError(f"cannot fetch from {text!r}: there is no such file or folder")
    return path


def _fetch_file(
    dataset: Entry,
    file: RemoteFile,
    expected: str | None,
    origin: str | Path | None,
    folder: Path,
    patience: Patience,
) -> None:
    """Put one file into the dataset's folder, unless the right one is there."""
    target = folder / file.name
    if target.is_file() and (origin is None or expected is not None):
        if expected in (None, file_sha256(target)):
            _say(f"{target} is already there")
            return
        _say(f"{target} has changed since it was fetched; fetching it again")
    part = folder / f"{file.name}.part"
    if isinstance(origin, Path):
        local = _local(dataset, file, expected, origin)
        if local is None:
            _missing(dataset, file, f"{origin} does not hold it")
            return
        shutil.copyfile(local, part)
        _verify(part, str(local), expected)
    elif not _from_web(dataset, file, expected, origin, part, patience):
        return
    if expected is None:
        _say(
            f"no SHA-256 of {file.name} is on record, so that its content cannot be verified; "
            f"this copy has {file_sha256(part)}, which you can pin"
        )
    part.replace(target)
    _say(f"{target} is there")


def _from_web(
    dataset: Entry,
    file: RemoteFile,
    expected: str | None,
    mirror: str | None,
    part: Path,
    patience: Patience,
) -> bool:
    """Download one file from the first URL that gives it; False if an optional one is nowhere."""
    urls = file.urls
    if mirror is not None:
        urls = (f"{mirror}/{dataset.name}/{file.name}", f"{mirror}/{file.name}")
    reasons = []
    for url in urls:
        blindly = expected is not None
        label = f"fetching {dataset.name}/{file.name}"
        try:
            resumed = download(url, part, label=label, patience=patience, resume_blindly=blindly)
            if resumed and expected is not None and file_sha256(part) != expected:
                # The pieces may be of two versions of the file: once more, in one piece.
                discard(part)
                download(url, part, label=label, patience=patience, resume_blindly=blindly)
        except Failed as failure:
            reasons.append(f"{url}: {failure}")
            continue
        _verify(part, url, expected)
        return True
    _missing(dataset, file, "; ".join(reasons))
    return False


def _verify(part: Path, origin: str, expected: str | None) -> None:
    """Remove a fetched file whose content is wrong.

    Raises:
        UserError: If it is, with both hashes.
    """
    if expected is None:
        return
    digest = file_sha256(part)
    if digest != expected:
        discard(part)
        raise UserError(
            f"the content of {origin} has SHA-256 {digest}, expected {expected}; the file was "
            "removed: try again, or fetch from another copy with '--from'"
        )


def _local(dataset: Entry, file: RemoteFile, expected: str | None, source: Path) -> Path | None:
    """The file of a dataset in a local folder, or the local file itself if it is that one.

    Under another name it is recognised by its hash.
    """
    if source.is_dir():
        for path in (source / dataset.name / file.name, source / file.name):
            if path.is_file():
                return path
        candidates = sorted(path for path in source.iterdir() if path.is_file())
    else:
        needed = [other for other in dataset.files if not other.optional]
        if source.name == file.name or needed == [file]:
            return source
        candidates = [source]
    if expected is not None:
        for path in candidates:
            if file_sha256(path) == expected:
                return path
    return None


def _missing(dataset: Entry, file: RemoteFile, reasons: str) -> None:
    """Say that an optional file is missing.

    Raises:
        UserError: If the file is needed.
    """
    if file.optional:
        _say(f"{file.name} of {dataset.name} could not be had and is left out: {reasons}")
        return
    raise UserError(
        f"cannot fetch {file.name} of {dataset.name} ({reasons}); without a network, get a copy "
        "elsewhere and name it with '--from PATH', or put it into "
        f"$MATSCALE_DATA/{dataset.name}/{file.name}"
    )


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)
