"""Predictors of the particle tasks: the protocol, floors, ceilings, and answers in files."""

from matscale.predictors.particles.protocol import (
    PARTICLE_FIELDS,
    Example,
    ParticlePredictor,
    Told,
    Training,
)

__all__ = ["PARTICLE_FIELDS", "Example", "ParticlePredictor", "Told", "Training"]
