"""What the subcommands of ``matscale score`` share."""

from __future__ import annotations

import json
import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matscale.report.scorecard import Scorecard


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


def show_card(card: Scorecard, out: Path, as_json: bool) -> None:
    """Print scores, or all results as JSON."""
    if as_json:
        print(json.dumps([result.model_dump(mode="json") for result in card.results], indent=1))
        return
    from matscale.report.console import print_scores

    print_scores(card.results)
    print(f"\nResults are in {out}; `matscale report {shlex.quote(str(out))}` makes the page.")
