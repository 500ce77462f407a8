"""Run a function over many items, on this machine's cores or on a cluster, saying how far it is.

Work stays on this machine unless a block says otherwise::

    with execution.on("tcp://10.0.0.5:8786"):
        ...  # what would go to processes goes to the workers of that dask scheduler

Answers depend neither on where they were computed nor on the order in which they arrived.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from matscale.runtime import cluster

Item = TypeVar("Item")
Answer = TypeVar("Answer")

LINE_EVERY_S = 10.0
WORTH_A_PROCESS = 6
"""Items from which starting processes, seconds each, is repaid; for work of half a second."""

AHEAD = 2
"""Items a thread that are handed out before their turn, so that no thread waits for a slow one."""

_elsewhere: cluster.Cluster | None = None


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
    threads: bool = False,
    label: str = "",
) -> Iterator[Answer]:
    """Yield ``function(item)`` for each item, in order.

    Within :func:`on`, what would go to processes goes to the cluster, whatever ``workers`` says;
    threads and single items stay here.

    Args:
        function: Called once per item. For processes it must be importable, for it travels there.
        items: The work, split by the caller into pieces worth a process's while (10 ms or more).
        workers: Processes or threads; None for one per core where there are items enough, and for
            one inside of a process that is itself a worker. One worker or one item stays in the
            calling thread.
        threads: Whether to use threads, which share all arrays and start at once: for functions
            that release the interpreter's lock, as numba's with ``nogil`` do. If the iteration
            ends early, items already handed out are still finished, in the background.
        label: What is being done, for the progress display; "" shows none.
    """
    if workers is None:
        worth = len(items) >= (2 if threads else WORTH_A_PROCESS)
        alone = multiprocessing.parent_process() is None and not cluster.is_worker()
        workers = available_cores() if worth and alone else 1
    workers = min(workers, len(items))
    place = _place_for(items, threads)
    if place:
        answers: Iterable[Answer] = _in_order(place.answers(function, items))
    elif workers <= 1:
        answers = map(function, items)
    elif threads:
        answers = _in_threads(function, items, workers)
    else:
        from joblib import Parallel, delayed

        answers = Parallel(n_jobs=workers, return_as="generator")(
            delayed(function)(item) for item in items
        )
    return track(answers, total=len(items), label=label)


@contextmanager
def on(address: str | None) -> Iterator[None]:
    """Where :func:`run`, and memories that compute by it, send their work within the block.

    Args:
        address: ``tcp://host:port`` (or ``tls://``) of a dask scheduler; ``local:N`` for a
            scheduler and N workers of its own on this machine; None for no cluster.

    Raises:
        UserError: If the extra is not installed, the address is not one, or nobody answers there.
    """
    global _elsewhere
    if address is None:
        yield
        return
    before = _elsewhere
    with cluster.connected(address) as place:
        _elsewhere = place
        try:
            yield
        finally:
            _elsewhere = before


def is_elsewhere() -> bool:
    """Whether work goes to a cluster at present."""
    return _elsewhere is not None


def _place_for(items: Sequence[Item], threads: bool) -> cluster.Cluster | None:
    return None if threads or len(items) < 2 else _elsewhere


def as_they_come(
    function: Callable[[Item], Answer],
    items: Sequence[Item],
    *,
    workers: int | None = None,
    threads: bool = False,
    label: str = "",
) -> Iterator[tuple[int, Answer]]:
    """Place and answer of each item: in order here, in order of arrival from a cluster.

    The arguments are those of :func:`run`.
    """
    place = _place_for(items, threads)
    if place is None:
        return enumerate(run(function, items, workers=workers, threads=threads, label=label))
    return track(place.answers(function, items), total=len(items), label=label)


def _in_order(arriving: Iterable[tuple[int, Answer]]) -> Iterator[Answer]:
    """Answers by rising place; those that come before their turn wait."""
    early: dict[int, Answer] = {}
    following = 0
    for number, answer in arriving:
        early[number] = answer
        while following in early:
            yield early.pop(following)
            following += 1


def _in_threads(
    function: Callable[[Item], Answer], items: Sequence[Item], workers: int
) -> Iterator[Answer]:
    """Answers in order, with a bounded number of items handed out ahead."""
    pool = ThreadPoolExecutor(workers)
    waiting: deque[Future[Answer]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        # Whoever interrupts does not wait for what is under way.
        pool.shutdown(wait=False, cancel_futures=True)


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
