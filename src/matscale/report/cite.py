"""What to cite with results: matscale, the benchmark, the data and the methods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from matscale.datasets import DATASETS, papers
from matscale.datasets.hub_sets import HUB_SETS
from matscale.datasets.papers import Paper
from matscale.report.parts.registry import find_part
from matscale.results.result import Result

_MATERIALS = {"perov-h3": papers.C2NP, "radii-10": papers.RADII}
"""Papers of sets that no registry of data has."""

_PAPERS = {paper.key: paper for paper in vars(papers).values() if isinstance(paper, Paper)}
"""Papers by the key that metrics name them by."""


class Cited(NamedTuple):
    """A paper, and why it is to be cited."""

    why: str
    paper: Paper


def to_cite(results: Sequence[Result]) -> list[Cited]:
    """The papers behind results, each once, with the first reason that there is."""
    found: dict[str, Cited] = {}
    for cited in _all(results):
        found.setdefault(cited.paper.key, cited)
    return list(found.values())


def _all(results: Sequence[Result]) -> Iterator[Cited]:
    for version in sorted({one.provenance.matscale for one in results}):
        yield Cited("the scores", papers.matscale(version))
    for task in dict.fromkeys(one.task for one in results):
        yield from (Cited("the benchmark", paper) for paper in find_part(task).papers)
    names = [name for one in results for name in (one.dataset.name, one.dataset.train_name)]
    for name in dict.fromkeys(name for name in names if name):
        yield from (Cited(f"the data set {name}", paper) for paper in _data(name))
    for one in results:
        yield from _methods(one)


def _data(name: str) -> Sequence[Paper]:
    if name in DATASETS:
        return DATASETS[name].citation
    if name in HUB_SETS:
        return (HUB_SETS[name].citation,)
    base = name.split(" ", maxsplit=1)[0]  # what follows is the hard track
    return (_MATERIALS[base],) if base in _MATERIALS else ()


def _methods(result: Result) -> Iterator[Cited]:
    if "ltol" in result.settings:
        yield Cited("matching (StructureMatcher)", papers.PYMATGEN)
    for name in result.metrics:
        if (paper := _PAPERS.get(result.spec(name).paper)) is not None:
            yield Cited(f"the metric {name}", paper)
    if str(result.settings.get("potential", "")).startswith("chgnet"):
        yield Cited("energies (CHGNet)", papers.CHGNET)


def bibtex(results: Sequence[Result]) -> str:
    """All entries as the text of a ``.bib`` file; a comment line says what each is for."""
    return "\n\n".join(f"% {why}\n{paper.bibtex}" for why, paper in to_cite(results)) + "\n"
