"""Score predicted particles beside floors and the ceiling: the entry of command and API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matscale.datasets.particles import ParticleSet
from matscale.predictors.floors.particles import PredictZeroNoise
from matscale.predictors.submissions.particle_objects import particles_of
from matscale.predictors.submissions.particles import read_particles
from matscale.report.scorecard import Scorecard
from matscale.results.result import Protocol
from matscale.tasks.asking import baselines
from matscale.tasks.harness import measured, protocols_of, scorecard, scored_by, start_run
from matscale.tasks.particles.asking import telling
from matscale.tasks.particles.crystal_to_particle.measuring import (
    check,
    measures,
    score_entrant,
    unit_slip,
)
from matscale.tasks.particles.crystal_to_particle.notes import DEFECTS, run_notes
from matscale.tasks.particles.crystal_to_particle.specs import REBUILT, REBUILT_A, SPECS
from matscale.tasks.particles.entrants import entrants_of
from matscale.tasks.particles.labels import space_groups
from matscale.tasks.particles.question import ask
from matscale.tasks.particles.rules import ParticleRules, guessed_by
from matscale.tasks.particles.training import training_samples

TELLS = ("numbers", "fractional", "lattice", "radius")
"""What the task tells: the unit cell, and the radius in Å."""


class CrystalToParticle(ParticleRules):
    """What is the task's own."""

    task = "crystal-to-particle"
    specs = SPECS
    measures = staticmethod(measures)

    def headline(self, protocol: Protocol) -> str:
        """The share of particles that are rebuilt; as published, the RMSD."""
        return REBUILT if protocol == "sound" else "rmsd"

    def settings(self, protocol: Protocol) -> dict[str, float | int | str | bool]:
        """What counts as rebuilt."""
        return {"rebuilt_chamfer": REBUILT_A}

    def defects(self) -> tuple[str, ...]:
        """Those of the published protocol, whatever is asked."""
        return DEFECTS


def score_crystal_to_particle(
    predictions: Any,
    *,
    data: str | Path | ParticleSet,
    split: str = "radius",
    name: str | None = None,
    protocol: str = "both",
    limit: int | None = None,
    told: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    workers: int | None = None,
    command: str = "matscale.score",
) -> Scorecard:
    """Score particles that models made of unit cells and radii.

    Args:
        predictions: A file (extended XYZ or Parquet); a dict of sample's id to ASE ``Atoms`` or to
            numbers and positions, or a :class:`StructureTable`; a predictor with ``fit`` and
            ``predict``; or a list of such.
        data: Folder of ``matscale data build``, or the name of a material set.
        split: ``radius``, as published, or ``material``: test materials unseen.
        name: What to call the model, if it is one whose answers are given.
        protocol: ``published``, ``sound`` or ``both``.
        limit: Orientations of each material at each radius at most, drawn by seed; by default
            one, of some twenty materials at each radius, all materials in turn.
        told: What models whose answers are given were told, such as ``"numbers,lattice,radius"``.
        out: Folder for the results; None writes nothing.
        seed: Of draws, floors and bootstrap.
        workers: Processes; None for one per core.
        command: What to record as the command that made the results.

    Returns:
        Results of ceilings, floors and models, in this order, under each protocol.

    Raises:
        UserError: If a file or the set is missing, or an option is wrong.
    """
    protocols = protocols_of(protocol)
    question = ask(data, by=split, limit=limit, seed=seed)
    run = start_run(
        question.dataset, protocols, out=out, workers=workers, seed=seed, command=command
    )
    training = training_samples(
        question.particles, split, space_groups(question.particles.materials)
    )
    truths = [question.particle(row)[1] for row in range(len(question))]
    models = entrants_of(
        predictions,
        question,
        training,
        read=read_particles,
        objects=particles_of,
        name=name,
        tells=TELLS,
        cell=True,
        check=check,
        unit=lambda answer, row: unit_slip(answer, truths[row]),
        told=told,
        protocols=protocols,
    )
    lines = baselines(
        CrystalToParticle.task,
        telling(question, TELLS, cell=True),
        training,
        check=check,
        protocols=protocols,
        seed=seed,
        memory=run.memory,
    )
    scored = scored_by(
        lambda entrant: score_entrant(entrant, question, run.memory, protocols), lines, models
    )
    losses = [line.asked.loss for line in lines if isinstance(line.asked, PredictZeroNoise)]
    rules = CrystalToParticle(
        question,
        {"published": run_notes(question, scored, losses[0], truths) if losses else ()},
        guessed_by(scored, REBUILT),
    )
    return scorecard(rules, run, [measured(rules, run, own) for own in scored])
