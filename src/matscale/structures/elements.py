"""How alike two elements are, by what decides which crystal a compound takes."""

from __future__ import annotations

from functools import cache

import numpy as np
from ase.data import chemical_symbols, covalent_radii
from ase.data import missing as NO_RADIUS  # noqa: N812 - a constant, in the wrong case

from matscale.structures.chemistry import PETTIFOR

HEAVIEST = 94
"""Plutonium: the elements up to it set the scale of each descriptor."""


@cache
def descriptors() -> np.ndarray:
    """Electronegativity, covalent radius and modified Pettifor number by atomic number, (256, 3).

    Pauling's electronegativities as pymatgen has them, the radii of Cordero et al. (Dalton Trans.
    2832, 2008) as ASE has them, :data:`matscale.structures.chemistry.PETTIFOR`. Each is counted in
    standard deviations from its mean over the elements up to plutonium; what is not known of an
    element is taken to be the mean, 0.
    """
    values = np.full((256, 3), np.nan)
    values[:, 0] = _electronegativities()
    known = covalent_radii != NO_RADIUS
    values[: len(covalent_radii), 1][known] = covalent_radii[known]
    values[PETTIFOR >= 0, 2] = PETTIFOR[PETTIFOR >= 0]
    usual = values[1 : HEAVIEST + 1]
    return np.nan_to_num((values - np.nanmean(usual, axis=0)) / np.nanstd(usual, axis=0))


def _electronegativities() -> np.ndarray:
    """Pauling's scale by atomic number, (256,); NaN where there is none."""
    import warnings

    from pymatgen.core import Element

    values = np.full(256, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of noble gases, which have none
        for number, symbol in enumerate(chemical_symbols[1:104], start=1):
            values[number] = Element(symbol).X
    return values


def unlikeness(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Euclidean distance of elements by :func:`descriptors`; atomic numbers, broadcast."""
    return np.linalg.norm(descriptors()[first] - descriptors()[second], axis=-1)
