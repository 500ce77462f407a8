"""The metrics of the perception task.

A figure that was asked about and not answered is in the denominator of accuracy and of the share
of numbers that are read, where it counts as not right, and is counted by itself. A judge's score
is a mean over the answers that were judged; how many were not is said beside it.
Intervals are by a bootstrap that draws papers, not figures.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import numpy as np

from matscale.figures.distractors import KINDS, kinds_of
from matscale.figures.items import LABELS, SCALES
from matscale.metrics import clusters
from matscale.results.measure import Measure, all_measured
from matscale.results.metric import MetricSpec
from matscale.results.result import Group, Metric, Protocol
from matscale.tasks.perception.rows import NAN, Row
from matscale.tasks.perception.specs import SPECS

_OF_CHOICE = (
    "The first letter A to D anywhere in a reply, of either case, is taken for the answer: "
    "“The correct one is D” is read as C and “Based on the image, D” as B.",
    "A reply to multiple choice is cut off at 64 tokens: a model that reasons first is not heard.",
    "Options are shown in one order, so that a liking for a letter counts as reading or as error.",
)
_OF_THE_JUDGE = (
    "A judge's “7 out of 10” is read as 10, for a 10 anywhere is.",
    "An answer that the judge gives no score leaves the mean.",
)


def defects(kinds: Collection[str]) -> tuple[str, ...]:
    """Known defects of the published protocol for the kinds of figures that are asked about."""
    message = ", and its error message an answer for the judge" if "open" in kinds else ""
    return (
        *(_OF_CHOICE if "mcq" in kinds else ()),
        *(_OF_THE_JUDGE if "open" in kinds else ()),
        f"A failed request is a wrong choice in the authors' code{message}; here it is asked "
        "again, and then counted as not answered.",
    )


_HEADLINES = {"mcq": "accuracy", "open": "judge_score", "numeric": "within_10"}


def headline(kinds: Collection[str]) -> str:
    """Name of the metric that results lead with: of the first kind of figure that was asked."""
    return next(name for kind, name in _HEADLINES.items() if kind in kinds)


Value = Callable[[Row], float]
"""What a metric is taken over: a value of each row, NaN where it has none."""


def values_of(protocol: Protocol) -> dict[str, Value]:
    """The metrics of a protocol, in the order of the tables."""
    found: dict[str, Value] = {
        "accuracy": lambda row: row.correct,
        "consistency": lambda row: row.consistent,
        "accuracy_every_order": _every_order,
        "judge_score": lambda row: row.judge_score,
        "judge_spread": lambda row: row.judge_spread,
        "within_10": lambda row: row.within,
        "relative_error": lambda row: row.relative_error,
        "unparsable": _of_replies("unparsable"),
        "unanswered": _of_replies("unanswered"),
    }
    # The published rule reads something from every reply, and shows one order.
    return {k: v for k, v in found.items() if protocol == "sound" or k != "unparsable"}


def _every_order(row: Row) -> float:
    """1 if the right option was picked in every order; NaN for a single order."""
    return NAN if len(row.picks) < 2 else float(row.correct == 1.0)


def _of_replies(name: str) -> Callable[[Row], float]:
    """A share of the orders; floors and ceiling have no replies."""
    return lambda row: getattr(row, name) if row.asked else NAN


def metrics(rows: Sequence[Row], protocol: Protocol, seed: int) -> dict[str, Metric]:
    """All metrics over some rows; one that no row has is left out."""
    names = clusters.numbered([row.figure.paper for row in rows])
    measures = {}
    for name, value in values_of(protocol).items():
        values = np.array([value(row) for row in rows], float)
        if np.isfinite(values).any():
            measures[name] = clustered(SPECS[protocol][name], values, names)
    return _measured(measures, seed)


def clustered(spec: MetricSpec, values: np.ndarray, names: np.ndarray) -> tuple[Measure, int]:
    """A metric over samples (n,) in clusters, as a measure over clusters.

    Returns:
        The measure, over which a bootstrap draws clusters, and its number of samples.
    """
    sums, counts = clusters.totals(values, names)

    def mean(weights: np.ndarray) -> np.ndarray:
        return clusters.mean(sums, counts, weights)

    def median(weights: np.ndarray) -> np.ndarray:
        return clusters.median(values, weights[..., names])

    metric = median if spec.statistic == "median" else mean
    return Measure(spec, metric, counts > 0), int(counts.sum())


def _measured(measures: Mapping[str, tuple[Measure, int]], seed: int) -> dict[str, Metric]:
    """Metrics, whose ``n`` is of samples though clusters were drawn."""
    found = all_measured({name: measure for name, (measure, _) in measures.items()}, seed=seed)
    return {
        name: metric.model_copy(update={"n": measures[name][1]}) for name, metric in found.items()
    }


DIAGNOSTICS = frozenset({"judge_spread", "unparsable", "unanswered"})
"""Metrics that say how a run went; they have no floor and no ceiling.

What a blind model does not answer is not a floor of what a seeing one does not.
"""


# --- groups ------------------------------------------------------------------------------

DISTRACTORS = "what a wrong caption changes"
"""What the groups of distractors are grouped by."""


def groups(rows: Sequence[Row], protocol: Protocol, seed: int) -> tuple[Group, ...]:
    """Metrics by scale, by what else the set distinguishes, and by kind of distractor."""
    found = [*_by("scale", rows, lambda row: row.figure.item.scale, protocol, seed)]
    for by, key in _OTHERS.items():
        if len({key(row) for row in rows}) > 1:
            found += _by(by, rows, key, protocol, seed)
    return (*found, *_by_distractor(rows, seed))


_OTHERS: dict[str, Callable[[Row], str]] = {
    "source": lambda row: row.figure.item.source,
    "skill": lambda row: row.figure.item.skill,
    "difficulty": lambda row: str(row.figure.item.difficulty or ""),
}


def _by(
    by: str, rows: Sequence[Row], key: Callable[[Row], str], protocol: Protocol, seed: int
) -> Iterator[Group]:
    present = {key(row) for row in rows} - {""}
    for name in sorted(present, key=lambda one: (SCALES.index(one) if one in SCALES else 9, one)):
        part = [row for row in rows if key(row) == name]
        yield Group(by=by, group=name, n=len(part), metrics=metrics(part, protocol, seed))


def _by_distractor(rows: Sequence[Row], seed: int) -> Iterator[Group]:
    """How often a wrong caption of each kind is picked where it is offered."""
    offered: dict[str, list[tuple[str, float]]] = {kind: [] for kind in KINDS}
    for row in rows:
        if row.picked is not None:
            for label, kind in kinds_of(row.figure.item).items():
                share = float(row.picked[LABELS.index(label)])
                offered[kind].append((row.figure.paper, share))
    picked = SPECS["sound"]["picked"]
    for kind, pairs in offered.items():
        if pairs:
            names = clusters.numbered([paper for paper, _ in pairs])
            values = np.array([share for _, share in pairs])
            found = _measured({"picked": clustered(picked, values, names)}, seed)
            yield Group(by=DISTRACTORS, group=kind, n=len(pairs), metrics=found)
