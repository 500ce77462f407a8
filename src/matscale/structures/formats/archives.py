"""Zip, tar and gzip, read in memory and never written to disk.

Members are handed over one by one; what is wrong with one (its path, its size, a password) is
its own refusal, and what is wrong with the archive is one refusal after the members before it.
"""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from matscale.runtime.errors import Refused
from matscale.structures.formats.vocabulary import File

if TYPE_CHECKING:
    from matscale.structures.formats.files import Budget


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


RATIO_FROM = 16 << 20
"""Bytes from which the compression ratio is looked at."""

CHUNK = 1 << 20

SUFFIXES = (".zip", ".gz", ".tar", ".tgz")
"""Name endings, which only name things: what an archive is, its first bytes say."""

BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError,
              ValueError, OSError)  # fmt: skip


def kind(file: File) -> str:
    """``zip``, ``gzip``, ``tar`` or "" by the first bytes; torch and Parquet files are none."""
    head = file.data
    assert isinstance(head, bytes)
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "" if is_torch(head) else "zip"
    if head[:2] == b"\x1f\x8b":
        return "gzip"
    return "tar" if head[257:262] == b"ustar" else ""


def is_torch(data: bytes) -> bool:
    """Whether a zip is one that ``torch.save`` wrote: its first member is X/data.pkl."""
    length = int.from_bytes(data[26:28], "little")
    return data[30 : 30 + length].endswith((b"/data.pkl", b"/.format_version", b"/byteorder"))


def unpacked(file: File, budget: Budget, depth: int) -> Iterator[File]:
    """The file, or the files inside it if it is an archive."""
    what = "" if isinstance(file.data, Refused) else kind(file)
    if not what:
        yield file
        return
    if depth == 0:
        refusal = Refused("too large", f"archives {budget.limits.depth} deep in each other")
        yield File(file.name, file.source, refusal)
        return
    members = {"zip": _zip, "gzip": _gzip, "tar": _tar}[what]
    for member in members(file, budget):
        yield from unpacked(replace(member, origin=file.origin), budget, depth - 1)


def _read(stream: _Stream, name: str, packed: int, budget: Budget) -> bytes:
    """All bytes of a member, counted while they are unpacked."""
    parts: list[bytes] = []
    size = 0
    while chunk := stream.read(CHUNK):
        size += len(chunk)
        _check_size(size, packed, name, budget)
        budget.spend(len(chunk), name)
        parts.append(chunk)
    return b"".join(parts)


def _check_size(size: int, packed: int, name: str, budget: Budget) -> None:
    limits = budget.limits
    if size > limits.member_bytes:
        raise Refused("too large", f"{name}: over {limits.member_bytes} bytes")
    if size > RATIO_FROM and size > limits.ratio * max(packed, 1):
        raise Refused("too large", f"{name}: unpacks to over {limits.ratio:g} times its size")


def _check_path(name: str) -> None:
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or not parts[0] or ":" in parts[0] or "\0" in name:
        raise Refused("unsafe path", repr(name[:100]))


# --- zip ---------------------------------------------------------------------------------------


def _zip(file: File, budget: Budget) -> Iterator[File]:
    data = file.content
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = archive.infolist()
    except BROKEN_ZIP as error:
        yield from _zip_without_directory(file, budget, str(error))
        return
    with archive:
        for count, member in enumerate(members):
            if member.filename.endswith("/"):
                continue
            source = f"{file.source}/{member.filename}"
            if count >= budget.limits.members:
                yield File(member.filename, source, _too_many(len(members), budget))
                return
            yield File(member.filename, source, _zip_member(archive, member, budget))


def _too_many(count: int | str, budget: Budget) -> Refused:
    return Refused("too large", f"{count} members; the limit is {budget.limits.members}")


def _zip_member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, budget: Budget
) -> bytes | Refused:
    try:
        _check_path(member.filename)
        if stat.S_ISLNK(member.external_attr >> 16):
            raise Refused("unsafe path", f"{member.filename} is a link")
        if member.flag_bits & 1:
            raise Refused("encrypted", member.filename)
        _check_size(member.file_size, member.compress_size, member.filename, budget)
        with archive.open(member) as stream:
            return _read(stream, member.filename, member.compress_size, budget)
    except Refused as refusal:
        return refusal
    except BROKEN_ZIP as error:
        return Refused("unreadable", f"{member.filename}: {error}"[:200])


