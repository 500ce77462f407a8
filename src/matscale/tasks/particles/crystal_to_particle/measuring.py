"""Particles against the true ones, sample by sample."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from matscale.metrics.particles import PAIRED, PUBLISHED, SOUND, Scores, paired, published, sound
from matscale.results.measure import Measure, measures_of
from matscale.results.result import Protocol
from matscale.results.samples import SCORED
from matscale.runtime.errors import Refused
from matscale.runtime.exact import settled
from matscale.runtime.execution import track
from matscale.runtime.memory import Memory
from matscale.structures.table import StructureTable
from matscale.tasks.entrant import Entrant
from matscale.tasks.harness import Scored
from matscale.tasks.particles.asking import asking_order, plain
from matscale.tasks.particles.crystal_to_particle.consistency import COLUMN, Answers
from matscale.tasks.particles.crystal_to_particle.specs import COVERAGE, REBUILT, REBUILT_A, SPECS
from matscale.tasks.particles.question import ParticleQuestion
from matscale.tasks.particles.rules import ParticleScores, blank, note_failure
from matscale.tasks.particles.submitted import median_radius

FURTHEST_A = 1e6
"""A coordinate beyond it, in Å, is a slip; squares of much larger ones are not finite."""

BATCH = 64
LOOKED_AT = 400
"""Samples among which those to look at are chosen: their predictions are kept meanwhile."""

NM_SIZE = (0.09, 0.11)
"""Ratio of sizes, prediction to truth, of a particle in nm."""

PUBLISHED_AND_PAIRED = (*PUBLISHED, *PAIRED)


def check(answer: Any) -> tuple[np.ndarray, np.ndarray]:
    """Atomic numbers (n,) and positions (n, 3) of an answer.

    Raises:
        Refused: If it is not such a pair, has elements that there are not, or atoms out of reach.
    """
    try:
        numbers, positions = answer
        numbers, positions = plain(numbers).reshape(-1), plain(positions).reshape(-1, 3)
    except (TypeError, ValueError, OverflowError) as error:
        raise Refused("unreadable", f"not atomic numbers and positions: {error}"[:200]) from error
    if len(numbers) != len(positions):
        raise Refused("unreadable", f"{len(numbers)} atomic numbers, {len(positions)} positions")
    if not len(numbers):
        raise Refused("no atoms", "the prediction has none")
    if not (np.isfinite(numbers).all() and (numbers == np.floor(numbers)).all()):
        raise Refused("unknown element", "atomic numbers that are not whole")
    if numbers.min() < 1 or numbers.max() > 118:
        raise Refused("unknown element", f"atomic number {numbers.min():g} or {numbers.max():g}")
    if not (np.abs(positions) <= FURTHEST_A).all():
        raise Refused("not finite", f"a coordinate is not a number within {FURTHEST_A:g} Å")
    return numbers.astype(np.uint8), positions


def unit_slip(answer: Any, truth: np.ndarray) -> str:
    """``"nm"`` for an answer ten times smaller than the true positions (m, 3); else ""."""
    try:
        _, positions = check(answer)
    except Refused:
        return ""
    size = median_radius(truth)
    ratio = median_radius(positions) / size if size > 0 else 1.0
    return "nm" if NM_SIZE[0] < ratio < NM_SIZE[1] else ""


Item = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float, str]


def score_one(item: Item) -> dict[str, np.ndarray]:
    """All metrics of one particle: values by name, and metrics that failed with their reasons."""
    numbers, positions, true_numbers, true_positions, radius, protocols = item
    parts: list[tuple[str, Scores]] = []
    if "sound" in protocols:
        scores = sound(numbers, positions, true_numbers, true_positions, radius)
        parts.append(("sound", scores))
    parts.append(("published", published(positions, true_positions, radius)))
    parts.append(("published", paired(positions, true_positions)))
    names = [name for _, scores in parts for name in scores.values]
    values = [value for _, scores in parts for value in scores.values.values()]
    problems = [
        f"{where} {name} {reason}"
        for where, scores in parts
        for name, reason in scores.reasons.items()
    ]
    return {
        "names": np.array(names),
        "values": np.array(values, float),
        "problems": np.array(problems, dtype=str),
    }


@dataclass
class _Table:
    """What grows while samples are scored."""

    values: dict[str, np.ndarray]
    problems: Counter[tuple[Protocol, str, str]]
    kept: dict[int, tuple[np.ndarray, np.ndarray]]


def score_entrant(
    entrant: Entrant, question: ParticleQuestion, memory: Memory, protocols: Sequence[Protocol]
) -> Scored[ParticleScores]:
    """Ask all samples in batches, score them, and keep a few to look at.

    Args:
        entrant: Who answers.
        question: What is asked.
        memory: Keeps scores between interrupted runs.
        protocols: That the run scores under; ``sound`` is left out where the entrant has no part.
    """
    taken = [protocol for protocol in protocols if protocol in entrant.kinds]
    status, reason, detail = blank(len(question))
    names = (*PUBLISHED_AND_PAIRED, *(SOUND if "sound" in taken else ()))
    table = _Table({name: np.full(len(question), np.nan) for name in names}, Counter(), {})
    order = asking_order(question)
    looked_at = set(order[:LOOKED_AT].tolist())
    turned = Answers(question)
    starts = range(0, len(order), BATCH)
    for start in track(starts, total=len(starts), label=f"scoring {entrant.predictor.name}"):
        rows = order[start : start + BATCH].tolist()
        began = time.perf_counter()
        answers = entrant.answer(rows)
        entrant.seconds += time.perf_counter() - began
        good = [
            (row, answer.value)
            for row, answer in zip(rows, answers, strict=True)
            if not answer.reason
        ]
        for row, answer in zip(rows, answers, strict=True):
            note_failure(row, answer.reason, answer.detail, status, reason, detail)
        items = [
            (*value, *question.particle(row), question.key(row)[1], ",".join(taken))
            for row, value in good
        ]
        for (row, value), own in zip(good, memory.map(score_one, items), strict=True):
            status[row] = SCORED
            reason[row] = _write(table, row, own)
            turned.add(row, value[1])
            if row in looked_at:
                table.kept[row] = value[0], value[1].astype(np.float32)
    values = dict(table.values)
    if "sound" in taken:
        chamfer = values["chamfer"]
        values[REBUILT] = np.where(np.isfinite(chamfer), chamfer <= REBUILT_A, False).astype(float)
    values[COVERAGE] = (status == SCORED).astype(float)
    cases = _cases(question, table.kept, values["chamfer" if "sound" in taken else "rmsd"])
    scores = ParticleScores(
        status,
        reason,
        detail,
        values,
        columns={COLUMN: turned.column()},
        problems=dict(table.problems),
        cases=cases,
    )
    return Scored(entrant, scores)


def _write(table: _Table, row: int, scores: dict[str, np.ndarray]) -> str:
    """Put a sample's values in the table; what could not be measured, in words."""
    for name, value in zip(scores["names"].tolist(), scores["values"].tolist(), strict=True):
        table.values[name][row] = value
    reasons = []
    for problem in scores["problems"].tolist():
        where, name, reason = problem.split(" ")
        table.problems[where, name, reason] += 1
        # A perfect copy has no ratio of errors and a cluster of equals no correlation: no fault.
        if reason not in ("no_error", "no_spread"):
            reasons.append(reason)
    return ", ".join(dict.fromkeys(reasons))


