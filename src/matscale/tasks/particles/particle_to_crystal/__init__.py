"""Particle to crystal: which crystal was a particle cut from? (C2NP, arXiv 2601.19076)."""

from matscale.tasks.particles.particle_to_crystal.score import TELLS, score_particle_to_crystal
from matscale.tasks.particles.particle_to_crystal.specs import COMPARED
from matscale.tasks.task import Task

TASK = Task(
    name="particle-to-crystal",
    question="Does a model find the crystal that a particle was cut from?",
    told=TELLS,
    asked="six lattice parameters and the number of the space group",
    score=score_particle_to_crystal,
    compared=COMPARED,
)
"""The particle-to-crystal task."""
