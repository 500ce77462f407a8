"""Perception: does a multimodal model read materials figures, and what does it get blind?

Source: CSMBench (Zheng, Chen, Jia, arXiv 2603.19327), hub dataset ``lututu/CSMBench``.
"""

from matscale.tasks.perception.score import score_perception
from matscale.tasks.perception.specs import COMPARED
from matscale.tasks.task import Task

TASK = Task(
    name="perception",
    question="Does the model read the figure, or the text around it?",
    told=("figure", "caption", "options", "question"),
    asked="an option, a description or a number",
    score=score_perception,
    compared=COMPARED,
)
"""The perception task."""
