"""Figures of the novelty task as SVG text: stacked classes, swapped elements, novelty curves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase.data import chemical_symbols

from matscale.report.draw.svg import Axis, bottom_axis, drawing, left_axis, tag, wrap

CLASSES = (
    "duplicate",
    "substituted, both ways",
    "substituted, anonymous only",
    "substituted, Wyckoff only",
    "substituted",
    "unmatched",
    "failed",
    "invalid",
)
"""What may become of a crystal, from known to new, then what could not be judged."""

CLASS_COLOUR = dict(zip(CLASSES, ("k0", "k1", "k2", "k3", "k2", "k4", "k5", "k6"), strict=True))
"""Colour class of each; ``substituted`` alone stands where the kind is not known."""

_BAR, _STEP, _LONG, _LETTER = 13, 21, 172, 6.4
_CURVE = 121
_CELL = 20


def stacked_bars(
    rows: Sequence[tuple[str, Mapping[str, int]]], title: str, most_letters: int = 12
) -> str:
    """One bar of 100 % a row, divided by class, its count on the left, its new ones on the right.

    Args:
        rows: Name and number of crystals by class; rows without crystals have an empty bar.
        title: For screen readers.
        most_letters: Longer names are cut.
    """
    left = 38 + _LETTER * most_letters
    axis = Axis(0, 100, left, left + _LONG)
    right = axis.end + 52
    parts = [tag("text", "n", x=left - 8, y=10, class_="tk", text_anchor="end")]
    parts.append(tag("text", "unmatched", x=right, y=10, class_="tk", text_anchor="end"))
    y = 17.0
    for name, counts in rows:
        total = sum(counts.values())
        short = name if len(name) <= most_letters else f"{name[: most_letters - 1]}…"
        middle = y + _BAR / 2 + 4
        parts.append(tag("text", short, x=left - 36, y=middle, text_anchor="end", class_="gn"))
        parts.append(
            tag("text", f"{total:,}", x=left - 8, y=middle, text_anchor="end", class_="tk")
        )
        parts += _bar(name, counts, total, axis, y)
        new = f"{100 * counts.get('unmatched', 0) / total:.0f} %" if total else "–"
        parts.append(tag("text", new, x=right, y=middle, text_anchor="end", class_="gn"))
        y += _STEP
    bottom = y - _STEP + _BAR + 5
    parts.append(bottom_axis(axis, bottom, 4))
    middle = (axis.start + axis.end) / 2
    label = "% of submitted crystals"
    parts.append(tag("text", label, x=middle, y=bottom + 27, class_="tk", text_anchor="middle"))
    return drawing(right + 4, bottom + 32, "".join(parts), title)


def _bar(name: str, counts: Mapping[str, int], total: int, axis: Axis, y: float) -> list[str]:
    parts, before = [], 0
    for one in CLASSES:
        count = counts.get(one, 0)
        if not count:
            continue
        start, end = (axis(100 * k / total) for k in (before, before + count))
        before += count
        says = tag("title", f"{name}: {one}, {count:,} of {total:,} ({100 * count / total:.1f} %)")
        attributes = {"x": f"{start:.1f}", "width": f"{max(end - start - 0.6, 0.4):.1f}"}
        shape = {"y": f"{y:g}", "height": _BAR, "class_": f"fi {CLASS_COLOUR[one]}"}
        parts.append(wrap("rect", says, **attributes, **shape))
    return parts


# --- the periodic table ------------------------------------------------------------------


def place_of(number: int) -> tuple[int, int]:
    """Column (0 to 17) and row of an element; lanthanides and actinides have rows of their own."""
    if 57 <= number <= 71 or 89 <= number <= 103:
        first = 57 if number <= 71 else 89
        return 2 + number - first, 8 if first == 57 else 9
    # The last element of each period, and what its row leaves free after its first elements.
    for row, (last, gap) in enumerate(
        ((2, (1, 16)), (10, (2, 10)), (18, (2, 10)), (36, (0, 0)), (54, (0, 0)))
    ):
        if number <= last:
            before = (0, 2, 10, 18, 36)[row]
            place = number - before - 1
            return (place + gap[1] if gap[1] and place >= gap[0] else place), row
    before, row = (54, 5) if number <= 86 else (86, 6)
    place = number - before - 1
    return (place if place < 2 else place - 14), row


def periodic_table(counts: Mapping[str, int], says: Mapping[str, str], title: str) -> str:
    """Elements in their places, darker the more often they occur.

    Args:
        counts: How often each element occurs, by symbol.
        says: What to say of an element that is pointed at, by symbol.
        title: For screen readers.
    """
    most = max(counts.values(), default=1)
    parts = []
    for number in range(1, 104):
        symbol = chemical_symbols[number]
        column, row = place_of(number)
        x, y = column * _CELL, row * _CELL - (_CELL // 2 if row > 7 else 0)
        count = counts.get(symbol, 0)
        # The square root keeps rare swaps visible beside common ones.
        depth = 0.12 + 0.68 * (count / most) ** 0.5 if count else None
        box: dict[str, Any] = {
            "x": x + 0.5,
            "y": y + 0.5,
            "width": _CELL - 1,
            "height": _CELL - 1,
            "rx": 2,
        }
        shapes = tag("rect", **box, class_="el")
        if depth is not None:
            shapes += tag("rect", **box, class_="fi sw", fill_opacity=f"{depth:.2f}")
        style = "sy" if count else "sy off"
        label = tag("text", symbol, x=x + _CELL / 2, y=y + 13.4, class_=style, text_anchor="middle")
        parts.append(wrap("g", tag("title", says.get(symbol, symbol)) + shapes + label))
    return drawing(18 * _CELL, 10 * _CELL - _CELL // 2, "".join(parts), title)


def spoken(symbol: str, partners: Counter[str], verb: str) -> str:
    """What an element's cell says: how often it was swapped, and most often with what."""
    total = sum(partners.values())
    most = ", ".join(f"{other} {count}" for other, count in partners.most_common(4))
    return f"{symbol} {verb} {total} time{'' if total == 1 else 's'}: {most}"


