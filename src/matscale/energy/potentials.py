"""Potentials by name."""

from __future__ import annotations

from matscale.energy.ase_potential import FAMILIES, by_name
from matscale.energy.potential import Evaluation, Potential
from matscale.runtime.errors import UserError

__all__ = ["DEFAULT", "Evaluation", "Potential", "potential"]

DEFAULT = "chgnet"
"""Works without a network: its weights come with its package."""


def potential(name: str = DEFAULT, *, device: str = "cpu") -> Potential:
    """A potential by name.

    Args:
        name: ``chgnet`` or ``chgnet:r2scan``; ``mace``, ``orb`` or ``sevennet``, with a model of
            that package after a colon (``mace:medium-mpa-0``); ``module:factory`` for any ASE
            calculator (``ase.calculators.emt:EMT``); ``torchsim:module:factory`` for a model of
            torch-sim. What a ``module`` holds is run: name only what you trust.
        device: ``cpu``, ``cuda`` or what else torch calls it; a ``module:factory`` sees to
            that itself.

    Raises:
        UserError: If there is no such potential, or its package is not installed.
    """
    family, _, rest = name.partition(":")
    if family == "chgnet":
        from matscale.energy.chgnet_potential import ChgnetPotential

        return ChgnetPotential(rest or "0.3.0", device=device)
    if family == "torchsim":
        from matscale.energy.torchsim_potential import TorchSimPotential

        return TorchSimPotential(rest, device)
    calculator = by_name(name, device)
    if calculator is not None:
        return calculator
    known = ", ".join([DEFAULT, *FAMILIES, "torchsim:module:factory", "module:factory"])
    raise UserError(f"there is no potential {name!r}; write one of {known}")
