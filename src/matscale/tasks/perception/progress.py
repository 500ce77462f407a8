"""How far a run is, where no terminal shows it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

LINE_EVERY_S = 30.0


@dataclass
class Progress:
    """How many questions are done with, answered or given up.

    Attributes:
        label: What is being done.
        total: Of how many.
        done: So far; whoever asks counts it up.
    """

    label: str
    total: int
    done: int = 0

    @contextmanager
    def told(self) -> Iterator[None]:
        """Print a line on stderr every half minute, also while the server is silent."""
        over = threading.Event()

        def tell() -> None:
            while not over.wait(LINE_EVERY_S):
                print(f"{self.label}: {self.done} of {self.total} done", file=sys.stderr)

        teller = threading.Thread(target=tell, daemon=True)
        teller.start()
        try:
            yield
        finally:
            over.set()
            teller.join()
