"""One thread for networks that are too small for more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute with one thread on the processor.

    Sums are then added in one order, whatever the machine's cores, so that the same seed gives
    the same model; and networks of a few hundred thousand parameters are no faster with more.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
