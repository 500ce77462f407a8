"""Reconstruction: does a model rebuild held-out crystals? (AtomBench, arXiv 2510.16165)."""

from matscale.tasks.reconstruction.score import score_reconstruction
from matscale.tasks.reconstruction.scorer import ReconstructionScorer
from matscale.tasks.reconstruction.specs import COMPARED
from matscale.tasks.task import Task

TASK = Task(
    name="reconstruction",
    question="Does a model rebuild held-out crystals?",
    told=("composition", "tc", "space_group", "volume", "cell", "positions"),
    asked="the crystal",
    score=score_reconstruction,
    scorer=ReconstructionScorer,
    compared=COMPARED,
)
"""The reconstruction task."""
