"""A trained model as a predictor, and how one is trained and opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matscale.models import run_folder
from matscale.models.config import RunSettings, checked
from matscale.models.network import Network
from matscale.models.process import Process
from matscale.models.registry import process_class
from matscale.models.run_folder import RunRecord, TrainingData
from matscale.models.telling import check_told
from matscale.predictors.predictor import Seed, Told
from matscale.predictors.training import CrystalTraining
from matscale.runtime.errors import Refused, UserError
from matscale.structures.table import StructureTable

FEWEST = 2
"""Training crystals below which there is nothing to learn."""


class TrainedModel:
    """A run folder as a predictor.

    Args:
        answering: What answers: a network, or a ranking of templates.
        settings: Of its training.
        record: What is known of it.
        name: For tables and files.
        nulls: Fields that are held back although it is told them: what it answers without.
    """

    kind = "model"

    def __init__(
        self,
        answering: Any,
        settings: RunSettings,
        record: RunRecord,
        name: str,
        nulls: Sequence[str] = (),
    ) -> None:
        self.answering, self.settings, self.record = answering, settings, record
        self.name, self.told, self.nulls = name, settings.told, tuple(nulls)

    def predict(
        self, told: Told, candidates: int = 1, seed: Seed = 0
    ) -> list[StructureTable | Refused] | list[list[StructureTable] | Refused]:
        """Crystals of the compositions that are told, best first.

        Args:
            told: Of n samples.
            candidates: Crystals for each.
            seed: Of the draws.

        Returns:
            For each sample a crystal in its reduced cell, or a list of at most ``candidates``; a
            refusal where there is none.
        """
        answers = self.answering.answers(told, candidates, seed, self.nulls)
        if candidates > 1:
            return answers
        return [each if isinstance(each, Refused) else each[0] for each in answers]


def train_model(
    kind: Any,
    settings: RunSettings,
    training: CrystalTraining,
    held_out: CrystalTraining | None,
    folder: Path,
    data_name: str,
) -> TrainedModel:
    """Train into a run folder; resume what was interrupted; open what is finished.

    Args:
        kind: What is trained: a class of the registry, or one like it.
        settings: Of the run.
        training: Crystals to learn from, with the properties that are told.
        held_out: Crystals to validate on.
        folder: The run folder.
        data_name: Of the dataset.

    Raises:
        UserError: If a setting or the training set is wrong, the folder is another run's, or
            training fails.
    """
    check_told(settings.told)
    options = checked(kind.Options, settings.options, f"options of {settings.process}")
    settings = settings.model_copy(update={"options": options.model_dump(mode="json")})
    if len(training) < FEWEST:
        raise UserError(
            f"the training set {data_name} has {len(training)} crystals to learn from; give at "
            f"least {FEWEST}"
        )
    data = _described(training, held_out, data_name)
    if run_folder.begin(folder, settings, data):
        return open_model(folder, process=kind)
    if issubclass(kind, Process):
        answering, learning = Network.learnt(kind, options, settings, training, held_out, folder)
    else:
        answering, learning = kind.learnt(options, settings, training, folder)
    record = RunRecord(
        format=run_folder.FORMAT,
        matscale=run_folder.__version__,
        process=settings.process,
        told=settings.told,
        seed=settings.seed,
        data=data,
        learning=learning,
        environment=run_folder.environment(),
    )
    run_folder.finish(folder, record)
    return TrainedModel(answering, settings, record, folder.resolve().name)


def open_model(
    folder: str | Path,
    nulls: Sequence[str] = (),
    process: Any = None,
    options: Mapping[str, Any] | None = None,
) -> TrainedModel:
    """The model of a run folder.

    Args:
        folder: Of a finished training.
        nulls: Fields to hold back from it.
        process: Its class, if the registry does not have it. A folder never says what code to run.
        options: Of its process, to sample with others than it was trained with, such as
            ``sampling_steps`` or ``guidance``.

    Raises:
        UserError: If there is none, or it cannot be read.
    """
    folder = Path(folder)
    settings, record = run_folder.read(folder)
    strange = sorted(set(nulls) - set(settings.told_beside_composition))
    if strange:
        raise UserError(
            f"the model in {folder} is not told {strange[0]}, so it cannot be held back"
        )
    kind = process_class(settings.process) if process is None else process
    own = checked(
        kind.Options, {**settings.options, **(options or {})}, f"options of {settings.process}"
    )
    answering = (
        Network.opened(kind, own, settings, folder)
        if issubclass(kind, Process)
        else kind.opened(own, folder)
    )
    return TrainedModel(answering, settings, record, folder.resolve().name, nulls)


def _described(
    training: CrystalTraining, held_out: CrystalTraining | None, name: str
) -> TrainingData:
    return TrainingData(
        name=name,
        crystals=len(training),
        sha256=training.table.sha256(),
        held_out=0 if held_out is None else len(held_out),
        held_out_sha256=None if held_out is None else held_out.table.sha256(),
    )
