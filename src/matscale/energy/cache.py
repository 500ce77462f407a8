"""Answers of a potential that are kept, structure by structure, by the content of the question.

:class:`matscale.runtime.memory.Memory` asks one question at a time; a potential answers many in one
batch, each of which is kept as soon as it is there, so that an interrupt loses only what is
under way. Files and keys are of the same kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from matscale.energy.potential import Potential
from matscale.runtime.files import replaced
from matscale.runtime.memory import content_key
from matscale.structures.table import StructureTable

FORMAT = "1"
"""Part of every key; rises when what is kept, or how it is computed, changes."""


class Answers:
    """Dicts of arrays by key, as ``.npz`` files that are never unpickled.

    Args:
        folder: Where they are kept; None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def recall(self, key: str) -> dict[str, np.ndarray] | None:
        """What is kept under a key; None if nothing is, or if the file is damaged."""
        if self.folder is None:
            return None
        try:
            with np.load(self.folder / f"{key}.npz", allow_pickle=False) as stored:
                return dict(stored)
        except (OSError, ValueError, EOFError, BadZipFile):
            return None

    def keep(self, key: str, answer: Mapping[str, np.ndarray | float | int | str]) -> None:
        """Write an answer at once."""
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        arrays = {name: np.asarray(value) for name, value in answer.items()}
        with (
            replaced(self.folder / f"{key}.npz") as temporary,
            temporary.open("wb") as file,
        ):
            np.savez(file, allow_pickle=False, **arrays)


def keys_of(
    table: StructureTable, potential: Potential, question: str, *settings: object
) -> list[str]:
    """A key for each structure: its content without its id, the potential and the settings."""
    return [
        content_key(
            FORMAT,
            question,
            potential.name,
            potential.version,
            settings,
            table.row_numbers(row),
            table.row_positions(row),
            table.lattices[row],
        )
        for row in range(len(table))
    ]
