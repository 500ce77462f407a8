"""A call in a process of its own, for work that can spoil or end the process that does it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pickle import PicklingError
from typing import TypeVar

from matscale.runtime.errors import UserError

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class ProcessDied(Exception):  # noqa: N818 - nobody's mistake
    """The process ended before it had an answer."""


def in_a_fresh_process(function: Callable[[Item], Answer], item: Item) -> Answer:
    """``function(item)``, computed by a process that starts for it and then ends.

    Args:
        function: Called once; it travels to the process.
        item: Travels there too.

    Raises:
        ProcessDied: If the process ended on the way: it crashed or was killed.
        UserError: If the item cannot travel.
    """
    # joblib's own processes, which need no guard in the user's script.
    from joblib.externals.loky import ProcessPoolExecutor
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    pool = ProcessPoolExecutor(max_workers=1)
    try:
        return pool.submit(function, item).result()
    except TerminatedWorkerError as error:
        raise ProcessDied("the process that worked on it died") from error
    except (PicklingError, BrokenProcessPool) as error:
        cause = error.__cause__ or error
        raise UserError(f"what is to be computed cannot be sent to a process: {cause}") from error
    finally:
        pool.shutdown(kill_workers=True)
