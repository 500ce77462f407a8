"""Small sets and predictors that the tests of both particle tasks share."""

import gc
import types
from dataclasses import replace

import numpy as np

from matscale.datasets.particles import ParticleSet, build_particles, material_set

SMALL = {"train": (8.0, 9.0), "id": (10.0,), "ood": (6.0,)}


def small_set(name: str, materials: int | list[int]) -> ParticleSet:
    """A few materials of a set, at the smallest radii alone."""
    rows = list(range(materials)) if isinstance(materials, int) else materials
    built = build_particles(material_set(name)[rows], name=name)
    return replace(
        built,
        radii=SMALL,
        quaternions={k: v for k, v in built.quaternions.items() if k[1] in SMALL[k[0]]},
    )


class Constant:
    """The same answer to everything."""

    name = "constant"

    def __init__(self, answer):
        self.answer = answer

    def predict(self, told):
        return [self.answer for _ in told]


_OPAQUE = (
    str,
    bytes,
    int,
    float,
    type,
    types.ModuleType,
    types.FrameType,
    types.BuiltinFunctionType,
    types.CodeType,
    type(None),
)


def reachable(start: list[object]) -> list[object]:
    """Everything that a predictor finds from what it holds.

    Attributes, items, closures, bases of arrays and whatever the garbage collector knows an object
    to refer to. Modules, classes and frames end the walk: they lead to the whole interpreter.
    """
    found: dict[int, object] = {}
    queue = list(start)
    while queue:
        thing = queue.pop()
        if id(thing) in found or isinstance(thing, _OPAQUE):
            continue
        found[id(thing)] = thing
        if not isinstance(thing, types.FunctionType):  # whose globals are the whole module
            queue += gc.get_referents(thing)
        queue += gc.get_referents(*(getattr(thing, "__closure__", None) or ()))
        queue += [thing.base] if isinstance(thing, np.ndarray) else []
        values = getattr(thing, "__dict__", None)
        queue += list(values.values()) if isinstance(values, dict) else []
    return list(found.values())


def arrays(things: list[object]) -> list[np.ndarray]:
    """The numeric arrays among them."""
    return [one for one in things if isinstance(one, np.ndarray) and one.dtype.kind in "fiu"]


def holds(things: list[object], secret: np.ndarray) -> bool:
    """Whether some array has the numbers of another one in a row, in any shape."""
    flat = np.asarray(secret, float).ravel()
    for one in arrays(things):
        values = one.astype(float).ravel()
        if len(values) < len(flat):
            continue
        starts = np.flatnonzero(np.isclose(values[: len(values) - len(flat) + 1], flat[0]))
        if any(np.allclose(values[at : at + len(flat)], flat) for at in starts):
            return True
    return False
