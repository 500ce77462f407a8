"""One predictor's answers to the question, id by id: the ground of the sound protocol."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from matscale.matching.described import (
    Description,
    crystal_systems,
    describe,
    prototypes,
)
from matscale.metrics import lattice
from matscale.results.samples import MISSING, SCORED
from matscale.runtime.memory import Memory
from matscale.structures.reading import Reading
from matscale.structures.table import StructureTable
from matscale.tasks.reconstruction.candidates import CandidateScores, ranks_of, score_candidates
from matscale.tasks.reconstruction.pairs import (
    PairScores,
    reduced_composition,
    score_pairs,
)
from matscale.tasks.reconstruction.question import ReconstructionQuestion
from matscale.tasks.reconstruction.recall import recalled


@dataclass(frozen=True)
class TargetFacts:
    """What the samples are grouped by; one value per id, (N,) each.

    Attributes:
        description: The readable targets in canonical cells.
        crystal_system: Such as "cubic".
        n_atoms: Atoms in the primitive cell; -1 for an unreadable target.
        n_elements: Number of elements; -1 for an unreadable target.
        seen_composition: 1 if the reduced composition is in training, 0 if not, -1 for an
            unreadable target; None without training.
        seen_prototype: Likewise for the prototype.
        copied: 1 if the training set has an exact copy under another id, else 0; None where there
            is no training set, or no copy in it.
    """

    description: Description
    crystal_system: np.ndarray
    n_atoms: np.ndarray
    n_elements: np.ndarray
    seen_composition: np.ndarray | None
    seen_prototype: np.ndarray | None
    copied: np.ndarray | None


@dataclass(frozen=True)
class TargetScores:
    """Answers and scores, (N,) each, in the order of the question's ids.

    Attributes:
        ids: The ids.
        status: "scored", or why there is no score.
        scores: Scores of the scored samples; NaN (False for bool) elsewhere.
        recalled: 1 where the first candidate for any target matches the target, else 0.
        duplicates: Predictions whose id came before, and more candidates than are scored.
        not_asked: Predictions of ids that were not asked for; not scored.
        nameless: Items that cannot be read and bear no id that was asked for.
        unreadable: Candidates that cannot be read, beside others for the same target.
        recall_undecided: Targets that no prediction matches and with one of which the pair was
            too large to decide.
        candidates: What further candidates add; None where only the first are scored.
    """

    ids: np.ndarray
    status: np.ndarray
    scores: PairScores
    recalled: np.ndarray
    duplicates: int
    not_asked: int
    nameless: int
    unreadable: int
    recall_undecided: int
    candidates: CandidateScores | None = None

    @property
    def scored(self) -> np.ndarray:
        """Which samples have a score, (N,) bool."""
        return self.status == SCORED


def target_facts(
    question: ReconstructionQuestion,
    memory: Memory,
) -> TargetFacts:
    """Describe the targets and where they stand with respect to the training set."""
    description = describe(question.targets, memory, label="describing targets")
    systems = np.array(crystal_systems(question.targets, memory), dtype=object)
    table = question.targets
    sizes = np.full(len(table), -1)
    sizes[description.usable] = description.table.n_atoms
    elements = np.array([len(np.unique(table.row_numbers(row))) for row in range(len(table))])
    seen_composition = seen_prototype = None
    if question.train is not None:
        known = {reduced_composition(question.train, row) for row in range(len(question.train))}
        composition = [reduced_composition(table, row) in known for row in range(len(table))]
        seen_composition = _by_id(question.rows, np.array(composition, dtype=np.int8), -1)
        known_prototypes = set(prototypes(question.train, memory))
        labels = prototypes(table, memory)
        seen = np.array([label in known_prototypes for label in labels], dtype=np.int8)
        seen_prototype = _by_id(question.rows, seen, -1)
    return TargetFacts(
        description=description,
        crystal_system=_by_id(question.rows, systems, "unknown"),
        n_atoms=_by_id(question.rows, sizes, -1),
        n_elements=_by_id(question.rows, elements, -1),
        seen_composition=seen_composition,
        seen_prototype=seen_prototype,
        copied=np.array([name in question.copied for name in question.ids], dtype=np.int8)
        if question.copied
        else None,
    )


def _by_id(rows: np.ndarray, values: np.ndarray, blank: object) -> np.ndarray:
    """Spread values of readable targets over all ids; ``blank`` where there is no target."""
    spread = np.full((len(rows), *values.shape[1:]), blank, dtype=values.dtype)
    spread[rows >= 0] = values[rows[rows >= 0]]
    return spread


def score_samples(
    question: ReconstructionQuestion,
    facts: TargetFacts,
    predictions: Reading,
    memory: Memory,
    *,
    name: str,
    cuts: tuple[int, ...] = (),
) -> TargetScores:
    """Score a reading of predictions, whatever its order, against the question.

    Args:
        question: What was asked.
        facts: What is known of its targets.
        predictions: Candidates for one target in the order of their ranks.
        memory: Where known answers are found.
        name: Of the predictor, for the progress display.
        cuts: Numbers of candidates above one at which they are scored too.
    """
    scores = _score_first(question, facts, predictions, memory, name, max(cuts, default=1))
    if not cuts:
        return scores
    candidates = score_candidates(
        facts.description,
        _target_rows(question, facts.description),
        question.ids,
        predictions.table,
        (scores.scores, scores.recalled),
        cuts,
        memory,
        name=name,
    )
    return replace(scores, candidates=candidates)


def _score_first(
    question: ReconstructionQuestion,
    facts: TargetFacts,
    predictions: Reading,
    memory: Memory,
    name: str,
    most: int,
) -> TargetScores:
    """Score the first candidate for each target; more than ``most`` are too many."""
    ranks = ranks_of(predictions.table.ids)
    firsts = predictions.table[np.flatnonzero(ranks == 0)]
    described = describe(firsts, memory, label=f"describing {name}")
    first = {identifier: row for row, identifier in enumerate(firsts.ids)}
    refused = {refusal.id: refusal.reason for refusal in predictions.refusals}
    status = [
        _status(identifier, target, first, refused, facts.description, described)
        for identifier, target in zip(question.ids, question.rows.tolist(), strict=True)
    ]
    scored = np.array([reason == SCORED for reason in status], dtype=bool)
    pairs = np.array(
        [
            (facts.description.rows[target], described.rows[first[identifier]])
            for identifier, target, use in zip(question.ids, question.rows, scored, strict=True)
            if use
        ],
        dtype=np.int64,
    ).reshape(-1, 2)
    scores = score_pairs(facts.description, described, pairs, memory, label=f"matching {name}")
    spread = replace(_spread(scores, scored), **_all_targets(question, facts.description))
    asked = set(question.ids)
    rows = _target_rows(question, facts.description)
    places = np.flatnonzero(~spread.matched & (rows >= 0))
    others, undecided = recalled(
        facts.description,
        rows[places],
        described,
        np.arange(len(described.table)),
        memory,
        label=f"recall of {name}",
    )
    recall = spread.matched.astype(float)
    recall[places] = others
    return TargetScores(
        ids=np.array(question.ids, dtype=object),
        status=np.array(status, dtype=object),
        scores=spread,
        recalled=recall,
        duplicates=int((ranks >= most).sum()),
        not_asked=sum(identifier not in asked for identifier in first),
        nameless=sum(identifier not in asked for identifier in refused),
        unreadable=sum(refusal.id in asked for refusal in predictions.refusals)
        - sum(identifier in asked and identifier not in first for identifier in refused),
        recall_undecided=int(undecided.sum()),
    )


def _target_rows(question: ReconstructionQuestion, targets: Description) -> np.ndarray:
    """Row of each id's canonical target, (N,); -1 without one."""
    return np.where(question.rows >= 0, targets.rows[question.rows], -1)


