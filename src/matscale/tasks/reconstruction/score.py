"""Score submissions of crystals against held-out ones: the entry that command and API share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import matscale
from matscale.errors import UserError
from matscale.execution import PARTIAL, Memory
from matscale.predictors.from_file import read_submissions
from matscale.predictors.predictor import parse_told
from matscale.report.scorecard import Scorecard
from matscale.results import result as schema
from matscale.results.store import check_same_question
from matscale.tasks.reconstruction.by_order import aligned
from matscale.tasks.reconstruction.question import ask
from matscale.tasks.reconstruction.run import Run, submitted

"""Folder inside the results folder that holds the work of an interrupted run."""


def score_reconstruction(
    predictions: str | Path | Sequence[str | Path],
    *,
    train: str | Path | None = None,
    targets: str | Path | None = None,
    told: str | Mapping[str, str] | None = None,
    protocol: str = "both",
    hygiene: str | None = None,
    column: str = "",
    by_order: bool = False,
    out: str | Path | None = None,
    seed: int = 0,
    workers: int | None = None,
    command: str = "matscale.score",
    notes: Sequence[str] = (),
) -> Scorecard:
    """Score predicted crystals against held-out ones, beside floors and the ceiling.

    Args:
        predictions: Files or folders of predictions, one model each; see
            :func:`matscale.predictors.from_file.read_submissions`.
        train: Registered dataset or file of structures: the training set. Floors need it.
        targets: Registered dataset (its test split), file of structures, or ``"submitted"`` for the
            targets that the submissions carry; by default the test split of ``train`` where the
            submissions keep to it, else the submissions' own.
        told: What the models were told, such as ``"composition,tc"``, or one such text for each
            model's name.
        protocol: ``"published"``, ``"sound"`` or ``"both"``.
        hygiene: Named cleaning step for registered datasets, such as ``"atombench"``.
        column: Column of CSV and JSON tables that holds structures; "" for the names in use.
        by_order: Whether answers are in the order of the targets, whatever their ids. Answers
            without ids always are.
        out: Folder for the results; None writes nothing.
        seed: Seed of floors and bootstrap.
        workers: Processes; None for one a core.
        command: What to record as the command that made the results.
        notes: Sentences to show with the results.

    Returns:
        Results of ceiling, floors and models, in this order, under each protocol.

    Raises:
        UserError: If a file is missing, nothing says what the targets are, no answer has the id
            of a target, or an option is not one of its choices.
    """
    protocols = _protocols(protocol)
    paths = [predictions] if isinstance(predictions, str | Path) else list(predictions)
    submissions = read_submissions([Path(path) for path in paths], workers=workers, column=column)
    declared = _declared(told, [submission.name for submission in submissions])
    question = ask(
        submissions,
        train=str(train) if train is not None else None,
        targets=str(targets) if targets is not None else None,
        hygiene=hygiene,
        column=column,
    )
    question = replace(question, notes=(*notes, *question.notes))
    folder = Path(out) if out is not None else None
    if folder:
        check_same_question(folder, question.dataset)
    submissions = aligned(submissions, question.ids, by_order=by_order)
    memory = Memory(folder / PARTIAL if folder else None, matscale.__version__, workers)
    run = Run(question, memory, seed, command)
    answers = [*run.baselines(), *(submitted(item, declared[item.name]) for item in submissions)]
    card = run.score(answers, protocols, folder)
    memory.forget()
    return card


def _protocols(name: str) -> tuple[schema.Protocol, ...]:
    choices: dict[str, tuple[schema.Protocol, ...]] = {
        "both": ("sound", "published"),
        "sound": ("sound",),
        "published": ("published",),
    }
    if name not in choices:
        raise UserError(f"protocol {name!r} is not one of {', '.join(choices)}")
    return choices[name]


def _declared(
    told: str | Mapping[str, str] | None, names: Sequence[str]
) -> dict[str, tuple[str, ...] | None]:
    """What each model was told; None where nothing was declared."""
    if told is None:
        return dict.fromkeys(names)
    if isinstance(told, str):
        return dict.fromkeys(names, parse_told(told))
    unknown = sorted(set(told) - set(names))
    if unknown:
        raise UserError(
            f"--told: there is no model {unknown[0]!r} among the submissions ({', '.join(names)})"
        )
    return {name: parse_told(told[name]) if name in told else None for name in names}
