"""Score a multimodal model on figures: the entry that command and API share."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from matscale.datasets.hub import find_hub
from matscale.datasets.hub_sets import HUB_SETS
from matscale.figures.folder import FigureReading, read_figures
from matscale.figures.items import SCALES, Figure
from matscale.report.scorecard import Scorecard
from matscale.results import result as schema
from matscale.results.result import Protocol
from matscale.runtime.errors import UserError, did_you_mean
from matscale.tasks.harness import Scored, measured, protocols_of, scorecard, start_run
from matscale.tasks.perception.engine import LOGS, ask, require_inspect
from matscale.tasks.perception.entrants import Rows, batches_of, entrants_of
from matscale.tasks.perception.judge import audited_figures, judged_rows
from matscale.tasks.perception.names import check_model, check_provider, check_same_model
from matscale.tasks.perception.questions import check_orders
from matscale.tasks.perception.rules import Perception
from matscale.tasks.perception.settings import PerceptionSettings

CSMBENCH = "csmbench"
"""Name of the fetched dataset."""


def score_perception(
    model: str,
    *,
    data: str | Path = CSMBENCH,
    protocol: str = "both",
    orders: int = 2,
    judge: str | None = None,
    limit: int | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    command: str = "matscale.score",
    settings: PerceptionSettings | None = None,
) -> Scorecard:
    """Ask a multimodal model about figures, with and without showing them.

    Keys are taken from the environment, as inspect-ai's providers want them; none is written.

    Args:
        model: As inspect-ai calls it, such as ``"openai/gpt-4o"``.
        data: A folder of figures, a list of CSMBench's authors, or the fetched dataset's name.
        protocol: ``"published"``, ``"sound"`` or ``"both"``.
        orders: In how many orders options are shown under the sound protocol.
        judge: Model that scores descriptions; None leaves them out.
        limit: Figures of each kind at most, drawn by seed; None for all.
        out: Folder for results and logs; None writes no results.
        seed: Of orders, draws and the bootstrap.
        command: What to record as the command that made the results.
        settings: Everything else; ``orders`` and ``seed`` are the two above.

    Returns:
        Results of ceiling, floors and model, in this order, under each protocol.

    Raises:
        UserError: If there are no figures, the model cannot be used, or an option is wrong.
    """
    wanted = protocols_of(protocol)
    check_model(model)
    if judge is not None:
        check_provider(judge)
    chosen = replace(settings or PerceptionSettings(), orders=orders, seed=seed)
    check_orders(chosen.orders)
    if limit is not None and limit < 1:
        raise UserError(f"limit {limit}: at least one figure must be asked about")
    require_inspect()
    reading = read_figures(find_figures(data))
    figures = limited(reading.figures, limit, seed)
    notes = _notes(reading, figures, judge, limit)
    asked = {of: part for of in wanted if (part := figures_of(figures, of, judge))}
    if not asked:
        why = " ".join(notes) or f"the {protocol} protocol asks no numbers."
        raise UserError(f"{data} holds no figure that can be asked: {why}")
    for of in wanted:
        if of not in asked:
            notes += (f"Nothing is scored under the {of} protocol, which asks no numbers.",)
    dataset = schema.Dataset(
        name=str(data) if not Path(data).exists() else Path(data).resolve().name,
        sha256=FigureReading(figures).sha256(),
        size=len(figures),
    )
    run = start_run(dataset, list(asked), out=out, seed=chosen.seed, command=command)
    if run.folder:
        check_same_model(run.folder, model)
    with tempfile.TemporaryDirectory() as temporary:
        logs = run.folder / LOGS if run.folder else Path(temporary)
        scored = _scored(figures, asked, model, judge, chosen, logs)
    kinds = {of: frozenset(figure.kind for figure in part) for of, part in asked.items()}
    rules = Perception(model, judge, kinds, notes, chosen)
    return scorecard(rules, run, [measured(rules, run, own) for own in scored])


def _scored(
    figures: Sequence[Figure],
    asked: Mapping[Protocol, Sequence[Figure]],
    model: str,
    judge: str | None,
    settings: PerceptionSettings,
    logs: Path,
) -> list[Scored[Rows]]:
    """Ask the model, then the judge: all entrants' rows, those of one protocol after another's.

    Replies are remembered by the engine, so that an interrupted run asks only what is missing.
    """
    start = time.perf_counter()
    batches = [
        batch for of, part in asked.items() for batch in batches_of(part, of, model, settings)
    ]
    replies = ask(batches, logs=logs, patience=settings.patience)
    entrants = [
        entrant
        for of, part in asked.items()
        for entrant in entrants_of(part, of, replies, model, settings)
    ]
    rows = judged_rows(entrants, judge, audited_figures(figures, settings), settings, logs)
    for entrant in entrants:
        entrant.seconds = time.perf_counter() - start
    return [Scored(entrant, own) for entrant, own in zip(entrants, rows, strict=True)]


def figures_of(figures: Sequence[Figure], protocol: Protocol, judge: str | None) -> list[Figure]:
    """What a protocol asks about: numbers are not part of the published one."""
    without = {"numeric"} if protocol == "published" else set()
    if judge is None:
        without |= {"open"}
    return [figure for figure in figures if figure.kind not in without]


def find_figures(data: str | Path) -> Path:
    """Where figures are: a path as it is, or the folder of the fetched dataset of that name.

    Raises:
        UserError: If the dataset is not on this machine, or there is no such path.
    """
    if Path(data).exists():
        return Path(data)
    if str(data) in HUB_SETS:
        return find_hub(str(data))
    like = did_you_mean(str(data), HUB_SETS)
    raise UserError(
        f"there is no file or folder {data}{like} (give a folder of figures, as "
        f"`matscale figures build` makes, or {', '.join(HUB_SETS)})"
    )


def limited(figures: Sequence[Figure], limit: int | None, seed: int) -> tuple[Figure, ...]:
    """At most so many figures of each kind, drawn by seed, in their order.

    Each scale gives its share of a kind, to within one figure: of the figures in random order,
    scale after scale, every n-th is taken (systematic sampling with a random start).
    """
    if limit is None:
        return tuple(figures)
    kept: set[str] = set()
    for kind in ("mcq", "open", "numeric"):
        generator = np.random.default_rng(seed)
        part = [figure for figure in figures if figure.kind == kind]
        part = [part[k] for k in generator.permutation(len(part))]
        part.sort(key=lambda figure: SCALES.index(figure.item.scale))
        count = min(limit, len(part))
        places = (np.arange(count) + generator.random()) * len(part) / max(count, 1)
        kept |= {part[int(k)].id for k in places}
    return tuple(figure for figure in figures if figure.id in kept)


def _notes(
    reading: FigureReading, figures: Sequence[Figure], judge: str | None, limit: int | None
) -> tuple[str, ...]:
    notes = []
    if reading.refusals:
        reasons = ", ".join(f"{count} {why}" for why, count in reading.refused_by_reason.items())
        notes.append(
            f"{len(reading.refusals)} of {reading.submitted} rows of the set cannot be asked and "
            f"are in no denominator: {reasons}; `matscale figures audit` lists them."
        )
    if limit is not None and len(figures) < len(reading.figures):
        notes.append(f"{len(figures)} of {len(reading.figures)} figures were drawn at random.")
    left_out = sum(figure.kind == "open" for figure in figures)
    if judge is None and left_out:
        were = "figure to describe was" if left_out == 1 else "figures to describe were"
        notes.append(f"{left_out} {were} left out: name a judge with --judge.")
    return tuple(notes)
