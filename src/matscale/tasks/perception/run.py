"""One run of the perception task: questions out, replies in, rows, then results."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from matscale.figures.blind import FLOORS
from matscale.figures.items import Figure
from matscale.report.samples import SCORED
from matscale.report.scorecard import Scorecard
from matscale.results import result as schema
from matscale.results.measure import between_floor_and_ceiling, without_reversed_skill
from matscale.results.provenance import installed_version, provenance
from matscale.results.store import save, stored_columns
from matscale.runtime.files import replaced
from matscale.tasks.perception import drawn, measures
from matscale.tasks.perception.engine import Patience, ask
from matscale.tasks.perception.names import BLIND, IMAGE, TOLD, TRUTH, model_name
from matscale.tasks.perception.pictures import shown, small
from matscale.tasks.perception.questions import (
    Batch,
    Question,
    Reply,
    foreign,
    judged,
    questions_of,
    read_score,
)
from matscale.tasks.perception.rows import NAN, Judged, Row, floor_rows, rows_of, table, true_rows

SEEN = ("figure", "caption", "options", "question")
UNSEEN = SEEN[1:]


@dataclass(frozen=True)
class Settings:
    """How a run asks.

    Attributes:
        orders: In how many orders options are shown under the sound protocol.
        repeats: How often a judge scores the same answer under the sound protocol.
        audited: Figures at most for which a judge also scores reference, caption and a foreign
            paragraph, and repeats itself.
        seed: Of orders, of what is audited, and of the bootstrap.
        patience: Retries and time-outs.
    """

    orders: int = 2
    repeats: int = 3
    audited: int = 100
    seed: int = 0
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True)
class Entrant:
    """A predictor and its rows, open ones not judged yet, under one protocol."""

    predictor: schema.Predictor
    rows: list[Row]


@dataclass(frozen=True)
class Run:
    """What all predictors of one run share.

    Attributes:
        figures: What is asked about.
        model: As inspect-ai calls it.
        judge: Likewise; None leaves open figures out.
        dataset: What the results say of the figures.
        notes: What a reader must know.
        settings: How it asks.
        command: For the provenance.
    """

    figures: tuple[Figure, ...]
    model: str
    judge: str | None
    dataset: schema.Dataset
    notes: tuple[str, ...]
    settings: Settings
    command: str

    def score(
        self, protocols: Sequence[schema.Protocol], folder: Path | None, logs: Path
    ) -> Scorecard:
        """Ask, judge, measure and write."""
        start = time.perf_counter()
        figures = {one: figures_of(self.figures, one, self.judge) for one in protocols}
        replies = ask(
            [batch for one in protocols for batch in self._batches(figures[one], one)],
            logs=logs,
            patience=self.settings.patience,
        )
        entrants = {one: self._entrants(figures[one], one, replies) for one in protocols}
        verdicts = self._ask_judge(entrants, logs)
        results: list[schema.Result] = []
        for protocol, part in entrants.items():
            for entrant in part:
                _judge_rows(entrant.rows, verdicts.get((protocol, entrant.predictor.name), {}))
            seconds = time.perf_counter() - start
            results += self._results(part, protocol, folder, seconds)
        if folder:
            for result in results:
                save(result, folder)
        return Scorecard(results, folder)

    # --- the model -----------------------------------------------------------------------

    def _batches(self, figures: Sequence[Figure], protocol: schema.Protocol) -> list[Batch]:
        """Each kind with and without the figure; a batch is a task in inspect-ai's logs."""
        orders, seed = self.settings.orders, self.settings.seed
        found = []
        for seen in (True, False):
            asked = list(
                questions_of(figures, protocol, seen=seen, orders=orders if seen else 1, seed=seed)
            )
            for form in ("mcq", "open", "numeric"):
                part = tuple(one for one in asked if one.form == form)
                name = f"csmbench_{form}_{protocol}{'' if seen else '_blind'}"
                found.append(Batch(name, self.model, protocol, part))
        return found

    def _entrants(
        self,
        figures: Sequence[Figure],
        protocol: schema.Protocol,
        replies: Mapping[str, Mapping[str, Reply]],
    ) -> list[Entrant]:
        settings = self.settings
        found = [Entrant(_predictor(TRUTH, "ceiling", ("answer",)), true_rows(figures))]
        if drawn.can_be_read(figures):
            image = _predictor(IMAGE, "ceiling", TOLD[IMAGE])
            found.insert(0, Entrant(image, drawn.image_rows(figures)))
        for rule in FLOORS:
            found.append(Entrant(_predictor(rule, "floor", TOLD[rule]), floor_rows(figures, rule)))
        found += self._paragraph_floors(figures)
        name = model_name(self.model)
        for seen in (False, True):
            given: dict[str, Reply] = {}
            for form in ("mcq", "open", "numeric"):
                batch = f"csmbench_{form}_{protocol}{'' if seen else '_blind'}"
                given |= replies.get(batch, {})
            orders = settings.orders if seen else 1
            rows = rows_of(figures, given, protocol, orders=orders, seed=settings.seed)
            predictor = (
                _predictor(name, "model", SEEN)
                if seen
                else _predictor(f"{name}{BLIND}", "floor", UNSEEN)
            )
            found.append(Entrant(predictor, rows))
        return found

    def _paragraph_floors(self, figures: Sequence[Figure]) -> list[Entrant]:
        """The caption, and another paper's paragraph, handed in as descriptions."""
        opens = [figure for figure in figures if figure.kind == "open"]
        others = foreign(opens, self.settings.seed)
        texts = {
            "caption": {one.id: one.item.image_caption for one in opens},
            "foreign": {name: one.item.describe_paragraph for name, one in others.items()},
        }
        return [
            Entrant(
                _predictor(name, "floor", TOLD[name]),
                [Row(figure, text=given.get(figure.id, "")) for figure in figures],
            )
            for name, given in texts.items()
            if given
        ]

    # --- the judge -----------------------------------------------------------------------

    def _ask_judge(
        self, entrants: Mapping[schema.Protocol, Sequence[Entrant]], logs: Path
    ) -> dict[tuple[schema.Protocol, str], dict[str, list[Judged]]]:
        """Verdicts by protocol, predictor and figure."""
        if self.judge is None:
            return {}
        batches = {
            (protocol, one.predictor.name): self._judge_batch(one, protocol)
            for protocol, part in entrants.items()
            for one in part
        }
        replies = ask(list(batches.values()), logs=logs, patience=self.settings.patience)
        return {
            key: _verdicts(batch, replies.get(batch.name, {})) for key, batch in batches.items()
        }

    def _judge_batch(self, entrant: Entrant, protocol: schema.Protocol) -> Batch:
        assert self.judge is not None
        model = entrant.predictor.kind == "model"
        asked = entrant.predictor.name.endswith(BLIND)
        audited = self._audited()
        questions: list[Question] = []
        for row in entrant.rows:
            figure = row.figure
            if figure.kind != "open" or not row.text.strip():
                continue
            if not (model or asked) and figure.id not in audited:
                continue
            again = model and protocol == "sound" and figure.id in audited
            for repeat in range(self.settings.repeats if again else 1):
                questions.append(judged(figure, row.text, protocol, repeat=repeat))
        name = entrant.predictor.name.replace(" ", "_")
        return Batch(f"csmbench_judge_{protocol}_{name}", self.judge, protocol, tuple(questions))

    def _audited(self) -> set[str]:
        """The open figures by which the judge is judged, drawn by seed."""
        opens = [figure.id for figure in self.figures if figure.kind == "open"]
        count = min(self.settings.audited, len(opens))
        drawn = np.random.default_rng(self.settings.seed).permutation(len(opens))[:count]
        return {opens[k] for k in drawn}

    # --- results -------------------------------------------------------------------------

    def _results(
        self,
        entrants: Sequence[Entrant],
        protocol: schema.Protocol,
        folder: Path | None,
        seconds: float,
    ) -> list[schema.Result]:
        plain = [self._result(one, protocol, folder, seconds) for one in entrants]
        floors = [one for one in plain if one.predictor.kind == "floor"]
        ceiling = drawn.ceiling_of([one for one in plain if one.predictor.kind == "ceiling"])
        # What a blind model does not answer is no floor of what a seeing one does not.
        lined = [
            between_floor_and_ceiling(
                one, floors, one if one.predictor.kind == "ceiling" else ceiling
            )
            for one in plain
        ]
        return [without_reversed_skill(measures.without_lines(one)) for one in lined]

    def _result(
        self, entrant: Entrant, protocol: schema.Protocol, folder: Path | None, seconds: float
    ) -> schema.Result:
        rows, seed = entrant.rows, self.settings.seed
        found = measures.metrics(rows, protocol, seed)
        kinds = {row.figure.kind for row in rows}
        made = provenance(self.command, seed, seconds)
        engine = {name: installed_version(name) for name in ("inspect-ai", "openai", "pillow")}
        packages = made.packages | {name: found for name, found in engine.items() if found}
        return schema.Result(
            task="perception",
            protocol=protocol,
            predictor=entrant.predictor,
            dataset=self.dataset,
            headline=measures.headline(kinds),
            metrics=found,
            groups=measures.groups(rows, protocol, seed),
            counts=_counts(entrant),
            refused=_unanswered(entrant),
            defects=measures.defects(kinds) if protocol == "published" else (),
            notes=self.notes,
            settings=self._settings(protocol),
            samples=_save(entrant, protocol, folder) if folder else None,
            provenance=made.model_copy(update={"packages": packages}),
        )

    def _settings(self, protocol: schema.Protocol) -> dict[str, float | int | str | bool]:
        one = self.settings
        sound = protocol == "sound"
        return {
            "model": self.model,
            "judge": self.judge or "none",
            "orders": one.orders if sound else 1,
            "judge_repeats": one.repeats if sound else 1,
            "judge_audited": one.audited,
            "retries": one.patience.retries,
            "attempt_s": one.patience.attempt_s,
        }


