"""Training crystals as templates: those of a formula, the nearest, their elements swapped."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np
from ase.data import covalent_radii

from matscale.runtime.errors import Refused
from matscale.runtime.exact import settled
from matscale.structures import chemistry
from matscale.structures.chemistry import Composition
from matscale.structures.elements import unlikeness
from matscale.structures.table import StructureTable

NO_TEMPLATE = "no template"


@dataclass(frozen=True)
class Family:
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


Families = Mapping[tuple[int, ...], Family]
"""By counts, rising."""


def families(train: StructureTable) -> Families:
    """Training crystals by anonymous formula, each family in the order of the training set."""
    members: dict[tuple[int, ...], list[tuple[int, Composition]]] = defaultdict(list)
    for row in range(len(train)):
        unit = chemistry.reduced(chemistry.composition(train.row_numbers(row)))
        members[chemistry.anonymous(unit)].append((row, unit))
    sizes = train.n_atoms
    return {
        counts: Family(
            rows=np.array([row for row, _ in crystals]),
            counts=np.array(counts),
            elements=np.array([_by_count(unit) for _, unit in crystals]),
            sizes=sizes[[row for row, _ in crystals]],
        )
        for counts, crystals in members.items()
    }


def family_of(known: Families, asked: Composition) -> Family | Refused:
    """The family of a composition, or why there is none."""
    family = known.get(chemistry.anonymous(asked))
    if family is None:
        formula = chemistry.anonymous_formula(asked)
        return Refused(NO_TEMPLATE, f"no training crystal of type {formula}")
    return family


@dataclass(frozen=True)
class Order:
    """A family's members as templates of a composition, nearest first.

    Attributes:
        members: Places in the family, (t,).
        elements: Which asked element takes the place of each of the member's, (t, k), by the
            assignment that is best for the member.
        distances: Mean distance of the elements that are swapped, (t,).
        other_size: Whether the cell has another number of atoms than is asked, (t,) bool.
    """

    members: np.ndarray
    elements: np.ndarray
    distances: np.ndarray
    other_size: np.ndarray


def ordered(family: Family, asked: Composition) -> Order:
    """Order a family's members by how near they are to a composition.

    Cells with as many atoms as asked come first; among them, the smaller the distance of swapped
    elements, averaged over atoms (:func:`matscale.structures.elements.unlikeness`); among equally
    near ones, to a millionth, the first in the training set. Of equally good assignments of
    elements the first one by atomic number is taken.

    Args:
        family: Training crystals of the composition's anonymous formula.
        asked: The composition.
    """
    assignments = np.array(list(_assignments(chemistry.reduced(asked))))
    weights = family.counts / family.counts.sum()
    # (t, a, k): member, assignment, element.
    apart = unlikeness(family.elements[:, None, :], assignments[None, :, :])
    costs = settled((apart * weights).sum(axis=2))
    best = costs.argmin(axis=1)
    distances = costs.min(axis=1)
    other_size = family.sizes != sum(count for _, count in asked)
    order = np.lexsort((distances, other_size))
    return Order(order, assignments[best[order]], distances[order], other_size[order])


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


# --- volumes -----------------------------------------------------------------------------

PRIOR = 0.03
"""Weight of the prior beside one crystal that is of one element alone. In grouped folds of
Supercon-3D's training set the median error of substituted volumes is 4 % from 0.01 to 0.3."""

LEAST_VOLUME = 0.25
"""Least volume of an atom as a share of its prior: a fit to few crystals may go below nothing."""


def fitted_volumes(train: StructureTable) -> np.ndarray:
    """Volume of an atom of each element in Å^3, (256,), fitted to the training crystals.

    Cell volumes are taken to be sums over atoms; relative errors are squared, and so are the
    relative deviations from a prior, which is all that is known of an element without crystals:
    the cube of the covalent radius, times what makes it right for the median crystal.
    """
    radii = np.full(256, np.median(covalent_radii[1:]))
    radii[: len(covalent_radii)] = covalent_radii
    counts = np.zeros((len(train), 256))
    atoms = np.repeat(np.arange(len(train)), train.n_atoms)
    np.add.at(counts, (atoms, train.numbers), 1.0)
    prior = radii**3
    prior *= np.median(train.volumes / (counts @ prior))
    shares = counts * prior / train.volumes[:, None]
    normal = shares.T @ shares + PRIOR * np.eye(256)
    factors = 1 + np.linalg.solve(normal, shares.T @ (1 - shares.sum(axis=1)))
    return settled(prior * np.maximum(factors, LEAST_VOLUME))


# --- substitution ------------------------------------------------------------------------


def substituted(
    template: StructureTable, old: Sequence[int], new: Sequence[int], volumes: np.ndarray
) -> StructureTable:
    """A template with other elements, its volume scaled with those of the atoms.

    Where no element changes it is as it was.

    Args:
        template: One crystal.
        old: Its elements.
        new: What becomes of each.
        volumes: Volume of an atom of each element in Å^3, (256,).
    """
    swap = np.arange(256, dtype=np.uint8)
    swap[list(old)] = list(new)
    numbers = swap[template.numbers]
    scale = 1.0
    if (numbers != template.numbers).any():
        ratio = volumes[numbers].sum() / volumes[template.numbers].sum()
        scale = float(settled(ratio ** (1 / 3)))
    return StructureTable(
        template.ids,
        template.offsets,
        numbers,
        template.positions * scale,
        template.lattices * scale,
    )
