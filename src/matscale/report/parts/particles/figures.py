"""Figures of the particle tasks: a metric over the radius, and surface against interior."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from matscale.metrics import scales
from matscale.report.draw.svg import Axis, bottom_axis, drawing, left_axis, number, tag, wrap
from matscale.report.parts.particles.profiles import NOISE, Curve, Place, Radii, RadiusMetric
from matscale.results.rounding import show

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 342, 226, 44, 8, 16, 40
_RELATIVE_NOISE = 1e-9
"""A value below this share of the largest is arithmetic noise, drawn as zero."""
_WIDE = 200
"""Curves whose medians differ by more than this factor are drawn on a logarithmic axis."""
_MOST_DECADES = 9


class Upright:
    """The axis of the values: linear from zero, or logarithmic with zero at the bottom."""

    def __init__(self, curves: Sequence[Curve], told: RadiusMetric) -> None:
        """Choose the axis that holds all values in shown units."""
        every = [told.factor * one.profile.mean for one in curves]
        ends = [told.factor * one.profile.high for one in curves]
        known = np.concatenate([*every, *ends, np.zeros(1)])
        known = known[np.isfinite(known)]
        self.noise = _RELATIVE_NOISE * float(np.abs(known).max())
        medians = [float(np.nanmedian(one)) for one in every if np.isfinite(one).any()]
        positive = [one for one in medians if one > self.noise]
        self.logarithmic = (
            float(known.min()) >= 0 and bool(positive) and max(positive) > _WIDE * min(positive)
        )
        bottom, top = _HEIGHT - _BOTTOM, _TOP
        if self.logarithmic:
            means = np.concatenate(every)
            last = math.ceil(math.log10(float(known.max())))
            first = math.floor(math.log10(float(means[means > self.noise].min())))
            # The lowest decade is where zero stands.
            self.axis = Axis(max(first, last - _MOST_DECADES) - 1, last, bottom, top)
            return
        high = float(known.max())
        if high < NOISE:
            high = 1.0 if told.threshold is None else told.factor * told.threshold
        if told.threshold is not None and told.factor * told.threshold < 2.5 * high:
            high = max(high, 1.1 * told.factor * told.threshold)
        if told.unit == "%" and told.better == "higher" and high <= 100:
            high = 100.0
        elif high != 1:
            high *= 1.04
        self.axis = Axis(min(0.0, float(known.min())), high if high > 0 else 1.0, bottom, top)

    def __call__(self, value: float) -> float:
        """The place of a shown value on paper."""
        if not self.logarithmic:
            return self.axis(value)
        exponent = math.log10(value) if value > self.noise else -math.inf
        return self.axis(min(max(exponent, self.axis.low), self.axis.high))

    def holds(self, value: float) -> bool:
        """Whether a shown value lies on the axis."""
        place = value if not self.logarithmic else math.log10(value) if value > 0 else -math.inf
        return self.axis.low <= place <= self.axis.high

    def drawn(self) -> str:
        """Tick marks and labels."""
        if not self.logarithmic:
            return left_axis(self.axis, _LEFT, 4)
        low, high = int(self.axis.low), int(self.axis.high)
        step = -(-(high - low) // 5)
        parts = [tag("path", d=f"M{_LEFT} {self.axis.start:g}V{self.axis.end:g}", class_="ax")]
        for exponent in [low, *range(high, low, -step)]:
            text = "0" if exponent == low else _power(exponent)
            y = self.axis(exponent)
            parts.append(tag("path", d=f"M{_LEFT} {y:.1f}h-3", class_="ax"))
            parts.append(tag("text", text, x=_LEFT - 5, y=y + 3.5, class_="tk", text_anchor="end"))
        return "".join(parts)


def _power(exponent: int) -> str:
    superscript = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    if -3 <= exponent <= 4:
        return number(10.0**exponent)
    return f"10{str(exponent).translate(superscript)}"


DASHES = ("none", "7 3", "2 3", "8 3 2 3")
"""Dashes of the predictors that share a colour, in turn."""


def line_styles(series: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Colour class and dash of each predictor's line: no two of one colour are dashed alike.

    The dash is an inline style, so that it holds on the page and in a file of its own.
    """
    taken: dict[str, int] = {}
    found = {}
    for name, colour in series.items():
        taken[colour] = taken.get(colour, -1) + 1
        found[name] = colour, f"stroke-dasharray:{DASHES[taken[colour] % len(DASHES)]}"
    return found


