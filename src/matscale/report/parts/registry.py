"""The parts of the page by task. A new task's part is a folder here and a line below."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from matscale.report.parts.part import Part

PARTS = {
    "reconstruction": "matscale.report.parts.reconstruction",
    "novelty": "matscale.report.parts.novelty",
    "perception": "matscale.report.parts.perception",
    "crystal-to-particle": "matscale.report.parts.particles.crystal_to_particle",
    "particle-to-crystal": "matscale.report.parts.particles.particle_to_crystal",
}
"""Task name to the module that holds its ``PART``."""

_PLAIN = Part()


def find_part(task: str) -> Part:
    """The part of a task; one without blocks where the page knows nothing of the task."""
    if task not in PARTS:
        return _PLAIN
    module: Any = import_module(PARTS[task])
    part: Part = module.PART
    return part
