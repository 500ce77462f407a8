"""The judge: a model that scores descriptions, and is itself judged by what it says of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from matscale.figures.items import Figure
from matscale.results.result import Protocol
from matscale.tasks.entrant import Entrant
from matscale.tasks.perception.engine import ask
from matscale.tasks.perception.entrants import Rows
from matscale.tasks.perception.names import BLIND
from matscale.tasks.perception.questions import Batch, FigureQuestion, Reply, judged, read_score
from matscale.tasks.perception.rows import NAN, Judged
from matscale.tasks.perception.settings import PerceptionSettings


def judged_rows(
    entrants: Sequence[Entrant[Rows]],
    judge: str | None,
    audited: set[str],
    settings: PerceptionSettings,
    logs: Path,
) -> list[Rows]:
    """The rows of each entrant with the judge's verdicts; as they are without a judge.

    Args:
        entrants: Each of one protocol.
        judge: As inspect-ai calls it.
        audited: Figures by which the judge is judged, see :func:`audited_figures`.
        settings: How it is asked.
        logs: Folder for inspect-ai's logs.
    """
    if judge is None:
        return [entrant.answer for entrant in entrants]
    batches = [_batch(entrant, judge, audited, settings.repeats) for entrant in entrants]
    replies = ask(batches, logs=logs, patience=settings.patience)
    rows = []
    for entrant, batch in zip(entrants, batches, strict=True):
        verdicts = _verdicts(batch, replies.get(batch.name, {}))
        rows.append(
            [replace(row, judged=tuple(verdicts.get(row.figure.id, ()))) for row in entrant.answer]
        )
    return rows


def audited_figures(figures: Sequence[Figure], settings: PerceptionSettings) -> set[str]:
    """The open figures by which the judge is judged, drawn by seed."""
    opens = [figure.id for figure in figures if figure.kind == "open"]
    count = min(settings.audited, len(opens))
    drawn = np.random.default_rng(settings.seed).permutation(len(opens))[:count]
    return {opens[k] for k in drawn}


def _batch(entrant: Entrant[Rows], judge: str, audited: set[str], repeats: int) -> Batch:
    (protocol,) = entrant.kinds
    name = entrant.predictor.name
    model = entrant.predictor.kind == "model"
    blind = name.endswith(BLIND)
    questions: list[FigureQuestion] = []
    for row in entrant.answer:
        figure = row.figure
        if figure.kind != "open" or not row.text.strip():
            continue
        if not (model or blind) and figure.id not in audited:
            continue
        again = model and protocol == "sound" and figure.id in audited
        for repeat in range(repeats if again else 1):
            questions.append(judged(figure, row.text, protocol, repeat=repeat))
    task = f"csmbench_judge_{protocol}_{name.replace(' ', '_')}"
    return Batch(task, judge, protocol, tuple(questions))


def _verdicts(batch: Batch, replies: Mapping[str, Reply]) -> dict[str, list[Judged]]:
    """What the judge said of each figure's answer, by repeats."""
    verdicts: dict[str, list[Judged]] = {}
    for question in batch.questions:
        verdict = _verdict(replies[question.id], batch.protocol)
        verdicts.setdefault(question.id.rsplit("@", 1)[0], []).append(verdict)
    return verdicts


def _verdict(reply: Reply, protocol: Protocol) -> Judged:
    if reply.text is None:
        return Judged(NAN, "", reply.reason)
    score = read_score(reply.text, protocol)
    if score is None:
        return Judged(NAN, reply.text, "no score")
    return Judged(float(score), reply.text)
