"""What the page shows of generated crystals: copies of training, swaps of elements, or new."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_numbers

from matscale.report.draw.cases import load_table
from matscale.report.draw.crystals import formula, view
from matscale.report.parts.novelty import figures
from matscale.report.parts.novelty.figures import CLASSES
from matscale.report.parts.part import Gathered
from matscale.results.result import Result
from matscale.results.rounding import show
from matscale.results.samples import Samples, beside
from matscale.runtime.exact import settled
from matscale.structures.table import StructureTable

GENERATED, TRAIN = "generated.parquet", "matched_train.parquet"
"""Tables of crystals that are looked for beside a result that names none."""

SYSTEMS = (
    "cubic", "hexagonal", "trigonal", "tetragonal", "orthorhombic", "monoclinic", "triclinic",
)  # fmt: skip
"""From the highest symmetry to the lowest: copies are commonest at the top."""

METASTABLE = 0.1
"""Energy above hull in eV/atom up to which a crystal counts as metastable."""

MOST_LISTED, MOST_DRAWN, MOST_SWAPS = 20, 12, 12
_KINDS = {"both": CLASSES[1], "anonymous": CLASSES[2], "wyckoff": CLASSES[3]}
_SWAP = re.compile(r"([A-Z][a-z]?)>([A-Z][a-z]?)")


@dataclass(frozen=True)
class Swaps:
    """Elements that went out of training crystals, and those that came in."""

    out: str
    into: str
    top: tuple[tuple[str, str, int], ...]
    crystals: int
    unread: int


@dataclass(frozen=True)
class Novel:
    """One line of the list of new crystals."""

    id: str
    formula: str
    facts: tuple[str, ...]


@dataclass(frozen=True)
class Generated:
    """The crystals of one predictor."""

    name: str
    kind: str
    by_system: str
    counts: tuple[tuple[str, Mapping[str, int]], ...]
    swaps: Swaps | None
    novel: tuple[Novel, ...]
    novel_total: int
    stable_known: bool


@dataclass(frozen=True)
class Novelty:
    """Everything that the page says of generated crystals.

    Attributes:
        overall: Classes of every predictor's crystals.
        below: Whether that figure stands here, for the section opens with another.
        classes: Name and colour class of each.
        generated: The crystals of each predictor.
        curves: Novelty curves.
        drawn: Whose curves.
        metastable: eV/atom above the hull up to which a crystal is listed.
    """

    overall: str
    below: bool
    classes: tuple[tuple[str, str], ...]
    generated: tuple[Generated, ...]
    curves: tuple[str, ...]
    drawn: tuple[str, ...]
    metastable: float = METASTABLE


def has_classes(samples: Samples) -> bool:
    """Whether these are samples of the novelty task."""
    return "class" in samples.columns and len(samples) > 0


def novelty(gathered: Gathered) -> Novelty | None:
    """What became of generated crystals, or None where no samples have classes."""
    samples = gathered.samples
    shown = [one for one in gathered.leading if has_classes(samples[one.predictor.name])]
    if not shown:
        return None
    names = [result.predictor.name for result in shown]
    counts = [(name, Counter(classes_of(samples[name]))) for name in names]
    present = {one for _, counter in counts for one in counter}
    return Novelty(
        overall=figures.stacked_bars(counts, "Classes of every predictor's crystals", 20),
        below=gathered.has_ladder,
        classes=tuple((one, figures.CLASS_COLOUR[one]) for one in CLASSES if one in present),
        generated=tuple(
            _generated(one, samples[one.predictor.name], gathered.folder) for one in shown
        ),
        curves=tuple(_curves([(name, samples[name]) for name in names], gathered.series)),
        drawn=tuple(names),
    )


def classes_of(samples: Samples) -> list[str]:
    """Class of each sample, substituted ones by how; what is not in the vocabulary is failed."""
    found = []
    for name, kind in zip(samples.texts("class"), samples.texts("kind"), strict=True):
        one = _KINDS.get(kind, name) if name == "substituted" else name
        found.append(one if one in CLASSES else "failed")
    return found


def _generated(result: Result, samples: Samples, folder: Path | None) -> Generated:
    by_system: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for system, one in zip(samples.texts("crystal_system"), classes_of(samples), strict=True):
        by_system[system or "not known"][one] += 1
    order = [*SYSTEMS, *(name for name in by_system if name not in SYSTEMS)]
    rows = tuple((name, by_system[name]) for name in order if name in by_system)
    model = result.predictor.kind == "model"
    rows_of_novel, known = farthest_from_training(samples)
    table = _table(result.predictions, GENERATED, folder) if model else None
    return Generated(
        name=result.predictor.name,
        kind=result.predictor.kind,
        by_system=figures.stacked_bars(rows, f"{result.predictor.name}: classes by crystal system"),
        counts=rows,
        swaps=_swaps(result.predictor.name, samples) if model else None,
        novel=tuple(_novel(samples, row, table) for row in rows_of_novel[:MOST_LISTED]),
        novel_total=len(rows_of_novel),
        stable_known=known,
    )


# --- swaps -------------------------------------------------------------------------------


def _swaps(name: str, samples: Samples) -> Swaps | None:
    """How often elements took each other's places; each swap of a crystal counts once."""
    pairs: Counter[tuple[str, str]] = Counter()
    crystals = unread = 0
    for text in samples.texts("swaps"):
        found = set()
        for word in text.split():
            swap = _SWAP.fullmatch(word)
            if swap and swap[1] in atomic_numbers and swap[2] in atomic_numbers:
                found.add((swap[1], swap[2]))
            else:
                unread += 1
        pairs.update(sorted(found))
        crystals += bool(found)
    if not pairs:
        return None
    grids = []
    for side, verb, what in ((0, "goes out", "replaced"), (1, "comes in", "put in their place")):
        partners: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for pair, count in pairs.items():
            partners[pair[side]][pair[1 - side]] += count
        totals = {symbol: sum(counter.values()) for symbol, counter in partners.items()}
        says = {one: figures.spoken(one, counter, verb) for one, counter in partners.items()}
        title = f"{name}: elements of training crystals that were {what}"
        if side:
            title = f"{name}: elements that were {what}"
        grids.append(figures.periodic_table(totals, says, title))
    ranked = sorted(pairs.items(), key=lambda entry: (-entry[1], entry[0]))
    top = tuple((*pair, count) for pair, count in ranked[:MOST_SWAPS])
    return Swaps(grids[0], grids[1], top, crystals, unread)


