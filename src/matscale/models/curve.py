"""The learning curve of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path


def draw_curve(rows: Sequence[Mapping[str, float]], file: Path) -> None:
    """Draw training and validation loss against steps, as SVG.

    Args:
        rows: Of the log.
        file: Written.
    """
    import matplotlib.figure
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    figure = matplotlib.figure.Figure(figsize=(6, 3.5), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    for name in ("training", "validation"):
        points = [(row["step"], row[name]) for row in rows if name in row]
        if points:
            axes.plot(*zip(*points, strict=True), label=name)
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.set_yscale("log")
    axes.legend()
    figure.savefig(file, format="svg", metadata={"Date": None})
