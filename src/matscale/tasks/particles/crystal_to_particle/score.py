"""Score predicted particles beside floors and the ceiling: the entry of command and API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matscale.datasets.particles import ParticleSet
from matscale.predictors.particles.objects import particles_of
from matscale.predictors.particles.submission import read_particles
from matscale.predictors.particles.to_particle import (
    BulkDensityGas,
    Carve,
    CarveInPose,
    NearestTrainingParticle,
    PredictZeroNoise,
    ReturnInput,
)
from matscale.report.scorecard import Scorecard
from matscale.results.result import Protocol
from matscale.results.store import check_same_question
from matscale.runtime.memory import PARTIAL, Memory
from matscale.runtime.version import __version__
from matscale.structures.carving import Centre
from matscale.tasks.entrant import Entrant
from matscale.tasks.particles.asking import entrant
from matscale.tasks.particles.crystal_to_particle.notes import DEFECTS, run_notes
from matscale.tasks.particles.crystal_to_particle.scoring import (
    check,
    measures,
    score_entrant,
    unit_slip,
)
from matscale.tasks.particles.crystal_to_particle.specs import REBUILT, REBUILT_A, SPECS
from matscale.tasks.particles.entrants import check_names, entrants_of
from matscale.tasks.particles.labels import space_groups
from matscale.tasks.particles.question import Question, ask
from matscale.tasks.particles.run import Rules, protocols_of, scorecard
from matscale.tasks.particles.training import training_samples

TELLS = ("numbers", "fractional", "lattice", "radius")
"""What the task tells: the unit cell, and the radius in Å."""

RULES = Rules(
    task="crystal-to-particle",
    headline={"sound": REBUILT, "published": "rmsd"},
    measures=measures,
    specs=SPECS,
    defects=DEFECTS,
    settings={"rebuilt_chamfer": REBUILT_A},
)


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
        workers: Processes; None for one a core.
        command: What to record as the command that made the results.

    Returns:
        Results of ceilings, floors and models, in this order, under each protocol.

    Raises:
        UserError: If a file or the set is missing, or an option is wrong.
    """
    protocols = protocols_of(protocol)
    question = ask(data, by=split, limit=limit, seed=seed)
    folder = Path(out) if out is not None else None
    if folder:
        check_same_question(folder, question.dataset)
    memory = Memory(folder / PARTIAL if folder else None, __version__, workers)
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
        unit=lambda found, place: unit_slip(found, truths[place]),
        told=told,
        protocols=protocols,
    )
    zero_noise = PredictZeroNoise(seed)
    baselines = _baselines(question, training, zero_noise, protocols, seed)
    check_names([*baselines, *models])
    # Models first: what is wrong with them shows before minutes of floors.
    own = [score_entrant(one, question, memory, protocols) for one in models]
    scored = [*(score_entrant(one, question, memory, protocols) for one in baselines), *own]
    notes: dict[Protocol, tuple[str, ...]] = {
        "published": run_notes(question, scored, zero_noise.loss, truths)
    }
    card = scorecard(
        RULES,
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
    training: Any,
    zero_noise: PredictZeroNoise,
    protocols: Sequence[Protocol],
    seed: int,
) -> list[Entrant]:
    """The ceilings and the floors, of which some take part in the published protocol alone.

    The first ceiling of a protocol is the line that others are held against: the published one
    takes the target's orientation for granted, which is told to ``carve_in_pose``.
    """
    centre = question.particles.facts.get("centre", "origin")
    usual: Centre = centre if isinstance(centre, int) else "origin"
    if centre == "centroid":
        usual = "centroid"
    taking_part: list[tuple[Any, dict[Protocol, Any]]] = [
        (CarveInPose(usual), {"published": "ceiling"}),
        (Carve(usual), {"sound": "ceiling", "published": "ceiling"}),
        (BulkDensityGas(seed), {"sound": "floor", "published": "floor"}),
        (NearestTrainingParticle(), {"sound": "floor", "published": "floor"}),
        (zero_noise, {"published": "floor"}),
        (ReturnInput(), {"published": "floor"}),
    ]
    return [
        entrant(predictor, question, training, tells=TELLS, cell=True, check=check, kinds=chosen)
        for predictor, kinds in taking_part
        if (chosen := {name: kind for name, kind in kinds.items() if name in protocols})
    ]
