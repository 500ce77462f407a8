"""What came of reading many items: the structures, and each refused item with its reason."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from matscale.structures.table import StructureTable

MOST_NAMED = 5
"""Files that a note names."""


@dataclass(frozen=True)
class Refusal:
    """An item that was read and cannot be used.

    Attributes:
        item: Its number among the items that were submitted, from 0.
        id: Its name: an id in the file, a row, or a member of an archive.
        source: Where it stands, such as ``preds.zip/17.cif``.
        reason: Short category; the vocabulary is in :data:`matscale.structures.formats.REASONS`.
        detail: What was found.
    """

    item: int
    id: str
    source: str
    reason: str
    detail: str = ""


WARNINGS: Mapping[str, tuple[str, str]] = {
    "formula": (
        "states a formula that its cell does not have",
        "state a formula that their cell does not have",
    ),
    "units": (
        "states a number of formula units that its cell does not have",
        "state a number of formula units that their cell does not have",
    ),
    "conflict": (
        "states its symmetry in two ways that disagree; operations counted before names, names "
        "before numbers",
        "state their symmetry in two ways that disagree; operations counted before names, names "
        "before numbers",
    ),
    "setting": (
        "leaves open, or states against its cell, the setting of its space group; the one that "
        "fits, or else the first, was taken",
        "leave open, or state against their cell, the setting of their space group; the one that "
        "fits, or else the first, was taken",
    ),
    "generators": (
        "lists only some of the operations of the space group that it names; all were taken",
        "list only some of the operations of the space group that they name; all were taken",
    ),
    "cell": (
        "has a cell that keeps only roughly to its symmetry",
        "have a cell that keeps only roughly to their symmetry",
    ),
}
"""What can be doubtful about a crystal that is read: of one crystal, and of many."""


@dataclass(frozen=True)
class ReadingWarning:
    """Something doubtful about an accepted item.

    Attributes:
        item: Its number among the items that were submitted, from 0.
        id: Its name.
        source: Where it stands.
        kind: Short category, a key of :data:`WARNINGS`.
        detail: What was found.
    """

    item: int
    id: str
    source: str
    kind: str
    detail: str


@dataclass(frozen=True)
class Reading:
    """Structures read from a source, and what was refused there.

    Attributes:
        table: The accepted structures, in the order of the source.
        items: Item number of each row of the table, (N,); with the refusals' numbers they
            make up 0 .. submitted - 1.
        refusals: The refused items, in order.
        ignored: Names of the files in a folder or archive that are not items, because they hold
            no structures and do not say that they do: a README, a table of properties.
        ignored_because: Why each of these is none.
        remarks: What a reader must know of the source, one sentence each.
        warnings: What is doubtful about accepted items, in order; an item may have several.
        unnamed: How many items have no id of their own: theirs is their place in a file.
        named_by_file: How many items are called as the file or archive member that they fill.
    """

    table: StructureTable
    items: np.ndarray
    refusals: tuple[Refusal, ...] = ()
    ignored: tuple[str, ...] = ()
    ignored_because: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    warnings: tuple[ReadingWarning, ...] = ()
    unnamed: int = 0
    named_by_file: int = 0

    @property
    def submitted(self) -> int:
        """Number of items in the source, accepted and refused."""
        return len(self.table) + len(self.refusals)

    @property
    def refused_by_reason(self) -> dict[str, int]:
        """How many items were refused for each reason, most common first."""
        return dict(Counter(refusal.reason for refusal in self.refusals).most_common())

    def notes(self, name: str) -> tuple[str, ...]:
        """What became of the files that hold no items, and what must be known of the items.

        Args:
            name: What the source is called.

        Returns:
            Sentences: every command and page says these.
        """
        said = (*self.remarks, *warning_notes(self.warnings, name))
        if not self.ignored:
            return said
        because = self.ignored_because or ("",) * len(self.ignored)
        shown = [
            f"{file} ({why})" if why else file
            for file, why in zip(self.ignored[:MOST_NAMED], because, strict=False)
        ]
        more = len(self.ignored) - len(shown)
        files = "file" if len(self.ignored) == 1 else "files"
        were = "was" if len(self.ignored) == 1 else "were"
        rest = f"; and {more} more" if more else ""
        unread = f"{len(self.ignored)} {files} of {name} {were} not read: {'; '.join(shown)}{rest}."
        return (unread, *said)


def warning_notes(warnings: Sequence[ReadingWarning], name: str) -> tuple[str, ...]:
    """A sentence for each kind of warning, with the number of crystals and an example.

    Args:
        warnings: Of one or several readings.
        name: What to call those that were read, such as a model.
    """
    kinds = defaultdict(list)
    for warning in warnings:
        kinds[warning.kind].append(warning)
    notes = []
    for kind in sorted(kinds, key=list(WARNINGS).index):
        count = len({(each.source, each.item) for each in kinds[kind]})
        crystals, phrase = ("crystal", 0) if count == 1 else ("crystals", 1)
        first = kinds[kind][0]
        such_as = "" if count == 1 else "such as "
        notes.append(
            f"{count} {crystals} of {name} {WARNINGS[kind][phrase]} "
            f"({such_as}{first.id}: {first.detail})."
        )
    return tuple(notes)
