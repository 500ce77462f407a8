"""Particles to look at: which ones, and their atoms packed small enough for a page."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from matscale.report.draw.cases import load_table
from matscale.report.draw.crystals import formula
from matscale.report.parts.particles.profiles import NOISE, metric_of
from matscale.results.metric import Definitions, unknown
from matscale.results.result import Result
from matscale.results.rounding import show
from matscale.results.samples import Samples, beside
from matscale.runtime.errors import UserError
from matscale.structures.table import StructureTable

STEP = 0.01
"""Coordinates are stored as whole numbers of this, in Å."""
FARTHEST = 32_767
"""Largest whole number: 327.67 Å from the centre; atoms beyond are counted, not drawn."""
BUDGET = 100_000
"""Atoms in all views of a section; larger particles are thinned until they fit (0.8 MB)."""
MOST = 3
"""Particles of a model; floors and ceilings have one less."""
RANKED_BY = ("chamfer", "rdf_distance", "aligned_rmsd", "rmsd")
"""What makes a particle worse than another: the first of these that the samples have."""


@dataclass(frozen=True)
class Shown:
    """One particle of one side: the key of its atoms, and what is said of it."""

    key: int
    formula: str
    atoms: int
    drawn: int


@dataclass(frozen=True)
class View:
    """A true particle and a predicted one.

    Attributes:
        id: Of the sample.
        label: Material and radius, else the formula.
        why: Why it was chosen.
        facts: Its scores, in words.
        target: What is true.
        predicted: What was answered.
    """

    id: str
    label: str
    why: str
    facts: tuple[str, ...]
    target: Shown
    predicted: Shown


@dataclass(frozen=True)
class Views:
    """The particles of one predictor, or why there are none."""

    name: str
    kind: str
    views: tuple[View, ...]
    problem: str = ""


@dataclass(frozen=True)
class Gallery:
    """All views of a section with the atoms that they share."""

    predictors: tuple[Views, ...]
    particles: tuple[dict[str, Any], ...]
    elements: Mapping[int, list[Any]]

    @property
    def embedded(self) -> dict[str, Any]:
        """Plain values for the page's script; predictors by their place."""
        models = [
            [
                {
                    "id": view.id,
                    "facts": list(view.facts),
                    "target": vars(view.target),
                    "predicted": vars(view.predicted),
                }
                for view in one.views
            ]
            for one in self.predictors
        ]
        elements = {str(z): value for z, value in self.elements.items()}
        return {"models": models, "particles": list(self.particles), "elements": elements}


@dataclass
class _Store:
    """Particles by content: a truth that several predictors share is kept once."""

    keys: dict[tuple[bytes, bytes], int]
    particles: list[tuple[np.ndarray, np.ndarray]]

    def add(self, numbers: np.ndarray, positions: np.ndarray) -> int:
        content = numbers.tobytes(), positions.tobytes()
        if content not in self.keys:
            self.keys[content] = len(self.particles)
            self.particles.append((numbers, positions))
        return self.keys[content]


def gallery(
    results: Sequence[Result],
    samples: Mapping[str, Samples],
    folder: Path | None,
    specs: Definitions,
) -> Gallery | None:
    """The worst, the median and the largest particle of each predictor that kept some.

    Args:
        results: One per predictor.
        samples: By predictor.
        folder: Where the files are that the results name.
        specs: What the metrics are.
    """
    store = _Store({}, [])
    chosen = [(one, *_chosen(one, samples[one.predictor.name], folder, store)) for one in results]
    # Models say why there is nothing to see; a floor that kept nothing is passed over.
    chosen = [one for one in chosen if one[1] or one[0].predictor.kind == "model"]
    if not any(found for _, found, _ in chosen):
        return None
    cap = cap_of([len(numbers) for numbers, _ in store.particles])
    packed = tuple(pack(*one, cap=cap) for one in store.particles)
    predictors = tuple(
        Views(
            one.predictor.name,
            one.predictor.kind,
            tuple(_view(samples[one.predictor.name], case, store, packed, specs) for case in found),
            problem,
        )
        for one, found, problem in chosen
    )
    return Gallery(predictors, packed, _elements(packed))


@dataclass(frozen=True)
class _Case:
    row: int
    why: str
    target: int
    predicted: int


def _chosen(
    result: Result, samples: Samples, folder: Path | None, store: _Store
) -> tuple[list[_Case], str]:
    if not len(samples):
        return [], samples.problem
    tables = []
    for what, name in (("true", result.targets), ("predicted", result.predictions)):
        path = beside(folder, name)
        if path is None:
            named = f"{name} is not in the folder of results" if name else "were not kept"
            return [], f"The {what} particles {named}."
        try:
            tables.append(load_table(path))
        except UserError as error:
            return [], f"The {what} particles do not read: {error}"
    rows = [{str(one): k for k, one in enumerate(table.ids)} for table in tables]
    found = []
    most = MOST if result.predictor.kind == "model" else MOST - 1
    for row, why in ranked(samples, rows[0].keys() & rows[1].keys())[:most]:
        name = samples.texts("id")[row]
        keys = [_kept(table, place[name], store) for table, place in zip(tables, rows, strict=True)]
        found.append(_Case(row, why, *keys))
    return found, "" if found else "No kept sample has both a true and a predicted particle."


def _kept(table: StructureTable, row: int, store: _Store) -> int:
    own = table[row]
    return store.add(own.numbers, own.positions)


