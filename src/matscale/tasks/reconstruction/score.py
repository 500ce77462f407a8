"""Score submissions of crystals against held-out ones: the entry that command and API share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matscale.report.scorecard import Scorecard
from matscale.tasks.reconstruction.scorer import ReconstructionScorer


def score_reconstruction(
    predictions: Any,
    *,
    train: Any = None,
    targets: Any = None,
    name: str | None = None,
    told: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None = None,
    protocol: str = "both",
    hygiene: str | None = None,
    column: str = "",
    by_order: bool = False,
    candidates: int | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    workers: int | None = None,
    command: str = "matscale.score",
    notes: Sequence[str] = (),
) -> Scorecard:
    """Score predicted crystals against held-out ones, beside floors and the ceiling.

    Args:
        predictions: Files or folders of predictions, one model each; or crystals as Python
            objects; or a predictor; see
            :func:`matscale.predictors.submissions.given.submissions_of`.
        train: Registered dataset, file of structures, or crystals as Python objects: the training
            set. Floors need it.
        targets: Registered dataset (its test split), file of structures, crystals as Python
            objects, or ``"submitted"`` for the targets that the submissions carry; by default the
            test split of ``train`` where the submissions keep to it, else the submissions' own.
        name: What to call the model, if it is one.
        told: What the models were told, such as ``"composition,tc"`` or ``["composition", "tc"]``,
            or one such declaration for each model's name.
        protocol: ``"published"``, ``"sound"`` or ``"both"``.
        hygiene: Named cleaning step for registered datasets, such as ``"atombench"``.
        column: Column of CSV and JSON tables that holds structures; "" for the names in use.
        by_order: Whether answers are in the order of the targets, whatever their ids. Answers
            without ids always are.
        candidates: How many candidates for each target predictors and floors are asked for, and
            how many of those in files are scored at most. By default predictors are asked for one,
            all in files are scored, and floors are asked for as many as there are most.
        out: Folder for the results; None writes nothing.
        seed: Seed of floors and bootstrap.
        workers: Processes; None for one per core.
        command: What to record as the command that made the results.
        notes: Sentences to show with the results.

    Returns:
        Results of ceiling, floors and models, in this order, under each protocol.

    Raises:
        UserError: If a file is missing, nothing says what the targets are, no answer has the id
            of a target, or an option is not one of its choices.
    """
    scorer = ReconstructionScorer(
        train=train,
        targets=targets,
        protocol=protocol,
        hygiene=hygiene,
        column=column,
        by_order=by_order,
        candidates=candidates,
        seed=seed,
        workers=workers,
        command=command,
        notes=notes,
    )
    return scorer.score(predictions, name=name, told=told, out=out)
