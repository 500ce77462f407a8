"""Copy the training crystal whose elements are most alike and swap the elements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations, product
from typing import Any

import numpy as np
from ase.data import chemical_symbols

from matscale.predictors.predictor import Seed, Told
from matscale.predictors.training import Training
from matscale.results.result import PredictorKind
from matscale.runtime.errors import Refused
from matscale.runtime.exact import settled
from matscale.structures import chemistry
from matscale.structures.chemistry import Composition
from matscale.structures.table import StructureTable

NO_TEMPLATE = "no template"


@dataclass(frozen=True)
class _Family:
    """Training crystals of one anonymous formula.

    Attributes:
        rows: Their rows in the training table, (t,).
        counts: Atoms of each element in a formula unit, rising, (k,).
        elements: Their elements in that order, (t, k).
        sizes: Atoms in each cell, (t,).
    """

    rows: np.ndarray
    counts: np.ndarray
    elements: np.ndarray
    sizes: np.ndarray


class Substitution:
    """The nearest training crystal of the same anonymous formula, with the elements replaced.

    Nearest by the modified Pettifor distance averaged over atoms, with the best assignment of
    elements; of equally near ones a cell with as many atoms as asked comes first, then the first
    in the training set. The volume is what pymatgen's ``DLSVolumePredictor`` makes of the new
    elements, else the template's times the ratio of the elements' molar volumes. A template of
    the very composition that is asked is answered as it is.
    """

    name = "substitution"
    kind: PredictorKind = "floor"
    told: tuple[str, ...] = ("composition",)

    def fit(self, training: Training) -> None:
        """Sort the training crystals by anonymous formula."""
        self._crystals = training.crystals
        self._families = _families(self._crystals)

    def predict(self, told: Told, candidates: int = 1, seed: Seed = 0) -> Sequence[Any]:
        """Substituted crystals; refused where no training crystal has the formula."""
        answers = [self._answers(asked, candidates) for asked in told.column("composition")]
        if candidates > 1:
            return answers
        return [each if isinstance(each, Refused) else each[0] for each in answers]

    def _answers(self, asked: Composition, candidates: int) -> list[StructureTable] | Refused:
        """Crystals made of the nearest templates, nearest first, or why there are none."""
        family = self._families.get(chemistry.anonymous(asked))
        if family is None:
            formula = chemistry.anonymous_formula(asked)
            return Refused(NO_TEMPLATE, f"no training crystal of type {formula}")
        return [
            self._answer(int(family.rows[member]), swaps)
            for member, swaps in nearest(family, asked, candidates)
        ]

    def _answer(self, row: int, swaps: dict[int, int]) -> StructureTable:
        template = self._crystals[row]
        if all(old == new for old, new in swaps.items()):
            return StructureTable(
                template.ids,
                template.offsets,
                template.numbers,
                template.positions,
                template.cells,
            )
        table = np.arange(256, dtype=np.uint8)
        table[list(swaps)] = list(swaps.values())
        numbers = table[template.numbers]
        scale = float(settled(volume_ratio(template, numbers) ** (1 / 3)))
        return StructureTable(
            template.ids,
            template.offsets,
            numbers,
            template.positions * scale,
            template.lattices * scale,
        )


def _families(train: StructureTable) -> dict[tuple[int, ...], _Family]:
    members: dict[tuple[int, ...], list[tuple[int, Composition]]] = defaultdict(list)
    for row in range(len(train)):
        unit = chemistry.reduced(chemistry.composition(train.row_numbers(row)))
        members[chemistry.anonymous(unit)].append((row, unit))
    sizes = train.n_atoms
    return {
        counts: _Family(
            rows=np.array([row for row, _ in crystals]),
            counts=np.array(counts),
            elements=np.array([_by_count(unit) for _, unit in crystals]),
            sizes=sizes[[row for row, _ in crystals]],
        )
        for counts, crystals in members.items()
    }


def _by_count(unit: Composition) -> list[int]:
    return [element for element, _ in sorted(unit, key=lambda part: (part[1], part[0]))]


def _assignments(unit: Composition) -> Iterator[tuple[int, ...]]:
    """All orders of the elements in which the counts still rise: equal counts may change places."""
    groups: dict[int, list[int]] = defaultdict(list)
    for element, count in unit:
        groups[count].append(element)
    choices = [list(permutations(groups[count])) for count in sorted(groups)]
    for choice in product(*choices):
        yield tuple(element for group in choice for element in group)


def nearest(
    family: _Family, asked: Composition, candidates: int = 1
) -> list[tuple[int, dict[int, int]]]:
    """The family's members nearest to a composition, and which element becomes which.

    Args:
        family: Training crystals of the composition's anonymous formula.
        asked: The composition.
        candidates: Members wanted at most.

    Returns:
        Nearest first: place in the family, and training element to asked element by atomic number,
        by the assignment that is best for the member.
    """
    size = sum(count for _, count in asked)
    other_size = family.sizes != size
    assignments = list(_assignments(chemistry.reduced(asked)))
    costs = np.array(
        [
            chemistry.pettifor_distance(family.elements, np.array(elements)) @ family.counts
            for elements in assignments
        ]
    )
    best = costs.argmin(axis=0)  # of equals the first assignment
    order = np.lexsort((other_size, costs.min(axis=0)))[:candidates].tolist()
    return [
        (
            member,
            dict(zip(family.elements[member].tolist(), assignments[best[member]], strict=True)),
        )
        for member in order
    ]


def volume_ratio(template: StructureTable, numbers: np.ndarray) -> float:
    """Volume of a template with new elements over its own.

    Args:
        template: One crystal.
        numbers: Its atoms' new atomic numbers, (n,).
    """
    from pymatgen.analysis.structure_prediction.volume_predictor import DLSVolumePredictor

    swapped = StructureTable(
        template.ids, template.offsets, numbers, template.positions, template.cells
    ).to_pymatgen(0)
    try:
        return float(DLSVolumePredictor().predict(swapped)) / swapped.volume
    except (ValueError, TypeError, ZeroDivisionError):  # an element without radius, no neighbours
        old = sum(_molar_volume(z) for z in template.numbers.tolist())
        return sum(_molar_volume(z) for z in numbers.tolist()) / old


@lru_cache(maxsize=256)
def _molar_volume(number: int) -> float:
    """Molar volume of an element in cm^3; carbon's 5.3 where pymatgen knows none."""
    from pymatgen.core import Element

    return float(Element(chemical_symbols[number]).molar_volume or 5.3)