def _status(
    identifier: str,
    target: int,
    first: dict[str, int],
    refused: dict[str, str],
    targets: Description,
    predictions: Description,
) -> str:
    if target < 0:
        return "target cannot be read"
    if targets.rows[target] < 0:
        return f"target: {targets.reasons[target]}"
    if identifier not in first:
        return refused.get(identifier, MISSING)
    row = first[identifier]
    return SCORED if predictions.rows[row] >= 0 else str(predictions.reasons[row])


def _all_targets(question: ReconstructionQuestion, targets: Description) -> dict[str, np.ndarray]:
    """Lattice parameters and volumes of all readable targets, answered or not."""
    rows = _target_rows(question, targets)
    return {
        "target": _by_id(rows, targets.parameters, np.nan),
        "target_volume": _by_id(rows, targets.table.volumes, np.nan),
    }


def _spread(scores: PairScores, scored: np.ndarray) -> PairScores:
    """Scores of the scored samples laid out over all ids."""

    def over_all(values: np.ndarray) -> np.ndarray:
        shape = (len(scored), *values.shape[1:])
        blank = np.zeros(shape, bool) if values.dtype == bool else np.full(shape, np.nan)
        blank[scored] = values
        return blank

    return PairScores(**{name: over_all(values) for name, values in vars(scores).items()})


