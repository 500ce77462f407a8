"""Scores of particles over the radius: profiles, diagnostics, surface against interior."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from matscale.datasets.particles.published import RADIUS_SPLITS
from matscale.metrics import clusters, scales
from matscale.metrics.scales import Profile
from matscale.report.tables.cells import rounding
from matscale.report.tables.grid import Grid, Value
from matscale.results.metric import MetricSpec
from matscale.results.result import Result
from matscale.results.samples import Samples

NOISE = 1e-6
"""A smaller value is rounding: an exact copy has errors of 1e-15 that follow no law."""
SEED = 0
"""Of the bootstrap of every profile."""

THRESHOLDS: Mapping[str, float] = {**scales.THRESHOLDS, "length_mae": 0.5, "angle_mae": 0.5}
"""Last acceptable values: RADII's of particles, those of C2NP's joint accuracy (0.5 Å, 0.5°) of
cells."""

SURFACE, INTERIOR = "_surface", "_interior"


@dataclass(frozen=True)
class RadiusMetric:
    """What a metric is called and how it is shown.

    Attributes:
        name: In the samples.
        label: On the page.
        unit: Of the shown numbers; "" where there is none.
        factor: Shown number over stored number.
        better: Which direction is better.
        definition: One sentence, may be empty.
        threshold: Last acceptable stored value; None where nobody set one.
    """

    name: str
    label: str
    unit: str
    factor: float
    better: scales.Better
    definition: str
    threshold: float | None = None

    @property
    def heading(self) -> str:
        """Label with its unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


@dataclass(frozen=True)
class Curve:
    """One metric of one predictor over the radius, in stored units.

    Attributes:
        predictor: Its name.
        kind: Floor, ceiling or model.
        profile: By radius.
        degradation: Mean over OOD samples over that over ID samples.
    """

    predictor: str
    kind: str
    profile: Profile
    degradation: float = math.nan


@dataclass(frozen=True)
class Radii:
    """Radii in Å by what they are to the training set."""

    id: tuple[float, ...]
    ood: tuple[float, ...]
    train: tuple[float, ...]


def radii_of(every: Sequence[Samples]) -> Radii:
    """The radii of the samples, and the training radii of the published split that has them."""
    found: dict[str, set[float]] = {"id": set(), "ood": set()}
    for samples in every:
        for split, radius in zip(samples.texts("split"), samples.numbers("radius"), strict=True):
            if split in found and math.isfinite(radius):
                found[split].add(float(radius))
    train: tuple[float, ...] = ()
    for published in RADIUS_SPLITS.values():
        if found["id"] and found["id"] <= set(map(float, published["id"])):
            train = tuple(map(float, published["train"]))
            break
    return Radii(tuple(sorted(found["id"])), tuple(sorted(found["ood"])), train)


def metric_of(spec: MetricSpec) -> RadiusMetric:
    """A metric as the charts show it."""
    unit = "%" if spec.percent else spec.unit or spec.shown_unit
    factor = 100.0 if spec.percent else 1.0
    threshold = THRESHOLDS.get(spec.name)
    return RadiusMetric(
        spec.name, spec.label, unit, factor, spec.better, spec.definition, threshold
    )


def metrics_of(result: Result, samples: Samples) -> list[str]:
    """Names of the metrics of a result that its samples have values of, the headline first."""
    columns = [name for name in result.metrics if np.isfinite(samples.numbers(name)).any()]
    return sorted(columns, key=lambda name: name != result.headline)


def _means(result: Result, samples: Samples, name: str) -> Profile:
    """Means over the samples of each radius."""
    values = samples.numbers(name)
    names = samples.texts("material")
    materials = clusters.numbered(names if any(names) else samples.texts("id"))
    rate = _is_rate(result, name, values)
    return scales.profile(samples.numbers("radius"), values, materials, seed=SEED, rate=rate)


def curve_of(result: Result, samples: Samples, name: str, radii: Radii) -> Curve:
    """A metric of a predictor by radius, and how much worse it is out of distribution.

    Values are means over the samples, with intervals from a bootstrap that draws materials:
    orientations of one particle are not independent samples. A metric that is not a mean over
    samples, such as a root mean square, is taken from the groups of the result.
    """
    means = _means(result, samples, name)
    own = _of_groups(result, means, name)
    values = _without_noise(samples.numbers(name))
    ratio = scales.degradation_ratio(samples.numbers("radius"), values, radii.id, radii.ood)
    groups = {one.group: one.metrics.get(name) for one in result.groups if one.by == "split"}
    sides = [groups.get(split) for split in ("ood", "id")]
    known = [one.value for one in sides if one is not None and one.value is not None]
    if own is not None and len(known) == 2:
        ratio = known[0] / known[1] if known[1] else math.nan
    metric = result.metrics.get(name)
    profile = _without_rounding(own or means, metric.unit if metric else "")
    return Curve(result.predictor.name, result.predictor.kind, profile, ratio)


