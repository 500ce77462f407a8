"""The page of the reconstruction task: lattice parameters, and crystals to look at."""

from __future__ import annotations

from matscale.datasets import papers
from matscale.report.draw import lattice, pairs
from matscale.report.draw.cases import case_views
from matscale.report.draw.pairs import Cases
from matscale.report.parts.part import Block, Gathered, Made, Part, TaskText

PREDICTIONS = (
    "The worst predictions by AMD distance, a near miss and a typical match, target and prediction"
)
"""What the cases are, for the sentence above them."""

FLOORS = {
    "substitution": "A rule that copies a training crystal and swaps the elements",
    "random_training": "A rule that answers with a training crystal drawn at random",
    "mean_cell": "A rule that scatters the atoms in a cubic cell of mean volume",
}


def _cases(gathered: Gathered) -> Made | None:
    models = [one for one in gathered.leading if one.predictor.kind == "model"]
    return pairs.made([_cases_of(gathered, one.predictor.name) for one in models])


def _cases_of(gathered: Gathered, name: str) -> Cases:
    result = next(one for one in gathered.leading if one.predictor.name == name)
    views, problem = case_views(result, gathered.samples[name], gathered.folder)
    return Cases(name, tuple(views), problem, about=PREDICTIONS)


PART = Part(
    TaskText("Does the model rebuild crystals it has never seen?", floors=FLOORS),
    blocks=(lattice.BLOCK, Block(_cases, pairs.TEMPLATE, js=pairs.JS)),
    papers=(papers.ATOMBENCH,),
)
