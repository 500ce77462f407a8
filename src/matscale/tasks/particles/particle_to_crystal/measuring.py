"""Cells and space groups against the true ones, sample by sample."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from matscale.metrics import lattice, statistics
from matscale.results.measure import Measure, measures_of
from matscale.results.result import Protocol
from matscale.results.samples import FAILED, SCORED
from matscale.runtime.errors import Refused
from matscale.runtime.execution import track
from matscale.structures.cells import lattice_parameters
from matscale.structures.table import StructureTable
from matscale.tasks.entrant import Entrant
from matscale.tasks.harness import Scored
from matscale.tasks.particles.asking import asking_order, plain
from matscale.tasks.particles.labels import (
    basis,
    crystal_system,
    primitive_lattice,
    published_groups,
    space_group,
    space_groups,
)
from matscale.tasks.particles.particle_to_crystal import equivalent
from matscale.tasks.particles.particle_to_crystal.specs import JOINT_TOLERANCE, SPECS
from matscale.tasks.particles.question import ParticleQuestion
from matscale.tasks.particles.rules import ParticleScores, blank, note_failure

DEGENERATE = "degenerate cell"
IMPOSSIBLE = "impossible cell"
LARGEST_ANGLE_IN_RADIANS = np.pi
SMALLEST_IN_RADIANS = 0.15
NM_LENGTHS = (0.085, 0.115)
"""Ratio of the cube roots of volumes, answer to truth, of lengths in nm."""

SOUND_RATES = (
    "joint_rate",
    "lattice_match",
    "space_group_accuracy",
    "crystal_system_accuracy",
    "coverage",
)
SOUND_ERRORS = ("length_mae", "angle_mae", "volume_error")
PUBLISHED_RATES = ("space_group_published", "joint_published")


@dataclass(frozen=True)
class CellAnswer:
    """A predicted cell.

    Attributes:
        parameters: As given, (6,) in Å and degrees.
        group: Number of the space group, 0 for none.
        primitive: Lattice vectors (3, 3) of the primitive cell, where the crystal tells them.
    """

    parameters: np.ndarray
    group: int
    primitive: np.ndarray | None = None

    @property
    def key(self) -> tuple[bytes, int]:
        """Equal for equal answers."""
        own = b"" if self.primitive is None else self.primitive.tobytes()
        return self.parameters.tobytes() + own, self.group


@dataclass(frozen=True)
class Targets:
    """What is asked of each material, (N, ...) each.

    Attributes:
        given: Parameters of the cell as it is written, (N, 6).
        reduced: Parameters of the primitive Niggli cell, (N, 6).
        settings: Integer matrices from the reduced to the given cell, (N, 3, 3).
        groups: Space groups at 0.01 Å (moyopy).
        published_groups: Space groups at spglib's default of 1e-5 Å.
    """

    given: np.ndarray
    reduced: np.ndarray
    settings: np.ndarray
    groups: np.ndarray
    published_groups: np.ndarray


def targets_of(materials: StructureTable) -> Targets:
    """Targets of both protocols of a table of unit cells."""
    reduced = np.empty((len(materials), 3, 3))
    for row in range(len(materials)):
        primitive = primitive_lattice(basis(materials, row))
        cell = equivalent.niggli(primitive)
        reduced[row] = primitive if cell is None else cell
    settings = np.round(materials.lattices @ np.linalg.inv(reduced))
    return Targets(
        lattice_parameters(materials.lattices),
        lattice_parameters(reduced),
        settings,
        space_groups(materials),
        published_groups(materials),
    )


def check(answer: Any) -> CellAnswer:
    """The cell of an answer: parameters or lattice vectors, or a crystal, and a space group.

    Raises:
        Refused: If it is none, not finite, or impossible.
    """
    try:
        cell, group = answer
        if isinstance(cell, StructureTable):
            return _of_crystal(cell, plain(group).item())
        cell, group = plain(cell), plain(group).item()
    except (TypeError, ValueError, IndexError, OverflowError) as error:
        raise Refused("unreadable", f"not a cell and a space group: {error}"[:200]) from error
    if cell.shape not in ((6,), (3, 3)):
        raise Refused("unreadable", f"a cell of shape {cell.shape}; expected (6,) or (3, 3)")
    if not np.isfinite(cell).all():
        raise Refused("not finite", "a parameter")
    number = _number(group)
    if cell.shape == (6,):
        return CellAnswer(_possible(cell), number)
    return CellAnswer(_parameters(cell), number)


def _of_crystal(table: StructureTable, group: float) -> CellAnswer:
    """A crystal's cell, with the space group that it has where ``group`` is NaN."""
    parameters = _parameters(table.lattices[0])
    crystal = basis(table, 0)
    number = space_group(crystal) if np.isnan(group) else _number(group)
    return CellAnswer(parameters, number, primitive_lattice(crystal))


