"""Score generated crystals for novelty: the entry that command and API share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matscale.report.scorecard import Scorecard
from matscale.tasks.novelty.scorer import ASKED, NoveltyScorer
from matscale.tasks.novelty.settings import NO_RELAXATION, NoveltySettings


def score_novelty(
    predictions: Any,
    *,
    train: Any = None,
    held_out: Any = None,
    name: str | None = None,
    relax: str = NO_RELAXATION,
    relaxed: bool = False,
    hull: str | Path | None = None,
    top: int = 3,
    protocol: str = "both",
    out: str | Path | None = None,
    seed: int = 0,
    workers: int | None = None,
    command: str = "matscale.score",
    notes: Sequence[str] = (),
    settings: NoveltySettings | None = None,
    column: str = "",
    count: int = ASKED,
) -> Scorecard:
    """Say of each generated crystal whether training holds it, or holds it with other elements.

    Args:
        predictions: Files or folders of generated crystals, one model each; or crystals as Python
            objects; or a predictor; see
            :func:`matscale.predictors.submissions.given.submissions_of`.
        train: Registered dataset (its training split), file of structures, or crystals as Python
            objects.
        held_out: Registered dataset (its test split), file or Python objects of real crystals that
            are not in training: the reference line, and what memorisation is measured against.
        name: What to call the model, if it is one.
        relax: Potential that relaxes generated crystals and candidates, as for
            :func:`matscale.energy.potentials.potential`; ``"none"`` for none.
        relaxed: Whether the generated crystals come relaxed.
        hull: File of reference entries, or ``"mp"`` to download those of the Materials Project;
            by default the training crystals, relaxed alike.
        top: Cheapest training crystals of each kind that are tried.
        protocol: ``"published"``, ``"sound"`` or ``"both"``.
        out: Folder for the results; None writes nothing.
        seed: Seed of floors and bootstrap.
        workers: Processes or threads; None for one per core.
        command: What to record as the command that made the results.
        notes: Sentences to show with the results.
        settings: Everything that the four arguments from ``relax`` to ``top`` say, and
            tolerances; these four are then not looked at.
        column: Column of CSV and JSON tables that holds structures; "" for the names in use.
        count: Crystals that a Python predictor is asked for.

    Returns:
        Results of the reference line, floors and models, in this order, under each protocol.

    Raises:
        UserError: If a file is missing, or an option is not one of its choices.
    """
    scorer = NoveltyScorer(
        train=train,
        held_out=held_out,
        relax=relax,
        relaxed=relaxed,
        hull=hull,
        top=top,
        protocol=protocol,
        seed=seed,
        workers=workers,
        command=command,
        notes=notes,
        settings=settings,
        column=column,
        count=count,
    )
    return scorer.score(predictions, name=name, out=out)
