"""How far one gets without looking at the figure: rules that see the four captions only.

Each rule gives the chance with which it picks each option, (4,), so that ties are shared out and
a rule's expected accuracy needs no random numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher

import numpy as np

Rule = Callable[[Sequence[str]], np.ndarray]

_TOKEN = re.compile(r"\d+(?:\.\d+)?|\w+|[^\w\s]")


def tokens(caption: str) -> list[str]:
    """Words, numbers and signs of a caption, in lower case."""
    return _TOKEN.findall(caption.lower())


def similarity(first: str, second: str) -> float:
    """Share of tokens in common, in order (Ratcliff and Obershelp 1988); 1 for equal captions.

    ``difflib`` depends on which side comes first, so both are tried.
    """
    one, other = tokens(first), tokens(second)
    ratios = [
        SequenceMatcher(None, left, right, autojunk=False).ratio()
        for left, right in ((one, other), (other, one))
    ]
    return sum(ratios) / 2


def chance(captions: Sequence[str]) -> np.ndarray:
    """Every option alike."""
    return np.full(len(captions), 1 / len(captions))


def medoid(captions: Sequence[str]) -> np.ndarray:
    """The option most similar to the others.

    Distractors made by editing the true caption differ from each other in two edits and from it
    in one, so that it stands in their middle.
    """
    totals = np.zeros(len(captions))
    for row, first in enumerate(captions):
        for column in range(row):
            near = similarity(first, captions[column])
            totals[[row, column]] += near
    return _shared(totals)


def longest(captions: Sequence[str]) -> np.ndarray:
    """The option with most characters."""
    return _shared(np.array([len(caption) for caption in captions], float))


def shortest(captions: Sequence[str]) -> np.ndarray:
    """The option with fewest characters."""
    return _shared(-np.array([len(caption) for caption in captions], float))


def _shared(scores: np.ndarray) -> np.ndarray:
    """All weight on the highest score, shared out among ties."""
    best = np.isclose(scores, scores.max(), rtol=0, atol=1e-9)
    return best / best.sum()


FLOORS: dict[str, Rule] = {"chance": chance, "medoid": medoid, "longest": longest}
"""The rules that models are measured against."""
