"""Whether a predictor keeps the contract, before it is trained for hours or asked thousands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from matscale.predictors.calling import fields_of, fit, listed, name_of, predicted
from matscale.predictors.predictor import Told
from matscale.predictors.registry import FIELDS
from matscale.predictors.training import Training
from matscale.runtime.errors import Refused, UserError, did_you_mean
from matscale.structures.table import StructureTable

KINDS = ("floor", "ceiling", "model")
SOME_CANDIDATES = 3


def validate_predictor(
    predictor: Any,
    task: str,
    *,
    training: Training | None = None,
    told: Told | None = None,
    check: Callable[[Any], Any] | None = None,
) -> None:
    """Make sure that a predictor can be scored on a task.

    Without samples only what it declares is looked at. With samples it learns, where it does, and
    is asked: one answer for each sample, the same answers under the same seed, and at most as many
    candidates as were wanted.

    Args:
        predictor: To be looked at.
        task: Such as ``"reconstruction"``.
        training: What it learns from.
        told: Samples to ask, with the fields that it declares at least.
        check: Of an answer; raises :class:`matscale.runtime.errors.Refused` for what cannot be
            scored. None leaves answers unread.

    Raises:
        UserError: If it breaks the contract; the sentence says how.
    """
    fields = _declaration(predictor, task)
    if told is None:
        return
    missing = [field for field in fields if field not in told.fields]
    if missing:
        raise UserError(
            f"the predictor {name_of(predictor)!r} is told {missing[0]}, which these samples do "
            "not have; give samples that have it"
        )
    fit(predictor, training, fields)
    asked = told.only(fields)
    first = _asked(predictor, asked, candidates=1)
    _check_repeats(predictor, first, _asked(predictor, asked, candidates=1))
    if check is not None:
        _check_readable(predictor, first, check)
    listed(predictor, _asked(predictor, asked, candidates=SOME_CANDIDATES), SOME_CANDIDATES)


def _declaration(predictor: Any, task: str) -> tuple[str, ...]:
    """The fields that a predictor declares, if all that it declares is right."""
    if task not in FIELDS:
        raise UserError(
            f"there is no task {task!r}{did_you_mean(task, FIELDS)} (tasks are {', '.join(FIELDS)})"
        )
    fields = fields_of(predictor, FIELDS[task])
    name, kind = getattr(predictor, "name", None), getattr(predictor, "kind", "model")
    if not isinstance(name, str) or not name.strip():
        raise UserError(
            f"the {type(predictor).__name__} has no name; give it name = 'my-model', which tables "
            "and files show"
        )
    if kind not in KINDS:
        raise UserError(f"the predictor {name!r} is of kind {kind!r}; give {', '.join(KINDS)}")
    if not callable(getattr(predictor, "fit", lambda training: None)):
        raise UserError(f"fit of the predictor {name!r} is not a method; give it fit(training)")
    return fields


def _asked(predictor: Any, told: Told, candidates: int) -> list[Any]:
    try:
        return predicted(predictor, told, candidates, seed=0)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"predict(told) of the predictor {name_of(predictor)!r} raised "
            f"{type(error).__name__}: {error}"
        ) from error


def _check_repeats(predictor: Any, first: Sequence[Any], again: Sequence[Any]) -> None:
    for row, answers in enumerate(zip(first, again, strict=True)):
        if not _same(*answers):
            raise UserError(
                f"the predictor {name_of(predictor)!r} answers sample {row} otherwise when it is "
                "asked again with the same seed; draw with numpy.random.default_rng(seed)"
            )


def _check_readable(predictor: Any, answers: Sequence[Any], check: Callable[[Any], Any]) -> None:
    reasons = []
    for answer in answers:
        if answer is None or isinstance(answer, Refused):
            continue
        try:
            check(answer)
            return
        except Refused as refusal:
            reasons.append(str(refusal))
    if reasons:
        raise UserError(
            f"no answer of the predictor {name_of(predictor)!r} can be read; the first: "
            f"{reasons[0]}"
        )


def _same(first: Any, second: Any) -> bool:
    """Whether two answers are equal, down to the numbers of their arrays."""
    if isinstance(first, Refused) and isinstance(second, Refused):
        return str(first) == str(second)
    if isinstance(first, StructureTable) and isinstance(second, StructureTable):
        return first.bits_sha256() == second.bits_sha256()
    if type(first) is not type(second):
        return False
    if isinstance(first, np.ndarray):
        return np.array_equal(first, second, equal_nan=first.dtype.kind == "f")
    if isinstance(first, Mapping):
        return list(first) == list(second) and all(_same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        pairs = zip(first, second, strict=False)
        return len(first) == len(second) and all(_same(*pair) for pair in pairs)
    return bool(np.all(first == second))
