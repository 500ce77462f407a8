"""The workers of a dask scheduler, wherever they are.

What tasks need is kept by the scheduler and by this process, never by a worker alone: functions
and the parts that many items share are tasks of their own, which the scheduler has a lost worker's
successor do again. So whichever worker is killed, its work is done by another.

A scheduler runs whatever code it is sent, and so do its workers: only those who may use the
machines may reach its port.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import platform
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from matscale.runtime.errors import UserError, missing_extra

AHEAD = 3
"""Items a thread that workers are handed at once: one to work on, the others on the way."""
AWAIT_S = 10.0
"""Seconds without an answer after which to look whether there are workers."""
CONNECT_S = 10.0
"""Seconds within which a scheduler must answer."""

_SMALL = (str, int, float, bool, type(None))
_inside = threading.local()


@contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """The workers at an address, or of their own; see :func:`matscale.runtime.execution.on`.

    Raises:
        UserError: If the extra is not installed, the address is not one, or nobody answers there.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise missing_extra("cluster", f"--cluster {address}") from error
    kind, _, count = address.partition(":")
    # What is sent is what there is to send: that it is large is nothing new.
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
        if kind == "local" and count.isdigit() and int(count) > 0:
            with (
                LocalCluster(
                    n_workers=int(count), threads_per_worker=1, memory_limit=0,
                    dashboard_address="127.0.0.1:0",
                ) as own,
                Client(own) as client,
            ):  # fmt: skip
                yield Cluster(client, address)
            return
        if "://" not in address:
            raise UserError(
                f"--cluster {address}: expected tcp://host:port of a dask scheduler, or local:N"
            )
        try:
            client = Client(address, timeout=CONNECT_S)
        except (OSError, ValueError) as error:
            raise UserError(
                f"--cluster {address}: no dask scheduler answers there within {CONNECT_S:g} s; "
                "start one with `dask scheduler`"
            ) from error
        try:
            yield Cluster(client, address)
        finally:
            # A scheduler that went away has been told of; it cannot be taken leave of.
            with suppress(*gone()):
                client.close()


@cache
def gone() -> tuple[type[Exception], ...]:
    """What calls of a client raise whose scheduler went away, at whichever moment they notice.

    A closed connection is an ``OSError``, as is one that cannot be made; a client that has given
    up raises errors of its own, its pool of connections and its loop ``RuntimeError``.
    """
    from distributed.client import ClosedClientError

    return CancelledError, ClosedClientError, OSError, RuntimeError


class Cluster:
    """Sends functions and items to the workers of a scheduler.

    Args:
        client: A ``distributed.Client``.
        address: What to call it in messages.
    """

    def __init__(self, client: Any, address: str) -> None:
        self._client = client
        self._address = address
        self._is_lost = False

    def answers(
        self, function: Callable[[Any], Any], items: Sequence[Any]
    ) -> Iterator[tuple[int, Any]]:
        """Place and answer of each item, as they arrive.

        Parts that several items share, being the same object in tuples, travel once.

        Raises:
            UserError: If workers run other code, the scheduler went away, or an item's work kills
                one worker after the other.
        """
        sent = self._sent_once(function, items)
        waiting: dict[Any, int] = {}
        places = iter(range(len(items)))
        try:
            while True:
                for place in islice(places, max(0, self._room() - len(waiting))):
                    waiting[self._submit(items[place], sent)] = place
                if not waiting:
                    return
                for future in self._done(list(waiting)):
                    place = waiting.pop(future)
                    yield place, self._result(future, place)
        finally:
            if waiting and not self._is_lost:
                with suppress(*gone()):
                    self._client.cancel(list(waiting))

    @contextmanager
    def _heard(self) -> Iterator[None]:
        """Turns what calls raise that do not reach the scheduler into a sentence.

        Raises:
            UserError: If the scheduler went away.
        """
        try:
            yield
        except gone():
            self._is_lost = True
            raise UserError(
                f"the scheduler at {self._address} went away; "
                "the same command resumes where it stopped"
            ) from None

    def _sent_once(self, function: Callable[[Any], Any], items: Sequence[Any]) -> dict[int, Any]:
        """Futures of the function, under 0, and of what several items share, by its ``id``."""
        import cloudpickle

        parts = [part for item in items if isinstance(item, tuple) for part in item]
        often = Counter(id(part) for part in parts if not isinstance(part, _SMALL))
        shared = {id(part): part for part in parts if often[id(part)] > 1}
        blobs = {key: pickle.dumps(part, protocol=5) for key, part in shared.items()}
        # By value only what no worker can import, such as functions of a user's script.
        blobs[0] = cloudpickle.dumps(function)
        return {key: self._keep(blob) for key, blob in blobs.items()}

    def _keep(self, blob: bytes) -> Any:
        """The future of what was pickled, under a name made of its content."""
        key = f"matscale-{hashlib.sha256(blob).hexdigest()}"
        with self._heard():
            return self._client.submit(_Whole.unpickled, blob, key=key)

    def _submit(self, item: Any, sent: dict[int, Any]) -> Any:
        file = io.BytesIO()
        pickler = _Sender(file, sent)
        pickler.dump(item)
        shared = {str(key): sent[key] for key in (0, *pickler.met)}
        with self._heard():
            return self._client.submit(_answer, code(), file.getvalue(), **shared, pure=False)

    def _room(self) -> int:
        """Items that may be under way; some, while there are no workers."""
        return AHEAD * max(self._threads(), 2)

    def _threads(self) -> int:
        with self._heard():
            return sum(self._client.nthreads().values())

    def _done(self, futures: list[Any]) -> list[Any]:
        """The futures that are finished, in their order; waits for the first."""
        from distributed import TimeoutError as NoAnswer
        from distributed import wait

        while True:
            with self._heard():
                try:
                    done = wait(futures, timeout=AWAIT_S, return_when="FIRST_COMPLETED").done
                    return [future for future in futures if future in done]
                except NoAnswer:
                    if not self._threads():
                        print(f"{self._address} has no workers; waiting for some", file=sys.stderr)

    def _result(self, future: Any, place: int) -> Any:
        from distributed import KilledWorker

        # The scheduler blames all that a lost worker held, what it had not begun too.
        try:
            return future.result().value
        except KilledWorker as error:
            raise UserError(
                f"{self._address}: {error.allowed_failures + 1} workers died that held piece "
                f"{place} of the work, of it or of a piece sent with it; give workers more memory, "
                "and see their logs"
            ) from error
        except gone():
            # What the work itself raised, an OSError of its own among it, is for the caller.
            if future.status == "error":
                raise
            with self._heard():
                raise


