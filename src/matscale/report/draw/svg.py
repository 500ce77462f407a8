"""Small pieces of SVG: elements, axes, standalone files.

Colours come from classes, so that one drawing serves the page in both themes (the page's style
sheet) and a file of its own (the style that :func:`standalone` embeds).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import escape

_VIEW_BOX = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')

SERIES = 8
"""Number of distinct series classes, ``s0`` to ``s7``."""
CLASSES = 7
"""Number of colours for what may become of a crystal, ``k0`` to ``k6``."""

LIGHT = {
    "ink": "#1d2127", "soft": "#59616c", "line": "#c9cdd3", "paper": "#ffffff",
    "s0": "#1c5fb0", "s1": "#b5430f", "s2": "#7a3b9e", "s3": "#0b7467", "s4": "#8a6d00",
    "s5": "#5f6875", "s6": "#98774a", "s7": "#9ba3ad", "ceiling": "#3f7d2a",
    "k0": "#8c2d04", "k1": "#d9600e", "k2": "#f39b37", "k3": "#fbd08a", "k4": "#1c6aa8",
    "k5": "#8d95a0", "k6": "#d0d4da", "sw": "#1c6aa8",
}  # fmt: skip
"""Colours of a standalone file; the page has its own in ``report.css``."""


def tag(name: str, text: str = "", **attributes: object) -> str:
    """One element with escaped text and attributes; ``_`` in a name stands for ``-``."""
    inner = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(_short(value)))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{inner}>{escape(text)}</{name}>" if text else f"<{name}{inner}/>"


def wrap(name: str, children: str, **attributes: object) -> str:
    """One element around markup that is already escaped."""
    opening = tag(name, "", **attributes)
    return f"{opening[:-2]}>{children}</{name}>"


def _short(value: object) -> object:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else value


def drawing(width: float, height: float, children: str, title: str) -> str:
    """A whole drawing with its title for screen readers."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'class="fig" role="img" aria-label="{escape(title)}">{children}</svg>'
    )


@dataclass(frozen=True)
class Axis:
    """A linear map from [low, high] in data to [start, end] on paper."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of a value on paper."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def places(self, values: np.ndarray) -> np.ndarray:
        """The places of many values, (N,)."""
        return self.start + (values - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, about: int = 4) -> list[float]:
        """Round numbers within the axis, at steps of 1, 2, 2.5 or 5 times a power of ten."""
        rough = (self.high - self.low) / about
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(k * step, 10) for k in range(first, last + 1)]


def number(value: float) -> str:
    """A tick label."""
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


def bottom_axis(axis: Axis, y: float, about: int = 4) -> str:
    """Tick marks and labels below a line at height y."""
    parts = [tag("path", d=f"M{axis.start:g} {y:g}H{axis.end:g}", class_="ax")]
    for tick in axis.ticks(about):
        x = axis(tick)
        parts.append(tag("path", d=f"M{x:.1f} {y:g}v3", class_="ax"))
        parts.append(tag("text", number(tick), x=x, y=y + 13, class_="tk", text_anchor="middle"))
    return "".join(parts)


def left_axis(axis: Axis, x: float, about: int = 4) -> str:
    """Tick marks and labels left of a line at x."""
    parts = [tag("path", d=f"M{x:g} {axis.start:g}V{axis.end:g}", class_="ax")]
    for tick in axis.ticks(about):
        y = axis(tick)
        parts.append(tag("path", d=f"M{x:g} {y:.1f}h-3", class_="ax"))
        parts.append(tag("text", number(tick), x=x - 5, y=y + 3.5, class_="tk", text_anchor="end"))
    return "".join(parts)


def grid(drawings: list[str], columns: int, title: str) -> str:
    """Drawings of one size side by side in one."""
    found = _VIEW_BOX.search(drawings[0])
    if found is None:
        raise ValueError("a drawing needs a viewBox")
    width, height = float(found[1]), float(found[2])
    placed = [
        svg.replace(
            "<svg ",
            f'<svg x="{(k % columns) * width:g}" y="{(k // columns) * height:g}" '
            f'width="{width:g}" height="{height:g}" ',
            1,
        )
        for k, svg in enumerate(drawings)
    ]
    rows = -(-len(drawings) // columns)
    return drawing(width * min(columns, len(drawings)), height * rows, "".join(placed), title)


def keyed(svg: str, key: Sequence[tuple[str, str]]) -> str:
    """A drawing with a key below it: names with the classes of their dots, wrapped to its width."""
    found = _VIEW_BOX.search(svg)
    if not key or found is None:
        return svg
    width, height = float(found[1]), float(found[2])
    x, y, parts = 12.0, height + 16, []
    for name, classes in key:
        # No font is at hand to measure with: 6.4 units a character is wide enough at 11.
        long = 24 + 6.4 * len(name)
        if x > 12 and x + long > width:
            x, y = 12.0, y + 16
        parts.append(tag("path", d=f"M{x:.1f} {y - 4:.1f}h.01", class_=f"pt {classes}"))
        parts.append(tag("text", name, x=x + 9, y=y))
        x += long
    taller = svg.replace(found[0], f'viewBox="0 0 {width:g} {y + 8:g}"', 1)
    return taller.removesuffix("</svg>") + "".join(parts) + "</svg>"


def standalone(svg: str) -> str:
    """A drawing as a file of its own, with colours on white and generic fonts."""
    colours = LIGHT
    rules = [
        f"text{{font:11px 'Helvetica Neue',Arial,sans-serif;fill:{colours['ink']}}}",
        f".tk,.nt{{font-size:10px;fill:{colours['soft']}}}",
        f".ax,.gr,.tr{{fill:none;stroke:{colours['line']};stroke-width:1}}",
        f".dg{{fill:none;stroke:{colours['soft']};stroke-width:1;stroke-dasharray:3 3}}",
        ".pt{stroke-width:4.5;stroke-linecap:round;stroke-opacity:.6;fill:none}",
        f".no{{stroke:{colours['soft']};stroke-opacity:.45}}",
        f".ce{{fill:none;stroke:{colours['ceiling']};stroke-width:1.5}}",
        ".ti{font-weight:600}",
        f".el{{fill:none;stroke:{colours['line']};stroke-width:.6}}",
        f".sy{{font-size:9px}}.off{{fill:{colours['soft']};fill-opacity:.6}}",
        ".ln.s6{stroke-dasharray:6 2}.ln.s7{stroke-dasharray:2 2}",
        ".ln{fill:none;stroke-width:1.6}.iv{stroke-width:2.4;stroke-opacity:.45;fill:none}",
    ]
    classes = (*(f"k{k}" for k in range(CLASSES)), "sw")
    for key in [*(f"s{k}" for k in range(SERIES)), "ceiling", *classes]:
        rules.append(f".st.{key}{{stroke:{colours[key]}}}.fi.{key}{{fill:{colours[key]}}}")
    style = f"<style>{''.join(rules)}</style>"
    size = f'<rect width="100%" height="100%" fill="{colours["paper"]}"/>'
    start = svg.index(">") + 1
    header = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return f"{header}{svg[:start]}{style}{size}{svg[start:]}\n"
