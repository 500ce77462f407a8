"""Run a function over many items on this machine's cores, saying how far it is."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

LINE_EVERY_S = 10.0


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run(
    function: Callable[[Item], Answer],
    items: Sequence[Item],
    *,
    workers: int | None = None,
    label: str = "",
) -> Iterator[Answer]:
    """Yield ``function(item)`` for each item, in order.

    Args:
        function: Called once an item; must be importable (it travels to other processes).
        items: The work, split by the caller into pieces worth a process's while (10 ms or more).
        workers: Processes; None for one a core. One worker or one item stays in this process.
        label: What is being done, for the progress display; "" shows none.
    """
    workers = min(workers or available_cores(), len(items))
    if workers <= 1:
        answers: Iterable[Answer] = map(function, items)
    else:
        from joblib import Parallel, delayed

        answers = Parallel(n_jobs=workers, return_as="generator")(
            delayed(function)(item) for item in items
        )
    return track(answers, total=len(items), label=label)


def track(items: Iterable[Item], *, total: int, label: str) -> Iterator[Item]:
    """Yield the items; show a bar on a terminal, else a line on stderr every ten seconds."""
    if not label:
        yield from items
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track as rich_track

        yield from rich_track(
            items, total=total, description=label, console=Console(stderr=True), transient=True
        )
    else:
        last = time.monotonic()
        for count, item in enumerate(items, start=1):
            if time.monotonic() - last > LINE_EVERY_S:
                last = time.monotonic()
                print(f"{label}: {count} of {total}", file=sys.stderr)
            yield item