def ranked(samples: Samples, kept: set[str]) -> list[tuple[int, str]]:
    """Rows of the worst, the median and the largest of the kept particles, and what each is.

    Args:
        samples: Of one predictor.
        kept: Ids of the particles that can be drawn.

    Returns:
        At most three rows, none twice; "worst kept" where a worse particle was not kept.
    """
    ids = samples.texts("id")
    rows = np.array([k for k, one in enumerate(ids) if one in kept], int)
    by = next((one for one in RANKED_BY if np.isfinite(samples.numbers(one)).any()), "")
    values = samples.numbers(by) if by else np.full(len(samples), np.nan)
    usable = rows[np.isfinite(values[rows])]
    if not len(usable):
        return [(int(row), "kept") for row in rows[:MOST]]
    known = values[np.isfinite(values)]
    worst = int(usable[np.argmax(values[usable])])
    found = [(worst, "worst" if values[worst] >= known.max() else "worst kept")]
    middle = float(np.median(known))
    rest = usable[usable != worst]
    if len(rest):
        nearest = int(rest[np.argmin(np.abs(values[rest] - middle))])
        found.append((nearest, "median" if _central(values[nearest], known) else "nearest median"))
        rest = rest[rest != nearest]
    radii = samples.numbers("radius")
    if len(rest) and np.isfinite(radii[rest]).any():
        largest = int(rest[np.nanargmax(radii[rest])])
        if radii[largest] > max(radii[row] for row, _ in found):
            found.append((largest, "largest kept"))
    return found


def _central(value: float, known: np.ndarray) -> bool:
    """Whether a value lies in the middle tenth of the known ones."""
    low, high = np.quantile(known, [0.45, 0.55])
    return bool(low <= value <= high)


def _view(
    samples: Samples,
    case: _Case,
    store: _Store,
    packed: Sequence[dict[str, Any]],
    specs: Definitions,
) -> View:
    facts = []
    material, radius = samples.texts("material")[case.row], samples.numbers("radius")[case.row]
    if material:
        facts.append(material)
    if np.isfinite(radius):
        split = samples.texts("split")[case.row]
        facts.append(f"radius {radius:g} Å" + (f" ({split.upper()})" if split else ""))
    for name in (*RANKED_BY, "bond_length_error", "atom_count_error"):
        value = float(samples.numbers(name)[case.row])
        if np.isfinite(value):
            told = metric_of(specs.get(name) or unknown(name))
            unit = f" {told.unit}" if told.unit else ""
            shown = told.factor * value if abs(value) >= NOISE else 0.0
            facts.append(f"{told.label} {show(shown)}{unit}")
    target, predicted = (_shown(key, store, packed) for key in (case.target, case.predicted))
    label = f"{material or target.formula}, {radius:g} Å" if np.isfinite(radius) else material
    name = samples.texts("id")[case.row]
    return View(name, label or target.formula, case.why, tuple(facts), target, predicted)


def _shown(key: int, store: _Store, packed: Sequence[dict[str, Any]]) -> Shown:
    numbers = store.particles[key][0]
    return Shown(
        key, formula(numbers) if len(numbers) else "no atoms", len(numbers), packed[key]["n"]
    )


# --- packing -----------------------------------------------------------------------------


def cap_of(sizes: Sequence[int]) -> int:
    """The largest number of atoms per particle so that all together stay within ``BUDGET``."""
    if sum(sizes) <= BUDGET:
        return max(sizes, default=0)
    rising = np.sort(np.asarray(sizes))
    left = len(rising) - np.arange(len(rising))
    before = np.concatenate([[0], np.cumsum(rising)[:-1]])
    # Particles below the cap are whole; the others share what these leave.
    caps = (BUDGET - before) // left
    return int(caps[np.argmax(rising > caps)])


def pack(numbers: np.ndarray, positions: np.ndarray, cap: int) -> dict[str, Any]:
    """Atoms as text: elements with their counts, coordinates as base64 of int16.

    Args:
        numbers: Atomic numbers, (n,).
        positions: In Å, (n, 3).
        cap: Most atoms to keep; a larger particle is thinned at random under a fixed seed.

    Returns:
        ``n`` atoms kept, ``z`` as [atomic number, count] in the order of the atoms, ``xyz`` as
        little-endian int16 triples in units of ``STEP`` from the median atom.
    """
    fine = np.isfinite(positions).all(axis=1)
    numbers, positions = numbers[fine], positions[fine]
    if len(positions):
        positions = positions - np.median(positions, axis=0)
    whole = np.rint(np.clip(positions, -1e6, 1e6) / STEP)
    near = (np.abs(whole) <= FARTHEST).all(axis=1)
    numbers, whole = numbers[near], whole[near]
    if len(numbers) > cap:
        rows = np.random.default_rng(0).choice(len(numbers), cap, replace=False)
        numbers, whole = numbers[rows], whole[rows]
    order = np.argsort(numbers, kind="stable")
    species, counts = np.unique(numbers, return_counts=True)
    data = whole[order].astype("<i2").tobytes()
    return {
        "n": len(numbers),
        "z": [[int(z), int(count)] for z, count in zip(species, counts, strict=True)],
        "xyz": base64.b64encode(data).decode(),
    }


def _elements(packed: Sequence[dict[str, Any]]) -> dict[int, list[Any]]:
    from matscale.report.draw.crystals import elements

    found = {z for one in packed for z, _ in one["z"]}
    return elements([{"atoms": [[z] for z in found]}])
