"""The rows of a file as AtomBench keeps them, scored against the targets that the file carries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from matscale.matching.described import crystal_systems, describe
from matscale.predictors.submissions.crystals import PublishedRows
from matscale.results.samples import SCORED
from matscale.runtime.memory import Memory
from matscale.structures.reading import Reading
from matscale.tasks.reconstruction.pairs import PairScores, match_described, score_pairs
from matscale.tasks.reconstruction.question import ReconstructionQuestion
from matscale.tasks.reconstruction.samples import TargetFacts


@dataclass(frozen=True)
class ScoredRows:
    """Rows whose target and prediction were both read, n of them.

    Attributes:
        scores: Their scores.
        systems: Crystal system of each target.
    """

    scores: PairScores
    systems: Sequence[str]


def scored_rows(
    rows: PublishedRows, question: ReconstructionQuestion, memory: Memory, *, name: str
) -> ScoredRows:
    """Scores of the rows that AtomBench keeps of a file."""
    label = f"published rows of {name}"
    targets = describe(rows.targets.table, memory, label=label)
    predictions = describe(rows.predictions.table, memory, label=label)
    answered = dict(zip(rows.predictions.items.tolist(), predictions.rows, strict=True))
    kept = [
        (row, target, answered[item])
        for row, (item, target) in enumerate(
            zip(rows.targets.items.tolist(), targets.rows, strict=True)
        )
        if target >= 0 and answered.get(item, -1) >= 0
    ]
    # In the question's order, so that both protocols draw the same resamples.
    order = {identifier: place for place, identifier in enumerate(question.ids)}
    ids = rows.targets.table.ids
    kept.sort(key=lambda row: order.get(ids[row[0]], len(order)))
    table = np.array(kept, dtype=np.int64).reshape(-1, 3)
    scores = score_pairs(targets, predictions, table[:, 1:], memory, label=label)
    return ScoredRows(scores, crystal_systems(rows.targets.table[table[:, 0]], memory))


def row_statuses(rows: PublishedRows, kept: int) -> list[str]:
    """What AtomBench makes of each row; one that fails on both sides counts for the target.

    Args:
        rows: Of the file.
        kept: How many it keeps.
    """
    reasons = {refusal.item: refusal.reason for refusal in rows.predictions.refusals}
    reasons |= {refusal.item: f"target: {refusal.reason}" for refusal in rows.targets.refusals}
    uncounted = rows.predictions.submitted - len(reasons) - kept
    return [*reasons.values(), *["no reduced cell"] * uncounted, *[SCORED] * kept]


def altered_targets(
    name: str,
    carried: Reading,
    question: ReconstructionQuestion,
    facts: TargetFacts,
    memory: Memory,
) -> tuple[str, ...]:
    """A note if targets that a file carries are not the dataset's crystals of the same ids."""
    label = f"targets of {name}"
    described = describe(carried.table, memory, label=label)
    place = {identifier: row for row, identifier in enumerate(question.targets.ids)}
    rows = [
        (facts.description.rows[place[identifier]], own)
        for identifier, own in zip(carried.table.ids, described.rows, strict=True)
        if identifier in place and own >= 0
    ]
    pairs = np.array([pair for pair in rows if pair[0] >= 0], dtype=np.int64).reshape(-1, 2)
    altered = pairs[~match_described(facts.description, described, pairs).matched]
    if not len(altered):
        return ()
    example = described.table.ids[altered[0, 1]]
    theirs = question.targets.n_atoms[place[example]]
    own = carried.table.n_atoms[list(carried.table.ids).index(example)]
    return (
        f"{len(altered)} of {len(pairs)} targets that {name} carries do not match the "
        f"dataset's crystals of the same ids (such as {example}: {own} atoms in the file, "
        f"{theirs} in the dataset); the sound protocol scores against the dataset's, the "
        "published one against the file's.",
    )
