"""Ordered crystals over all crystal systems, chosen from the AFLOW prototypes in pymatgen."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np

from matscale.structures.checks import verdicts
from matscale.structures.pymatgen_data import aflow_prototypes
from matscale.structures.symmetry import SYSTEMS
from matscale.structures.table import StructureTable

COUNT = 120
MOST_ATOMS = 40
"""Of a primitive cell."""

PRECISION = 1e-3
"""Å within which sites are equivalent."""


def prototype_crystals() -> StructureTable:
    """Ordered crystals of up to :data:`MOST_ATOMS` atoms as primitive cells, in AFLOW's order.

    Returns:
        Crystals called by formula and AFLOW label, with the columns ``aflow``, ``space_group``
        (moyopy, :data:`PRECISION`) and ``system``. Those with atoms too close are left out.
    """
    import moyopy

    structures, ids, labels, groups = [], [], [], []
    for label, structure in aflow_prototypes():
        if not structure.is_ordered or len(structure) > 4 * MOST_ATOMS:
            continue
        basis = moyopy.Cell(
            structure.lattice.matrix.tolist(),
            structure.frac_coords.tolist(),
            list(structure.atomic_numbers),
        )
        dataset = moyopy.MoyoDataset(basis, symprec=PRECISION)
        structures.append(structure.get_primitive_structure(tolerance=PRECISION))
        ids.append(f"{structure.composition.reduced_formula}-{label}")
        labels.append(label)
        groups.append(dataset.number)
    table = StructureTable.from_pymatgen(structures, ids).with_columns(
        aflow=np.array(labels, dtype=object),
        space_group=np.array(groups),
        system=np.array([system_of(group) for group in groups], dtype=object),
    )
    return table[(table.n_atoms <= MOST_ATOMS) & (verdicts(table).codes == 0)]


def system_of(group: int) -> str:
    """Crystal system of a space group's number."""
    return next(name for last, name in SYSTEMS if group <= last)


def spread_over_symmetry(crystals: StructureTable, same: np.ndarray) -> StructureTable:
    """Choose :data:`COUNT` crystals that differ as much as they can in symmetry.

    In turn each crystal system gives one crystal, of the space group that it gave the fewest of
    so far, and of that group the one with the fewest atoms. No crystal is chosen twice.

    Args:
        crystals: As from :func:`prototype_crystals`.
        same: For each the row of the one it is a copy of, its own where it is none, (N,).
    """
    own = np.flatnonzero(same == np.arange(len(crystals)))
    waiting: dict[str, list[int]] = defaultdict(list)
    for row in own.tolist():
        waiting[crystals.columns["system"][row]].append(row)
    groups: list[int] = crystals.columns["space_group"].tolist()
    atoms = crystals.n_atoms
    taken: Counter[int] = Counter()
    chosen: list[int] = []
    while len(chosen) < COUNT and any(waiting.values()):
        for _, system in SYSTEMS:
            if waiting[system] and len(chosen) < COUNT:
                best = min(waiting[system], key=lambda row: (taken[groups[row]], atoms[row], row))
                waiting[system].remove(best)
                taken[groups[best]] += 1
                chosen.append(best)
    return crystals[sorted(chosen)]
