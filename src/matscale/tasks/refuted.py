"""Whether answers refute what a model is declared to have been told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from matscale.metrics.statistics import lowest_rate

MOST_GUESSED = 0.5
"""Share of right answers that nobody reaches by guessing, where the commonest is no more often."""


def refutation(
    told: Sequence[str],
    right: np.ndarray,
    guessed: float,
    *,
    answers: str,
    beside: str,
    leak: str,
) -> str | None:
    """What the answers say against a declaration, one sentence; None where nothing does.

    Args:
        told: What the model is declared to have been told.
        right: Which answers are right, (n,) bool, in something that these fields do not tell.
        guessed: Share that may be right without more: by guessing, as floors get it.
        answers: What is right, such as ``"answers"``.
        beside: What others get, such as ``", where chance gets 3 %"``, or "".
        leak: How else the answer may have been known, such as ``"the ids leak"``.
    """
    if not len(right) or lowest_rate(int(right.sum()), len(right)) <= guessed:
        return None
    return (
        f"Declared to be told {', '.join(told) or 'nothing'}, yet {100 * right.mean():.0f} % of "
        f"its {answers} are right{beside}: it was told more, or {leak}."
    )
