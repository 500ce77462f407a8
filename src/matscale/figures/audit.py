"""What a set of figures holds, and what it gives away to someone who does not look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from matscale.figures.blind import FLOORS, shortest
from matscale.figures.distractors import KINDS, kinds_of
from matscale.figures.duplicates import NEAR, near_pairs, perceptual_hash
from matscale.figures.folder import FigureReading, read_figures
from matscale.figures.items import LABELS, SCALES, Figure, printable
from matscale.metrics import clusters, statistics
from matscale.structures.reading import Refusal

RULES = {**FLOORS, "shortest": shortest}

MOST_LISTED = 20


@dataclass(frozen=True)
class Reach:
    """How often a rule that sees the captions only is right.

    Attributes:
        rule: Its name.
        scale: Among which items; "all" for all.
        value: Expected accuracy.
        low: Lower end of the 95 % interval, by a bootstrap over papers.
        high: Upper end of it.
        n: Number of items.
    """

    rule: str
    scale: str
    value: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Lengths:
    """Whether the right caption is told by its length.

    Attributes:
        right: Mean number of characters of right captions.
        wrong: Of wrong ones.
        right_longest: Share of items whose right caption is the longest, ties shared; 0.25 if
            length gives nothing away.
    """

    right: float
    wrong: float
    right_longest: float


@dataclass(frozen=True)
class Audit:
    """What was found.

    Attributes:
        path: What was read.
        rows: Number of rows.
        kinds: Number of usable texts by kind of item.
        counts: (scale, source, kind, items) of the usable texts.
        papers: Number of papers that they are from.
        refused: Rows refused for their text or image, by reason.
        refusals: Each of them.
        pictures: Number of pictures that could be hashed.
        alike: Pairs of ids whose pictures look alike, and whether they are of two papers.
        positions: How often each label is right.
        position_p: Chi-squared test of these against equal shares; None where there is none.
        lengths: None without multiple-choice items.
        distractors: Number of wrong captions by what they change.
        reach: How far each blind rule gets, over all and by scale.
        text_only: Whether rules were tried on texts whose images are missing.
    """

    path: str
    rows: int
    kinds: dict[str, int]
    counts: tuple[tuple[str, str, str, int], ...]
    papers: int
    refused: dict[str, int]
    refusals: tuple[Refusal, ...]
    pictures: int
    alike: tuple[tuple[str, str, bool], ...]
    positions: dict[str, int]
    position_p: float | None
    lengths: Lengths | None
    distractors: dict[str, int]
    reach: tuple[Reach, ...]
    text_only: bool

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """The audit as text, a finding a line, without control characters of the set's own."""
        return (printable(line, longest=None) for line in self._lines())

    def _lines(self) -> Iterator[str]:
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.kinds.items()) or "none"
        yield f"{self.path}: {self.rows} rows; usable texts: {kinds}; {self.papers} papers"
        for scale, source, kind, count in self.counts:
            yield f"  {scale:<12}{source or '(no source)':<12}{kind:<8}{count:>6}"
        yield from self._refusal_lines()
        yield from self._picture_lines()
        if self.positions:
            yield from self._choice_lines()

    def _refusal_lines(self) -> Iterator[str]:
        yield f"refused: {sum(self.refused.values())} of {self.rows}"
        for reason, count in self.refused.items():
            yield f"  {reason}: {count}"
        for refusal in self.refusals[:MOST_LISTED]:
            detail = f" ({refusal.detail})" if refusal.detail else ""
            yield f"    {refusal.source}: {refusal.reason}{detail}"
        if len(self.refusals) > MOST_LISTED:
            yield f"    and {len(self.refusals) - MOST_LISTED} more: --json lists all"

    def _picture_lines(self) -> Iterator[str]:
        across = [pair for pair in self.alike if pair[2]]
        yield (
            f"pictures: {self.pictures}; pairs that look alike (perceptual hash within {NEAR} of "
            f"64 bits): {len(self.alike)}, of which {len(across)} of two papers"
        )
        for first, second, _ in (across or list(self.alike))[:MOST_LISTED]:
            yield f"    {first} and {second}"

    def _choice_lines(self) -> Iterator[str]:
        shares = ", ".join(f"{label} {count}" for label, count in self.positions.items())
        p = "" if self.position_p is None else f" (chi-squared p = {self.position_p:.2g})"
        yield f"right answer's position: {shares}{p}"
        if self.lengths:
            lengths = self.lengths
            yield (
                f"length in characters: right {lengths.right:.0f}, wrong {lengths.wrong:.0f}; the "
                f"right one is the longest in {100 * lengths.right_longest:.0f} % of the items"
            )
        changed = ", ".join(f"{kind} {count}" for kind, count in self.distractors.items())
        yield f"wrong captions change: {changed}"
        note = "; images were not needed for this" if self.text_only else ""
        yield f"right without looking (95 % interval, by paper){note}:"
        for rule in self.reach:
            ends = f" ({rule.low:.3f} to {rule.high:.3f})" if rule.low is not None else ""
            yield f"  {rule.scale:<12}{rule.rule:<10}{rule.value:.3f}{ends}  n = {rule.n}"


