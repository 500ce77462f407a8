"""What the subcommands of ``matscale score`` share."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matscale.report.scorecard import Scorecard
    from matscale.results.result import Result


WIDTH = 80
"""Columns of a terminal that commands are broken for."""


class ProtocolChoice(StrEnum):
    """Choices of ``--protocol``."""

    both = "both"
    sound = "sound"
    published = "published"


def incomplete(card: Scorecard) -> bool:
    """Whether any prediction of a model was refused or missing."""
    return any(
        result.counts.read < result.counts.submitted
        for result in card.results
        if result.predictor.kind == "model"
    )


def show_card(card: Scorecard, out: Path, everything: bool, as_json: bool) -> None:
    """Print scores, what to do next and the headline once more, or all results as JSON."""
    if as_json:
        print(json.dumps([result.model_dump(mode="json") for result in card.results], indent=1))
        return
    from matscale.report.console import leading_results, print_last, print_scores

    print_scores(card.results, everything=everything)
    print(f"\nResults are in {out}. Next:")
    print(f"  matscale report {shlex.quote(str(out))}")
    pair = _pair(leading_results(card.results)) if card.results else []
    if pair:
        first, second = (shlex.quote(str(out / name)) for name in pair)
        line = f"  matscale compare {first} {second}"
        print(line if len(line) <= WIDTH else f"  matscale compare {first} \\\n      {second}")
    print_last(card.results)


def _pair(results: Sequence[Result]) -> list[str]:
    """The files of two results that are worth comparing: two models, else one and its line.

    The line is the floor that it is held against or, where more is not better, the held-out one.
    """
    from matscale.report.headline import division
    from matscale.results.store import SUFFIX

    models = [one for one in results if one.predictor.kind == "model"]
    if not models:
        return []
    metric = models[0].metrics.get(models[0].headline)
    floor = metric.floor_name if metric else None
    lines = [
        one
        for one in results
        if (one.predictor.kind == "ceiling" if division(models[0]) else one.predictor.name == floor)
    ]
    others = [*models[1:], *lines]
    return [f"{one.name}{SUFFIX}" for one in (models[0], *others[:1])] if others else []
