"""What atoms at random reach, and where that says that a match rate says little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matscale.predictors.floors.crystals import MeanCell
from matscale.results.result import Metric
from matscale.results.rounding import show
from matscale.tasks.reconstruction.pairs import CLOSE, TOLERANCES

MUCH = 0.25
"""Match rate of atoms at random from which on a match rate says little of coordinates: one target
in four needs none that is right."""


def cautions(random: Mapping[str, Metric], cuts: Sequence[int]) -> tuple[str, ...]:
    """Sentences on the match rates that say little of coordinates.

    Args:
        random: Metrics of the floor that places atoms at random.
        cuts: Numbers of candidates above one at which there are metrics.
    """
    found = []
    for name, tolerances in (("match_rate", TOLERANCES), ("match_rate_close", CLOSE)):
        rates = {1: random[name].value, **{k: random[f"{name}_at_{k}"].value for k in cuts}}
        much = {k: rate for k, rate in rates.items() if rate is not None and rate >= MUCH}
        if much:
            found.append(_caution(much, tolerances.site))
    return tuple(found)


def _caution(much: Mapping[int, float], stol: float) -> str:
    first, *others = much
    reached = [
        f"{show(100 * much[first])} % of the targets with {first} "
        f"{'candidate' if first == 1 else 'candidates'}",
        *(f"{show(100 * much[k])} % with {k}" for k in others),
    ]
    listed = " and ".join(part for part in (", ".join(reached[:-1]), reached[-1]) if part)
    return (
        f"Atoms at random in a cube ({MeanCell.name}) match {listed} at stol {stol:g}: from "
        f"{100 * MUCH:g} % on, a match rate says little of coordinates."
    )
