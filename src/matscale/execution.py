"""Run a function over many items on this machine's cores, saying how far it is."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")
Answer = TypeVar("Answer")

LINE_EVERY_S = 10.0
WORTH_A_PROCESS = 6
"""Items from which starting processes, seconds each, is repaid; for work of half a second."""


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
        workers: Processes; None for one a core where there are items enough. One worker or one
            item stays in this process.
        label: What is being done, for the progress display; "" shows none.
    """
    if workers is None:
        workers = available_cores() if len(items) >= WORTH_A_PROCESS else 1
    workers = min(workers, len(items))
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


class Memory:
    """Answers already computed, by the content of the question; on disk they survive a crash.

    An answer is a dict of arrays, kept as an uncompressed ``.npz`` that is never unpickled.

    Args:
        folder: Where answers are kept; None keeps them in this process only.
        version: Part of every key: answers of another version of the code are not used.
        workers: As for :func:`run`.
    """

    def __init__(
        self, folder: Path | None = None, version: str = "", workers: int | None = None
    ) -> None:
        self._folder = folder
        self._workers = workers
        self._version = version
        self._answers: dict[str, dict[str, np.ndarray]] = {}

    def map(
        self,
        function: Callable[[Item], dict[str, np.ndarray]],
        items: Sequence[Item],
        *,
        label: str = "",
    ) -> list[dict[str, np.ndarray]]:
        """Answers of ``function`` to the items, in order; known ones are not computed again.

        Args:
            function: As for :func:`run`.
            items: Arrays, strings, numbers, objects with a ``sha256()``, or tuples of these.
            label: As for :func:`run`.
        """
        name = f"{function.__module__}.{function.__qualname__}"
        keys = [content_key(self._version, name, item) for item in items]
        first = {key: place for place, key in reversed(list(enumerate(keys)))}
        new = [
            place
            for key, place in sorted(first.items(), key=itemgetter(1))
            if not self._recall(key)
        ]
        answers = run(function, [items[place] for place in new], workers=self._workers, label=label)
        for place, answer in zip(new, answers, strict=True):
            self._keep(keys[place], answer)
        return [self._answers[key] for key in keys]

    def _recall(self, key: str) -> bool:
        if key in self._answers:
            return True
        path = self._folder and self._folder / f"{key}.npz"
        if not path or not path.exists():
            return False
        with np.load(path, allow_pickle=False) as stored:
            self._answers[key] = dict(stored)
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
        elif hasattr(part, "sha256"):
            text = part.sha256()
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