def audit(path: Path | str, *, seed: int = 0) -> Audit:
    """Audit a folder of figures, or a list of CSMBench's authors.

    Texts are judged whether or not their images are there; images that are missing, broken or
    repeated are refused as for a scoring.

    Args:
        path: As for :func:`matscale.figures.folder.read_figures`.
        seed: Of the bootstrap.

    Raises:
        UserError: If it holds no figures.
    """
    texts = read_figures(path, images=False)
    whole = read_figures(path)
    choices = texts.of("mcq")
    kept = {figure.id for figure in whole.figures}
    return Audit(
        path=str(path),
        rows=whole.submitted,
        kinds=dict(Counter(figure.kind for figure in texts.figures)),
        counts=_counts(texts.figures),
        papers=len({figure.paper for figure in texts.figures}),
        refused=whole.refused_by_reason,
        refusals=whole.refusals,
        **_pictures(whole),
        positions=_positions(choices),
        position_p=_position_p(choices),
        lengths=_lengths(choices),
        distractors=_distractors(choices),
        reach=tuple(_reach(choices, seed)),
        text_only=any(figure.id not in kept for figure in choices),
    )


def _counts(figures: Sequence[Figure]) -> tuple[tuple[str, str, str, int], ...]:
    counts = Counter((figure.item.scale, figure.item.source, figure.kind) for figure in figures)
    ordered = sorted(counts, key=lambda key: (SCALES.index(key[0]), *key[1:]))
    return tuple((*key, counts[key]) for key in ordered)


def _pictures(reading: FigureReading) -> dict[str, Any]:
    """Pictures that look alike; one picture is looked at once, however many items it has."""
    first: dict[str, Figure] = {}
    for figure in reading.figures:
        first.setdefault(figure.sha256, figure)
    kept = list(first.values())
    hashes = [perceptual_hash(figure.image) for figure in kept if figure.image]
    pairs = near_pairs(np.array(hashes, np.uint64))
    alike = tuple(
        (kept[a].id, kept[b].id, kept[a].paper != kept[b].paper) for a, b in pairs.tolist()
    )
    return {"pictures": len(kept), "alike": alike}


def _positions(choices: Sequence[Figure]) -> dict[str, int]:
    right = Counter(figure.item.correct_answer for figure in choices)
    return {label: right[label] for label in LABELS} if choices else {}


def _position_p(choices: Sequence[Figure]) -> float | None:
    from scipy.stats import chisquare

    return float(chisquare(list(_positions(choices).values())).pvalue) if choices else None


def _lengths(choices: Sequence[Figure]) -> Lengths | None:
    if not choices:
        return None
    right = [len(choice.item.option(choice.item.correct_answer).caption) for choice in choices]
    wrong = [
        len(option.caption)
        for choice in choices
        for option in choice.item.options
        if option.label != choice.item.correct_answer
    ]
    longest = [_expected(choice, "longest") for choice in choices]
    return Lengths(float(np.mean(right)), float(np.mean(wrong)), float(np.mean(longest)))


def _distractors(choices: Sequence[Figure]) -> dict[str, int]:
    counts = Counter(kind for choice in choices for kind in kinds_of(choice.item).values())
    return {kind: counts[kind] for kind in KINDS if counts[kind]}


def _expected(figure: Figure, rule: str) -> float:
    """Chance with which a rule picks the right option."""
    picks = RULES[rule]([option.caption for option in figure.item.options])
    return float(picks[LABELS.index(figure.item.correct_answer)])


def _reach(choices: Sequence[Figure], seed: int) -> Iterator[Reach]:
    for scale in ("all", *SCALES):
        part = [choice for choice in choices if scale in ("all", choice.item.scale)]
        for rule in RULES:
            if part:
                values = np.array([_expected(choice, rule) for choice in part])
                yield _one_reach(rule, scale, values, [choice.paper for choice in part], seed)


def _one_reach(
    rule: str, scale: str, values: np.ndarray, papers: Sequence[str], seed: int
) -> Reach:
    sums, counts = clusters.totals(values, clusters.numbered(papers))
    value = float(values.mean())
    if value in (0.0, 1.0):
        low, high = statistics.unanimous_interval(round(value * len(sums)), len(sums))
        return Reach(rule, scale, value, low, high, len(values))
    draws = statistics.bootstrap(
        lambda weights: clusters.mean(sums, counts, weights), len(sums), seed=seed
    )
    low_end, high_end = statistics.percentile_interval(draws)
    return Reach(rule, scale, value, low_end, high_end, len(values))
