"""How two results of the crystal-to-particle task are compared."""

from __future__ import annotations

from matscale.results.compared import ComparedTask, column, error, share
from matscale.tasks.particles.crystal_to_particle.measuring import COVERAGE, REBUILT

COMPARED = ComparedTask(
    {
        "sound": {
            REBUILT: share("rebuilds the particle", column(REBUILT)),
            COVERAGE: share("gives a particle that can be scored", column(COVERAGE)),
            "atom_count_error": error(
                "in the number of atoms, as a fraction of it", "", column("atom_count_error")
            ),
            "composition_error": error(
                "in composition, as a share of the atoms", "", column("composition_error")
            ),
            "chamfer": error("in Chamfer distance", " Å", column("chamfer")),
            "bond_length_error": error("in bond lengths", " Å", column("bond_length_error")),
            "coordination_error": error(
                "in coordination", " neighbours", column("coordination_error")
            ),
            "rdf_distance": error("in partial RDF distance", "", column("rdf_distance")),
            "pdd_distance": error("in PDD distance", " Å", column("pdd_distance")),
        },
        "published": {
            "rmsd": error("in RMSD, as published", " Å", column("rmsd")),
            "hausdorff": error("in Hausdorff distance, as published", " Å", column("hausdorff")),
            "delta_hull_volume": error("in hull volume", " Å³", column("delta_hull_volume")),
            "rdf_energy": error("in RDF energy", " Å⁻²", column("rdf_energy")),
            "aligned_rmsd": error("in RMSD after alignment", " Å", column("aligned_rmsd")),
            COVERAGE: share("gives a particle that can be scored", column(COVERAGE)),
        },
    },
    samples="particles",
)
"""Errors are over the particles on which both have one."""
