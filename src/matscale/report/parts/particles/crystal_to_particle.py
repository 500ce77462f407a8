"""The page of the crystal-to-particle task."""

from __future__ import annotations

from matscale.report.parts.part import Part
from matscale.report.parts.particles.block import CHARTED, PAPERS, block, text
from matscale.report.parts.particles.published import PRINTED_PARTICLES

FLOORS = {
    "bulk_density_gas": "A rule that scatters the right number of atoms in the sphere",
    "nearest_training_particle": "A rule that copies a training particle and rescales it",
    "predict_zero_noise": "Always saying that there is no noise",
    "return_input": "Handing back the target",
    "carve": "The exact particle in the crystal's own orientation",
}

PART = Part(
    text("Can the model cut a particle from a crystal?", FLOORS),
    blocks=(block(PRINTED_PARTICLES, in_3d=True),),
    papers=PAPERS,
    charted=CHARTED,
)