def _without_rounding(found: Profile, unit: str) -> Profile:
    """The profile with 0 for what is arithmetic."""
    ends = {
        name: np.where(np.abs(getattr(found, name)) < rounding(unit), 0.0, getattr(found, name))
        for name in ("mean", "low", "high")
    }
    return replace(found, **ends)


def _is_rate(result: Result, name: str, values: np.ndarray) -> bool:
    """Whether a metric says yes or no of each sample."""
    yes_or_no = np.isin(values[np.isfinite(values)], (0.0, 1.0)).all()
    return bool(result.spec(name).share and yes_or_no)


def _of_groups(result: Result, found: Profile, name: str) -> Profile | None:
    """The profile with the values of the result's own groups where these are not means."""
    groups = {one.group: one.metrics.get(name) for one in result.groups if one.by == "radius"}
    own = [groups.get(f"{radius:g}") for radius in found.radius]
    values = np.array([math.nan if m is None or m.value is None else m.value for m in own])
    both = np.isfinite(values) & np.isfinite(found.mean)
    if not both.any() or np.allclose(values[both], found.mean[both], rtol=1e-6, atol=1e-12):
        return None
    ends = [
        np.array(
            [math.nan if m is None or getattr(m, end) is None else getattr(m, end) for m in own]
        )
        for end in ("low", "high")
    ]
    return Profile(found.radius, values, ends[0], ends[1], found.n, found.failed)


# --- diagnostics -------------------------------------------------------------------------

DIAGNOSTICS = (
    "predictor", "smoothness", "jump ratio", "OOD / ID", "frontier (Å)", "radii inside (%)",
    "mean beyond", "power law: exponent", "its error at OOD (%)",
)  # fmt: skip


def diagnostics_row(curve: Curve, told: RadiusMetric, radii: Radii) -> tuple[Value, ...]:
    """One line of the table of diagnostics, as ``DIAGNOSTICS`` names them."""
    radius, mean = curve.profile.radius, told.factor * _without_noise(curve.profile.mean)
    law = scales.power_law(radius, mean, radii.id, radii.ood)
    power: tuple[Value, ...] = ("", "")
    if told.better == "lower":
        # A law of growth is one of errors; a share of hits has none.
        power = _not_noise(law.exponent), _not_noise(100 * law.error)
    frontier: tuple[Value, ...] = ("", "", "")
    if told.threshold is not None:
        one = scales.frontier(radius, mean, told.factor * told.threshold, told.better)
        nowhere = math.isnan(one.radius)
        frontier = ("nowhere" if nowhere else one.radius, 100 * one.share_inside, one.mean_beyond)
    return (
        curve.predictor, scales.smoothness(radius, mean), scales.jump_ratio(radius, mean),
        curve.degradation, *frontier, *power,
    )  # fmt: skip


def _without_noise(values: np.ndarray) -> np.ndarray:
    return np.where(np.abs(values) < NOISE, 0.0, values)


def _not_noise(value: float) -> float:
    return 0.0 if abs(value) < NOISE else value


