"""One file over HTTP, robustly: it resumes, it retries, and it notices what it did not get."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import requests

CHUNK = 1 << 16
MAX_BYTES = 8 << 30
LINE_EVERY_S = 10.0
UNREACHABLE_ATTEMPTS = 2
TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Patience:
    """How long and how often to try.

    Attributes:
        connect_s: Seconds to wait for a connection.
        read_s: Seconds to wait for the next bytes.
        attempts: Tries of one file in all; of a server that cannot be reached only two.
        backoff_s: Pause before the second try in seconds; it doubles with every further one.
    """

    connect_s: float = 10.0
    read_s: float = 30.0
    attempts: int = 5
    backoff_s: float = 1.0


class Failed(Exception):  # noqa: N818 - the end of one URL, not of the program
    """A URL that does not give its file; the message says why."""


class _Broken(Exception):  # noqa: N818
    """A try that failed and is worth another one."""


class _Unreachable(_Broken):
    """A try that did not even find the server."""


@dataclass(frozen=True)
class _Mark:
    """Where a partial file came from, kept beside it for the next try.

    Attributes:
        url: Where it came from.
        validator: ETag or date of the whole file, for ``If-Range``; "" if the server sent none.
        total: Bytes of the whole file; None if the server did not say.
    """

    url: str
    validator: str = ""
    total: int | None = None


def download(
    url: str, part: Path, *, label: str, patience: Patience, resume_blindly: bool = False
) -> bool:
    """Bring the content of a URL into a file, going on where an earlier try stopped.

    Args:
        url: An ``http`` or ``https`` address.
        part: The file to write; what it holds is kept if it came from this URL and the server
            still has the same file, which its ETag or date must confirm.
        label: What is being fetched, for the progress display.
        patience: Timeouts and tries.
        resume_blindly: Go on even where the server sends neither ETag nor date; for callers
            that verify the content.

    Returns:
        Whether bytes of an earlier try, in this call or before, are part of the file.

    Raises:
        Failed: If the file cannot be had.
        OSError: If it cannot be written.
    """
    import requests

    resumed = False
    unreachable = 0
    reason = ""
    with requests.Session() as session:
        for attempt in range(patience.attempts):
            if attempt:
                time.sleep(patience.backoff_s * 2 ** (attempt - 1))
            try:
                start = _start(part, url, resume_blindly)
                resumed |= _attempt(session, url, part, start, label, patience) > 0
            except _Broken as error:
                reason = str(error)
                unreachable += isinstance(error, _Unreachable)
                if unreachable >= UNREACHABLE_ATTEMPTS:
                    break
            else:
                _mark_path(part).unlink(missing_ok=True)
                return resumed
    raise Failed(reason)


def discard(part: Path) -> None:
    """Remove a partial file and its mark."""
    part.unlink(missing_ok=True)
    _mark_path(part).unlink(missing_ok=True)


def _mark_path(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _read_mark(part: Path) -> _Mark | None:
    with suppress(OSError, ValueError, TypeError):
        return _Mark(**json.loads(_mark_path(part).read_text(encoding="utf-8")))
    return None


def _start(part: Path, url: str, resume_blindly: bool) -> int:
    """Bytes of the partial file that may be kept."""
    mark = _read_mark(part)
    if mark is None or mark.url != url or not part.is_file():
        return 0
    return part.stat().st_size if mark.validator or resume_blindly else 0


def _attempt(
    session: requests.Session, url: str, part: Path, start: int, label: str, patience: Patience
) -> int:
    """One request; returns the byte at which it began to write.

    Raises:
        _Broken: If another try may succeed.
        Failed: If none can.
    """
    import requests

    mark = _read_mark(part) if start else None
    headers = {"Accept-Encoding": "identity", "User-Agent": "matscale"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if mark and mark.validator:
            headers["If-Range"] = mark.validator
    timeout = (patience.connect_s, patience.read_s)
    try:
        with session.get(url, headers=headers, stream=True, timeout=timeout) as response:
            begin, total = _accept(response, part, start, mark)
            if begin == 0 or begin != total:
                _save(response, part, begin, total, url, label)
            return begin
    except requests.RequestException as error:
        raise _verdict(error) from error


def _verdict(error: requests.RequestException) -> Exception:
    """What a network error means for the next try."""
    import requests
    from urllib3.exceptions import NewConnectionError

    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(error, requests.exceptions.SSLError):
        return Failed("the server offers no connection that can be trusted (TLS)")
    if isinstance(error, requests.ConnectTimeout | requests.exceptions.ProxyError) or isinstance(
        reason, NewConnectionError
    ):
        return _Unreachable("the server cannot be reached")
    if isinstance(error, ValueError | requests.TooManyRedirects):  # malformed addresses
        return Failed(f"its address leads nowhere ({type(error).__name__})")
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return _Broken("the server stopped sending")
    return _Broken("the connection broke")


def _accept(
    response: requests.Response, part: Path, start: int, mark: _Mark | None
) -> tuple[int, int | None]:
    """Judge the status line; returns the byte at which the body begins and the whole length."""
    status = response.status_code
    if status == 200:
        encoded = response.headers.get("Content-Encoding", "identity") != "identity"
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdigit() and not encoded else None
    if status in (206, 416):
        content_range = re.fullmatch(
            r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", response.headers.get("Content-Range", "").strip()
        )
        total = int(content_range[2]) if content_range and content_range[2].isdigit() else None
        same = mark is None or mark.total is None or total in (None, mark.total)
        if (
            status == 206
            and content_range
            and content_range[1]
            and int(content_range[1]) == start
            and same
        ):
            return start, total
        if status == 416 and start and total == start and same:
            return start, total
        discard(part)
        raise _Broken("the file changed on the server")
    if status in TRY_AGAIN:
        raise _Broken(f"the server answers {status} ({response.reason})")
    raise Failed(f"the server answers {status} ({response.reason}) instead of the file")


def _save(
    response: requests.Response, part: Path, begin: int, total: int | None, url: str, label: str
) -> None:
    """Write the body from byte ``begin`` on; what arrives before a break stays in the file."""
    headers = response.headers
    etag = headers.get("ETag", "")
    validator = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")
    if headers.get("Content-Encoding", "identity") == "identity":
        mark = json.dumps(asdict(_Mark(url, validator, total)))
        _mark_path(part).write_text(mark, encoding="utf-8")
    else:
        _mark_path(part).unlink(missing_ok=True)
    size = begin
    with part.open("ab" if begin else "wb") as file:
        for chunk in _shown(response.iter_content(CHUNK), begin, total, label):
            size += len(chunk)
            if size > MAX_BYTES:
                raise Failed(f"it sends more than {MAX_BYTES >> 30} GiB")
            file.write(chunk)
    if total is not None and size != total:
        raise _Broken(f"the connection ended after {size} of {total} bytes")


def _shown(chunks: Iterable[bytes], begin: int, total: int | None, label: str) -> Iterator[bytes]:
    """Yield the chunks; show a bar on a terminal, else a line on stderr every ten seconds."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
        from rich.progress import TransferSpeedColumn as Speed

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), Speed())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task(label, total=total, completed=begin)
            for chunk in chunks:
                yield chunk
                progress.advance(task, len(chunk))
        return
    last, done = time.monotonic(), begin
    for chunk in chunks:
        yield chunk
        done += len(chunk)
        if time.monotonic() - last > LINE_EVERY_S:
            last = time.monotonic()
            of = f" of {total / 1e6:.1f}" if total else ""
            print(f"{label}: {done / 1e6:.1f}{of} MB", file=sys.stderr)
