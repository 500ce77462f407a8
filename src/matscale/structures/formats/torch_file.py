"""Files of ``torch.save``, as a zip or in the older form: tensors and plain containers of them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from math import prod
from typing import Any

import numpy as np

from matscale.runtime.errors import Refused
from matscale.structures.formats import pickle_text
from matscale.structures.formats.archives import BROKEN_ZIP, RATIO_FROM, is_torch
from matscale.structures.formats.pickle_text import Stored, Tensor
from matscale.structures.formats.vocabulary import Limits

MAGIC = 0x1950A86A20F9469CFC6C
"""Number at the start of the older form, itself a pickle."""

_MAGIC_BYTES = b"\x8a\x0a" + MAGIC.to_bytes(10, "little") + b"."
SMALL = 1 << 24
"""Values that a tensor may have though its file has fewer, as an expanded one has."""

_KINDS = {
    "torch.FloatStorage": "f4",
    "torch.DoubleStorage": "f8",
    "torch.HalfStorage": "f2",
    "torch.BFloat16Storage": "u2",
    "torch.LongStorage": "i8",
    "torch.IntStorage": "i4",
    "torch.ShortStorage": "i2",
    "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1",
    "torch.BoolStorage": "u1",
}
"""How the values of a storage are written; the upper half of a float for ``BFloat16``."""

_WIDTHS = {kind: int(code[1]) for kind, code in _KINDS.items()} | {
    "torch.ComplexFloatStorage": 8,
    "torch.ComplexDoubleStorage": 16,
}
"""Bytes of a value of each kind of storage."""

_BROKEN = (
    *BROKEN_ZIP, KeyError, IndexError, TypeError, AttributeError, OverflowError, MemoryError,
    RecursionError,
)  # fmt: skip


@dataclass(frozen=True)
class TorchFile:
    """What a file holds.

    Attributes:
        content: Plain containers, texts and numbers, :class:`Tensor`, arrays of numpy, and
            :class:`Foreign` in place of everything else.
        most: Values that may be read from it into one array.
        bytes_of: Hands over the bytes of a storage.
        byte_order: ``<`` or ``>``.
    """

    content: Any
    most: int
    bytes_of: Callable[[Stored], bytes]
    byte_order: str
    _read: dict[str, np.ndarray] = field(default_factory=dict)

    def array(self, tensor: Tensor) -> np.ndarray:
        """The values of a tensor; of float64 where they are not whole numbers.

        Raises:
            ValueError: If the file does not hold them, or they are not real numbers.
            Refused: If they unpack to too much.
        """
        values = self._values(tensor.storage)
        count = prod(tensor.shape)
        if count > max(SMALL, len(values)):
            raise ValueError(f"a tensor of {count} values in a storage of {len(values)}")
        reach = sum(
            (size - 1) * step for size, step in zip(tensor.shape, tensor.strides, strict=True)
        )
        if count and tensor.offset + reach >= len(values):
            raise ValueError(f"a tensor that reaches beyond its storage of {len(values)} values")
        steps = [step * values.itemsize for step in tensor.strides]
        if not count:
            return np.empty(tensor.shape, values.dtype)
        view = np.lib.stride_tricks.as_strided(
            values[tensor.offset :], tensor.shape, steps, writeable=False
        )
        return view.astype(np.float64) if view.dtype.kind == "f" else view.astype(np.int64)

    def _values(self, storage: Stored) -> np.ndarray:
        if storage.key not in self._read:
            if storage.kind not in _KINDS:
                raise ValueError(f"a tensor of {storage.kind}, which are not real numbers")
            dtype = np.dtype(self.byte_order + _KINDS[storage.kind])
            data = self.bytes_of(storage)
            values = np.frombuffer(data, dtype, len(data) // dtype.itemsize)
            if storage.kind == "torch.BFloat16Storage":
                values = (values.astype(np.uint32) << 16).view(np.float32)
            self._read[storage.key] = values
        return self._read[storage.key]


def opened(data: bytes) -> TorchFile:
    """What a file of ``torch.save`` holds; values are read when they are asked for.

    Raises:
        Refused: If it is broken, unpacks to too much, or is another kind of pickle.
    """
    try:
        if data[:2] == b"PK":
            return _zipped(data)
        if _is_legacy(data):
            return _legacy(data)
    except _BROKEN as error:
        raise Refused("unreadable", f"torch: {error}"[:200]) from error
    raise Refused("unreadable", "neither form of torch.save; a pickle alone is never unpickled")


def _zipped(data: bytes) -> TorchFile:
    archive = zipfile.ZipFile(BytesIO(data))
    members = {member.filename: member for member in archive.infolist()}
    unpacked = sum(member.file_size for member in members.values())
    limits = Limits()
    if unpacked > limits.total_bytes or (
        unpacked > RATIO_FROM and unpacked > limits.ratio * max(len(data), 1)
    ):
        raise Refused("too large", f"unpacks to {unpacked} bytes")
    pickles = [name for name in members if name.endswith("/data.pkl") or name == "data.pkl"]
    if len(pickles) != 1:
        raise Refused("unreadable", f"torch: a zip with {len(pickles)} members data.pkl")
    prefix = pickles[0].removesuffix("data.pkl")
    with archive.open(pickles[0]) as stream:
        content = pickle_text.read(BytesIO(stream.read()))
    big = f"{prefix}byteorder" in members and archive.read(f"{prefix}byteorder").strip() == b"big"
    return TorchFile(
        content,
        max(SMALL, unpacked),
        lambda storage: _member(archive, f"{prefix}data/{storage.key}"),
        ">" if big else "<",
    )


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except _BROKEN as error:
        raise ValueError(f"{name}: {error}") from error


def _legacy(data: bytes) -> TorchFile:
    """The older form: pickles of a number, a version, the machine, the content, the storages."""
    stream = BytesIO(data)
    for _ in range(2):
        pickle_text.read(stream)
    machine = pickle_text.read(stream)
    big = isinstance(machine, dict) and machine.get("little_endian") is False
    storages: dict[str, Stored] = {}
    content = pickle_text.read(stream, storages)
    keys = pickle_text.read(stream)
    parts: dict[str, bytes] = {}
    for key in keys:
        kind = storages[key].kind
        if kind not in _WIDTHS:
            raise ValueError(f"a storage of {kind}")
        # The file says how many values a storage has, and only its class how wide they are.
        count = int.from_bytes(stream.read(8), "big" if big else "little")
        parts[key] = stream.read(min(count * _WIDTHS[kind], len(data)))
    return TorchFile(
        content, max(SMALL, len(data)), lambda storage: parts[storage.key], ">" if big else "<"
    )


def claims(head: bytes) -> bool:
    """Whether a file that begins so was written by ``torch.save``."""
    return (head[:4] == b"PK\x03\x04" and is_torch(head)) or _is_legacy(head)


def _is_legacy(head: bytes) -> bool:
    """Whether a pickle of the number comes first, in any protocol."""
    return head[:1] == b"\x80" and _MAGIC_BYTES in head[:32]
