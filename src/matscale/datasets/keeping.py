"""What all fetching needs of the folder that files are kept in."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matscale.runtime.errors import UserError

LOCK_WAIT_S = 600.0


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Keep other processes from fetching into the folder; wait for the one that does."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"another process is fetching into {folder}; waiting for it", file=sys.stderr)
        try:
            lock.acquire(timeout=LOCK_WAIT_S)
        except Timeout:
            raise UserError(
                f"another process has been fetching into {folder} for {LOCK_WAIT_S:g} s; "
                "try again when it has ended"
            ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def as_user_errors(folder: Path) -> Iterator[None]:
    """Turn a full disk, a missing permission and the like into a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            what = f"there is no space left for {folder}"
        elif isinstance(error, PermissionError) or error.errno == errno.EROFS:
            what = f"{error.filename or folder} may not be read or written"
        else:
            what = f"cannot keep files in {folder} ({error})"
        raise UserError(
            f"{what}: make room or choose another folder with $MATSCALE_CACHE"
        ) from error
