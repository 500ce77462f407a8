"""How two results of the perception task are compared, figure by figure."""

from __future__ import annotations

from matscale.metrics import clusters
from matscale.results.compared import ComparedMetric, ComparedTask, column, share

_FIGURES = {
    "accuracy": share("picks the right caption", column("correct")),
    "within_10": share("reads numbers within 10 %", column("within_10")),
    "relative_error": ComparedMetric(
        column("relative_error"),
        "is off by",
        " in the median relative error of the numbers read",
        " points",
        100.0,
        "more",
        "less",
        "as much as",
        clusters.median,
        share=False,
    ),
    "judge_score": ComparedMetric(
        column("judge_score"),
        "is scored",
        " by the judge",
        " of 10",
        1.0,
        "higher",
        "lower",
        "as high as",
        share=False,
    ),
    "consistency": share("picks one caption in every order", column("consistent")),
    "unparsable": share("states no answer", column("unparsable")),
    "unanswered": share("gives no reply", column("unanswered")),
}

COMPARED = ComparedTask(
    {"sound": _FIGURES, "published": _FIGURES},
    clusters="paper",
    samples="figures",
    own_settings=frozenset({"model", "retries", "attempt_s"}),
)
"""Figures of one paper are drawn together, as for the intervals of the metrics."""