def samples_table(samples: TargetScores, facts: TargetFacts) -> pa.Table:
    """Per-sample scores as they are written beside the result."""
    scores = samples.scores
    columns: dict[str, np.ndarray | list | None] = {
        "id": samples.ids.tolist(),
        "status": samples.status.tolist(),
        "matched": scores.matched,
        "matched_closely": scores.matched_closely,
        "rms": scores.rms,
        "rms_angstrom": scores.rms_angstrom,
        "composition_right": scores.composition_right,
        "crystal_system": facts.crystal_system.tolist(),
        "n_atoms": facts.n_atoms,
        "n_elements": facts.n_elements,
        "seen_composition": _yes_or_no(facts.seen_composition),
        "seen_prototype": _yes_or_no(facts.seen_prototype),
        "copied_in_training": _yes_or_no(facts.copied),
        "recalled": samples.recalled,
        "length_error": lattice.length_error(scores.target, scores.predicted),
        "angle_error": lattice.angle_error(scores.target, scores.predicted),
        "volume_error": scores.volume_error,
        "amd_distance": scores.amd_distance,
        "pdd_distance": scores.pdd_distance,
    }
    if samples.candidates is not None:
        columns |= _candidate_columns(samples.candidates)
    for place, parameter in enumerate(lattice.PARAMETERS):
        columns[f"target_{parameter}"] = scores.target[:, place]
        columns[f"predicted_{parameter}"] = scores.predicted[:, place]
    blank = pa.nulls(len(samples.ids))
    return pa.table(
        {
            name: blank if values is None else pa.array(values, from_pandas=True)
            for name, values in columns.items()
        }
    )


def _candidate_columns(scores: CandidateScores) -> dict[str, np.ndarray | list | None]:
    """The best of all candidates that count, and whether one of the first k matches."""
    ranks = [rank or None for rank in scores.first_match.tolist()]
    columns: dict[str, np.ndarray | list | None] = {
        "candidates": scores.count,
        "first_match": ranks,
        "best_rms": scores.rms[:, -1],
        "best_rms_angstrom": scores.rms_angstrom[:, -1],
    }
    for column, k in enumerate(scores.cuts):
        columns[f"matched_at_{k}"] = scores.matched[:, column]
        columns[f"matched_closely_at_{k}"] = scores.matched_closely[:, column]
    return columns


def _yes_or_no(values: np.ndarray | None) -> list[bool | None] | None:
    if values is None:
        return None
    return [None if value < 0 else bool(value) for value in values]


def usable_predictions(question: ReconstructionQuestion, predictions: Reading) -> StructureTable:
    """The predictions of the asked ids, the first of each, as they were read."""
    asked = set(question.ids)
    rows: dict[str, int] = {}
    for row, identifier in enumerate(predictions.table.ids):
        if identifier in asked:
            rows.setdefault(identifier, row)
    return predictions.table[list(rows.values())]