# --- farthest from training ----------------------------------------------------------------------


def farthest_from_training(samples: Samples) -> tuple[list[int], bool]:
    """Rows of unmatched crystals, farthest from training first, and whether stability is known.

    Where there are energies, only those up to :data:`METASTABLE` above a hull with compounds;
    where validity or uniqueness is known, only valid ones, and each once.
    """
    energy = samples.numbers("energy_above_hull")
    known = bool(np.isfinite(energy).any())
    chosen = np.array([one == "unmatched" for one in classes_of(samples)])
    if known:
        chosen &= np.nan_to_num(energy, nan=np.inf) <= METASTABLE
    for name in ("valid", "unique", *(("stability_known",) if known else ())):
        if name in samples.columns:
            chosen &= samples.flags(name)
    distance = np.nan_to_num(samples.numbers("amd_distance"), nan=-1.0)
    return [int(k) for k in np.argsort(-settled(distance), kind="stable") if chosen[k]], known


def _novel(samples: Samples, row: int, table: StructureTable | None) -> Novel:
    place = _row_in(samples, row, "generated_row", table)
    return Novel(
        id=samples.texts("id")[row],
        formula="" if table is None or place is None else formula(table.row_numbers(place)),
        facts=(
            _number(samples, "energy_above_hull", row, 3),
            _number(samples, "amd_distance", row, 2),
            _number(samples, "element_distance", row, 1),
            samples.texts("crystal_system")[row],
            samples.texts("space_group")[row],
            samples.texts("train_id")[row],
        ),
    )


def _number(samples: Samples, column: str, row: int, digits: int) -> str:
    value = samples.numbers(column)[row]
    return show(float(value), digits) if np.isfinite(value) else "–"


# --- cases in 3D -------------------------------------------------------------------------


def novelty_cases(
    result: Result, samples: Samples, folder: Path | None
) -> tuple[list[dict[str, Any]], str]:
    """Unmatched crystals beside their nearest in training, and why there are none."""
    generated = _table(result.predictions, GENERATED, folder)
    train = _table(result.targets, TRAIN, folder)
    if generated is None or train is None:
        what = "generated" if generated is None else "training"
        return [], f"The {what} crystals are not in the folder of results."
    stable, _ = farthest_from_training(samples)
    classes = classes_of(samples)
    rest = [k for k, one in enumerate(classes) if one == "unmatched" and k not in set(stable)]
    found: list[dict[str, Any]] = []
    for row in (*stable, *rest):
        sides = (
            _row_in(samples, row, "train_row", train),
            _row_in(samples, row, "generated_row", generated),
        )
        if None not in sides and len(found) < MOST_DRAWN:
            found.append(_case(samples, row, row in stable, (train, generated), sides))
    return found, "" if found else "No unmatched crystal has a nearest training crystal to draw."


def _case(
    samples: Samples,
    row: int,
    stable: bool,
    tables: tuple[StructureTable, StructureTable],
    rows: tuple[Any, ...],
) -> dict[str, Any]:
    texts = {name: samples.texts(name)[row] for name in ("id", "train_id", "crystal_system")}
    facts = [f"nearest in training {texts['train_id']}"]
    if texts["crystal_system"]:
        facts.append(texts["crystal_system"])
    for column, text, digits in (
        ("amd_distance", "AMD distance {} Å", 2),
        ("element_distance", "element distance {}", 1),
        ("energy_above_hull", "{} eV/atom above the hull", 3),
    ):
        value = _number(samples, column, row, digits)
        if value != "–":
            facts.append(text.format(value))
    energies = np.isfinite(samples.numbers("energy_above_hull")).any()
    known = "metastable" if energies else "stability unknown"
    why = known if stable else "unmatched"
    return {
        "id": texts["id"],
        "why": why,
        "facts": facts,
        "target": view(tables[0], rows[0]),
        "predicted": view(tables[1], rows[1]),
    }


def _table(name: str | None, otherwise: str, folder: Path | None) -> StructureTable | None:
    path = beside(folder, name) or beside(folder, otherwise)
    return None if path is None else load_table(path)


def _row_in(samples: Samples, row: int, column: str, table: StructureTable | None) -> int | None:
    """The row of a table that a sample names by number: ids may repeat."""
    place = samples.numbers(column)[row]
    if table is None or not 0 <= place < len(table):
        return None
    return int(place)


# --- curves ------------------------------------------------------------------------------


def _curves(named: Sequence[tuple[str, Samples]], series: Mapping[str, str]) -> list[str]:
    found = []
    for column, label in (
        ("amd_distance", "AMD distance to the nearest training crystal above (Å)"),
        ("element_distance", "element mover's distance to the nearest above"),
    ):
        every = [
            (series[name], samples.numbers(column), len(samples))
            for name, samples in named
            if np.isfinite(samples.numbers(column)).any()
        ]
        if every:
            found.append(figures.novelty_curves(every, label))
    return found
