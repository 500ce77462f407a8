"""Score predicted cells beside floors and the ceiling: the entry of command and API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matscale.datasets.particles import ParticleSet
from matscale.predictors.submissions.particle_objects import cells_of
from matscale.predictors.submissions.particles import read_cells
from matscale.report.scorecard import Scorecard
from matscale.results.result import Protocol
from matscale.tasks.asking import BATCH, baselines
from matscale.tasks.harness import measured, protocols_of, scorecard, scored_by, start_run
from matscale.tasks.particles.asking import telling
from matscale.tasks.particles.entrants import entrants_of
from matscale.tasks.particles.labels import PUBLISHED_SYMPREC, SYMPREC
from matscale.tasks.particles.particle_to_crystal import equivalent
from matscale.tasks.particles.particle_to_crystal.measuring import (
    check,
    measures,
    score_entrant,
    targets_of,
    unit_slip,
)
from matscale.tasks.particles.particle_to_crystal.notes import defects, label_notes, run_notes
from matscale.tasks.particles.particle_to_crystal.specs import JOINT_TOLERANCE, SPECS
from matscale.tasks.particles.question import ROTATIONS, ask
from matscale.tasks.particles.rules import ParticleRules, guessed_by
from matscale.tasks.particles.training import training_samples

JOINT_RATE = "joint_rate"
"""The headline of the sound protocol."""

TELLS = ("numbers", "positions")
"""What the task tells: the particle's atomic numbers and its positions in Å."""


@dataclass(frozen=True)
class ParticleToCrystal(ParticleRules):
    """What is the task's own.

    Attributes:
        known_defects: Of the published protocol on what is asked.
    """

    known_defects: tuple[str, ...]

    task = "particle-to-crystal"
    specs = SPECS
    measures = staticmethod(measures)

    def headline(self, protocol: Protocol) -> str:
        """The share of crystals that are found; as published, the RMSE."""
        return JOINT_RATE if protocol == "sound" else "rmse"

    def settings(self, protocol: Protocol) -> dict[str, float | int | str | bool]:
        """Tolerances of both protocols."""
        return {
            "length_tolerance": equivalent.LENGTH_TOLERANCE,
            "angle_tolerance": equivalent.ANGLE_TOLERANCE,
            "joint_published_tolerance": JOINT_TOLERANCE,
            "symprec": SYMPREC,
            "symprec_published": PUBLISHED_SYMPREC,
        }

    def defects(self) -> tuple[str, ...]:
        """Those of the set and of its split among them."""
        return self.known_defects


def score_particle_to_crystal(
    predictions: Any,
    *,
    data: str | Path | ParticleSet,
    split: str = "radius",
    name: str | None = None,
    protocol: str = "both",
    limit: int | None = None,
    hard: str | None = None,
    told: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    workers: int | None = None,
    command: str = "matscale.score",
) -> Scorecard:
    """Score cells and space groups that models found for particles.

    Args:
        predictions: A file (CSV, or crystals); a dict of sample's id to pymatgen ``Structure``, ASE
            ``Atoms`` or parameters and space group, or a :class:`StructureTable`; a predictor with
            ``fit`` and ``predict``; or a list of such.
        data: Folder of ``matscale data build``, or the name of a material set.
        split: ``radius``, as published, or ``material``: test materials unseen.
        name: What to call the model, if it is one whose answers are given.
        protocol: ``published``, ``sound`` or ``both``.
        limit: Orientations of each material at each radius at most, drawn by seed; by default one.
        hard: Track and level by which input particles are perturbed, such as
            ``"thermal=0.05"``; see :mod:`matscale.datasets.particles.hard`.
        told: What models whose answers are given were told, such as ``"numbers,positions"``.
        out: Folder for the results; None writes nothing. An interrupted run leaves there what the
            ceiling found, and the same call goes on from it.
        seed: Of draws, of the order in which atoms are told, and of the bootstrap.
        workers: Processes of the ceiling; None for one per core.
        command: What to record as the command that made the results.

    Returns:
        Results of ceiling, floors and models, in this order, under each protocol.

    Raises:
        UserError: If a file or the set is missing, or an option is wrong.
    """
    protocols = protocols_of(protocol)
    each = ROTATIONS if limit is None else limit
    question = ask(data, by=split, limit=each, seed=seed, hard=hard)
    run = start_run(
        question.dataset, protocols, out=out, workers=workers, seed=seed, command=command
    )
    targets = targets_of(question.particles.materials)
    training = training_samples(question.particles, split, targets.groups, shuffle=seed)
    given = targets.given[question.samples.material]
    models = entrants_of(
        predictions,
        question,
        training,
        read=read_cells,
        objects=cells_of,
        name=name,
        tells=TELLS,
        cell=False,
        check=check,
        unit=lambda answer, row: unit_slip(answer, given[row]),
        told=told,
        protocols=protocols,
    )
    lines = baselines(
        ParticleToCrystal.task,
        telling(question, TELLS, cell=False),
        training,
        check=check,
        protocols=protocols,
        seed=seed,
        memory=run.memory,
    )
    scored = scored_by(
        lambda entrant: score_entrant(entrant, question, targets, BATCH), lines, models
    )
    labels = label_notes(question, targets)
    rules = ParticleToCrystal(
        question,
        {"sound": labels, "published": (*labels, *run_notes(question, scored, targets))},
        guessed_by(scored, JOINT_RATE),
        defects(question, targets),
    )
    return scorecard(rules, run, [measured(rules, run, own) for own in scored])
