"""The page of the perception task: whether the judge can be trusted, and examples to look at."""

from __future__ import annotations

from matscale.datasets import papers
from matscale.report.parts.part import Block, Gathered, Made, Part, TaskText
from matscale.report.parts.perception.gather import perception

FLOORS = {
    "chance": "Guessing",
    "medoid": "Picking the caption most like the other three, without the figure,",
    "longest": "Picking the longest caption, without the figure,",
    "caption": "Handing in the caption itself",
    "foreign": "Handing in another paper's paragraph",
}
_FATE = "not answered: counted as wrong, and a description is left out of the judge's mean"


def _make(gathered: Gathered) -> Made:
    return Made(perception(gathered))


PART = Part(
    TaskText(
        "Does the model read the figure, or the text around it?",
        "figures",
        fates={"sound": _FATE, "published": _FATE},
        warned="",
        declared=False,
        floors=FLOORS,
    ),
    blocks=(
        Block(
            _make,
            "matscale.report.parts.perception:part.html.j2",
            css=("matscale.report.parts.perception:part.css",),
        ),
    ),
    papers=(papers.CSMBENCH,),
)
