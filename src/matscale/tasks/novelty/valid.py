"""Whether a crystal can be one: distances, volume, and charge balance by two sets of rules.

Tools disagree on both, so each rule has a name. Distances: MatterGen, CDVAE, DiffCSP and others
ask for 0.5 Å between sites and 0.1 Å^3 of volume, and do not look at an atom's own periodic images;
protocol ``published`` does as they do, ``sound`` looks at the images too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.data import chemical_symbols
from ase.neighborlist import primitive_neighbor_list

from matscale.results.provenance import installed_version
from matscale.runtime.memory import Memory
from matscale.structures import chemistry
from matscale.structures.table import StructureTable

MIN_DISTANCE = 0.5
"""Å between any two atoms."""

MIN_VOLUME = 0.1
"""Å^3 of a cell."""

CHUNK = 256

CHARGE_RULES: dict[str, str | None] = {"cdvae": "smact14", "paper": None}
"""Set of oxidation states that ``smact_validity`` is given, by rule; None for its default. In both
the Pauling test is on, and alloys and single elements pass.

``cdvae``: the oxidation states of smact 2, as the copies in CDVAE, DiffCSP and MatterGen use.
``paper``: smact's defaults (those seen in ICSD 24), as arXiv 2606.23166 and xtalmet.
"""


@dataclass(frozen=True)
class Validity:
    """What can be said of N crystals without comparing them, (N,) each.

    Attributes:
        closest: Distance in Å of the closest two sites where below 0.5 Å, else infinity.
        closest_image: Distance in Å of an atom and its own image, likewise.
        volume: Of the cell in Å^3.
        charge_balanced: By rule of :data:`CHARGE_RULES`, bool.
    """

    closest: np.ndarray
    closest_image: np.ndarray
    volume: np.ndarray
    charge_balanced: dict[str, np.ndarray]

    @property
    def published(self) -> np.ndarray:
        """Distances and volume as in CDVAE and MatterGen, which do not test own images."""
        return (self.closest >= MIN_DISTANCE) & (self.volume >= MIN_VOLUME)

    @property
    def sound(self) -> np.ndarray:
        """Distances, own images among them, and volume."""
        return self.published & (self.closest_image >= MIN_DISTANCE)

    def reason(self, row: int) -> str:
        """Why a crystal is not valid; "" where it is."""
        if self.closest[row] < MIN_DISTANCE:
            return f"two sites are {self.closest[row]:.2f} Å apart"
        if self.closest_image[row] < MIN_DISTANCE:
            return f"an atom is {self.closest_image[row]:.2f} Å from its own image"
        if self.volume[row] < MIN_VOLUME:
            return f"the cell has {self.volume[row]:.2g} Å^3"
        return ""


def validity(table: StructureTable, memory: Memory, *, label: str = "") -> Validity:
    """Distances, volume and charge balance of crystals, as they came."""
    bare = table.with_ids([""] * len(table))
    chunks = [bare[start : start + CHUNK] for start in range(0, len(table), CHUNK)]
    found = memory.map(_distances, chunks, label=label)
    empty = [np.empty(0)]
    return Validity(
        closest=np.concatenate([*empty, *(one["closest"] for one in found)]),
        closest_image=np.concatenate([*empty, *(one["closest_image"] for one in found)]),
        volume=table.volumes if len(table) else np.empty(0),
        charge_balanced={rule: charge_balanced(table, rule, memory) for rule in CHARGE_RULES},
    )


def _distances(table: StructureTable) -> dict[str, np.ndarray]:
    closest = np.full((2, len(table)), np.inf)
    for row in range(len(table)):
        first, second, distance = primitive_neighbor_list(
            "ijd",
            (True, True, True),
            table.lattices[row],
            table.row_positions(row),
            MIN_DISTANCE,
            self_interaction=False,
        )
        for place, chosen in enumerate((first != second, first == second)):
            closest[place, row] = distance[chosen].min(initial=np.inf)
    return {"closest": closest[0], "closest_image": closest[1]}


def charge_balanced(table: StructureTable, rule: str, memory: Memory) -> np.ndarray:
    """Whether each composition can be charge-neutral by a rule of :data:`CHARGE_RULES`, (N,)."""
    units = [
        chemistry.reduced(chemistry.composition(table.row_numbers(row)))
        for row in range(len(table))
    ]
    texts = [
        "".join(f"{chemical_symbols[element]}{count}" for element, count in unit) for unit in units
    ]
    names = sorted(set(texts))
    version = installed_version("smact") or ""
    items = [
        (rule, version, "\n".join(names[start : start + CHUNK]))
        for start in range(0, len(names), CHUNK)
    ]
    answers = memory.map(_balanced, items, label="charge balance")
    known = dict(
        zip(names, (bool(one) for answer in answers for one in answer["balanced"]), strict=True)
    )
    return np.array([known[text] for text in texts], dtype=bool)


def _balanced(item: tuple[str, str, str]) -> dict[str, np.ndarray]:
    from smact.screening import smact_validity

    rule, _, names = item
    found = []
    for name in names.split("\n"):
        try:
            balanced = smact_validity(
                name,
                use_pauling_test=True,
                include_alloys=True,
                oxidation_states_set=CHARGE_RULES[rule],
            )
        # Elements that smact does not know: nothing can be said for the composition.
        except (KeyError, NameError, TypeError, ValueError):
            balanced = False
        found.append(balanced)
    return {"balanced": np.array(found, dtype=bool)}
