"""The training set and floors prepared once, and any number of generated sets judged by them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from matscale import datasets
from matscale.predictors.floors.generation import MOST_SAMPLES, sample
from matscale.predictors.predictor import parse_told
from matscale.predictors.submissions.given import check_names, submissions_of
from matscale.predictors.training import CrystalTraining
from matscale.report.scorecard import Scorecard
from matscale.results import result as schema
from matscale.results.paths import shown_path
from matscale.results.store import SUFFIX, load
from matscale.runtime.errors import UserError
from matscale.runtime.memory import PARTIAL, Memory, content_key
from matscale.structures.reading import Reading, warning_notes
from matscale.structures.table import StructureTable
from matscale.tasks.asking import Telling, answered, baselines, own_crystal, reading_of
from matscale.tasks.entrant import Entrant
from matscale.tasks.harness import (
    Scored,
    measured,
    protocols_of,
    scorecard,
    start_run,
    unfinished_work,
)
from matscale.tasks.novelty.judging import GeneratedScores, Prepared, judge, prepare
from matscale.tasks.novelty.notes import settings_notes
from matscale.tasks.novelty.rules import Novelty, settings_of
from matscale.tasks.novelty.settings import NO_RELAXATION, NoveltySettings
from matscale.tasks.novelty.stages import References, Stages, find_potential, references
from matscale.tasks.novelty.training import Described, described

HELD_OUT = "held_out"
"""Name of the reference line."""

MOST_HELD_OUT = 1000
"""Held-out crystals that are looked at where models submitted fewer and nothing is relaxed."""

ASKED = 1000
"""Crystals that a Python predictor is asked for."""


@dataclass(frozen=True)
class _Known:
    """Crystals to compare with: those of training, or held-out ones."""

    name: str
    table: StructureTable
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Baselines:
    """The reference line and floors, which are the same for many submissions of one size.

    Attributes:
        prepared: Their crystals, looked at one by one.
        scored: Their verdicts; None with energies, where they hang on the models too: what lies on
            the hull depends on the models' elements.
    """

    prepared: list[Prepared]
    scored: list[Scored[GeneratedScores]] | None

    @property
    def entrants(self) -> list[Entrant[Reading]]:
        """Whose they are."""
        return [crystals.entrant for crystals in self.prepared]


class NoveltyScorer:
    """Judges generated crystals against the same training set.

    The arguments are those of :func:`matscale.tasks.novelty.score.score_novelty`.

    Raises:
        UserError: If a file is missing, or an option is not one of its choices.
    """

    def __init__(
        self,
        *,
        train: Any = None,
        held_out: Any = None,
        relax: str = NO_RELAXATION,
        relaxed: bool = False,
        hull: str | Path | None = None,
        top: int = 3,
        protocol: str = "both",
        seed: int = 0,
        workers: int | None = None,
        command: str = "matscale.score",
        notes: Sequence[str] = (),
        settings: NoveltySettings | None = None,
        column: str = "",
        count: int = ASKED,
    ) -> None:
        self._protocols = protocols_of(protocol)
        if train is None:
            raise UserError("novelty is against a training set: name one with --train")
        self._settings = settings or NoveltySettings(
            top=top, relax=relax, relaxed=relaxed, hull=Path(hull) if hull else None
        )
        self._potential = find_potential(self._settings)
        if count < 1:
            raise UserError(f"count {count}: a predictor is asked for at least one crystal")
        self._column, self._count = column, count
        self._seed, self._workers, self._command = seed, workers, command
        self._train = _load(train, "train", "training set", column)
        self._others = (
            None if held_out is None else _load(held_out, "test", "held-out crystals", column)
        )
        others = self._others
        self._notes = (
            *notes,
            *self._train.notes,
            *(others.notes if others else ()),
            *settings_notes(self._settings),
        )
        self._described: Described | None = None
        self._baselines: dict[int, _Baselines] = {}

    def prepare(self) -> None:
        """Describe the training set before there is anything to compare with it.

        Floors wait for the first submission, whose size they take.
        """
        self._training(self._stages(None, unfinished_work(None, self._workers)))

    def score(
        self,
        predictions: Any,
        *,
        name: str | None = None,
        told: Any = None,
        out: str | Path | None = None,
    ) -> Scorecard:
        """Judge generated crystals; the arguments are those of ``score_novelty``.

        Raises:
            UserError: Also if ``told`` is anything but nothing, which is all that the task tells.
        """
        if told is not None and parse_told(told):
            raise UserError("the novelty task tells models nothing: leave told out")
        submissions = answered(
            submissions_of(predictions, name=name, workers=self._workers, column=self._column),
            telling(self._count),
            CrystalTraining(self._train.table),
            ids=[f"{row}" for row in range(self._count)],
            seed=self._seed,
        )
        models = [
            self._entrant(
                submission.name,
                "model",
                submission.predictions,
                shown_path(submission.source) if submission.source else None,
            )
            for submission in submissions
        ]
        size = max(submission.predictions.submitted for submission in submissions)
        known = self._baselines.get(size)
        lines = known.entrants if known else self._entrants(size)
        names = [model.predictor.name for model in models]
        own = [line.predictor.name for line in lines]
        check_names(names, own)
        # One memory a call: that of a training loop would fill with what never comes again.
        run = start_run(
            self._dataset(),
            self._protocols,
            out=out,
            workers=self._workers,
            seed=self._seed,
            command=self._command,
        )
        settings = settings_of(self._settings, self._potential, self._seed, lines)
        if run.folder:
            written = {f"{name}.{of}" for name in [*own, *names] for of in self._protocols}
            _check_same_settings(run.folder, settings, written)
        stages = self._stages(run.folder, run.memory)
        training = self._training(stages)
        if known is None:
            known = self._judged(lines, training, stages)
            self._baselines = {size: known}  # the last size alone: sizes could go on for ever
        prepared = [prepare(entrant, stages) for entrant in models]
        everybody = [*known.prepared, *prepared]
        hull = references(
            stages, self._train.table, [crystals.moved.table for crystals in everybody]
        )
        scored = known.scored or [
            judge(crystals, training, stages, hull) for crystals in known.prepared
        ]
        scored = [*scored, *(judge(crystals, training, stages, hull) for crystals in prepared)]
        line = next((own for own in scored if own.entrant.predictor.kind == "ceiling"), None)
        rules = Novelty(
            self._settings, settings, self._train.table, training, hull, line, self._notes
        )
        return scorecard(rules, run, [measured(rules, run, own) for own in scored])

    def _judged(
        self, lines: Sequence[Entrant[Reading]], training: Described, stages: Stages
    ) -> _Baselines:
        """The reference line and floors, as far as they can be judged without the models."""
        prepared = [prepare(entrant, stages) for entrant in lines]
        if self._potential is not None:
            return _Baselines(prepared, None)
        none = References(None)
        return _Baselines(
            prepared, [judge(crystals, training, stages, none) for crystals in prepared]
        )

    def _stages(self, folder: Path | None, memory: Memory) -> Stages:
        partial = folder / PARTIAL if folder else None
        settings, seed = self._settings, self._seed
        return Stages(settings, memory, partial, folder, self._workers, seed, self._potential)

    def _training(self, stages: Stages) -> Described:
        if self._described is None:
            self._described = described(self._train.table, stages, label="training")
        return self._described

    def _dataset(self) -> schema.Dataset:
        train, others = self._train, self._others
        sha256 = train.table.sha256()
        return schema.Dataset(
            name=train.name,
            sha256=content_key(sha256, others.table.sha256() if others else None),
            size=len(train.table),
            train_name=train.name,
            train_sha256=sha256,
            train_size=len(train.table),
        )

    def _entrants(self, size: int) -> list[Entrant[Reading]]:
        """The reference line and floors, beside models of at most so many crystals.

        The line has as many crystals as the largest model, and no fewer than
        :data:`MOST_HELD_OUT` where nothing is relaxed and there are so many: shares of duplicates
        among real crystals are small.
        """
        least = 0 if self._settings.has_energies else MOST_HELD_OUT
        train, seed = self._train.table, self._seed
        entrants = []
        if self._others is not None:
            others = self._others.table
            held_out = sample(others, min(max(size, least), len(others)), seed)
            reading = Reading(held_out, np.arange(len(held_out)))
            entrants.append(self._entrant(HELD_OUT, "ceiling", reading))
        count = min(size, MOST_SAMPLES)
        floors = baselines(
            "novelty",
            telling(count),
            CrystalTraining(train),
            check=own_crystal,
            protocols=self._protocols,
            seed=seed,
        )
        for floor in floors:
            reading = reading_of(floor, None, min(count, floor.asked.most))
            entrants.append(self._entrant(floor.predictor.name, "floor", reading))
        return entrants

    def _entrant(
        self,
        name: str,
        kind: schema.PredictorKind,
        reading: Reading,
        source: str | None = None,
    ) -> Entrant[Reading]:
        # The task tells nothing: crystals were generated before it asks.
        predictor = schema.Predictor(name=name, kind=kind, told=(), source=source or None)
        return Entrant(predictor, reading, dict.fromkeys(self._protocols, kind))


def telling(count: int) -> Telling:
    """What the task tells of so many crystals that it asks for: nothing."""
    return Telling(count, {}, (), frozenset(), lambda row, fields: {})


def _check_same_settings(
    folder: Path, settings: Mapping[str, object], names: Collection[str]
) -> None:
    """Refuse to leave results of other settings beside those of this run.

    Args:
        folder: Where the results go.
        settings: Of this run.
        names: Results that it writes; earlier ones of these names are replaced.

    Raises:
        UserError: If results stay whose settings differ.
    """
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        other = load(path)
        differ = [
            f"{name} {other.settings.get(name, 'none')} there, {value} here"
            for name, value in settings.items()
            if other.settings.get(name) != value
        ]
        if differ and other.name not in names:
            raise UserError(
                f"{folder} holds results of other settings ({path.name}: {'; '.join(differ)}): "
                "give another folder with --out, or score all models again"
            )


def _load(source: Any, split: str, what: str, column: str) -> _Known:
    """Crystals of a dataset's split, of a file or of Python; and what must be said of them."""
    loaded = datasets.given(source, what, column=column)
    chosen = split if split in loaded.splits else next(iter(loaded.splits))
    reading = loaded.reading(chosen)
    if not len(reading.table):
        raise UserError(f"none of the structures of {loaded.name} can be read")
    notes = list(loaded.notes)
    if reading.refusals:
        reasons = ", ".join(f"{n} {why}" for why, n in reading.refused_by_reason.items())
        notes.append(f"Structures of {loaded.name} that cannot be used: {reasons}.")
    notes += warning_notes(reading.warnings, loaded.name)
    return _Known(loaded.name, reading.table, tuple(notes))