# --- the novelty curve -------------------------------------------------------------------


def novelty_curves(
    every: Sequence[tuple[str, np.ndarray, int]], label: str, subject: str = "crystals"
) -> str:
    """Share of submitted crystals farther than x from all of training, one line per predictor.

    Crystals without a distance count as not novel, so that a line starts at the share that has one.

    Args:
        every: Colour class, distances (NaN where there is none), and how many were submitted.
        label: Name of the distance, with its unit.
        subject: What is counted.
    """
    known = np.concatenate([distance[np.isfinite(distance)] for _, distance, _ in every])
    high = float(np.quantile(known, 0.98)) if len(known) else 1.0
    width, height = 342, 220
    x_axis = Axis(0, high if high > 0 else 1.0, 42, width - 10)
    y_axis = Axis(0, 100, height - 36, 12)
    parts = [bottom_axis(x_axis, height - 36, 5), left_axis(y_axis, 42, 4)]
    xs = np.linspace(0, x_axis.high, _CURVE)
    for series, distance, submitted in every:
        ranked = np.sort(distance[np.isfinite(distance)])
        above = len(ranked) - np.searchsorted(ranked, xs, side="right")
        share = 100 * above / max(submitted, 1)
        points = [f"{x_axis(x):.1f} {y_axis(y):.1f}" for x, y in zip(xs, share, strict=True)]
        parts.append(tag("path", d="M" + "L".join(points), class_=f"ln st {series}"))
    middle = (42 + width) / 2
    parts.append(tag("text", label, x=middle, y=height - 8, class_="tk", text_anchor="middle"))
    return drawing(width, height, "".join(parts), f"% of {subject} by {label}")
