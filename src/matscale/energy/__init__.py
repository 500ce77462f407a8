"""Energies of crystals: potentials, batched relaxation, energy above the convex hull."""