class _Sender(pickle.Pickler):
    """Pickles an item but for the parts that were sent already."""

    def __init__(self, file: io.BytesIO, sent: dict[int, Any]) -> None:
        super().__init__(file, protocol=5)
        self._sent = sent
        self.met: dict[int, None] = {}

    def persistent_id(self, part: Any) -> str | None:
        """The name of a part that was sent, else None."""
        if id(part) not in self._sent:
            return None
        self.met[id(part)] = None
        return str(id(part))


# --- on the worker -----------------------------------------------------------------------


class _Receiver(pickle.Unpickler):
    """Puts the parts that were sent before into their places."""

    def __init__(self, file: io.BytesIO, parts: dict[str, _Whole]) -> None:
        super().__init__(file)
        self._parts = parts

    def persistent_load(self, name: str) -> Any:
        """The part of that name."""
        return self._parts[name].value


class _Whole:
    """An object whose arrays travel inside its pickle.

    dask sends arrays beside the pickle and leaves them where they lie in the message, at addresses
    that kernels do not take.
    """

    def __init__(self, value: Any) -> None:
        self.value = value

    @classmethod
    def unpickled(cls, blob: bytes) -> _Whole:
        """From the pickle of a value."""
        return cls(pickle.loads(blob))  # noqa: S301 - from our own process, as the task itself

    def __reduce__(self) -> tuple[Callable[[bytes], _Whole], tuple[bytes]]:
        import cloudpickle

        return self.unpickled, (cloudpickle.dumps(self.value),)


def _answer(expected: dict[str, str], blob: bytes, **sent: _Whole) -> _Whole:
    """One answer, if this worker runs what the sender runs."""
    own = code()
    for name, wanted in expected.items():
        if own.get(name) != wanted:
            raise UserError(
                f"the worker on {platform.node()} has {name} {own.get(name)}, this process "
                f"{wanted}; results would differ: install the same on both"
            )
    function = sent.pop("0").value
    _inside.worker = True
    return _Whole(function(_Receiver(io.BytesIO(blob), sent).load()))


def is_worker() -> bool:
    """Whether this thread works for a cluster, and had better not start workers itself."""
    return hasattr(_inside, "worker")


@cache
def code() -> dict[str, str]:
    """What answers depend on beside the items: versions, and a hash of this package's sources."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    names = ("numba", "numpy", "scipy", "moyopy", "spglib")
    return {
        "Python": platform.python_version(),
        **{name: version(name) for name in names},
        "matscale's code": digest.hexdigest()[:12],
    }
