"""The page of the particle-to-crystal task."""

from __future__ import annotations

from matscale.report.draw import lattice
from matscale.report.parts.part import Part
from matscale.report.parts.particles.block import CHARTED, PAPERS, block, text
from matscale.report.parts.particles.published import PRINTED_CELLS

FLOORS = {
    "zeros": "Zero for every lattice parameter, and the commonest space group,",
    "mean_lattice": "The mean training cell and the commonest space group",
    "lookup": "Looking up the composition among the training materials",
    "nearest_rdf": "The training crystal whose pair distances are most alike",
}

PART = Part(
    text("Does the model see the crystal in a particle, or look it up?", FLOORS),
    blocks=(lattice.BLOCK, block(PRINTED_CELLS, in_3d=False)),
    papers=PAPERS,
    charted=CHARTED,
)
