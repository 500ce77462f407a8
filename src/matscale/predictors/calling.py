"""Calling predictors, whatever their signature and whatever they return."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

from matscale.predictors.predictor import Seed, Told
from matscale.predictors.training import Training
from matscale.runtime.errors import Refused, UserError
from matscale.structures.formats.objects import is_structure
from matscale.structures.reading import Reading
from matscale.structures.table import StructureTable

_UNSAFE = re.compile(r"[^\w.+-]+")


def is_predictor(value: Any) -> bool:
    """Whether a value has a ``predict``, or is a class of such."""
    return callable(getattr(value, "predict", None))


def name_of(predictor: Any) -> str:
    """A predictor's name as results and their files bear it; its class's where it has none."""
    return _UNSAFE.sub("_", str(getattr(predictor, "name", type(predictor).__name__))) or "model"


def fields_of(
    predictor: Any, known: Mapping[str, str], usual: Sequence[str] = ()
) -> tuple[str, ...]:
    """The fields that a predictor declares.

    Args:
        predictor: With ``told``, or without.
        known: What can be told.
        usual: What is told where none is declared.

    Raises:
        UserError: If it is a class, cannot be asked, or asks to be told what there is not.
    """
    if isinstance(predictor, type):
        given = predictor.__name__
        raise UserError(f"{given} is a class, and a predictor is asked for: give {given}()")
    name = name_of(predictor)
    if not is_predictor(predictor):
        raise UserError(f"the predictor {name!r} has no method predict(told); give it one")
    told = getattr(predictor, "told", usual)
    if not isinstance(told, str | Sequence):
        raise UserError(
            f"the predictor {name!r} declares told = {told!r}; give a tuple of names of fields"
        )
    fields = (told,) if isinstance(told, str) else tuple(told)
    unknown = [field for field in fields if field not in known]
    if unknown:
        raise UserError(
            f"the predictor {name!r} asks to be told {unknown[0]!r}; what can be told is "
            f"{', '.join(known) or 'nothing'}"
        )
    return fields


def needs_training(predictor: Any) -> bool:
    """Whether a predictor learns."""
    return callable(getattr(predictor, "fit", None))


def fit(predictor: Any, training: Training | None, fields: Sequence[str]) -> None:
    """Let a predictor learn, if it does.

    Args:
        predictor: With ``fit``, or without.
        training: What it learns from.
        fields: What the examples tell.

    Raises:
        UserError: If there is no training set, or it fails.
    """
    if not needs_training(predictor):
        return
    name = name_of(predictor)
    if training is None:
        raise UserError(
            f"the predictor {name!r} learns, and there is no training set: name one with train="
        )
    try:
        predictor.fit(training.only(fields))
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"fit(training) of the predictor {name!r} raised {type(error).__name__}: {error}"
        ) from error


def predicted(predictor: Any, told: Told, candidates: int = 1, seed: Seed = 0) -> list[Any]:
    """The answers of a predictor, one for each sample.

    ``candidates`` and ``seed`` are handed over where its ``predict`` takes them.

    Raises:
        UserError: If it does not return one answer for each sample.
        Exception: Whatever the predictor raises.
    """
    wanted = {"candidates": candidates, "seed": seed}
    taken = _taken(predictor.predict, wanted)
    answers = _one_by_one(predictor, predictor.predict(told, **taken))
    if len(answers) != len(told):
        raise UserError(
            f"the predictor {name_of(predictor)!r} returned {len(answers)} answers to "
            f"{len(told)} samples; return one each, None where there is none"
        )
    return answers


def listed(predictor: Any, answers: Sequence[Any], candidates: int) -> list[Sequence[Any]]:
    """The candidates for each sample, best first, of answers of which several were wanted each.

    A predictor that knows of no candidates has one answer to each sample.

    Raises:
        UserError: If there are more than were wanted.
    """
    lists = [_candidates(answer) for answer in answers]
    for row, own in enumerate(lists):
        if len(own) > candidates:
            raise UserError(
                f"the predictor {name_of(predictor)!r} gives {len(own)} candidates for sample "
                f"{row} where {candidates} are wanted; give at most as many as are wanted"
            )
    return lists


def _candidates(answer: Any) -> Sequence[Any]:
    if isinstance(answer, StructureTable):
        return [answer[row] for row in range(len(answer))]
    return answer if isinstance(answer, list | tuple) else [answer]


def _taken(predict: Any, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the arguments that a function takes by name."""
    try:
        parameters = inspect.signature(predict).parameters.values()
    except (TypeError, ValueError):  # such as of a function written in C
        return {}
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return dict(wanted)
    names = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    return {name: value for name, value in wanted.items() if name in names}


def _one_by_one(predictor: Any, returned: Any) -> list[Any]:
    """What was returned as a list of answers.

    Raises:
        UserError: If it is no sequence of answers.
    """
    if isinstance(returned, Reading):
        answers: list[Any] = [None] * returned.submitted
        for row, item in enumerate(returned.items.tolist()):
            answers[item] = returned.table[row]
        for refusal in returned.refusals:
            answers[refusal.item] = Refused(refusal.reason, refusal.detail)
        return answers
    if isinstance(returned, StructureTable):
        return [returned[row] for row in range(len(returned))]
    whole = isinstance(returned, str | bytes | Mapping) or is_structure(returned)
    if whole or not hasattr(returned, "__iter__"):
        raise UserError(
            f"the predictor {name_of(predictor)!r} returned a {type(returned).__name__}; return a "
            "list with one answer for each sample, None where there is none"
        )
    return list(returned)
