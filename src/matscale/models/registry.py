"""Processes by name. A new one is a file in ``processes/`` and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from matscale.runtime.errors import UserError, did_you_mean

PROCESSES: Mapping[str, str] = {
    "adapter": "matscale.models.processes.adapter:Adapter",
    "diffusion": "matscale.models.processes.diffusion:Diffusion",
    "flow": "matscale.models.processes.flow:Flow",
    "latent": "matscale.models.processes.latent:Latent",
    "prototype": "matscale.models.processes.prototype:Prototype",
    "tokens": "matscale.models.processes.tokens:Tokens",
    "vae": "matscale.models.processes.vae:Vae",
}
"""Name to module and class; a module is imported when its process is asked for."""


def process_class(name: str) -> Any:
    """The class of a process.

    Raises:
        UserError: If there is none of this name.
    """
    if name not in PROCESSES:
        raise UserError(
            f"there is no process {name!r}{did_you_mean(name, PROCESSES)} "
            f"(processes are {', '.join(PROCESSES)})"
        )
    module, _, member = PROCESSES[name].partition(":")
    return getattr(import_module(module), member)