def radius_curves(
    curves: Sequence[Curve], told: RadiusMetric, radii: Radii, lines: Mapping[str, tuple[str, str]]
) -> str:
    """A metric over the radius: one line per predictor, its 95 % intervals, ID and OOD as bands.

    Args:
        curves: One per predictor.
        told: The metric.
        radii: ID and OOD radii are bands, training radii ticks below the axis.
        lines: Colour class and dash of each predictor, from :func:`line_styles`.
    """
    x_axis = _radius_axis(curves, radii)
    y_axis = Upright(curves, told)
    parts = [*_bands(radii, x_axis), bottom_axis(x_axis, _HEIGHT - _BOTTOM, 6), y_axis.drawn()]
    parts += _training(radii, x_axis)
    if told.threshold is not None and y_axis.holds(told.factor * told.threshold):
        y = y_axis(told.factor * told.threshold)
        parts.append(tag("path", d=f"M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}", class_="dg"))
    # Models last, so that they lie above floors and ceilings.
    for curve in sorted(curves, key=lambda one: one.kind == "model"):
        parts += _line(curve, told, x_axis, y_axis, lines[curve.predictor])
    if told.threshold is not None and y_axis.holds(told.factor * told.threshold):
        parts += _frontiers(curves, told, x_axis, y_axis, lines)
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(
        tag("text", "radius (Å)", x=middle, y=_HEIGHT - 5, class_="tk", text_anchor="middle")
    )
    scale = ", logarithmic scale" if y_axis.logarithmic else ""
    return drawing(_WIDTH, _HEIGHT, "".join(parts), f"{told.heading} by radius{scale}")


def _radius_axis(curves: Sequence[Curve], radii: Radii) -> Axis:
    every = [*radii.id, *radii.ood, *radii.train]
    every += [float(radius) for one in curves for radius in one.profile.radius]
    low, high = (min(every), max(every)) if every else (0.0, 1.0)
    return Axis(low - 0.8, high + 0.8, _LEFT, _WIDTH - _RIGHT)


def _bands(radii: Radii, axis: Axis) -> list[str]:
    """Radii that touch share a band, named at its top."""
    parts = []
    for name, members, opacity in (("ID", radii.id, 0.05), ("OOD", radii.ood, 0.13)):
        for low, high in runs(members):
            start, end = axis(low - 0.5), axis(high + 0.5)
            shape: dict[str, Any] = {
                "x": start,
                "y": _TOP,
                "width": end - start,
                "height": _HEIGHT - _BOTTOM - _TOP,
            }
            fill = {"fill": "currentColor", "fill_opacity": f"{opacity:g}"}
            parts.append(tag("rect", **shape, **fill))
            middle = (start + end) / 2
            parts.append(tag("text", name, x=middle, y=_TOP - 4, class_="tk", text_anchor="middle"))
    return parts


def runs(radii: Sequence[float]) -> list[tuple[float, float]]:
    """Rising radii at most 1 Å apart as (first, last)."""
    found: list[tuple[float, float]] = []
    for radius in radii:
        if found and radius - found[-1][1] <= 1:
            found[-1] = found[-1][0], radius
        else:
            found.append((radius, radius))
    return found


def _training(radii: Radii, axis: Axis) -> list[str]:
    y = _HEIGHT - _BOTTOM + 17
    marks = "".join(f"M{axis(radius):.1f} {y}l-2.4 4.4h4.8z" for radius in radii.train)
    if not marks:
        return []
    fill = {"fill": "currentColor", "fill_opacity": "0.55"}
    return [wrap("path", tag("title", "training radii"), d=marks, **fill)]


