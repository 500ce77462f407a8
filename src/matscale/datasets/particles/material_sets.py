"""The material sets that come with matscale, all made by it; see ``matscale data materials``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from types import MappingProxyType

from matscale.runtime.errors import UserError, did_you_mean
from matscale.structures.formats.parquet import read_parquet
from matscale.structures.table import StructureTable


@dataclass(frozen=True)
class MaterialSet:
    """What is known of a set of materials.

    Attributes:
        title: What it holds.
        split: The published split of radii that it comes with.
        source: Where cells come from.
    """

    title: str
    split: str
    source: str


MATERIAL_SETS: Mapping[str, MaterialSet] = MappingProxyType(
    {
        "perov-h3": MaterialSet(
            "100 cubic hydride perovskites ABH3",
            "c2np",
            "enumerated by charge balance and tolerance factor; cells relaxed with CHGNet 0.3.0",
        ),
        "diverse": MaterialSet(
            "ordered crystals of all seven crystal systems",
            "c2np",
            "AFLOW prototypes (Mehl et al., Comput. Mater. Sci. 136, S1 (2017)) as in pymatgen",
        ),
        "radii-10": MaterialSet(
            "the ten materials of RADII",
            "radii",
            "measured cells; the column `source` cites each",
        ),
    }
)
"""The sets by name."""


def material_set(name: str) -> StructureTable:
    """The unit cells of a set that comes with matscale.

    Raises:
        UserError: If there is no such set.
    """
    if name not in MATERIAL_SETS:
        like = did_you_mean(name, MATERIAL_SETS)
        raise UserError(
            f"there is no material set {name!r}{like} (there is {', '.join(MATERIAL_SETS)})"
        )
    with as_file(files(__package__) / "materials" / f"{name}.parquet") as path:
        return read_parquet(path)
