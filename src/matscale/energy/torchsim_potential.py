"""Models of torch-sim as potentials, whole batches at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from matscale.energy.factories import (
    call_factory,
    fingerprint,
    import_object,
    probes,
    version_of,
)
from matscale.energy.potential import Evaluation, package_version
from matscale.runtime.errors import UserError
from matscale.structures.table import StructureTable

TESTED = "0.3."
"""Versions of torch-sim whose models are asked; 0.3.0 is the last for Python 3.11."""


class TorchSimPotential:
    """A model of torch-sim, made by a factory ``module:factory`` that is called with the device.

    Args:
        path: Import path of the factory.
        device: What torch calls the device.

    Raises:
        UserError: If torch-sim or the factory is missing, torch-sim is another version than
            :data:`TESTED`, or the model gives no forces or stress.
    """

    def __init__(self, path: str, device: str = "cpu") -> None:
        try:
            import torch
            from torch_sim.io import atoms_to_state
        except ImportError as error:
            raise UserError(
                "potentials of torch-sim need a package: pip install torch-sim-atomistic==0.3.0"
            ) from error
        installed = package_version("torch-sim-atomistic")
        if not installed.startswith(TESTED):
            raise UserError(
                f"torch-sim {installed} is installed, and matscale knows {TESTED}x: "
                "pip install torch-sim-atomistic==0.3.0"
            )
        module, factory = import_object(path)
        self._model: Any = call_factory(f"torchsim:{path}", factory, torch.device(device))
        self._to_state = atoms_to_state
        # Without stress no cell would move, nor keep its crystal from counting as relaxed.
        for wanted in ("forces", "stress"):
            if not getattr(self._model, f"compute_{wanted}", False):
                raise UserError(
                    f"torchsim:{path} gives no {wanted}; make it with compute_{wanted}=True"
                )
        self.name, self.device = f"torchsim:{path}", device
        said = fingerprint(self.evaluate(probes()).energies)
        self.version = f"{version_of(module)} {said}"

    def evaluate(self, table: StructureTable) -> Evaluation:
        """Energies, forces and stresses of all crystals in one batch."""
        state = self._to_state(list(table.iter_ase()), self._model.device, self._model.dtype)
        output = self._model(state)

        def array(name: str) -> np.ndarray:
            return output[name].detach().cpu().numpy().astype(np.float64)

        stresses = array("stress")
        return Evaluation(
            array("energy"), array("forces"), (stresses + stresses.transpose(0, 2, 1)) / 2
        )
