"""How two results of the particle-to-crystal task are compared."""

from __future__ import annotations

from matscale.metrics import statistics
from matscale.results.compared import ComparedMetric, ComparedTask, column, error, share

COMPARED = ComparedTask(
    {
        "sound": {
            "joint_rate": share("finds the crystal", column("joint_rate")),
            "lattice_match": share("has the lattice right", column("lattice_match")),
            "space_group_accuracy": share(
                "has the space group right", column("space_group_accuracy")
            ),
            "crystal_system_accuracy": share(
                "has the crystal system right", column("crystal_system_accuracy")
            ),
            "length_mae": error("in cell lengths", " Å", column("length_mae")),
            "angle_mae": error("in cell angles", "°", column("angle_mae")),
            "volume_error": error("in volume, as a fraction of it", "", column("volume_error")),
            "coverage": share("gives a cell that can be scored", column("coverage")),
        },
        "published": {
            "rmse": ComparedMetric(
                column("rmse"),
                "has an RMSE, as published,",
                "",
                "",
                1.0,
                "larger",
                "smaller",
                "as large as",
                statistics.root_mean_square,
                share=False,
            ),
            "space_group_published": share(
                "has the space group right, as published,", column("space_group_published")
            ),
            "joint_published": share(
                "has space group and lattice right, as published,", column("joint_published")
            ),
        },
    },
    samples="particles",
)
"""Errors are over the particles on which both have a cell."""
