"""What C2NP printed (Polat, Serpedin, M. Kurban, H. Kurban, arXiv 2601.19076), beside our runs.

The numbers are those of the paper's tables 1 and 2, means over seeds. ``EXPLANATIONS`` says what
produces the ones that measure no model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matscale.report.tables.grid import Grid, Value, shown
from matscale.results.result import Metric, Result
from matscale.results.rounding import ABSENT

CITATION = "Polat, Serpedin, M. Kurban and H. Kurban, arXiv 2601.19076"

PARTICLE_COLUMNS = (
    ("loss", "loss"),
    ("rmsd", "RMSD (Å)"),
    ("hausdorff", "Hausdorff (Å)"),
    ("delta_hull_volume", "Δ hull volume (Å³)"),
    ("rdf_energy", "RDF energy"),
    ("volume_ratio", "volume ratio"),
)
CELL_COLUMNS = (
    ("rmse", "RMSE (Å and °)"),
    ("space_group_published", "space group right"),
    ("joint_published", "joint"),
)

Pair = tuple[float, float]
"""ID and OOD."""

LOSS_OF_ZERO = 0.1**2
"""Expected loss of predicting no noise: the variance of noise of standard deviation 0.1."""

_ROUNDING = 1e-12
"""What is smaller is arithmetic: an exact answer has an RMSE of 1e-15."""

# fmt: off
PARTICLES: Mapping[str, tuple[Pair, ...]] = {
    "ADiT": ((0.0100, 0.0100), (40.5902, 40.8168), (86.2368, 85.9504), (30804.6101, 51410.1434),
             (168.3962, 170.0530), (2.2336e-09, 3.3409e-10)),
    "CDVAE": ((0.1029, 0.1027), (0.0066, 0.0072), (0.0188, 0.0202), (5.8698, 9.2122),
              (0.1381, 0.2012), (0.87637, 0.77262)),
    "DiffCSP": ((0.0101, 0.0101), (40.5846, 40.8025), (86.2184, 85.9119), (30804.6102, 51410.1434),
                (163.1791, 157.1219), (1.9235e-11, 2.6966e-11)),
    "FlowMM": ((0.0104, 0.0103), (40.5855, 40.8032), (86.2077, 85.9029), (30804.6101, 51410.1433),
               (173.5152, 174.1226), (8.6119e-09, 2.0886e-08)),
    "MatterGen": ((0.0104, 0.0101), (40.8804, 41.0972), (78.5013, 80.5981),
                  (29804.9187, 50702.5925), (64.5889, 66.3866), (0.087162, 0.44870)),
}
"""Table 1 by model, in the order of ``PARTICLE_COLUMNS``."""

CELLS: Mapping[str, tuple[Pair, ...]] = {
    "ADiT": ((63.71, 63.71), (0.980, 0.982), (0.0, 0.0)),
    "CDVAE": ((32.50, 32.51), (0.980, 0.980), (0.0, 0.0)),
    "DiffCSP": ((63.70, 63.70), (0.987, 0.982), (0.0, 0.0)),
    "FlowMM": ((62.61, 62.43), (0.0, 0.0), (0.0, 0.0)),
    "MatterGen": ((63.71, 63.71), (0.980, 0.980), (0.0, 0.0)),
}
"""Table 2 by model, in the order of ``CELL_COLUMNS``."""
# fmt: on


@dataclass(frozen=True)
class Explanation:
    """What a published number is.

    Attributes:
        number: As printed.
        meaning: What gives that number without any understanding.
        ours: What our runs of that give, where they were made; else empty.
    """

    number: str
    meaning: str
    ours: str


@dataclass(frozen=True)
class Beside:
    """The published table and ours in one, and what its numbers are.

    Attributes:
        grid: ID and OOD in one cell, for eyes.
        data: A column each, for files.
        explanations: What the printed numbers are.
    """

    grid: Grid
    data: Grid
    explanations: tuple[Explanation, ...]


@dataclass(frozen=True)
class _Case:
    """A printed number, what gives it, and where a run here shows that.

    ``metric`` of ``predictor`` is said where there is one, else the note that has ``noted`` in it.
    """

    number: str
    meaning: str
    metric: str = ""
    predictor: str = ""
    noted: str = ""


_PARTICLE_CASES = (
    _Case(
        "loss 0.0100 to 0.0104",
        "The variance of noise of standard deviation 0.1, 0.1² = 0.0100: the loss of a network "
        "that predicts zero for all noise, whatever the particle.",
        noted="denoising loss",
    ),
    _Case(
        "RMSD 40.6 Å, Hausdorff 86 Å",
        "What all atoms at one point 68.7 Å from the centre have, whatever the radius R: "
        "√((68.7² + 0.6 R²) / 3) averages 40.6 Å over the ID and 40.8 Å over the OOD radii, and "
        "68.7 + R averages 86.9 and 86.7 Å.",
    ),
    _Case(
        "CDVAE: RMSD 0.0066 Å",
        "This model was given the true positions and returned them, moved by at most 0.5 Å. "
        "Handing the input back does better still.",
        "rmsd",
        "return_input",
    ),
    _Case(
        "Δ hull volume 30,805 and 51,410 Å³",
        "The mean hull volume of the true particles themselves (spheres of the test radii hold "
        "33,400 and 54,400 Å³): the predicted points span no volume, and the volume ratio of "
        "10⁻⁸ and less says the same.",
        noted="hull volume of the true particles",
    ),
    _Case(
        "MatterGen: volume ratio 0.087 and 0.449",
        "Its points fill a cube of 10 Å, 1,000 Å³ at every radius (30,805 − 29,805), as "
        "coordinates clipped to ±5 Å would: 1,000 Å³ over the volume of the spheres averages "
        "0.087 at the ID and 0.455 at the OOD radii.",
    ),
)
_CELL_CASES = (
    _Case(
        "RMSE 63.7",
        "Zeros for all six parameters of a cubic cell of about 4 Å and 90°: "
        "√((3·4² + 3·90²) / 6) = 63.7. Å and degrees are mixed.",
        "rmse",
        "zeros",
    ),
    _Case(
        "space group right 0.980",
        "The share of the commonest space group in the set: always answering with it scores this.",
        noted="commonest space group",
    ),
    _Case(
        "joint 0.000",
        "The right space group with every parameter within 0.5 Å or 0.5°. The mean cell of the "
        "training set with its commonest group looks at no particle.",
        "joint_published",
        "mean_lattice",
    ),
)


@dataclass(frozen=True)
class Printed:
    """A table of the paper.

    Attributes:
        columns: Metric and heading of each column.
        models: ID and OOD of each column by model.
        cases: What the numbers are.
    """

    columns: tuple[tuple[str, str], ...]
    models: Mapping[str, tuple[Pair, ...]]
    cases: tuple[_Case, ...]


PRINTED_PARTICLES = Printed(PARTICLE_COLUMNS, PARTICLES, _PARTICLE_CASES)
PRINTED_CELLS = Printed(CELL_COLUMNS, CELLS, _CELL_CASES)


def beside_published(results: Sequence[Result], printed: Printed) -> Beside:
    """The paper's table with our predictors under the published protocol below.

    Args:
        results: Of one particle task on one dataset, all protocols.
        printed: The paper's table of that task.
    """
    columns, paper = printed.columns, printed.models
    ours = [one for one in results if one.protocol == "published"]
    lines: list[tuple[str, str, list[Pair]]] = [
        (model, "paper", list(pairs)) for model, pairs in paper.items()
    ]
    lines += [(one.predictor.name, one.predictor.kind, _own(one, columns)) for one in ours]
    title = f"Published ({CITATION}) and run here, published protocol"
    notes: tuple[str, ...] = (
        "Each cell is ID / OOD. Unless the authors' own files were imported, the materials are "
        "others than the paper's, and only orders of size compare.",
    )
    marks = {one.predictor.name: _replaced(one, columns) for one in ours}
    if any(any(own) for own in marks.values()):
        notes += (
            "† of predictions without a convex hull or without pairs of atoms, for which the "
            "published code returns 0: no measurement.",
        )
    blank = [""] * len(columns)
    seen = tuple(
        (name, of, *map("".join, zip(map(_both, pairs), marks.get(name, blank), strict=True)))
        for name, of, pairs in lines
    )
    digits: tuple[tuple[Value, ...], ...] = tuple(
        (name, of, *(value for pair in pairs for value in pair)) for name, of, pairs in lines
    )
    headings = [label for _, label in columns]
    apart = [f"{label}, {split}" for label in headings for split in ("ID", "OOD")]
    return Beside(
        Grid(title, ("predictor", "from", *headings), seen, 2, notes),
        Grid(title, ("predictor", "from", *apart), digits, 2, notes),
        tuple(_explanation(case, ours) for case in printed.cases),
    )


def _both(pair: tuple[float, ...]) -> str:
    """ID and OOD in one cell; one dash where neither is known, 0 for what is rounding."""
    pair = tuple(0.0 if abs(value) < _ROUNDING else value for value in pair)
    return ABSENT if all(map(math.isnan, pair)) else " / ".join(map(shown, pair))


def _replaced(result: Result, columns: Sequence[tuple[str, str]]) -> list[str]:
    """A mark for each column that has values with a reason, which are not measurements."""
    failed = {words.partition(": ")[0] for words in result.counts.warnings}
    return [" †" if name in failed else "" for name, _ in columns]


def _own(result: Result, columns: Sequence[tuple[str, str]]) -> list[Pair]:
    sides = [split_metrics(result, split) for split in ("id", "ood")]
    pairs = [(_value(sides[0].get(name)), _value(sides[1].get(name))) for name, _ in columns]
    if result.predictor.name == "predict_zero_noise":
        # Its loss is not a metric of particles: it is the variance of the noise.
        pairs[[name for name, _ in columns].index("loss")] = LOSS_OF_ZERO, LOSS_OF_ZERO
    return pairs


def _value(metric: Metric | None) -> float:
    return math.nan if metric is None or metric.value is None else metric.value


def split_metrics(result: Result, split: str) -> Mapping[str, Metric]:
    """Metrics over the ID or the OOD samples; empty where the result has none."""
    return next(
        (one.metrics for one in result.groups if one.by == "split" and one.group == split), {}
    )


def _explanation(case: _Case, ours: Sequence[Result]) -> Explanation:
    notes = [note for one in ours for note in one.notes]
    noted = next((note for note in notes if case.noted and case.noted in note), "")
    return Explanation(case.number, case.meaning, _scored_here(case, ours) or noted)


def _scored_here(case: _Case, ours: Sequence[Result]) -> str:
    """What the predictor that explains a number scores here, in words."""
    for result in ours:
        if case.metric and result.predictor.name == case.predictor:
            values = [_value(split_metrics(result, one).get(case.metric)) for one in ("id", "ood")]
            spec = result.spec(case.metric)
            label, unit = spec.label, spec.unit or spec.shown_unit
            unit = f" {unit}" if unit else ""
            both = f"{shown(values[0])} (ID) and {shown(values[1])} (OOD){unit}"
            return f"Run here: {result.predictor.name} has {label} {both}."
    return ""
