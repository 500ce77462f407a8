"""Pairs of a composition and a training crystal that could be its template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from matscale.predictors.floors.templates import Families, ordered
from matscale.structures import chemistry
from matscale.structures.chemistry import Composition
from matscale.structures.elements import descriptors


@dataclass(frozen=True, eq=False)
class Pairs:
    """Compositions with their templates, p pairs: composition by composition, nearest first.

    An element of the composition and the template's element that it takes the place of have one
    slot, of k at most; those with more atoms come first, then the more electropositive ones.

    Attributes:
        asked: Place of the composition, (p,).
        template: Row of the training crystal, (p,).
        new: The composition's elements by slot, (p, k); 0 where there are fewer.
        old: The template's elements by slot, (p, k).
        places: Their places among the elements of the template's family, (p, k).
        counts: Atoms of each in a formula unit, (p, k).
        atoms: Atoms that are asked, (p,).
        distances: How unlike the elements are, (p,).
        other_size: Whether the template's cell has another number of atoms, (p,) bool.
        ranks: Places in the order of the floor ``substitution``, from 0, (p,).
    """

    asked: np.ndarray
    template: np.ndarray
    new: np.ndarray
    old: np.ndarray
    places: np.ndarray
    counts: np.ndarray
    atoms: np.ndarray
    distances: np.ndarray
    other_size: np.ndarray
    ranks: np.ndarray

    def __len__(self) -> int:
        return len(self.asked)

    def __getitem__(self, rows: np.ndarray | slice) -> Pairs:
        """Some of the pairs, by a boolean mask, a slice or indices."""
        return Pairs(**{name: values[rows] for name, values in vars(self).items()})


def pairs_of(compositions: Sequence[Composition], known: Families) -> Pairs:
    """Every composition with every training crystal of its anonymous formula.

    Args:
        compositions: What is asked; those without a family have no pairs.
        known: Training crystals by anonymous formula.
    """
    width = max((len(counts) for counts in known), default=1)
    parts = [
        part
        for place, asked in enumerate(compositions)
        if (part := _of_one(place, asked, known, width)) is not None
    ]
    if not parts:
        none, wide = np.empty(0, np.int64), np.empty((0, width), np.int64)
        return Pairs(none, none, wide, wide, wide, wide, none, none * 1.0, none > 0, none)
    return Pairs(
        **{name: np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])}
    )


def _of_one(place: int, asked: Composition, known: Families, width: int) -> Pairs | None:
    family = known.get(chemistry.anonymous(asked))
    if family is None:
        return None
    order = ordered(family, asked)
    number = len(order.members)
    counts = np.broadcast_to(family.counts, order.elements.shape)
    slots = np.lexsort((order.elements, descriptors()[order.elements, 0], -counts), axis=1)

    def by_slot(values: np.ndarray) -> np.ndarray:
        wide = np.zeros((number, width), np.int64)
        wide[:, : values.shape[1]] = np.take_along_axis(values, slots, axis=1)
        return wide

    return Pairs(
        asked=np.full(number, place),
        template=family.rows[order.members],
        new=by_slot(order.elements),
        old=by_slot(family.elements[order.members]),
        places=by_slot(np.broadcast_to(np.arange(slots.shape[1]), slots.shape)),
        counts=by_slot(counts),
        atoms=np.full(number, sum(count for _, count in asked)),
        distances=order.distances,
        other_size=order.other_size,
        ranks=np.arange(number),
    )
