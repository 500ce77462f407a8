"""A folder of results: one JSON a result, with Parquet files beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryFile

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from matscale.results.result import Dataset, Result
from matscale.runtime.errors import UserError
from matscale.runtime.exact import stored
from matscale.runtime.files import replaced
from matscale.structures.formats import write_parquet
from matscale.structures.table import StructureTable

SUFFIX = ".result.json"


def save_table(table: pa.Table | StructureTable, path: Path) -> None:
    """Write a table that stands beside results: per-sample scores, or crystals or particles."""
    if isinstance(table, StructureTable):
        write_parquet(table, path)
        return
    with replaced(path) as temporary:
        pq.write_table(stored_columns(table), temporary, compression="zstd")


def stored_columns(samples: pa.Table) -> pa.Table:
    """The table with its floats as :func:`matscale.runtime.exact.stored` has them."""
    for place, field in enumerate(samples.schema):
        if pa.types.is_floating(field.type):
            values = pa.array(stored(samples[place].to_pylist()), field.type)
            samples = samples.set_column(place, field, values)
    return samples


def rounded(result: Result) -> Result:
    """The result with its numbers as files have them, see :func:`matscale.runtime.exact.stored`."""
    return Result.model_validate(stored(result.model_dump(mode="json")))


def save(result: Result, folder: Path) -> None:
    """Write a result's JSON into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with replaced(folder / f"{result.name}{SUFFIX}") as temporary:
        content = rounded(result).model_dump(mode="json")
        text = json.dumps(content, indent=1, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def load(path: Path) -> Result:
    """Read one result.

    Raises:
        UserError: If the file is missing or not a result.
    """
    try:
        return Result.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"no result at {path}; `matscale score` writes them") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder: name the {SUFFIX} file of one result in it") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not a matscale result: it is not text") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UserError(f"{path} is not a matscale result: {where}: {first['msg']}") from None


def load_all(sources: Iterable[Path]) -> tuple[list[Result], Path]:
    """The results among files and folders, and one folder that all their tables are under.

    The names of tables in the results are changed to paths below that folder.

    Raises:
        UserError: If a source holds no results or one cannot be read.
    """
    paths = [path.resolve() for path in find(sources)]
    folder = Path(os.path.commonpath([path.parent for path in paths]))
    results = []
    for path in paths:
        result = load(path)
        names = {
            field: str((path.parent / name).relative_to(folder))
            for field in ("samples", "predictions", "targets")
            if (name := getattr(result, field)) and Path(name).name == name
        }
        results.append(result.model_copy(update=names))
    return results, folder


def check_folder(folder: Path) -> None:
    """Make sure, before any work is done, that files can be written into a folder.

    Raises:
        UserError: If they cannot.
    """
    above = folder.absolute(), *folder.absolute().parents
    there = next(one for one in above if one.exists())
    if not there.is_dir():
        raise UserError(f"--out {folder}: {there} is a file; give a folder for the results")
    try:
        # Permissions alone do not tell: some file systems take no files from anybody.
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        why = error.strerror or error
        raise UserError(
            f"--out {folder}: nothing can be written there ({why}); give another folder"
        ) from error
    finally:
        for made in above[: above.index(there)]:
            if made.is_dir():
                made.rmdir()


def check_same_question(folder: Path, dataset: Dataset) -> None:
    """Refuse to mix results on different targets or training sets in one folder.

    Floors and ceiling bear the same names there, so the later ones would replace the earlier.

    Raises:
        UserError: If the folder holds results on another question, or is a file.
    """
    check_folder(folder)
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        other = load(path).dataset
        if any(
            getattr(other, field) != getattr(dataset, field)
            for field in ("sha256", "train_sha256", "hygiene")
        ):
            raise UserError(
                f"{folder} holds results on other targets or another training set "
                f"({path.name}: {other.name}): give another folder with --out"
            )


def find(sources: Iterable[Path]) -> list[Path]:
    """The result files among files and folders.

    Raises:
        UserError: If a source holds none.
    """
    found: list[Path] = []
    for source in sources:
        files = sorted(source.glob(f"*{SUFFIX}")) if source.is_dir() else [source]
        if not files:
            raise UserError(f"no results in {source}: it has no file that ends in {SUFFIX}")
        found.extend(files)
    return list(dict.fromkeys(found))


def load_samples(result: Result, folder: Path) -> pa.Table | None:
    """The per-sample scores of a result that was read from a folder, or None if it has none."""
    if result.samples is None:
        return None
    path = folder / result.samples
    if not path.exists():
        raise UserError(f"{path} is missing: it belongs to the result {result.name}")
    return pq.read_table(path)
