"""What the published protocol's numbers are, as a run shows them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from matscale.metrics.particles.published import joggled_hull_volume
from matscale.tasks.harness import Scored
from matscale.tasks.particles.question import ParticleQuestion
from matscale.tasks.particles.rules import ParticleScores

PUBLISHED_LOSS = "0.0100 (ADiT), 0.0101 (DiffCSP), 0.0104 (FlowMM, MatterGen)"
PUBLISHED_HULL = {"id": 30_805, "ood": 51_410}
"""|Δ hull volume| in Å^3 of ADiT, DiffCSP and FlowMM."""

PUBLISHED_RMSD = {"id": 40.59, "ood": 40.82}
"""In Å, of ADiT."""

DEFECTS = (
    "Atoms are paired in order and nothing is aligned, but the orientation is not told: the exact "
    "particle in any other orientation than the target's has an RMSD.",
    "The RMSD is taken over coordinates, not atoms, and is smaller by the square root of three.",
    "Where a hull or a histogram fails, its metric is 0, the perfect score; such values are in "
    "the means, as published, and are counted here.",
    "The loss is that of denoising: it shows how well noise is told from given positions, and a "
    "model that always predicts no noise has the noise's variance, 0.0100.",
    "The model of the best RMSD is given the true positions as its input.",
    "A volume ratio above 1 counts as better than 1.",
    "Samples without a prediction are in no mean.",
)


def run_notes(
    question: ParticleQuestion,
    scored: Sequence[Scored[ParticleScores]],
    loss: float,
    truths: Sequence[np.ndarray],
) -> tuple[str, ...]:
    """Sentences on the degenerate predictors of this run, beside the published numbers.

    Args:
        question: What was asked.
        scored: All entrants' scores.
        loss: Mean squared error of predicting no noise, in Å^2.
        truths: True positions of each sample, in Å.
    """
    values = {one.name: one.samples.values for one in scored}
    if "predict_zero_noise" not in values:
        return ()
    hulls = np.array([joggled_hull_volume(one) for one in truths])
    zero, cut = values["predict_zero_noise"], values["carve"]
    wider = question.samples.radius.max() >= min(PUBLISHED_RMSD.values())
    compared = "" if wider else ", more than any of these particles is wide from its centre"
    published = "Published" if question.by == "radius" else "Published, of a split by radius,"
    return (
        f"predict_zero_noise, which always says that there is no noise, has a denoising loss of "
        f"{loss:.4f} here: the variance of noise of 0.1 Å. Published losses: {PUBLISHED_LOSS}.",
        f"The mean hull volume of the true particles is {_both(question, hulls, '.0f')} Å³ here; "
        f"predictions without volume have this as their |Δ hull volume|. {published} for ADiT, "
        f"DiffCSP and FlowMM: {PUBLISHED_HULL['id']} (ID) and {PUBLISHED_HULL['ood']} (OOD).",
        f"All atoms at the centre have an RMSD of {_both(question, zero['rmsd'], '.2f')} Å; the "
        f"exact particle in the crystal's own orientation, which is not told, has "
        f"{_both(question, cut['rmsd'], '.2f')} Å. {published} for ADiT: "
        f"{PUBLISHED_RMSD['id']} (ID) and {PUBLISHED_RMSD['ood']} Å (OOD){compared}: "
        "what a single point some 40 Å off along each axis has.",
        "return_input hands back the positions that it was given and is exact; CDVAE, published "
        "with an RMSD of 0.0066 Å, is given them too.",
    )


def _both(question: ParticleQuestion, values: np.ndarray, digits: str) -> str:
    """Means over each split, such as ``8.12 (ID) and 8.40 (OOD)``; NaN left out."""
    parts = []
    for split in dict.fromkeys(question.split.tolist()):
        known = values[(question.split == split) & np.isfinite(values)]
        parts.append(f"{known.mean():{digits}} ({split.upper()})" if len(known) else "none")
    return " and ".join(parts)
