"""A trained model as a predictor, and how one is trained and opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from matscale.models import cells, run_folder
from matscale.models.config import RunSettings, checked
from matscale.models.consensus import most_frequent_first
from matscale.models.crystals import Batch, Crystal, batch_of, crystals_of, table_of
from matscale.models.curve import draw_curve
from matscale.models.process import Process, Statistics, statistics_of
from matscale.models.registry import process_class
from matscale.models.run_folder import RunRecord, TrainingData
from matscale.models.telling import check_told, conditions_of, refusal_of
from matscale.models.threads import one_thread
from matscale.models.training import CHECKPOINT, learn
from matscale.predictors.predictor import Seed, Told
from matscale.predictors.training import CrystalTraining
from matscale.runtime.errors import Refused, UserError
from matscale.structures.table import StructureTable

AT_ONCE = 256
"""Crystals that are made at once."""
FEWEST = 2
"""Training crystals below which there is nothing to learn."""
UNFINISHED_CRYSTAL = "the model made no crystal"


class TrainedModel:
    """A run folder as a predictor.

    Args:
        process: The network.
        settings: Of its training.
        record: What is known of it.
        name: For tables and files.
        nulls: Fields that are held back although it is told them: what it answers without.
    """

    kind = "model"

    def __init__(
        self,
        process: Process,
        settings: RunSettings,
        record: RunRecord,
        name: str,
        nulls: Sequence[str] = (),
    ) -> None:
        self.process, self.settings, self.record = process, settings, record
        self.name, self.told, self.nulls = name, settings.told, tuple(nulls)

    def predict(
        self, told: Told, candidates: int = 1, seed: Seed = 0
    ) -> list[StructureTable | Refused] | list[list[StructureTable] | Refused]:
        """Crystals of the compositions that are told, those that are drawn most often first.

        Args:
            told: Of n samples.
            candidates: Draws for each.
            seed: Of the draws.

        Returns:
            For each sample a crystal in its reduced cell, or a list of ``candidates``.
        """
        random = np.random.default_rng(seed)
        answers: list[Any] = [refusal_of(unit) or [] for unit in told.column("composition")]
        rows = [row for row, answer in enumerate(answers) if not isinstance(answer, Refused)]
        draws = max(candidates, self.settings.draws)
        wanted = [row for row in rows for _ in range(draws)]
        conditions = self._conditions(told)
        for first in range(0, len(wanted), AT_ONCE):
            part = wanted[first : first + AT_ONCE]
            for row, crystal in zip(part, self._made(told, conditions, part, random), strict=True):
                answers[row].append(crystal)
        for row in rows:
            answers[row] = _without_failures(answers[row])
        rows = [row for row in rows if not isinstance(answers[row], Refused)]
        for row, ordered in zip(rows, most_frequent_first([answers[k] for k in rows]), strict=True):
            answers[row] = ordered[:candidates] if candidates > 1 else ordered[0]
        return answers

    def _conditions(self, told: Told) -> dict[str, np.ndarray]:
        conditions = conditions_of(told)
        return {
            name: np.full_like(values, np.nan) if name in self.nulls else values
            for name, values in conditions.items()
        }

    def _made(
        self,
        told: Told,
        conditions: Mapping[str, np.ndarray],
        rows: Sequence[int],
        random: np.random.Generator,
    ) -> list[StructureTable | Refused]:
        compositions = told.column("composition")
        batch = batch_of(
            [compositions[row] for row in rows],
            {name: values[list(rows)] for name, values in conditions.items()},
        ).to(self.process.device)
        with torch.no_grad(), one_thread():
            fractional, cell = self.process.sample(batch, random)
        return _tables(batch, fractional, cell)


def _tables(
    batch: Batch, fractional: torch.Tensor, cell: torch.Tensor
) -> list[StructureTable | Refused]:
    """One table per crystal; one that is not finite is refused."""
    finite = torch.isfinite(batch.mean(fractional)).all(dim=1) & torch.isfinite(cell).all(dim=1)
    lattices = cells.decode(
        torch.where(finite[:, None], cell, torch.zeros_like(cell)), batch.counts
    )
    whole = table_of(batch, fractional.nan_to_num(), lattices)
    return [
        whole[row] if fine else Refused(UNFINISHED_CRYSTAL, "its numbers are not finite")
        for row, fine in enumerate(finite.tolist())
    ]


def _without_failures(draws: Sequence[StructureTable | Refused]) -> Any:
    """The crystals among draws; the first reason where there is none."""
    crystals = [draw for draw in draws if not isinstance(draw, Refused)]
    return crystals or draws[0]


# --- training -----------------------------------------------------------------------------


def train_model(
    settings: RunSettings,
    training: CrystalTraining,
    held_out: CrystalTraining | None,
    folder: Path,
    data_name: str,
) -> TrainedModel:
    """Train a process into a run folder; resume what was interrupted; open what is finished.

    Args:
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
    kind = process_class(settings.process)
    options = checked(kind.Options, settings.options, f"options of {settings.process}")
    settings = settings.model_copy(update={"options": options.model_dump(mode="json")})
    data = _described(training, held_out, data_name)
    if run_folder.begin(folder, settings, data):
        return open_model(folder)
    crystals = _crystals(training, settings.told)
    if len(crystals) < FEWEST:
        raise UserError(
            f"the training set {data_name} has {len(crystals)} crystals to learn from; give at "
            f"least {FEWEST}"
        )
    torch.manual_seed(settings.seed)
    conditions = settings.told_beside_composition
    process = kind(options, settings.network, conditions, statistics_of(crystals))
    held = _crystals(held_out, settings.told) if held_out is not None else []
    learnt = learn(process, crystals, held, settings, folder)
    _save(process, folder / run_folder.WEIGHTS)
    draw_curve(learnt["rows"], folder / run_folder.CURVE)
    record = RunRecord(
        format=run_folder.FORMAT,
        matscale=run_folder.__version__,
        process=settings.process,
        told=settings.told,
        seed=settings.seed,
        data=data,
        parameters=sum(weights.numel() for weights in process.parameters()),
        steps=learnt["steps"],
        seconds=round(learnt["seconds"], 1),
        environment=run_folder.environment(str(process.device)),
    )
    run_folder.finish(folder, record)
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return TrainedModel(process, settings, record, folder.resolve().name)


