"""What a reader must know of a run, in sentences."""

from __future__ import annotations

from collections import Counter

import numpy as np
from ase.data import chemical_symbols

from matscale.energy.hull import systems_of
from matscale.results.result import Metric
from matscale.tasks.harness import Scored
from matscale.tasks.novelty.classify import FAILED
from matscale.tasks.novelty.judging import GeneratedScores
from matscale.tasks.novelty.settings import NoveltySettings

MOST_NAMED = 5
"""Chemical systems that a note names."""

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
    scored: Scored[GeneratedScores], memorisation: Metric | None
) -> tuple[str, ...]:
    """Notes on one predictor's crystals: what failed, what was given up, what has no energy."""
    name, scores = scored.name, scored.samples
    samples, verdicts = scores.sound, scores.verdicts
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
    given_up = [f"{count} for {what}" for what, count in verdicts.undecided.items() if count]
    if given_up:
        notes.append(
            f"Pairs of {name} whose search was given up as too large, and which count as no match: "
            f"{', '.join(given_up)}."
        )
    if scores.missing:
        named = ", ".join(f"{symbol} ({count})" for symbol, count in sorted(scores.missing.items()))
        notes.append(
            f"No energy above the hull for crystals of {name} with elements that have no "
            f"reference: {named}; they count as not stable."
        )
    model = scored.entrant.predictor.kind == "model"
    if model and memorisation is not None and memorisation.value is None and memorisation.low:
        notes.append(
            "No held-out crystal is a duplicate: the memorisation ratio of "
            f"{name} is above {memorisation.low:.2g} (95 %), and has no value."
        )
    return (*notes, *_stability_unknown(scored), *scored.entrant.answer.notes(name))


def _stability_unknown(scored: Scored[GeneratedScores]) -> tuple[str, ...]:
    """Crystals that lie above or below a hull without any compound, by chemical system."""
    known = scored.samples.sound.stability_known[scored.entrant.answer.items]
    rows = np.flatnonzero(known == 0)
    if not len(rows):
        return ()
    systems = Counter(
        "-".join(chemical_symbols[z] for z in sorted(system))
        for system in systems_of(scored.samples.table[rows])
    )
    named = [f"{system} ({count})" for system, count in systems.most_common(MOST_NAMED)]
    more = len(systems) - len(named)
    rest = f" and {more} more" if more else ""
    return (
        f"Stability is not known for {len(rows)} crystals of {scored.name}: the "
        f"hull holds no compound of their elements, in {', '.join(named)}{rest}. Under the sound "
        "protocol they count as not stable.",
    )
