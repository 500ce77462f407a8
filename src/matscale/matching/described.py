"""Everything that scoring needs of a crystal by itself, computed once per structure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from matscale.matching.canonical import canonical_cells
from matscale.metrics import sites
from matscale.runtime.memory import Memory
from matscale.structures import cells, symmetry
from matscale.structures.table import StructureTable

CHUNK = 1024
"""Crystals or pairs that are one piece of work: about a tenth of a second of kernels."""


@dataclass(frozen=True)
class Description:
    """Crystals in their canonical cells, with their lattice parameters and invariants.

    Attributes:
        table: Canonical cells (primitive, Niggli) of the crystals that have one.
        rows: Row of ``table`` for each described crystal, (n,); -1 where there is none.
        reasons: Why there is none, (n,) of str; "" where there is one.
        parameters: Lattice parameters, (len(table), 6) in Å and degrees.
        amd: Average minimum distances, (len(table), k) in Å.
        pdd: Pointwise distance distribution of each row of ``table``, if they were asked for.
    """

    table: StructureTable
    rows: np.ndarray
    reasons: np.ndarray
    parameters: np.ndarray
    amd: np.ndarray
    pdd: tuple[np.ndarray, ...]

    @property
    def usable(self) -> np.ndarray:
        """Which of the described crystals have a canonical cell, (n,) bool."""
        return self.rows >= 0


def describe(
    table: StructureTable, memory: Memory, *, label: str, distributions: bool = True
) -> Description:
    """Canonical cells and invariants of all crystals of a table.

    Args:
        table: Crystals.
        memory: Where answers are kept.
        label: For the progress display.
        distributions: Whether PDDs are needed beside their averages; else there are none.
    """
    chunks = [table[start : start + CHUNK] for start in range(0, len(table), CHUNK)]
    function = _describe_chunk if distributions else _describe_chunk_by_averages
    answers = memory.map(function, chunks, label=label)
    reasons = np.concatenate([np.empty(0, object), *(a["reasons"].astype(object) for a in answers)])
    usable = reasons == ""
    canonical = StructureTable.concatenate(
        [_unpack(answer, chunk) for answer, chunk in zip(answers, chunks, strict=True)]
    )
    return Description(
        table=canonical,
        rows=np.where(usable, np.cumsum(usable) - 1, -1),
        reasons=reasons,
        parameters=cells.lattice_parameters(canonical.lattices),
        amd=np.concatenate([np.empty((0, sites.NEIGHBOURS)), *(a["amd"] for a in answers)]),
        pdd=tuple(
            pdd for answer in answers for pdd in split_rows(answer["pdd"], answer["pdd_rows"])
        )
        if distributions
        else (),
    )


def split_rows(joined: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """Cut an array of rows into pieces of the given lengths."""
    return np.split(joined, np.cumsum(lengths)[:-1]) if len(lengths) else []


def _describe_chunk(table: StructureTable) -> dict[str, np.ndarray]:
    packed, reasons = canonical_cells(table)
    amd, pdd = _invariants(packed)
    return {
        **_packed(packed, reasons),
        "amd": amd,
        "pdd": np.concatenate([np.empty((0, sites.NEIGHBOURS + 1)), *pdd]),
        "pdd_rows": np.array([len(rows) for rows in pdd], dtype=np.int64),
    }


def _describe_chunk_by_averages(table: StructureTable) -> dict[str, np.ndarray]:
    packed, reasons = canonical_cells(table)
    rows = range(len(packed))
    amd = [
        sites.average_minimum_distances(packed.row_positions(row), packed.lattices[row])
        for row in rows
    ]
    return {**_packed(packed, reasons), "amd": np.reshape(amd, (len(packed), sites.NEIGHBOURS))}


def _packed(packed: StructureTable, reasons: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "reasons": reasons.astype(str),
        "n_atoms": packed.n_atoms,
        "numbers": packed.numbers,
        "positions": packed.positions,
        "cells": packed.lattices,
    }


def _invariants(table: StructureTable) -> tuple[np.ndarray, list[np.ndarray]]:
    amd, pdd = np.empty((len(table), sites.NEIGHBOURS)), []
    for row in range(len(table)):
        amd[row], distances = sites.invariants(table.row_positions(row), table.lattices[row])
        pdd.append(distances)
    return amd, pdd


def _unpack(answer: dict[str, np.ndarray], chunk: StructureTable) -> StructureTable:
    return StructureTable(
        ids=chunk.ids[answer["reasons"] == ""],
        offsets=np.concatenate([[0], np.cumsum(answer["n_atoms"])]),
        numbers=answer["numbers"],
        positions=answer["positions"],
        cells=answer["cells"],
    )


def crystal_systems(
    table: StructureTable,
    memory: Memory,
) -> Sequence[str]:
    """Crystal system of each crystal, at symprec 0.1 Å."""
    # Atoms alone matter: crystals under other ids are known ones.
    table = table.with_ids([""] * len(table))
    chunks = [table[start : start + CHUNK] for start in range(0, len(table), CHUNK)]
    answers = memory.map(_system_chunk, chunks, label="crystal systems")
    return [str(system) for answer in answers for system in answer["systems"]]


def _system_chunk(table: StructureTable) -> dict[str, np.ndarray]:
    systems = [
        symmetry.crystal_system(
            table.row_numbers(row), table.row_positions(row), table.lattices[row]
        )
        for row in range(len(table))
    ]
    return {"systems": np.array(systems)}


def prototypes(
    table: StructureTable,
    memory: Memory,
) -> Sequence[str]:
    """Prototype label of each crystal, at symprec 0.1 Å."""
    chunks = [table[start : start + CHUNK] for start in range(0, len(table), CHUNK)]
    answers = memory.map(_prototype_chunk, chunks, label="prototypes")
    return [str(label) for answer in answers for label in answer["prototypes"]]


def _prototype_chunk(table: StructureTable) -> dict[str, np.ndarray]:
    labels = [
        symmetry.prototype(table.row_numbers(row), table.row_positions(row), table.lattices[row])
        for row in range(len(table))
    ]
    return {"prototypes": np.array(labels)}
