"""METRe's question: which targets does any prediction match, whichever it was made for?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.spatial.distance import cdist

from matscale.matching.described import Description
from matscale.matching.engine import Engine
from matscale.matching.kernels.strict import MATCH, TOO_LARGE
from matscale.matching.prepare import Prepared
from matscale.runtime.exact import settled
from matscale.runtime.memory import Memory
from matscale.structures.table import StructureTable
from matscale.tasks.reconstruction.pairs import SETTINGS

CHUNK = 512
"""Targets that are one piece of work."""
FIRST, GROWTH, MOST = 4, 4, 1 << 16
"""Predictions tried on a target at first; how much more each time; pairs that are tried at once."""
HELD = 1 << 22
"""Pairs whose likeness is held at once."""


def recalled(
    targets: Description,
    rows: np.ndarray,
    predictions: Description,
    tried: np.ndarray,
    memory: Memory,
    *,
    label: str,
) -> tuple[np.ndarray, np.ndarray]:
    """Which targets any prediction matches.

    Args:
        targets: The described targets.
        rows: Those in question, as rows of the canonical table, (n,).
        predictions: The described predictions.
        tried: Those that may match, as rows of their canonical table, (m,).
        memory: Where known answers are found.
        label: For the progress display.

    Returns:
        Whether some prediction matches, (n,) bool; whether none does and a pair was too large to
        decide, (n,) bool.
    """
    alike = predictions.table[tried], _shape(predictions, tried)
    chunks = []
    for start in range(0, len(rows), CHUNK):
        chosen = rows[start : start + CHUNK]
        chunks.append((*alike, targets.table[chosen], _shape(targets, chosen)))
    answers = memory.map(_recall_chunk, chunks, label=label)
    none = np.empty(0, bool)
    return (
        np.concatenate([none, *(answer["recalled"] for answer in answers)]),
        np.concatenate([none, *(answer["undecided"] for answer in answers)]),
    )


def _shape(described: Description, rows: np.ndarray) -> np.ndarray:
    """AMD in units of (V/n)^(1/3), (n, k): crystals are compared at equal density."""
    table = described.table
    edge = np.cbrt(table.volumes[rows] / table.n_atoms[rows])
    return described.amd[rows] / edge[:, None]


def _recall_chunk(
    chunk: tuple[StructureTable, np.ndarray, StructureTable, np.ndarray],
) -> dict[str, np.ndarray]:
    """Try the most alike predictions first: a target that was found is asked no more."""
    predictions, tried, targets, asked = chunk
    engine = Engine(predictions, targets, replace(SETTINGS, keep_first=True))
    found, undecided = np.zeros(len(targets), bool), np.zeros(len(targets), bool)
    for rows, columns in _in_pieces(_same_content(engine.first, engine.second)):
        gaps = settled(cdist(asked[columns], tried[rows], "chebyshev"))
        order = np.argsort(gaps, axis=1, kind="stable")
        left, start, size = np.arange(len(columns)), 0, FIRST
        while start < len(rows) and len(left):
            size = max(1, min(size, MOST // len(left)))
            pairs = rows[order[left, start : start + size]]
            status, _, _ = engine.run(pairs.ravel(), np.repeat(columns[left], pairs.shape[1]))
            status = status.reshape(pairs.shape)
            undecided[columns[left]] |= (status == TOO_LARGE).any(axis=1)
            hit = (status == MATCH).any(axis=1)
            found[columns[left[hit]]] = True
            left, start, size = left[~hit], start + size, size * GROWTH
    return {"recalled": found, "undecided": undecided & ~found}


def _in_pieces(
    groups: Iterator[tuple[np.ndarray, np.ndarray]],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The groups with fewer targets at a time where their pairs are too many to be held."""
    for rows, columns in groups:
        size = max(1, HELD // len(rows))
        for start in range(0, len(columns), size):
            yield rows, columns[start : start + size]


def _same_content(first: Prepared, second: Prepared) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows of both that have the same elements as often: no others match without supercells."""
    places: list[dict[bytes, list[int]]] = [defaultdict(list), defaultdict(list)]
    for crystals, rows in zip((first, second), places, strict=True):
        for row, size in enumerate(crystals.sizes.tolist()):
            start = crystals.offsets[row]
            if size:
                rows[np.sort(crystals.codes[start : start + size]).tobytes()].append(row)
    for content in places[0].keys() & places[1].keys():
        yield np.array(places[0][content]), np.array(places[1][content])
