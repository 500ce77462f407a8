"""Potentials that users name by an import path: how they are made, and told from one another."""

from __future__ import annotations

import hashlib
import inspect
from importlib import import_module, metadata
from types import ModuleType
from typing import Any

import numpy as np

from matscale.energy.potential import package_version
from matscale.runtime.errors import UserError
from matscale.structures.table import StructureTable


def probes() -> StructureTable:
    """Two small crystals without symmetry, whose energies tell one potential from another."""
    places = np.array([[0.0, 0.0, 0.0], [1.9, 1.7, 1.6]])
    cell = np.array([[3.7, 0.1, 0.0], [0.0, 3.6, 0.2], [0.3, 0.0, 3.5]])
    return StructureTable.from_parts(
        ["Cu", "NaCl"],
        [np.array([29, 29]), np.array([11, 17])],
        [places, 1.4 * places],
        [cell, 1.4 * cell],
    )


def fingerprint(energies: np.ndarray) -> str:
    """Eight letters for energies in eV, to six figures; rounding on another machine is less."""
    said = " ".join(f"{energy:.6g}" for energy in energies)
    return hashlib.sha256(said.encode()).hexdigest()[:8]


def import_object(path: str) -> tuple[ModuleType, Any]:
    """A module and what it holds, from ``module:name``.

    Raises:
        UserError: If either is not there.
    """
    module_name, _, name = path.partition(":")
    try:
        module = import_module(module_name)
    except ImportError as error:
        raise UserError(f"the potential {path} cannot be imported: {error}") from error
    if not hasattr(module, name):
        raise UserError(f"the potential {path} cannot be imported: {module_name} has no {name}")
    return module, getattr(module, name)


def call_factory(path: str, factory: Any, *arguments: Any) -> Any:
    """What a user's factory makes.

    Raises:
        UserError: If it raises.
    """
    try:
        return factory(*arguments)
    except Exception as error:
        raise UserError(f"{path} failed: {type(error).__name__}: {error}") from error


def version_of(module: ModuleType) -> str:
    """Version of the package of a module; the hash of its source where there is no package."""
    top = module.__name__.partition(".")[0]
    packages = metadata.packages_distributions().get(top)
    if packages:
        return f"{packages[0]} {package_version(packages[0])}"
    try:
        source = inspect.getsource(module)
    except (OSError, TypeError):
        return "unknown"
    return hashlib.sha256(source.encode()).hexdigest()
