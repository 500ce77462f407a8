"""Definitions of metrics for results of matscale 0.1, whose files have none."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from matscale.results.result import Result, definitions_of
from matscale.tasks.task import TASKS


def with_definitions(result: Result) -> Result:
    """The result with what its task says of its metrics, unless it says so itself."""
    if result.definitions or result.task not in TASKS:
        return result
    module: Any = import_module(f"{TASKS[result.task]}.specs")
    specs = module.SPECS.get(result.protocol, {})
    found = definitions_of(specs, result.metrics, result.groups)
    return result.model_copy(update={"definitions": found})
