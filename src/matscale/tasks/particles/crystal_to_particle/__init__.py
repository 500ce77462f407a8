"""Crystal to particle: can a model cut a sphere from a crystal? (C2NP, arXiv 2601.19076)."""

from matscale.tasks.particles.crystal_to_particle.score import TELLS, score_crystal_to_particle
from matscale.tasks.particles.crystal_to_particle.specs import COMPARED
from matscale.tasks.task import Task

TASK = Task(
    name="crystal-to-particle",
    question="Can a model cut a sphere of a given radius from a crystal?",
    told=TELLS,
    asked="the particle",
    score=score_crystal_to_particle,
    compared=COMPARED,
)
"""The crystal-to-particle task."""
