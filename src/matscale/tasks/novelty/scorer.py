"""The training set and floors prepared once, and any number of generated sets judged by them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from matscale import datasets
from matscale.matching.engine import code_version
from matscale.predictors.floors.generation import MOST_SAMPLES, sample
from matscale.predictors.predictor import parse_told
from matscale.predictors.submissions.given import check_names, submissions_of
from matscale.predictors.training import CrystalTraining
from matscale.report.scorecard import Scorecard
from matscale.results import result as schema
from matscale.results.paths import shown_path
from matscale.results.store import SUFFIX, check_same_question, load
from matscale.runtime.errors import UserError
from matscale.runtime.memory import Memory, content_key
from matscale.runtime.version import __version__
from matscale.structures.reading import Reading, warning_notes
from matscale.structures.table import StructureTable
from matscale.tasks.asking import Telling, answered, baselines, own_crystal, reading_of
from matscale.tasks.novelty.notes import settings_notes
from matscale.tasks.novelty.run import Baselines, Entrant, Question, Run, question_of
from matscale.tasks.novelty.settings import NO_RELAXATION, NoveltySettings
from matscale.tasks.novelty.stages import Stages, find_potential
from matscale.tasks.novelty.training import Described, described

WORK = ".work"
"""Folder inside the results folder in which every stage keeps its answers, by content and settings.

It stays, so that a second run computes only what has changed; it may be deleted at any time.
"""

HELD_OUT = "held_out"
"""Name of the reference line."""

MOST_HELD_OUT = 1000
"""Held-out crystals that are looked at where models submitted fewer and nothing is relaxed."""

ASKED = 1000
"""Crystals that a Python predictor is asked for."""

PROTOCOLS: dict[str, tuple[schema.Protocol, ...]] = {
    "both": ("sound", "published"),
    "sound": ("sound",),
    "published": ("published",),
}


@dataclass(frozen=True)
class _Known:
    """Crystals to compare with: those of training, or held-out ones."""

    name: str
    table: StructureTable
    notes: tuple[str, ...]


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
        if protocol not in PROTOCOLS:
            raise UserError(f"protocol {protocol!r} is not one of {', '.join(PROTOCOLS)}")
        if train is None:
            raise UserError("novelty is against a training set: name one with --train")
        self._settings = settings or NoveltySettings(
            top=top, relax=relax, relaxed=relaxed, hull=Path(hull) if hull else None
        )
        self._potential = find_potential(self._settings)
        self._protocols = PROTOCOLS[protocol]
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
        self._baselines: dict[int, Baselines] = {}

    def prepare(self) -> None:
        """Describe the training set before there is anything to compare with it.

        Floors wait for the first submission, whose size they take.
        """
        self._training(self._stages(None))

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
            Entrant(
                _predictor(one.name, "model").model_copy(
                    update={"source": shown_path(one.source) if one.source else None}
                ),
                one.predictions,
            )
            for one in submissions
        ]
        size = max(one.predictions.submitted for one in submissions)
        known = self._baselines.get(size)
        entrants = known.entrants if known else self._entrants(size)
        names = [one.predictor.name for one in models]
        check_names(names, [one.predictor.name for one in entrants])
        question = question_of(self._settings, self._potential, self._seed, entrants)
        folder = Path(out) if out is not None else None
        dataset = self._dataset()
        if folder:
            check_same_question(folder, dataset)
            own = [one.predictor.name for one in entrants]
            written = {f"{name}.{of}" for name in [*own, *names] for of in self._protocols}
            _check_same_settings(folder, question, written)
        stages = self._stages(folder)
        run = Run(
            train=self._train.table,
            training=self._training(stages),
            dataset=dataset,
            notes=self._notes,
            stages=stages,
            question=question,
            command=self._command,
        )
        if known is None:
            known = run.baselines(entrants)
            self._baselines = {size: known}  # the last size alone: sizes could go on for ever
        return run.score(known, models, self._protocols, folder)

    def _stages(self, folder: Path | None) -> Stages:
        # A memory a call: a training loop would fill a longer one with what never comes again.
        work = folder / WORK if folder else None
        memory = Memory(work, content_key(__version__, code_version()), self._workers)
        settings, seed = self._settings, self._seed
        return Stages(settings, memory, work, self._workers, seed, self._potential)

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

    def _entrants(self, size: int) -> list[Entrant]:
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
            entrants.append(Entrant(_predictor(HELD_OUT, "ceiling"), reading))
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
            entrants.append(Entrant(_predictor(floor.predictor.name, "floor"), reading))
        return entrants


def telling(count: int) -> Telling:
    """What the task tells of so many crystals that it asks for: nothing."""
    return Telling(count, {}, (), frozenset(), lambda row, fields: {})


def _check_same_settings(folder: Path, question: Question, names: Collection[str]) -> None:
    """Refuse to leave results of other settings beside those of this run.

    Args:
        folder: Where the results go.
        question: Settings of this run.
        names: Results that it writes; earlier ones of these names are replaced.

    Raises:
        UserError: If results stay whose settings differ.
    """
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        other = load(path)
        differ = [
            f"{name} {other.settings.get(name, 'none')} there, {value} here"
            for name, value in question.items()
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


def _predictor(name: str, kind: schema.PredictorKind) -> schema.Predictor:
    # The task tells nothing: crystals were generated before it asks.
    return schema.Predictor(name=name, kind=kind, told=())
