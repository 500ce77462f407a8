"""What the published protocol's numbers are, as a run shows them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from matscale.tasks.harness import Scored
from matscale.tasks.particles.particle_to_crystal.measuring import Targets
from matscale.tasks.particles.question import ParticleQuestion
from matscale.tasks.particles.rules import ParticleScores

PUBLISHED_RMSE = "63.71 (ADiT, MatterGen), 63.70 (DiffCSP), 62.61 (FlowMM), 32.50 (CDVAE)"
PUBLISHED_ACCURACY = "0.980 (ADiT, CDVAE, MatterGen), 0.987 (DiffCSP), 0.000 (FlowMM)"

MOST = 0.5
"""Share of the samples from which a space group is most of the set."""


def defects(question: ParticleQuestion, targets: Targets) -> tuple[str, ...]:
    """Defects of the published protocol, those of the set and of its split where they are."""
    groups = targets.published_groups[question.samples.material]
    share = np.unique(groups, return_counts=True)[1].max() / len(groups)
    trained = np.isin(question.samples.material, question.trained_materials())
    found = [
        "Å and degrees are mixed in one root mean square, in which angles of 90 outweigh lengths "
        "of 4: predicting zeros has some 63.7 for any small cubic cell."
    ]
    if share > MOST:
        found.append(
            "One space group is most of the set, so that its share is the accuracy of always "
            "naming it."
        )
    if trained.any():
        whose = "Every test material" if trained.all() else f"{100 * trained.mean():.0f} % of tests"
        found.append(
            f"{whose} {'is' if trained.all() else 'are of materials that are'} in training at "
            "other radii: looking up the composition answers."
        )
    return (*found, *_ALWAYS)


_ALWAYS = (
    "The cell as it is written is asked for, although many cells describe one lattice; answers "
    "are mapped here to the equivalent cell that is nearest to it.",
    "Space groups are found with a tolerance of 1e-5 Å on cells as they are written, so that "
    "rounded cells lose symmetry.",
    "0.5 is allowed for lengths in Å and for angles in degrees alike.",
    "Samples without an answer are in no root mean square.",
)


def run_notes(
    question: ParticleQuestion, scored: Sequence[Scored[ParticleScores]], targets: Targets
) -> tuple[str, ...]:
    """Sentences on the trivial predictors of this run, beside the published numbers."""
    values = {one.name: one.samples.values for one in scored}
    groups = targets.published_groups[question.samples.material]
    kinds, counts = np.unique(groups, return_counts=True)
    zeros = float(np.sqrt(np.mean(values["zeros"]["rmse"] ** 2)))
    joint = float(values["mean_lattice"]["joint_published"].mean())
    published = "Published" if question.by == "radius" else "Published, of a split by radius"
    notes = [
        f"Zeros for all six parameters have an RMSE of {zeros:.2f} here. {published}: "
        f"{PUBLISHED_RMSE}.",
        f"The commonest space group, {kinds[counts.argmax()]}, is "
        f"{counts.max() / counts.sum():.3f} of the samples here. {published}, for "
        f"the accuracy: {PUBLISHED_ACCURACY}.",
        f"mean_lattice with the commonest space group has a published joint accuracy of "
        f"{joint:.3f} here. {published}, for all models: 0.000.",
    ]
    lookup = float(values["lookup"]["joint_rate"].mean())
    notes.append(
        f"lookup, which compares compositions and then densities, has a joint rate of {lookup:.3f} "
        f"here, where training and test are split by {question.by}."
    )
    return tuple(notes)


def label_notes(question: ParticleQuestion, targets: Targets) -> tuple[str, ...]:
    """On the two labels, where they differ."""
    materials = np.unique(question.samples.material)
    differ = materials[targets.groups[materials] != targets.published_groups[materials]]
    if not len(differ):
        return ()
    name = question.particles.materials.ids[differ[0]]
    return (
        f"{len(differ)} of {len(materials)} materials have another space group at the published "
        f"tolerance of 1e-5 Å than at 0.01 Å (such as {name}: "
        f"{targets.published_groups[differ[0]]} and {targets.groups[differ[0]]}); each protocol "
        "has its own label.",
    )
