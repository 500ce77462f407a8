"""Score predicted cells beside floors and the ceiling: the entry of command and API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from matscale.datasets.particles import ParticleSet
from matscale.predictors.particles import Training
from matscale.predictors.particles.objects import cells_of
from matscale.predictors.particles.submission import read_cells
from matscale.predictors.particles.to_crystal import (
    LatticeRecovery,
    Lookup,
    MeanLattice,
    NearestRdf,
    Zeros,
)
from matscale.report.scorecard import Scorecard
from matscale.results.result import Protocol
from matscale.results.store import check_same_question
from matscale.runtime.memory import PARTIAL, Memory
from matscale.runtime.version import __version__
from matscale.tasks.entrant import Entrant
from matscale.tasks.particles.asking import BATCH, entrant
from matscale.tasks.particles.entrants import check_names, entrants_of
from matscale.tasks.particles.labels import PUBLISHED_SYMPREC, SYMPREC
from matscale.tasks.particles.particle_to_crystal import equivalent
from matscale.tasks.particles.particle_to_crystal.notes import defects, label_notes, run_notes
from matscale.tasks.particles.particle_to_crystal.scoring import (
    check,
    measures,
    score_entrant,
    targets_of,
    unit_slip,
)
from matscale.tasks.particles.particle_to_crystal.specs import JOINT_TOLERANCE, SPECS
from matscale.tasks.particles.question import ROTATIONS, Question, ask
from matscale.tasks.particles.run import Rules, protocols_of, scorecard
from matscale.tasks.particles.training import training_samples

TELLS = ("numbers", "positions")
"""What the task tells: the particle's atomic numbers and its positions in Å."""

RULES = Rules(
    task="particle-to-crystal",
    headline={"sound": "joint_rate", "published": "rmse"},
    measures=measures,
    specs=SPECS,
    settings={
        "length_tolerance": equivalent.LENGTH_TOLERANCE,
        "angle_tolerance": equivalent.ANGLE_TOLERANCE,
        "joint_published_tolerance": JOINT_TOLERANCE,
        "symprec": SYMPREC,
        "symprec_published": PUBLISHED_SYMPREC,
    },
)


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
        hard: Track and level by which particles are disturbed before they are told, such as
            ``"thermal=0.05"``; see :mod:`matscale.datasets.particles.hard`.
        told: What models whose answers are given were told, such as ``"numbers,positions"``.
        out: Folder for the results; None writes nothing. An interrupted run leaves there what the
            ceiling found, and the same call goes on from it.
        seed: Of draws, of the order in which atoms are told, and of the bootstrap.
        workers: Processes of the ceiling; None for one a core.
        command: What to record as the command that made the results.

    Returns:
        Results of ceiling, floors and models, in this order, under each protocol.

    Raises:
        UserError: If a file or the set is missing, or an option is wrong.
    """
    protocols = protocols_of(protocol)
    each = ROTATIONS if limit is None else limit
    question = ask(data, by=split, limit=each, seed=seed, hard=hard)
    folder = Path(out) if out is not None else None
    if folder:
        check_same_question(folder, question.dataset)
    memory = Memory(folder / PARTIAL if folder else None, __version__, workers)
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
        unit=lambda found, place: unit_slip(found, given[place]),
        told=told,
        protocols=protocols,
    )
    baselines = _baselines(question, training, memory, protocols)
    check_names([*baselines, *models])
    # Models first: what is wrong with them shows before minutes of the ceiling.
    own = [score_entrant(one, question, targets, BATCH) for one in models]
    scored = [*(score_entrant(one, question, targets, BATCH) for one in baselines), *own]
    labels = label_notes(question, targets)
    notes: dict[Protocol, tuple[str, ...]] = {
        "sound": labels,
        "published": (*labels, *run_notes(question, scored, targets)),
    }
    card = scorecard(
        replace(RULES, defects=defects(question, targets)),
        question,
        scored,
        protocols,
        notes=notes,
        folder=folder,
        seed=seed,
        command=command,
    )
    memory.forget()
    return card


def _baselines(
    question: Question,
    training: Training,
    memory: Memory,
    protocols: Sequence[Protocol],
) -> list[Entrant]:
    """The ceiling and the floors."""
    predictors: list[Any] = [
        LatticeRecovery(memory),
        Zeros(),
        MeanLattice(),
        Lookup(),
        NearestRdf(),
    ]
    return [
        entrant(
            one,
            question,
            training,
            tells=TELLS,
            cell=False,
            check=check,
            kinds=dict.fromkeys(protocols, one.kind),
        )
        for one in predictors
    ]
