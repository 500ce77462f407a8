"""Results that CDVAE, DiffCSP, FlowMM and their descendants save with ``torch.save``.

Batches of crystals with the keys ``frac_coords`` (atoms, 3), ``atom_types`` (atoms,),
``num_atoms`` (crystals,) and ``lengths`` and ``angles`` (crystals, 3) or ``lattices``
(crystals, 3, 3); a leading dimension counts evaluations of the same crystals, and lists hold
one tensor a batch. FlowMM's lists hold one tensor an evaluation, and its ``batch_indices`` say
which crystal of the test set each is of. What else stands there, such as the command line
(``eval_setting``) and the test set (``input_data_batch``), is not looked at, whatever its class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from matscale.runtime.errors import Refused
from matscale.runtime.exact import in_basis
from matscale.structures.formats.cif import cell_from_parameters
from matscale.structures.formats.pickle_text import Array, Foreign, Tensor, array
from matscale.structures.formats.torch_file import TorchFile, claims, opened
from matscale.structures.formats.vocabulary import Block, Entry, File, Format, NotStructures
from matscale.structures.table import StructureTable

KEYS = ("frac_coords", "atom_types", "num_atoms")
INDICES = "batch_indices"
_CELLS = ("lattices", "lattice", "lengths", "angles")
LARGEST_NUMBER = 118


def entries(file: File) -> Iterator[Entry | Block]:
    """All crystals of a file at once, evaluation by evaluation."""
    saved = opened(file.content)
    content = saved.content
    wanted = [content.get(key) for key in KEYS] if isinstance(content, dict) else [content]
    foreign = next((value.name for value in wanted if isinstance(value, Foreign)), None)
    if foreign is not None:
        detail = (
            f"an object of {foreign[:80]} where tensors are expected; save a dictionary of them"
        )
        raise Refused("unreadable", detail)
    if not isinstance(content, Mapping) or not all(key in content for key in KEYS):
        raise NotStructures(f"a torch file without {', '.join(KEYS)}")
    try:
        tables = [
            _table(saved, part, file.stem, number)
            for number, part in enumerate(_evaluations(content))
        ]
    except KeyError as error:
        raise Refused("unreadable", f"a torch file without {error}") from error
    except (ValueError, TypeError, IndexError, RuntimeError, OverflowError, MemoryError) as error:
        raise Refused("unreadable", f"torch: {error}"[:200]) from error
    table = StructureTable.concatenate(tables)
    if not len(table):
        raise Refused("empty", "a torch file of no crystals")
    if not table.columns["evaluation"].any():
        table = replace(table, columns={})
    yield Block(table, file.source, named=False)


def _evaluations(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Each evaluation of FlowMM's lists; else all of it, as dimensions count evaluations."""
    if INDICES not in content or not isinstance(content["frac_coords"], list):
        return [content]
    keys = [key for key in (*KEYS, *_CELLS, INDICES) if key in content]
    if not all(isinstance(content[key], list) for key in keys):
        raise ValueError(f"{INDICES} beside lists of evaluations and tensors of all of them")
    counts = {len(content[key]) for key in keys}
    if len(counts) > 1:
        raise ValueError(f"lists of {' and '.join(map(str, sorted(counts)))} evaluations")
    return [{key: content[key][number] for key in keys} for number in range(counts.pop())]


def _table(
    saved: TorchFile, content: Mapping[str, Any], stem: str, evaluation: int
) -> StructureTable:
    """The crystals before the checks; raises ``ValueError`` where shapes disagree."""
    counts = _joined(saved, content["num_atoms"], 1)
    fractions = _joined(saved, content["frac_coords"], 2)
    types = _joined(saved, content["atom_types"], 1)
    counts_flat = counts.reshape(-1).astype(np.int64)
    fractions = fractions.reshape(-1, 3).astype(np.float64)
    types = types.reshape(-1)
    if (counts_flat < 0).any() or counts_flat.sum() != len(fractions):
        raise ValueError(
            f"num_atoms adds up to {counts_flat.sum()}, frac_coords has {len(fractions)}"
        )
    if len(types) != len(fractions):
        raise ValueError(f"{len(types)} atom_types for {len(fractions)} frac_coords")
    cells = _cells(saved, content, len(counts_flat))
    per_atom = np.repeat(np.arange(len(counts_flat)), counts_flat)
    with np.errstate(all="ignore"):
        positions = in_basis(fractions, cells[per_atom])
        known = (types >= 1) & (types <= LARGEST_NUMBER)
    asked = counts.shape[-1] if counts.size else 0
    each = np.arange(len(counts_flat)) % max(asked, 1)
    names = _indices(saved, content, asked)[each]
    evaluations = evaluation + np.arange(len(counts_flat)) // max(asked, 1)
    table = StructureTable(
        ids=np.array([f"{stem}-{index}" for index in names.tolist()], dtype=object),
        offsets=np.concatenate([[0], np.cumsum(counts_flat)]),
        numbers=np.where(known, types, 0).astype(np.uint8),
        positions=positions,
        cells=cells,
        columns={"evaluation": evaluations},
    )
    order = np.lexsort([names, evaluations])
    return table if (order[1:] > order[:-1]).all() else table[order]


def _indices(saved: TorchFile, content: Mapping[str, Any], count: int) -> np.ndarray:
    """Which crystal of the test set each crystal of an evaluation is of, (count,)."""
    if INDICES not in content:
        return np.arange(count)
    indices = _joined(saved, content[INDICES], 1).reshape(-1)
    if len(indices) != count or indices.dtype.kind != "i" or (indices < 0).any():
        raise ValueError(f"{len(indices)} {INDICES} for {count} crystals")
    return indices


def _cells(saved: TorchFile, content: Mapping[str, Any], count: int) -> np.ndarray:
    """Lattice vectors (count, 3, 3) in Å; of infinities where the parameters are impossible."""
    key = next((name for name in ("lattices", "lattice") if name in content), None)
    if key is not None:
        cells = _joined(saved, content[key], 3).reshape(-1, 3, 3).astype(np.float64)
    else:
        lengths = _joined(saved, content["lengths"], 2).reshape(-1, 3).astype(np.float64)
        angles = _joined(saved, content["angles"], 2).reshape(-1, 3).astype(np.float64)
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


def _joined(saved: TorchFile, value: Any, ndim: int) -> np.ndarray:
    """One array of a tensor, or of a list of tensors, one per batch, joined along the crystals.

    Args:
        saved: Where the values are.
        value: Tensors of ``ndim`` dimensions, or one more in front for evaluations.
        ndim: Dimensions of one evaluation of one batch.
    """
    parts = list(value) if isinstance(value, list | tuple) else [value]
    if not parts:
        raise ValueError("an empty list of batches")
    if all(type(part) in (int, float) for part in parts):
        return np.array(parts)
    arrays = []
    left = saved.most
    for part in parts:
        arrays.append(_array(saved, part))
        left -= arrays[-1].size
        if left < 0:
            raise ValueError(f"lists of over {saved.most} values, more than the file holds")
    if len(arrays) == 1:
        return arrays[0]
    return np.concatenate(arrays, axis=arrays[0].ndim - ndim)


def _array(saved: TorchFile, part: Any) -> np.ndarray:
    if isinstance(part, Tensor):
        return saved.array(part)
    if isinstance(part, Foreign):
        raise ValueError(f"expected a tensor, found an object of {part.name}")
    if isinstance(part, Array):
        return array(part)
    raise ValueError(f"expected a tensor, found {type(part).__name__}")


FORMAT = Format("torch", (".pt", ".pth"), claims, entries)
