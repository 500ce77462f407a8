"""What a reader must know of a run, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matscale.tasks.novelty.classify import FAILED, Verdicts
from matscale.tasks.novelty.samples import Samples
from matscale.tasks.novelty.settings import NoveltySettings

if TYPE_CHECKING:
    from matscale.tasks.novelty.run import Entrant

UNRELAXED = (
    "unrelaxed: substituted is a lower bound. Nothing was relaxed (--relax none): substituted "
    "candidates keep the training crystal's cell and positions, so those that only relaxation "
    "would bring to the generated crystal count as unmatched, and anonymous candidates, which "
    "match by their sites from the start, are confirmed as they are."
)
"""Note of a run without a potential."""


def settings_notes(settings: NoveltySettings) -> tuple[str, ...]:
    """Notes that hold for all predictors of a run."""
    if not settings.has_energies:
        return (UNRELAXED,)
    if settings.relaxed:
        return (
            "The generated crystals were taken as relaxed (--relaxed); substituted candidates "
            f"were relaxed with {settings.relax}.",
        )
    return ()


def predictor_notes(
    entrant: Entrant, samples: Samples, verdicts: Verdicts, missing: dict[str, int]
) -> tuple[str, ...]:
    """Notes on one predictor's crystals: what failed, what was given up, what has no energy."""
    name = entrant.predictor.name
    notes = []
    failed = int((samples.read & (samples.classes == FAILED)).sum())
    if failed:
        notes.append(f"{failed} crystals of {name} failed in relaxation or reduction.")
    if verdicts.candidates["failed"]:
        total = sum(verdicts.candidates.values())
        notes.append(
            f"{verdicts.candidates['failed']} of {total} substituted candidates of {name} could "
            "not be relaxed; they confirm nothing."
        )
    if verdicts.unmapped:
        notes.append(f"{verdicts.unmapped} anonymous matches of {name} have no site map.")
    if verdicts.undecided:
        notes.append(
            f"{verdicts.undecided} pairs of {name} with training crystals were given up as too "
            "large; they count as no match."
        )
    if missing:
        named = ", ".join(f"{symbol} ({count})" for symbol, count in sorted(missing.items()))
        notes.append(
            f"No energy above the hull for crystals of {name} with elements that have no "
            f"reference: {named}; they count as not stable."
        )
    return (*notes, *_ignored(entrant))


def _ignored(entrant: Entrant) -> tuple[str, ...]:
    ignored = entrant.reading.ignored
    if not ignored:
        return ()
    return (
        f"{len(ignored)} files of {entrant.predictor.name} are no structure files and were not "
        f"read (such as {ignored[0]}).",
    )