def _cases(
    question: ParticleQuestion, kept: dict[int, tuple[np.ndarray, np.ndarray]], metric: np.ndarray
) -> tuple[StructureTable, StructureTable] | None:
    """Predictions and targets of the worst, the median and the best of the kept samples."""
    rows = np.array(sorted(row for row in kept if np.isfinite(metric[row])), dtype=np.int64)
    if not len(rows):
        return None
    ranked = rows[np.argsort(settled(metric[rows]), kind="stable")[::-1]]
    chosen = [*ranked[:2].tolist(), int(ranked[len(ranked) // 2]), int(ranked[-1])]
    chosen = list(dict.fromkeys(chosen))
    ids = question.ids[chosen].tolist()
    truths = [question.particle(row) for row in chosen]
    columns = {"radius": question.samples.radius[chosen]}
    return (
        StructureTable.from_parts(
            ids, [kept[r][0] for r in chosen], [kept[r][1] for r in chosen], None, columns
        ),
        StructureTable.from_parts(
            ids, [numbers for numbers, _ in truths], [places for _, places in truths], None, columns
        ),
    )


def measures(protocol: Protocol, scored: ParticleScores, rows: np.ndarray) -> dict[str, Measure]:
    """The metrics of a protocol over the samples of a mask (n,)."""
    names = {
        "sound": (REBUILT, *SOUND, COVERAGE),
        "published": (*PUBLISHED_AND_PAIRED, COVERAGE),
    }
    values = {name: scored.values[name][rows] for name in names[protocol]}
    return measures_of(SPECS[protocol], values)
