"""Score generated crystals for novelty: the entry that command and API share."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import matscale
from matscale import datasets
from matscale.errors import UserError
from matscale.execution import Memory, content_key
from matscale.matching.engine import code_version
from matscale.predictors.from_file import Submission, read_submissions
from matscale.report.scorecard import Scorecard
from matscale.results import result as schema
from matscale.results.store import SUFFIX, check_same_question, load
from matscale.structures.reading import warning_notes
from matscale.structures.table import StructureTable
from matscale.tasks.novelty.floors import as_reading, baselines, sample
from matscale.tasks.novelty.notes import settings_notes
from matscale.tasks.novelty.run import Entrant, Question, Run, question_of
from matscale.tasks.novelty.settings import NO_RELAXATION, NoveltySettings
from matscale.tasks.novelty.stages import Stages, find_potential

WORK = ".work"
"""Folder inside the results folder in which every stage keeps its answers, by content and settings.

It stays, so that a second run computes only what has changed; it may be deleted at any time.
"""

HELD_OUT = "held_out"
"""Name of the reference line."""

MOST_HELD_OUT = 1000
"""Held-out crystals that are looked at where models submitted fewer and nothing is relaxed."""

PROTOCOLS: dict[str, tuple[schema.Protocol, ...]] = {
    "both": ("sound", "published"),
    "sound": ("sound",),
    "published": ("published",),
}


def score_novelty(
    predictions: str | Path | Sequence[str | Path],
    *,
    train: str | Path | None = None,
    held_out: str | Path | None = None,
    relax: str = NO_RELAXATION,
    relaxed: bool = False,
    hull: str | Path | None = None,
    top: int = 3,
    protocol: str = "both",
    out: str | Path | None = None,
    seed: int = 0,
    workers: int | None = None,
    command: str = "matscale.score",
    notes: Sequence[str] = (),
    settings: NoveltySettings | None = None,
    column: str = "",
) -> Scorecard:
    """Say of each generated crystal whether training holds it, or holds it with other elements.

    Args:
        predictions: Files or folders of generated crystals, one model each; see
            :func:`matscale.predictors.from_file.read_submissions`.
        train: Registered dataset (its training split) or file of structures.
        held_out: Registered dataset (its test split) or file of real crystals that are not in
            training: the reference line, and what memorisation is measured against.
        relax: Potential that relaxes generated crystals and candidates, as for
            :func:`matscale.energy.potentials.potential`; ``"none"`` for none.
        relaxed: Whether the generated crystals come relaxed.
        hull: File of reference entries, or ``"mp"`` to download those of the Materials Project;
            by default the training crystals, relaxed alike.
        top: Cheapest training crystals of each kind that are tried.
        protocol: ``"published"``, ``"sound"`` or ``"both"``.
        out: Folder for the results; None writes nothing.
        seed: Seed of floors and bootstrap.
        workers: Processes or threads; None for one a core.
        command: What to record as the command that made the results.
        notes: Sentences to show with the results.
        settings: Everything that the four arguments from ``relax`` to ``top`` say, and
            tolerances; these four are then not looked at.
        column: Column of CSV and JSON tables that holds structures; "" for the names in use.

    Returns:
        Results of the reference line, floors and models, in this order, under each protocol.

    Raises:
        UserError: If a file is missing, or an option is not one of its choices.
    """
    if protocol not in PROTOCOLS:
        raise UserError(f"protocol {protocol!r} is not one of {', '.join(PROTOCOLS)}")
    if train is None:
        raise UserError("novelty is against a training set: name one with --train")
    settings = settings or NoveltySettings(
        top=top, relax=relax, relaxed=relaxed, hull=Path(hull) if hull else None
    )
    potential = find_potential(settings)
    paths = [predictions] if isinstance(predictions, str | Path) else list(predictions)
    submissions = read_submissions([Path(path) for path in paths], workers=workers, column=column)
    known, own_notes = _load(train, "train", column)
    others, more_notes = _load(held_out, "test", column) if held_out else (None, ())
    folder = Path(out) if out is not None else None
    dataset = _dataset(train, known, others)
    least = 0 if settings.has_energies else MOST_HELD_OUT
    entrants = _entrants(submissions, known, others, least, seed)
    question = question_of(settings, potential, seed, entrants)
    if folder:
        check_same_question(folder, dataset)
        names = {f"{one.predictor.name}.{of}" for one in entrants for of in PROTOCOLS[protocol]}
        _check_same_settings(folder, question, names)
    work = folder / WORK if folder else None
    memory = Memory(work, content_key(matscale.__version__, code_version()), workers)
    run = Run(
        train=known,
        dataset=dataset,
        notes=(*notes, *own_notes, *more_notes, *settings_notes(settings)),
        stages=Stages(settings, memory, work, workers, seed, potential),
        question=question,
        command=command,
    )
    return run.score(entrants, PROTOCOLS[protocol], folder)


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


def _load(source: str | Path, split: str, column: str) -> tuple[StructureTable, tuple[str, ...]]:
    """Crystals of a dataset's split, or of a file; and what must be said of them."""
    loaded = datasets.load(source, column=column)
    chosen = split if split in loaded.splits else next(iter(loaded.splits))
    reading = loaded.reading(chosen)
    if not len(reading.table):
        raise UserError(f"none of the structures of {source} can be read")
    notes = list(loaded.notes)
    if reading.refusals:
        reasons = ", ".join(f"{n} {why}" for why, n in reading.refused_by_reason.items())
        notes.append(f"Structures of {loaded.name} that cannot be used: {reasons}.")
    return reading.table, (*notes, *warning_notes(reading.warnings, loaded.name))


def _dataset(
    train: str | Path, known: StructureTable, others: StructureTable | None
) -> schema.Dataset:
    name = str(train) if not Path(train).exists() else Path(train).name
    return schema.Dataset(
        name=name,
        sha256=content_key(known.sha256(), others.sha256() if others is not None else None),
        size=len(known),
        train_name=name,
        train_sha256=known.sha256(),
        train_size=len(known),
    )


def _entrants(
    submissions: Sequence[Submission],
    train: StructureTable,
    others: StructureTable | None,
    least: int,
    seed: int,
) -> list[Entrant]:
    """The reference line, floors and models.

    The line has as many crystals as the largest model, and no fewer than ``least``, where there
    are so many: shares of duplicates among real crystals are small.
    """
    size = max(submission.predictions.submitted for submission in submissions)
    entrants = []
    if others is not None:
        reading = as_reading(sample(others, min(max(size, least), len(others)), seed))
        entrants.append(Entrant(_predictor(HELD_OUT, "ceiling"), reading))
    for name, reading in baselines(train, size, seed).items():
        entrants.append(Entrant(_predictor(name, "floor"), reading))
    for one in submissions:
        predictor = _predictor(one.name, "model").model_copy(update={"source": one.source})
        entrants.append(Entrant(predictor, one.predictions))
    names = [entrant.predictor.name for entrant in entrants]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{name!r} is the name of a floor or line: rename the submission")
    return entrants


def _predictor(name: str, kind: schema.PredictorKind) -> schema.Predictor:
    # The task tells nothing: crystals were generated before it asks.
    return schema.Predictor(name=name, kind=kind, told=())
