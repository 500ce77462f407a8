"""What the page calls the metrics, tasks and floors of the particle benchmarks."""

from __future__ import annotations

from matscale.metrics.particles import PARTICLE_METRICS, REASONS
from matscale.structures.formats.vocabulary import REASONS as UNREAD

Text = tuple[str, str, str, str]
"""Label, unit (``"%"`` for a share), definition, and why a value may be missing."""

_AS_SHARES = ("atom_count_error", "composition_error", "gyration_error", "hull_volume_error")
_ABSENT = {
    "rmsd": "numbers of atoms differ",
    "aligned_rmsd": "numbers of atoms differ",
    "surface_interior_ratio": "no error to divide by, or numbers of atoms differ",
    "coordination_correlation": "all atoms alike, or numbers of atoms differ",
}

UNRANKED = frozenset(name for name, metric in PARTICLE_METRICS.items() if metric.best is None)
"""Metrics of which no value is marked best: the truth has some value, and more is too much."""

PARTICLE_TEXT: dict[str, Text] = {
    name: (
        metric.title,
        "%" if name in _AS_SHARES else metric.unit,
        metric.definition,
        _ABSENT.get(name, "no particle that can be measured"),
    )
    for name, metric in PARTICLE_METRICS.items()
}

PARTICLE_TEXT |= {
    "rebuilt": (
        "rebuilt",
        "%",
        "Share of the particles asked for whose prediction, superposed, has a Chamfer distance of "
        "at most 0.1 Å, species by species.",
        "no samples",
    ),
    "joint_rate": (
        "crystal found",
        "%",
        "Share of the particles asked for whose primitive cell is found within 2 % and 2°, and "
        "whose space group is right.",
        "no samples",
    ),
    "lattice_match": (
        "lattice right",
        "%",
        "Share whose primitive cell has all lengths within 2 % and all angles within 2°.",
        "no samples",
    ),
    "space_group_accuracy": (
        "space group right",
        "%",
        "Share whose space group is that of the crystal at a tolerance of 0.01 Å.",
        "no samples",
    ),
    "space_group_balanced": (
        "space group right, balanced",
        "%",
        "Mean, over the space groups asked about, of the share that is right in each.",
        "no samples",
    ),
    "crystal_system_accuracy": (
        "crystal system right",
        "%",
        "Share whose space group is of the right crystal system.",
        "no samples",
    ),
    "rmse": (
        "RMSE as published",
        "Å and °",
        "Root mean square over samples and all six lattice parameters, Å and degrees mixed.",
        "no answer",
    ),
    "space_group_published": (
        "space group as published",
        "%",
        "Share whose space group is that of spglib at 1e-5 Å on the cell as it is written.",
        "no samples",
    ),
    "joint_published": (
        "joint accuracy as published",
        "%",
        "Share whose space group is right and all of whose parameters are within 0.5, of Å or "
        "degrees.",
        "no samples",
    ),
}

PARTICLE_TASKS: dict[str, tuple[str, dict[str, tuple[str, str]], str]] = {
    "crystal-to-particle": (
        "Can the model cut a particle from a crystal?",
        {
            "rebuilt": ("rebuilds", "of {n} particles"),
            "rmsd": ("has an RMSD, as published, of", "over {n} particles"),
        },
        "test particles",
    ),
    "particle-to-crystal": (
        "Does the model see the crystal in a particle, or look it up?",
        {
            "joint_rate": ("finds the crystal of", "of {n} particles"),
            "rmse": ("has an RMSE, as published, of", "over {n} particles"),
        },
        "test particles",
    ),
}
"""Question, what a headline says before and after its value, and what is counted."""

PARTICLE_LEADING: dict[str, tuple[str, ...]] = {
    "crystal-to-particle": (
        "rebuilt", "chamfer", "rdf_distance", "atom_count_error", "composition_error", "coverage",
    ),
    "particle-to-crystal": (
        "joint_rate", "lattice_match", "space_group_accuracy", "crystal_system_accuracy",
        "volume_error", "coverage",
    ),
}  # fmt: skip
"""The metrics that say most."""

PARTICLE_FATE = "counted as failures in every share of samples, left out of every other metric"
"""What becomes of particles without an answer, under either protocol."""

PARTICLE_FLOORS: dict[str, str] = {
    "bulk_density_gas": "A rule that scatters the right number of atoms in the sphere",
    "nearest_training_particle": "A rule that copies a training particle and rescales it",
    "predict_zero_noise": "Always saying that there is no noise",
    "return_input": "Handing back the target",
    "carve": "The exact particle in the crystal's own orientation",
    "zeros": "Zero for every lattice parameter, and the commonest space group,",
    "mean_lattice": "The mean training cell and the commonest space group",
    "lookup": "Looking up the composition among the training materials",
    "nearest_rdf": "The training crystal whose pair distances are most alike",
}


def reason_text(words: str) -> str:
    """A count's name in words: ``metric: reason`` or ``reason, reason`` as they are recorded."""
    metric, colon, reasons = words.rpartition(": ")
    label = PARTICLE_TEXT[metric][0] if metric in PARTICLE_TEXT else metric
    # Without a metric it is the reader's reason, which may be called alike.
    known = REASONS if metric else {k: v for k, v in REASONS.items() if k not in UNREAD}
    said = ", ".join(known.get(reason, reason) for reason in reasons.split(", "))
    return f"{label}{colon}{said}"
