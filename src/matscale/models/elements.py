"""What a model knows of the elements before it is trained."""

from __future__ import annotations

from functools import cache

import numpy as np

MOST = 118
"""Highest atomic number."""


@cache
def element_features() -> np.ndarray:
    """Properties of the elements from pymatgen's tables, standardised.

    Pauling electronegativity, atomic radius, edge of the molar volume, Mendeleev number, group,
    row, and the block. A property that is not known is 0, the mean.

    Returns:
        By atomic number, (119, 10); row 0 is zeros.
    """
    known = np.array([_features(number) for number in range(1, MOST + 1)], dtype=np.float64)
    centred = (known - np.nanmean(known, axis=0)) / np.nanstd(known, axis=0)
    features = np.zeros((MOST + 1, known.shape[1]))
    features[1:] = np.nan_to_num(centred, nan=0.0)
    return features.astype(np.float32)


def _features(number: int) -> list[float]:
    import warnings

    from pymatgen.core import Element

    element = Element.from_Z(number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pymatgen says that values are missing
        listed = [element.X, element.atomic_radius, element.molar_volume, element.mendeleev_no]
    values = [float("nan") if value is None else float(value) for value in listed]
    values[2] **= 1 / 3
    block = [float(element.block == name) for name in "spdf"]
    return [*values, float(element.group), float(element.row), *block]
