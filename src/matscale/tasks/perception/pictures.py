"""Which figures the page shows, and a small picture of each."""

from __future__ import annotations

import io
from collections.abc import Sequence

from matscale.figures.images import pixels
from matscale.figures.items import SCALES, Figure
from matscale.tasks.perception.rows import Row

WIDTH = 480
"""Longest side of a shown figure in pixels."""

KINDS = ("mcq", "numeric", "open")


def shown(rows: Sequence[Row]) -> list[Row]:
    """Rows worth a look: of each scale and kind the worst failure and one that is right."""
    chosen: list[Row] = []
    for scale in SCALES:
        for kind in KINDS:
            part = [
                row for row in rows if (row.figure.item.scale, row.figure.kind) == (scale, kind)
            ]
            for failed in (True, False):
                chosen += sorted((r for r in part if _failed(r) == failed), key=_rank)[:1]
    return chosen


def _failed(row: Row) -> bool:
    if row.figure.kind == "open":
        return not row.judge_score >= 5
    return row.within == 0.0 if row.figure.kind == "numeric" else row.correct < 1.0


def _rank(row: Row) -> tuple[float, float]:
    """Worst first."""
    score = {"open": row.judge_score, "numeric": -row.relative_error}
    value = score.get(row.figure.kind, row.correct)
    return -row.unparsable - row.unanswered, value if value == value else 0.0


def small(figure: Figure) -> bytes | None:
    """The figure as a JPEG of at most :data:`WIDTH` pixels; None without an image."""
    if figure.image is None:
        return None
    buffer = io.BytesIO()
    copy = pixels(figure.image)
    copy.thumbnail((WIDTH, WIDTH))
    copy.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
