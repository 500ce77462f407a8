"""How alike a predicted and a true particle are.

``published`` gives the metrics of the original benchmark, ``sound`` those that know no pose,
order or count of atoms, ``paired`` those of RADII for atoms paired in order. Each returns
``Scores``: every metric by name, and a reason for each that failed.
"""

from matscale.metrics.particles.paired import aligned_distances, paired
from matscale.metrics.particles.published import published
from matscale.metrics.particles.scores import (
    PAIRED,
    PUBLISHED,
    REASONS,
    SOUND,
    Scores,
)
from matscale.metrics.particles.sound import Particle, compare, sound
from matscale.metrics.particles.superposition import kabsch

__all__ = [
    "PAIRED",
    "PUBLISHED",
    "REASONS",
    "SOUND",
    "Particle",
    "Scores",
    "aligned_distances",
    "compare",
    "kabsch",
    "paired",
    "published",
    "sound",
]
