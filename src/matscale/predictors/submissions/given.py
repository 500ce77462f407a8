"""What a user hands in: files, structures that are Python objects, or Python predictors."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from matscale.predictors.calling import is_predictor, name_of
from matscale.predictors.submissions.crystals import Submission, file_name, read_submissions
from matscale.runtime.errors import UserError
from matscale.structures.formats import read_objects
from matscale.structures.formats.objects import is_structure
from matscale.structures.reading import Reading
from matscale.structures.table import StructureTable

UNNAMED = "model"
"""Name of a model whose answers come as objects and without a name."""


def submissions_of(
    predictions: Any,
    *,
    name: str | None = None,
    workers: int | None = None,
    column: str = "",
) -> list[Submission]:
    """The submissions that a user hands in.

    Args:
        predictions: A path or several (see
            :func:`matscale.predictors.submissions.crystals.read_submissions`); or one model's
            crystals as :func:`matscale.structures.formats.read_objects` takes them; or a predictor,
            which is still to be asked; or a mapping of model's name to any of these, for several
            models; or a list that holds predictors.
        name: What to call the model, if it is one.
        workers: Processes that read files.
        column: Column of CSV and JSON tables that holds structures; "" for the names in use.

    Raises:
        UserError: If these are not predictions, a file cannot be read, several models are given
            one name, or two have the same.
    """
    submissions = list(_submissions(predictions, workers, column))
    if name is not None:
        if len(submissions) != 1:
            names = ", ".join(submission.name for submission in submissions)
            raise UserError(
                f"name={name!r} is for one model, and there are {len(submissions)} ({names}); give "
                "a dict of name to predictions"
            )
        submissions = [replace(submissions[0], name=file_name(name))]
    check_names([submission.name for submission in submissions])
    return submissions


def check_names(names: Sequence[str], taken: Collection[str] = ()) -> None:
    """Make sure that the results of two predictors do not overwrite each other.

    Args:
        names: Of the models.
        taken: Names of floors and ceiling.

    Raises:
        UserError: If two have one name.
    """
    for name in names:
        if name in taken:
            raise UserError(f"{name!r} is the name of a floor or line: rename the submission")
        if names.count(name) > 1:
            raise UserError(f"two submissions are called {name!r}: rename one of them")


def _submissions(predictions: Any, workers: int | None, column: str) -> Iterator[Submission]:
    if is_predictor(predictions):
        nothing_yet = Reading(StructureTable.empty(), np.empty(0, np.int64))
        yield Submission(name_of(predictions), "", nothing_yet, predictor=predictions)
        return
    if isinstance(predictions, Iterator):
        predictions = list(predictions)
    if isinstance(predictions, list | tuple) and any(map(is_predictor, predictions)):
        for own in predictions:
            yield from _submissions(own, workers, column)
    elif _are_paths(predictions):
        paths = [predictions] if isinstance(predictions, str | Path) else predictions
        yield from read_submissions([Path(path) for path in paths], workers=workers, column=column)
    elif isinstance(predictions, Mapping) and _by_model(predictions):
        for name, own in predictions.items():
            yield from submissions_of(own, name=str(name), workers=workers, column=column)
    else:
        yield Submission(UNNAMED, "Python objects", read_objects(predictions, "predictions"))


def _are_paths(predictions: Any) -> bool:
    """Whether these are files; a list of files and crystals is neither.

    Raises:
        UserError: If it is such a list.
    """
    if isinstance(predictions, str | Path):
        return True
    if not isinstance(predictions, list | tuple):
        return False
    paths = [isinstance(item, str | Path) for item in predictions]
    if any(paths) and not all(paths):
        other = predictions[paths.index(False)]
        raise UserError(
            f"the predictions are paths and other things (a {type(other).__name__}) in one list; "
            "give several models as a dict of name to predictions"
        )
    return all(paths) and bool(paths)


def _by_model(predictions: Mapping[Any, Any]) -> bool:
    """Whether a mapping is of models to their predictions, not of ids to crystals.

    Raises:
        UserError: If it is of both.
    """
    whole = (str, Path, Mapping, list, tuple, StructureTable, Reading)
    models = [
        key for key, value in predictions.items() if isinstance(value, whole) or is_predictor(value)
    ]
    crystals = [key for key, value in predictions.items() if is_structure(value)]
    if models and crystals:
        raise UserError(
            f"the predictions are a dict that holds a crystal at {crystals[0]!r} and a "
            f"{type(predictions[models[0]]).__name__} at {models[0]!r}; give either id to crystal "
            "or model's name to predictions"
        )
    return bool(models) and len(models) == len(predictions)
