"""What atoms at random reach, and where that says that a match rate says little."""

from __future__ import annotations

from collections.abc import Mapping

from matscale.predictors.floors.crystals import MeanCell
from matscale.results.rounding import show
from matscale.tasks.reconstruction.pairs import CLOSE, TOLERANCES
from matscale.tasks.reconstruction.samples import TargetScores

MUCH = 0.25
"""Match rate of atoms at random from which on a match rate says little of coordinates: one target
in four needs none that is right."""


Rates = Mapping[int, float]
"""Match rate by number of candidates."""


def rates_of(samples: TargetScores) -> dict[float, dict[int, float]]:
    """Match rates by ``stol``."""
    scores, best = samples.scores, samples.candidates
    rates = {
        TOLERANCES.site: {1: float(scores.matched.mean())},
        CLOSE.site: {1: float(scores.matched_closely.mean())},
    }
    if best is not None:
        for column, k in enumerate(best.cuts):
            rates[TOLERANCES.site][k] = float(best.matched[:, column].mean())
            rates[CLOSE.site][k] = float(best.matched_closely[:, column].mean())
    return rates


def cautions(rates: Mapping[float, Rates]) -> tuple[str, ...]:
    """Sentences on the match rates that say little of coordinates.

    Args:
        rates: Those of the floor that places atoms at random, by ``stol``.
    """
    much = {
        stol: {k: rate for k, rate in own.items() if rate >= MUCH} for stol, own in rates.items()
    }
    return tuple(_caution(own, stol) for stol, own in much.items() if own)


def _caution(much: Rates, stol: float) -> str:
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
