"""What a forest sees of a composition and a template."""

from __future__ import annotations

from functools import cache

import numpy as np
from ase.data import chemical_symbols, covalent_radii

from matscale.models.prototype.geometry import NONE, Geometry
from matscale.models.prototype.pairs import Pairs
from matscale.runtime.exact import settled
from matscale.structures.elements import descriptors

SLOTS = 3
"""Slots that are looked at one by one; further ones count in means alone."""


@cache
def traits() -> np.ndarray:
    """Electronegativity, radius, Pettifor number, valence electrons and row, (256, 5).

    The first three are :func:`matscale.structures.elements.descriptors`. Valence electrons are the
    group, less ten from the 13th on, three for lanthanoids and actinoids.
    """
    from pymatgen.core import Element

    values = np.zeros((256, 5))
    values[:, :3] = descriptors()
    for number, symbol in enumerate(chemical_symbols[1:119], start=1):
        element = Element(symbol)
        group = 3 if element.is_lanthanoid or element.is_actinoid else int(element.group)
        values[number, 3] = group if group <= 12 else group - 10
        values[number, 4] = element.row
    return values


def features_of(pairs: Pairs, geometry: Geometry, volumes: np.ndarray) -> np.ndarray:
    """Features of pairs, (p, f).

    Args:
        pairs: Compositions with their templates.
        geometry: Of the templates.
        volumes: Volume of an atom of each element in Å^3, (256,).
    """
    present = pairs.counts > 0
    weights = pairs.counts / pairs.counts.sum(axis=1, keepdims=True)
    asked = (volumes[pairs.new] * weights).sum(axis=1)
    theirs = (volumes[pairs.old] * weights).sum(axis=1)
    own = geometry.volumes[pairs.template]
    columns = [
        *_chemistry(pairs, present, weights),
        *_contacts(pairs, present, geometry, own * asked / theirs),
        pairs.counts[:, :SLOTS],
        geometry.edges[pairs.template],
        np.stack(
            [
                pairs.distances,
                pairs.ranks,
                pairs.other_size,
                pairs.atoms,
                pairs.atoms / pairs.counts.sum(axis=1),
                geometry.groups[pairs.template],
                geometry.frequencies[pairs.template],
                own,
                asked,
                own / theirs,
            ],
            axis=1,
        ),
    ]
    return settled(np.concatenate(columns, axis=1))


def _chemistry(pairs: Pairs, present: np.ndarray, weights: np.ndarray) -> list[np.ndarray]:
    """The asked elements by slot, and how they differ from the template's: slots, mean, most."""
    new = np.where(present[..., None], traits()[pairs.new], 0)
    steps = np.where(present[..., None], new - traits()[pairs.old], 0)
    sizes = np.abs(steps)
    return [
        *(new[:, slot] for slot in range(min(SLOTS, new.shape[1]))),
        *(steps[:, slot] for slot in range(min(SLOTS, new.shape[1]))),
        (new * weights[..., None]).sum(axis=1),
        (sizes * weights[..., None]).sum(axis=1),
        sizes.max(axis=1),
    ]


def _contacts(
    pairs: Pairs, present: np.ndarray, geometry: Geometry, volumes: np.ndarray
) -> list[np.ndarray]:
    """Contacts of slots in the template, before and after the swap, and neighbours, by slot.

    Contacts are over the sum of the covalent radii.

    Args:
        pairs: Compositions with their templates.
        present: Which slots there are, (p, k).
        geometry: Of the templates.
        volumes: For each atom after the swap in Å^3, (p,).
    """
    radii = np.ones(256)
    radii[: len(covalent_radii)] = covalent_radii
    columns = []
    closest = np.full((len(pairs), 2), np.inf)
    width = min(SLOTS, present.shape[1])
    for first in range(width):
        for second in range(width):
            there = present[:, first] & present[:, second]
            place = pairs.template, pairs.places[:, first], pairs.places[:, second]
            columns.append(np.where(there, geometry.neighbours[place], NONE))
            if second < first:
                continue
            apart = geometry.contacts[place]
            old = apart * np.cbrt(geometry.volumes[pairs.template])
            old /= radii[pairs.old[:, first]] + radii[pairs.old[:, second]]
            new = apart * np.cbrt(volumes)
            new /= radii[pairs.new[:, first]] + radii[pairs.new[:, second]]
            columns += [np.where(there, of, NONE) for of in (apart, new, new / old)]
            for kind, of in enumerate((old, new)):
                closest[:, kind] = np.minimum(closest[:, kind], np.where(there, of, np.inf))
    return [np.stack(columns, axis=1), closest]