def failure_text(
    name: str, profiles: Mapping[str, Profile], labels: Mapping[str, RadiusMetric]
) -> str:
    """Which metric of a predictor fails first, in words; "" where none has a threshold."""
    profiles = {key: one for key, one in profiles.items() if key in THRESHOLDS}
    if not profiles:
        return ""
    radius = next(iter(profiles.values())).radius
    means = {key: one.mean for key, one in profiles.items() if len(one.radius) == len(radius)}
    directions: dict[str, scales.Better] = {key: labels[key].better for key in means}
    at: dict[float, list[str]] = {}
    never = []
    for key, first in scales.failure_order(radius, means, THRESHOLDS, directions):
        if math.isnan(first):
            never.append(labels[key].label)
        else:
            at.setdefault(first, []).append(labels[key].label)
    fails = ", then ".join(f"{_listed(names)} at {first:g} Å" for first, names in at.items())
    if not at:
        return f"{name}: {_listed(never)} never {'fails' if len(never) == 1 else 'fail'}."
    return f"{name}: {fails}" + (f"; never {_listed(never)}." if never else ".")


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def profile_grid(
    every: Mapping[str, Sequence[Curve]], labels: Mapping[str, RadiusMetric], radii: Radii
) -> Grid:
    """Every point of every curve, one per line, in stored units."""
    rows: list[tuple[Value, ...]] = []
    for name, curves in every.items():
        for curve in curves:
            p = curve.profile
            for k, radius in enumerate(p.radius):
                split = "id" if radius in radii.id else "ood" if radius in radii.ood else ""
                numbers = (float(p.mean[k]), float(p.low[k]), float(p.high[k]))
                counts = (int(p.n[k]), int(p.failed[k]))
                rows.append(
                    (curve.predictor, curve.kind, name, split, float(radius), *numbers, *counts)
                )
    columns = (
        "predictor",
        "kind",
        "metric",
        "split",
        "radius",
        "mean",
        "low",
        "high",
        "n",
        "failed",
    )
    return Grid("By radius", columns, tuple(rows), lead=4)


# --- rotations ---------------------------------------------------------------------------


def turned_grid(every: Mapping[str, Samples], radii: Radii) -> Grid | None:
    """Mean over materials of how alike the answers in several rotations are, by radius, in Å.

    Args:
        every: Samples by predictor; only those of crystal-to-particle have such a column.
        radii: Of the samples.
    """
    sizes = sorted((*radii.id, *radii.ood))
    rows: list[tuple[Value, ...]] = []
    for name, samples in every.items():
        radius, values = samples.numbers("radius"), samples.numbers("rotation_consistency")
        known = np.isfinite(values)
        if not known.any():
            continue
        means = (
            _not_noise(float(values[known & (radius == one)].mean()))
            if (known & (radius == one)).any()
            else math.nan
            for one in sizes
        )
        rows.append((name, *means))
    columns = ("predictor", *(f"{one:g} Å" for one in sizes))
    title = "Rotation consistency by radius (Å)"
    return Grid(title, columns, tuple(rows)) if rows else None


# --- surface against interior ------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """One metric of one predictor at the surface and inside, means over ID or OOD samples."""

    predictor: str
    split: str
    surface: float
    interior: float


def places_of(name: str, samples: Samples, stem: str) -> list[Place]:
    """Means of ``stem`` of the outer and the inner quarter of the atoms, one line per split."""
    splits = np.array(samples.texts("split"))
    found = []
    for split in ("id", "ood"):
        ends = []
        for suffix in (SURFACE, INTERIOR):
            values = samples.numbers(stem + suffix)[splits == split]
            known = values[np.isfinite(values)]
            ends.append(_not_noise(float(known.mean())) if len(known) else math.nan)
        if any(math.isfinite(end) for end in ends):
            found.append(Place(name, split, *ends))
    return found


# --- splits ------------------------------------------------------------------------------


def by_split(own: Sequence[Result], every: Sequence[Result]) -> Grid | None:
    """The headline under each split of one set of particles, or None where there is one split.

    Tests apart by radius only are of materials that training has at other radii, so that a rule
    that looks the material up answers them; tests of materials that are not in training tell
    memory from understanding.

    Args:
        own: Results of a section.
        every: Results of all sections.
    """
    first = own[0]
    same = [
        one
        for one in every
        if (one.task, one.dataset.name, one.protocol) == (first.task, first.dataset.name, "sound")
    ]
    splits = list(dict.fromkeys(one.dataset.split or "" for one in same))
    if len(splits) < 2:
        return None
    splits.sort(key=lambda split: split != "radius")
    told = metric_of(same[0].spec(same[0].headline))
    values: dict[tuple[str, str], dict[str, float]] = {}
    for one in same:
        metric = one.metrics.get(told.name)
        if metric is not None and metric.value is not None:
            row = values.setdefault((one.predictor.name, one.predictor.kind), {})
            row[one.dataset.split or ""] = told.factor * metric.value
    kinds = ("model", "floor", "ceiling")
    rows: tuple[tuple[Value, ...], ...] = tuple(
        (name, kind, *(row.get(split, math.nan) for split in splits))
        for (name, kind), row in sorted(values.items(), key=lambda one: kinds.index(one[0][1]))
    )
    columns = ("predictor", "kind", *(f"{told.heading}, split by {split}" for split in splits))
    return Grid(f"{told.heading} under each split of {first.dataset.name}", columns, rows, lead=2)
