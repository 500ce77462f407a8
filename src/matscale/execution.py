"""Run a function over many items, on this machine's cores or on a cluster, saying how far it is.

Work stays on this machine unless a block says otherwise::

    with execution.on("tcp://10.0.0.5:8786"):
        ...  # what would go to processes goes to the workers of that dask scheduler

Answers depend neither on where they were computed nor on the order in which they arrived.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import TypeVar
from zipfile import BadZipFile

import numpy as np

from matscale import cluster

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
        function: Called once an item. For processes it must be importable, for it travels there.
        items: The work, split by the caller into pieces worth a process's while (10 ms or more).
        workers: Processes or threads; None for one a core where there are items enough, and for
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
    """Where :func:`run` and :class:`Memory` send their work within the block.

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
    for place, answer in arriving:
        early[place] = answer
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


PARTIAL = ".partial"
"""Folder inside a results folder that holds the work of an interrupted run."""


class Memory:
    """Answers already computed, by the content of the question; on disk they survive a crash.

    An answer is a dict of arrays, kept as an uncompressed ``.npz`` that is never unpickled.

    Args:
        folder: Where answers are kept; None keeps them in this process only.
        version: Part of every key: answers of another version of the code are not used.
        workers: As for :func:`run`.
        threads: As for :func:`run`.
    """

    def __init__(
        self,
        folder: Path | None = None,
        version: str = "",
        workers: int | None = None,
        *,
        threads: bool = False,
    ) -> None:
        self._folder = folder
        self._workers = workers
        self._threads = threads
        self._version = version
        self._answers: dict[str, dict[str, np.ndarray]] = {}

    def forget(self) -> None:
        """Remove what was kept, once it is needed no more."""
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def map(
        self,
        function: Callable[[Item], dict[str, np.ndarray]],
        items: Sequence[Item],
        *,
        name: str = "",
        label: str = "",
    ) -> list[dict[str, np.ndarray]]:
        """Answers of ``function`` to the items, in order; known ones are not computed again.

        Args:
            function: As for :func:`run`.
            items: Arrays, strings, numbers, objects with a ``bits_sha256()``, or tuples of these.
            name: Under which answers are kept, for functions that share them; by default the
                function's own, where it has one.
            label: As for :func:`run`.
        """
        name = name or f"{function.__module__}.{function.__qualname__}"
        keys = [content_key(self._version, name, item) for item in items]
        first = {key: place for place, key in reversed(list(enumerate(keys)))}
        new = [
            place
            for key, place in sorted(first.items(), key=itemgetter(1))
            if not self._recall(key)
        ]
        answers = as_they_come(
            function,
            [items[place] for place in new],
            workers=self._workers,
            threads=self._threads,
            label=label,
        )
        for place, answer in answers:
            self._keep(keys[new[place]], answer)
        return [self._answers[key] for key in keys]

    def _recall(self, key: str) -> bool:
        if key in self._answers:
            return True
        path = self._folder and self._folder / f"{key}.npz"
        if not path or not path.exists():
            return False
        try:
            with np.load(path, allow_pickle=False) as stored:
                self._answers[key] = dict(stored)
        except (OSError, ValueError, EOFError, BadZipFile):
            # A file that a failing disk cut short is computed again and replaced.
            return False
        return True

    def _keep(self, key: str, answer: dict[str, np.ndarray]) -> None:
        self._answers[key] = answer
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)
            with replaced(self._folder / f"{key}.npz") as temporary, temporary.open("wb") as file:
                np.savez(file, allow_pickle=False, **answer)


def content_key(*parts: object) -> str:
    """Hash of values and of how they are nested; see :meth:`Memory.map` for what may be hashed."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, tuple):
            text = content_key(*part)
        elif isinstance(part, np.ndarray):
            text = f"{part.dtype} {part.shape} {hashlib.sha256(part.tobytes()).hexdigest()}"
        elif hasattr(part, "bits_sha256"):
            text = part.bits_sha256()
        elif isinstance(part, str | int | float | bool | None):
            text = repr(part)
        else:
            raise TypeError(f"cannot hash a {type(part).__name__} by its content")
        digest.update(f"{type(part).__name__} {len(text)} {text};".encode())
    return digest.hexdigest()


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A temporary file to write that becomes ``path`` at the end, or vanishes on an error."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
