"""Training and sampling as the command and Python callers ask for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from matscale import datasets
from matscale.models.config import RunSettings, checked
from matscale.models.registry import process_class
from matscale.models.trained import TrainedModel, open_model, train_model
from matscale.predictors.calling import predicted
from matscale.predictors.predictor import Told, parse_told
from matscale.predictors.training import PROPERTIES, CrystalTraining, crystal_fields
from matscale.runtime.errors import Refused, UserError
from matscale.structures.reading import Reading, Refusal
from matscale.structures.table import StructureTable

TRAIN, HELD_OUT = "train", "val"


def train(
    process: str | type[Any],
    data: Any,
    *,
    out: str | Path,
    told: str | Sequence[str] = ("composition",),
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
) -> TrainedModel:
    """Train a model into a folder; the same call resumes what was interrupted.

    Args:
        process: Key of the registry, such as ``"flow"``, or a class of your own.
        data: Registered dataset, file of structures, or crystals as Python objects; its split
            ``val``, if there is one, is validated on.
        out: The run folder.
        told: Fields that the model is told.
        seed: Of weights, batches and noise.
        settings: ``network``, ``training`` and ``options``, as in :class:`RunSettings`.

    Raises:
        UserError: If a setting or the data is wrong, or training fails.
    """
    dataset = datasets.given(data, "training set")
    own = dict(settings or {})
    name = process if isinstance(process, str) else process.__name__
    own |= {"process": name, "told": parse_told(told), "seed": seed}
    run = checked(RunSettings, own, "settings")
    split = TRAIN if TRAIN in dataset.splits else next(iter(dataset.splits), None)
    if split is None or not len(dataset.table(split)):
        raise UserError(f"{dataset.name} has no crystals to learn from")
    held_out = _training(dataset, HELD_OUT) if HELD_OUT in dataset.splits else None
    kind = process_class(process) if isinstance(process, str) else process
    return train_model(kind, run, _training(dataset, split), held_out, Path(out), dataset.name)


def _training(dataset: datasets.Dataset, split: str) -> CrystalTraining:
    table = dataset.table(split)
    return CrystalTraining(table, _properties(dataset, table))


def _properties(dataset: datasets.Dataset, table: StructureTable) -> dict[str, dict[str, float]]:
    """Values of these crystals, by property and id."""
    ids = table.ids.tolist()
    return {
        name: {key: value for key in ids if np.isfinite(value := values.get(key, np.nan))}
        for name, values in dataset.properties.items()
        if name in PROPERTIES
    }


def sample(
    run: str | Path,
    data: Any,
    *,
    split: str = "test",
    candidates: int = 1,
    seed: int = 0,
    nulls: Sequence[str] = (),
) -> Reading:
    """Crystals that a trained model makes when it is told of those of a split.

    Args:
        run: The run folder.
        data: As for :func:`train`.
        split: Of the crystals; a dataset of one split is taken whole.
        candidates: Crystals for each.
        seed: Of the draws.
        nulls: Fields that are held back.

    Returns:
        The crystals under the ids of those that were told, candidates side by side; what could not
        be made is refused.

    Raises:
        UserError: If there is no such run or split.
    """
    model = open_model(run, nulls)
    dataset = datasets.given(data, "crystals to be told of")
    if len(dataset.splits) == 1:
        split = next(iter(dataset.splits))
    table = dataset.table(split)
    properties = _properties(dataset, table)
    told: dict[int, dict[str, Any]] = {}
    refusals = []
    for row, name in enumerate(table.ids.tolist()):
        try:
            told[row] = crystal_fields(table, row, model.told, properties)
        except Refused as refusal:
            refusals.append(Refusal(row, name, model.name, refusal.reason, refusal.detail))
    answers = predicted(model, Told.of(list(told.values()), model.told), candidates, seed)
    crystals: list[StructureTable] = []
    for row, answer in zip(told, answers, strict=True):
        name = str(table.ids[row])
        if isinstance(answer, Refused):
            refusals.append(Refusal(row, name, model.name, answer.reason, answer.detail))
            continue
        for crystal in answer if isinstance(answer, list) else [answer]:
            crystals.append(crystal.with_ids([name]))
    made = StructureTable.concatenate(crystals)
    return Reading(made, np.arange(len(made)), tuple(refusals))
