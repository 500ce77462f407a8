"""Training crystals ranked as templates: a model that learns and does not generate."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from matscale.models.config import RunSettings, Settings
from matscale.models.prototype import TemplateRanking
from matscale.models.run_folder import WEIGHTS, Learning
from matscale.predictors.predictor import Seed, Told
from matscale.predictors.training import CrystalTraining
from matscale.runtime.errors import Refused, UserError
from matscale.structures.formats.parquet import read_parquet, write_parquet
from matscale.structures.table import StructureTable

TEMPLATES = "templates.parquet"
"""The training crystals, which are part of the model."""


class PrototypeOptions(Settings):
    """As :class:`matscale.models.prototype.TemplateRanking` takes them."""

    trees: int = Field(default=150, ge=1)
    rate: float = Field(default=0.05, gt=0)
    depth: int = Field(default=4, ge=1)
    leaf: int = Field(default=20, ge=1)
    columns: float = Field(default=0.15, gt=0, le=1)
    share: float = Field(default=0.25, gt=0, le=1)
    rms: float = Field(default=0.3, gt=0)
    templates: int = Field(default=300, ge=1)
    examples: int = Field(default=2000, ge=1)


class Prototype:
    """A ranking of templates in a run folder.

    Args:
        ranking: That was learnt.
    """

    Options = PrototypeOptions

    def __init__(self, ranking: TemplateRanking) -> None:
        self._ranking = ranking

    @classmethod
    def learnt(
        cls,
        options: PrototypeOptions,
        settings: RunSettings,
        training: CrystalTraining,
        folder: Path,
    ) -> tuple[Prototype, Learning]:
        """Grow the forest, and keep it in the folder with the crystals that it ranks.

        Raises:
            UserError: If it is to be told more than the composition.
        """
        if settings.told_beside_composition:
            other = settings.told_beside_composition[0]
            raise UserError(f"prototype is told the composition alone, not {other}")
        from safetensors.numpy import save_file

        ranking = TemplateRanking(seed=settings.seed, **options.model_dump())
        began = time.perf_counter()
        ranking.fit(training)
        seconds = round(time.perf_counter() - began, 1)
        arrays = {name: np.array(values, order="C") for name, values in ranking.arrays().items()}
        write_parquet(training.crystals, folder / TEMPLATES)
        save_file(arrays, folder / WEIGHTS)
        size = sum(values.size for values in arrays.values())
        return cls(ranking), Learning(parameters=size, steps=0, seconds=seconds)

    @classmethod
    def opened(cls, options: PrototypeOptions, folder: Path) -> Prototype:
        """Read forest and templates.

        Raises:
            UserError: If one cannot be read.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            arrays = load_file(folder / WEIGHTS)
        except (OSError, SafetensorError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"the weights in {folder} cannot be read: {reason}") from None
        return cls(TemplateRanking.of_arrays(arrays, read_parquet(folder / TEMPLATES)))

    def answers(
        self, told: Told, candidates: int, seed: Seed, nulls: Sequence[str]
    ) -> list[list[StructureTable] | Refused]:
        """For each sample the best templates with its elements, best first."""
        answers: Any = self._ranking.predict(told, candidates, seed)
        if candidates > 1:
            return answers
        return [each if isinstance(each, Refused) else [each] for each in answers]
