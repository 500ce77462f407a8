"""Floors, ceilings and fields by task. A new floor is a class in ``floors/`` and a line here.

A listed predictor is a :class:`matscale.predictors.predictor.Predictor` that is made without
arguments and says its ``kind``. Some say more: ``protocols``, in which alone it takes part;
``remember_in(memory)``, where its answers are long to find; in novelty ``most``, beyond which it
has no answers; in perception ``form``, the kind of figure that it answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from matscale.predictors.ceilings import Carve, CarveInPose, LatticeRecovery, Target
from matscale.predictors.floors.captions import Caption, Chance, Foreign, Longest, Medoid
from matscale.predictors.floors.cells import Lookup, MeanLattice, NearestRdf, Zeros
from matscale.predictors.floors.crystals import MeanCell, RandomTraining
from matscale.predictors.floors.generation import RandomAtoms, RandomSubstitution, TrainingSample
from matscale.predictors.floors.particles import (
    BulkDensityGas,
    NearestTrainingParticle,
    PredictZeroNoise,
    ReturnInput,
)
from matscale.predictors.floors.substitution import Substitution
from matscale.predictors.predictor import (
    CRYSTAL_FIELDS,
    FIGURE_FIELDS,
    PARTICLE_FIELDS,
    Predictor,
)

Factories = Mapping[str, tuple[Callable[[], Predictor], ...]]
"""Task's name to what makes its predictors, in the order of the tables."""

FLOORS: Factories = {
    "reconstruction": (Substitution, RandomTraining, MeanCell),
    "novelty": (TrainingSample, RandomSubstitution, RandomAtoms),
    "crystal-to-particle": (BulkDensityGas, NearestTrainingParticle, PredictZeroNoise, ReturnInput),
    "particle-to-crystal": (Zeros, MeanLattice, Lookup, NearestRdf),
    "perception": (Chance, Medoid, Longest, Caption, Foreign),
}

CEILINGS: Factories = {
    "reconstruction": (Target,),
    "novelty": (),
    "crystal-to-particle": (CarveInPose, Carve),
    "particle-to-crystal": (LatticeRecovery,),
    "perception": (),
}
"""A metric is held against the first ceiling of a protocol that has it."""

FIELDS: Mapping[str, Mapping[str, str]] = {
    "reconstruction": CRYSTAL_FIELDS,
    "novelty": {},
    "crystal-to-particle": PARTICLE_FIELDS,
    "particle-to-crystal": PARTICLE_FIELDS,
    "perception": FIGURE_FIELDS,
}
"""What each task can tell: field to what it is."""
