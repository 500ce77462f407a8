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


def reachable(start: list[object], *, upward: int = 3) -> list[object]:
    """Everything that a predictor finds from what it holds.

    Attributes, items, closures, bases of arrays and whatever the garbage collector knows an object
    to refer to; and, a few steps up, what refers to it. Modules, classes and frames end the walk:
    they lead to the whole interpreter.
    """
    found: dict[int, object] = {}
    queue = [(one, upward) for one in start]
    own = {id(found), id(queue), id(start)}
    while queue:
        thing, up = queue.pop()
        if id(thing) in found or id(thing) in own or isinstance(thing, _OPAQUE):
            continue
        found[id(thing)] = thing
        below = [] if isinstance(thing, types.FunctionType) else gc.get_referents(thing)
        below += gc.get_referents(*(getattr(thing, "__closure__", None) or ()))
        below += [getattr(thing, "base", None)] if isinstance(thing, np.ndarray) else []
        own_values = getattr(thing, "__dict__", None)
        below += list(own_values.values()) if isinstance(own_values, dict) else []
        queue += [(one, up) for one in below]
        if up and isinstance(thing, np.ndarray | list | tuple | dict):
            above = [one for one in gc.get_referrers(thing) if not isinstance(one, types.FrameType)]
            own.add(id(above))
            queue += [(one, up - 1) for one in above if one is not queue and one is not found]
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
