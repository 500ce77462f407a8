"""An autoencoder that is shown the answer: the control of what that is worth.

CDVAE's reconstructions, as AtomBench scores them, encode the very crystal that is asked for. This
predictor does so too and says it: it is told the cell and the positions, and tables mark it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from matscale.models.crystals import Crystal, crystals_of, joined
from matscale.models.gaussians import drawn
from matscale.models.network import NOT_MADE, Network, tables
from matscale.models.processes.vae import Vae
from matscale.models.threads import one_thread
from matscale.models.trained import TrainedModel, open_model
from matscale.predictors.predictor import Told
from matscale.runtime.errors import Refused, UserError
from matscale.structures.table import StructureTable

ANSWER = ("cell", "positions")
IRREDUCIBLE = Refused(NOT_MADE, "the cell that it is told cannot be reduced")


def posterior_model(folder: str | Path) -> TrainedModel:
    """A model of the process ``vae`` whose latent vector comes from the crystal itself.

    Args:
        folder: Of a finished training.

    Raises:
        UserError: If there is none, or it is of another process.
    """
    model = open_model(folder)
    process = getattr(model.answering, "process", None)
    if not isinstance(process, Vae):
        raise UserError(
            f"the model in {folder} is of the process {model.settings.process}, which encodes "
            "no crystal: give one of vae"
        )
    shown = TrainedModel(
        _Posterior(process, model.settings.draws, model.told),
        model.settings,
        model.record,
        f"{model.name}_posterior",
    )
    shown.told = tuple(dict.fromkeys((*model.told, *ANSWER)))
    return shown


class _Posterior(Network):
    """A process that is shown the answer beside what it was trained to be told."""

    def __init__(self, process: Vae, draws: int, told: Sequence[str]) -> None:
        super().__init__(process, draws)
        self._told = tuple(told)

    def conditions(self, told: Told, nulls: Sequence[str]) -> dict[str, np.ndarray]:
        """Of the fields that it was trained to be told."""
        return super().conditions(told.only(self._told), nulls)

    def _made(
        self,
        told: Told,
        conditions: Mapping[str, np.ndarray],
        rows: Sequence[int],
        random: np.random.Generator,
    ) -> list[StructureTable | Refused]:
        """As the model makes them, but of latent vectors that encode the answer."""
        process = self.process
        assert isinstance(process, Vae)
        known = {row: _encodable(told, row, conditions) for row in sorted(set(rows))}
        crystals = [crystal for row in rows for crystal in known[row]]
        if not crystals:
            return [IRREDUCIBLE] * len(rows)
        batch = joined(crystals).to(process.device)
        fractional = torch.tensor(np.concatenate([each.fractional for each in crystals])).float()
        cell = torch.tensor(np.array([each.cell for each in crystals]))
        with torch.no_grad(), one_thread():
            encoded = process.posterior(
                batch, fractional.to(process.device), cell.to(process.device)
            )
            made = process.decoded(batch, drawn(*encoded, random), random)
        answers = iter(tables(batch, *made))
        return [next(answers) if known[row] else IRREDUCIBLE for row in rows]


def _encodable(told: Told, row: int, conditions: Mapping[str, np.ndarray]) -> list[Crystal]:
    """The crystal of a sample; none where its cell cannot be reduced."""
    numbers, positions = told[row]["positions"]
    table = StructureTable.from_parts([""], [numbers], [positions], [told[row]["cell"]])
    return crystals_of(table, {name: values[[row]] for name, values in conditions.items()})
