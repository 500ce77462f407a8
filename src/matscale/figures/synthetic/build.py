"""Whole sets of synthetic figures."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from matscale.figures.folder import write_figures
from matscale.figures.items import Kind
from matscale.figures.synthetic.appearance import Difficulty
from matscale.figures.synthetic.making import make
from matscale.runtime import execution
from matscale.runtime.errors import UserError


def build(
    folder: Path | str,
    count: int = 1000,
    *,
    seed: int = 0,
    difficulty: Difficulty | None = None,
    workers: int | None = None,
) -> dict[Kind, int]:
    """Draw a set of figures and write it in the ImageFolder layout.

    The bytes depend on ``seed``, ``count`` and ``difficulty`` only, not on the workers.

    Args:
        folder: Made if absent; must not hold figures yet.
        count: Number of figures; each asks up to three items, one per kind.
        seed: Of everything random.
        difficulty: None draws one for each figure.
        workers: Processes; None for one per core.

    Returns:
        Number of items by kind.

    Raises:
        UserError: If the count or the seed is negative, or the folder is none, or already holds
            figures.
    """
    if count < 1 or seed < 0:
        raise UserError(
            f"count {count}, seed {seed}: a set needs at least one figure, and a seed of 0 or more"
        )
    if Path(folder).is_file():
        raise UserError(f"{folder} is a file; name a new folder")
    drawn = execution.run(
        partial(make, seed=seed, difficulty=difficulty),
        range(count),
        workers=workers,
        label="drawing figures",
    )
    return write_figures(folder, (pair for pairs in drawn for pair in pairs))
