"""How the kernels are compiled: once, and without reference counts where none is needed.

Numba optimises a function and makes machine code of it, then does so again with the function as a
part of each caller, and again with those as parts of theirs: two hundred kernels, up to fourteen
deep, took two minutes. Here a :class:`Kernel` that another one calls is handed over as it is, and
the whole is optimised once. A :class:`Routine` is such a whole that several others call by its
address, so that they do not compile it anew. Wholes are kept on disk; parts are not.

Numba counts references to arrays with atomic instructions in every function that takes a slice;
in kernels of a few hundred nanoseconds that is most of the time. Functions that allocate nothing
need no counts; the switch is one of numba's own, ``_nrt``. Neither are arrays passed one by one
where they are many: see ``held.py``.

Parts rest on insides of numba. With a version that they were not tested with, each kernel is
compiled by itself: the same results, and minutes at the first run.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import cfunc, njit, types
from numba.core import cgutils, event
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic

TESTED = ("0.68.",)
"""Versions of numba with which kernels become parts."""

WORTH_SAYING_S = 1.0
"""Compilations that take less are not mentioned."""


class Attendant(event.Listener):
    """Attends to all compilations of a process, whoever's functions they are.

    It says on a terminal what is compiled and how long it took, which is why the first run is slow.
    And it keeps garbage from being collected meanwhile, which takes a fifth of the time: numba
    makes objects by the million and drops few.
    """

    def __init__(self) -> None:
        self._running: list[tuple[str, float]] = []
        self._announced = self._collects = False

    def begin(self, what: str) -> None:
        """Something is compiled, perhaps as a part of something else."""
        if not self._running:
            self._collects = gc.isenabled()
            gc.disable()
        self._running.append((what, time.perf_counter()))
        if not self._announced and sys.stderr.isatty():
            print("compiling, once on this machine", file=sys.stderr)
        self._announced = True

    def end(self) -> None:
        """It is compiled, or cannot be."""
        what, began = self._running.pop()
        if self._running:
            return
        if self._collects:
            gc.enable()
        took = time.perf_counter() - began
        if took >= WORTH_SAYING_S and sys.stderr.isatty():
            print(f"compiled {what} in {took:.0f} s", file=sys.stderr)

    def on_start(self, started: event.Event) -> None:
        """Called before a function is compiled, not when it is read from disk."""
        function = started.data["dispatcher"].py_func
        self.begin(f"{function.__module__}.{function.__name__}")

    def on_end(self, _: event.Event) -> None:
        """Called when it is compiled, or has failed to."""
        self.end()


ATTENDANT = Attendant()
event.register("numba:compile", ATTENDANT)


class Kernel:
    """A function for other kernels, which becomes a part of them; Python may call it too.

    Args:
        function: What it does.
        options: For numba.
    """

    def __init__(self, function: Callable[..., Any], **options: Any) -> None:
        self.py_func = function
        self._options = options
        self._is_ready = False
        self._part = self.whole
        if numba.__version__.startswith(TESTED):
            from matscale.matching.kernels.parts import PartCompiler

            self._part = njit(nogil=True, pipeline_class=PartCompiler, **options)(function)
        # Numba would compile a function once for each constant that it is called with.
        by_type = self._part.get_call_template
        self._part.get_call_template = lambda args, kws: by_type(
            tuple(types.unliteral(kind) for kind in args), kws
        )

    @cached_property
    def whole(self) -> Any:
        """The function as Python calls it, with all that it calls; kept on disk."""
        return njit(cache=True, nogil=True, **self._options)(self.py_func)

    @property
    def _numba_type_(self) -> types.Dispatcher:
        return self._part._numba_type_

    def __call__(self, *arguments: Any) -> Any:
        """What the function returns, for Python."""
        if self._is_ready:
            return self.whole(*arguments)
        for routine in _routines_of(self.py_func):
            routine.ready()
        self._is_ready = True
        return self.whole(*arguments)


def _kernels(**options: Any) -> Callable[[Callable[..., Any]], Kernel]:
    return lambda function: Kernel(function, **options)


kernel = _kernels(_nrt=False)
"""For functions that make no arrays; one that does fails to compile."""

_compiler: Any = njit
inlined = _compiler(nogil=True, _nrt=False, inline="always")
"""For those whose call would take as long as what they do."""

finite = _kernels(_nrt=False, fastmath={"nnan", "nsz"})
"""For those that meet no NaN and take -0 for 0: finding the least of many numbers vectorises."""

allocating = _kernels()
"""For functions that make arrays."""

ADDRESSES = np.zeros(8, np.int64)
"""Where the routines are in memory, by their place; 0 for one that has not been compiled."""


class Routine:
    """A kernel that others call by its address: it is compiled once, whoever calls it.

    The address stands in an array that callers are given, as compiled code on disk must hold none.

    Args:
        name: What to call it when it is compiled.
        place: In :data:`ADDRESSES`.
        signature: Types of the arguments and of what it returns.
        function: What it does.
        on_demand: Whether :meth:`ready` is called by who needs it; else all kernels see to it
            that may come to call it.
        options: For numba.

    What it raises is printed and becomes a 0: so a routine returns 0 for nothing else.

    Attributes:
        call: For kernels: calls the routine; takes the array of addresses and its arguments.
    """

    def __init__(
        self,
        name: str,
        place: int,
        signature: Any,
        function: Callable[..., Any],
        *,
        on_demand: bool = False,
        **options: Any,
    ) -> None:
        self.name, self.place = name, place
        self.signature, self.function = signature, function
        self.on_demand, self._options = on_demand, options
        self._compiled: Any = None
        self.call = _caller(signature)
        self.call.routine = self

    def ready(self) -> None:
        """Compile it and what it calls, or read them from disk, unless that is done."""
        if self._compiled is not None:
            return
        for routine in _routines_of(self.function):
            routine.ready()
        with global_compiler_lock:
            # Another thread may have compiled it while this one waited.
            if self._compiled is None:
                ATTENDANT.begin(self.name)
                try:
                    compiled: Any = cfunc(self.signature, cache=True, **self._options)(
                        self.function
                    )
                finally:
                    ATTENDANT.end()
                ADDRESSES[self.place] = compiled.address
                self._compiled = compiled


def _routines_of(function: Callable[..., Any]) -> list[Routine]:
    """Routines that a function calls, itself or by way of kernels, but for those on demand."""
    routines: dict[str, Routine] = {}
    seen, functions = set(), [function]
    while functions:
        function = functions.pop()
        for name in function.__code__.co_names:
            value = function.__globals__.get(name)
            routine = getattr(value, "routine", None)
            if isinstance(routine, Routine) and not routine.on_demand:
                routines[routine.name] = routine
            elif isinstance(value, Kernel) and value not in seen:
                seen.add(value)
                functions.append(value.py_func)
    return list(routines.values())


def _caller(signature: Any) -> Any:
    """A function for kernels that calls what is at an address."""

    @intrinsic
    def call(_: Any, address: Any, arguments: Any) -> Any:
        def generate(context: Any, builder: Any, __: Any, values: Any) -> Any:
            given = cgutils.unpack_tuple(builder, values[1])
            cast = [
                context.cast(builder, value, has, wants)
                for value, has, wants in zip(given, arguments.types, signature.args, strict=True)
            ]
            kinds = [context.get_value_type(kind) for kind in signature.args]
            kind = ir.FunctionType(context.get_value_type(signature.return_type), kinds)
            return builder.call(builder.inttoptr(values[0], kind.as_pointer()), cast)

        return signature.return_type(types.int64, arguments), generate

    return call
