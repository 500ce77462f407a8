"""A trained process: weights that make crystals of what they are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from matscale.models import cells
from matscale.models.config import RunSettings
from matscale.models.consensus import most_frequent_first
from matscale.models.crystals import Batch, Crystal, batch_of, crystals_of, table_of
from matscale.models.curve import draw_curve
from matscale.models.process import Process, Statistics, statistics_of
from matscale.models.run_folder import CURVE, WEIGHTS, Learning
from matscale.models.telling import conditions_of, refusal_of
from matscale.models.threads import one_thread
from matscale.models.training import CHECKPOINT, learn
from matscale.predictors.predictor import Seed, Told
from matscale.predictors.training import CrystalTraining
from matscale.runtime.errors import Refused, UserError
from matscale.structures.table import StructureTable

AT_ONCE = 256
"""Crystals that are made at once."""
NOT_MADE = "the model made no crystal"


class Network:
    """A trained process.

    Args:
        process: With its weights.
        draws: Crystals that are drawn for each answer at least.
    """

    def __init__(self, process: Process, draws: int) -> None:
        self.process, self._draws = process, draws

    @classmethod
    def learnt(
        cls,
        kind: type[Process],
        options: Any,
        settings: RunSettings,
        training: CrystalTraining,
        held_out: CrystalTraining | None,
        folder: Path,
    ) -> tuple[Network, Learning]:
        """Train it, and keep in the folder what :meth:`opened` needs."""
        crystals = _crystals(training, settings.told)
        held = _crystals(held_out, settings.told) if held_out is not None else []
        torch.manual_seed(settings.seed)
        conditions = settings.told_beside_composition
        process = kind(options, settings.network, conditions, statistics_of(crystals))
        outcome = learn(process, crystals, held, settings, folder)
        _save(process, folder / WEIGHTS)
        draw_curve(outcome["rows"], folder / CURVE)
        (folder / CHECKPOINT).unlink(missing_ok=True)
        learning = Learning(
            parameters=sum(weights.numel() for weights in process.parameters()),
            steps=outcome["steps"],
            seconds=round(outcome["seconds"], 1),
            device=outcome["device"],
        )
        return cls(process, settings.draws), learning

    @classmethod
    def opened(
        cls, kind: type[Process], options: Any, settings: RunSettings, folder: Path
    ) -> Network:
        """Read its weights."""
        conditions = settings.told_beside_composition
        process = kind(options, settings.network, conditions, Statistics.unknown(conditions))
        try:
            process.load_state_dict(load_file(folder / WEIGHTS))
        except (OSError, SafetensorError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"the weights in {folder} cannot be read: {reason}") from None
        process.eval()
        return cls(process, settings.draws)

    def answers(
        self, told: Told, candidates: int, seed: Seed, nulls: Sequence[str]
    ) -> list[list[StructureTable] | Refused]:
        """For each sample the crystals that are drawn most often, best first."""
        random = np.random.default_rng(seed)
        answers: list[Any] = [refusal_of(unit) or [] for unit in told.column("composition")]
        rows = [row for row, answer in enumerate(answers) if not isinstance(answer, Refused)]
        wanted = [row for row in rows for _ in range(max(candidates, self._draws))]
        conditions = self.conditions(told, nulls)
        for first in range(0, len(wanted), AT_ONCE):
            part = wanted[first : first + AT_ONCE]
            for row, crystal in zip(part, self._made(told, conditions, part, random), strict=True):
                answers[row].append(crystal)
        for row in rows:
            answers[row] = _without_failures(answers[row])
        rows = [row for row in rows if not isinstance(answers[row], Refused)]
        for row, ordered in zip(rows, most_frequent_first([answers[k] for k in rows]), strict=True):
            answers[row] = ordered[:candidates]
        return answers

    def conditions(self, told: Told, nulls: Sequence[str]) -> dict[str, np.ndarray]:
        """Fields as numbers; NaN where they are held back."""
        return {
            name: np.full_like(values, np.nan) if name in nulls else values
            for name, values in conditions_of(told).items()
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
        return tables(batch, fractional, cell)


def tables(
    batch: Batch, fractional: torch.Tensor, cell: torch.Tensor
) -> list[StructureTable | Refused]:
    """One table per crystal, of what a process samples; one that is not finite is refused."""
    finite = torch.isfinite(batch.mean(fractional)).all(dim=1) & torch.isfinite(cell).all(dim=1)
    lattices = cells.decode(
        torch.where(finite[:, None], cell, torch.zeros_like(cell)), batch.counts
    )
    whole = table_of(batch, fractional.nan_to_num(), lattices)
    return [
        whole[row] if fine else Refused(NOT_MADE, "its numbers are not finite")
        for row, fine in enumerate(finite.tolist())
    ]


def _without_failures(draws: Sequence[StructureTable | Refused]) -> Any:
    """The crystals among draws; the first reason where there is none."""
    crystals = [draw for draw in draws if not isinstance(draw, Refused)]
    return crystals or draws[0]


def _save(process: Process, file: Path) -> None:
    state = {name: tensor.contiguous().cpu() for name, tensor in process.state_dict().items()}
    partial = file.with_name(f".{file.name}.partial")
    save_file(state, partial)
    partial.replace(file)


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
