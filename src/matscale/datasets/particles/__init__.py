"""Particles cut from crystals: the data of the crystal-to-particle benchmarks."""

from matscale.datasets.particles.build import build_particles
from matscale.datasets.particles.leakage import Leakage, leakage
from matscale.datasets.particles.material_sets import MATERIAL_SETS, MaterialSet, material_set
from matscale.datasets.particles.particle_set import ParticleSet, Samples
from matscale.datasets.particles.published import C2NP, RADII, SPLITS
from matscale.datasets.particles.store import load_particles, save_particles

__all__ = [
    "C2NP",
    "MATERIAL_SETS",
    "RADII",
    "SPLITS",
    "Leakage",
    "MaterialSet",
    "ParticleSet",
    "Samples",
    "build_particles",
    "leakage",
    "load_particles",
    "material_set",
    "save_particles",
]