def figures_of(
    figures: Sequence[Figure], protocol: schema.Protocol, judge: str | None
) -> list[Figure]:
    """What a protocol asks about: numbers are no part of the published one."""
    without = {"numeric"} if protocol == "published" else set()
    if judge is None:
        without |= {"open"}
    return [figure for figure in figures if figure.kind not in without]


def _predictor(
    name: str, kind: schema.PredictorKind, told: tuple[str, ...] | None
) -> schema.Predictor:
    return schema.Predictor(name=name, kind=kind, told=told)


def _verdicts(batch: Batch, replies: Mapping[str, Reply]) -> dict[str, list[Judged]]:
    """What the judge said of each figure's answer, by repeats."""
    found: dict[str, list[Judged]] = {}
    for question in batch.questions:
        reply = replies[question.id]
        score = read_score(reply.text, batch.protocol) if reply.text is not None else None
        reason = reply.reason if reply.text is None else "" if score is not None else "no score"
        one = Judged(NAN if score is None else float(score), reply.text or "", reason)
        found.setdefault(question.id.rsplit("@", 1)[0], []).append(one)
    return found


def _judge_rows(rows: list[Row], verdicts: Mapping[str, Sequence[Judged]]) -> None:
    for place, row in enumerate(rows):
        if row.figure.id in verdicts:
            rows[place] = replace(row, judged=tuple(verdicts[row.figure.id]))


