"""Metrics of predicted cells that several tasks share."""

from __future__ import annotations

from matscale.results.metric import MetricSpec, error

NO_PAIR = "no prediction that can be read"
GROUP = "lattice"


def length_mae(column: str = "length_mae") -> MetricSpec:
    """Mean absolute error of a, b, c; a sample's is in a column of the samples' table."""
    return error(
        "length_mae",
        "length error",
        "Å",
        "Mean absolute error of the lengths a, b, c of the canonical cells.",
        where="in cell lengths",
        column=column,
        missing=NO_PAIR,
        group=GROUP,
    )


def angle_mae(column: str = "angle_mae") -> MetricSpec:
    """Mean absolute error of the three angles, likewise."""
    return error(
        "angle_mae",
        "angle error",
        "°",
        "Mean absolute error of the angles α, β, γ of the canonical cells.",
        where="in cell angles",
        column=column,
        missing=NO_PAIR,
        group=GROUP,
    )


def volume_error(what: str, definition: str) -> MetricSpec:
    """Mean relative error of a volume.

    Args:
        what: Whose volume, as a comparison says it.
        definition: One sentence.
    """
    return error(
        "volume_error",
        "volume error",
        "",
        definition,
        where=f"in {what}, as a fraction of it",
        column="volume_error",
        percent=True,
        missing=NO_PAIR,
        group=GROUP,
    )
