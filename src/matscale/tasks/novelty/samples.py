"""Every submitted item with its verdict; tables and metrics stand on this.

Columns of the per-sample file, one row a submitted item in the order of the submission:

================= ======= ==============================================================
column            type    meaning
================= ======= ==============================================================
id                string  as submitted; not necessarily unique
status            string  ``scored``, or why the item could not be read
class             string  ``duplicate``, ``substituted``, ``unmatched``, ``invalid``, ``failed``
reason            string  why it is invalid or failed; "" otherwise
kind              string  of a substituted one: ``both``, ``anonymous`` or ``wyckoff``, else ""
valid             bool    distances and volume, own periodic images among them
valid_published   bool    the same without own images
balanced_cdvae    bool    charge balance as CDVAE and MatterGen test it
balanced_paper    bool    charge balance as arXiv 2606.23166 tests it
unique            bool    valid, and no earlier item is the same crystal
representative    string  id of the first item that is the same crystal
space_group       int     at the run's ``symprec``, of the relaxed crystal; null where unknown
crystal_system    string  of that space group, else ``unknown``
prototype         string  space group and occupied Wyckoff positions, such as ``225 ab``
prototype_known   bool    whether a training crystal has that prototype; null without one
train_id          string  the duplicate's or cheapest confirmed candidate's, else the nearest
generated_row     int     row in ``NAME.generated.parquet``; null for what could not be read
train_row         int     row of that training crystal in ``NAME.matched_train.parquet``
swaps             string  ``Na>K Cl>Br``: training element, then generated, changed ones only
cost              double  mean modified-Pettifor distance of the swaps; 0 for duplicates
rms               double  of the match that decided, in units of (V/n)^(1/3)
amd_distance      double  to the nearest training crystal, in Å, species ignored
element_distance  double  element mover's distance to the nearest training composition, 0 to 102
relaxation        string  ``as given``, ``converged``, ``not converged``, ``exploded``, ``failed``
energy_per_atom   double  of the relaxed crystal in eV; null without a potential
energy_above_hull double  in eV/atom; null without one
stability_known   bool    whether the hull holds a compound of its elements; null without energy
================= ======= ==============================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pyarrow as pa

from matscale.energy.hull import Distances, systems_of
from matscale.results.samples import SCORED
from matscale.structures.reading import Reading
from matscale.structures.symmetry import SYSTEMS, UNKNOWN
from matscale.structures.table import StructureTable
from matscale.tasks.novelty.classify import FAILED, INVALID, Verdicts
from matscale.tasks.novelty.settings import CURVE
from matscale.tasks.novelty.stages import Moved
from matscale.tasks.novelty.training import Described
from matscale.tasks.novelty.valid import CHARGE_RULES, Validity

_FOUND = {
    "classes": INVALID,
    "kind": "",
    "unique": False,
    "representative": -1,
    "space_group": 0,
    "crystal_system": UNKNOWN,
    "prototype": "",
    "prototype_known": np.nan,
    "train": -1,
    "swaps": "",
    "cost": np.nan,
    "rms": np.nan,
    "amd_distance": np.nan,
    "element_distance": np.nan,
    "relaxation": "",
    "energy_per_atom": np.nan,
    "energy_above_hull": np.nan,
    "stability_known": np.nan,
    "duplicate_at": False,
}
"""What is found of a valid crystal, and what stands there for an invalid one."""

GEOMETRY = ("atoms too close", "degenerate cell", "no atoms")
"""Reasons of the reader's that make an item an invalid crystal, not an unreadable one."""


