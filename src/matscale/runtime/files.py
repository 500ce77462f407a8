"""The one way in which files are written: whole, or not at all."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matscale.runtime.errors import UserError


@contextmanager
def replaced(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary file to write that becomes ``path`` at the end, or vanishes on an error.

    Raises:
        UserError: If the file cannot be written: no such folder, no permission, no space left.
    """
    target = Path(path)
    writer = f"{os.getpid()}-{threading.get_ident()}"
    temporary = target.with_name(f".{target.name}.{writer}.tmp")
    try:
        yield temporary
        temporary.replace(target)
    except OSError as error:
        raise UserError(f"cannot write {str(target)!r}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