def _number(group: float) -> int:
    """A space group's number, 0 where none is given.

    Raises:
        Refused: If there is no such group.
    """
    if not np.isfinite(group):
        raise Refused("not finite", "the space group")
    if group != int(group) or not 0 <= group <= 230:
        raise Refused("no space group", f"{group:g} is not a number from 1 to 230")
    return int(group)


def _parameters(cell: np.ndarray) -> np.ndarray:
    """Parameters (6,) of lattice vectors (3, 3).

    Raises:
        Refused: If there is no such cell.
    """
    if not (np.abs(cell) <= equivalent.LONGEST).all():
        raise Refused(IMPOSSIBLE, f"a coordinate that is not within {equivalent.LONGEST:g} Å")
    if equivalent.is_degenerate(cell):
        raise Refused(DEGENERATE, "lattice vectors without volume")
    return lattice_parameters(cell[None])[0]


def _possible(parameters: np.ndarray) -> np.ndarray:
    """The parameters (6,), if they can be some cell's, or are all zero.

    Zeros are what published models are held against, and so can be answered. Other cells that
    nothing has would be taken for real ones, for the cosine and the square of a length forget
    signs and turns.

    Raises:
        Refused: If they cannot be those of a cell.
    """
    if not parameters.any():
        return parameters
    lengths, angles = parameters[:3], parameters[3:]
    if not ((lengths >= 0) & (lengths <= equivalent.LONGEST)).all():
        worst = lengths[np.abs(lengths - equivalent.LONGEST / 2).argmax()]
        raise Refused(IMPOSSIBLE, f"a length of {worst:g} Å; 0 to {equivalent.LONGEST:g} can be")
    if not ((angles > 0) & (angles < 180)).all():
        worst = angles[np.abs(angles - 90).argmax()]
        raise Refused(IMPOSSIBLE, f"an angle of {worst:g}°; between 0 and 180 can be")
    return parameters


def unit_slip(answer: Any, target: np.ndarray) -> str:
    """``"radians"`` or ``"nm"`` for an answer that seems to be in these; "" for the right units.

    Args:
        answer: An answer.
        target: Parameters of the given cell, (6,).
    """
    try:
        parameters = check(answer).parameters
    except Refused:
        return ""
    angles = parameters[3:]
    if (angles > SMALLEST_IN_RADIANS).all() and (angles < LARGEST_ANGLE_IN_RADIANS).all():
        return "radians"
    ratio = np.cbrt(np.abs(parameters[:3] / target[:3]).prod())
    return "nm" if NM_LENGTHS[0] < ratio < NM_LENGTHS[1] else ""


def score_entrant(
    entrant: Entrant, question: ParticleQuestion, targets: Targets, batch: int
) -> Scored[ParticleScores]:
    """Ask all samples in batches and score them.

    Args:
        entrant: Who answers.
        question: What is asked.
        targets: Of the set's materials.
        batch: Samples that are asked at a time.
    """
    count = len(question)
    status, reason, detail = blank(count)
    answers: list[CellAnswer | None] = [None] * count
    order = asking_order(question)
    starts = range(0, count, batch)
    for start in track(starts, total=len(starts), label=f"asking {entrant.predictor.name}"):
        rows = order[start : start + batch].tolist()
        began = time.perf_counter()
        batch_answers = entrant.answer(rows)
        entrant.seconds += time.perf_counter() - began
        for row, answer in zip(rows, batch_answers, strict=True):
            note_failure(row, answer.reason, answer.detail, status, reason, detail)
            if not answer.reason:
                answers[row], status[row] = answer.value, SCORED
    scores = _scores(answers, question, targets)
    answered = status == SCORED
    flat = answered & ~np.isfinite(scores["length_mae"])
    status[flat], reason[flat] = FAILED, DEGENERATE
    scores["coverage"] = (status == SCORED).astype(float)
    material = question.samples.material
    columns = {
        "target_space_group": targets.groups[material],
        "target_space_group_published": targets.published_groups[material],
        "predicted_space_group": np.array([answer.group if answer else 0 for answer in answers]),
    }
    for column, name in enumerate(lattice.PARAMETERS):
        columns[f"target_{name}"] = targets.reduced[material, column]
        columns[f"predicted_{name}"] = scores.pop(f"predicted_{name}")
    return Scored(
        entrant,
        ParticleScores(
            status, reason, detail, scores, columns, read_as_published=np.asarray(answered)
        ),
    )


