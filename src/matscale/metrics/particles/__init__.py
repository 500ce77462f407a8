"""How alike a predicted and a true particle are.

``published`` gives the metrics of the original benchmark, ``sound`` those that know no pose,
order or count of atoms, ``paired`` those of RADII for atoms paired in order. Each returns
``Scores``: every metric by name, and a reason for each that failed. ``PARTICLE_METRICS`` says
what each is.
"""

from matscale.metrics.particles.paired import aligned_distances, paired
from matscale.metrics.particles.published import published
from matscale.metrics.particles.scores import (
    PAIRED,
    PARTICLE_METRICS,
    PUBLISHED,
    REASONS,
    SOUND,
    ParticleMetric,
    Scores,
)
from matscale.metrics.particles.sound import Particle, compare, sound
from matscale.metrics.particles.superposition import kabsch

__all__ = [
    "PAIRED",
    "PARTICLE_METRICS",
    "PUBLISHED",
    "REASONS",
    "SOUND",
    "Particle",
    "ParticleMetric",
    "Scores",
    "aligned_distances",
    "compare",
    "kabsch",
    "paired",
    "published",
    "sound",
]