def _line(
    curve: Curve, told: RadiusMetric, x_axis: Axis, y_axis: Upright, style: tuple[str, str]
) -> list[str]:
    """Interval bars, the line, and a dot a radius that says its numbers."""
    colour, dash = style
    parts, points = [], []
    p = curve.profile
    for k, radius in enumerate(p.radius):
        mean, low, high = (told.factor * float(one[k]) for one in (p.mean, p.low, p.high))
        if not math.isfinite(mean):
            continue
        x, y = x_axis(float(radius)), y_axis(mean)
        points.append(f"{x:.1f} {y:.1f}")
        interval = ""
        if high - low > NOISE:
            ends = f"M{x:.1f} {y_axis(low):.1f}V{y_axis(high):.1f}"
            parts.append(tag("path", d=ends, class_=f"iv st {colour}"))
            interval = f", 95 % interval {show(low)} to {show(high)}"
        unit = f" {told.unit}" if told.unit else ""
        lost = f", {int(p.failed[k])} failed" if p.failed[k] else ""
        n = f"n = {int(p.n[k]):,}{lost}"
        says = f"{curve.predictor}, {radius:g} Å: {show(mean)}{unit}{interval} ({n})"
        dot = {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": "2.3", "class_": f"fi {colour}"}
        parts.append(wrap("circle", tag("title", says), **dot))
    if not points:
        return parts
    line = tag("path", d="M" + "L".join(points), class_=f"ln st {colour}", style=dash)
    return [line, *parts]


def _frontiers(
    curves: Sequence[Curve],
    told: RadiusMetric,
    x_axis: Axis,
    y_axis: Upright,
    lines: Mapping[str, tuple[str, str]],
) -> list[str]:
    """A flag on the line of the threshold at the largest acceptable radius of each predictor.

    Floors and ceilings that are acceptable at the last radius have none, or it would be crowded.
    """
    parts = []
    y = y_axis(told.factor * (told.threshold or 0.0))
    stacked: dict[float, int] = {}
    for curve in curves:
        radius = frontier_of(curve, told)
        beyond = curve.kind != "model" and radius == curve.profile.radius.max()
        if not math.isfinite(radius) or beyond:
            continue
        above = stacked[radius] = stacked.get(radius, -1) + 1
        top = y - 9 * above
        flag = f"M{x_axis(radius):.1f} {top:.1f}l-4 -8h8z"
        says = tag("title", f"{curve.predictor}: frontier {radius:g} Å")
        colour, _ = lines[curve.predictor]
        parts.append(wrap("path", says, d=flag, class_=f"fi {colour}"))
    return parts


def frontier_of(curve: Curve, told: RadiusMetric) -> float:
    """Largest radius in Å at which the metric is acceptable; NaN at none or without threshold."""
    if told.threshold is None:
        return math.nan
    profile = curve.profile
    return scales.frontier(profile.radius, profile.mean, told.threshold, told.better).radius


# --- surface against interior ------------------------------------------------------------


def surface_chart(places: Sequence[Place], told: RadiusMetric, series: Mapping[str, str]) -> str:
    """Two dots a predictor and split: hollow inside, filled at the surface, joined by a line."""
    left, step, right = 140, 15, 334
    known = [v for one in places for v in (one.surface, one.interior) if math.isfinite(v)]
    high = max(known, default=0.0)
    axis = Axis(0, high if high > 0 else 1.0, left, right)
    parts, y = [], 12.0
    for k, one in enumerate(places):
        colour = series[one.predictor]
        if k == 0 or places[k - 1].predictor != one.predictor:
            short = one.predictor if len(one.predictor) <= 16 else f"{one.predictor[:15]}…"
            parts.append(tag("text", short, x=left - 36, y=y + 4, text_anchor="end", class_="gn"))
        parts.append(
            tag("text", one.split.upper(), x=left - 8, y=y + 4, text_anchor="end", class_="tk")
        )
        places_x = [axis(v) for v in (one.interior, one.surface) if math.isfinite(v)]
        if len(places_x) == 2:
            ends = f"M{places_x[0]:.1f} {y:g}H{places_x[1]:.1f}"
            parts.append(tag("path", d=ends, class_=f"iv st {colour}"))
        ring = {"class_": f"st {colour}", "fill": "none", "stroke_width": "1.7"}
        for value, where, style in (
            (one.interior, "interior", ring),
            (one.surface, "surface", {"class_": f"fi {colour}"}),
        ):
            if math.isfinite(value):
                says = tag("title", f"{one.predictor}, {one.split.upper()}, {where}: {show(value)}")
                dot = {"cx": f"{axis(value):.1f}", "cy": f"{y:g}", "r": "3.4", **style}
                parts.append(wrap("circle", says, **dot))
        last = k + 1 == len(places) or places[k + 1].predictor != one.predictor
        y += step + (5 if last else 0)
    parts.append(bottom_axis(axis, y - 6, 4))
    middle = (left + right) / 2
    parts.append(tag("text", told.heading, x=middle, y=y + 21, class_="tk", text_anchor="middle"))
    return drawing(342, y + 26, "".join(parts), f"{told.heading}: surface against interior")