def _counts(entrant: Entrant) -> schema.Counts:
    statuses = Counter(row.status for row in entrant.rows)
    read = statuses.pop(SCORED, 0)
    warnings = {
        "with a reply that states no answer, which counts as wrong": sum(
            row.unparsable > 0 for row in entrant.rows
        ),
        "not answered in some orders, in which they count as wrong": sum(
            0 < row.unanswered < 1 for row in entrant.rows
        ),
        "not given a score by the judge every time, left out of its mean": sum(
            any(one.reason for one in row.judged) for row in entrant.rows
        ),
    }
    return schema.Counts(
        submitted=len(entrant.rows),
        read=read,
        refused=dict(statuses.most_common()),
        warnings={what: count for what, count in warnings.items() if count},
    )


def _unanswered(entrant: Entrant) -> tuple[schema.RefusedItem, ...]:
    return tuple(
        schema.RefusedItem(
            id=row.figure.id, source=row.figure.source, reason=row.reason, detail=row.detail
        )
        for row in entrant.rows
        if row.reason
    )


def _save(entrant: Entrant, protocol: schema.Protocol, folder: Path) -> str:
    """Write the rows beside the result; with small pictures of those that the page shows."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{entrant.predictor.name}.{protocol}.samples.parquet"
    pictures = {}
    if entrant.predictor.kind == "model":
        drawn = {row.figure.id: small(row.figure) for row in shown(entrant.rows)}
        pictures = {key: picture for key, picture in drawn.items() if picture}
    with replaced(folder / name) as temporary:
        pq.write_table(stored_columns(table(entrant.rows, pictures)), temporary, compression="zstd")
    return name
