"""Which samples the page shows in 3D, and their data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from matscale.report.draw.crystals import view
from matscale.results.result import Result
from matscale.results.rounding import show
from matscale.results.samples import Samples, beside
from matscale.runtime.exact import settled
from matscale.structures.table import StructureTable

WORST = 4


@dataclass(frozen=True)
class Case:
    """One sample to look at: its row in the samples, why it was chosen."""

    row: int
    why: str


def choose_cases(samples: Samples) -> list[Case]:
    """The worst cases, a near miss and a typical hit.

    Worst are the scored samples that are not matched, by AMD distance, and after them matched
    ones; the near miss is the unmatched sample with the smallest AMD distance, the typical hit
    the matched one with the median.
    """
    distance = samples.numbers("amd_distance")
    usable = samples.scored
    distance = np.where(np.isnan(distance), -1.0, distance)
    matched = samples.flags("matched") & usable
    missed = usable & ~matched
    by_distance = np.argsort(-settled(distance), kind="stable")
    worst = [int(k) for k in by_distance if missed[k]] + [int(k) for k in by_distance if matched[k]]
    cases = [Case(row, "worst" if missed[row] else "worst match") for row in worst[:WORST]]
    chosen = {case.row for case in cases}
    rest = [row for row in worst if row not in chosen and distance[row] >= 0]
    near = [row for row in reversed(rest) if missed[row]]
    cases += [Case(row, "near miss") for row in near[:1]]
    hits = [row for row in rest if matched[row]]
    cases += [Case(row, "typical match") for row in hits[len(hits) // 2 :][:1]]
    return cases


def load_table(path: Path) -> StructureTable:
    """A Parquet file as a table of structures."""
    from matscale.structures.formats import read_parquet

    return read_parquet(path)


def case_views(
    result: Result, samples: Samples, folder: Path | None
) -> tuple[list[dict[str, Any]], str]:
    """What the viewer draws for a result, and why there is nothing, if there is nothing."""
    if not len(samples):
        return [], samples.problem
    tables = []
    for what, name in (("target", result.targets), ("predicted", result.predictions)):
        path = beside(folder, name)
        if path is None:
            named = f"{name} is not in the folder of results" if name else "were not kept"
            return [], f"The {what} structures {named}."
        tables.append(load_table(path))
    targets, predictions = tables
    found = []
    for case in choose_cases(samples):
        name = samples.texts("id")[case.row]
        pair = (_row_of(targets, name), _row_of(predictions, name))
        if pair[0] is not None and pair[1] is not None:
            drawn = (view(targets, pair[0]), view(predictions, pair[1]))
            found.append(_case(samples, case, name, drawn))
    return found, "" if found else "No sample has both a target and a prediction to draw."


def _row_of(table: StructureTable, name: str) -> int | None:
    rows = np.flatnonzero(table.ids == name)
    return int(rows[0]) if len(rows) else None


def _case(
    samples: Samples, case: Case, name: str, pair: tuple[dict[str, Any], dict[str, Any]]
) -> dict[str, Any]:
    distance = samples.numbers("amd_distance")[case.row]
    rms = samples.numbers("rms_angstrom")[case.row]
    facts = [f"AMD distance {show(float(distance), 2)} Å"] if np.isfinite(distance) else []
    if samples.flags("matched")[case.row]:
        facts.append(f"matched, rms {show(float(rms), 2)} Å" if np.isfinite(rms) else "matched")
    else:
        facts.append("not matched")
    if not samples.flags("composition_right")[case.row] and "composition_right" in samples.columns:
        facts.append("wrong composition")
    system = samples.texts("crystal_system")[case.row]
    if system:
        facts.append(f"target {system}")
    return {"id": name, "why": case.why, "facts": facts, "target": pair[0], "predicted": pair[1]}
