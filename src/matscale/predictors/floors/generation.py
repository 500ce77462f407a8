"""Floors of generation: training crystals, the same with swapped elements, random atoms.

They are told nothing and answer as many samples as there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ase.data import covalent_radii

from matscale.predictors.predictor import Seed, Told
from matscale.predictors.training import Training
from matscale.results.result import PredictorKind
from matscale.runtime.exact import settled
from matscale.structures import chemistry
from matscale.structures.chemistry import PETTIFOR
from matscale.structures.table import StructureTable

MOST_SAMPLES = 200
"""Crystals of a floor; more would say the same and take their time to relax."""

REACH = 5
"""Places on the modified Pettifor scale within which an element is swapped for another."""

TRIALS = 20
"""Draws of swaps until a composition is not among the training crystals."""

MOST_BOXES = 50
"""Boxes of random atoms: all end alike, and each takes the longest of relaxations."""

FEWEST_ATOMS = 8
"""Of a box: one of fewer atoms may be a simple lattice by chance."""

CLOSEST = 1.5
"""Å that random atoms keep from each other where there is room."""

HEAVIEST = 94
"""Plutonium: what potentials know."""

LIKE_SIZE = 1.1
"""Ratio of covalent radii, either way, up to which an element takes another's place: one that is
much larger would not keep the crystal."""

_KNOWN = np.array(
    [z for z in np.argsort(PETTIFOR, kind="stable") if PETTIFOR[z] >= 0 and z <= HEAVIEST]
)
"""Elements in the order of the scale."""


class TrainingSample:
    """Training crystals drawn at random: all duplicates."""

    name = "training_sample"
    kind: PredictorKind = "floor"
    told: tuple[str, ...] = ()
    most = MOST_SAMPLES

    def fit(self, training: Training) -> None:
        """Remember the training crystals."""
        self._crystals = training.crystals

    def predict(self, told: Told, candidates: int = 1, seed: Seed = 0) -> Sequence[Any]:
        """As many crystals as there are samples, or as many times as many."""
        made = self._made(len(told) * candidates, _whole(seed))
        if candidates == 1:
            return [made[k] if k < len(made) else None for k in range(len(told))]
        starts = range(0, len(told) * candidates, candidates)
        return [[made[k] for k in range(s, min(s + candidates, len(made)))] for s in starts]

    def _made(self, count: int, seed: int) -> StructureTable:
        return sample(self._crystals, count, seed)


class RandomSubstitution(TrainingSample):
    """The drawn training crystals, each element swapped for a like one: nearly all substituted."""

    name = "random_substitution"

    def _made(self, count: int, seed: int) -> StructureTable:
        return random_substitution(super()._made(count, seed), self._crystals, seed)


class RandomAtoms(TrainingSample):
    """Random atoms in boxes like the drawn training crystals: all unmatched.

    It fills :data:`MOST_BOXES` boxes and has no further answers.
    """

    name = "random_atoms"
    most = MOST_BOXES

    def _made(self, count: int, seed: int) -> StructureTable:
        return random_atoms(super()._made(count, seed)[:MOST_BOXES], self._crystals, seed)


def _whole(seed: Seed) -> int:
    """A seed from which several generators can be made."""
    return int(seed.integers(2**32)) if isinstance(seed, np.random.Generator) else seed


def sample(table: StructureTable, size: int, seed: int) -> StructureTable:
    """Crystals drawn at random, in the order of the table: without replacement where enough."""
    generator = np.random.default_rng(seed)
    return table[np.sort(generator.choice(len(table), size, replace=size > len(table)))]


def random_substitution(drawn: StructureTable, train: StructureTable, seed: int) -> StructureTable:
    """Crystals with each element swapped for a neighbour on the modified Pettifor scale.

    Different elements stay different, compositions of training crystals are avoided, and cells are
    scaled with the covalent volumes of the elements.
    """
    taken = {_unit(train.row_numbers(row)) for row in range(len(train))}
    generator = np.random.default_rng([seed, 1])
    made = []
    for row in range(len(drawn)):
        old = drawn.row_numbers(row)
        for _ in range(TRIALS):
            new = _swapped(old, generator)
            if _unit(new) not in taken:
                break
        scale = float(settled((_volume(new) / _volume(old)) ** (1 / 3)))
        made.append((new, drawn.row_positions(row) * scale, drawn.lattices[row] * scale))
    numbers, positions, cells = zip(*made, strict=True) if made else ((), (), ())
    return StructureTable.from_parts(list(drawn.ids), numbers, positions, cells)


def random_atoms(drawn: StructureTable, train: StructureTable, seed: int) -> StructureTable:
    """Boxes of random atoms, with as many of as many elements as each drawn crystal.

    The elements are any of training's, the places random; the volume is the crystal's, scaled with
    the covalent volumes. Hardly any crystal matches such a box: it shows what being new is worth
    alone.
    """
    generator = np.random.default_rng([seed, 2])
    elements = np.unique(train.numbers)
    numbers, positions, cells = [], [], []
    for row in range(len(drawn)):
        old = drawn.row_numbers(row)
        old = np.tile(old, -(-FEWEST_ATOMS // len(old)))
        own = np.unique(old)
        new = generator.choice(elements, len(own), replace=False)[np.searchsorted(own, old)]
        volume = drawn.volumes[row] * len(old) / drawn.n_atoms[row]
        edges = generator.uniform(1, 1.5, 3)
        edges *= (volume * _volume(new) / _volume(old) / edges.prod()) ** (1 / 3)
        edges = settled(edges)
        numbers.append(new)
        positions.append(_scattered(len(new), edges, generator))
        cells.append(np.diag(edges))
    return StructureTable.from_parts(list(drawn.ids), numbers, positions, cells)


def _scattered(n: int, edges: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Random places (n, 3) in a periodic box: of some draws each the farthest from those before."""
    places = generator.random((n, 3)) * edges
    for k in range(1, n):
        draws = generator.random((TRIALS, 3)) * edges
        gaps = draws[:, None] - places[None, :k]
        gaps -= edges * np.rint(gaps / edges)
        room = settled(np.linalg.norm(gaps, axis=2).min(axis=1))
        # The first with room enough, else the one with the most.
        places[k] = draws[np.argmax(np.minimum(room, CLOSEST))]
    return places


def _swapped(numbers: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """New elements (n,): each old one becomes another nearby, no two the same."""
    table = np.arange(256, dtype=np.uint8)
    used: set[int] = set()
    for element in np.unique(numbers).tolist():
        gaps = np.abs(PETTIFOR[_KNOWN] - PETTIFOR[element])
        sizes = np.abs(np.log(covalent_radii[_KNOWN] / covalent_radii[element]))
        unlike = settled(np.maximum(sizes / np.log(LIKE_SIZE), 1.0))
        order = _KNOWN[np.lexsort((generator.random(len(_KNOWN)), gaps > REACH, unlike))]
        free = (int(z) for z in order if z != element and int(z) not in used)
        table[element] = next(free)
        used.add(int(table[element]))
    return table[numbers]


def _volume(numbers: np.ndarray) -> float:
    return float((covalent_radii[numbers] ** 3).sum())


def _unit(numbers: np.ndarray) -> chemistry.Composition:
    return chemistry.reduced(chemistry.composition(numbers))
