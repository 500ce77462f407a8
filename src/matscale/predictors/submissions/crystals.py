"""Predictions that were made elsewhere and come in a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matscale.runtime.errors import UserError
from matscale.structures import formats
from matscale.structures.reading import Reading

PAIR_COLUMNS = ("target", "prediction")
TOLERATED_AS_PUBLISHED = ("atoms too close", "degenerate cell")
"""Reasons of refusal that AtomBench's code does not know."""

_UNSAFE = re.compile(r"[^\w.+-]+")


@dataclass(frozen=True)
class PublishedRows:
    """The rows of an AtomBench CSV as its own code reads them, overlapping atoms and all."""

    predictions: Reading
    targets: Reading


@dataclass(frozen=True)
class Submission:
    """One model's predictions.

    Attributes:
        name: The model's name: the file's or folder's, without endings.
        source: Where the predictions came from.
        predictions: The predicted structures; rows of one id are candidates for one target, in
            order.
        targets: The targets that the file carries, item by item, or None if it carries none.
        published: For a file that carries targets, its rows read as leniently as AtomBench does.
        predictor: A Python predictor, whose answers are the predictions once it has been asked.
        told: What that predictor is told; None for predictions that come as they are.
        seconds: That it took to answer.
    """

    name: str
    source: str
    predictions: Reading
    targets: Reading | None = None
    published: PublishedRows | None = None
    predictor: Any = None
    told: tuple[str, ...] | None = None
    seconds: float = 0.0


def read_submissions(
    sources: Sequence[Path], *, workers: int | None, column: str = ""
) -> list[Submission]:
    """Read files of predictions, one model per file.

    A source is a CSV with the columns id, target, prediction (AtomBench; plain or compressed), any
    file or archive of structures whose ids are the targets', a folder of such CSVs, a folder with
    one subfolder per model, or a folder of structure files of one model.

    Args:
        sources: Files and folders.
        workers: Processes; None for one per core.
        column: Column of CSV and JSON tables that holds structures; "" for the names in use.

    Raises:
        UserError: If a source is missing or holds nothing, or two models have one name.
    """
    models = [model for source in sources for model in _models(source)]
    submissions = [_read(name, path, workers, column) for name, path in models]
    names = [submission.name for submission in submissions]
    for name in names:
        if names.count(name) > 1:
            where = ", ".join(s.source for s in submissions if s.name == name)
            raise UserError(f"two submissions are called {name!r} ({where}): rename one of them")
    return submissions


def _models(source: Path) -> list[tuple[str, Path]]:
    """Names of the models that a source stands for, and the file or folder of each."""
    if not source.exists():
        raise UserError(f"{source} does not exist: give a file or folder of predictions")
    if not source.is_dir():
        return [(_name(source), source)]
    entries = sorted(entry for entry in source.iterdir() if not entry.name.startswith("."))
    pairs = [entry for entry in entries if _carries_targets(entry)]
    if pairs:
        return [(_name(entry), entry) for entry in pairs]
    structures = [entry for entry in entries if entry.is_file() and _has_ending(entry.name)]
    folders = [] if structures else [entry for entry in entries if entry.is_dir()]
    return [(_name(folder), _pairs_in(folder)) for folder in folders] or [(_name(source), source)]


def _pairs_in(folder: Path) -> Path:
    """The one CSV of pairs in a model's folder, or else the folder."""
    pairs = [entry for entry in sorted(folder.iterdir()) if _carries_targets(entry)]
    if len(pairs) > 1:
        raise UserError(f"{folder} holds {len(pairs)} CSV files of predictions: keep one per model")
    return pairs[0] if pairs else folder


def _carries_targets(path: Path) -> bool:
    header = formats.csv_header(path) if path.is_file() else None
    return header is not None and set(PAIR_COLUMNS) <= set(header)


def _read(name: str, path: Path, workers: int | None, column: str) -> Submission:
    if column in ("", "prediction") and _carries_targets(path):
        columns = formats.read_columns(path, PAIR_COLUMNS)
        lenient = formats.read_columns(path, PAIR_COLUMNS, tolerate=TOLERATED_AS_PUBLISHED)
        published = PublishedRows(lenient["prediction"], lenient["target"])
        return Submission(name, str(path), columns["prediction"], columns["target"], published)
    label = f"reading {path.name}"
    reading = formats.read(path, workers=workers, label=label, column=column)
    return Submission(name, str(path), reading)


def _name(path: Path) -> str:
    return file_name(formats.without_endings(path.resolve().name))


def _has_ending(name: str) -> bool:
    return formats.without_endings(name) != name


def file_name(name: str) -> str:
    """A model's name as results and their files bear it."""
    return _UNSAFE.sub("_", name) or "model"
