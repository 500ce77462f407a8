"""Any ASE calculator as a potential, one crystal after another."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

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


class AsePotential:
    """An ASE calculator.

    Args:
        name: As the user wrote it.
        version: Of what computes, for the cache key.
        make: Makes the calculator.
        device: ``"cpu"`` or what torch calls another device; where the calculator works.
    """

    def __init__(
        self, name: str, version: str, make: Callable[[], Any], device: str = "cpu"
    ) -> None:
        self.name, self.version, self.device = name, version, device
        self._calculator = make()

    def evaluate(self, table: StructureTable) -> Evaluation:
        """Energies, forces and stresses; a crystal on which the calculator fails is refused."""
        answer = Evaluation.refusing(table, {})
        for row in range(len(table)):
            atoms = table.to_ase(row)
            atoms.calc = self._calculator
            try:
                energy = float(atoms.get_potential_energy())
                forces, stress = atoms.get_forces(), atoms.get_stress(voigt=False)
            # A calculator may raise anything at all; the crystal is refused with what it said.
            except Exception as error:  # noqa: BLE001
                answer.refused[row] = f"{self.name}: {type(error).__name__}: {error}"
                continue
            answer.energies[row] = energy
            answer.forces[table.offsets[row] : table.offsets[row + 1]] = forces
            answer.stresses[row] = (stress + np.transpose(stress)) / 2
        return answer


class NamedPotential(AsePotential):
    """An ASE calculator that another process makes again from its name, as it may not travel.

    Args:
        name: As for :func:`matscale.energy.potentials.potential`.
        version: As for :class:`AsePotential`.
        make: Likewise.
        device: Likewise.
    """

    def __init__(
        self, name: str, version: str, make: Callable[[], Any], device: str = "cpu"
    ) -> None:
        super().__init__(name, version, make, device)
        self.probes = self.evaluate(probes()).energies

    def __reduce__(self) -> tuple[Any, ...]:
        """The name, and what the calculator must say of the probes there."""
        return _made_again, (self.name, self.device, tuple(self.probes.tolist()))


@cache
def _made_again(name: str, device: str, expected: tuple[float, ...]) -> NamedPotential:
    made = by_name(name, device)
    assert made is not None
    if not np.allclose(made.probes, expected, rtol=1e-4, equal_nan=True):
        raise UserError(
            f"{name} is not the same on {platform.node()} as where the command runs: it gives the "
            f"probe crystals {made.probes.tolist()} eV instead of {list(expected)}; results would "
            "differ"
        )
    return made


class Family(NamedTuple):
    """Calculators of one package that are known by name.

    Attributes:
        package: Name in the registry, to be installed and for the version.
        make: From a model's name and a device to a calculator; imports the package.
        default: The model if none is named.
    """

    package: str
    make: Callable[[str, str], Any]
    default: str


def _mace(model: str, device: str) -> Any:
    from mace.calculators import mace_mp

    return mace_mp(model=model, device=device, default_dtype="float64")


def _orb(model: str, device: str) -> Any:
    from orb_models.forcefield import pretrained
    from orb_models.forcefield.calculator import ORBCalculator

    load = getattr(pretrained, model, None)
    if load is None:
        raise UserError(f"orb-models has no model {model!r}; see orb_models.forcefield.pretrained")
    return ORBCalculator(load(device=device), device=device)


def _sevennet(model: str, device: str) -> Any:
    from sevenn.calculator import SevenNetCalculator

    return SevenNetCalculator(model, device=device)


FAMILIES = {
    "mace": Family("mace-torch", _mace, "medium-mpa-0"),
    "orb": Family("orb-models", _orb, "orb_v3_conservative_inf_omat"),
    "sevennet": Family("sevenn", _sevennet, "7net-0"),
}
"""Their weights come from the network at the first use, and are kept by the packages."""


def from_family(family: str, model: str, device: str) -> NamedPotential:
    """A calculator known by name.

    Raises:
        UserError: If its package is not installed, or the weights cannot be had.
    """
    package, make, default = FAMILIES[family]
    model = model or default
    try:
        calculator = make(model, device)
    except ImportError as error:
        raise UserError(
            f"the potential {family} needs a package: pip install {package} ({error})"
        ) from error
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"{package} could not load {model!r}: {error}") from error
    version = package_version(package)
    if Path(model).is_file():
        version += f" {hashlib.sha256(Path(model).read_bytes()).hexdigest()[:16]}"
    return NamedPotential(f"{family}:{model}", version, lambda: calculator, device)


def from_path(path: str) -> NamedPotential:
    """A calculator by import path ``module:factory``; the factory is called without arguments.

    Raises:
        UserError: If there is no such module or factory, or if what it makes is no calculator.
    """
    module, factory = import_object(path)
    calculator = call_factory(path, factory)
    if not hasattr(calculator, "get_property"):
        raise UserError(f"{path} made a {type(calculator).__name__}, which is no ASE calculator")
    made = NamedPotential(path, version_of(module), lambda: calculator)
    # What the factory reads or imports is in no version: only what it says tells.
    made.version += f" {fingerprint(made.probes)}"
    return made


def by_name(name: str, device: str) -> NamedPotential | None:
    """The calculator of a :data:`FAMILIES` name or an import path; None if it is neither.

    Args:
        name: ``family``, ``family:model`` or ``module:factory``.
        device: As torch calls it; a ``module:factory`` sees to that itself.

    Raises:
        UserError: If its package or module is not there, or fails.
    """
    family, _, rest = name.partition(":")
    if family in FAMILIES:
        return from_family(family, rest, device)
    return from_path(name) if rest else None
