"""Answers that are computed once: in this process, and on disk across an interruption."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from operator import itemgetter
from pathlib import Path
from typing import TypeVar
from zipfile import BadZipFile

import numpy as np

from matscale.runtime.execution import as_they_come
from matscale.runtime.files import replaced

Item = TypeVar("Item")

PARTIAL = ".partial"
"""Folder inside a results folder that holds the work of an interrupted run."""


class Memory:
    """Answers already computed, by the content of the question; on disk they survive a crash.

    An answer is a dict of arrays, kept as an uncompressed ``.npz`` that is never unpickled.

    Args:
        folder: Where answers are kept; None keeps them in this process only.
        version: Part of every key: answers of another version of the code are not used.
        workers: As for :func:`matscale.runtime.execution.run`.
        threads: As for :func:`matscale.runtime.execution.run`.
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
            function: As for :func:`matscale.runtime.execution.run`.
            items: Arrays, strings, numbers, objects with a ``bits_sha256()``, or tuples of these.
            name: Under which answers are kept, for functions that share them; by default the
                function's own, where it has one.
            label: As for :func:`matscale.runtime.execution.run`.
        """
        name = name or f"{function.__module__}.{function.__qualname__}"
        keys = [content_key(self._version, name, item) for item in items]
        first = {key: number for number, key in reversed(list(enumerate(keys)))}
        new = [
            number
            for key, number in sorted(first.items(), key=itemgetter(1))
            if not self._recall(key)
        ]
        answers = as_they_come(
            function,
            [items[number] for number in new],
            workers=self._workers,
            threads=self._threads,
            label=label,
        )
        for number, answer in answers:
            self._keep(keys[new[number]], answer)
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
