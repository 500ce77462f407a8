"""What the metrics of the perception task are, and how its results are compared."""

from __future__ import annotations

from collections.abc import Mapping

from matscale.figures.quantities import WITHIN
from matscale.results.compared import ComparedTask
from matscale.results.metric import ComparedWords, MetricSpec, by_name, error, share
from matscale.results.result import Protocol

_ONE_ORDER = "one order only"

_FIGURES = (
    share(
        "accuracy",
        "right captions",
        "Share of figures whose right caption is picked from four, a mean over the orders in "
        "which they are shown; no answer counts as not right.",
        verb="picks the right caption",
        column="correct",
        missing="no multiple choice",
        headline=("picks the right caption for", "of the figures"),
    ),
    share(
        "within_10",
        f"numbers within {100 * WITHIN:g} %",
        f"Share of numbers that are read off the figure within {100 * WITHIN:g} % of the truth; no "
        "answer counts as not read.",
        verb=f"reads numbers within {100 * WITHIN:g} %",
        column="within_10",
        missing="no numbers asked",
        headline=("reads", f"of the numbers within {100 * WITHIN:g} %"),
        group="numbers",
    ),
    error(
        "relative_error",
        "relative error",
        "",
        "Median of |read - true| / |true| of the numbers that were given.",
        percent=True,
        statistic="median",
        column="relative_error",
        missing="no number given",
        compared=ComparedWords(
            verb="is off by",
            where=" in the median relative error of the numbers read",
            more="more",
            less="less",
            same="as much as",
        ),
        group="numbers",
    ),
    MetricSpec(
        name="judge_score",
        label="judge's score",
        unit="of 10",
        better="higher",
        range=(0, 10),
        definition="Mean score that a judge model gives descriptions against the paper's "
        "paragraph, 0 to 10.",
        column="judge_score",
        missing="nothing to judge",
        compared=ComparedWords(
            verb="is scored",
            where=" by the judge",
            unit=" of 10",
            factor=1,
            more="higher",
            less="lower",
            same="as high as",
        ),
        headline=("is given", "by the judge for its descriptions"),
        group="judge",
    ),
    share(
        "consistency",
        "same in every order",
        "Share of figures for which one caption is picked in whatever order the four stand.",
        verb="picks one caption in every order",
        column="consistent",
        missing=_ONE_ORDER,
        group="orders",
    ),
    share(
        "unparsable",
        "states no answer",
        "Share of replies that state no answer, such as a refusal.",
        verb="states no answer",
        column="unparsable",
        better="lower",
        group="replies",
    ),
    share(
        "unanswered",
        "not answered",
        "Share of questions without a reply after all retries.",
        verb="gives no reply",
        column="unanswered",
        better="lower",
        group="replies",
    ),
    share(
        "accuracy_every_order",
        "right in every order",
        "Share of figures whose right caption is picked in every order.",
        missing=_ONE_ORDER,
        group="orders",
    ),
    error(
        "judge_spread",
        "judge's spread",
        "of 10",
        "Mean difference between two scores that the judge gives one and the same answer.",
        missing="judged once",
        range=(0, 10),
        group="judge",
    ),
    share(
        "picked",
        "picked",
        "How often a wrong caption of a kind is picked where it is offered.",
        better="lower",
    ),
)

_LEADING = (
    "accuracy", "consistency", "judge_score", "within_10", "unparsable", "unanswered",
)  # fmt: skip

SPECS: Mapping[Protocol, Mapping[str, MetricSpec]] = {
    "sound": by_name(_FIGURES, _LEADING),
    "published": by_name(_FIGURES, _LEADING),
}

COMPARED = ComparedTask(
    clusters="paper",
    samples="figures",
    own_settings=frozenset({"model", "retries", "attempt_s"}),
)
"""Figures of one paper are drawn together, as for the intervals of the metrics."""
