"""Radii of the published splits, and which split a material set is published with."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

SPLITS = ("train", "id", "ood")
"""Training, test within the range of the training radii, and test beyond it."""

TEST_SPLITS = ("id", "ood")

Radii = Mapping[str, tuple[float, ...]]
"""Radii in Å of each split."""

C2NP: Radii = MappingProxyType(
    {
        "train": (8, 9, 12, 13, 14, 15, 16, 18, 19, 20, 22, 23, 25, 27, 28),
        "id": (10, 11, 17, 21, 24, 26),
        "ood": (6, 7, 29, 30),
    }
)
"""arXiv:2601.19076, appendix A.1."""

RADII: Radii = MappingProxyType(
    {
        "train": (8, 9, 10, 12, 14, 16, 18, 20, 22, 23, 24, 25, 26, 27, 28),
        "id": (11, 13, 15, 17, 19, 21),
        "ood": (6, 7, 29, 30),
    }
)
"""arXiv:2602.09309."""

RADIUS_SPLITS: Mapping[str, Radii] = MappingProxyType({"c2np": C2NP, "radii": RADII})
"""The published splits by radius."""

MARGINS: Mapping[str, float] = MappingProxyType({"id": 6.0, "ood": 4.5})
"""Degrees that a test rotation keeps from any training rotation."""