def _scores(
    answers: Sequence[CellAnswer | None], question: ParticleQuestion, targets: Targets
) -> dict[str, np.ndarray]:
    """All metrics by name, (n,); rates are 0 and errors NaN where there is no answer."""
    rates = (*SOUND_RATES, *PUBLISHED_RATES)
    names = [
        *rates,
        *SOUND_ERRORS,
        "rmse",
        *(f"predicted_{parameter}" for parameter in lattice.PARAMETERS),
    ]
    table = {name: np.full(len(answers), 0.0 if name in rates else np.nan) for name in names}
    known: dict[tuple[int, tuple[bytes, int]], dict[str, float]] = {}
    for row, answer in enumerate(answers):
        if answer is None:
            continue
        material = int(question.samples.material[row])
        key = (material, answer.key)
        if key not in known:
            known[key] = {
                **published_scores(answer, targets, material),
                **sound_scores(answer, targets, material),
            }
        for name, value in known[key].items():
            table[name][row] = value
    return table


def _reduced_lattices(answer: CellAnswer) -> list[np.ndarray]:
    """The Niggli-reduced lattices that an answer may mean, (3, 3) each; none if it is flat."""
    if answer.primitive is not None:
        meant = [answer.primitive]
    else:
        own = equivalent.lattice_of(answer.parameters)
        if equivalent.is_degenerate(own):
            return []
        meant = equivalent.meant_lattices(own, answer.group)
    return [
        cell for lattice_meant in meant if (cell := equivalent.niggli(lattice_meant)) is not None
    ]


def published_scores(answer: CellAnswer, targets: Targets, material: int) -> dict[str, float]:
    """Metrics against the cell as it is written, with the answer in the setting nearest to it."""
    given = targets.given[material]
    settings = [answer.parameters[None]] + [
        equivalent.all_parameters(reduced, targets.settings[material])
        for reduced in _reduced_lattices(answer)
    ]
    nearest = equivalent.nearest_mixed(np.concatenate(settings), given)
    group = float(answer.group == targets.published_groups[material] > 0)
    near = bool((np.abs(nearest - given) <= JOINT_TOLERANCE).all())
    return {
        "rmse": float(np.sqrt(((nearest - given) ** 2).mean())),
        "space_group_published": group,
        "joint_published": group * near,
    }


def sound_scores(answer: CellAnswer, targets: Targets, material: int) -> dict[str, float]:
    """Metrics between primitive Niggli cells; none of a degenerate cell, which is not an answer."""
    lattices = _reduced_lattices(answer)
    if not lattices:
        return {}
    target = targets.reduced[material]
    candidates = np.concatenate(
        [equivalent.all_parameters(reduced, np.eye(3)) for reduced in lattices]
    )
    nearest = equivalent.nearest(candidates, target)
    volumes = [abs(float(np.linalg.det(equivalent.lattice_of(one)))) for one in (nearest, target)]
    match = equivalent.lattices_match(nearest, target)
    true_group = int(targets.groups[material])
    right = answer.group == true_group > 0
    same_system = answer.group > 0 and crystal_system(answer.group) == crystal_system(true_group)
    return {
        "length_mae": float(np.abs(nearest - target)[:3].mean()),
        "angle_mae": float(np.abs(nearest - target)[3:].mean()),
        "volume_error": abs(volumes[0] / volumes[1] - 1),
        "lattice_match": float(match),
        "space_group_accuracy": float(right),
        "crystal_system_accuracy": float(same_system),
        "joint_rate": float(match and right),
        **{f"predicted_{name}": nearest[at] for at, name in enumerate(lattice.PARAMETERS)},
    }


def measures(protocol: Protocol, scored: ParticleScores, rows: np.ndarray) -> dict[str, Measure]:
    """The metrics of a protocol over the samples of a mask (n,)."""
    values = {name: own[rows] for name, own in scored.values.items()}
    if protocol == "published":
        own = {name: values[name] for name in ("rmse", *PUBLISHED_RATES)}
        read = scored.read(protocol)[rows].astype(float)
        return measures_of(SPECS[protocol], {**own, "coverage": read})
    groups = scored.columns["target_space_group"][rows]
    of_samples = measures_of(
        SPECS[protocol], {name: values[name] for name in (*SOUND_RATES, *SOUND_ERRORS)}
    )
    of_samples["space_group_balanced"] = balanced(values["space_group_accuracy"], groups)
    order = ("joint_rate", "lattice_match", "space_group_accuracy", "space_group_balanced",
             "crystal_system_accuracy", *SOUND_ERRORS, "coverage")  # fmt: skip
    return {name: of_samples[name] for name in order}


def balanced(right: np.ndarray, groups: np.ndarray) -> Measure:
    """Mean over the groups that occur of the share of right answers (n,) among their samples."""
    kinds = np.unique(groups)

    def metric(weights: np.ndarray) -> np.ndarray:
        table = np.where(groups[:, None] == kinds, right[:, None], np.nan)
        shares = statistics.means(table, np.atleast_2d(weights))
        known = np.isfinite(shares)
        total = np.where(known, shares, 0.0).sum(axis=1) / known.sum(axis=1)
        return total if weights.ndim > 1 else total[0]

    return Measure(SPECS["sound"]["space_group_balanced"], metric, np.isfinite(right))
