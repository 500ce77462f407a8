"""Novelty: which generated crystals are training crystals, or training crystals with swaps?

Source: Negishi and Walsh, arXiv 2606.23166.
"""

from matscale.tasks.novelty.score import score_novelty
from matscale.tasks.novelty.scorer import NoveltyScorer
from matscale.tasks.novelty.specs import COMPARED
from matscale.tasks.task import Task

TASK = Task(
    name="novelty",
    question="Which generated crystals are copies of training, or copies with swapped elements?",
    told=(),
    asked="crystals",
    score=score_novelty,
    scorer=NoveltyScorer,
    compared=COMPARED,
)
"""The novelty task."""