@dataclass(frozen=True)
class SubmittedItems:
    """The n submitted items; columns as in the module's docstring, and what has none there.

    Attributes:
        representative: Item that is the first of the same crystal, -1 where none was looked for.
        train: Row of the training crystal as given, -1 without one.
        duplicate_at: Whether it is a duplicate at each site tolerance of the curve, (n, c) bool.
    """

    ids: np.ndarray
    status: np.ndarray
    classes: np.ndarray
    reason: np.ndarray
    kind: np.ndarray
    valid: np.ndarray
    valid_published: np.ndarray
    balanced: dict[str, np.ndarray]
    unique: np.ndarray
    representative: np.ndarray
    space_group: np.ndarray
    crystal_system: np.ndarray
    prototype: np.ndarray
    prototype_known: np.ndarray
    train: np.ndarray
    swaps: np.ndarray
    cost: np.ndarray
    rms: np.ndarray
    amd_distance: np.ndarray
    element_distance: np.ndarray
    relaxation: np.ndarray
    energy_per_atom: np.ndarray
    energy_above_hull: np.ndarray
    stability_known: np.ndarray
    duplicate_at: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: np.ndarray) -> SubmittedItems:
        """Some of the items."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        balanced = {rule: column[rows] for rule, column in values.pop("balanced").items()}
        return SubmittedItems(
            balanced=balanced, **{name: one[rows] for name, one in values.items()}
        )

    @property
    def read(self) -> np.ndarray:
        """Which items are structures that could be read, (n,) bool."""
        return self.status == SCORED


def unread_samples(reading: Reading) -> SubmittedItems:
    """All items of a submission before anything is known: failed, or refused with a reason."""
    n = reading.submitted
    ids, status = np.full(n, "", object), np.full(n, SCORED, object)
    ids[reading.items] = reading.table.ids
    reason, classes = np.full(n, "", object), np.full(n, FAILED, object)
    for refusal in reading.refusals:
        ids[refusal.item], status[refusal.item] = refusal.id, refusal.reason
        reason[refusal.item] = f"{refusal.reason}: {refusal.detail}".removesuffix(": ")
        if refusal.reason in GEOMETRY:
            classes[refusal.item] = INVALID
    text, blank, no = np.full(n, "", object), np.full(n, np.nan), np.zeros(n, bool)
    return SubmittedItems(
        ids=ids,
        status=status,
        classes=classes,
        reason=reason,
        kind=text.copy(),
        valid=no.copy(),
        valid_published=no.copy(),
        balanced={rule: no.copy() for rule in CHARGE_RULES},
        unique=no.copy(),
        representative=np.full(n, -1, np.int64),
        space_group=np.zeros(n, np.int64),
        crystal_system=np.full(n, UNKNOWN, object),
        prototype=text.copy(),
        prototype_known=blank.copy(),
        train=np.full(n, -1, np.int64),
        swaps=text.copy(),
        cost=blank.copy(),
        rms=blank.copy(),
        amd_distance=blank.copy(),
        element_distance=blank.copy(),
        relaxation=text.copy(),
        energy_per_atom=blank.copy(),
        energy_above_hull=blank.copy(),
        stability_known=blank.copy(),
        duplicate_at=np.zeros((n, len(CURVE)), bool),
    )


def write_validity(
    samples: SubmittedItems, items: np.ndarray, table: StructureTable, found: Validity
) -> None:
    """Fill in what is known of the read items as they came; (N,) items of the N rows."""
    samples.valid[items], samples.valid_published[items] = found.sound, found.published
    for rule, balanced in found.charge_balanced.items():
        samples.balanced[rule][items] = balanced
    samples.classes[items[~found.published]] = INVALID
    bad = np.flatnonzero(~found.sound)
    samples.reason[items[bad]] = [found.reason(row) for row in bad.tolist()]


def write_moved(
    samples: SubmittedItems, items: np.ndarray, moved: Moved, above_hull: Distances | None
) -> None:
    """Fill in what relaxation says; (N,) items of the N relaxed rows."""
    samples.relaxation[items] = moved.statuses
    samples.energy_per_atom[items] = moved.energies / moved.table.n_atoms
    if above_hull is not None:
        elements = np.array([len(system) for system in systems_of(moved.table)])
        known = (above_hull.compounds > 0) | (elements == 1)
        samples.energy_above_hull[items] = above_hull.values
        samples.stability_known[items] = np.where(np.isfinite(above_hull.values), known, np.nan)
    write_reasons(samples, {items[row]: f"relaxation: {why}" for row, why in moved.reasons.items()})


def write_reasons(samples: SubmittedItems, reasons: Mapping[int, str]) -> None:
    """Fill in why items failed, where no earlier reason is known."""
    for item, reason in reasons.items():
        samples.reason[item] = samples.reason[item] or reason


def write_verdicts(
    samples: SubmittedItems,
    items: np.ndarray,
    crystals: Described,
    verdicts: Verdicts,
    train: Described,
) -> None:
    """Fill in the verdicts; (N,) items of the N reduced rows."""
    given = np.flatnonzero(train.cells.usable)
    samples.classes[items], samples.kind[items] = verdicts.classes, verdicts.kind
    samples.train[items] = np.where(verdicts.train >= 0, given[verdicts.train], -1)
    for name in ("swaps", "cost", "rms", "amd_distance", "element_distance", "duplicate_at"):
        getattr(samples, name)[items] = getattr(verdicts, name)
    first = verdicts.representative
    known = first >= 0
    samples.unique[items] = ~known | (first == np.arange(len(first)))
    samples.representative[items[known]] = items[first[known]]
    _write_symmetry(samples, items, crystals, train)


def _write_symmetry(
    samples: SubmittedItems, items: np.ndarray, crystals: Described, train: Described
) -> None:
    groups, sequences = crystals.symmetry.groups, crystals.symmetry.sequences
    samples.space_group[items], samples.prototype[items] = groups, sequences
    samples.crystal_system[items] = [system_of(group) for group in groups.tolist()]
    samples.prototype_known[items] = [
        float(name in train.prototypes) if name else np.nan for name in sequences
    ]


def without_own_images(samples: SubmittedItems) -> SubmittedItems:
    """The samples as the sound protocol has them.

    An atom too close to its own image makes a crystal invalid there and not under ``published``;
    what was found of such a crystal is taken back, and an equal one may become the first.
    """
    bad = samples.valid_published & ~samples.valid
    found = replace(samples, **{name: getattr(samples, name).copy() for name in _FOUND})
    for name, nothing in _FOUND.items():
        getattr(found, name)[bad] = nothing
    grouped = np.flatnonzero(found.representative >= 0)
    groups, first = np.unique(found.representative[grouped], return_index=True)
    found.unique[grouped] = False
    found.unique[grouped[first]] = True
    places = np.searchsorted(groups, found.representative[grouped])
    found.representative[grouped] = grouped[first][places]
    return found


def system_of(group: int) -> str:
    """Crystal system of a space group; ``"unknown"`` for 0."""
    return next((name for last, name in SYSTEMS if 0 < group <= last), UNKNOWN)


def samples_table(samples: SubmittedItems, train: StructureTable, read: np.ndarray) -> pa.Table:
    """The per-sample columns as they are written beside the result.

    Args:
        samples: As the sound protocol has them.
        train: Training crystals as given.
        read: Item of each row of the table of generated crystals, (N,).
    """
    known, twins = samples.train >= 0, samples.representative >= 0
    ids, first = np.full(len(samples), "", object), np.full(len(samples), "", object)
    ids[known] = train.ids[samples.train[known]]
    first[twins] = samples.ids[samples.representative[twins]]
    rows: list[int | None] = [None] * len(samples)
    for row, item in enumerate(read.tolist()):
        rows[item] = row
    places = np.searchsorted(named_training(samples), samples.train)
    columns = {
        "id": samples.ids,
        "status": samples.status,
        "class": samples.classes,
        "reason": samples.reason,
        "kind": samples.kind,
        "valid": samples.valid,
        "valid_published": samples.valid_published,
        **{f"balanced_{rule}": column for rule, column in samples.balanced.items()},
        "unique": samples.unique,
        "representative": first,
        "space_group": [group or None for group in samples.space_group.tolist()],
        "crystal_system": samples.crystal_system,
        "prototype": samples.prototype,
        "prototype_known": _truth(samples.prototype_known),
        "train_id": ids,
        "generated_row": rows,
        "train_row": [
            int(place) if one else None for place, one in zip(places, known, strict=True)
        ],
        "swaps": samples.swaps,
        "cost": samples.cost,
        "rms": samples.rms,
        "amd_distance": samples.amd_distance,
        "element_distance": samples.element_distance,
        "relaxation": samples.relaxation,
        "energy_per_atom": samples.energy_per_atom,
        "energy_above_hull": samples.energy_above_hull,
        "stability_known": _truth(samples.stability_known),
    }
    return pa.table({name: _arrow(values) for name, values in columns.items()})


def named_training(samples: SubmittedItems) -> np.ndarray:
    """Rows of the training crystals that samples name, rising, each once."""
    return np.unique(samples.train[samples.train >= 0])


def _truth(values: np.ndarray) -> list[bool | None]:
    """Numbers 0 and 1 as truth values, NaN as None."""
    return [None if np.isnan(value) else bool(value) for value in values]


def _arrow(values: Any) -> pa.Array:
    """Strings, truth values or numbers as Arrow holds them, NaN as null."""
    if isinstance(values, np.ndarray) and values.dtype == object:
        return pa.array(values.tolist(), pa.string())
    if isinstance(values, list):
        kind = pa.bool_() if any(isinstance(value, bool) for value in values) else pa.int64()
        return pa.array(values, kind)
    return pa.array(values, from_pandas=True)
