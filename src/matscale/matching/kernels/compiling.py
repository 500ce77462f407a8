"""How the kernels are compiled: cached on disk, and without reference counts where none is needed.

Numba counts references to arrays with atomic instructions in every function that takes a slice;
in kernels of a few hundred nanoseconds that is most of the time. Functions that allocate nothing
need no counts. The switch is one of numba's own, ``_nrt``; should it go, the kernels still work,
several times slower, and ``tests/test_matching_kernels.py`` says so. Neither are arrays passed one
by one where they are many: see ``held.py``.
"""

from __future__ import annotations

import sys
from typing import Any

from numba import njit
from numba.core import event


def _compiler(**options: Any) -> Any:
    try:
        compiler = njit(cache=True, nogil=True, **options)
        compiler(_probe)
    except (KeyError, TypeError, NameError):
        return njit(cache=True, nogil=True)
    return compiler


def _probe() -> None:
    """Never compiled: tells whether numba knows the options."""


kernel = _compiler(_nrt=False)
"""For functions that make no arrays; one that does fails to compile."""

inlined = _compiler(_nrt=False, inline="always")
"""For those whose call would take as long as what they do."""

finite = _compiler(_nrt=False, fastmath={"nnan", "nsz"})
"""For those that meet no NaN and take -0 for 0: finding the least of many numbers vectorises."""

allocating = njit(cache=True, nogil=True)
"""For functions that make arrays."""


class Announcer(event.Listener):
    """Says on a terminal, once per process, why the first run on a machine takes so long."""

    def __init__(self) -> None:
        self.announced = False

    def on_start(self, _: event.Event) -> None:
        """Called before a function is compiled, not when it is read from disk."""
        if not self.announced and sys.stderr.isatty():
            print("compiling, once on this machine: up to two minutes", file=sys.stderr)
        self.announced = True

    def on_end(self, _: event.Event) -> None:
        """Called when it is compiled."""


event.register("numba:compile", Announcer())