def open_model(
    folder: str | Path, nulls: Sequence[str] = (), options: Mapping[str, Any] | None = None
) -> TrainedModel:
    """The model of a run folder.

    Args:
        folder: Of a finished training.
        nulls: Fields to hold back from it.
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
    kind = process_class(settings.process)
    own = checked(
        kind.Options, {**settings.options, **(options or {})}, f"options of {settings.process}"
    )
    conditions = settings.told_beside_composition
    process = kind(own, settings.network, conditions, Statistics.unknown(conditions))
    try:
        process.load_state_dict(load_file(folder / run_folder.WEIGHTS))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"the weights in {folder} cannot be read: {reason}") from None
    process.eval()
    return TrainedModel(process, settings, record, folder.resolve().name, nulls)


def _save(process: Process, file: Path) -> None:
    state = {name: tensor.contiguous().cpu() for name, tensor in process.state_dict().items()}
    partial = file.with_name(f".{file.name}.partial")
    save_file(state, partial)
    partial.replace(file)


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


def _crystals(training: CrystalTraining, told: Sequence[str]) -> list[Crystal]:
    """Crystals with what is told of them; NaN where a property is not known."""
    return crystals_of(training.table, _conditions_of_training(training, told))


def _conditions_of_training(
    training: CrystalTraining, told: Sequence[str]
) -> dict[str, np.ndarray]:
    """As :func:`conditions_of`, field by field, since not each is known of each crystal."""
    made: dict[str, np.ndarray] = {}
    ids = training.table.ids.tolist()
    for name in told:
        if name == "composition":
            continue
        known = training.only([name]) if name in training.properties else training
        fields = ("composition", name)
        known = CrystalTraining(known.table, training.properties, fields)
        values = conditions_of(Told.of([each.told for each in known], fields))[name]
        by_id = dict(zip(known.table.ids.tolist(), values, strict=True))
        blank = np.full(values.shape[1], np.nan)
        made[name] = np.array([by_id.get(identifier, blank) for identifier in ids])
    return made
