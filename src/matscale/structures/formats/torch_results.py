"""Results that CDVAE, DiffCSP and their descendants save with ``torch.save``.

Batches of crystals with the keys ``frac_coords`` (atoms, 3), ``atom_types`` (atoms,),
``num_atoms`` (crystals,) and ``lengths`` and ``angles`` (crystals, 3) or ``lattices``
(crystals, 3, 3); a leading dimension counts evaluations of the same crystals, and lists hold
one tensor a batch. Read with ``weights_only=True``, which makes tensors and plain containers only.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from io import BytesIO
from typing import Any

import numpy as np

from matscale.errors import Refused, missing_extra
from matscale.exact import in_basis
from matscale.structures.formats.archives import BROKEN_ZIP, is_torch
from matscale.structures.formats.cif import cell_from_parameters
from matscale.structures.formats.vocabulary import Block, Entry, File, Format, NotStructures
from matscale.structures.table import StructureTable

KEYS = ("frac_coords", "atom_types", "num_atoms")
MAX_UNPACKED = 8 << 30
MAX_VALUES = 1 << 30
LARGEST_NUMBER = 118


def entries(file: File) -> Iterator[Entry | Block]:
    """All crystals of a file at once, evaluation by evaluation."""
    try:
        import torch
    except ImportError as error:
        raise missing_extra("models", f"reading {file.name}") from error
    content = _load(file.content, torch)
    if not isinstance(content, Mapping) or not all(key in content for key in KEYS):
        raise NotStructures(f"a torch file without {', '.join(KEYS)}")
    try:
        table = _table(content, file.stem)
    except KeyError as error:
        raise Refused("unreadable", f"a torch file without {error}") from error
    except (ValueError, TypeError, IndexError, RuntimeError, OverflowError) as error:
        raise Refused("unreadable", f"torch: {error}"[:200]) from error
    yield Block(table, file.source)


def _load(data: bytes, torch: Any) -> Any:
    """The content of a torch file: tensors, numbers, strings, and containers of them."""
    import pickle
    from argparse import Namespace

    _check_unpacked(data)
    # CDVAE saves its command line beside the tensors; a Namespace only holds attributes.
    allow = getattr(torch.serialization, "safe_globals", None)
    try:
        with warnings.catch_warnings(), allow([Namespace]) if allow else nullcontext():
            warnings.simplefilter("ignore")
            return torch.load(BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        blocked = str(error).partition("GLOBAL ")[2].split()[:1]
        what = f"objects of {blocked[0]}" if blocked else "more than tensors, or is broken"
        raise Refused("unreadable", f"holds {what}; save a dictionary of tensors only") from error
    except (*BROKEN_ZIP, KeyError, IndexError, TypeError, AttributeError, OverflowError,
            MemoryError, RecursionError, AssertionError) as error:  # fmt: skip
        raise Refused("unreadable", f"torch: {error}"[:200]) from error


def _check_unpacked(data: bytes) -> None:
    if data[:2] != b"PK":
        return
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except BROKEN_ZIP as error:
        raise Refused("unreadable", f"torch: {error}"[:200]) from error
    if size > MAX_UNPACKED:
        raise Refused("too large", f"unpacks to {size} bytes")


def _table(content: Mapping[str, Any], stem: str) -> StructureTable:
    """The crystals before the checks; raises ``ValueError`` where shapes disagree."""
    counts = _joined(content["num_atoms"], 1)
    fractions = _joined(content["frac_coords"], 2)
    types = _joined(content["atom_types"], 1)
    counts_flat = counts.reshape(-1).astype(np.int64)
    fractions = fractions.reshape(-1, 3).astype(np.float64)
    types = types.reshape(-1)
    if (counts_flat < 0).any() or counts_flat.sum() != len(fractions):
        raise ValueError(
            f"num_atoms adds up to {counts_flat.sum()}, frac_coords has {len(fractions)}"
        )
    if len(types) != len(fractions):
        raise ValueError(f"{len(types)} atom_types for {len(fractions)} frac_coords")
    cells = _cells(content, len(counts_flat))
    per_atom = np.repeat(np.arange(len(counts_flat)), counts_flat)
    with np.errstate(all="ignore"):
        positions = in_basis(fractions, cells[per_atom])
        known = (types >= 1) & (types <= LARGEST_NUMBER)
    evaluations = np.repeat(
        np.arange(counts.shape[0] if counts.ndim > 1 else 1), counts.shape[-1] if counts.size else 0
    )
    names = np.arange(len(counts_flat)) - evaluations * (counts.shape[-1] if counts.size else 0)
    columns = {"evaluation": evaluations} if counts.ndim > 1 and counts.shape[0] > 1 else {}
    return StructureTable(
        ids=np.array([f"{stem}-{index}" for index in names.tolist()], dtype=object),
        offsets=np.concatenate([[0], np.cumsum(counts_flat)]),
        numbers=np.where(known, types, 0).astype(np.uint8),
        positions=positions,
        cells=cells,
        columns=columns,
    )


def _cells(content: Mapping[str, Any], count: int) -> np.ndarray:
    """Lattice vectors (count, 3, 3) in Å; of infinities where the parameters are impossible."""
    key = next((name for name in ("lattices", "lattice") if name in content), None)
    if key is not None:
        cells = _joined(content[key], 3).reshape(-1, 3, 3).astype(np.float64)
    else:
        lengths = _joined(content["lengths"], 2).reshape(-1, 3).astype(np.float64)
        angles = _joined(content["angles"], 2).reshape(-1, 3).astype(np.float64)
        if len(lengths) != len(angles):
            raise ValueError(f"{len(lengths)} lengths and {len(angles)} angles")
        rows = np.hstack([lengths, angles]).tolist()
        cells = np.array([_cell(row) for row in rows]).reshape(-1, 3, 3)
    if len(cells) != count:
        raise ValueError(f"{len(cells)} cells for {count} crystals")
    return np.where(np.isnan(cells), np.inf, cells)


def _cell(parameters: list[float]) -> np.ndarray:
    try:
        return cell_from_parameters(*parameters)
    except Refused as refusal:
        return np.full((3, 3), np.inf if refusal.reason == "not finite" else 0.0)


def _joined(value: Any, ndim: int) -> np.ndarray:
    """One array of a tensor, or of a list of tensors, one a batch, joined along the crystals.

    Args:
        value: Tensors of ``ndim`` dimensions, or one more in front for evaluations.
        ndim: Dimensions of one evaluation of one batch.
    """
    parts = list(value) if isinstance(value, list | tuple) else [value]
    arrays = [_array(part) for part in parts]
    if not arrays:
        raise ValueError("an empty list of batches")
    if len(arrays) == 1:
        return arrays[0]
    return np.concatenate(arrays, axis=arrays[0].ndim - ndim)


def _array(part: Any) -> np.ndarray:
    if hasattr(part, "detach"):
        if part.numel() > MAX_VALUES:
            raise ValueError(f"a tensor of {part.numel()} values")
        part = part.detach().cpu()
        part = part.double().numpy() if part.is_floating_point() else part.numpy()
    array = np.asarray(part)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"expected numbers, found {array.dtype}")
    return array


def claims(head: bytes) -> bool:
    """Whether a file that begins so was written by ``torch.save``."""
    return head[:4] == b"PK\x03\x04" and is_torch(head)


FORMAT = Format("torch", (".pt", ".pth"), claims, entries)
