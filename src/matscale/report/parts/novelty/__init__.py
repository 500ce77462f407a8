"""The page of the novelty task: copies of training, swaps of elements, or new."""

from __future__ import annotations

from collections.abc import Mapping

from matscale.datasets import papers
from matscale.report.draw import pairs, svg
from matscale.report.draw.pairs import Cases
from matscale.report.names import slug
from matscale.report.parts.novelty.gather import Novelty, has_classes, novelty, novelty_cases
from matscale.report.parts.part import Block, Gathered, Made, Opening, Part, TaskText

UNMATCHED = (
    "Crystals that no training crystal matches, even with its elements swapped, and the training "
    "crystal nearest by AMD,"
)
"""What the cases are, for the sentence above them."""

FLOORS = {
    "training_sample": "A random sample of the training crystals",
    "random_substitution": "A rule that swaps elements of training crystals at random",
    "random_atoms": "A rule that throws random atoms into a box",
}


def _classes(gathered: Gathered) -> Made | None:
    found = novelty(gathered)
    if found is None:
        return None
    caption = "What every predictor's crystals are, in % of those submitted."
    opening = Opening(found.overall, caption, found.classes)
    return Made(found, opening, drawings=_drawings(found, gathered.series))


def _drawings(found: Novelty, series: Mapping[str, str]) -> dict[str, str]:
    """The figures by name, each with the key that the page has beside it."""
    key = [(name, f"st {colour}") for name, colour in found.classes]
    drawings = {"classes": svg.keyed(found.overall, key)}
    for generated in found.generated:
        name = slug(generated.name)
        drawings[f"classes-{name}"] = svg.keyed(generated.by_system, key)
        if generated.swaps:
            drawings[f"swapped-out-{name}"] = generated.swaps.out
            drawings[f"swapped-in-{name}"] = generated.swaps.into
    lines = [(name, f"st {series[name]}") for name in found.drawn]
    for k, curve in enumerate(found.curves, start=1):
        drawings[f"novelty-curve-{k}"] = svg.keyed(curve, lines)
    return drawings


def _cases(gathered: Gathered) -> Made | None:
    """New crystals beside their nearest in training."""
    found = []
    for result in gathered.leading:
        samples = gathered.samples[result.predictor.name]
        if result.predictor.kind == "model":
            views, problem = (
                novelty_cases(result, samples, gathered.folder)
                if has_classes(samples)
                else ([], samples.problem)
            )
            sides = "nearest in training", "generated"
            found.append(
                Cases(result.predictor.name, tuple(views), problem, sides, UNMATCHED, "predicted")
            )
    return pairs.made(found)


PART = Part(
    TaskText(
        "Are the generated crystals new, or training crystals in other clothes?",
        "training crystals",
        declared=False,
        tells=False,
        floors=FLOORS,
    ),
    blocks=(
        Block(
            _classes,
            "matscale.report.parts.novelty:part.html.j2",
            css=("matscale.report.parts.novelty:part.css",),
        ),
        Block(_cases, pairs.TEMPLATE, js=pairs.JS),
    ),
    papers=(papers.NOVELTY,),
)