def _zip_without_directory(file: File, budget: Budget, why: str) -> Iterator[File]:
    """Members of a zip whose directory, which stands at its end, was cut off."""
    data = file.content
    at = 0
    while data[at : at + 4] == b"PK\x03\x04" and len(data) >= at + 30:
        flags, method = data[at + 6], int.from_bytes(data[at + 8 : at + 10], "little")
        size = int.from_bytes(data[at + 18 : at + 22], "little")
        name_length = int.from_bytes(data[at + 26 : at + 28], "little")
        extra_length = int.from_bytes(data[at + 28 : at + 30], "little")
        start = at + 30 + name_length + extra_length
        name = data[at + 30 : at + 30 + name_length].decode("utf-8", errors="replace")
        if flags & 8 or flags & 1 or method not in (0, 8) or start + size > len(data):
            break
        at = start + size
        if name.endswith("/"):
            continue
        content: bytes | Refused
        try:
            _check_path(name)
            body = io.BytesIO(data[start:at])
            stream = body if method == 0 else _Inflating(body, -zlib.MAX_WBITS)
            content = _read(stream, name, size, budget)
        except Refused as refusal:
            content = refusal
        except zlib.error as error:
            content = Refused("unreadable", f"{name}: {error}")
        yield File(name, f"{file.source}/{name}", content)
    yield File(file.name, file.source, Refused("truncated", f"zip: {why}"[:200]))


class _Inflating(io.BufferedIOBase):
    """Inflates a stream piece by piece, and says by ``cut`` whether it ended early."""

    def __init__(self, stream: io.BytesIO, window: int) -> None:
        self._stream = stream
        self._inflate = zlib.decompressobj(window)
        self._window = window
        self.cut = False

    def read(self, size: int | None = -1, /) -> bytes:
        """Up to ``size`` unpacked bytes; none at the end.

        Raises:
            zlib.error: If the stream is damaged.
        """
        limit = max(size or 0, 1)
        while True:
            packed = self._inflate.unconsumed_tail or self._stream.read(1 << 16)
            if self._inflate.eof:
                rest = self._inflate.unused_data + packed
                if self._window < 0 or not rest.startswith(b"\x1f\x8b"):
                    return b""
                self._inflate = zlib.decompressobj(self._window)
                packed = rest
            if not packed:
                self.cut = True
                return self._inflate.flush()
            if data := self._inflate.decompress(packed, limit):
                return data


# --- gzip --------------------------------------------------------------------------------------


def _gzip(file: File, budget: Budget) -> Iterator[File]:
    """The one file in a gzip; one that ends early is cut at its last whole line."""
    data = file.content
    lower = file.name.lower()
    name = file.name[:-4] + ".tar" if lower.endswith(".tgz") else file.name
    name = name.removesuffix(".gz").removesuffix(".GZ")
    stream = _Inflating(io.BytesIO(data), 16 + zlib.MAX_WBITS)
    parts: list[bytes] = []
    size = 0
    refusal = None
    try:
        while chunk := stream.read(CHUNK):
            size += len(chunk)
            _check_size(size, len(data), file.name, budget)
            budget.spend(len(chunk), file.name)
            parts.append(chunk)
        if stream.cut:
            refusal = Refused("truncated", f"{file.name}: gzip ends early")
    except zlib.error as error:
        refusal = Refused("truncated", f"{file.name}: {error}"[:200])
    except Refused as error:
        yield File(name, file.source, error)
        return
    content = b"".join(parts)
    if refusal is None:
        yield File(name, file.source, content)
        return
    keep = content if content[257:262] == b"ustar" else content[: content.rfind(b"\n") + 1]
    # Only formats of many items per file have whole items before the end.
    if keep and name.lower().endswith((".jsonl", ".csv", ".xyz", ".extxyz", ".tar")):
        yield File(name, file.source, keep)
    yield File(name, file.source, refusal)


# --- tar ---------------------------------------------------------------------------------------


def _tar(file: File, budget: Budget) -> Iterator[File]:
    data = file.content
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for count, member in enumerate(archive):
                if member.isdir():
                    continue
                source = f"{file.source}/{member.name}"
                if count >= budget.limits.members:
                    yield File(member.name, source, _too_many("more", budget))
                    return
                content = _tar_member(archive, member, budget)
                yield File(member.name, source, content)
                if isinstance(content, Refused) and content.reason == "truncated":
                    return
        if not data.rstrip(b"\0") or len(data) % 512 or data[-512:].strip(b"\0"):
            yield File(file.name, file.source, Refused("truncated", "tar without its end mark"))
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        yield File(file.name, file.source, Refused("truncated", f"tar: {error}"[:200]))


def _tar_member(
    archive: tarfile.TarFile, member: tarfile.TarInfo, budget: Budget
) -> bytes | Refused:
    try:
        _check_path(member.name)
        if not member.isreg():
            raise Refused("unsafe path", f"{member.name} is a link or a device")
        _check_size(member.size, member.size, member.name, budget)
        stream = archive.extractfile(member)
        assert stream is not None
        content = _read(stream, member.name, member.size, budget)
    except Refused as refusal:
        return refusal
    if len(content) != member.size:
        return Refused("truncated", f"{member.name}: {len(content)} of {member.size} bytes")
    return content
